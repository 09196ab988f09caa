//! Any v1 body in any encoding: refused, or one result per event and records that can be read. The first byte chooses the encoding.

#![no_main]

use aqueduct_capture::{CaptureConfig, offline};
use aqueduct_event::{RawBatch, UnixMicros};
use bytes::Bytes;
use http::Request;
use libfuzzer_sys::fuzz_target;

const ENCODINGS: [&str; 5] = ["identity", "gzip", "deflate", "br", "zstd"];

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let request = Request::post("/i/v1/analytics/events")
        .header("authorization", "Bearer phc_fuzz")
        .header("content-type", "application/json")
        .header("content-encoding", ENCODINGS[usize::from(*choice) % ENCODINGS.len()])
        .header("user-agent", "fuzz")
        .header("posthog-sdk-info", "fuzz/1")
        .header("posthog-attempt", "1")
        .header("posthog-request-id", "018bcf2e-0000-7000-8000-000000000000")
        .header("posthog-request-timestamp", "2023-11-14T22:13:20Z")
        .body(Bytes::copy_from_slice(body))
        .expect("a request");
    let config = CaptureConfig { v1_body_decoded_bytes_max: 1 << 20, ..CaptureConfig::default() };
    let Ok((records, results)) = offline::decode_v1(request, UnixMicros(1_700_000_000_000_000), &config) else { return };
    let results: serde_json::Value = serde_json::from_str(&results).expect("the answer is JSON");
    let told = results["results"].as_object().expect("an object");
    let mut kept = 0;
    for record in records {
        let batch = RawBatch::decode(&record).expect("what was encoded can be decoded");
        kept += batch.events.len();
        for event in batch.events {
            assert!(event.properties.starts_with('{'));
            serde_json::from_str::<&serde_json::value::RawValue>(event.properties).expect("valid JSON is kept");
        }
    }
    assert!(kept <= told.len(), "no event is kept without a result");
});
