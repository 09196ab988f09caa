//! A damaged file and one of a newer program are refused, and left as they are.

use crate::{clock, started};
use aqueduct_catalog::{Catalog, OpenError};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

#[tokio::test]
async fn newer_schema() {
    let directory = tempfile::tempdir().expect("directory");
    started(directory.path()).await.close().await.expect("closes");
    let path = directory.path().join("catalog.sqlite");
    // A newer program has written it in its own way.
    std::fs::remove_file(directory.path().join("catalog.sqlite.sums")).expect("removes");
    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.expect("connects");
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&mut connection).await.expect("inserts");
    drop(connection);
    let refusal = Catalog::open(&path, clock()).await.expect_err("refused");
    let OpenError::Newer { found: 99, expected, .. } = refusal else { panic!("{refusal:?}") };
    let message = format!("has catalog schema 99, this program knows schemas up to {expected}; start it with the newer program");
    assert!((1..99).contains(&expected) && refusal.to_string().ends_with(&message), "{refusal}");
}

#[tokio::test]
async fn not_a_database() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("catalog.sqlite");
    let bytes = b"this is a letter to grandmother, not a database at all, and longer than a header of one hundred bytes is.";
    std::fs::write(&path, bytes).expect("writes");
    let refusal = Catalog::open(&path, clock()).await.expect_err("refused");
    assert!(matches!(refusal, OpenError::Damaged { .. }), "{refusal:?}");
    assert_eq!(std::fs::read(&path).expect("reads"), bytes);
}

#[tokio::test]
async fn damaged_pages() {
    let directory = tempfile::tempdir().expect("directory");
    started(directory.path()).await.close().await.expect("closes");
    let path = directory.path().join("catalog.sqlite");
    let mut bytes = std::fs::read(&path).expect("reads");
    let end = bytes.len().min(40_000);
    bytes[5_000..end].fill(0xAB);
    std::fs::write(&path, &bytes).expect("writes");
    let refusal = Catalog::open(&path, clock()).await.expect_err("refused");
    assert!(matches!(refusal, OpenError::Damaged { .. }), "{refusal:?}");
}

#[tokio::test]
async fn missing_directory() {
    let refusal = Catalog::open(std::path::Path::new("/nowhere/at/all/catalog.sqlite"), clock()).await.expect_err("refused");
    assert!(matches!(refusal, OpenError::Database { .. }), "{refusal:?}");
}
