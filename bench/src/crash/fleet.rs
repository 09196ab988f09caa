//! All clients of a scenario.

use super::client::{Client, Told, Traffic};
use super::story::Story;
use crate::probe::Target;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How long clients may take to finish their last batch.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// Clients that run side by side.
#[derive(Debug)]
pub(crate) struct Fleet {
    told: Vec<(Story, Arc<Told>)>,
    pub(crate) traffic: Arc<Traffic>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Fleet {
    pub(crate) fn start(runtime: &Runtime, target: &Target, clients: u32, seed: u64, pause: Duration) -> Self {
        let told: Vec<_> = (0..clients).map(|client| (Story { seed, client }, Arc::<Told>::default())).collect();
        let (traffic, stop) = (Arc::<Traffic>::default(), Arc::<AtomicBool>::default());
        let tasks = told.iter().map(|(story, told)| {
            let client = Client {
                story: *story,
                address: target.address.clone(),
                token: target.token.clone(),
                told: Arc::clone(told),
                traffic: Arc::clone(&traffic),
                stop: Arc::clone(&stop),
                pause,
            };
            runtime.spawn(client.run())
        });
        let tasks = tasks.collect();
        Self { told, traffic, stop, tasks }
    }

    /// What each client was told so far: its events below this number were acknowledged.
    pub(crate) fn acknowledged_each(&self) -> Vec<(Story, u32)> {
        self.told.iter().map(|(story, told)| (*story, told.acknowledged.load(Ordering::SeqCst))).collect()
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged_each().iter().map(|(_, acknowledged)| u64::from(*acknowledged)).sum()
    }

    pub(crate) fn told(&self) -> Vec<(Story, Arc<Told>)> {
        self.told.clone()
    }

    /// Fails when a client has ended: they go on until they are stopped.
    pub(crate) fn must_be_well(&mut self, runtime: &Runtime) -> anyhow::Result<()> {
        match self.tasks.iter().position(JoinHandle::is_finished) {
            Some(index) => runtime.block_on(self.tasks.swap_remove(index))?.context("a client gave up"),
            None => Ok(()),
        }
    }

    /// Lets every client finish the batch under way.
    pub(crate) fn stop(&mut self, runtime: &Runtime) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            let ended = runtime.block_on(async { tokio::time::timeout(STOP_PATIENCE, task).await });
            ended.context("a client could not finish its last batch")???;
        }
        Ok(())
    }
}
