//! Projects: found by token or number in memory, changed in the database first.

use crate::database::{next_number, parse};
use crate::{Catalog, CatalogError, NewProject, Project, ProjectPatch, RowError, secret};
use aqueduct_event::{ProjectId, UnixMicros};
use foldhash::fast::RandomState;
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// Characters of a project's name.
const NAME_CHARS_MAX: usize = 200;

/// All projects in memory.
#[derive(Debug, Default)]
pub(crate) struct Projects {
    by_id: BTreeMap<ProjectId, Arc<Project>>,
    by_token: HashMap<String, ProjectId, RandomState>,
    /// Projects whose `ingested_event` is set in memory and not yet on disk.
    ingested: Vec<ProjectId>,
}

impl Projects {
    pub(crate) fn put(&mut self, project: Project) -> Arc<Project> {
        let project = Arc::new(project);
        if let Some(old) = self.by_id.insert(project.id, Arc::clone(&project)) {
            self.by_token.remove(&old.api_token);
        }
        self.by_token.insert(project.api_token.clone(), project.id);
        project
    }

    /// Puts a changed project; `note_ingested` may have come since it was read, and only ever sets its flag.
    fn replace(&mut self, mut project: Project) -> Arc<Project> {
        project.ingested_event |= self.by_id.get(&project.id).is_some_and(|now| now.ingested_event);
        self.put(project)
    }
}

impl Catalog {
    /// The project whose SDKs send `token`.
    #[must_use]
    pub fn project_by_token(&self, token: &str) -> Option<Arc<Project>> {
        let projects = self.projects.read();
        let id = projects.by_token.get(token)?;
        projects.by_id.get(id).map(Arc::clone)
    }

    /// The project of that number.
    #[must_use]
    pub fn project(&self, id: ProjectId) -> Option<Arc<Project>> {
        self.projects.read().by_id.get(&id).map(Arc::clone)
    }

    /// All projects by number.
    #[must_use]
    pub fn projects(&self) -> Vec<Arc<Project>> {
        self.projects.read().by_id.values().map(Arc::clone).collect()
    }

    /// Makes a project with a token of its own; durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] names the field; [`CatalogError::NotFound`] when there is no organization yet.
    pub async fn create_project(&self, new: NewProject) -> Result<Arc<Project>, CatalogError> {
        let organization = self.organization().ok_or(CatalogError::NotFound { what: "organization", id: "@current".to_owned() })?;
        let mut project = fresh(organization.id, secret::fresh("phc_"), self.now());
        apply(
            &mut project,
            ProjectPatch { name: new.name.or(new.patch.name), timezone: new.timezone.or(new.patch.timezone), ..new.patch },
        )?;
        let _one = self.changing.lock().await;
        let mut transaction = self.pool.begin().await?;
        project.id = insert(&mut transaction, &project).await?;
        transaction.commit().await?;
        Ok(self.projects.write().put(project))
    }

    /// Changes a project; durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] or [`CatalogError::Invalid`].
    pub async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Arc<Project>, CatalogError> {
        let _one = self.changing.lock().await;
        let found = self.project(id).ok_or_else(|| CatalogError::NotFound { what: "project", id: id.to_string() })?;
        let mut project = Project::clone(&found);
        apply(&mut project, patch)?;
        project.updated_at = self.now();
        update(&mut *self.pool.acquire().await?, &project).await?;
        Ok(self.projects.write().replace(project))
    }

    /// Gives a project a new token; the old one stops working.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is no such project.
    pub async fn reset_token(&self, id: ProjectId) -> Result<Arc<Project>, CatalogError> {
        let _one = self.changing.lock().await;
        let found = self.project(id).ok_or_else(|| CatalogError::NotFound { what: "project", id: id.to_string() })?;
        let project = Project { api_token: secret::fresh("phc_"), updated_at: self.now(), ..Project::clone(&found) };
        sqlx::query("UPDATE projects SET api_token = $1, updated_at = $2 WHERE id = $3")
            .bind(&project.api_token)
            .bind(project.updated_at.0)
            .bind(i64::from(id.0))
            .execute(&self.pool)
            .await?;
        Ok(self.projects.write().replace(project))
    }

