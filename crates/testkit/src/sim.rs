//! A run: draws a plan, lets the parts act in the order that chance says, brings all to an end, and checks at every restart and at the end.

mod books;
mod commands;
mod faults;
mod finale;
mod letters;
mod looks;

use crate::account::{Conservation, Notes};
use crate::check::Finding;
use crate::clients::Clients;
use crate::files::MANIFEST;
use crate::messages::Told;
use crate::plan::{Action, LEDGER, Plan, STORE_DIR};
use crate::reader::{Question, Reader};
use crate::server::{Server, World};
use crate::tap::Records;
use crate::trace::{Counts, Trace};
use aqueduct_event::{Clock, ManualClock, UnixMicros};
use aqueduct_journal::{FaultyDisk, Turn};
use aqueduct_process::Step;
use aqueduct_store::Store;
use axum::body::Body;
use commands::Commands;
use http::{Request, StatusCode};
pub(crate) use letters::Discard;
use letters::Letters;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// 2023-11-14T22:13:20Z: when every run begins.
const START: UnixMicros = UnixMicros(1_700_000_000_000_000);
/// Milliseconds that a client waits for an answer.
const CLIENT_TIMEOUT_MS: u64 = 20_000;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How often what happened.
    pub counts: Counts,
    /// Of everything that happened, in order.
    pub trace_hash: u64,
    /// The first broken promise.
    pub failure: Option<Failure>,
}

/// A broken promise, and how to see it again.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What is wrong.
    pub what: String,
    plan: String,
    history: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, plan, history } = self;
        writeln!(f, "seed {seed}: {what}\n\nplan\n{plan}\n\nhistory\n{history}\n")?;
        write!(f, "again: SEED={seed} cargo test -p aqueduct-testkit one_seed -- --nocapture")
    }
}

/// Runs a seed.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    let trace = Trace::default();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let plan = Plan::draw(&mut rng);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let ended = catch_unwind(AssertUnwindSafe(|| match &runtime {
        Ok(runtime) => {
            // Only entered: the query engine waits in a runtime of its own.
            let _entered = runtime.enter();
            Sim::new(seed, &plan, rng, &trace, runtime).run()
        }
        Err(error) => Err(Finding::Broken(format!("no runtime: {error}"))),
    }));
    let what = match ended {
        Ok(Ok(())) => None,
        Ok(Err(finding)) => Some(finding.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(format!("panic: {}", text.unwrap_or_default()))
        }
    };
    let failure = what.map(|what| Failure { seed, what, plan: plan.to_string(), history: trace.history() });
    Outcome { counts: trace.counts(), trace_hash: trace.hash(), failure }
}

/// A request on its way.
struct Flight {
    number: u64,
    post: usize,
    /// A copy that the network made: nobody waits for its answer.
    is_stray: bool,
    deadline_ms: u64,
    answer: Pin<Box<dyn Future<Output = StatusCode>>>,
}

/// A run under way.
struct Sim<'a> {
    plan: &'a Plan,
    runtime: &'a Runtime,
    rng: ChaCha8Rng,
    trace: Trace,
    world: World,
    /// Before the server, so that a request goes before what it waits for.
    flights: Vec<Flight>,
    server: Option<Server>,
    clients: Clients,
    flown: u64,
    conservation: Conservation,
    reader: Reader,
    commands: Commands,
    letters: Letters,
    /// What was asked last.
    asked: Option<(u32, Question)>,
    /// Copies that the network keeps back: when they arrive, and of what.
    strays: Vec<(u64, usize)>,
    /// Milliseconds since the start, by a clock that does not jump.
    now_ms: u64,
    step: u64,
    /// Whether the next crash is a power cut; if not, the process is killed.
    power_cut: bool,
    /// Failures of the disk that end a journal, until the server was opened.
    harm_before: u64,
}

