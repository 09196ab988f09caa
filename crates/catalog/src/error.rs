//! What can go wrong in the catalog.

use std::path::PathBuf;
use thiserror::Error;

/// Why the catalog could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A newer program has migrated the file.
    #[error("{path} has catalog schema {found}, this program knows schemas up to {expected}; start it with the newer program")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its newest migration.
        found: i64,
        /// The newest that is understood.
        expected: i64,
    },
    /// The bytes are not a healthy catalog.
    #[error("{path} is damaged: {what}; restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check says.
        what: String,
    },
    /// The file system said no.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Its answer.
        source: std::io::Error,
    },
    /// A row cannot be understood.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The database said no.
    #[error("cannot open {path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Its answer.
        source: sqlx::Error,
    },
    /// A migration failed; nothing of it was kept.
    #[error("cannot migrate {path}: {source}")]
    Migration {
        /// The file.
        path: PathBuf,
        /// The failure.
        source: sqlx::migrate::MigrateError,
    },
}

/// A stored value that is not what the column should hold.
#[derive(Debug, Error)]
#[error("catalog table {table} column {column} holds {found:?}, expected {expected}")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What is there.
    pub found: String,
    /// What should be.
    pub expected: &'static str,
}

/// Why a request to the catalog failed. Nothing was changed.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// A field's value is not acceptable.
    #[error("{field}: found {found}, expected {expected}")]
    Invalid {
        /// The field as clients name it.
        field: &'static str,
        /// What was given, cut.
        found: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// Another one has this value already.
    #[error("{field} {value:?} is taken")]
    Taken {
        /// The field as clients name it.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// There is no such thing.
    #[error("no {what} {id:?}")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// What was looked for.
        id: String,
    },
    /// The caller may not do this.
    #[error("{reason}")]
    Forbidden {
        /// Why, for people.
        reason: &'static str,
    },
    /// A user exists already, the installation is set up.
    #[error("the first user was made already")]
    AlreadySetUp,
    /// The caller does not know the secret of this start.
    #[error("the set-up token is wrong or of an earlier start")]
    WrongSetupSecret,
    /// The password could not be hashed.
    #[error("cannot hash the password: {0}")]
    Hash(argon2::password_hash::Error),
    /// A row cannot be understood.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The database said no.
    #[error("catalog database: {0}")]
    Database(#[from] sqlx::Error),
}

impl CatalogError {
    /// An [`CatalogError::Invalid`] with the value cut to a length fit for messages.
    pub(crate) fn invalid(field: &'static str, found: &str, expected: &'static str) -> Self {
        Self::Invalid { field, found: format!("{:?}", found.chars().take(80).collect::<String>()), expected }
    }
}
