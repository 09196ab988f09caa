//! Cohorts: sets of persons that people of a project gave a name, found in memory, changed in the database first.
//!
//! Who is in a dynamic cohort is found when a query asks ([`Cohort::filters`]). The members of a static one are kept here, each by its id
//! and by one of its distinct ids: a person that was merged into another is found again by the distinct id.

use crate::actions::{checked_name, project_of};
use crate::database::{next_number, parse};
use crate::{Catalog, CatalogError};
use aqueduct_event::{PersonId, ProjectId, UnixMicros};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of a tree of criteria.
const FILTERS_BYTES_MAX: usize = 256 * 1024;

/// A set of persons.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    /// Its number.
    pub id: i64,
    /// Its project.
    pub project: ProjectId,
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
    /// Deleted ones are not listed and cannot be queried.
    pub deleted: bool,
    /// Members when they were counted last.
    pub count: Option<i64>,
    /// When they were counted last.
    pub last_calculation: Option<UnixMicros>,
    /// How often counting failed since it last worked.
    pub errors_calculating: i64,
    /// Number of the user who made it.
    pub created_by: Option<i64>,
    /// When it was made.
    pub created_at: UnixMicros,
    /// When it was changed last.
    pub updated_at: UnixMicros,
}

/// A member of a static cohort.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CohortMember {
    /// The person when it was added.
    pub person: PersonId,
    /// One of its distinct ids then.
    pub distinct_id: Box<str>,
}

/// Changes of a cohort; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CohortPatch {
    /// See [`Cohort::name`].
    pub name: Option<String>,
    /// See [`Cohort::description`].
    pub description: Option<String>,
    /// See [`Cohort::filters`].
    pub filters: Option<Value>,
    /// See [`Cohort::query`].
    pub query: Option<Value>,
    /// See [`Cohort::deleted`].
    pub deleted: Option<bool>,
}

/// All cohorts in memory.
#[derive(Debug, Default)]
pub(crate) struct Cohorts {
    by_id: BTreeMap<i64, Arc<Cohort>>,
    /// Members of static cohorts, in order of person.
    members: HashMap<i64, Arc<[CohortMember]>>,
}

impl Catalog {
    /// The cohorts of a project by number, deleted ones too.
    #[must_use]
    pub fn cohorts(&self, project: ProjectId) -> Vec<Arc<Cohort>> {
        self.cohorts.read().by_id.values().filter(|cohort| cohort.project == project).map(Arc::clone).collect()
    }

    /// The cohort of that number in a project, deleted or not.
    #[must_use]
    pub fn cohort(&self, project: ProjectId, id: i64) -> Option<Arc<Cohort>> {
        self.cohorts.read().by_id.get(&id).filter(|cohort| cohort.project == project).map(Arc::clone)
    }

    /// The members of a static cohort in order of person; none for others.
    #[must_use]
    pub fn cohort_members(&self, id: i64) -> Arc<[CohortMember]> {
        self.cohorts.read().members.get(&id).map_or_else(|| Arc::from(Vec::new()), Arc::clone)
    }

    /// Makes a cohort; durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] names the field.
    pub async fn create_cohort(
        &self,
        project: ProjectId,
        new: CohortPatch,
        is_static: bool,
        by: Option<i64>,
    ) -> Result<Arc<Cohort>, CatalogError> {
        let now = self.now();
        let mut cohort = Cohort {
            id: 0,
            project,
            name: String::new(),
            description: String::new(),
            filters: Value::Null,
            query: Value::Null,
            is_static,
            deleted: false,
            count: is_static.then_some(0),
            last_calculation: None,
            errors_calculating: 0,
            created_by: by,
            created_at: now,
            updated_at: now,
        };
        apply(&mut cohort, CohortPatch { name: Some(new.name.clone().unwrap_or_default()), ..new })?;
        let _one = self.changing.lock().await;
        let mut transaction = self.pool.begin().await?;
        cohort.id = next_number(&mut transaction, "cohort").await?;
        sqlx::query(
            "INSERT INTO cohorts (id, project_id, name, description, filters, query, is_static, deleted, counted, errors_calculating, \
             created_by, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE, $8, 0, $9, $10, $10)",
        )
        .bind(cohort.id)
        .bind(i64::from(project.0))
        .bind(&cohort.name)
        .bind(&cohort.description)
        .bind(cohort.filters.to_string())
        .bind(cohort.query.to_string())
        .bind(is_static)
        .bind(cohort.count)
        .bind(by)
        .bind(now.0)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(self.keep_cohort(cohort))
    }

