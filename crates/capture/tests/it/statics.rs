//! The browser bundles: served when they were fetched before the build, named as missing when not.

use crate::support::{Edge, TOKEN, get};
use http::{Request, StatusCode};
use std::io::Read;

fn fetched() -> bool {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/static/array.js").exists()
}

#[tokio::test]
async fn served_or_named_as_missing() {
    let edge = Edge::new();
    let answer = edge.send(get("/static/array.js")).await;
    if !fetched() {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.text().contains("scripts/fetch-assets"), "{}", answer.text());
        return;
    }
    for path in ["/static/array.js", "/static/recorder.js?v=1.449.2", "/static/1.449.2/surveys.js", "/static/posthog-js-LICENSE.txt"] {
        let answer = edge.send(get(path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.body.len() > 1_000, "{path}");
        let script = path.contains(".js?") || path.ends_with(".js");
        let expected = if script { "application/javascript; charset=utf-8" } else { "text/plain; charset=utf-8" };
        assert_eq!(answer.header("content-type"), Some(expected), "{path}");
        let age = if path.contains("1.449.2") { "public, max-age=86400" } else { "public, max-age=300" };
        assert_eq!(answer.header("cache-control"), Some(age), "{path}");
        let etag = answer.header("etag").expect("an etag");
        let again = Request::get(path).header("if-none-match", etag).body(axum::body::Body::empty()).expect("a request");
        assert_eq!(edge.send(again).await.status, StatusCode::NOT_MODIFIED, "{path}");
    }
    for path in ["/static/none.js", "/static/README.md", "/static/..%2fCargo.toml", "/static/.gitignore"] {
        assert_eq!(edge.send(get(path)).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn compressed_for_those_who_take_it() {
    if !fetched() {
        return;
    }
    let edge = Edge::new();
    let plain = edge.send(get("/static/array.js")).await;
    let request =
        Request::get("/static/array.js").header("accept-encoding", "br, gzip;q=0.8").body(axum::body::Body::empty()).expect("a request");
    let packed = edge.send(request).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 2 < plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn the_loader_of_a_project_begins_with_its_config() {
    let answer = Edge::new().send(get(&format!("/array/{TOKEN}/array.js"))).await;
    if fetched() {
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/javascript")));
        assert!(answer.text().starts_with("(function() {\n  window._POSTHOG_REMOTE_CONFIG"));
        assert!(answer.body.len() > 100_000);
    } else {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}
