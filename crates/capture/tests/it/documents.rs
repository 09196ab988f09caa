//! Remote config and the lists: complete for every SDK, cached, readable across origins.

use crate::support::{Edge, FLAGS_KEY, TOKEN, get};
use http::{Request, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn config_is_complete() {
    let answer = Edge::new().send(get(&format!("/array/{TOKEN}/config"))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let vary: Vec<_> = answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
    assert!(vary.contains(&"Origin, Referer"), "{vary:?}");
    let document = answer.json();
    for (key, expected) in [
        ("token", json!(TOKEN)),
        ("supportedCompression", json!(["gzip", "gzip-js"])),
        ("hasFeatureFlags", json!(true)),
        ("autocapture_opt_out", json!(false)),
        ("analytics", json!({"endpoint": "/i/v0/e/"})),
        ("elementsChainAsString", json!(true)),
        ("sessionRecording", json!(false)),
        ("heatmaps", json!(false)),
        ("surveys", json!(false)),
        ("capturePerformance", json!({"network_timing": false, "web_vitals": false, "web_vitals_allowed_metrics": null})),
        ("autocaptureExceptions", json!(false)),
        ("captureDeadClicks", json!(false)),
        ("errorTracking", json!({"autocaptureExceptions": false, "suppressionRules": []})),
        ("logs", json!({"captureConsoleLogs": false})),
        ("productTours", json!(false)),
        ("conversations", json!(false)),
        ("defaultIdentifiedOnly", json!(true)),
        ("siteApps", json!([])),
    ] {
        assert_eq!(document.get(key), Some(&expected), "{key}");
    }
}

#[tokio::test]
async fn config_as_a_script() {
    let edge = Edge::new();
    let answer = edge.send(get(&format!("/array/{TOKEN}/config.js"))).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/javascript")));
    let text = answer.text();
    assert!(text.starts_with("(function() {") && text.ends_with("})();"), "{text}");
    assert!(text.contains("window._POSTHOG_REMOTE_CONFIG = window._POSTHOG_REMOTE_CONFIG || {};"), "{text}");
    let config = text.split("config: ").nth(1).and_then(|rest| rest.split(",\n").next()).expect("a config");
    let config: Value = serde_json::from_str(config).expect("JSON");
    assert_eq!(config, edge.send(get(&format!("/array/{TOKEN}/config"))).await.json());
}

#[tokio::test]
async fn tokens_in_paths() {
    let edge = Edge::new();
    for (path, status) in [
        ("/array/phc_unknown/config", StatusCode::NOT_FOUND),
        ("/array/phc_unknown/config.js", StatusCode::NOT_FOUND),
        ("/array/phc_unknown/array.js", StatusCode::NOT_FOUND),
        ("/array/phc.known/config", StatusCode::BAD_REQUEST),
        ("/array/phc%20known/config", StatusCode::BAD_REQUEST),
        ("/array/ph'c/config.js", StatusCode::BAD_REQUEST),
        ("/array//config", StatusCode::UNAUTHORIZED),
        ("/array//config.js", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(edge.send(get(path)).await.status, status, "{path}");
    }
    let head = Request::head(format!("/array/{TOKEN}/config")).body(axum::body::Body::empty()).expect("a request");
    let answer = edge.send(head).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn lists_are_empty_for_a_well_formed_token() {
    let edge = Edge::new();
    for (path, expected) in [
        ("/api/surveys/?token=phc_known", json!({"surveys": []})),
        ("/api/early_access_features/?token=phc_known&stage=concept&stage=beta", json!({"earlyAccessFeatures": []})),
        ("/api/web_experiments/?token=phc_known", json!({"experiments": []})),
        ("/api/product_tours/?token=phc_known", json!({"product_tours": []})),
    ] {
        let answer = edge.send(get(path)).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected), "{path}");
        let without = path.split('?').next().expect("a path");
        let answer = edge.send(get(without)).await;
        assert_eq!((answer.status, answer.json()["type"].as_str()), (StatusCode::UNAUTHORIZED, Some("authentication_error")), "{without}");
    }
}

fn authorized(path: &str, more: &[(&str, &str)]) -> Request<axum::body::Body> {
    let request = Request::get(path).header("authorization", format!("Bearer {FLAGS_KEY}"));
    let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(axum::body::Body::empty()).expect("a request")
}

#[tokio::test]
async fn flag_definitions_need_a_key_and_have_an_etag() {
    let edge = Edge::new();
    for path in ["/flags/definitions?token=phc_known&send_cohorts", "/api/feature_flag/local_evaluation/?token=phc_known&send_cohorts"] {
        let answer = edge.send(authorized(path, &[])).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({"flags": [], "group_type_mapping": {}, "cohorts": {}})),
            "{path}"
        );
        let etag = answer.header("etag").expect("an etag").to_owned();
        let answer = edge.send(authorized(path, &[("if-none-match", &etag)])).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        for wrong in [get(path), crate::support::post(path, &[], "")] {
            let answer = edge.send(wrong).await;
            assert!(matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::METHOD_NOT_ALLOWED), "{path}");
        }
        let answer = edge
            .send(Request::get(path).header("authorization", "Bearer phx_wrong").body(axum::body::Body::empty()).expect("a request"))
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["type"], "authentication_error");
        assert!(answer.json()["detail"].is_string());
    }
}

#[tokio::test]
async fn no_flag_has_a_payload() {
    let edge = Edge::new();
    let path = "/api/projects/@current/feature_flags/my-flag/remote_config?token=phc_known";
    assert_eq!(edge.send(authorized(path, &[])).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        edge.send(authorized("/api/projects/@current/feature_flags/my-flag/remote_config/", &[])).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(edge.send(get(path)).await.status, StatusCode::UNAUTHORIZED);
}
