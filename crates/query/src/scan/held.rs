//! Memory of the operators that are not DataFusion's, taken from the same limits.

use crate::error::QueryError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use std::sync::Arc;

/// What one piece of work holds. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held(MemoryReservation);

impl Held {
    pub(super) fn new(pool: &Arc<dyn MemoryPool>) -> Self {
        Self(MemoryConsumer::new("operator").register(pool))
    }

    /// Says how much is held now, or is about to be.
    ///
    /// # Errors
    /// [`QueryError::Memory`] when the query may not hold so much.
    pub(crate) fn is(&mut self, bytes: usize) -> Result<(), QueryError> {
        Ok(self.0.try_resize(bytes)?)
    }
}
