//! `aqueduct serve`: starts everything, says where, waits, stops in order.

use crate::cli::ServeArgs;
use crate::config::Config;
use crate::error::Fatal;
use crate::http::{self, Limits};
use crate::ops::{self, Readiness};
use crate::wire::{self, Parts, World};
use crate::{limits, log, runtime};
use aqueduct_catalog::Bootstrap;
use aqueduct_journal::Journal;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Open files that are kept for journal, store and catalog.
const FILES_KEPT: u64 = 512;
/// Connections that are taken however low the limit of open files is.
const CONNECTIONS_MIN: usize = 16;
/// Connections of the operator's listener.
const OPS_CONNECTIONS_MAX: usize = 64;

/// A server that answers requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) address: SocketAddr,
    /// Whether the data directory was empty.
    pub(crate) first_start: bool,
}

/// Runs the server until it is asked to stop.
pub(crate) fn run(arguments: &ServeArgs) -> Result<(), Fatal> {
    run_with(arguments, bootstrap_of_environment()?, |_| {})
}

/// As [`run`], with what a first start shall make; `started` is told the address when requests are answered.
pub(crate) fn run_with(arguments: &ServeArgs, bootstrap: Bootstrap, started: impl FnOnce(Started)) -> Result<(), Fatal> {
    let config = Config::load(arguments)?;
    log::start(&config.log)?;
    Config::warn_of_strange_variables();
    let recorder = ops::install_metrics()?;
    let files = limits::raise_open_files();
    runtime()?.block_on(async {
        let listener = listen("listen", config.listen).await?;
        let ops_listener = listen("ops_listen", config.ops_listen).await?;
        let (fatal, mut failed) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let readiness = Readiness::default();
        let world = World { bootstrap, readiness: readiness.clone(), fatal, stopping: stopping.clone() };
        let parts = wire::open(&config, world).await?;

        let (address, ops_address) = (address_of(&listener)?, address_of(&ops_listener)?);
        let limits = limits_of(&config, files);
        let served = tokio::spawn(http::serve(listener, parts.router.clone(), limits, stopping.clone()));
        let ops_limits = Limits { connections_max: OPS_CONNECTIONS_MAX, drain_timeout: Duration::from_secs(1), ..limits };
        let ops_router = ops::router(recorder.clone(), readiness.clone(), parts.ledger.clone());
        let ops_served = tokio::spawn(http::serve(ops_listener, ops_router, ops_limits, stopping));
        tokio::spawn(ops::upkeep(recorder));
        let mut signals = Signals::new()?;
        readiness.set(true);
        announce(address, ops_address, &parts);
        started(Started { address, first_start: parts.bootstrapped.first_start });

        let ended = tokio::select! {
            () = signals.next() => Ok(()),
            Some(fatal) = failed.recv() => Err(fatal),
            cause = parts.journal.until_poisoned() => Err(journal_failed(&cause)),
        };
        readiness.set(false);
        // What failed cannot be stopped in order; what was acknowledged is in the journal.
        ended?;
        tracing::info!("stopping");
        tokio::spawn(second_signal(signals));
        let _ = stop.send(true);
        let _ = served.await;
        let _ = ops_served.await;
        parts.close().await?;
        tracing::info!("stopped");
        Ok(())
    })
}

fn limits_of(config: &Config, files: u64) -> Limits {
    // Journal, store and catalog need files as well, and must never fail for want of them because clients hold all.
    let connections = usize::try_from(files.saturating_sub(FILES_KEPT)).unwrap_or(usize::MAX).max(CONNECTIONS_MIN);
    if connections < config.http.connections_max {
        tracing::warn!(connections, files, "fewer connections than http.connections_max: the limit of open files (ulimit -n) is low");
    }
    Limits {
        connections_max: config.http.connections_max.min(connections),
        head_timeout: Duration::from_millis(config.capture.head_timeout_ms),
        keep_alive: Duration::from_millis(config.http.keep_alive_ms),
        drain_timeout: Duration::from_millis(config.http.drain_timeout_ms),
    }
}

async fn listen(key: &str, address: SocketAddr) -> Result<TcpListener, Fatal> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| Fatal::failure(&format!("cannot listen on {address}"), source, &format!("choose another address with {key}")))
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, Fatal> {
    listener.local_addr().map_err(|source| Fatal::failure("cannot tell the address", source, "report this"))
}

/// The first line is for programs and stays as it is; the others are for people.
fn announce(address: SocketAddr, ops: SocketAddr, parts: &Parts) {
    let mut text = format!("listening on http://{address}\nops on http://{ops}\n");
    let made = &parts.bootstrapped;
    if made.first_start {
        text.push_str(&format!("project {}: token {}\n", made.project.id, made.project.api_token));
    }
    if let Some(key) = &made.personal_api_key {
        text.push_str(&format!("personal API key (shown this once): {key}\n"));
    }
    if let Some(secret) = parts.catalog.setup_secret() {
        text.push_str(&format!("make the first user at http://{address}/setup?token={secret}\n"));
    } else {
        text.push_str(&format!("sign in at http://{address}/\n"));
    }
    if made.token_ignored {
        tracing::warn!("AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN is left out: this is not the first start, and project 1 has another token");
    }
    // Nobody may be reading stdout; that is no reason to stop.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
    tracing::info!(%address, ops_address = %ops, "listening");
}

/// The signals that ask to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    fn new() -> Result<Self, Fatal> {
        let listen = |kind| signal(kind).map_err(|source| Fatal::failure("cannot listen for signals", source, "report this"));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Somebody is in a hurry: what was acknowledged is in the journal.
async fn second_signal(mut signals: Signals) {
    signals.next().await;
    Fatal::Failure("stopped at once on a second signal; what was not written out is in the journal".to_owned()).report();
    std::process::exit(1);
}

/// The journal takes no more records: only a restart can tell what the disk still holds.
fn journal_failed(cause: &str) -> Fatal {
    Fatal::failure("the journal failed", cause, "check the disk and start again; what was acknowledged is kept")
}

/// What automation wants the first start to make.
pub(crate) fn bootstrap_of_environment() -> Result<Bootstrap, Fatal> {
    let variable = |name: &str| match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Fatal::Usage(format!("{name}: found bytes that are no text, expected text"))),
    };
    let (email, password) = ("AQUEDUCT_BOOTSTRAP_USER_EMAIL", "AQUEDUCT_BOOTSTRAP_USER_PASSWORD");
    let user = match (variable(email)?, variable(password)?) {
        (Some(email), Some(password)) => Some((email, password)),
        (None, None) => None,
        (Some(_), None) => return Err(Fatal::Usage(format!("{email}: found without {password}, expected both or none"))),
        (None, Some(_)) => return Err(Fatal::Usage(format!("{password}: found without {email}, expected both or none"))),
    };
    let project_token = variable("AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN")?;
    let personal_api_key = variable("AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY")?;
    Ok(Bootstrap { project_token, personal_api_key, user })
}
