//! Actions: events that people of a project gave a name, found in memory, changed in the database first.

use crate::database::{next_number, parse};
use crate::{Catalog, CatalogError};
use aqueduct_event::{ProjectId, UnixMicros};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Characters of a name.
pub(crate) const NAME_CHARS_MAX: usize = 400;
/// Steps of an action. Each is a condition on every row of a query.
const STEPS_MAX: usize = 100;

/// A name for events: an event that matches any step is one of the action.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Its number.
    pub id: i64,
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Any of them matches. Without any the action stands for all events.
    pub steps: Vec<ActionStep>,
    /// A setting that PostHog's clients read and write; nothing is sent here.
    pub post_to_slack: bool,
    /// Likewise.
    pub slack_message_format: String,
    /// When somebody pinned it.
    pub pinned_at: Option<UnixMicros>,
    /// Deleted ones are not listed and cannot be queried.
    pub deleted: bool,
    /// Number of the user who made it.
    pub created_by: Option<i64>,
    /// When it was made.
    pub created_at: UnixMicros,
    /// When it was changed last.
    pub updated_at: UnixMicros,
}

/// Conditions on one event; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionStep {
    /// Name of the event; `None` for any.
    pub event: Option<String>,
    /// Of an autocaptured element: its tag.
    pub tag_name: Option<String>,
    /// Of an autocaptured element: its text, or that of one around it.
    pub text: Option<String>,
    /// How `text` is compared; exactly when absent.
    pub text_matching: Option<Matching>,
    /// Of an autocaptured element: where it leads.
    pub href: Option<String>,
    /// How `href` is compared; exactly when absent.
    pub href_matching: Option<Matching>,
    /// Of an autocaptured element: a selector of elements.
    pub selector: Option<String>,
    /// Address of the page.
    pub url: Option<String>,
    /// How `url` is compared; `contains` when absent.
    pub url_matching: Option<Matching>,
    /// Property filters, a JSON array.
    pub properties: Value,
}

/// How text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// It holds the other.
    Contains,
    /// It matches the pattern.
    Regex,
    /// It is the other.
    Exact,
}

/// Changes of an action; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActionPatch {
    /// See [`Action::name`].
    pub name: Option<String>,
    /// See [`Action::description`].
    pub description: Option<String>,
    /// See [`Action::tags`].
    pub tags: Option<Vec<String>>,
    /// See [`Action::steps`].
    pub steps: Option<Vec<ActionStep>>,
    /// See [`Action::post_to_slack`].
    pub post_to_slack: Option<bool>,
    /// See [`Action::slack_message_format`].
    pub slack_message_format: Option<String>,
    /// Pins it now, or takes the pin away.
    pub pinned: Option<bool>,
    /// See [`Action::deleted`].
    pub deleted: Option<bool>,
}

/// All actions in memory, by number.
pub(crate) type Actions = BTreeMap<i64, Arc<Action>>;

impl Catalog {
    /// The actions of a project by number, deleted ones too.
    #[must_use]
    pub fn actions(&self, project: ProjectId) -> Vec<Arc<Action>> {
        self.actions.read().values().filter(|action| action.project == project).map(Arc::clone).collect()
    }

    /// The action of that number in a project, deleted or not.
    #[must_use]
    pub fn action(&self, project: ProjectId, id: i64) -> Option<Arc<Action>> {
        self.actions.read().get(&id).filter(|action| action.project == project).map(Arc::clone)
    }