impl<'a> Sim<'a> {
    fn new(seed: u64, plan: &'a Plan, mut rng: ChaCha8Rng, trace: &Trace, runtime: &'a Runtime) -> Self {
        let clients = Clients::new(&mut rng, plan);
        let disk = FaultyDisk::new(seed);
        // redb does not compare checksums when it reads: what it is told wrong it believes, or panics.
        disk.never_misread(&Path::new(STORE_DIR).join(MANIFEST));
        disk.never_misread(Path::new(LEDGER));
        let world = World { disk, clock: Arc::new(ManualClock::new(START)), records: Records::default(), notes: Notes::default() };
        Self {
            plan,
            runtime,
            rng,
            trace: trace.clone(),
            world,
            flights: Vec::new(),
            server: None,
            clients,
            flown: 0,
            conservation: Conservation::default(),
            reader: Reader::default(),
            commands: Commands::default(),
            letters: Letters::default(),
            asked: None,
            strays: Vec::new(),
            now_ms: 0,
            step: 0,
            power_cut: true,
            harm_before: 0,
        }
    }

    fn run(mut self) -> Result<(), Finding> {
        self.open()?;
        let total: u32 = self.plan.actions.iter().map(|(_, weight)| weight).sum();
        for _ in 0..self.plan.steps {
            let mut lot = self.rng.random_range(0..total);
            let chosen = self.plan.actions.iter().find(|(_, weight)| {
                let hit = lot < *weight;
                lot = lot.saturating_sub(*weight);
                hit
            });
            // INVARIANT: the lot is below the sum of the weights.
            let Some((action, _)) = chosen else { continue };
            self.act(*action)?;
            self.after()?;
        }
        self.finish()
    }

    fn act(&mut self, action: Action) -> Result<(), Finding> {
        self.step += 1;
        match action {
            Action::Client => self.client_sends(),
            Action::Edge => {
                if self.flights.is_empty() {
                    return Ok(());
                }
                let at = self.rng.random_range(0..self.flights.len());
                self.poll_flight(at)
            }
            Action::Journal => {
                self.write_journal();
                Ok(())
            }
            Action::Rest => {
                if let Some(server) = &mut self.server {
                    server.writer.rest();
                }
                Ok(())
            }
            Action::Process => {
                self.process();
                Ok(())
            }
            Action::Work => {
                self.store_works(false);
                Ok(())
            }
            Action::Flush => {
                self.store_works(true);
                Ok(())
            }
            Action::Tick => {
                let millis = [1, 50, 700, 6_000][self.rng.random_range(0..4)];
                self.pass(millis)
            }
            Action::Look => self.look(),
            Action::Command => self.command(),
            Action::Poison => self.poison(),
            Action::Letter => self.look_after_letters(),
            Action::Keep => self.keep_books(),
            Action::Save => self.save_books(),
            Action::Ask => self.ask_something(),
            Action::ClockJump | Action::Crash | Action::DiskError | Action::Capacity | Action::Misread => {
                self.arm(action);
                Ok(())
            }
            Action::Restart => self.restart(),
        }
    }

    fn now(&self) -> UnixMicros {
        self.world.clock.now()
    }

    fn client_sends(&mut self) -> Result<(), Finding> {
        let (now, now_ms, step) = (self.now(), self.now_ms, self.step);
        let Some(post) = self.clients.send(&mut self.rng, now, now_ms, step) else { return Ok(()) };
        if self.rng.random_bool(self.plan.duplicated) {
            self.strays.push((self.now_ms + self.rng.random_range(0..10_000), post));
            self.trace.count("requests doubled", 1);
        }
        self.launch(post, false)
    }

    /// Hands a request to the edge.
    fn launch(&mut self, post: usize, is_stray: bool) -> Result<(), Finding> {
        let Some(server) = &self.server else {
            self.clients.failed(post, self.now_ms);
            return Ok(());
        };
        let message = &self.clients.posts[post].message;
        let mut request = Request::post(message.path);
        if message.is_gzip {
            request = request.header("content-encoding", "gzip");
        }
        let request = request.header("content-type", "application/json").header("x-forwarded-for", "203.0.113.7");
        // INVARIANT: path and headers are ours.
        let Ok(request) = request.body(Body::from(message.body.clone())) else { return Ok(()) };
        let router = server.router.clone();
        let answer = Box::pin(async move {
            let Ok(response) = router.oneshot(request).await;
            response.status()
        });
        self.trace.say(format!(
            "{} post {post} ({} events) {}",
            self.now_ms,
            message.events.len(),
            if is_stray { "again by the network" } else { "" }
        ));
        self.trace.count("requests", 1);
        self.flown += 1;
        self.conservation.sent += u64::from(message.total);
        self.flights.push(Flight { number: self.flown, post, is_stray, deadline_ms: self.now_ms + CLIENT_TIMEOUT_MS, answer });
        self.poll_flight(self.flights.len() - 1)
    }

