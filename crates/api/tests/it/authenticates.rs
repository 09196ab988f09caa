//! Who may ask what, and how they say who they are.

use crate::world::{KEY, World};
use expect_test::expect;
use serde_json::json;

#[tokio::test]
async fn without_and_with_wrong_credentials() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for headers in
        [&[][..], &[("authorization", "Bearer phx_guess")], &[("authorization", "Basic abc")], &[("cookie", "aqueduct_session=guess")]]
    {
        answers.push(world.ask_with("GET", "/api/projects/", headers, None).await);
    }
    answers.push(world.ask_with("GET", "/api/projects/?personal_api_key=phx_guess", &[], None).await);
    answers.push(world.ask_with("POST", "/api/projects/", &[], Some(json!({"personal_api_key": "phx_guess"}))).await);
    // Strangers do not learn which projects exist.
    answers.push(world.ask_with("GET", "/api/projects/99/", &[], None).await);
    assert!(answers.iter().all(|answer| answer.headers["www-authenticate"] == "Bearer realm=\"api\""));
    let answers: Vec<String> = answers.iter().map(crate::world::Answer::error).collect();
    expect![[r#"
        401 authentication_error not_authenticated [-] Authentication credentials were not provided.
        401 authentication_error authentication_failed [-] Personal API key found in request Authorization header is invalid.
        401 authentication_error not_authenticated [-] Authentication credentials were not provided.
        401 authentication_error not_authenticated [-] Authentication credentials were not provided.
        401 authentication_error authentication_failed [-] Personal API key found in request query string is invalid.
        401 authentication_error authentication_failed [-] Personal API key found in request body is invalid.
        401 authentication_error not_authenticated [-] Authentication credentials were not provided."#]]
    .assert_eq(&answers.join("\n"));
}

#[tokio::test]
async fn a_key_in_the_header_the_query_string_or_the_body() {
    let world = World::new().await;
    assert_eq!(world.ask("GET", "/api/projects/", None).await.status, 200);
    assert_eq!(world.ask_with("GET", &format!("/api/projects?personal_api_key={KEY}"), &[], None).await.status, 200);
    let made = world.ask_with("POST", "/api/projects/", &[], Some(json!({"personal_api_key": KEY, "name": "From the body"}))).await;
    assert_eq!((made.status.as_u16(), made.json()["name"].as_str()), (201, Some("From the body")));
}

#[tokio::test]
async fn scopes_are_kept() {
    let world = World::new().await;
    let made =
        world.ask("POST", "/api/personal_api_keys/", Some(json!({"label": "reader", "scopes": ["project:read", "query:read"]}))).await;
    let bearer = format!("Bearer {}", made.json()["value"].as_str().expect("value"));
    let with = [("authorization", bearer.as_str())];
    assert_eq!(world.ask_with("GET", "/api/projects/1/", &with, None).await.status, 200);
    let query = json!({"query": {"kind": "HogQLQuery", "query": "SELECT 1"}});
    assert_eq!(world.ask_with("POST", "/api/projects/1/query/", &with, Some(query)).await.status, 200);
    let mut refusals = Vec::new();
    for (method, path) in
        [("PATCH", "/api/projects/1/"), ("GET", "/api/projects/1/persons/"), ("GET", "/api/users/@me/"), ("POST", "/api/projects/")]
    {
        refusals.push(world.ask_with(method, path, &with, Some(json!({"name": "x"}))).await.error());
    }
    expect![[r#"
        403 authentication_error permission_denied [-] API key missing required scope 'project:write'
        403 authentication_error permission_denied [-] API key missing required scope 'person:read'
        403 authentication_error permission_denied [-] API key missing required scope 'user:read'
        403 authentication_error permission_denied [-] API key missing required scope 'project:write'"#]]
    .assert_eq(&refusals.join("\n"));
}

#[tokio::test]
async fn unknown_paths_methods_and_bodies() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for (method, path, body) in [
        ("GET", "/api/nothing/", None),
        ("GET", "/api/projects/99/", None),
        ("GET", "/api/projects/one/", None),
        ("DELETE", "/api/projects/1/", None),
        ("GET", "/api/organizations/0197a0d4-0000-7000-8000-000000000000/projects/", None),
        ("GET", "/api/projects/?limit=many", None),
        ("PATCH", "/api/projects/1/", Some(json!(["a"]))),
        ("PATCH", "/api/projects/1/", Some(json!({"name": 5}))),
    ] {
        answers.push(world.ask(method, path, body).await.error());
    }
    let request = http::Request::post("/api/projects/").header("authorization", format!("Bearer {KEY}")).body("{".into());
    answers.push(world.send(request.expect("request")).await.error());
    let large = http::Request::post("/api/projects/").header("authorization", format!("Bearer {KEY}")).body(vec![b' '; 5 << 20].into());
    answers.push(world.send(large.expect("request")).await.error());
    expect![[r#"
        404 invalid_request not_found [-] Endpoint not found.
        404 invalid_request not_found [-] Project not found.
        404 invalid_request not_found [-] Project not found.
        405 invalid_request method_not_allowed [-] Method "DELETE" not allowed.
        404 invalid_request not_found [-] Organization not found.
        400 validation_error invalid_input [limit] invalid digit found in string
        400 validation_error invalid_input [-] Expected an object.
        400 validation_error invalid_input [name] invalid type: integer `5`, expected a string
        400 invalid_request parse_error [-] JSON parse error - EOF while parsing an object at line 1 column 1
        413 invalid_request request_too_large [-] Request body is larger than 4194304 bytes."#]]
    .assert_eq(&answers.join("\n"));
}
