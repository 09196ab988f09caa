//! What people say of events and properties: descriptions, tags, whether they are verified or hidden. The definitions themselves are learned.

use crate::database::parse;
use crate::{Catalog, CatalogError};
use aqueduct_event::ProjectId;
use serde_json::{Map, Value};
use sqlx::{Row, SqlitePool};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Notes by definition.
pub(crate) type Notes = HashMap<Uuid, Arc<Map<String, Value>>>;

/// Bytes of the notes on one definition.
const NOTES_BYTES_MAX: usize = 64 * 1024;

impl Catalog {
    /// The notes on a definition; none are an empty object.
    #[must_use]
    pub fn notes(&self, definition: Uuid) -> Arc<Map<String, Value>> {
        self.notes.read().get(&definition).map(Arc::clone).unwrap_or_default()
    }

    /// Sets fields of the notes on a definition.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] when they become too large.
    pub async fn note(&self, project: ProjectId, definition: Uuid, fields: Map<String, Value>) -> Result<(), CatalogError> {
        let _one = self.changing.lock().await;
        let mut notes = Map::clone(&self.notes(definition));
        notes.extend(fields);
        let text = Value::Object(notes.clone()).to_string();
        if text.len() > NOTES_BYTES_MAX {
            return Err(CatalogError::invalid("description", &format!("{} bytes", text.len()), "at most 64 KiB of notes"));
        }
        let statement = "INSERT INTO definition_notes (definition_id, project_id, notes) VALUES ($1, $2, $3) \
                         ON CONFLICT (definition_id) DO UPDATE SET notes = excluded.notes";
        sqlx::query(statement).bind(definition.to_string()).bind(i64::from(project.0)).bind(&text).execute(&self.pool).await?;
        self.notes.write().insert(definition, Arc::new(notes));
        Ok(())
    }
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Notes, CatalogError> {
    let mut notes = Notes::default();
    for row in sqlx::query("SELECT definition_id, notes FROM definition_notes").fetch_all(pool).await? {
        let (id, text): (String, String) = (row.try_get("definition_id")?, row.try_get("notes")?);
        let id = parse("definition_notes", "definition_id", "a uuid", &id, |text| text.parse().ok())?;
        notes.insert(id, parse("definition_notes", "notes", "a JSON object", &text, |text| serde_json::from_str(text).ok())?);
    }
    Ok(notes)
}
