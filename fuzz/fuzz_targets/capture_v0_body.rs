//! Any body with any hints: refused, or taken as records that `process` can read. The first byte chooses headers and query.

#![no_main]

use aqueduct_capture::{CaptureConfig, offline};
use aqueduct_event::{RawBatch, UnixMicros};
use bytes::Bytes;
use http::Request;
use libfuzzer_sys::fuzz_target;

const TARGETS: [&str; 4] = ["/e/", "/e/?compression=gzip-js&_=1700000000000", "/e/?compression=lz64", "/e/?compression=base64&beacon=1"];

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let mut request = Request::post(TARGETS[usize::from(*choice) % TARGETS.len()]);
    if choice & 0x10 != 0 {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    if choice & 0x20 != 0 {
        request = request.header("content-encoding", "gzip");
    }
    let request = request.body(Bytes::copy_from_slice(body)).expect("a request");
    let config = CaptureConfig { body_decoded_bytes_max: 1 << 20, ..CaptureConfig::default() };
    let Ok(records) = offline::decode_v0(request, UnixMicros(1_700_000_000_000_000), &config) else { return };
    for record in records {
        let batch = RawBatch::decode(&record).expect("what was encoded can be decoded");
        assert!(!batch.events.is_empty() && !batch.token.is_empty() && batch.token.len() <= 64);
        for event in batch.events {
            assert!(!event.event.is_empty() && event.event.chars().count() <= 200);
            assert!(!event.distinct_id.is_empty() && event.distinct_id.chars().count() <= 200);
            for json in [event.properties, event.set, event.set_once] {
                assert!(json.is_empty() || json.starts_with('{'));
            }
            for json in [event.properties, event.set, event.set_once, event.unset] {
                if !json.is_empty() {
                    serde_json::from_str::<&serde_json::value::RawValue>(json).expect("valid JSON is kept");
                }
            }
        }
    }
});
