//! People are invited by a link, have a level, and are removed; levels are checked at every door.

use crate::world::{Answer, World};
use expect_test::expect;
use serde_json::{Value, json};

const ORG: &str = "/api/organizations/@current";

/// Invites and takes the invite; gives the cookie of the session and the uuid.
async fn join(world: &World, email: &str, level: u8) -> (String, String) {
    let invite = world.ask("POST", &format!("{ORG}/invites/"), Some(json!({"target_email": email, "level": level}))).await;
    assert_eq!(invite.status, 201, "{}", invite.text);
    let link = format!("/api/signup/{}/", invite.json()["id"].as_str().expect("an id"));
    let seen = world.ask_with("GET", &link, &[], None).await.json();
    assert_eq!((&seen["target_email"], &seen["organization_name"]), (&json!(email), &json!("My organization")));
    let made = world.ask_with("POST", &link, &[], Some(json!({"first_name": "Bea", "password": "open sesame"}))).await;
    assert_eq!((made.status.as_u16(), &made.json()["organization"]["membership_level"]), (201, &json!(level)), "{}", made.text);
    let cookie = made.headers["set-cookie"].to_str().expect("text").split(';').next().expect("a pair").to_owned();
    assert_eq!(world.ask_with("GET", &link, &[], None).await.status, 404, "it was taken");
    (cookie, made.json()["uuid"].as_str().expect("a uuid").to_owned())
}

async fn as_user(world: &World, cookie: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    world.ask_with(method, path, &[("cookie", cookie), ("x-requested-with", "test")], body).await
}

#[tokio::test]
async fn levels_are_checked() {
    let world = World::new().await;
    let (admin, admin_uuid) = join(&world, "admin@example.com", 8).await;
    let (plain, plain_uuid) = join(&world, "plain@example.com", 1).await;
    let member = |uuid: &str| format!("{ORG}/members/{uuid}/");
    let owner = world.get(&format!("{ORG}/members/@me/")).await["id"].as_str().expect("a uuid").to_owned();
    let mut answers = Vec::new();
    for (cookie, method, path, body) in [
        (&plain, "GET", format!("{ORG}/invites/"), None),
        (&plain, "POST", format!("{ORG}/invites/"), Some(json!({}))),
        (&plain, "POST", "/api/projects/".to_owned(), Some(json!({"name": "Mine"}))),
        (&plain, "PATCH", "/api/projects/1/reset_token/".to_owned(), Some(json!({}))),
        (&plain, "PATCH", format!("{ORG}/"), Some(json!({"name": "Mine"}))),
        (&plain, "DELETE", member(&admin_uuid), None),
        (&admin, "POST", format!("{ORG}/invites/"), Some(json!({"level": 15}))),
        (&admin, "POST", format!("{ORG}/invites/"), Some(json!({"level": 3}))),
        (&admin, "PATCH", member(&plain_uuid), Some(json!({"level": 15}))),
        (&admin, "PATCH", member(&admin_uuid), Some(json!({"level": 1}))),
        (&admin, "DELETE", member(&owner), None),
    ] {
        answers.push(as_user(&world, cookie, method, &path, body).await.error());
    }
    answers.push(world.ask("DELETE", &member("@me"), None).await.error());
    expect![[r#"
        403 authentication_error permission_denied [-] Your organization access level is insufficient.
        403 authentication_error permission_denied [-] Your organization access level is insufficient.
        403 authentication_error permission_denied [-] Your organization access level is insufficient.
        403 authentication_error permission_denied [-] Your organization access level is insufficient.
        403 authentication_error permission_denied [-] Your organization access level is insufficient.
        403 authentication_error permission_denied [-] You can only remove others if you are an admin.
        403 authentication_error permission_denied [-] You cannot invite to a higher permission level than your own.
        400 validation_error invalid_choice [level] "3" is not a valid choice.
        403 authentication_error permission_denied [-] You can only change access level of others to lower or equal to your current one.
        403 authentication_error permission_denied [-] You can't change your own access level.
        403 authentication_error permission_denied [-] You can only remove others with level lower or equal to you.
        403 authentication_error permission_denied [-] The last owner of the organization cannot be removed."#]]
    .assert_eq(&answers.join("\n"));
    // An admin sees no invite by which somebody becomes an owner.
    let secret = world.ask("POST", &format!("{ORG}/invites/bulk/"), Some(json!([{"level": 15}, {"level": 1}]))).await.json();
    let seen = as_user(&world, &admin, "GET", &format!("{ORG}/invites/"), None).await.json();
    assert_eq!((&seen["count"], &seen["results"][0]["id"]), (&json!(1), &secret[1]["id"]));
    let hidden = format!("{ORG}/invites/{}/", secret[0]["id"].as_str().expect("an id"));
    assert_eq!(as_user(&world, &admin, "DELETE", &hidden, None).await.status, 404);
    assert_eq!(world.ask("DELETE", &hidden, None).await.status, 204);
    assert_eq!(as_user(&world, &admin, "PATCH", &member(&plain_uuid), Some(json!({"level": 8}))).await.json()["level"], 8);
    assert_eq!(world.get(&format!("{ORG}/members/")).await["count"], 3);
    assert_eq!(as_user(&world, &admin, "DELETE", &member(&plain_uuid), None).await.status, 204);
    assert_eq!(as_user(&world, &plain, "GET", "/api/users/@me/", None).await.status, 401);
    assert_eq!(world.ask("PATCH", &member(&plain_uuid), Some(json!({"level": 8}))).await.status, 404);
}

#[tokio::test]
async fn the_current_project_is_the_one_that_was_chosen() {
    let world = World::new().await;
    let second = world.ask("POST", "/api/projects/", Some(json!({"name": "Second"}))).await.json()["id"].clone();
    assert_eq!(world.get("/api/projects/@current/").await["id"], 1);
    let chosen = world.ask("PATCH", "/api/users/@me/", Some(json!({"set_current_team": second}))).await;
    assert_eq!((chosen.status.as_u16(), &chosen.json()["team"]["id"]), (200, &second), "{}", chosen.text);
    assert_eq!(world.get("/api/projects/@current/").await["id"], second);
    world.ask("POST", "/api/insight/", Some(json!({"name": "Of the second"}))).await;
    assert_eq!(world.get(&format!("/api/projects/{second}/insights/")).await["count"], 1);
    let (bea, _) = join(&world, "bea@example.com", 1).await;
    assert_eq!(as_user(&world, &bea, "GET", "/api/projects/@current/", None).await.json()["id"], 1);
    assert_eq!(world.ask("PATCH", "/api/users/@me/", Some(json!({"set_current_team": 99}))).await.status, 400);
}