    /// Remembers that a project has had an event. Cheap when it is known already.
    pub fn note_ingested(&self, id: ProjectId) {
        if self.project(id).is_none_or(|project| project.ingested_event) {
            return;
        }
        let mut projects = self.projects.write();
        let Some(found) = projects.by_id.get(&id).map(Arc::clone) else { return };
        projects.put(Project { ingested_event: true, ..Project::clone(&found) });
        projects.ingested.push(id);
    }

    pub(crate) async fn flush_ingested(&self) -> Result<(), CatalogError> {
        let due = std::mem::take(&mut self.projects.write().ingested);
        for (at, id) in due.iter().enumerate() {
            let query = sqlx::query("UPDATE projects SET ingested_event = TRUE WHERE id = $1").bind(i64::from(id.0));
            if let Err(failure) = query.execute(&self.pool).await {
                self.projects.write().ingested.extend(&due[at..]);
                return Err(failure.into());
            }
        }
        Ok(())
    }
}

/// A project with the defaults of every setting, without a number yet.
pub(crate) fn fresh(organization: Uuid, api_token: String, now: UnixMicros) -> Project {
    Project {
        id: ProjectId(0),
        uuid: Uuid::now_v7(),
        organization,
        name: "Default project".to_owned(),
        api_token,
        secret_api_token: secret::fresh("phs_"),
        timezone: "UTC".to_owned(),
        week_start_day: 0,
        anonymize_ips: false,
        test_account_filters: Value::Array(Vec::new()),
        path_cleaning_filters: Value::Array(Vec::new()),
        ingested_event: false,
        settings: Value::Object(Map::new()),
        created_at: now,
        updated_at: now,
    }
}

/// Checks a patch and applies it; on an error the project is half changed and must be thrown away.
fn apply(project: &mut Project, patch: ProjectPatch) -> Result<(), CatalogError> {
    if let Some(name) = patch.name {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
            return Err(CatalogError::invalid("name", name, "1 to 200 characters"));
        }
        name.clone_into(&mut project.name);
    }
    if let Some(timezone) = patch.timezone {
        project.timezone = checked_timezone(&timezone)?;
    }
    if let Some(day) = patch.week_start_day {
        if day > 1 {
            return Err(CatalogError::invalid("week_start_day", &day.to_string(), "0 (Sunday) or 1 (Monday)"));
        }
        project.week_start_day = day;
    }
    project.anonymize_ips = patch.anonymize_ips.unwrap_or(project.anonymize_ips);
    if let Some(filters) = patch.test_account_filters {
        project.test_account_filters = checked_list("test_account_filters", filters)?;
    }
    if let Some(filters) = patch.path_cleaning_filters {
        project.path_cleaning_filters = checked_list("path_cleaning_filters", filters)?;
    }
    if let Value::Object(settings) = &mut project.settings {
        settings.extend(patch.settings);
    }
    Ok(())
}

/// The canonical spelling of an IANA time zone.
fn checked_timezone(name: &str) -> Result<String, CatalogError> {
    let zone = jiff::tz::db().get(name).ok();
    let canonical = zone.as_ref().and_then(|zone| zone.iana_name());
    canonical
        .map(str::to_owned)
        .ok_or_else(|| CatalogError::invalid("timezone", name, "an IANA time zone such as \"Europe/Berlin\" or \"UTC\""))
}

fn checked_list(field: &'static str, value: Value) -> Result<Value, CatalogError> {
    match value {
        Value::Array(_) => Ok(value),
        Value::Null => Ok(Value::Array(Vec::new())),
        other => Err(CatalogError::invalid(field, &other.to_string(), "a list")),
    }
}

