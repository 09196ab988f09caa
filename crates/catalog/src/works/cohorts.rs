//! Cohorts: sets of persons with a name.
//!
//! Who is in a dynamic cohort is found when a query asks ([`CohortDocument::filters`]). The members of a static one are kept here, each by its id
//! and by one of its distinct ids: a person that was merged into another is found again by the distinct id.

use super::{By, Kind, Shelf, Siblings, Work, Works, checked_name, disk};
use crate::{Catalog, CatalogError};
use aqueduct_event::{PersonId, ProjectId, UnixMicros};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of a tree of criteria.
const FILTERS_BYTES_MAX: usize = 256 * 1024;

/// A set of persons.
pub type Cohort = Work<CohortKind>;

/// The kind of cohorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CohortKind;

/// What a cohort holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CohortDocument {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `{"properties": <tree of criteria>}`, or null for a static cohort.
    pub filters: Value,
    /// The query that a static cohort was filled from, or null.
    pub query: Value,
    /// Whether members are kept instead of found.
    pub is_static: bool,
    /// Members when they were counted last.
    pub count: Option<i64>,
    /// When they were counted last.
    pub last_calculation: Option<UnixMicros>,
    /// How often counting failed since it last worked.
    pub errors_calculating: i64,
}

/// A member of a static cohort.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CohortMember {
    /// The person when it was added.
    pub person: PersonId,
    /// One of its distinct ids then.
    pub distinct_id: Box<str>,
}

/// Members of static cohorts by the cohort's number, each in order of person.
pub(super) type Members = HashMap<i64, Arc<[CohortMember]>>;

impl Kind for CohortKind {
    type Document = CohortDocument;

    const IS_READ_BY_QUERIES: bool = true;
    const KEPT_BY_THE_SERVER: &'static [&'static str] = &["count", "last_calculation", "errors_calculating"];

    fn scope(self) -> Option<&'static str> {
        Some("Cohort")
    }

    fn number(self) -> i64 {
        6
    }

    fn name(self) -> &'static str {
        "cohort"
    }

    fn check(cohort: &mut Cohort, _: &Siblings<Self>) -> Result<(), CatalogError> {
        let CohortDocument { name, filters, .. } = &mut cohort.document;
        *name = checked_name(name)?;
        if !matches!(filters, Value::Null | Value::Object(_)) {
            return Err(CatalogError::invalid("filters", &filters.to_string(), "an object with \"properties\""));
        }
        let bytes = filters.to_string().len();
        if bytes > FILTERS_BYTES_MAX {
            return Err(CatalogError::invalid("filters", &format!("{bytes} bytes"), "at most 262144 bytes"));
        }
        Ok(())
    }

    fn shelf(works: &Works) -> &Shelf<Self> {
        &works.cohorts
    }

    fn shelf_mut(works: &mut Works) -> &mut Shelf<Self> {
        &mut works.cohorts
    }
}

impl Catalog {
    /// The members of a static cohort in order of person; none for others.
    #[must_use]
    pub fn cohort_members(&self, id: i64) -> Arc<[CohortMember]> {
        self.works.read().members.get(&id).map_or_else(|| Arc::from(Vec::new()), Arc::clone)
    }

    /// Remembers how many members a cohort has; `None`: they could not be counted.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] or [`CatalogError::Database`].
    pub async fn note_cohort_count(&self, project: ProjectId, id: i64, count: Option<i64>) -> Result<Arc<Cohort>, CatalogError> {
        let _one = self.changing.lock().await;
        let now = self.now();
        let cohort = self.changed_work(project, CohortKind, id, By::Server, |cohort| match count {
            Some(_) => cohort.document.counted(count, now),
            None => cohort.document.errors_calculating += 1,
        })?;
        disk::update(&self.pool, &cohort).await?;
        Ok(self.put(cohort))
    }

    /// Adds members to a static cohort; those that are in it already stay. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], or [`CatalogError::Invalid`] for a cohort that is not static.
    pub async fn add_cohort_members(
        &self,
        project: ProjectId,
        id: i64,
        user: i64,
        new: Vec<CohortMember>,
    ) -> Result<Arc<Cohort>, CatalogError> {
        self.change_members(project, id, user, (new, Vec::new())).await
    }

    /// Takes members out of a static cohort. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], or [`CatalogError::Invalid`] for a cohort that is not static.
    pub async fn remove_cohort_members(
        &self,
        project: ProjectId,
        id: i64,
        user: i64,
        gone: Vec<PersonId>,
    ) -> Result<Arc<Cohort>, CatalogError> {
        self.change_members(project, id, user, (Vec::new(), gone)).await
    }

    async fn change_members(
        &self,
        project: ProjectId,
        id: i64,
        user: i64,
        (new, gone): (Vec<CohortMember>, Vec<PersonId>),
    ) -> Result<Arc<Cohort>, CatalogError> {
        let _one = self.changing.lock().await;
        let mut members: BTreeMap<PersonId, Box<str>> =
            self.cohort_members(id).iter().map(|member| (member.person, member.distinct_id.clone())).collect();
        let gone: Vec<PersonId> = gone.into_iter().filter(|person| members.remove(person).is_some()).collect();
        let mut added = Vec::new();
        for member in new {
            if members.insert(member.person, member.distinct_id.clone()).is_none() {
                added.push(member);
            }
        }
        let now = self.now();
        let cohort = self.changed_work(project, CohortKind, id, By::User(user), |cohort| {
            cohort.document.counted(i64::try_from(members.len()).ok(), now);
        })?;
        if !cohort.document.is_static {
            return Err(CatalogError::invalid("cohort", &id.to_string(), "a static cohort"));
        }
        disk::update_members(&self.pool, &cohort, &added, &gone).await?;
        let members = members.into_iter().map(|(person, distinct_id)| CohortMember { person, distinct_id }).collect();
        self.works.write().members.insert(id, members);
        Ok(self.put(cohort))
    }
}

impl CohortDocument {
    fn counted(&mut self, count: Option<i64>, now: UnixMicros) {
        (self.count, self.last_calculation, self.errors_calculating) = (count, Some(now), 0);
    }
}
