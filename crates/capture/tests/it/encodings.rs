//! Whatever way an SDK packs a request, the same events come out.

use crate::support::{Edge, base64, batch, form, get, gzip, post};
use axum::body::Body;
use http::{Request, StatusCode};
use proptest::prelude::*;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
/// `{"event":"é日😀","distinct_id":"ann","token":"phc_known","n":"aaaa…"}` as LZ-String makes it.
const LZ64: &str = include_str!("lz64.txt");

fn text() -> String {
    batch(&[r#"{"event":"é日😀 + =","distinct_id":"ann","uuid":"018f0000-0000-7000-8000-000000000001","properties":{"a":[1,{"b":"~ÿ"}]}}"#])
}

async fn event_names(edge: &Edge, name: &str, request: Request<Body>) -> Vec<String> {
    let answer = edge.send(request).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, r#"{"status":"Ok"}"#), "{name}");
    let records = edge.records();
    let names = records.iter().flat_map(|record| aqueduct_event::RawBatch::decode(record).expect("a batch").events);
    names.map(|event| event.event.to_owned()).collect()
}

fn packings(text: &str, path: &str) -> Vec<(&'static str, Request<Body>)> {
    let (packed, encoded) = (gzip(text), base64(text));
    let zipped64 = base64(&packed);
    let query = |compression: &str| format!("{path}?compression={compression}&ver=1.2.3&_=1700000000000&ip=0");
    vec![
        ("plain", post(path, &[("content-type", "application/json")], text.to_owned())),
        ("plain as text", post(path, &[("content-type", "text/plain")], text.to_owned())),
        ("no content type", post(path, &[], text.to_owned())),
        ("gzip by magic", post(path, &[("content-type", "text/plain")], packed.clone())),
        ("gzip by header", post(path, &[GZIP, ("content-type", "application/json")], packed.clone())),
        ("gzip by header in capitals", post(path, &[("content-encoding", "GZIP")], packed.clone())),
        ("gzip by query", post(&query("gzip"), &[], packed.clone())),
        ("gzip-js by query", post(&query("gzip-js"), &[("content-type", "text/plain")], packed.clone())),
        ("gzip by query and header", post(&query("gzip"), &[GZIP], packed.clone())),
        ("gzip with an unknown hint", post(&query("snappy"), &[], packed)),
        ("base64", post(path, &[], encoded.clone())),
        ("base64 by query", post(&query("base64"), &[], encoded.clone())),
        ("base64 of gzip", post(path, &[], zipped64.clone())),
        ("base64 of gzip by query", post(&query("gzip-js"), &[], zipped64)),
        ("form", post(path, &[FORM], form(&[("data", text)]))),
        ("form with base64", post(path, &[FORM], form(&[("data", &encoded), ("compression", "base64")]))),
        ("form with hint in the query", post(&query("base64"), &[FORM], form(&[("data", &encoded)]))),
        ("form with bare plus signs", post(path, &[FORM], format!("data={encoded}&compression=base64"))),
        ("form with other fields first", post(path, &[FORM], format!("ver=1&{}", form(&[("compression", "b64"), ("data", &encoded)])))),
        (
            "form with a charset",
            post(path, &[("content-type", "application/x-www-form-urlencoded; charset=UTF-8")], form(&[("data", text)])),
        ),
        (
            "JSON that says it is a form with a charset",
            post(path, &[("content-type", "application/x-www-form-urlencoded; charset=UTF-8")], text.to_owned()),
        ),
        ("data in the query", get(&format!("{path}?{}", form(&[("data", text)])))),
        ("base64 in the query", get(&format!("{path}?{}", form(&[("data", &encoded), ("compression", "base64")])))),
        ("data in the query of a post", post(&format!("{path}?{}", form(&[("data", text)])), &[], "ignored")),
    ]
}

#[tokio::test]
async fn every_encoding_on_every_route() {
    let edge = Edge::new();
    for path in ["/e/", "/i/v0/e/", "/capture/", "/track/", "/engage/", "/batch/"] {
        for (name, request) in packings(&text(), path) {
            assert_eq!(event_names(&edge, &format!("{name} on {path}"), request).await, ["é日😀 + ="], "{name} on {path}");
        }
    }
}

#[tokio::test]
async fn lz64_is_read() {
    let edge = Edge::new();
    for hint in ["lz64", "lz-string", "LZ64"] {
        let request = post(&format!("/e/?compression={hint}"), &[], LZ64.trim());
        // Such bodies look like base64 too; what they decode to is no base64, so the hint decides.
        assert_eq!(event_names(&edge, hint, request).await, ["é日😀"], "{hint}");
    }
    let request = post("/e/", &[FORM], form(&[("data", LZ64.trim()), ("compression", "lz64")]));
    assert_eq!(event_names(&edge, "form", request).await, ["é日😀"]);
}

#[tokio::test]
async fn base64_around_gzip_text_is_unwrapped_on_legacy_routes_only() {
    let edge = Edge::new();
    let packed = gzip(base64(text()));
    assert_eq!(event_names(&edge, "legacy", post("/e/", &[], packed.clone())).await, ["é日😀 + ="]);
    assert_eq!(edge.post("/batch/", packed).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_cannot_be_unwrapped_is_named() {
    let edge = Edge::new();
    let table = [
        ("bad gzip by header", post("/batch/", &[GZIP], "not gzip"), "failed to decode request: invalid GZIP data"),
        ("cut gzip", post("/batch/", &[], gzip(text())[..40].to_vec()), "failed to decode request: invalid GZIP data"),
        ("gzip magic alone", post("/batch/", &[], vec![0x1f, 0x8b, 8]), "failed to decode request: invalid GZIP data"),
        ("form that is none", post("/e/", &[FORM], "{}"), "failed to decode request: expected form data in POST request payload"),
        ("bad lz64", post("/e/?compression=lz64", &[], "!!!"), "failed to decode request: invalid lz64 data"),
        ("bad UTF-8", post("/batch/", &[], vec![b'{', 0xff]), "failed to decode request: invalid UTF-8 at byte 1"),
        ("bad UTF-8 in gzip", post("/batch/", &[], gzip([b'{', 0xff])), "failed to decode request: invalid UTF-8 at byte 1"),
        ("nothing", post("/batch/", &[], ""), "request missing data payload"),
        ("nothing by get", get("/e/"), "request missing data payload"),
        ("empty data by get", get("/e/?data="), "request missing data payload"),
    ];
    for (name, request, expected) in table {
        let answer = edge.send(request).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::BAD_REQUEST, expected), "{name}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{name}");
    }
    assert!(edge.records().is_empty());
}

#[tokio::test]
async fn a_damaged_checksum_is_found() {
    let mut packed = gzip(text());
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    assert_eq!(Edge::new().post("/batch/", packed).await.text(), "failed to decode request: invalid GZIP data");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_text_survives_any_packing(name in "\\PC{1,40}", value in any::<String>(), padding in 0_usize..3000) {
        let event = serde_json::json!({"event": name, "distinct_id": "ann", "properties": {"v": value, "p": "x".repeat(padding)}});
        let text = batch(&[&event.to_string()]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let edge = Edge::new();
        for (packing, request) in packings(&text, "/e/") {
            let properties = runtime.block_on(edge.accepted(request, |batch| batch.events[0].properties.to_owned()));
            let kept: serde_json::Value = serde_json::from_str(&properties).expect("JSON");
            prop_assert_eq!(&kept, &event["properties"], "{}", packing);
        }
    }
}
