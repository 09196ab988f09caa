//! DataFusion as queries use it: our rows, our limits, none of its SQL.

use super::QueryConfig;
use super::memory::QueryPool;
use super::threads::Threads;
use crate::error::QueryError;
use crate::scan::Usage;
use arrow::array::RecordBatch;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// How often a plan that holds a thread looks whether anybody still waits for it.
const STOP_POLL: Duration = Duration::from_millis(50);

/// Runs plans of one query, within its memory.
#[derive(Debug)]
pub(crate) struct Executor {
    session: SessionState,
    threads: Threads,
    /// Set when nobody waits for the answer any more.
    stop: Arc<AtomicBool>,
}

impl Executor {
    pub(super) fn new(session: SessionState, threads: Threads, stop: Arc<AtomicBool>) -> Self {
        Self { session, threads, stop }
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Runs a plan to its end.
    ///
    /// # Errors
    /// [`QueryError`] of planning or of a row.
    pub(crate) async fn execute(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>, QueryError> {
        let physical = self.session.create_physical_plan(&plan).await?;
        Ok(collect(physical, self.session.task_ctx()).await?)
    }

    /// Does work that holds this thread.
    pub(crate) fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        self.threads.hold(work)
    }

    /// As [`Executor::execute`], for what holds its thread: the loops of insights, and resolving.
    ///
    /// # Errors
    /// Likewise; [`QueryError::Cancelled`] when nobody waits any more.
    pub(crate) fn execute_here(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>, QueryError> {
        let stopped = async {
            while !self.is_stopped() {
                tokio::time::sleep(STOP_POLL).await;
            }
        };
        self.hold(|| {
            self.threads.wait(async {
                tokio::select! {
                    batches = self.execute(plan) => batches,
                    () = stopped => Err(QueryError::Cancelled),
                }
            })
        })
    }

    /// Room in the query's memory, none taken yet.
    pub(crate) fn reservation(&self, name: &str) -> MemoryReservation {
        MemoryConsumer::new(name).register(&self.session.runtime_env().memory_pool)
    }
}