    fn poll_flight(&mut self, at: usize) -> Result<(), Finding> {
        let flight = &mut self.flights[at];
        self.world.notes.polling(flight.number);
        let polled = flight.answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.world.notes.polled();
        let Poll::Ready(status) = polled else { return Ok(()) };
        let flight = self.flights.swap_remove(at);
        self.account_for(&flight, status)?;
        let Flight { post, is_stray, .. } = flight;
        let is_lost = self.rng.random_bool(self.plan.answer_lost);
        self.trace.say(format!("{} post {post} answered {status}{}", self.now_ms, if is_lost { ", lost" } else { "" }));
        let is_bad = self.clients.posts[post].message.is_bad;
        let told = match status.as_u16() {
            200 if !is_bad => Some(Told::Accepted(self.step)),
            400..500 if is_bad => Some(Told::Refused),
            503 | 504 => None,
            _ => {
                let goodness = if is_bad { "no good" } else { "good" };
                return Err(Finding::Broken(format!("post {post}, which is {goodness}, was answered {status}")));
            }
        };
        if is_stray {
            return Ok(());
        }
        match told.filter(|_| !is_lost) {
            Some(told) => {
                self.clients.told(post, told);
                let events = self.clients.posts[post].message.events.len() as u64;
                self.trace.count(if told == Told::Refused { "events refused" } else { "events acknowledged" }, events);
            }
            None => {
                self.trace.count(if told.is_some() { "answers lost" } else { "requests not taken" }, 1);
                self.clients.failed(post, self.now_ms);
            }
        }
        Ok(())
    }

    fn write_journal(&mut self) {
        let Some(server) = &mut self.server else { return };
        let turn = server.writer.step();
        if turn != Turn::Idle {
            self.trace.say(format!("journal {turn:?}"));
        }
        self.commands.poll();
    }

    /// Answers whether there was anything to do and it was done.
    fn process(&mut self) -> bool {
        let Some(server) = &mut self.server else { return false };
        match server.pipeline.step() {
            Ok(Step::Committed { records }) => {
                let position = server.position();
                self.trace.say(format!("processed {records} records, up to {position}"));
                true
            }
            Ok(Step::Idle | Step::Closed) => false,
            Err(error) => {
                self.trace.say(format!("not processed: {error}"));
                self.trace.count("steps of processing failed", 1);
                false
            }
        }
    }

    /// Answers whether there was anything to do and it was done.
    fn store_works(&mut self, flush: bool) -> bool {
        let Some(server) = &self.server else { return false };
        let (what, done) = if flush { ("flushed", server.store.flush().map(|()| true)) } else { ("worked", server.store.work()) };
        let durable = server.store.durable(crate::server::PARTITION);
        match done {
            Ok(did) => {
                if did {
                    self.trace.say(format!("store {what}, durable up to {durable}"));
                    self.trace.count(if flush { "flushes asked for" } else { "pieces of store work" }, 1);
                }
                did
            }
            Err(error) => {
                self.trace.say(format!("store not {what}: {error}"));
                self.trace.count("pieces of store work failed", 1);
                false
            }
        }
    }

    /// Lets time pass: requests and their senders run into their deadlines, copies arrive.
    fn pass(&mut self, millis: u64) -> Result<(), Finding> {
        self.now_ms += millis;
        self.world.clock.set(UnixMicros(self.now().0 + millis as i64 * 1_000));
        self.runtime.block_on(tokio::task::unconstrained(tokio::time::advance(Duration::from_millis(millis))));
        for at in (0..self.flights.len()).rev() {
            if self.flights[at].deadline_ms <= self.now_ms {
                let flight = self.flights.swap_remove(at);
                self.lose_sight(&flight);
                let Flight { post, is_stray, .. } = flight;
                self.trace.say(format!("{} post {post} given up by its sender", self.now_ms));
                self.trace.count("client time-outs", 1);
                if !is_stray {
                    self.clients.failed(post, self.now_ms);
                }
            }
        }
        for at in (0..self.strays.len()).rev() {
            if self.strays[at].0 <= self.now_ms {
                let (_, post) = self.strays.swap_remove(at);
                self.launch(post, true)?;
            }
        }
        Ok(())
    }
}