    /// Makes an action; durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] or [`CatalogError::Taken`] names the field.
    pub async fn create_action(&self, project: ProjectId, new: ActionPatch, by: Option<i64>) -> Result<Arc<Action>, CatalogError> {
        let now = self.now();
        let mut action = Action {
            id: 0,
            project,
            name: String::new(),
            description: String::new(),
            tags: Vec::new(),
            steps: Vec::new(),
            post_to_slack: false,
            slack_message_format: String::new(),
            pinned_at: None,
            deleted: false,
            created_by: by,
            created_at: now,
            updated_at: now,
        };
        apply(&mut action, ActionPatch { name: Some(new.name.clone().unwrap_or_default()), ..new }, now)?;
        let _one = self.changing.lock().await;
        self.check_name(&action)?;
        let mut transaction = self.pool.begin().await?;
        action.id = next_number(&mut transaction, "action").await?;
        sqlx::query(
            "INSERT INTO actions (name, description, tags, steps, post_to_slack, slack_message_format, pinned_at, deleted, updated_at, id, \
             project_id, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind_fields(&action)
        .bind(i64::from(project.0))
        .bind(by)
        .bind(now.0)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(self.keep(action))
    }

    /// Changes an action; durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::Invalid`] or [`CatalogError::Taken`].
    pub async fn update_action(&self, project: ProjectId, id: i64, patch: ActionPatch) -> Result<Arc<Action>, CatalogError> {
        let _one = self.changing.lock().await;
        let found = self.action(project, id).ok_or_else(|| CatalogError::NotFound { what: "action", id: id.to_string() })?;
        let mut action = Action::clone(&found);
        let now = self.now();
        apply(&mut action, patch, now)?;
        action.updated_at = now;
        self.check_name(&action)?;
        sqlx::query(
            "UPDATE actions SET name = $1, description = $2, tags = $3, steps = $4, post_to_slack = $5, slack_message_format = $6, \
             pinned_at = $7, deleted = $8, updated_at = $9 WHERE id = $10",
        )
        .bind_fields(&action)
        .execute(&self.pool)
        .await?;
        Ok(self.keep(action))
    }

    fn keep(&self, action: Action) -> Arc<Action> {
        let action = Arc::new(action);
        self.actions.write().insert(action.id, Arc::clone(&action));
        self.changed();
        action
    }

    /// Living actions of a project have names of their own: queries call them by name.
    fn check_name(&self, action: &Action) -> Result<(), CatalogError> {
        let same =
            |other: &Arc<Action>| other.id != action.id && other.project == action.project && !other.deleted && other.name == action.name;
        if !action.deleted && self.actions.read().values().any(same) {
            return Err(CatalogError::Taken { field: "name", value: action.name.clone() });
        }
        Ok(())
    }
}

/// The fields that change, in the order in which both statements name them.
trait BindFields {
    fn bind_fields(self, action: &Action) -> Self;
}

impl BindFields for sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    fn bind_fields(self, action: &Action) -> Self {
        self.bind(action.name.clone())
            .bind(action.description.clone())
            .bind(Value::from(action.tags.clone()).to_string())
            .bind(serde_json::to_string(&action.steps).unwrap_or_else(|_| "[]".to_owned()))
            .bind(action.post_to_slack)
            .bind(action.slack_message_format.clone())
            .bind(action.pinned_at.map(|at| at.0))
            .bind(action.deleted)
            .bind(action.updated_at.0)
            .bind(action.id)
    }
}

/// Checks a patch and applies it; on an error the action is half changed and must be thrown away.
fn apply(action: &mut Action, patch: ActionPatch, now: UnixMicros) -> Result<(), CatalogError> {
    if let Some(name) = patch.name {
        action.name = checked_name(&name)?;
    }
    if let Some(steps) = patch.steps {
        if steps.len() > STEPS_MAX {
            return Err(CatalogError::invalid("steps", &steps.len().to_string(), "at most 100 steps"));
        }
        if let Some(step) = steps.iter().find(|step| !matches!(step.properties, Value::Null | Value::Array(_))) {
            return Err(CatalogError::invalid("steps", &step.properties.to_string(), "a list of property filters"));
        }
        action.steps = steps;
    }
    action.description = patch.description.unwrap_or(std::mem::take(&mut action.description));
    action.tags = patch.tags.unwrap_or(std::mem::take(&mut action.tags));
    action.post_to_slack = patch.post_to_slack.unwrap_or(action.post_to_slack);
    action.slack_message_format = patch.slack_message_format.unwrap_or(std::mem::take(&mut action.slack_message_format));
    action.deleted = patch.deleted.unwrap_or(action.deleted);
    match patch.pinned {
        Some(true) => action.pinned_at = action.pinned_at.or(Some(now)),
        Some(false) => action.pinned_at = None,
        None => {}
    }
    Ok(())
}

/// A name without blanks around it.
pub(crate) fn checked_name(name: &str) -> Result<String, CatalogError> {
    let trimmed = name.trim();
    if trimmed.is_empty() || trimmed.chars().count() > NAME_CHARS_MAX {
        return Err(CatalogError::invalid("name", trimmed, "1 to 400 characters"));
    }
    Ok(trimmed.to_owned())
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Actions, CatalogError> {
    let rows = sqlx::query("SELECT * FROM actions ORDER BY id").fetch_all(pool).await?;
    rows.iter().map(|row| action(row).map(|action| (action.id, Arc::new(action)))).collect()
}

fn action(row: &SqliteRow) -> Result<Action, CatalogError> {
    fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T, CatalogError> {
        let text: String = row.try_get(column)?;
        Ok(parse("actions", column, "JSON", &text, |text| serde_json::from_str(text).ok())?)
    }
    Ok(Action {
        id: row.try_get("id")?,
        project: project_of(row, "actions")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        tags: json(row, "tags")?,
        steps: json(row, "steps")?,
        post_to_slack: row.try_get("post_to_slack")?,
        slack_message_format: row.try_get("slack_message_format")?,
        pinned_at: row.try_get::<Option<i64>, _>("pinned_at")?.map(UnixMicros),
        deleted: row.try_get("deleted")?,
        created_by: row.try_get("created_by")?,
        created_at: UnixMicros(row.try_get("created_at")?),
        updated_at: UnixMicros(row.try_get("updated_at")?),
    })
}

/// The number of a row's project.
pub(crate) fn project_of(row: &SqliteRow, table: &'static str) -> Result<ProjectId, CatalogError> {
    let number: i64 = row.try_get("project_id")?;
    let id = u32::try_from(number).map(ProjectId);
    id.map_err(|_| crate::RowError { table, column: "project_id", found: number.to_string(), expected: "a number below 2^32" }.into())
}
