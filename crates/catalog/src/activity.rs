//! Who changed what: the log of what people did in a project, newest entries first.
//!
//! In: changes of saved work, and what callers tell of definitions and persons. Out: entries, read from the database page by page; memory holds none.
//!
//! # Invariants
//! - A change of saved work and its entry are durable together or not at all.
//! - A project keeps its newest [`ENTRIES_MAX`] entries, and of a value only what fits into [`VALUE_BYTES_MAX`].

use crate::database::parse;
use crate::{Catalog, CatalogError};
use aqueduct_event::{ProjectId, UnixMicros};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Entries of one project that are kept.
pub const ENTRIES_MAX: usize = 10_000;
/// Bytes of JSON of a value before or after a change; larger ones are left out of the log.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Its id.
    pub id: Uuid,
    /// What it was done to, in PostHog's words: `Insight`, `Person` and the like.
    pub scope: String,
    /// Which one.
    pub item_id: String,
    /// `created`, `updated`, `deleted`, `restored` and the like.
    pub activity: String,
    /// Who did it; `None` when that user is gone.
    pub user: Option<i64>,
    /// What exactly.
    pub detail: ActivityDetail,
    /// When.
    pub created_at: UnixMicros,
}

/// Something to be noted.
#[derive(Clone, Debug, PartialEq)]
pub struct NewActivity {
    /// See [`Activity::scope`].
    pub scope: &'static str,
    /// See [`Activity::item_id`].
    pub item_id: String,
    /// See [`Activity::activity`].
    pub activity: &'static str,
    /// Who did it.
    pub user: i64,
    /// What exactly.
    pub detail: ActivityDetail,
}

/// What exactly somebody did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivityDetail {
    /// What the item was called then.
    pub name: Option<String>,
    /// The item's short id, where it has one.
    pub short_id: Option<String>,
    /// The fields that changed.
    pub changes: Vec<FieldChange>,
}

/// How one field changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// `created`, `changed`, `deleted` or `split`.
    pub action: String,
    /// The field; `None` where the item as a whole changed.
    pub field: Option<String>,
    /// Its value before; null for none, and for one that is too large.
    pub before: Value,
    /// Its value after.
    pub after: Value,
}

/// Which entries are wanted; absent fields take all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Those of one of these scopes; empty for all.
    pub scopes: Vec<String>,
    /// Those of an item.
    pub item_id: Option<String>,
    /// What a user did.
    pub user: Option<i64>,
}

impl FieldChange {
    /// A change whose values are not told.
    #[must_use]
    pub fn of_field(action: &str, field: Option<&str>) -> Self {
        Self { action: action.to_owned(), field: field.map(str::to_owned), before: Value::Null, after: Value::Null }
    }

