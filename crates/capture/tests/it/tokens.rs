//! Where a token may be, which one wins, and what is no token. Whether a project has it is none of the edge's business.

use crate::support::{Edge, post};
use http::StatusCode;

async fn kept(body: &str) -> String {
    Edge::new().accepted(post("/e/", &[], body.to_owned()), |batch| batch.token.to_owned()).await
}

#[tokio::test]
async fn found_in_all_its_places() {
    let table = [
        (r#"{"api_key":"t","batch":[{"event":"e","distinct_id":"a"}]}"#, "t"),
        (r#"{"token":"t","batch":[{"event":"e","distinct_id":"a"}]}"#, "t"),
        (r#"{"api_key":"t","batch":[{"event":"e","distinct_id":"a","token":"u"},{"event":"e","distinct_id":"a","token":"v"}]}"#, "t"),
        (r#"{"batch":[{"event":"e","distinct_id":"a","token":"t"}]}"#, "t"),
        (r#"{"api_key":null,"batch":[{"event":"e","distinct_id":"a","properties":{"token":"t"}}]}"#, "t"),
        (r#"{"event":"e","distinct_id":"a","token":"t"}"#, "t"),
        (r#"{"event":"e","distinct_id":"a","$token":"t"}"#, "t"),
        (r#"{"event":"e","distinct_id":"a","api_key":"t"}"#, "t"),
        (r#"{"event":"e","distinct_id":"a","properties":{"token":"t"}}"#, "t"),
        (r#"{"event":"e","distinct_id":"a","token":"t","properties":{"token":"u"}}"#, "t"),
        (r#"[{"event":"e","properties":{"token":"t","distinct_id":"a"}},{"event":"e","distinct_id":"a","token":"t"}]"#, "t"),
        (r#"[{"event":"e","distinct_id":"a","token":"t"},{"event":"e","distinct_id":"a"}]"#, "t"),
        (r#"{"event":"e","distinct_id":"a","token":" t\n"}"#, "t"),
        (r#"{"event":"e","distinct_id":"a","token":"unknown_but_well_formed"}"#, "unknown_but_well_formed"),
    ];
    for (body, expected) in table {
        assert_eq!(kept(body).await, expected, "{body}");
    }
}

#[tokio::test]
async fn refused() {
    let edge = Edge::new();
    let one = |token: &str| format!(r#"{{"event":"e","distinct_id":"a","token":"{token}"}}"#);
    let table = [
        (r#"{"event":"e","distinct_id":"a"}"#.to_owned(), "event submitted without an api_key"),
        (r#"{"batch":[{"event":"e","distinct_id":"a"}]}"#.to_owned(), "event submitted without an api_key"),
        (r#"[{"event":"e","distinct_id":"a","token":7}]"#.to_owned(), "event submitted without an api_key"),
        (
            r#"[{"event":"e","distinct_id":"a","token":"t"},{"event":"e","distinct_id":"a","token":"u"}]"#.to_owned(),
            "batch submitted with inconsistent api_key values",
        ),
        (one(""), "API key is not valid: empty"),
        (one("  "), "API key is not valid: empty"),
        (one(&"x".repeat(65)), "API key is not valid: too_long"),
        (one("phc_ü"), "API key is not valid: not_ascii"),
        (one("phx_secret"), "API key is not valid: personal_api_key"),
        (one(r"phc_\u0000"), "API key is not valid: null_byte"),
        (
            r#"{"api_key":"phx_secret","batch":[{"event":"e","distinct_id":"a","token":"t"}]}"#.to_owned(),
            "API key is not valid: personal_api_key",
        ),
    ];
    for (body, expected) in table {
        let answer = edge.post("/e/", body).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::UNAUTHORIZED, expected));
    }
    assert!(edge.records().is_empty());
}

#[tokio::test]
async fn a_token_is_looked_at_before_the_distinct_id() {
    let answer = Edge::new().post("/e/", r#"{"event":"e"}"#).await;
    assert_eq!(answer.text(), "event submitted without an api_key");
}
