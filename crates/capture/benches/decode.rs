//! What one event costs between a whole body and its record: gzip batches of 100 events with about 700 bytes of properties each.

use aqueduct_capture::CaptureConfig;
use aqueduct_capture::offline::{decode_v0, decode_v1};
use aqueduct_event::UnixMicros;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;

const EVENTS: usize = 100;
const NOW: UnixMicros = UnixMicros(1_700_000_000_000_000);

/// About 700 bytes that look like a page view, different for each event.
fn properties(n: usize) -> String {
    format!(
        r#"{{"$lib":"posthog-node","$lib_version":"5.70.0","$current_url":"https://shop.example/products/{n}?utm_source=mail&utm_campaign=spring","$host":"shop.example","$pathname":"/products/{n}","$browser":"Chrome","$browser_version":{},"$os":"Mac OS X","$os_version":"10.15.7","$device_type":"Desktop","$screen_height":{},"$screen_width":1920,"$session_id":"018bcf2e-{:04x}-7000-8000-{:012x}","$window_id":"018bcf2e-{:04x}-7000-8000-{:012x}","$referrer":"https://search.example/?q={n}","$referring_domain":"search.example","plan":"{}","amount":{}.{:02},"items":[{n},{},3],"experiment":true,"$geoip_disable":true,"$is_server":true,"note":"customer number {n} looked at a thing"}}"#,
        100 + n % 30,
        800 + n % 400,
        n * 31 % 65_536,
        n * 7_919_777,
        n * 17 % 65_536,
        n * 104_729_333,
        ["free", "pro", "team"][n % 3],
        n * 13 % 500,
        n % 100,
        n * 3,
    )
}

fn v0_body() -> String {
    let mut body = String::from(r#"{"api_key":"phc_bench","sent_at":"2023-11-14T22:13:20.123Z","batch":["#);
    for n in 0..EVENTS {
        let comma = if n == 0 { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"event":"$pageview","distinct_id":"user-{}","uuid":"018bcf2e-0000-7000-8000-{n:012x}","timestamp":"2023-11-14T22:13:1{}.{:03}Z","type":"capture","library":"posthog-node","properties":{}}}"#,
            n * 37 % 1_000,
            n % 10,
            n * 7 % 1_000,
            properties(n)
        )
        .expect("memory");
    }
    body + "]}"
}

fn v1_body() -> String {
    let mut body = String::from(r#"{"created_at":"2023-11-14T22:13:20.123Z","batch":["#);
    for n in 0..EVENTS {
        let comma = if n == 0 { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"event":"$pageview","distinct_id":"customer-{}","uuid":"018bcf2e-0000-7000-8000-{n:012x}","timestamp":"2023-11-14T22:13:1{}.{:03}Z","options":{{}},"properties":{}}}"#,
            n * 37 % 1_000,
            n % 10,
            n * 7 % 1_000,
            properties(n)
        )
        .expect("memory");
    }
    body + "]}"
}

fn gzip(text: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory").into()
}

fn request(body: &Bytes) -> Request<Bytes> {
    let request = Request::post("/batch/")
        .header("authorization", "Bearer phc_bench")
        .header("content-type", "application/json")
        .header("user-agent", "bench/1")
        .header("posthog-sdk-info", "bench/1")
        .header("posthog-attempt", "1")
        .header("posthog-request-id", "018bcf2e-0000-7000-8000-000000000000")
        .header("posthog-request-timestamp", "2023-11-14T22:13:20.123Z");
    request.body(body.clone()).expect("a request")
}

fn decode(criterion: &mut Criterion) {
    let config = CaptureConfig::default();
    let (v0, v1) = (v0_body(), v1_body());
    let mut group = criterion.benchmark_group("decode");
    // Criterion then prints events per second; its time divided by 100 is the time per event.
    group.throughput(Throughput::Elements(EVENTS as u64));
    let (plain, packed) = (Bytes::from(v0.clone()), gzip(&v0));
    println!("v0: {} bytes plain, {} gzip; properties {} bytes", plain.len(), packed.len(), properties(50).len());
    for (name, body) in [("v0 plain", &plain), ("v0 gzip", &packed)] {
        group.bench_function(name, |bencher| bencher.iter(|| decode_v0(black_box(request(body)), NOW, &config).expect("decodes")));
    }
    let plain = Bytes::from(v1);
    group.bench_function("v1 plain", |bencher| bencher.iter(|| decode_v1(black_box(request(&plain)), NOW, &config).expect("decodes")));
    group.finish();
}

fn timestamps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timestamp");
    for text in ["2023-11-14T22:13:20.123Z", "2023-11-14T22:13:20.123456+00:00", "2023-11-14 22:13:20", "1700000000123"] {
        group.bench_function(text, |bencher| bencher.iter(|| aqueduct_event::timestamp::parse(black_box(text))));
    }
    group.finish();
}

criterion_group!(benches, decode, timestamps);
criterion_main!(benches);
