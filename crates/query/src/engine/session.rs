//! DataFusion as queries use it: our rows, our limits, none of its SQL.

use super::QueryConfig;
use super::memory::QueryPool;
use crate::error::QueryError;
use crate::scan::Usage;
use arrow::array::RecordBatch;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;
use std::sync::Arc;

/// What all queries share.
#[derive(Debug)]
pub(super) struct Sessions {
    shared: Arc<dyn MemoryPool>,
    environment: RuntimeEnv,
    template: SessionState,
    query_memory_bytes_max: usize,
}

impl Sessions {
    /// # Errors
    /// [`QueryError::Internal`] when the folder for spilling cannot be used.
    pub(super) fn new(config: &QueryConfig) -> Result<Self, QueryError> {
        let shared: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(config.memory_bytes_max));
        let mode = match &config.spill_dir {
            Some(dir) => DiskManagerMode::Directories(vec![dir.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(config.spill_bytes_max);
        let environment = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&shared)).with_disk_manager_builder(disk).build()?;
        let settings = SessionConfig::new()
            .with_target_partitions(config.threads())
            .with_information_schema(false)
            .set_bool("datafusion.catalog.create_default_catalog_and_schema", false);
        let template = SessionStateBuilder::new().with_config(settings).with_default_features().build();
        Ok(Self { shared, environment, template, query_memory_bytes_max: config.query_memory_bytes_max })
    }

    /// A session with memory of its own.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when the environment cannot be made.
    pub(super) fn session(&self, usage: &Arc<Usage>) -> Result<SessionState, QueryError> {
        let pool = Arc::new(QueryPool::new(Arc::clone(&self.shared), self.query_memory_bytes_max, Arc::clone(usage)));
        let environment = RuntimeEnvBuilder::from_runtime_env(&self.environment).with_memory_pool(pool).build_arc()?;
        Ok(SessionStateBuilder::new_from_existing(self.template.clone()).with_runtime_env(environment).build())
    }
}

/// Runs a plan to its end.
///
/// # Errors
/// [`QueryError`] of planning or of a row.
pub(super) async fn execute(session: &SessionState, plan: LogicalPlan) -> Result<Vec<RecordBatch>, QueryError> {
    let physical = session.create_physical_plan(&plan).await?;
    Ok(collect(physical, session.task_ctx()).await?)
}
