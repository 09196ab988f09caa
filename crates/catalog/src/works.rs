//! Saved work: annotations, insights, dashboards and exports, and the links by which dashboards and insights are shared.
//!
//! Each is a JSON object of the fields that clients know, with what the server looks at beside it. All of it is in memory; a change is durable when it returns.
//!
//! # Invariants
//! - Deleted work stays, marked: people bring it back.
//! - A link leads to one thing of one project, and only while it is enabled.

mod disk;
mod links;

pub(crate) use disk::load;
pub use links::SharedLink;

use crate::{Catalog, CatalogError, secret};
use aqueduct_event::{ProjectId, UnixMicros};
use links::Links;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Works of one kind that a project may have, deleted ones too.
const WORKS_MAX: usize = 50_000;
/// Bytes of a document: a dashboard of a hundred tiles has some tens of kilobytes.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// What a work is; the number is that of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum WorkKind {
    /// A note at a moment.
    Annotation = 1,
    /// A saved query.
    Insight = 2,
    /// Insights and texts, side by side.
    Dashboard = 3,
    /// A result to be fetched as a file.
    Export = 4,
}

impl WorkKind {
    pub(crate) const ALL: [Self; 4] = [Self::Annotation, Self::Insight, Self::Dashboard, Self::Export];

    /// What it is called, also in the table of sequences.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Insight => "insight",
            Self::Dashboard => "dashboard",
            Self::Export => "export",
        }
    }
}

/// Something that somebody saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What it is.
    pub kind: WorkKind,
    /// Number, unique among its kind and never reused.
    pub id: i64,
    /// Whose it is.
    pub project: ProjectId,
    /// Eight letters and digits, unique.
    pub short_id: String,
    /// The fields that clients know.
    pub document: Map<String, Value>,
    /// Whether it was deleted. It can be brought back.
    pub is_deleted: bool,
    /// Who made it; `None` when that user is gone.
    pub created_by: Option<i64>,
    /// Who changed it last.
    pub last_modified_by: Option<i64>,
    /// When it was made.
    pub created_at: UnixMicros,
    /// When it was changed last.
    pub updated_at: UnixMicros,
}

/// All works in memory.
#[derive(Debug, Default)]
pub(crate) struct Works {
    by_place: BTreeMap<(WorkKind, ProjectId), BTreeMap<i64, Arc<Work>>>,
    by_short_id: HashMap<String, (WorkKind, ProjectId, i64)>,
    pub(crate) links: Links,
}

impl Works {
    pub(crate) fn put(&mut self, work: Work) -> Arc<Work> {
        let work = Arc::new(work);
        self.by_short_id.insert(work.short_id.clone(), (work.kind, work.project, work.id));
        self.by_place.entry((work.kind, work.project)).or_default().insert(work.id, Arc::clone(&work));
        work
    }
}

impl Catalog {
    /// Works of a kind, oldest first, deleted ones too.
    #[must_use]
    pub fn works(&self, project: ProjectId, kind: WorkKind) -> Vec<Arc<Work>> {
        let works = self.works.read();
        works.by_place.get(&(kind, project)).map(|works| works.values().map(Arc::clone).collect()).unwrap_or_default()
    }

    /// A work by number, deleted or not.
    #[must_use]
    pub fn work(&self, project: ProjectId, kind: WorkKind, id: i64) -> Option<Arc<Work>> {
        self.works.read().by_place.get(&(kind, project))?.get(&id).map(Arc::clone)
    }

    /// A work by its short id, deleted or not.
    #[must_use]
    pub fn work_by_short_id(&self, project: ProjectId, kind: WorkKind, short_id: &str) -> Option<Arc<Work>> {
        let (of, owner, id) = self.works.read().by_short_id.get(short_id).copied()?;
        if (of, owner) == (kind, project) { self.work(project, kind, id) } else { None }
    }

    /// Saves something new.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] when it is too large or there are too many.
    pub async fn create_work(
        &self,
        project: ProjectId,
        kind: WorkKind,
        user: i64,
        document: Map<String, Value>,
    ) -> Result<Arc<Work>, CatalogError> {
        let _one = self.changing.lock().await;
        if self.works.read().by_place.get(&(kind, project)).is_some_and(|works| works.len() >= WORKS_MAX) {
            return Err(CatalogError::invalid(kind.as_str(), &WORKS_MAX.to_string(), "fewer of a kind in one project"));
        }
        let now = self.now();
        let mut work = Work {
            kind,
            id: 0,
            project,
            short_id: secret::short(),
            document,
            is_deleted: false,
            created_by: Some(user),
            last_modified_by: Some(user),
            created_at: now,
            updated_at: now,
        };
        checked(&work)?;
        disk::insert(&self.pool, &mut work).await?;
        Ok(self.works.write().put(work))
    }

    /// Changes a work: `change` gets it as it is now.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is none; [`CatalogError::Invalid`] when it became too large. Then nothing has changed.
    pub async fn update_work(
        &self,
        project: ProjectId,
        kind: WorkKind,
        id: i64,
        user: i64,
        change: impl FnOnce(&mut Work) + Send,
    ) -> Result<Arc<Work>, CatalogError> {
        let _one = self.changing.lock().await;
        let found = self.work(project, kind, id).ok_or_else(|| CatalogError::NotFound { what: kind.as_str(), id: id.to_string() })?;
        let mut work = Work::clone(&found);
        change(&mut work);
        let work =
            Work { kind, id, project, short_id: found.short_id.clone(), last_modified_by: Some(user), updated_at: self.now(), ..work };
        checked(&work)?;
        disk::update(&self.pool, &work).await?;
        Ok(self.works.write().put(work))
    }
}

fn checked(work: &Work) -> Result<(), CatalogError> {
    let bytes = serde_json::to_string(&work.document).map_or(usize::MAX, |text| text.len());
    if bytes <= DOCUMENT_BYTES_MAX {
        return Ok(());
    }
    Err(CatalogError::invalid(work.kind.as_str(), &format!("{bytes} bytes"), "at most 1 MiB of JSON"))
}
