//! The file: opened, checked, migrated.
//!
//! One connection writes and reads: whatever a request waits for is in memory, so the database is only a durable copy and never busy.

use crate::{OpenError, RowError, sums};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};
use std::path::{Path, PathBuf};
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// SQLite's answers that mean a damaged file: SQLITE_CORRUPT and SQLITE_NOTADB.
const DAMAGED: [&str; 2] = ["11", "26"];

/// Opens (or makes) the file at `path`, checks it, and brings it to the newest schema.
pub(crate) async fn open(path: &Path) -> Result<SqlitePool, OpenError> {
    let is_known = sums::take(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A project that a client was told about must survive power loss, not only a crash of the process.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).connect_with(options).await;
    let pool = pool.map_err(|source| database(path, source))?;
    check(&pool, path, is_known).await?;
    migrate(&pool, path).await?;
    Ok(pool)
}

/// The structure of the file; with its indexes too when nothing else says that it is what was written.
async fn check(pool: &SqlitePool, path: &Path, is_known: bool) -> Result<(), OpenError> {
    let question = if is_known { "PRAGMA quick_check(1)" } else { "PRAGMA integrity_check(1)" };
    let answer: String = sqlx::query_scalar(question).fetch_one(pool).await.map_err(|source| database(path, source))?;
    match answer.as_str() {
        "ok" => Ok(()),
        _ => Err(OpenError::Damaged { path: path.to_owned(), what: answer }),
    }
}

async fn migrate(pool: &SqlitePool, path: &Path) -> Result<(), OpenError> {
    use sqlx::migrate::MigrateError;
    let expected = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    let owned = || path.to_owned();
    MIGRATIONS.run(pool).await.map_err(|failure| match failure {
        MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) => OpenError::Newer { path: owned(), found, expected },
        MigrateError::Execute(source) => database(path, source),
        source => OpenError::Migration { path: owned(), source },
    })
}

/// Tells a damaged file from other failures.
pub(crate) fn database(path: &Path, source: sqlx::Error) -> OpenError {
    let path = PathBuf::from(path);
    match source.as_database_error().and_then(|error| error.code()) {
        Some(code) if DAMAGED.contains(&code.as_ref()) => OpenError::Damaged { path, what: source.to_string() },
        _ => OpenError::Database { path, source },
    }
}

/// The value of a column that is kept as text, parsed.
pub(crate) fn parse<T>(
    table: &'static str,
    column: &'static str,
    expected: &'static str,
    text: &str,
    parser: impl FnOnce(&str) -> Option<T>,
) -> Result<T, RowError> {
    parser(text).ok_or_else(|| RowError { table, column, found: text.chars().take(80).collect(), expected })
}

/// The next number of a sequence; numbers are never reused.
pub(crate) async fn next_number(connection: &mut sqlx::SqliteConnection, sequence: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("UPDATE sequences SET next = next + 1 WHERE name = $1 RETURNING next - 1").bind(sequence).fetch_one(connection).await
}
