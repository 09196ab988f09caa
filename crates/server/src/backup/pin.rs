//! A running server's part in a backup: it puts a copy of one moment into its data directory, from where the command takes it.
//!
//! Files that never change get a second name, so that takes no room and next to no time; the manifest, the catalog and the last journal segment are
//! copied. Nothing waits that ingestion needs: appends and commits go on, a flush waits for the copy of the manifest.
//!
//! Whoever may read the data directory may ask: the file `server.json` there, readable for its owner alone, has the address and a secret of this run.
//!
//! # Invariants
//! - The journal keeps its segments from before the store is copied until the journal is: no record falls between them.
//! - The ledger comes before the store: what it has not counted yet is in the copy of the journal.
//! - The catalog comes last: it knows every project that an event in the copy belongs to.

use crate::client::{Call, CallError, Client, Server, reachable};
use crate::data::{CATALOG, DataPaths};
use crate::error::Fatal;
use crate::ledger;
use aqueduct_catalog::Catalog;
use aqueduct_journal::WalJournal;
use aqueduct_ledger::Account;
use aqueduct_store::EmbeddedStore;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

const PINNED: &str = "backup-pin";
const SERVER: &str = "server.json";
/// How long a server may take to copy what cannot have a second name.
const COPY_TIMEOUT: Duration = Duration::from_secs(3_600);

/// What may be pinned.
#[derive(Debug)]
pub(crate) struct Pinning {
    // Weak: who stops or hands over must be able to let go of its files.
    journal: Weak<WalJournal>,
    store: Weak<EmbeddedStore>,
    catalog: Weak<Catalog>,
    account: Weak<Account>,
    trace: PathBuf,
    data_dir: PathBuf,
    secret: String,
    one: tokio::sync::Mutex<()>,
}

/// The parts of a server that have files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinned<'a> {
    pub(crate) journal: &'a Arc<WalJournal>,
    pub(crate) store: &'a Arc<EmbeddedStore>,
    pub(crate) catalog: &'a Arc<Catalog>,
    pub(crate) account: &'a Arc<Account>,
}

#[derive(Debug, thiserror::Error)]
enum PinError {
    #[error("{action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] aqueduct_store::CommitError),
    #[error(transparent)]
    Catalog(#[from] aqueduct_catalog::CatalogError),
    #[error("the copy was broken off")]
    BrokenOff,
    #[error("the server is stopping")]
    Stopping,
}

impl Pinning {
    pub(crate) fn new(parts: &Pinned<'_>, trace: PathBuf, data_dir: PathBuf) -> Self {
        // What a command that was killed has left.
        let _ = fs::remove_dir_all(data_dir.join(PINNED));
        Self {
            journal: Arc::downgrade(parts.journal),
            store: Arc::downgrade(parts.store),
            catalog: Arc::downgrade(parts.catalog),
            account: Arc::downgrade(parts.account),
            trace,
            data_dir,
            secret: uuid::Uuid::new_v4().to_string(),
            one: tokio::sync::Mutex::default(),
        }
    }

    /// Writes where this server can be asked, for as long as the answer lives.
    pub(crate) fn publish(&self, ops: SocketAddr) -> Result<Published, Fatal> {
        let ops = reachable(ops);
        let path = self.data_dir.join(SERVER);
        let text = serde_json::json!(Asked { ops, secret: self.secret.clone() }).to_string();
        let write = || {
            // A file of an earlier run may have other rights.
            let _ = fs::remove_file(&path);
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(text.as_bytes())
        };
        write().map_err(|source| {
            Fatal::failure(&format!("cannot write {}", path.display()), source, "check the rights of the data directory")
        })?;
        Ok(Published { path, text })
    }

