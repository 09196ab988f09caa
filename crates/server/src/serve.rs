//! `aqueduct serve`: starts everything, says where, waits, stops in order or hands over to a successor.
//!
//! ```text
//! sockets ─▶ accept, requests wait ─▶ parts open ─▶ answer ─┬─ asked to stop ─▶ finish, write out, end
//!                                                          └─ a successor has the sockets ─▶ the same, and pass on what still comes here
//! ```

use crate::backup;
use crate::cli::ServeArgs;
use crate::config::Config;
use crate::error::Fatal;
use crate::front::{Front, UnderWay};
use crate::http::{self, Limits, Stop};
use crate::ops::{self, Readiness};
use crate::takeover::{Heir, Offer, Taken};
use crate::wire::{self, Parts, World};
use crate::{limits, log, memory, notify, runtime, sockets};
use aqueduct_catalog::Bootstrap;
use aqueduct_journal::Journal;
use metrics_exporter_prometheus::PrometheusHandle;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Open files that are kept for journal, store and catalog.
const FILES_KEPT: u64 = 512;
/// Connections that are taken however low the limit of open files is.
const CONNECTIONS_MIN: usize = 16;
/// Connections of the operator's listener.
const OPS_CONNECTIONS_MAX: usize = 64;
/// How long requests to the operator's listener may take when the server stops.
const OPS_DRAIN: Duration = Duration::from_secs(1);
/// How long the process before may still hold the data directory after it said that it is done, or was gone.
const TAKEOVER_PATIENCE: Duration = Duration::from_secs(10);

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
    let mut config = Config::load(arguments)?;
    log::start(&config.log)?;
    let memory_max = memory::fit(&mut config)?;
    Config::warn_of_strange_variables();
    let recorder = ops::install_metrics()?;
    let files = limits::raise_open_files();
    let bulk = runtime("bulk", config.http.nice)?;
    runtime("http", config.http.nice / 2)?.block_on(async {
        // Before anybody is told of this process: a signal that comes at once must not end it as the system would.
        let mut signals = Signals::new()?;
        let taken = if arguments.takeover { Taken::ask(&config.data_dir)? } else { None };
        let patience = if taken.is_some() { TAKEOVER_PATIENCE } else { Duration::ZERO };
        let sockets = sockets::open(&config, taken.as_ref())?;
        let mut listening = Listening::start(&sockets, limits_of(&config, files), recorder.clone())?;
        if let Some(taken) = taken {
            taken.go()?;
            let _ = tokio::task::spawn_blocking(|| taken.wait_for_release()).await;
        }
        let (fatal, failed) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let bulk = bulk.handle().clone();
        let world = World { bootstrap, readiness: listening.readiness.clone(), fatal, stopping, bulk, memory_max, patience };
        let mut parts = tokio::select! {
            opened = wire::open(&config, world) => opened?,
            () = signals.stop() => return Ok(()),
        };
        let under_way = listening.front.open(std::mem::take(&mut parts.router));
        let ops_router = ops::router(recorder, listening.readiness.clone(), parts.ledger.clone());
        listening.ops_under_way = listening.ops_front.open(ops_router.merge(backup::pin::router(Arc::clone(&parts.pinning))));
        // Without it backups of the running server cannot be asked for.
        let _published = parts
            .pinning
            .publish(listening.ops_address)
            .inspect_err(|failure| tracing::warn!(%failure, "no backup can be taken of this process"));
        // Without a place for the socket (its path may be too long) the server runs as well, but cannot be taken over.
        let offer = Offer::open(&config.data_dir, sockets)
            .inspect_err(|failure| tracing::warn!(%failure, "no other process can take over from this one"))
            .ok();
        listening.readiness.set(true);
        announce(listening.address, listening.ops_address, &parts);
        notify::ready();
        started(Started { address: listening.address, first_start: parts.bootstrapped.first_start });

        let ended = wait(&mut signals, failed, &parts, offer.as_ref()).await;
        listening.readiness.set(false);
        // What failed cannot be stopped in order; what was acknowledged is in the journal.
        let end = ended?;
        drop(offer);
        let _ = stop.send(true);
        match end {
            End::Asked => stop_in_order(&config, listening, parts, signals).await,
            End::Taken(heir) => hand_over(&config, listening, parts, under_way, heir, signals).await,
        }
    })
}

