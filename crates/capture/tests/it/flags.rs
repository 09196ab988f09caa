//! `/flags` and `/decide`: no flags, in the form of every version that SDKs ask for.

use crate::support::{Edge, base64, form, get, gzip, post};
use http::StatusCode;
use serde_json::json;

const ASK: &str = r#"{"token":"phc_known","distinct_id":"ann","groups":{},"person_properties":{"a":1}}"#;

#[tokio::test]
async fn modern_answers() {
    let edge = Edge::new();
    for query in ["?v=2", "?v=4", "?v=3", "/?v=2", "?config=false"] {
        let answer = edge.post(&format!("/flags{query}"), ASK).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/json")), "{query}");
        let document = answer.json();
        assert_eq!(document["flags"], json!({}), "{query}");
        assert_eq!(document["errorsWhileComputingFlags"], json!(false), "{query}");
        assert_eq!(document["evaluatedAt"], json!(1_700_000_000_000_i64), "{query}");
        assert_eq!(document["requestId"].as_str().map(str::len), Some(36), "{query}");
        assert_eq!(document.get("supportedCompression"), None, "{query}");
    }
}

#[tokio::test]
async fn config_comes_along_when_asked_for() {
    let edge = Edge::new();
    for query in ["", "/", "?v=2&config=true", "?ip=1&_=1700000000000"] {
        let document = edge.post(&format!("/flags{query}"), ASK).await.json();
        let config = document.get("supportedCompression").is_some();
        assert!(config, "{query}: {document}");
        assert_eq!(document["autocapture_opt_out"], json!(false), "{query}");
    }
}

#[tokio::test]
async fn legacy_answers() {
    let edge = Edge::new();
    let legacy = edge.post("/flags/?v=1", ASK).await.json();
    assert_eq!((&legacy["featureFlags"], &legacy["featureFlagPayloads"]), (&json!({}), &json!({})));
    for (query, expected) in [("", json!([])), ("?v=1", json!([])), ("?v=2", json!({})), ("?v=3", json!({}))] {
        let document = edge.post(&format!("/decide/{query}"), ASK).await.json();
        assert_eq!(document["featureFlags"], expected, "{query}");
        assert_eq!(document["config"], json!({"enable_collect_everything": true}), "{query}");
        assert_eq!(document["supportedCompression"], json!(["gzip", "gzip-js"]), "{query}");
    }
    let newest = edge.post("/decide/?v=4", ASK).await.json();
    assert_eq!(newest["flags"], json!({}));
    let third = edge.post("/decide/?v=3", ASK).await.json();
    assert_eq!((&third["featureFlagPayloads"], &third["errorsWhileComputingFlags"]), (&json!({}), &json!(false)));
}

#[tokio::test]
async fn packed_as_events_are_and_lenient() {
    let edge = Edge::new();
    let form_header = [("content-type", "application/x-www-form-urlencoded")];
    for (name, request) in [
        ("gzip", post("/flags/?v=2", &[], gzip(ASK))),
        ("gzip by query", post("/flags/?v=2&compression=gzip-js", &[], gzip(ASK))),
        ("base64", post("/flags/?v=2", &[], base64(ASK))),
        ("base64 form", post("/flags/?v=2&compression=base64", &form_header, form(&[("data", &base64(ASK))]))),
        ("plain form", post("/decide/?v=3", &form_header, form(&[("data", ASK)]))),
        ("api_key", post("/flags/?v=2", &[], r#"{"api_key":"phc_known","distinct_id":5}"#)),
        ("$token", post("/flags/?v=2", &[], r#"{"$token":"phc_known","$distinct_id":"x"}"#)),
        ("unknown token", post("/flags/?v=2", &[], r#"{"token":"phc_other"}"#)),
        (
            "numbers that JSON does not have",
            post("/flags/?v=2", &[], r#"{"token":"phc_known","person_properties":{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \" NaN"}}"#),
        ),
    ] {
        assert_eq!(edge.send(request).await.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn refusals_are_text() {
    let edge = Edge::new();
    for (body, status, text) in [
        ("", StatusCode::BAD_REQUEST, "request missing data payload"),
        ("{", StatusCode::BAD_REQUEST, "failed to parse request"),
        ("[1]", StatusCode::BAD_REQUEST, "failed to parse request"),
        (r#"{"distinct_id":"ann"}"#, StatusCode::UNAUTHORIZED, "event submitted without an api_key"),
        (r#"{"token":""}"#, StatusCode::UNAUTHORIZED, "API key is not valid: empty"),
        (r#"{"token":"phx_secret"}"#, StatusCode::UNAUTHORIZED, "API key is not valid: personal_api_key"),
    ] {
        for path in ["/flags/?v=2", "/decide/?v=3"] {
            let answer = edge.post(path, body).await;
            assert_eq!(answer.status, status, "{path} {body}");
            assert!(answer.text().starts_with(text), "{path} {body}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn get_answers_a_document_without_flags() {
    let edge = Edge::new();
    let answer = edge.send(get("/flags/?v=2")).await;
    assert_eq!((answer.status, &answer.json()["flags"]), (StatusCode::OK, &json!({})));
    let head = http::Request::head("/flags/").body(axum::body::Body::empty()).expect("a request");
    assert_eq!(edge.send(head).await.status, StatusCode::OK);
}
