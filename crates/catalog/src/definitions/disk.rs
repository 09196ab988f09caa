//! Definitions read at start and written behind.

use super::Definitions;
use super::project::{Due, ProjectDefinitions, slot, unslot};
use crate::database::parse;
use crate::{Catalog, CatalogError, PropertyParent, PropertyType, RowError};
use aqueduct_event::{ProjectId, UnixMicros};
use parking_lot::RwLock;
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::sync::Arc;
use uuid::Uuid;

/// A row to be written, taken out of memory so that nothing is locked while the database works.
enum Write {
    Event { id: Uuid, name: Arc<str>, created_at: UnixMicros, last_seen_at: UnixMicros },
    Property { id: Uuid, slot: usize, key: Arc<str>, property_type: Option<PropertyType> },
    Link { event: Arc<str>, key: Arc<str> },
}

impl Catalog {
    /// Writes what is due, one transaction for each project.
    pub(crate) async fn flush_definitions(&self) -> Result<(), CatalogError> {
        let projects: Vec<_> = self.definitions.projects.read().iter().map(|(id, of)| (*id, Arc::clone(of))).collect();
        for (project, definitions) in projects {
            if definitions.read().due.is_empty() {
                continue;
            }
            let (due, writes) = {
                let mut definitions = definitions.write();
                let due = std::mem::take(&mut definitions.due);
                let writes = writes_of(&definitions, &due);
                (due, writes)
            };
            if let Err(failure) = write(&self.pool, project, &writes).await {
                give_back(&definitions, due);
                return Err(failure.into());
            }
        }
        Ok(())
    }
}

fn give_back(definitions: &RwLock<ProjectDefinitions>, due: Due) {
    let mut definitions = definitions.write();
    definitions.due.events.extend(due.events);
    definitions.due.properties.extend(due.properties);
    definitions.due.links.extend(due.links);
}

fn writes_of(definitions: &ProjectDefinitions, due: &Due) -> Vec<Write> {
    let event = |name: &Arc<str>| {
        let event = definitions.event(name)?;
        Some(Write::Event { id: event.id, name: Arc::clone(name), created_at: event.created_at, last_seen_at: event.last_seen_at })
    };
    let property = |(slot, key): &(usize, Arc<str>)| {
        let property = definitions.property(*slot, key)?;
        Some(Write::Property { id: property.id, slot: *slot, key: Arc::clone(key), property_type: property.property_type })
    };
    let link = |(event, key): &(Arc<str>, Arc<str>)| Write::Link { event: Arc::clone(event), key: Arc::clone(key) };
    let events = due.events.iter().filter_map(event);
    events.chain(due.properties.iter().filter_map(property)).chain(due.links.iter().map(link)).collect()
}

async fn write(pool: &SqlitePool, project: ProjectId, writes: &[Write]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for write in writes {
        write_one(&mut transaction, i64::from(project.0), write).await?;
    }
    transaction.commit().await
}

async fn write_one(connection: &mut SqliteConnection, project: i64, write: &Write) -> Result<(), sqlx::Error> {
    let query = match write {
        Write::Event { id, name, created_at, last_seen_at } => sqlx::query(
            "INSERT INTO event_definitions (id, project_id, name, created_at, last_seen_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (project_id, name) DO UPDATE SET last_seen_at = excluded.last_seen_at",
        )
        .bind(id.to_string())
        .bind(project)
        .bind(name.to_string())
        .bind(created_at.0)
        .bind(last_seen_at.0),
        Write::Property { id, slot, key, property_type } => {
            let (parent, group_type_index) = unslot(*slot);
            sqlx::query(
                "INSERT INTO property_definitions (id, project_id, parent, group_type_index, name, property_type) \
                 VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (project_id, parent, group_type_index, name) DO UPDATE SET property_type = excluded.property_type",
            )
            .bind(id.to_string())
            .bind(project)
            .bind(parent as i64)
            .bind(group_type_index.map_or(-1, i64::from))
            .bind(key.to_string())
            .bind(property_type.map(PropertyType::as_str))
        }
        Write::Link { event, key } => {
            sqlx::query("INSERT INTO event_properties (project_id, event, property) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(project)
                .bind(event.to_string())
                .bind(key.to_string())
        }
    };
    query.execute(connection).await?;
    Ok(())
}

impl Definitions {
    pub(crate) async fn load(pool: &SqlitePool) -> Result<Self, CatalogError> {
        let definitions = Self::default();
        for row in sqlx::query("SELECT * FROM event_definitions").fetch_all(pool).await? {
            let (project, id) = (project_of(&row)?, id_of("event_definitions", &row)?);
            let (created_at, last_seen_at) = (UnixMicros(row.try_get("created_at")?), UnixMicros(row.try_get("last_seen_at")?));
            let name: String = row.try_get("name")?;
            definitions.of_or_new(project).write().put_event(name.into(), id, created_at, last_seen_at);
        }
        for row in sqlx::query("SELECT * FROM property_definitions").fetch_all(pool).await? {
            let (project, id) = (project_of(&row)?, id_of("property_definitions", &row)?);
            let (parent, index): (i64, i64) = (row.try_get("parent")?, row.try_get("group_type_index")?);
            let slot = PropertyParent::from_number(parent).and_then(|parent| slot(parent, u8::try_from(index).ok()));
            let slot = slot.ok_or_else(|| RowError {
                table: "property_definitions",
                column: "parent",
                found: format!("{parent} with group type {index}"),
                expected: "1, 2, 4, or 3 with a group type from 0 to 4",
            })?;
            let name: String = row.try_get("name")?;
            let kind: Option<String> = row.try_get("property_type")?;
            let kind = kind.map(|kind| parse("property_definitions", "property_type", "a property type", &kind, PropertyType::from_name));
            definitions.of_or_new(project).write().put_property(slot, name.into(), id, kind.transpose()?);
        }
        for row in sqlx::query("SELECT * FROM event_properties").fetch_all(pool).await? {
            let (event, key): (String, String) = (row.try_get("event")?, row.try_get("property")?);
            definitions.of_or_new(project_of(&row)?).write().put_link(&event, key.into());
        }
        Ok(definitions)
    }
}

fn project_of(row: &sqlx::sqlite::SqliteRow) -> Result<ProjectId, CatalogError> {
    let number: i64 = row.try_get("project_id")?;
    let wrong = |_| RowError { table: "definitions", column: "project_id", found: number.to_string(), expected: "a number below 2^32" };
    Ok(u32::try_from(number).map(ProjectId).map_err(wrong)?)
}

fn id_of(table: &'static str, row: &sqlx::sqlite::SqliteRow) -> Result<Uuid, CatalogError> {
    let text: String = row.try_get("id")?;
    Ok(parse(table, "id", "a uuid", &text, |text| text.parse().ok())?)
}