/// Both listeners, and what stands behind them.
#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    ops_address: SocketAddr,
    readiness: Readiness,
    front: Front,
    ops_front: Front,
    ops_under_way: UnderWay,
    halt: watch::Sender<Stop>,
    served: [JoinHandle<()>; 2],
}

impl Listening {
    /// Accepts from now on. Requests of clients wait until the parts are open; the operator's are answered.
    fn start(sockets: &crate::takeover::Pair, limits: Limits, recorder: PrometheusHandle) -> Result<Self, Fatal> {
        let (listener, ops_listener) = (listener(&sockets.main)?, listener(&sockets.ops)?);
        let (address, ops_address) = (address_of(&listener)?, address_of(&ops_listener)?);
        let readiness = Readiness::default();
        let (front, ops_front) = (Front::opening(readiness.clone()), Front::opening(readiness.clone()));
        let ops_under_way = ops_front.open(ops::router(recorder.clone(), readiness.clone(), None));
        let (halt, halted) = watch::channel(Stop::No);
        let ops_limits =
            Limits { connections_max: OPS_CONNECTIONS_MAX, per_address_max: OPS_CONNECTIONS_MAX, drain_timeout: OPS_DRAIN, ..limits };
        let served = [
            tokio::spawn(http::serve(listener, front.clone(), limits, halted.clone())),
            tokio::spawn(http::serve(ops_listener, ops_front.clone(), ops_limits, halted)),
        ];
        tokio::spawn(ops::upkeep(recorder));
        Ok(Self { address, ops_address, readiness, front, ops_front, ops_under_way, halt, served })
    }
}

fn listener(socket: &std::net::TcpListener) -> Result<TcpListener, Fatal> {
    let listener = socket.try_clone().and_then(TcpListener::from_std);
    listener.map_err(|source| Fatal::failure("cannot use a listening socket", source, "report this"))
}

/// How a server's time ends.
enum End {
    Asked,
    Taken(Heir),
}

async fn wait(
    signals: &mut Signals,
    mut failed: mpsc::UnboundedReceiver<Fatal>,
    parts: &Parts,
    offer: Option<&Offer>,
) -> Result<End, Fatal> {
    let taken = async {
        match offer {
            Some(offer) => offer.taken().await,
            None => std::future::pending().await,
        }
    };
    let mut taken = std::pin::pin!(taken);
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Ask::Stop => return Ok(End::Asked),
                Ask::Successor => start_successor(),
            },
            heir = &mut taken => return Ok(End::Taken(heir)),
            Some(fatal) = failed.recv() => return Err(fatal),
            cause = parts.journal.until_poisoned() => return Err(journal_failed(&cause)),
        }
    }
}

/// Starts this program's file, which may be a new one by now, with the same arguments; it takes over by itself.
fn start_successor() {
    let arguments = std::env::args_os().skip(1);
    let program = std::env::current_exe().map(|path| {
        // A file that was replaced is called so.
        let text = path.to_string_lossy();
        text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), std::path::PathBuf::from)
    });
    notify::reloading();
    let child = program.and_then(|program| {
        let mut command = std::process::Command::new(program);
        command.args(arguments);
        if !std::env::args_os().any(|argument| argument == "--takeover") {
            command.arg("--takeover");
        }
        command.stdin(std::process::Stdio::null()).spawn()
    });
    match child {
        Ok(mut child) => {
            tracing::info!(pid = child.id(), "started a new process to take over");
            // It lives on after this process. If it ends before, it did not take over.
            std::thread::spawn(move || {
                if let Ok(status) = child.wait() {
                    tracing::error!(%status, "the new process ended and did not take over; this one goes on");
                    notify::still_here();
                }
            });
        }
        Err(failure) => {
            tracing::error!(%failure, "no new process could be started; this one goes on");
            notify::still_here();
        }
    }
}

