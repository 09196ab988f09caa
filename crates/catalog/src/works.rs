//! Saved work: what people of a project made and named. Annotations, insights, dashboards and exports hold JSON that clients know; actions and cohorts hold what
//! queries read.
//!
//! All of it is in memory and in one table of the database; a change is durable when it returns.
//!
//! # Invariants
//! - Deleted work stays, marked: people bring it back, and what refers to it can say that it is gone.
//! - A link leads to one thing of one project, and only while it is enabled.

mod actions;
mod cohorts;
mod disk;
mod history;
mod links;

pub use actions::{Action, ActionDocument, ActionKind, ActionStep, Matching};
pub use cohorts::{Cohort, CohortDocument, CohortKind, CohortMember};
pub(crate) use disk::load;
pub use links::SharedLink;

use crate::{Catalog, CatalogError, activity, secret};
use aqueduct_event::{ProjectId, UnixMicros};
use cohorts::Members;
use links::Links;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

/// Works of one kind that a project may have, deleted ones too.
const WORKS_MAX: usize = 50_000;
/// Bytes of a document: a dashboard of a hundred tiles has some tens of kilobytes.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Characters of the name of an action or a cohort.
const NAME_CHARS_MAX: usize = 400;

/// What a work is, and what its document holds.
pub trait Kind: Copy + Debug + Eq + Ord + Hash + Send + Sync + 'static {
    /// What it holds.
    type Document: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;

    /// Whether answers of queries depend on works of this kind.
    const IS_READ_BY_QUERIES: bool;

    /// Fields of the document that the server keeps and nobody sets: the log of activity does not tell of them.
    const KEPT_BY_THE_SERVER: &'static [&'static str] = &[];

    /// What the log of activity calls it, in PostHog's words; `None`: it is not logged.
    fn scope(self) -> Option<&'static str>;

    /// Its number in the database.
    fn number(self) -> i64;

    /// What it is called, also in the table of sequences.
    fn name(self) -> &'static str;

    /// Puts what somebody saves into its proper form; `siblings` are the works of the same kind and project.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] or [`CatalogError::Taken`] names the field.
    fn check(_work: &mut Work<Self>, _siblings: &Siblings<Self>) -> Result<(), CatalogError> {
        Ok(())
    }

    #[doc(hidden)]
    fn shelf(works: &Works) -> &Shelf<Self>;
    #[doc(hidden)]
    fn shelf_mut(works: &mut Works) -> &mut Shelf<Self>;
}

/// A kind of work whose document is for clients to understand; the number is that of the database.
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
}

impl Kind for WorkKind {
    type Document = Map<String, Value>;

    const IS_READ_BY_QUERIES: bool = false;
    const KEPT_BY_THE_SERVER: &'static [&'static str] = &["tiles_made", "last_accessed_at"];

    fn scope(self) -> Option<&'static str> {
        match self {
            Self::Annotation => Some("Annotation"),
            Self::Insight => Some("Insight"),
            Self::Dashboard => Some("Dashboard"),
            Self::Export => None,
        }
    }

    fn number(self) -> i64 {
        self as i64
    }

    fn name(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Insight => "insight",
            Self::Dashboard => "dashboard",
            Self::Export => "export",
        }
    }

    fn shelf(works: &Works) -> &Shelf<Self> {
        &works.plain
    }

    fn shelf_mut(works: &mut Works) -> &mut Shelf<Self> {
        &mut works.plain
    }
}

/// Something that somebody saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work<K: Kind = WorkKind> {
    /// What it is.
    pub kind: K,
    /// Number, unique among its kind and never reused.
    pub id: i64,
    /// Whose it is.
    pub project: ProjectId,
    /// Eight letters and digits, unique.
    pub short_id: String,
    /// What it holds.
    pub document: K::Document,
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

/// Works of one kind and project, by number.
pub(crate) type Siblings<K> = BTreeMap<i64, Arc<Work<K>>>;

/// Works of some kinds in memory.
#[derive(Debug)]
pub struct Shelf<K: Kind> {
    by_place: BTreeMap<(K, ProjectId), Siblings<K>>,
    by_short_id: HashMap<String, (K, ProjectId, i64)>,
}

impl<K: Kind> Default for Shelf<K> {
    fn default() -> Self {
        Self { by_place: BTreeMap::new(), by_short_id: HashMap::new() }
    }
}

impl<K: Kind> Shelf<K> {
    fn put(&mut self, work: Work<K>) -> Arc<Work<K>> {
        let work = Arc::new(work);
        self.by_short_id.insert(work.short_id.clone(), (work.kind, work.project, work.id));
        self.by_place.entry((work.kind, work.project)).or_default().insert(work.id, Arc::clone(&work));
        work
    }

    fn at(&self, project: ProjectId, kind: K) -> Siblings<K> {
        self.by_place.get(&(kind, project)).cloned().unwrap_or_default()
    }
}

/// All works in memory.
#[derive(Debug, Default)]
pub struct Works {
    plain: Shelf<WorkKind>,
    actions: Shelf<ActionKind>,
    cohorts: Shelf<CohortKind>,
    members: Members,
    links: Links,
}