pub(crate) async fn insert(connection: &mut SqliteConnection, project: &Project) -> Result<ProjectId, CatalogError> {
    let number = next_number(connection, "project").await?;
    let id = u32::try_from(number).map(ProjectId).map_err(|_| CatalogError::invalid("id", &number.to_string(), "a number below 2^32"))?;
    sqlx::query(
        "INSERT INTO projects (id, uuid, organization_id, name, api_token, secret_api_token, timezone, week_start_day, anonymize_ips, \
         test_account_filters, path_cleaning_filters, ingested_event, settings, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(number)
    .bind(project.uuid.to_string())
    .bind(project.organization.to_string())
    .bind(&project.name)
    .bind(&project.api_token)
    .bind(&project.secret_api_token)
    .bind(&project.timezone)
    .bind(i64::from(project.week_start_day))
    .bind(project.anonymize_ips)
    .bind(project.test_account_filters.to_string())
    .bind(project.path_cleaning_filters.to_string())
    .bind(project.ingested_event)
    .bind(project.settings.to_string())
    .bind(project.created_at.0)
    .bind(project.updated_at.0)
    .execute(connection)
    .await?;
    Ok(id)
}

async fn update(connection: &mut SqliteConnection, project: &Project) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE projects SET name = $1, timezone = $2, week_start_day = $3, anonymize_ips = $4, test_account_filters = $5, \
         path_cleaning_filters = $6, settings = $7, updated_at = $8 WHERE id = $9",
    )
    .bind(&project.name)
    .bind(&project.timezone)
    .bind(i64::from(project.week_start_day))
    .bind(project.anonymize_ips)
    .bind(project.test_account_filters.to_string())
    .bind(project.path_cleaning_filters.to_string())
    .bind(project.settings.to_string())
    .bind(project.updated_at.0)
    .bind(i64::from(project.id.0))
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Projects, CatalogError> {
    let mut projects = Projects::default();
    for row in sqlx::query("SELECT * FROM projects ORDER BY id").fetch_all(pool).await? {
        projects.put(project(&row)?);
    }
    Ok(projects)
}

fn project(row: &SqliteRow) -> Result<Project, CatalogError> {
    let json = |column: &'static str| -> Result<Value, CatalogError> {
        let text: String = row.try_get(column)?;
        Ok(parse("projects", column, "JSON", &text, |text| serde_json::from_str(text).ok())?)
    };
    let uuid = |column: &'static str| -> Result<Uuid, CatalogError> {
        let text: String = row.try_get(column)?;
        Ok(parse("projects", column, "a uuid", &text, |text| text.parse().ok())?)
    };
    let number = |column: &'static str, expected: &'static str| -> Result<i64, CatalogError> {
        let found: i64 = row.try_get(column)?;
        let fits = (0..=i64::from(u32::MAX)).contains(&found);
        if fits { Ok(found) } else { Err(RowError { table: "projects", column, found: found.to_string(), expected }.into()) }
    };
    Ok(Project {
        id: ProjectId(number("id", "a number below 2^32")? as u32),
        uuid: uuid("uuid")?,
        organization: uuid("organization_id")?,
        name: row.try_get("name")?,
        api_token: row.try_get("api_token")?,
        secret_api_token: row.try_get("secret_api_token")?,
        timezone: row.try_get("timezone")?,
        week_start_day: u8::from(number("week_start_day", "0 or 1")? != 0),
        anonymize_ips: row.try_get("anonymize_ips")?,
        test_account_filters: json("test_account_filters")?,
        path_cleaning_filters: json("path_cleaning_filters")?,
        ingested_event: row.try_get("ingested_event")?,
        settings: json("settings")?,
        created_at: UnixMicros(row.try_get("created_at")?),
        updated_at: UnixMicros(row.try_get("updated_at")?),
    })
}