async fn stop_in_order(config: &Config, listening: Listening, parts: Parts, signals: Signals) -> Result<(), Fatal> {
    tracing::info!("stopping");
    notify::stopping();
    tokio::spawn(second_signal(signals));
    let _ = listening.halt.send(Stop::Now);
    for served in listening.served {
        let _ = served.await;
    }
    parts.close(drain_of(config)).await?;
    tracing::info!("stopped");
    Ok(())
}

async fn hand_over(
    config: &Config,
    listening: Listening,
    parts: Parts,
    under_way: UnderWay,
    heir: Heir,
    mut signals: Signals,
) -> Result<(), Fatal> {
    tracing::info!("handing over to a new process");
    let _ = listening.halt.send(Stop::HandedOver);
    // While this one still answers: the pause of those who wait gets shorter by it.
    parts.write_out().await;
    let bound = Duration::from_millis(config.http.drain_timeout_ms);
    listening.front.hand_over(listening.address, under_way, bound).await;
    listening.ops_front.hand_over(listening.ops_address, listening.ops_under_way, OPS_DRAIN).await;
    let released = parts.close(drain_of(config)).await?.released().await;
    heir.released();
    if !released {
        tracing::warn!("something still held files of the data directory; the process ends at once, and connections to it");
        std::process::exit(0);
    }
    tracing::info!("handed over; connections that clients keep are passed on until they end");
    let [mut served, ops_served] = listening.served;
    tokio::select! {
        _ = &mut served => {}
        () = signals.stop() => {}
    }
    let _ = listening.halt.send(Stop::Now);
    let _ = ops_served.await;
    Ok(())
}

fn drain_of(config: &Config) -> Duration {
    Duration::from_millis(config.process.drain_timeout_ms)
}

fn limits_of(config: &Config, files: u64) -> Limits {
    // Journal, store and catalog need files as well, and must never fail for want of them because clients hold all.
    let connections = usize::try_from(files.saturating_sub(FILES_KEPT)).unwrap_or(usize::MAX).max(CONNECTIONS_MIN);
    if connections < config.http.connections_max {
        tracing::warn!(connections, files, "fewer connections than http.connections_max: the limit of open files (ulimit -n) is low");
    }
    let connections_max = config.http.connections_max.min(connections);
    let per_address_max = match config.http.connections_per_address_max {
        0 => connections_max.div_ceil(2),
        set => set,
    };
    Limits {
        connections_max,
        per_address_max,
        head_timeout: Duration::from_millis(config.capture.head_timeout_ms),
        keep_alive: Duration::from_millis(config.http.keep_alive_ms),
        drain_timeout: Duration::from_millis(config.http.drain_timeout_ms),
    }
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

/// The signals that ask for something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    fn new() -> Result<Self, Fatal> {
        let listen = |kind| signal(kind).map_err(|source| Fatal::failure("cannot listen for signals", source, "report this"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Ask {
        tokio::select! {
            _ = self.terminate.recv() => Ask::Stop,
            _ = self.interrupt.recv() => Ask::Stop,
            _ = self.hangup.recv() => Ask::Successor,
        }
    }

    /// Returns when one asks to stop.
    async fn stop(&mut self) {
        while self.next().await != Ask::Stop {}
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Stop,
    /// SIGHUP: a new process of this program, which takes over.
    Successor,
}

/// Somebody is in a hurry: what was acknowledged is in the journal.
async fn second_signal(mut signals: Signals) {
    signals.stop().await;
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