    /// Changes a cohort; durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] or [`CatalogError::Invalid`].
    pub async fn update_cohort(&self, project: ProjectId, id: i64, patch: CohortPatch) -> Result<Arc<Cohort>, CatalogError> {
        let _one = self.changing.lock().await;
        let mut cohort = self.found(project, id)?;
        apply(&mut cohort, patch)?;
        cohort.updated_at = self.now();
        sqlx::query(
            "UPDATE cohorts SET name = $1, description = $2, filters = $3, query = $4, deleted = $5, updated_at = $6 WHERE id = $7",
        )
        .bind(&cohort.name)
        .bind(&cohort.description)
        .bind(cohort.filters.to_string())
        .bind(cohort.query.to_string())
        .bind(cohort.deleted)
        .bind(cohort.updated_at.0)
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(self.keep_cohort(cohort))
    }

    /// Remembers how many members a cohort has; `None`: they could not be counted.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] or [`CatalogError::Database`].
    pub async fn note_cohort_count(&self, project: ProjectId, id: i64, count: Option<i64>) -> Result<Arc<Cohort>, CatalogError> {
        let _one = self.changing.lock().await;
        let mut cohort = self.found(project, id)?;
        match count {
            Some(count) => {
                cohort.count = Some(count);
                cohort.last_calculation = Some(self.now());
                cohort.errors_calculating = 0;
            }
            None => cohort.errors_calculating += 1,
        }
        self.write_count(&cohort, &self.pool).await?;
        Ok(self.keep_cohort(cohort))
    }

    /// Adds members to a static cohort; those that are in it already stay. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], or [`CatalogError::Invalid`] for a cohort that is not static.
    pub async fn add_cohort_members(&self, project: ProjectId, id: i64, new: Vec<CohortMember>) -> Result<Arc<Cohort>, CatalogError> {
        self.change_members(project, id, new, Vec::new()).await
    }

    /// Takes members out of a static cohort. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], or [`CatalogError::Invalid`] for a cohort that is not static.
    pub async fn remove_cohort_members(&self, project: ProjectId, id: i64, gone: Vec<PersonId>) -> Result<Arc<Cohort>, CatalogError> {
        self.change_members(project, id, Vec::new(), gone).await
    }

    async fn change_members(
        &self,
        project: ProjectId,
        id: i64,
        new: Vec<CohortMember>,
        gone: Vec<PersonId>,
    ) -> Result<Arc<Cohort>, CatalogError> {
        let _one = self.changing.lock().await;
        let mut cohort = self.found(project, id)?;
        if !cohort.is_static {
            return Err(CatalogError::invalid("cohort", &id.to_string(), "a static cohort"));
        }
        let mut members: BTreeMap<PersonId, Box<str>> =
            self.cohort_members(id).iter().map(|member| (member.person, member.distinct_id.clone())).collect();
        let mut transaction = self.pool.begin().await?;
        for person in gone.iter().filter(|person| members.remove(person).is_some()) {
            let query = sqlx::query("DELETE FROM cohort_members WHERE cohort_id = $1 AND person_id = $2");
            query.bind(id).bind(person.to_string()).execute(&mut *transaction).await?;
        }
        for member in new {
            if members.contains_key(&member.person) {
                continue;
            }
            sqlx::query("INSERT INTO cohort_members (cohort_id, person_id, distinct_id) VALUES ($1, $2, $3)")
                .bind(id)
                .bind(member.person.to_string())
                .bind(member.distinct_id.as_ref())
                .execute(&mut *transaction)
                .await?;
            members.insert(member.person, member.distinct_id);
        }
        cohort.count = i64::try_from(members.len()).ok();
        cohort.last_calculation = Some(self.now());
        cohort.updated_at = self.now();
        self.write_count(&cohort, &mut *transaction).await?;
        transaction.commit().await?;
        let members = members.into_iter().map(|(person, distinct_id)| CohortMember { person, distinct_id }).collect();
        self.cohorts.write().members.insert(id, members);
        Ok(self.keep_cohort(cohort))
    }

