//! What is durable: the segments and the manifest as of the last flush.

use crate::ReadError;
use crate::commit::{DistinctIdRecord, GroupRecord, PersonRecord};
use aqueduct_event::PersonId;
use aqueduct_event::{JournalPosition, PartitionId, ProjectId};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The durable part of a state.
#[derive(Debug, Default)]
pub(crate) struct Base {
    /// Number of the newest durable commit that touched a project.
    pub(crate) seqs: FxHashMap<ProjectId, u64>,
    /// Where each partition stands.
    pub(crate) positions: BTreeMap<PartitionId, JournalPosition>,
}

impl Base {
    pub(crate) fn person(&self, _: ProjectId, _: PersonId) -> Result<Option<PersonRecord>, ReadError> {
        Ok(None)
    }
    pub(crate) fn distinct_id(&self, _: ProjectId, _: &str) -> Result<Option<DistinctIdRecord>, ReadError> {
        Ok(None)
    }
    pub(crate) fn distinct_ids_of(&self, _: ProjectId, _: PersonId) -> Result<Vec<Arc<str>>, ReadError> {
        Ok(Vec::new())
    }
    pub(crate) fn group(&self, _: ProjectId, _: u8, _: &str) -> Result<Option<GroupRecord>, ReadError> {
        Ok(None)
    }
    pub(crate) fn persons(&self, _: ProjectId) -> Result<Vec<PersonRecord>, ReadError> {
        Ok(Vec::new())
    }
    pub(crate) fn groups(&self, _: ProjectId) -> Result<Vec<GroupRecord>, ReadError> {
        Ok(Vec::new())
    }
    pub(crate) fn distinct_ids(&self, _: ProjectId) -> Result<Vec<DistinctIdRecord>, ReadError> {
        Ok(Vec::new())
    }
}
