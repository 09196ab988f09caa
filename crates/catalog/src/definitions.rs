//! Definitions: which events and properties a project has, and of what type its properties are.
//!
//! Learned from events by `process`, kept in memory, written behind. An observation that brings nothing new costs a look-up and no lock
//! that another thread waits for.

mod disk;
mod project;

use crate::{Catalog, CatalogError, EventDefinition, PropertyDefinition, PropertyParent, PropertyType};
use aqueduct_event::{ProjectId, UnixMicros};
use parking_lot::RwLock;
use project::ProjectDefinitions;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Event definitions of one project that are kept.
pub(crate) const EVENT_DEFINITIONS_MAX: usize = 20_000;
/// Property definitions of one project that are kept.
pub(crate) const PROPERTY_DEFINITIONS_MAX: usize = 100_000;
/// Pairs of event and property of one project that are kept.
pub(crate) const EVENT_PROPERTIES_MAX: usize = 500_000;
/// Characters of a name or key; longer ones are not defined.
pub(crate) const NAME_CHARS_MAX: usize = 200;

/// An event name that occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSeen<'a> {
    /// The event's name.
    pub name: &'a str,
    /// When; kept to the hour.
    pub at: UnixMicros,
}

/// A property that occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertySeen<'a> {
    /// What it belongs to.
    pub parent: PropertyParent,
    /// Index of the group type, with [`PropertyParent::Group`] only.
    pub group_type_index: Option<u8>,
    /// The key.
    pub key: &'a str,
    /// The type inferred from its value; `None` where the value tells none.
    pub property_type: Option<PropertyType>,
    /// The event that it occurred on, where the pair is to be kept.
    pub event: Option<&'a str>,
}

/// Definitions of all projects in memory.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    projects: RwLock<HashMap<ProjectId, Arc<RwLock<ProjectDefinitions>>>>,
}

impl Definitions {
    fn of(&self, project: ProjectId) -> Option<Arc<RwLock<ProjectDefinitions>>> {
        self.projects.read().get(&project).map(Arc::clone)
    }

    fn of_or_new(&self, project: ProjectId) -> Arc<RwLock<ProjectDefinitions>> {
        self.of(project).unwrap_or_else(|| Arc::clone(self.projects.write().entry(project).or_default()))
    }
}

impl Catalog {
    /// Learns what occurred in a run of events of one project. Waits for no database; what is new is written within a second.
    /// A type that is set stays; one that was unknown is set by the first observation that tells one.
    pub fn observe(&self, project: ProjectId, events: &[EventSeen<'_>], properties: &[PropertySeen<'_>]) {
        let definitions = self.definitions.of_or_new(project);
        {
            let known = definitions.read();
            if events.iter().all(|seen| known.knows_event(seen)) && properties.iter().all(|seen| known.knows_property(seen)) {
                return;
            }
        }
        let now = self.now();
        let mut definitions = definitions.write();
        for seen in events {
            definitions.learn_event(seen, now);
        }
        for seen in properties {
            definitions.learn_property(seen);
        }
    }

    /// The type of a property, if any was set or inferred.
    #[must_use]
    pub fn property_type(
        &self,
        project: ProjectId,
        parent: PropertyParent,
        group_type_index: Option<u8>,
        key: &str,
    ) -> Option<PropertyType> {
        self.definitions.of(project)?.read().property_type(parent, group_type_index, key)
    }

    /// All events of a project, by name.
    #[must_use]
    pub fn event_definitions(&self, project: ProjectId) -> Vec<EventDefinition> {
        self.definitions.of(project).map(|definitions| definitions.read().events()).unwrap_or_default()
    }

    /// All properties of a project, by parent and key.
    #[must_use]
    pub fn property_definitions(&self, project: ProjectId) -> Vec<PropertyDefinition> {
        self.definitions.of(project).map(|definitions| definitions.read().properties()).unwrap_or_default()
    }

    /// Keys of event properties that occurred on one of `events`.
    #[must_use]
    pub fn properties_of_events(&self, project: ProjectId, events: &[String]) -> HashSet<String> {
        self.definitions.of(project).map(|definitions| definitions.read().properties_of(events)).unwrap_or_default()
    }

    /// Sets the type of a property by hand.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the project has no such property.
    pub async fn set_property_type(&self, project: ProjectId, id: Uuid, property_type: Option<PropertyType>) -> Result<(), CatalogError> {
        // What is due is written first: the row must be there to be changed.
        self.flush().await?;
        let missing = || CatalogError::NotFound { what: "property definition", id: id.to_string() };
        let definitions = self.definitions.of(project).ok_or_else(missing)?;
        let written = sqlx::query("UPDATE property_definitions SET property_type = $1 WHERE id = $2 AND project_id = $3")
            .bind(property_type.map(PropertyType::as_str))
            .bind(id.to_string())
            .bind(i64::from(project.0))
            .execute(&self.pool)
            .await?;
        if written.rows_affected() == 0 {
            return Err(missing());
        }
        definitions.write().set_type(id, property_type);
        Ok(())
    }

    /// Forgets an event: its definition, which properties it had, and the notes on it. It is defined anew when it occurs again.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the project has no such event.
    pub async fn delete_event_definition(&self, project: ProjectId, id: Uuid) -> Result<(), CatalogError> {
        let missing = || CatalogError::NotFound { what: "event definition", id: id.to_string() };
        let definitions = self.definitions.of(project).ok_or_else(missing)?;
        let name = definitions.read().name_of_event(id).ok_or_else(missing)?;
        let rows = [
            ("DELETE FROM event_properties WHERE project_id = $1 AND event = $2", name.to_string()),
            ("DELETE FROM event_definitions WHERE project_id = $1 AND id = $2", id.to_string()),
        ];
        self.forget(project, id, &rows, || definitions.write().remove_event(&name)).await
    }

    /// Forgets a property: its definition with its type, and the notes on it. It is defined anew, with the type of its values, when it occurs again.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the project has no such property.
    pub async fn delete_property_definition(&self, project: ProjectId, id: Uuid) -> Result<(), CatalogError> {
        let missing = || CatalogError::NotFound { what: "property definition", id: id.to_string() };
        let definitions = self.definitions.of(project).ok_or_else(missing)?;
        if !definitions.read().has_property(id) {
            return Err(missing());
        }
        let rows = [("DELETE FROM property_definitions WHERE project_id = $1 AND id = $2", id.to_string())];
        self.forget(project, id, &rows, || definitions.write().remove_property(id)).await
    }

    /// Removes a definition's rows and the notes on it, then what memory has of it.
    async fn forget(
        &self,
        project: ProjectId,
        definition: Uuid,
        rows: &[(&'static str, String)],
        remove: impl FnOnce() + Send,
    ) -> Result<(), CatalogError> {
        // Notes are written under this lock: none comes after the definition is gone.
        let _one = self.changing.lock().await;
        // What is due is written first: written later it would bring the row back.
        self.flush().await?;
        let notes = ("DELETE FROM definition_notes WHERE project_id = $1 AND definition_id = $2", definition.to_string());
        let mut transaction = self.pool.begin().await?;
        for (statement, key) in rows.iter().chain([&notes]) {
            sqlx::query(*statement).bind(i64::from(project.0)).bind(key).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        remove();
        self.notes.write().remove(&definition);
        Ok(())
    }
}
