//! The first start makes what is needed; later starts find it.

use crate::{open, started};
use aqueduct_catalog::{Bootstrap, CatalogError};
use expect_test::expect;

fn automation() -> Bootstrap {
    Bootstrap {
        project_token: Some("phc_automation".to_owned()),
        personal_api_key: Some("phx_automation".to_owned()),
        user: Some(("Ann@Example.com".to_owned(), "open sesame".to_owned())),
    }
}

#[tokio::test]
async fn by_chance() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = open(directory.path()).await;
    let first = catalog.bootstrap(&Bootstrap::default()).await.expect("bootstraps");
    assert!(first.first_start);
    assert_eq!(first.project.id.0, 1);
    assert!(first.project.api_token.starts_with("phc_"));
    let secret = first.personal_api_key.expect("a key was made");
    assert!(catalog.key_by_secret(&secret).expect("known").allows("query", "write"));
    assert!(catalog.needs_setup());

    let second = catalog.bootstrap(&Bootstrap::default()).await.expect("bootstraps");
    assert!(!second.first_start);
    assert_eq!(second.personal_api_key, None);
    assert_eq!(second.project, first.project);
}

#[tokio::test]
async fn as_told_and_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("directory");
    for round in 0..3 {
        let catalog = open(directory.path()).await;
        let made = catalog.bootstrap(&automation()).await.expect("bootstraps");
        assert_eq!(made.first_start, round == 0);
        assert_eq!(made.personal_api_key, None, "a key that was given is not shown");
        assert!(!made.token_ignored);
        assert_eq!(catalog.project_by_token("phc_automation").expect("project").id.0, 1);
        assert!(catalog.key_by_secret("phx_automation").is_some());
        assert_eq!(catalog.keys_of(1).len(), 1);
        assert!(!catalog.needs_setup());
        assert!(catalog.user_by_password("ann@example.com", "open sesame").await.is_some());
        catalog.close().await.expect("closes");
    }
}

#[tokio::test]
async fn later_keys_are_added_and_later_tokens_ignored() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = started(directory.path()).await;
    let token = catalog.projects()[0].api_token.clone();
    let made = catalog.bootstrap(&automation()).await.expect("bootstraps");
    assert!(made.token_ignored);
    assert_eq!(made.project.api_token, token);
    assert!(catalog.key_by_secret("phx_automation").is_some());
}

#[tokio::test]
async fn refuses_wrong_values_and_keeps_secrets_out_of_messages() {
    let directory = tempfile::tempdir().expect("directory");
    let catalog = open(directory.path()).await;
    let mut messages = Vec::new();
    for (token, key) in
        [(Some("phx_no"), None), (Some("has space"), None), (Some("ümlaut"), None), (None, Some("secret")), (None, Some("phx_"))]
    {
        let wanted = Bootstrap { project_token: token.map(str::to_owned), personal_api_key: key.map(str::to_owned), user: None };
        let refusal = catalog.bootstrap(&wanted).await.expect_err("refused");
        assert!(matches!(refusal, CatalogError::Invalid { .. }));
        messages.push(refusal.to_string());
    }
    assert!(catalog.organization().is_none(), "nothing was made");
    expect![[r#"
        AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN: found "phx_no", expected 1 to 64 printable ASCII characters that do not begin with "phx_"
        AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN: found "has space", expected 1 to 64 printable ASCII characters that do not begin with "phx_"
        AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN: found "ümlaut", expected 1 to 64 printable ASCII characters that do not begin with "phx_"
        AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY: found 6 bytes, expected "phx_" and 1 to 252 printable ASCII characters
        AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY: found 4 bytes, expected "phx_" and 1 to 252 printable ASCII characters"#]]
    .assert_eq(&messages.join("\n"));
}
