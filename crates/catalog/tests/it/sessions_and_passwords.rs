//! The first user is made once; sessions end when they should; keys are their owner's.

use crate::{NOON, clock, open, started};
use aqueduct_catalog::{Bootstrap, Catalog, CatalogError, KeyPatch, NewKey, UserPatch};
use aqueduct_event::{ManualClock, UnixMicros};
use std::sync::Arc;

#[tokio::test]
async fn first_user_is_made_once() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    assert!(catalog.user_by_password("root@localhost", "").await.is_none());
    let secret = catalog.setup_secret().expect("needs a user").to_owned();
    let guess = catalog.set_up_first_user("guess", "eve@example.com", "open sesame").await;
    assert!(matches!(guess, Err(CatalogError::WrongSetupSecret)));
    for (email, password) in [("nobody", "open sesame"), ("ann@example.com", "short")] {
        assert!(matches!(catalog.set_up_first_user(&secret, email, password).await, Err(CatalogError::Invalid { .. })));
    }
    let user = catalog.set_up_first_user(&secret, " Ann@Example.com ", "open sesame").await.expect("makes");
    assert_eq!((user.id, user.email.as_str(), user.has_password), (1, "ann@example.com", true));
    assert!(matches!(catalog.set_up_first_user(&secret, "eve@example.com", "open sesame").await, Err(CatalogError::AlreadySetUp)));
    assert!(catalog.user_by_password("ANN@example.com", "open sesame").await.is_some());
    assert!(catalog.user_by_password("ann@example.com", "open barley").await.is_none());
    assert!(catalog.user_by_password("eve@example.com", "open sesame").await.is_none());
    assert_eq!(catalog.setup_secret(), None);
    let patch = UserPatch { first_name: Some("Ann".to_owned()), ..UserPatch::default() };
    assert_eq!(catalog.update_user(1, patch).await.expect("updates").first_name, "Ann");
    assert!(catalog.user_by_password("ann@example.com", "open sesame").await.is_some(), "the password stays");
}

#[tokio::test]
async fn sessions_survive_a_restart_and_end() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let (secret, seconds) = catalog.begin_session(1).await.expect("begins");
    let (other, _) = catalog.begin_session(1).await.expect("begins");
    assert_eq!(seconds, 14 * 24 * 3600);
    assert!(catalog.user_by_session(&secret).is_some());
    assert!(catalog.user_by_session("guess").is_none());
    catalog.end_session(&other).await.expect("ends");
    assert!(catalog.user_by_session(&other).is_none());
    catalog.close().await.expect("closes");

    let clock = clock();
    let catalog = Catalog::open(&directory.path().join("catalog.sqlite"), Arc::<ManualClock>::clone(&clock)).await.expect("opens");
    assert_eq!(catalog.user_by_session(&secret).expect("still there").id, 1);
    clock.set(UnixMicros(NOON.0 + seconds * 1_000_000));
    assert!(catalog.user_by_session(&secret).is_none(), "it lasts two weeks");
}

#[tokio::test]
async fn keys_are_changed_and_removed_by_their_owner() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = open(directory.path()).await;
    catalog.bootstrap(&Bootstrap::default()).await.expect("bootstraps");
    let new = NewKey { label: "reader".to_owned(), scopes: vec!["query:read".to_owned()] };
    let (key, secret) = catalog.create_key(1, new).await.expect("creates");
    assert!(secret.starts_with("phx_") && key.mask.ends_with(&secret[secret.len() - 4..]));
    assert_eq!(catalog.key_by_secret(&secret).expect("known").last_used_at.expect("used").to_rfc3339(), "2026-03-01T12:00:00.000000Z");
    assert!(matches!(catalog.delete_key(2, &key.id).await, Err(CatalogError::NotFound { .. })));
    let patch = KeyPatch { scopes: Some(vec!["*".to_owned()]), ..KeyPatch::default() };
    catalog.update_key(1, &key.id, patch).await.expect("updates");
    assert!(catalog.key_by_secret(&secret).expect("known").allows("project", "write"));
    catalog.close().await.expect("closes");

    let catalog = open(directory.path()).await;
    assert_eq!(catalog.keys_of(1).len(), 2);
    assert!(catalog.key_by_secret(&secret).expect("known").last_used_at.is_some());
    catalog.delete_key(1, &key.id).await.expect("deletes");
    assert!(catalog.key_by_secret(&secret).is_none());
    for scopes in [vec![], vec!["query".to_owned()], vec!["query:own".to_owned()], vec!["query:read phx:write".to_owned()]] {
        let refused = catalog.create_key(1, NewKey { label: "x".to_owned(), scopes }).await;
        assert!(matches!(refused, Err(CatalogError::Invalid { field: "scopes", .. })));
    }
}
