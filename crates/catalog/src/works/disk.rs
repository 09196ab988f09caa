//! Works and links in the database.

use super::{SharedLink, Work, WorkKind, Works};
use crate::database::{next_number, parse};
use crate::{CatalogError, RowError};
use aqueduct_event::{ProjectId, UnixMicros};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

/// Makes a row and gives the work its number.
pub(super) async fn insert(pool: &SqlitePool, work: &mut Work) -> Result<(), CatalogError> {
    let mut transaction = pool.begin().await?;
    work.id = next_number(&mut transaction, work.kind.as_str()).await?;
    sqlx::query(
        "INSERT INTO works (kind, id, project_id, short_id, document, deleted, created_by, last_modified_by, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(work.kind as i64)
    .bind(work.id)
    .bind(i64::from(work.project.0))
    .bind(&work.short_id)
    .bind(document_of(work))
    .bind(work.is_deleted)
    .bind(work.created_by)
    .bind(work.last_modified_by)
    .bind(work.created_at.0)
    .bind(work.updated_at.0)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn update(pool: &SqlitePool, work: &Work) -> Result<(), CatalogError> {
    sqlx::query("UPDATE works SET document = $1, deleted = $2, last_modified_by = $3, updated_at = $4 WHERE kind = $5 AND id = $6")
        .bind(document_of(work))
        .bind(work.is_deleted)
        .bind(work.last_modified_by)
        .bind(work.updated_at.0)
        .bind(work.kind as i64)
        .bind(work.id)
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn put_link(pool: &SqlitePool, link: &SharedLink) -> Result<(), CatalogError> {
    sqlx::query(
        "INSERT INTO shared_links (token, kind, work_id, enabled, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (kind, work_id) DO UPDATE SET token = excluded.token, enabled = excluded.enabled, created_at = excluded.created_at",
    )
    .bind(&link.token)
    .bind(link.kind as i64)
    .bind(link.id)
    .bind(link.is_enabled)
    .bind(link.created_at.0)
    .execute(pool)
    .await?;
    Ok(())
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Works, CatalogError> {
    let mut works = Works::default();
    for row in sqlx::query("SELECT * FROM works").fetch_all(pool).await? {
        works.put(work_of(&row)?);
    }
    let links = sqlx::query(
        "SELECT shared_links.*, works.project_id FROM shared_links JOIN works ON works.kind = shared_links.kind AND works.id = work_id",
    );
    for row in links.fetch_all(pool).await? {
        works.links.put(SharedLink {
            token: row.try_get("token")?,
            project: project_of(&row)?,
            kind: kind_of(&row)?,
            id: row.try_get("work_id")?,
            is_enabled: row.try_get("enabled")?,
            created_at: UnixMicros(row.try_get("created_at")?),
        });
    }
    Ok(works)
}

fn document_of(work: &Work) -> String {
    // INVARIANT: a map of JSON values always has a form in JSON.
    serde_json::to_string(&work.document).unwrap_or_default()
}

fn work_of(row: &SqliteRow) -> Result<Work, CatalogError> {
    let document: String = row.try_get("document")?;
    Ok(Work {
        kind: kind_of(row)?,
        id: row.try_get("id")?,
        project: project_of(row)?,
        short_id: row.try_get("short_id")?,
        document: parse("works", "document", "a JSON object", &document, |text| serde_json::from_str(text).ok())?,
        is_deleted: row.try_get("deleted")?,
        created_by: row.try_get("created_by")?,
        last_modified_by: row.try_get("last_modified_by")?,
        created_at: UnixMicros(row.try_get("created_at")?),
        updated_at: UnixMicros(row.try_get("updated_at")?),
    })
}

fn kind_of(row: &SqliteRow) -> Result<WorkKind, CatalogError> {
    let number: i64 = row.try_get("kind")?;
    let kind = WorkKind::ALL.into_iter().find(|kind| *kind as i64 == number);
    Ok(kind.ok_or_else(|| RowError { table: "works", column: "kind", found: number.to_string(), expected: "1 to 4" })?)
}

fn project_of(row: &SqliteRow) -> Result<ProjectId, CatalogError> {
    let number: i64 = row.try_get("project_id")?;
    let wrong = |_| RowError { table: "works", column: "project_id", found: number.to_string(), expected: "a number below 2^32" };
    Ok(u32::try_from(number).map(ProjectId).map_err(wrong)?)
}
