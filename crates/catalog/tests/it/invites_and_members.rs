//! An invite makes one user, of its level, while it is valid; there is an owner at any time.

use crate::{NOON, open, started};
use aqueduct_catalog::{Catalog, CatalogError, Invite, Level, NewInvite, NewKey, NewProject, NewUser, User, UserPatch};
use aqueduct_event::{ManualClock, UnixMicros};
use std::sync::Arc;

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

async fn invite(catalog: &Catalog, by: &User, email: &str, level: Level) -> Result<Invite, CatalogError> {
    catalog.create_invite(by, NewInvite { target_email: email.to_owned(), first_name: String::new(), level, message: None }).await
}

fn new(email: &str) -> NewUser {
    NewUser { email: email.to_owned(), first_name: "Bea".to_owned(), password: "open sesame".to_owned() }
}

async fn member(catalog: &Catalog, email: &str, level: Level) -> Arc<User> {
    let owner = catalog.user(1).expect("is there");
    let invite = invite(catalog, &owner, email, level).await.expect("invites");
    catalog.accept_invite(invite.id, &new(email)).await.expect("accepts")
}

fn is_forbidden<T: std::fmt::Debug>(answer: Result<T, CatalogError>) {
    assert!(matches!(answer, Err(CatalogError::Forbidden { .. })), "{answer:?}");
}

#[tokio::test]
async fn an_invite_makes_one_user() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let owner = catalog.user(1).expect("is there");
    assert_eq!(owner.level, Level::Owner);
    let first = invite(&catalog, &owner, "Bea@example.com", Level::Member).await.expect("invites");
    let second = invite(&catalog, &owner, "bea@example.com", Level::Admin).await.expect("invites");
    assert_eq!(catalog.invites().await.expect("reads"), std::slice::from_ref(&second), "it took the place of the first");
    assert!(matches!(catalog.accept_invite(first.id, &new("")).await, Err(CatalogError::NotFound { .. })));
    assert!(matches!(catalog.accept_invite(second.id, &new("eve@example.com")).await, Err(CatalogError::Invalid { field: "email", .. })));
    let bea = catalog.accept_invite(second.id, &new("")).await.expect("accepts");
    assert_eq!((bea.email.as_str(), bea.level, bea.first_name.as_str()), ("bea@example.com", Level::Admin, "Bea"));
    assert!(matches!(catalog.accept_invite(second.id, &new("")).await, Err(CatalogError::NotFound { .. })), "once");
    assert!(matches!(invite(&catalog, &owner, "bea@example.com", Level::Member).await, Err(CatalogError::Taken { .. })));
    is_forbidden(invite(&catalog, &bea, "", Level::Owner).await);
    let open_to_all = invite(&catalog, &bea, "", Level::Member).await.expect("invites");
    assert!(matches!(catalog.accept_invite(open_to_all.id, &new("bea@example.com")).await, Err(CatalogError::Taken { .. })));
    catalog.delete_invite(open_to_all.id).await.expect("deletes");
    assert!(matches!(catalog.delete_invite(open_to_all.id).await, Err(CatalogError::NotFound { .. })));
    catalog.close().await.expect("closes");
    let catalog = open(directory.path()).await;
    assert_eq!(catalog.user_by_password("bea@example.com", "open sesame").await.expect("signs in").level, Level::Admin);
}

#[tokio::test]
async fn an_invite_expires() {
    let directory = tempfile::tempdir().expect("directory");
    let clock = Arc::new(ManualClock::new(NOON));
    let catalog = Catalog::open(&directory.path().join("catalog.sqlite"), Arc::clone(&clock) as _).await.expect("opens");
    catalog.bootstrap(&aqueduct_catalog::Bootstrap::default()).await.expect("bootstraps");
    let owner = catalog.user(1).expect("is there");
    let waits = invite(&catalog, &owner, "bea@example.com", Level::Member).await.expect("invites");
    clock.set(UnixMicros(NOON.0 + 3 * DAY_MICROS));
    assert!(!catalog.invite(waits.id).await.expect("reads").is_expired);
    clock.set(UnixMicros(NOON.0 + 3 * DAY_MICROS + 1));
    assert!(catalog.invite(waits.id).await.expect("reads").is_expired);
    assert!(matches!(catalog.accept_invite(waits.id, &new("")).await, Err(CatalogError::NotFound { .. })));
}

#[tokio::test]
async fn nobody_acts_above_their_level() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let owner = catalog.user(1).expect("is there");
    let admin = member(&catalog, "admin@example.com", Level::Admin).await;
    let plain = member(&catalog, "plain@example.com", Level::Member).await;
    is_forbidden(catalog.set_level(&plain, admin.id, Level::Member).await);
    is_forbidden(catalog.set_level(&admin, owner.id, Level::Member).await);
    is_forbidden(catalog.set_level(&admin, plain.id, Level::Owner).await);
    is_forbidden(catalog.set_level(&owner, owner.id, Level::Member).await);
    is_forbidden(catalog.remove_member(&plain, admin.id).await);
    is_forbidden(catalog.remove_member(&admin, owner.id).await);
    is_forbidden(catalog.remove_member(&owner, owner.id).await);
    assert_eq!(catalog.set_level(&admin, plain.id, Level::Admin).await.expect("raises").level, Level::Admin);
    // What was read before counts no more than what is.
    assert_eq!(catalog.set_level(&plain, admin.id, Level::Member).await.expect("lowers").level, Level::Member);
    is_forbidden(catalog.remove_member(&admin, plain.id).await);
    catalog.set_level(&owner, plain.id, Level::Owner).await.expect("raises");
    catalog.remove_member(&owner, owner.id).await.expect("another owner is left");
    is_forbidden(catalog.remove_member(&plain, plain.id).await);
}

#[tokio::test]
async fn who_was_removed_comes_in_no_more() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let owner = catalog.user(1).expect("is there");
    let bea = member(&catalog, "bea@example.com", Level::Member).await;
    let (_, key) = catalog.create_key(bea.id, NewKey { label: "bea".to_owned(), scopes: vec!["*".to_owned()] }).await.expect("makes");
    let (session, _) = catalog.begin_session(bea.id).await.expect("begins");
    let project = catalog.create_project(NewProject::default()).await.expect("makes").id;
    let patch = |project| UserPatch { current_project: Some(project), ..UserPatch::default() };
    assert_eq!(catalog.update_user(bea.id, patch(project)).await.expect("chooses").current_project, Some(project));
    assert!(catalog.update_user(bea.id, patch(aqueduct_event::ProjectId(99))).await.is_err());
    assert!(catalog.key_by_secret(&key).is_some() && catalog.user_by_session(&session).is_some());
    catalog.remove_member(&owner, bea.id).await.expect("removes");
    for round in 0..2 {
        let catalog = if round == 0 { Arc::clone(&catalog) } else { open(directory.path()).await };
        assert!(catalog.key_by_secret(&key).is_none() && catalog.user_by_session(&session).is_none() && catalog.user(bea.id).is_none());
        assert!(catalog.user_by_password("bea@example.com", "open sesame").await.is_none());
        catalog.close().await.expect("closes");
    }
}
