//! Every route answers with and without the trailing slash, and the edge can be merged with other routers.

use crate::support::{Edge, TOKEN, batch, event, get, post};
use axum::Router;
use axum::body::Body;
use http::StatusCode;
use tower::ServiceExt;

#[tokio::test]
async fn with_and_without() {
    let edge = Edge::new();
    let body = batch(&[&event("")]);
    for path in ["/e", "/i/v0/e", "/capture", "/track", "/engage", "/batch", "/flags", "/decide", "/s"] {
        for path in [path.to_owned(), format!("{path}/"), format!("{path}?v=2"), format!("{path}/?v=2")] {
            assert_eq!(edge.post(&path, body.clone()).await.status, StatusCode::OK, "{path}");
        }
    }
    for path in ["/api/surveys", "/api/early_access_features", "/api/web_experiments", "/api/product_tours"] {
        for path in [format!("{path}?token={TOKEN}"), format!("{path}/?token={TOKEN}")] {
            assert_eq!(edge.send(get(&path)).await.status, StatusCode::OK, "{path}");
        }
    }
    for path in ["/array/phc_known/config", "/array/phc_known/config/", "/array/phc_known/config.js"] {
        assert_eq!(edge.send(get(path)).await.status, StatusCode::OK, "{path}");
    }
    for path in ["/flags/definitions", "/flags/definitions/", "/api/feature_flag/local_evaluation", "/api/feature_flag/local_evaluation/"] {
        assert_eq!(edge.send(get(path)).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_path_of_a_record_has_no_slash() {
    for path in ["/batch", "/batch/", "/batch/?x=1"] {
        let kept = Edge::new().accepted(post(path, &[], batch(&[&event("")])), |batch| batch.path.to_owned()).await;
        assert_eq!(kept, "/batch");
    }
}

#[tokio::test]
async fn other_routers_may_be_merged() {
    let other = Router::new()
        .route("/", axum::routing::get(|| async { "page" }))
        .route("/api/projects/{id}/query", axum::routing::get(|| async { "query" }))
        .route("/api/projects/{id}/feature_flags", axum::routing::get(|| async { "flags" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "fallback") });
    let merged = Edge::new().router.merge(other);
    for (path, status) in [
        ("/", StatusCode::OK),
        ("/api/projects/1/query", StatusCode::OK),
        ("/api/projects/@current/query", StatusCode::OK),
        ("/api/projects/@current/feature_flags", StatusCode::OK),
        ("/api/projects/@current/feature_flags/k/remote_config", StatusCode::UNAUTHORIZED),
        ("/elsewhere", StatusCode::NOT_FOUND),
    ] {
        let response = merged.clone().oneshot(http::Request::get(path).body(Body::empty()).expect("a request")).await.expect("infallible");
        assert_eq!(response.status(), status, "{path}");
    }
}
