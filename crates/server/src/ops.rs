//! The operator's listener: metrics and probes. The probes are on the main listener too.

use crate::error::Fatal;
use aqueduct_journal::WalJournal;
use aqueduct_ledger::account::{Ledger, State as LedgerState};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// Edges of histograms of times, in seconds: from one sync of a fast disk to a time-out.
const SECONDS: &[f64] =
    &[0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// How often figures of the past are folded, so that they do not pile up between two scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Whether this process takes work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness {
    is_up: Arc<AtomicBool>,
    journal: Arc<OnceLock<Weak<WalJournal>>>,
}

impl Readiness {
    pub(crate) fn set(&self, ready: bool) {
        self.is_up.store(ready, Ordering::Release);
    }

    /// From now on a journal that has no room counts too.
    pub(crate) fn watch(&self, journal: &Arc<WalJournal>) {
        let _ = self.journal.set(Arc::downgrade(journal));
    }

    /// Why it does not take work.
    fn obstacle(&self) -> Option<String> {
        if !self.is_up.load(Ordering::Acquire) {
            return Some("not ready".to_owned());
        }
        Some(format!("not ready: {}", self.journal.get()?.upgrade()?.full()?))
    }

    /// What a probe is told.
    pub(crate) fn answer(&self) -> Response {
        self.obstacle().map_or_else(|| "ok".into_response(), |why| (StatusCode::SERVICE_UNAVAILABLE, why).into_response())
    }
}

/// Starts counting. Once per process.
pub(crate) fn install_metrics() -> Result<PrometheusHandle, Fatal> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS);
    let handle = builder.and_then(PrometheusBuilder::install_recorder).inspect(|_| crate::metrics::describe());
    handle.map_err(|error| Fatal::failure("cannot start metrics", error, "report this"))
}

/// Folds figures of the past for as long as the process lives.
pub(crate) async fn upkeep(handle: PrometheusHandle) {
    let mut tick = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tick.tick().await;
        handle.run_upkeep();
    }
}

/// `/_liveness` and `/_readiness`.
pub(crate) fn probes(readiness: Readiness) -> Router {
    Router::new().route("/_liveness", get("ok")).route("/_readiness", get(ready)).with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    readiness.answer()
}

/// Everything of the operator's listener. Its readiness names the state of the ledger, which does not change whether the process takes work.
pub(crate) fn router(handle: PrometheusHandle, readiness: Readiness, ledger: Option<Arc<dyn Ledger>>) -> Router {
    let metrics = get(async move || ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()));
    let of_ledger = Router::new().route("/ledger", get(crate::ledger::show)).with_state(ledger.clone());
    let ready = get(async move || readiness_with_ledger(&readiness, ledger.as_deref()));
    Router::new().route("/metrics", metrics).route("/_liveness", get("ok")).route("/_readiness", ready).merge(of_ledger)
}

fn readiness_with_ledger(readiness: &Readiness, ledger: Option<&dyn Ledger>) -> Response {
    let state = match ledger.map(|ledger| ledger.health().state) {
        None => "none",
        Some(LedgerState::Unknown) => "unknown",
        Some(LedgerState::Replaying) => "replaying",
        Some(LedgerState::Balanced) => "balanced",
        Some(LedgerState::Alarm) => "alarm",
    };
    let (status, word) = readiness.obstacle().map_or((StatusCode::OK, "ok".to_owned()), |why| (StatusCode::SERVICE_UNAVAILABLE, why));
    (status, format!("{word}\nledger: {state}\n")).into_response()
}
