//! Every page may send: origin and headers are mirrored, credentials allowed, on successes, errors and preflights alike.

use crate::support::{Edge, batch, event, post};
use axum::body::Body;
use http::{Request, StatusCode};

const ORIGIN: (&str, &str) = ("origin", "https://shop.example");

fn preflight(path: &str) -> Request<Body> {
    let request = Request::options(path)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type, x-custom");
    request.body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn preflights_of_event_routes_answer_ok() {
    let edge = Edge::new();
    for path in [
        "/e",
        "/e/",
        "/capture/",
        "/track/",
        "/engage/",
        "/batch",
        "/batch/",
        "/i/v0/e/",
        "/s/",
        "/i/v1/analytics/events",
        "/i/v0/ai/batch/",
    ] {
        let answer = edge.send(preflight(path)).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, r#"{"status":"Ok"}"#), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("content-type, x-custom"), "{path}");
        let methods = answer.header("access-control-allow-methods").expect("methods");
        assert!(methods.contains("POST") && methods.contains("OPTIONS"), "{path}: {methods}");
        assert_eq!(methods.contains("GET"), !path.starts_with("/i/v1") && !path.starts_with("/i/v0/ai"), "{path}: {methods}");
    }
}

#[tokio::test]
async fn preflights_of_documents_answer_nothing() {
    let edge = Edge::new();
    for path in ["/flags/", "/decide/", "/flags/definitions", "/array/phc_known/config", "/array/phc_known/config.js"] {
        let answer = edge.send(preflight(path)).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::NO_CONTENT, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"), "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("content-type, x-custom"), "{path}");
    }
    assert_eq!(edge.send(preflight("/flags/")).await.header("allow"), Some("GET, POST, OPTIONS, HEAD"));
}

#[tokio::test]
async fn answers_mirror_the_origin() {
    let edge = Edge::new();
    for (body, status) in
        [(batch(&[&event("")]), StatusCode::OK), ("{".to_owned(), StatusCode::BAD_REQUEST), (batch(&[]), StatusCode::BAD_REQUEST)]
    {
        let answer = edge.send(post("/batch/", &[ORIGIN], body)).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")));
    }
}

#[tokio::test]
async fn without_an_origin_none_is_invented() {
    let answer = Edge::new().post("/batch/", batch(&[&event("")])).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