    async fn pin(self: Arc<Self>) -> Result<PathBuf, PinError> {
        let dir = self.data_dir.join(PINNED);
        let pinning = Arc::clone(&self);
        let to = dir.clone();
        let copied = tokio::task::spawn_blocking(move || pinning.copy_files(&to)).await;
        copied.map_err(|_| PinError::BrokenOff)??;
        self.catalog.upgrade().ok_or(PinError::Stopping)?.copy_to(&dir.join(CATALOG)).await?;
        Ok(dir)
    }

    fn copy_files(&self, dir: &Path) -> Result<(), PinError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| PinError::Io { action, path, source }
        };
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("cannot remove", dir)(error)),
            _ => {}
        }
        let paths = DataPaths::under(dir);
        for dir in [&paths.store, &paths.journal, &paths.trace] {
            fs::create_dir_all(dir).map_err(io("cannot make", dir))?;
        }
        let (journal, store) = (self.journal.upgrade().ok_or(PinError::Stopping)?, self.store.upgrade().ok_or(PinError::Stopping)?);
        let account = self.account.upgrade().ok_or(PinError::Stopping)?;
        let hold = journal.hold_trim();
        let ledger = self.data_dir.join(ledger::FILE);
        account.while_still(|| fs::copy(&ledger, &paths.ledger)).map_err(io("cannot copy", &ledger))?;
        store.copy_into(&paths.store)?;
        hold.copy_into(&paths.journal).map_err(io("cannot copy the journal to", &paths.journal))?;
        drop(hold);
        for name in super::names(&self.trace).map_err(io("cannot list", &self.trace))? {
            // The oldest may go meanwhile.
            if let Err(error) = fs::copy(self.trace.join(&name), paths.trace.join(&name))
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(io("cannot copy", &self.trace)(error));
            }
        }
        Ok(())
    }
}

/// Removes the file when the server stops, unless another has written its own.
#[derive(Debug)]
pub(crate) struct Published {
    path: PathBuf,
    text: String,
}

impl Drop for Published {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `POST /backup` on the operator's listener.
pub(crate) fn router(pinning: Arc<Pinning>) -> Router {
    Router::new().route("/backup", post(answer)).with_state(pinning)
}

async fn answer(State(pinning): State<Arc<Pinning>>, headers: HeaderMap) -> Response {
    let expected = format!("Bearer {}", pinning.secret);
    if headers.get(header::AUTHORIZATION).is_none_or(|found| found.as_bytes() != expected.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, "the secret is in server.json of the data directory").into_response();
    }
    let Ok(_one) = pinning.one.try_lock() else {
        return (StatusCode::CONFLICT, "another backup is being taken").into_response();
    };
    match Arc::clone(&pinning).pin().await {
        Ok(dir) => dir.display().to_string().into_response(),
        Err(error) => {
            tracing::error!(%error, "a backup could not be pinned");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Asked {
    ops: SocketAddr,
    secret: String,
}

/// A copy that a server has made; removed when dropped.
#[derive(Debug)]
pub(crate) struct Copied(PathBuf);

impl Copied {
    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            // The next backup or start does it.
            eprintln!("aqueduct: {} could not be removed: {error}", self.0.display());
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    File(#[from] serde_json::Error),
    #[error("{0}")]
    Call(#[from] CallError),
}

/// Asks the server that has the directory for a copy.
pub(crate) async fn ask(data_dir: &Path) -> Result<Copied, Fatal> {
    let asked = request(data_dir).await.map(|dir| Copied(PathBuf::from(dir)));
    let what = format!("cannot ask the server that uses {} for a copy", data_dir.display());
    asked.map_err(|why| Fatal::failure(&what, why, "run this as the server's user on the server's machine, or stop the server first"))
}

async fn request(data_dir: &Path) -> Result<String, AskError> {
    let Asked { ops, secret } = serde_json::from_slice(&fs::read(data_dir.join(SERVER))?)?;
    let mut client = Client::new(Server::at(ops), Some(secret));
    let dir = client.call(Call::post("/backup", "", COPY_TIMEOUT)).await?;
    Ok(String::from_utf8_lossy(&dir).into_owned())
}