/// Who changes a work.
enum By {
    User(i64),
    /// The server, which notes something: nobody has changed it.
    Server,
}

impl Catalog {
    /// Works of a kind, oldest first, deleted ones too.
    #[must_use]
    pub fn works<K: Kind>(&self, project: ProjectId, kind: K) -> Vec<Arc<Work<K>>> {
        let works = self.works.read();
        K::shelf(&works).by_place.get(&(kind, project)).map(|works| works.values().map(Arc::clone).collect()).unwrap_or_default()
    }

    /// A work by number, deleted or not.
    #[must_use]
    pub fn work<K: Kind>(&self, project: ProjectId, kind: K, id: i64) -> Option<Arc<Work<K>>> {
        K::shelf(&self.works.read()).by_place.get(&(kind, project))?.get(&id).map(Arc::clone)
    }

    /// A work by its short id, deleted or not.
    #[must_use]
    pub fn work_by_short_id<K: Kind>(&self, project: ProjectId, kind: K, short_id: &str) -> Option<Arc<Work<K>>> {
        let (of, owner, id) = K::shelf(&self.works.read()).by_short_id.get(short_id).copied()?;
        if (of, owner) == (kind, project) { self.work(project, kind, id) } else { None }
    }

    /// Saves something new.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] when it is too large or there are too many, and what [`Kind::check`] finds.
    pub async fn create_work<K: Kind>(
        &self,
        project: ProjectId,
        kind: K,
        user: i64,
        document: K::Document,
    ) -> Result<Arc<Work<K>>, CatalogError> {
        let _one = self.changing.lock().await;
        let siblings = K::shelf(&self.works.read()).at(project, kind);
        if siblings.len() >= WORKS_MAX {
            return Err(CatalogError::invalid(kind.name(), &WORKS_MAX.to_string(), "fewer of a kind in one project"));
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
        check(&mut work, &siblings)?;
        let mut transaction = self.pool.begin().await?;
        disk::insert(&mut transaction, &mut work).await?;
        activity::insert(&mut transaction, project, now, history::entry(None, &work, user).as_slice()).await?;
        transaction.commit().await?;
        Ok(self.put(work))
    }

    /// Changes a work: `change` gets it as it is now.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is none; [`CatalogError::Invalid`] when it became too large, and what [`Kind::check`] finds. Then nothing has changed.
    pub async fn update_work<K: Kind>(
        &self,
        project: ProjectId,
        kind: K,
        id: i64,
        user: i64,
        change: impl FnOnce(&mut Work<K>) + Send,
    ) -> Result<Arc<Work<K>>, CatalogError> {
        let _one = self.changing.lock().await;
        let before = self.work(project, kind, id);
        let work = self.changed_work(project, kind, id, By::User(user), change)?;
        let mut transaction = self.pool.begin().await?;
        disk::update(&mut *transaction, &work).await?;
        let entry = history::entry(before.as_deref(), &work, user);
        activity::insert(&mut transaction, project, work.updated_at, entry.as_slice()).await?;
        transaction.commit().await?;
        Ok(self.put(work))
    }

    /// A work as it is after a change, not written yet.
    fn changed_work<K: Kind>(
        &self,
        project: ProjectId,
        kind: K,
        id: i64,
        by: By,
        change: impl FnOnce(&mut Work<K>),
    ) -> Result<Work<K>, CatalogError> {
        let siblings = K::shelf(&self.works.read()).at(project, kind);
        let found = siblings.get(&id).ok_or_else(|| CatalogError::NotFound { what: kind.name(), id: id.to_string() })?;
        let mut work = Work::clone(found);
        change(&mut work);
        let mut work = Work { kind, id, project, short_id: found.short_id.clone(), ..work };
        if let By::User(user) = by {
            (work.last_modified_by, work.updated_at) = (Some(user), self.now());
        }
        check(&mut work, &siblings)?;
        Ok(work)
    }

    fn put<K: Kind>(&self, work: Work<K>) -> Arc<Work<K>> {
        let work = K::shelf_mut(&mut self.works.write()).put(work);
        if K::IS_READ_BY_QUERIES {
            self.changed();
        }
        work
    }
}

fn check<K: Kind>(work: &mut Work<K>, siblings: &Siblings<K>) -> Result<(), CatalogError> {
    K::check(work, siblings)?;
    let bytes = serde_json::to_string(&work.document).map_or(usize::MAX, |text| text.len());
    if bytes <= DOCUMENT_BYTES_MAX {
        return Ok(());
    }
    Err(CatalogError::invalid(work.kind.name(), &format!("{bytes} bytes"), "at most 1 MiB of JSON"))
}

/// A name without blanks around it.
fn checked_name(name: &str) -> Result<String, CatalogError> {
    let trimmed = name.trim();
    if trimmed.is_empty() || trimmed.chars().count() > NAME_CHARS_MAX {
        return Err(CatalogError::invalid("name", trimmed, "1 to 400 characters"));
    }
    Ok(trimmed.to_owned())
}
