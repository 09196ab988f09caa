//! The catalog in memory, and its life: open, write behind, close.

use crate::definitions::Definitions;
use crate::keys::Keys;
use crate::notes::Notes;
use crate::projects::Projects;
use crate::users::Users;
use crate::warnings::Warnings;
use crate::works::Works;
use crate::{
    CatalogError, OpenError, Organization, bootstrap, database, keys, metrics, notes, projects, salts, secret, sums, users, works,
};
use aqueduct_event::{Clock, UnixMicros};
use parking_lot::RwLock;
use sqlx::SqlitePool;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often definitions, warnings and times of use are written.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Projects, tokens, keys, users, definitions, warnings, actions, cohorts, saved work. Shared by all crates that need to know them.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) pool: SqlitePool,
    path: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) organization: RwLock<Option<Arc<Organization>>>,
    pub(crate) projects: RwLock<Projects>,
    pub(crate) keys: RwLock<Keys>,
    pub(crate) users: RwLock<Users>,
    pub(crate) definitions: Definitions,
    pub(crate) warnings: Warnings,
    /// Counts changes of actions and cohorts.
    pub(crate) changes: AtomicU64,
    pub(crate) works: RwLock<Works>,
    pub(crate) notes: RwLock<Notes>,
    pub(crate) salts: RwLock<salts::Salts>,
    /// With this the first user is made; a new one for each start, in memory only.
    pub(crate) setup_secret: String,
    /// One management call at a time looks, writes the database and then memory.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// One flush at a time, so that two cannot write what one of them took in another order.
    flushing: tokio::sync::Mutex<()>,
    flusher: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

impl Catalog {
    /// Opens or makes the catalog at `path` and reads all of it. Must be called on a tokio runtime: a task writes behind from then on.
    ///
    /// # Errors
    /// [`OpenError`] when the file is damaged, newer than this program, or cannot be opened.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Self>, OpenError> {
        metrics::describe();
        let pool = database::open(path).await?;
        let load = |failure| match failure {
            CatalogError::Row(row) => OpenError::Row(row),
            CatalogError::Database(source) => database::database(path, source),
            other => OpenError::Damaged { path: path.to_owned(), what: other.to_string() },
        };
        let catalog = Arc::new(Self {
            organization: RwLock::new(bootstrap::load(&pool).await.map_err(load)?.map(Arc::new)),
            projects: RwLock::new(projects::load(&pool).await.map_err(load)?),
            keys: RwLock::new(keys::load(&pool).await.map_err(load)?),
            users: RwLock::new(users::load(&pool).await.map_err(load)?),
            definitions: Definitions::load(&pool).await.map_err(load)?,
            warnings: Warnings::default(),
            changes: AtomicU64::default(),
            works: RwLock::new(works::load(&pool).await.map_err(load)?),
            notes: RwLock::new(notes::load(&pool).await.map_err(load)?),
            salts: RwLock::new(salts::load(&pool).await.map_err(load)?),
            setup_secret: secret::fresh(""),
            changing: tokio::sync::Mutex::default(),
            flushing: tokio::sync::Mutex::default(),
            flusher: parking_lot::Mutex::default(),
            pool,
            path: path.to_owned(),
            clock,
        });
        catalog.renew_salts().await.map_err(load)?;
        *catalog.flusher.lock() = Some(tokio::spawn(write_behind(Arc::downgrade(&catalog))));
        Ok(catalog)
    }

    /// Writes definitions, warnings and times of use that are not on disk yet.
    ///
    /// # Errors
    /// [`CatalogError::Database`]; what could not be written stays due.
    pub async fn flush(&self) -> Result<(), CatalogError> {
        let _one = self.flushing.lock().await;
        self.flush_definitions().await?;
        self.flush_warnings().await?;
        self.flush_key_use().await?;
        self.flush_ingested().await?;
        self.renew_salts().await
    }

    /// Writes what is due and closes the file. Later calls that need the database fail.
    ///
    /// # Errors
    /// [`CatalogError::Database`] when the last write failed.
    pub async fn close(&self) -> Result<(), CatalogError> {
        let flusher = self.flusher.lock().take();
        if let Some(flusher) = flusher {
            flusher.abort();
        }
        let last = self.flush().await;
        self.pool.close().await;
        if let Err(error) = sums::write(&self.path) {
            // The next start checks the structure instead.
            tracing::warn!(%error, "the sums of the catalog could not be written");
        }
        last
    }

    /// The organization; `None` before [`Catalog::bootstrap`].
    #[must_use]
    pub fn organization(&self) -> Option<Arc<Organization>> {
        self.organization.read().clone()
    }

    /// A number that changes whenever an action, a cohort or the members of a static cohort change. For caches: what is read after this number
    /// was is at least as new.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// To be called when memory has what changed.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn now(&self) -> UnixMicros {
        self.clock.now()
    }
}

/// Flushes every second until the catalog is gone.
async fn write_behind(catalog: std::sync::Weak<Catalog>) {
    let mut tick = tokio::time::interval(FLUSH_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(catalog) = catalog.upgrade() else { return };
        if let Err(failure) = catalog.flush().await {
            tracing::warn!(%failure, "catalog could not be written, it is tried again in a second");
        }
    }
}