    /// The fields whose values differ, by name. Nothing, an empty text, list or object and `false` are alike: a client that sends all fields changes only those
    /// that somebody changed.
    #[must_use]
    pub fn between(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Self> {
        let value = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or_default();
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changes = names.into_iter().filter_map(|name| {
            let (before, after) = (value(before, name), value(after, name));
            if before == after || is_nothing(&before) && is_nothing(&after) {
                return None;
            }
            let action = match (&before, &after) {
                (Value::Null, _) => "created",
                (_, Value::Null) => "deleted",
                _ => "changed",
            };
            Some(Self { before: bounded(before), after: bounded(after), ..Self::of_field(action, Some(name)) })
        });
        changes.collect()
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn bounded(value: Value) -> Value {
    if value.to_string().len() <= VALUE_BYTES_MAX { value } else { Value::Null }
}

impl Catalog {
    /// Notes what somebody did. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn note_activity(&self, project: ProjectId, new: &[NewActivity]) -> Result<(), CatalogError> {
        let mut transaction = self.pool.begin().await?;
        insert(&mut transaction, project, self.now(), new).await?;
        Ok(transaction.commit().await?)
    }

    /// How many entries a project has, and a page of them, newest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`], or [`CatalogError::Row`] for one that cannot be understood.
    pub async fn activities(
        &self,
        project: ProjectId,
        filter: &ActivityFilter,
        limit: usize,
        offset: usize,
    ) -> Result<(usize, Vec<Activity>), CatalogError> {
        // Scopes stand between commas, so that one statement serves any number of them.
        let scopes = if filter.scopes.is_empty() { None } else { Some(format!(",{},", filter.scopes.join(","))) };
        let count = sqlx::query(
            "SELECT count(*) AS entries FROM activity WHERE project_id = $1 AND ($2 IS NULL OR item_id = $2) \
             AND ($3 IS NULL OR user_id = $3) AND ($4 IS NULL OR $4 LIKE '%,' || scope || ',%')",
        );
        let page = sqlx::query(
            "SELECT * FROM activity WHERE project_id = $1 AND ($2 IS NULL OR item_id = $2) \
             AND ($3 IS NULL OR user_id = $3) AND ($4 IS NULL OR $4 LIKE '%,' || scope || ',%') \
             ORDER BY created_at DESC, id DESC LIMIT $5 OFFSET $6",
        );
        let bound = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let project = i64::from(project.0);
        let count = count.bind(project).bind(filter.item_id.as_deref()).bind(filter.user).bind(scopes.as_deref());
        let page = page.bind(project).bind(filter.item_id.as_deref()).bind(filter.user).bind(scopes.as_deref());
        let count: i64 = count.fetch_one(&self.pool).await?.try_get("entries")?;
        let rows = page.bind(bound(limit)).bind(bound(offset)).fetch_all(&self.pool).await?;
        Ok((usize::try_from(count).unwrap_or_default(), rows.iter().map(activity).collect::<Result<_, _>>()?))
    }
}

/// Writes entries and removes the oldest ones when there are too many.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    project: ProjectId,
    now: UnixMicros,
    new: &[NewActivity],
) -> Result<(), sqlx::Error> {
    for new in new {
        // INVARIANT: texts and JSON values always have a form in JSON.
        let detail = serde_json::to_string(&new.detail).unwrap_or_default();
        sqlx::query(
            "INSERT INTO activity (id, project_id, scope, item_id, activity, user_id, detail, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(Uuid::now_v7().to_string())
        .bind(i64::from(project.0))
        .bind(new.scope)
        .bind(&new.item_id)
        .bind(new.activity)
        .bind(new.user)
        .bind(detail)
        .bind(now.0)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "DELETE FROM activity WHERE id IN \
         (SELECT id FROM activity WHERE project_id = $1 ORDER BY created_at DESC, id DESC LIMIT 10000 OFFSET $2)",
    )
    .bind(i64::from(project.0))
    .bind(i64::try_from(ENTRIES_MAX).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

fn activity(row: &SqliteRow) -> Result<Activity, CatalogError> {
    let (id, detail): (String, String) = (row.try_get("id")?, row.try_get("detail")?);
    Ok(Activity {
        id: parse("activity", "id", "a uuid", &id, |text| text.parse().ok())?,
        scope: row.try_get("scope")?,
        item_id: row.try_get("item_id")?,
        activity: row.try_get("activity")?,
        user: row.try_get("user_id")?,
        detail: parse("activity", "detail", "name, short_id and changes as JSON", &detail, |text| serde_json::from_str(text).ok())?,
        created_at: UnixMicros(row.try_get("created_at")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value) -> Vec<(String, Value, Value)> {
        let map = |value: Value| value.as_object().cloned().expect("an object");
        let changes = FieldChange::between(&map(before), &map(after));
        changes
            .into_iter()
            .map(|change| (format!("{} {}", change.action, change.field.unwrap_or_default()), change.before, change.after))
            .collect()
    }

    #[test]
    fn fields_that_differ() {
        let before = json!({"name": "a", "tags": ["x"], "same": 1, "gone": 2, "off": true});
        let after = json!({"name": "b", "tags": ["x"], "same": 1, "new": 3, "off": false, "empty": [], "nothing": null});
        let expected = [
            ("deleted gone", json!(2), json!(null)),
            ("changed name", json!("a"), json!("b")),
            ("created new", json!(null), json!(3)),
            ("changed off", json!(true), json!(false)),
        ];
        assert_eq!(check(before, after), expected.map(|(change, before, after)| (change.to_owned(), before, after)));
    }

    #[test]
    fn large_values_are_left_out() {
        let large = "x".repeat(VALUE_BYTES_MAX);
        assert_eq!(check(json!({"query": "a"}), json!({"query": large})), [("changed query".to_owned(), json!("a"), json!(null))]);
    }
}
