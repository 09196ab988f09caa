//! Ingestion warnings: what was wrong with events, told to the owners of the project.
//!
//! One kind of mistake usually comes with every event, so warnings are limited for each project and kind, and the newest are kept.

use crate::database::parse;
use crate::{Catalog, CatalogError, IngestionWarning, metrics};
use aqueduct_event::{ProjectId, UnixMicros};
use parking_lot::Mutex;
use serde_json::Value;
use sqlx::{Row, SqlitePool};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// Warnings of one kind that may come at once.
const BURST: u32 = 10;
/// After a burst one more is taken each time this has passed.
const REFILL_MICROS: i64 = 60 * 1_000_000;
/// Kinds of one project. The kinds are the product's own, but clients name some of theirs in the details only.
const KINDS_MAX: usize = 200;
/// Warnings of one kind and project that stay in the database.
const KEPT_OF_A_KIND: i64 = 200;

/// What is not written yet, and who may warn again when.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    due: Vec<(ProjectId, IngestionWarning)>,
    allowances: HashMap<ProjectId, HashMap<String, Allowance>>,
}

#[derive(Debug)]
struct Allowance {
    left: u32,
    refilled_at: UnixMicros,
}

impl Allowance {
    fn take(&mut self, now: UnixMicros) -> bool {
        let steps = (now.0 - self.refilled_at.0).max(0) / REFILL_MICROS;
        if steps > 0 {
            self.left = self.left.saturating_add(u32::try_from(steps).unwrap_or(BURST)).min(BURST);
            self.refilled_at = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

impl Catalog {
    /// Tells the owners of a project that something was wrong. Waits for no database; too many of one kind are counted and dropped.
    pub fn warn(&self, project: ProjectId, kind: &str, details: Value) {
        let now = self.now();
        let mut inner = self.warnings.0.lock();
        let kinds = inner.allowances.entry(project).or_default();
        let full = kinds.len() >= KINDS_MAX;
        let allowed = match kinds.get_mut(kind) {
            Some(allowance) => allowance.take(now),
            None if full => false,
            None => {
                kinds.insert(kind.to_owned(), Allowance { left: BURST - 1, refilled_at: now });
                true
            }
        };
        if allowed {
            inner.due.push((project, IngestionWarning { kind: kind.to_owned(), details, created_at: now }));
        } else {
            ::metrics::counter!(metrics::WARNINGS_SUPPRESSED).increment(1);
        }
    }

    /// The newest warnings of a project since `since`, newest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn ingestion_warnings(
        &self,
        project: ProjectId,
        since: UnixMicros,
        limit: u32,
    ) -> Result<Vec<IngestionWarning>, CatalogError> {
        self.flush().await?;
        let rows = sqlx::query(
            "SELECT type, details, created_at FROM ingestion_warnings WHERE project_id = $1 AND created_at >= $2 \
             ORDER BY created_at DESC, id DESC LIMIT $3",
        )
        .bind(i64::from(project.0))
        .bind(since.0)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let warning = |row: &sqlx::sqlite::SqliteRow| -> Result<IngestionWarning, CatalogError> {
            let details: String = row.try_get("details")?;
            Ok(IngestionWarning {
                kind: row.try_get("type")?,
                details: parse("ingestion_warnings", "details", "JSON", &details, |text| serde_json::from_str(text).ok())?,
                created_at: UnixMicros(row.try_get("created_at")?),
            })
        };
        rows.iter().map(warning).collect()
    }

    /// Forgets the warnings of a project that name somebody by one of these distinct ids. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::Database`]; none is forgotten then.
    pub async fn erase_warnings(&self, project: ProjectId, distinct_ids: &BTreeSet<Arc<str>>) -> Result<(), CatalogError> {
        self.flush().await?;
        let mut transaction = self.pool.begin().await?;
        let rows = sqlx::query("SELECT id, details FROM ingestion_warnings WHERE project_id = $1");
        for row in rows.bind(i64::from(project.0)).fetch_all(&mut *transaction).await? {
            let details: Value = serde_json::from_str(row.try_get("details")?).unwrap_or_default();
            if names(&details, distinct_ids) {
                let id: String = row.try_get("id")?;
                sqlx::query("DELETE FROM ingestion_warnings WHERE id = $1").bind(id).execute(&mut *transaction).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn flush_warnings(&self) -> Result<(), CatalogError> {
        let due = std::mem::take(&mut self.warnings.0.lock().due);
        if due.is_empty() {
            return Ok(());
        }
        if let Err(failure) = write(&self.pool, &due).await {
            self.warnings.0.lock().due.splice(0..0, due);
            return Err(failure.into());
        }
        Ok(())
    }
}

/// Whether one of the texts stands somewhere in the details.
fn names(details: &Value, texts: &BTreeSet<Arc<str>>) -> bool {
    match details {
        Value::String(text) => texts.contains(text.as_str()),
        Value::Array(items) => items.iter().any(|item| names(item, texts)),
        Value::Object(fields) => fields.values().any(|field| names(field, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

async fn write(pool: &SqlitePool, due: &[(ProjectId, IngestionWarning)]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for (project, warning) in due {
        let project = i64::from(project.0);
        sqlx::query("INSERT INTO ingestion_warnings (id, project_id, type, details, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(Uuid::now_v7().to_string())
            .bind(project)
            .bind(&warning.kind)
            .bind(warning.details.to_string())
            .bind(warning.created_at.0)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM ingestion_warnings WHERE project_id = $1 AND type = $2 AND id IN \
             (SELECT id FROM ingestion_warnings WHERE project_id = $1 AND type = $2 ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $3)",
        )
        .bind(project)
        .bind(&warning.kind)
        .bind(KEPT_OF_A_KIND)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}
