//! Look-ups of `process`: active, then frozen, then the manifest.

use super::state::State;
use crate::ReadError;
use crate::commit::{DistinctIdRecord, GroupRecord, PersonRecord};
use aqueduct_event::{PersonId, ProjectId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl State {
    pub(crate) fn person(&self, project: ProjectId, id: PersonId) -> Result<Option<PersonRecord>, ReadError> {
        let known = self.layers().find_map(|layer| layer.persons.get(&(project, id)));
        let person = match known {
            Some(person) => Some(PersonRecord::clone(person)),
            None => self.base.view.person(project, id)?,
        };
        Ok(person.filter(|person| !person.is_deleted))
    }

    pub(crate) fn distinct_id(&self, project: ProjectId, distinct_id: &str) -> Result<Option<DistinctIdRecord>, ReadError> {
        let key = (project, Arc::from(distinct_id));
        match self.layers().find_map(|layer| layer.distinct_ids.get(&key)) {
            Some(id) => Ok(Some(id.clone())),
            None => self.base.view.distinct_id(project, distinct_id),
        }
    }

    pub(crate) fn distinct_ids_of(&self, project: ProjectId, person: PersonId) -> Result<Vec<String>, ReadError> {
        let mut ids: BTreeSet<Arc<str>> = self.base.view.distinct_ids_of(project, person)?.into_iter().collect();
        for layer in self.layers() {
            ids.extend(layer.ids_of.get(&(project, person)).into_iter().flatten().map(Arc::clone));
        }
        // A layer or the base may have been overruled by a newer layer.
        let mut kept = Vec::with_capacity(ids.len());
        for id in ids {
            if self.distinct_id(project, &id)?.is_some_and(|record| record.person == person) {
                kept.push(id.to_string());
            }
        }
        Ok(kept)
    }

    pub(crate) fn group(&self, project: ProjectId, type_index: u8, key: &str) -> Result<Option<GroupRecord>, ReadError> {
        let full = (project, type_index, Arc::from(key));
        match self.layers().find_map(|layer| layer.groups.get(&full)) {
            Some(group) => Ok(Some(GroupRecord::clone(group))),
            None => self.base.view.group(project, type_index, key),
        }
    }
}
