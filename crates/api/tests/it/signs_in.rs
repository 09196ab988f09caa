//! The first user is made with the token that the server printed; then sessions do what keys do, but only from own pages.

use crate::world::{Answer, World};
use expect_test::expect;
use serde_json::json;

fn cookie_of(answer: &Answer) -> String {
    let set = answer.headers["set-cookie"].to_str().expect("text");
    assert!(set.contains("; HttpOnly; SameSite=Lax") && set.contains("Path=/"), "{set}");
    set.split(';').next().expect("pair").to_owned()
}

#[tokio::test]
async fn set_up_once_then_sign_in_and_out() {
    let world = World::new().await;
    let token = world.catalog.setup_secret().expect("needs a user").to_owned();
    let new = |token: &str| Some(json!({"token": token, "email": "ann@example.com", "password": "open sesame"}));
    let mut answers = vec![world.ask_with("POST", "/api/setup/", &[], new("guess")).await.error()];
    let made = world.ask_with("POST", "/api/setup/", &[], new(&token)).await;
    assert_eq!((made.status.as_u16(), made.json()["email"].as_str()), (201, Some("ann@example.com")));
    let first = cookie_of(&made);
    let me = world.ask_with("GET", "/api/users/@me/", &[("cookie", &first)], None).await.json();
    assert_eq!((me["team"]["api_token"].as_str(), me["team"]["id"].as_u64()), (Some("phc_first"), Some(1)));
    answers.push(world.ask_with("POST", "/api/setup/", &[], new(&token)).await.error());

    let sign_in = |password: &str| Some(json!({"email": "Ann@example.com", "password": password}));
    answers.push(world.ask_with("POST", "/api/login/", &[], sign_in("open barley")).await.error());
    let second = cookie_of(&world.ask_with("POST", "/api/login/", &[], sign_in("open sesame")).await);
    assert_ne!(first, second);
    let out = world.ask_with("POST", "/api/logout/", &[("cookie", &second)], Some(json!({}))).await;
    assert!(out.headers["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
    answers.push(world.ask_with("GET", "/api/users/@me/", &[("cookie", &second)], None).await.error());
    assert_eq!(world.ask_with("GET", "/api/users/@me/", &[("cookie", &first)], None).await.status, 200, "the other session goes on");
    expect![[r#"
        403 authentication_error permission_denied [-] The set-up token is wrong or of an earlier start. The server prints the address with the right one when it starts.
        403 authentication_error permission_denied [-] The first user was made already. Sign in instead.
        400 validation_error invalid_credentials [-] Invalid email or password.
        401 authentication_error not_authenticated [-] Authentication credentials were not provided."#]].assert_eq(&answers.join("\n"));
}

#[tokio::test]
async fn other_sites_cannot_use_a_session() {
    let world = World::new().await;
    let token = world.catalog.setup_secret().expect("needs a user").to_owned();
    let new = json!({"token": token, "email": "ann@example.com", "password": "open sesame"});
    let cookie = cookie_of(&world.ask_with("POST", "/api/setup/", &[], Some(new)).await);
    let change = || Some(json!({"name": "Changed"}));
    let patch = |headers: Vec<(&'static str, &'static str)>| {
        let (world, cookie) = (&world, &cookie);
        async move {
            let mut all = headers;
            all.push(("cookie", cookie));
            world.ask_with("PATCH", "/api/projects/1/", &all, change()).await.status.as_u16()
        }
    };
    assert_eq!(patch(vec![]).await, 403);
    assert_eq!(patch(vec![("origin", "http://evil.example")]).await, 403);
    assert_eq!(patch(vec![("origin", "http://localhost:8000")]).await, 200);
    assert_eq!(patch(vec![("x-requested-with", "aqueduct")]).await, 200);
    let form = http::Request::post("/api/login/").header("content-type", "application/x-www-form-urlencoded").body("a=b".into());
    assert_eq!(world.send(form.expect("request")).await.status, 415);
}