    async fn write_count(&self, cohort: &Cohort, to: impl sqlx::SqliteExecutor<'_>) -> Result<(), CatalogError> {
        sqlx::query("UPDATE cohorts SET counted = $1, last_calculation = $2, errors_calculating = $3, updated_at = $4 WHERE id = $5")
            .bind(cohort.count)
            .bind(cohort.last_calculation.map(|at| at.0))
            .bind(cohort.errors_calculating)
            .bind(cohort.updated_at.0)
            .bind(cohort.id)
            .execute(to)
            .await?;
        Ok(())
    }

    fn found(&self, project: ProjectId, id: i64) -> Result<Cohort, CatalogError> {
        let found = self.cohort(project, id).ok_or_else(|| CatalogError::NotFound { what: "cohort", id: id.to_string() })?;
        Ok(Cohort::clone(&found))
    }

    fn keep_cohort(&self, cohort: Cohort) -> Arc<Cohort> {
        let cohort = Arc::new(cohort);
        self.cohorts.write().by_id.insert(cohort.id, Arc::clone(&cohort));
        self.changed();
        cohort
    }
}

/// Checks a patch and applies it; on an error the cohort is half changed and must be thrown away.
fn apply(cohort: &mut Cohort, patch: CohortPatch) -> Result<(), CatalogError> {
    if let Some(name) = patch.name {
        cohort.name = checked_name(&name)?;
    }
    if let Some(filters) = patch.filters {
        if !matches!(filters, Value::Null | Value::Object(_)) {
            return Err(CatalogError::invalid("filters", &filters.to_string(), "an object with \"properties\""));
        }
        let bytes = filters.to_string().len();
        if bytes > FILTERS_BYTES_MAX {
            return Err(CatalogError::invalid("filters", &format!("{bytes} bytes"), "at most 262144 bytes"));
        }
        cohort.filters = filters;
    }
    cohort.description = patch.description.unwrap_or(std::mem::take(&mut cohort.description));
    cohort.query = patch.query.unwrap_or(std::mem::take(&mut cohort.query));
    cohort.deleted = patch.deleted.unwrap_or(cohort.deleted);
    Ok(())
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Cohorts, CatalogError> {
    let mut cohorts = Cohorts::default();
    for row in sqlx::query("SELECT * FROM cohorts ORDER BY id").fetch_all(pool).await? {
        let cohort = cohort(&row)?;
        cohorts.by_id.insert(cohort.id, Arc::new(cohort));
    }
    let mut members: HashMap<i64, Vec<CohortMember>> = HashMap::new();
    for row in sqlx::query("SELECT cohort_id, person_id, distinct_id FROM cohort_members").fetch_all(pool).await? {
        let person: String = row.try_get("person_id")?;
        let person = parse("cohort_members", "person_id", "a uuid", &person, |text| text.parse().ok())?;
        let distinct_id: String = row.try_get("distinct_id")?;
        members.entry(row.try_get("cohort_id")?).or_default().push(CohortMember { person, distinct_id: distinct_id.into() });
    }
    let sorted = |(id, mut members): (i64, Vec<CohortMember>)| {
        members.sort_unstable();
        (id, Arc::from(members))
    };
    cohorts.members = members.into_iter().map(sorted).collect();
    Ok(cohorts)
}

fn cohort(row: &SqliteRow) -> Result<Cohort, CatalogError> {
    let json = |column: &'static str| -> Result<Value, CatalogError> {
        let text: String = row.try_get(column)?;
        Ok(parse("cohorts", column, "JSON", &text, |text| serde_json::from_str(text).ok())?)
    };
    Ok(Cohort {
        id: row.try_get("id")?,
        project: project_of(row, "cohorts")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        filters: json("filters")?,
        query: json("query")?,
        is_static: row.try_get("is_static")?,
        deleted: row.try_get("deleted")?,
        count: row.try_get("counted")?,
        last_calculation: row.try_get::<Option<i64>, _>("last_calculation")?.map(UnixMicros),
        errors_calculating: row.try_get("errors_calculating")?,
        created_by: row.try_get("created_by")?,
        created_at: UnixMicros(row.try_get("created_at")?),
        updated_at: UnixMicros(row.try_get("updated_at")?),
    })
}
