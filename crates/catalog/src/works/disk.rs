//! Works, members and links in the database.

use super::{ActionKind, Cohort, CohortKind, CohortMember, Kind, Members, SharedLink, Work, WorkKind, Works};
use crate::database::{next_number, parse};
use crate::{CatalogError, RowError};
use aqueduct_event::{PersonId, ProjectId, UnixMicros};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqliteExecutor, SqlitePool};
use std::collections::HashMap;
use std::sync::Arc;

/// Makes a row and gives the work its number.
pub(super) async fn insert<K: Kind>(connection: &mut SqliteConnection, work: &mut Work<K>) -> Result<(), CatalogError> {
    work.id = next_number(connection, work.kind.name()).await?;
    sqlx::query(
        "INSERT INTO works (kind, id, project_id, short_id, document, deleted, created_by, last_modified_by, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(work.kind.number())
    .bind(work.id)
    .bind(i64::from(work.project.0))
    .bind(&work.short_id)
    .bind(document_of(work))
    .bind(work.is_deleted)
    .bind(work.created_by)
    .bind(work.last_modified_by)
    .bind(work.created_at.0)
    .bind(work.updated_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn update<K: Kind>(to: impl SqliteExecutor<'_>, work: &Work<K>) -> Result<(), CatalogError> {
    sqlx::query("UPDATE works SET document = $1, deleted = $2, last_modified_by = $3, updated_at = $4 WHERE kind = $5 AND id = $6")
        .bind(document_of(work))
        .bind(work.is_deleted)
        .bind(work.last_modified_by)
        .bind(work.updated_at.0)
        .bind(work.kind.number())
        .bind(work.id)
        .execute(to)
        .await?;
    Ok(())
}

/// Writes a static cohort with the members that come and go.
pub(super) async fn update_members(
    pool: &SqlitePool,
    cohort: &Cohort,
    added: &[CohortMember],
    gone: &[PersonId],
) -> Result<(), CatalogError> {
    let mut transaction = pool.begin().await?;
    for person in gone {
        let query = sqlx::query("DELETE FROM cohort_members WHERE cohort_id = $1 AND person_id = $2");
        query.bind(cohort.id).bind(person.to_string()).execute(&mut *transaction).await?;
    }
    for member in added {
        sqlx::query("INSERT INTO cohort_members (cohort_id, person_id, distinct_id) VALUES ($1, $2, $3)")
            .bind(cohort.id)
            .bind(member.person.to_string())
            .bind(member.distinct_id.as_ref())
            .execute(&mut *transaction)
            .await?;
    }
    update(&mut *transaction, cohort).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn put_link(pool: &SqlitePool, link: &SharedLink) -> Result<(), CatalogError> {
    sqlx::query(
        "INSERT INTO shared_links (token, kind, work_id, enabled, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (kind, work_id) DO UPDATE SET token = excluded.token, enabled = excluded.enabled, created_at = excluded.created_at",
    )
    .bind(&link.token)
    .bind(link.kind.number())
    .bind(link.id)
    .bind(link.is_enabled)
    .bind(link.created_at.0)
    .execute(pool)
    .await?;
    Ok(())
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Works, CatalogError> {
    let mut works = Works { members: members(pool).await?, ..Works::default() };
    for row in sqlx::query("SELECT * FROM works").fetch_all(pool).await? {
        let number = row.try_get("kind")?;
        match number {
            _ if number == ActionKind.number() => put(&mut works, &row, ActionKind)?,
            _ if number == CohortKind.number() => put(&mut works, &row, CohortKind)?,
            _ => put(&mut works, &row, kind_of(number)?)?,
        }
    }
    let links = sqlx::query(
        "SELECT shared_links.*, works.project_id FROM shared_links JOIN works ON works.kind = shared_links.kind AND works.id = work_id",
    );
    for row in links.fetch_all(pool).await? {
        works.links.put(SharedLink {
            token: row.try_get("token")?,
            project: project_of(&row)?,
            kind: kind_of(row.try_get("kind")?)?,
            id: row.try_get("work_id")?,
            is_enabled: row.try_get("enabled")?,
            created_at: UnixMicros(row.try_get("created_at")?),
        });
    }
    Ok(works)
}

async fn members(pool: &SqlitePool) -> Result<Members, CatalogError> {
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
    Ok(members.into_iter().map(sorted).collect())
}

fn put<K: Kind>(works: &mut Works, row: &SqliteRow, kind: K) -> Result<(), CatalogError> {
    let document: String = row.try_get("document")?;
    let work = Work {
        kind,
        id: row.try_get("id")?,
        project: project_of(row)?,
        short_id: row.try_get("short_id")?,
        document: parse("works", "document", "a JSON object of its kind", &document, |text| serde_json::from_str(text).ok())?,
        is_deleted: row.try_get("deleted")?,
        created_by: row.try_get("created_by")?,
        last_modified_by: row.try_get("last_modified_by")?,
        created_at: UnixMicros(row.try_get("created_at")?),
        updated_at: UnixMicros(row.try_get("updated_at")?),
    };
    K::shelf_mut(works).put(work);
    Ok(())
}

fn document_of<K: Kind>(work: &Work<K>) -> String {
    // INVARIANT: texts, numbers and JSON values always have a form in JSON.
    serde_json::to_string(&work.document).unwrap_or_default()
}

fn kind_of(number: i64) -> Result<WorkKind, CatalogError> {
    let kind = WorkKind::ALL.into_iter().find(|kind| kind.number() == number);
    Ok(kind.ok_or_else(|| RowError { table: "works", column: "kind", found: number.to_string(), expected: "1 to 6" })?)
}

fn project_of(row: &SqliteRow) -> Result<ProjectId, CatalogError> {
    let number: i64 = row.try_get("project_id")?;
    let wrong = |_| RowError { table: "works", column: "project_id", found: number.to_string(), expected: "a number below 2^32" };
    Ok(u32::try_from(number).map(ProjectId).map_err(wrong)?)
}
