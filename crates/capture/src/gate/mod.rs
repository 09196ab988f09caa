//! Admission: how much is taken at a time, who goes first, and who is asked to come again.
//!
//! ```text
//! head of a request ─▶ [ room? ] ── yes ─▶ body, decode ─▶ [ turn? ] ─▶ journal ─▶ … visible: makes room for as much again
//!                          └── no ──▶ waits in its project's lane,  └── waits in its project's lane
//!                                     a moment ──▶ goes on, or 503 with Retry-After
//! ```
//! Whether there is room is decided before the body is read: the cost is told from `Content-Length`, the project from the sender's last request. The rate is that
//! of processing: room is made by what becomes visible (`pressure`), and shared out among those who wait (`lanes`).
//!
//! The journal and all behind it have one order. So while several send, only as much stands there as takes some milliseconds (the *lead*), and what was read
//! beyond it waits for its turn here, where an order by project is possible. Both times a small request of a project that sends little goes first (`firsts`).
//!
//! # Invariants
//! - A [`Ticket`] counts against the ceiling until its turn, and a [`Turn`] from there until its records are visible; a client that sends slowly does not
//!   keep room from others.
//! - Nothing is refused once it was read: a turn is a matter of order.
//! - Who waits holds a connection and no memory for a body; so does who is refused while more are refused than `brake` lets go.
//! - Imports (`historical_migration`) are taken while half of the room is free and nobody else waits: they are refused first.

mod brake;
mod firsts;
mod hints;
mod hot;
mod lanes;
mod memory;
mod pressure;
mod rivals;
mod ticket;

pub(crate) use memory::{Held, Memory};
pub(crate) use ticket::{Ticket, Turn};

use crate::config::CaptureConfig;
use crate::metrics;
use aqueduct_journal::Journal;
use brake::Brake;
use firsts::Firsts;
use hints::Hints;
use hot::HotKeys;
use lanes::{Class, Lane, Lanes};
use parking_lot::Mutex;
use pressure::Pressure;
use rivals::Rivals;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use ticket::Grant;
use tokio::sync::oneshot;

/// Longest advice to a client that is refused.
const RETRY_SECONDS_MAX: u32 = 30;
/// Requests admitted and refused this long ago count for a third in that advice.
const RETRY_MEMORY_SECONDS: f64 = 5.0;
/// A request counts as at least this many bytes.
const COST_BYTES_MIN: u64 = 512;
/// How many bytes of records a byte on the wire makes, until it is known: about what gzip does to events.
const EXPANSION_ASSUMED: f64 = 4.0;
/// What a request whose length is not announced is taken for.
const WIRE_BYTES_ASSUMED: u64 = 16 * 1024;

/// Decides which requests are taken. One per edge; the server tells it what becomes visible.
#[derive(Debug)]
pub struct Gate {
    /// Counts what is durable. None: processing is elsewhere, and only memory is watched.
    journal: OnceLock<Arc<dyn Journal>>,
    state: Mutex<State>,
    hints: Hints,
    memory: Arc<Memory>,
    brake: Brake,
    wait_max: Duration,
    started: Instant,
}

#[derive(Debug)]
struct State {
    pressure: Pressure,
    lanes: Lanes<oneshot::Sender<Ticket>>,
    /// Who was let in since the last commit.
    entered: Firsts,
    /// Those that were read and wait for their turn.
    turns: Lanes<Grant>,
    /// Who had a turn since the last commit.
    turns_had: Firsts,
    rivals: Rivals,
    /// Bytes of tickets, and of those that wait for their turn.
    reserved: u64,
    /// Bytes of all turns since the start: with what is visible it tells what stands before the next.
    turned: u64,
    expansion: f64,
    hot: HotKeys,
    admitted: f64,
    refused: f64,
    decayed_at: Instant,
    jitter: u64,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// The client's address; empty when unknown.
    pub(crate) address: &'a str,
    /// The other end of the connection.
    pub(crate) peer: Option<SocketAddr>,
}

/// What a request turned out to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    /// Its token, if a project has it.
    pub(crate) token: Option<&'a str>,
    pub(crate) historical: bool,
    /// Hash of token and distinct id, when all events have the same.
    pub(crate) one_sender: Option<u64>,
    pub(crate) events: usize,
    pub(crate) wire_bytes: usize,
    pub(crate) record_bytes: u64,
}

/// A request that is asked to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    /// When: seconds from now.
    pub(crate) retry_after: u32,
    /// It is memory that is short.
    pub(crate) memory: bool,
    /// Its body was not read, so nothing can follow it on its connection.
    pub(crate) close: bool,
}

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = if self.memory { "short of memory" } else { "too busy" };
        write!(f, "{why}, please retry in {} s", self.retry_after)
    }
}

impl Gate {
    /// A gate that watches memory alone until [`Gate::follow`] is called.
    #[must_use]
    pub fn new(config: &CaptureConfig) -> Self {
        let state = State {
            pressure: Pressure::new(
                Duration::from_millis(config.backlog_ms_max),
                Duration::from_millis(config.lead_ms_max),
                config.backlog_bytes_max,
            ),
            lanes: Lanes::default(),
            entered: Firsts::default(),
            turns: Lanes::default(),
            turns_had: Firsts::default(),
            rivals: Rivals::default(),
            reserved: 0,
            turned: 0,
            expansion: EXPANSION_ASSUMED,
            hot: HotKeys::new(config.hot_events_per_second, config.hot_events_burst),
            admitted: 0.0,
            refused: 0.0,
            decayed_at: Instant::now(),
            jitter: rand::random(),
        };
        let started = Instant::now();
        Self {
            journal: OnceLock::new(),
            state: Mutex::new(state),
            hints: Hints::default(),
            memory: Arc::new(Memory::new(config.memory_bytes_max)),
            brake: Brake::new(config.refusals_per_second, started),
            wait_max: Duration::from_millis(config.admit_wait_ms),
            started,
        }
    }

    /// From now on no more is taken than becomes visible: `journal` tells what was made durable, [`Gate::visible`] what became of it.
    pub fn follow(&self, journal: Arc<dyn Journal>) {
        // A second call changes nothing: an edge has one journal.
        let _ = self.journal.set(journal);
    }

    /// Records became visible, which took `busy`: `replayed` bytes that the journal held when this process began, and `fresh` ones that came since.
    pub fn visible(self: &Arc<Self>, replayed: u64, fresh: u64, busy: Duration) {
        {
            let mut state = self.state.lock();
            let backlog = self.durable_bytes().saturating_sub(state.pressure.visible_bytes() + fresh);
            state.pressure.progress(replayed, fresh, busy, backlog);
            // Records of the server's own had no turn.
            state.turned = state.turned.max(state.pressure.visible_bytes());
            state.entered.renew();
            state.turns_had.renew();
            let bounds = (state.pressure.ceiling(), state.pressure.lead());
            metrics::pace(state.pressure.rate(), bounds, backlog, self.memory.used_bytes());
        }
        self.dispatch();
    }

    /// Nothing can become visible for now: a step of processing failed and is tried again. What comes is kept in the journal meanwhile.
    pub fn stalled(self: &Arc<Self>) {
        self.state.lock().pressure.stall();
        self.dispatch();
    }

    /// While `short`, no request may take memory for a body.
    pub fn memory_short(&self, short: bool) {
        self.memory.set_short(short);
    }

    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    fn durable_bytes(&self) -> u64 {
        self.journal.get().map_or(0, |journal| journal.appended_bytes())
    }

    /// Whether there is a journal to follow.
    fn follows(&self) -> bool {
        self.journal.get().is_some()
    }

    /// Bytes that stand in the journal or go there, before whatever comes next.
    fn ahead(&self, state: &State) -> u64 {
        // The same bytes, but for those under way to the journal, and records of the server's own.
        state.turned.max(self.durable_bytes()).saturating_sub(state.pressure.visible_bytes())
    }

    /// Lets a request in, at once or after a moment. `token`: what its head says; `wire_bytes`: what it announces.
    ///
    /// # Errors
    /// [`Busy`] when there is no room for it in time; told as fast as the brake lets it.
    pub(crate) async fn enter(self: &Arc<Self>, origin: Origin<'_>, token: Option<&str>, wire_bytes: Option<u64>) -> Result<Ticket, Busy> {
        let begun = Instant::now();
        let busy = match self.seek(origin, token, wire_bytes).await {
            Ok(ticket) => {
                metrics::let_in(begun.elapsed());
                return Ok(ticket);
            }
            Err(busy) => busy,
        };
        tokio::time::sleep(self.brake.wait(Instant::now())).await;
        Err(busy)
    }

    async fn seek(self: &Arc<Self>, origin: Origin<'_>, token: Option<&str>, wire_bytes: Option<u64>) -> Result<Ticket, Busy> {
        if self.memory.is_short() {
            return Err(self.refuse(&mut self.state.lock(), COST_BYTES_MIN, true));
        }
        match self.try_enter(origin, token, wire_bytes)? {
            Entered::Now(ticket) => Ok(ticket),
            Entered::Waits(granted, cost) => match tokio::time::timeout(self.wait_max, granted).await {
                Ok(Ok(ticket)) => Ok(ticket),
                _ => Err(self.refuse(&mut self.state.lock(), cost, false)),
            },
        }
    }

    fn try_enter(self: &Arc<Self>, origin: Origin<'_>, token: Option<&str>, wire_bytes: Option<u64>) -> Result<Entered, Busy> {
        if !self.follows() {
            return Ok(Entered::Now(Ticket::new(self, 0)));
        }
        let lane = match token {
            Some(token) => Lane { project: self.hints.project(token), class: Class::Live },
            None => self.hints.lane(origin.address, (origin.address, origin.peer)),
        };
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let window = state.pressure.window();
        // A large request counts for a part of the window at most, or it would never be let in.
        let cost = ((wire_bytes.unwrap_or(WIRE_BYTES_ASSUMED) as f64 * state.expansion) as u64).clamp(COST_BYTES_MIN, window / 4);
        let import = lane.class == Class::Import;
        let nobody_before = if import { state.lanes.is_empty() } else { !state.lanes.live_waits() };
        state.lanes.purge(lane, oneshot::Sender::is_closed);
        let room = nobody_before && cost <= self.room(state, import);
        if room || !state.lanes.waits(lane) && state.entered.goes(lane, cost, state.pressure.lead() / 2) {
            state.count_admitted(lane, cost);
            return Ok(Entered::Now(Ticket::new(self, cost)));
        }
        let waits = state.lanes.bytes(lane);
        let in_time = state.pressure.rate() * self.wait_max.as_secs_f64() * state.lanes.share(lane);
        if waits > 0 && (waits + cost) as f64 > in_time {
            return Err(self.refuse(state, cost, false));
        }
        let (grant, granted) = oneshot::channel();
        state.lanes.push(lane, cost, grant);
        metrics::waiting(state.lanes.len());
        Ok(Entered::Waits(granted, cost))
    }

    fn room(&self, state: &State, import: bool) -> u64 {
        let ceiling = state.pressure.ceiling();
        (if import { ceiling / 2 } else { ceiling }).saturating_sub(state.reserved + self.ahead(state))
    }

    fn refuse(&self, state: &mut State, cost: u64, memory: bool) -> Busy {
        state.decay();
        state.refused += cost as f64;
        // Those who are refused come back spread over as long as it takes to serve all of them.
        let spread = (state.refused / state.admitted.max(1.0)).clamp(1.0, f64::from(RETRY_SECONDS_MAX - 1)) as u64;
        state.jitter = state.jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let retry_after = 1 + (state.jitter >> 33) % (spread + 1);
        Busy { retry_after: u32::try_from(retry_after).unwrap_or(RETRY_SECONDS_MAX), memory, close: false }
    }

    /// A turn for a request that was read, or who will tell it that it has come.
    fn join(self: &Arc<Self>, lane: Lane, bytes: u64) -> Result<Turn, oneshot::Receiver<Turn>> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let now = Instant::now();
        state.rivals.note(lane, now);
        state.pressure.share(state.rivals.are_there(now));
        state.reserved -= state.turns.purge(lane, oneshot::Sender::is_closed);
        let import = lane.class == Class::Import;
        let nobody_before = if import { state.turns.is_empty() } else { !state.turns.live_waits() };
        let room = nobody_before && self.next_may_go(state, import);
        if room || !state.turns.waits(lane) && state.turns_had.goes(lane, bytes, state.pressure.lead() / 2) {
            state.turns_had.note(lane);
            state.reserved -= bytes;
            return Ok(Turn::begin(self, &mut state.turned, bytes));
        }
        let (grant, granted) = oneshot::channel();
        state.turns.push(lane, bytes, grant);
        Err(granted)
    }

    /// Whether so little stands in the journal that the next may join it.
    fn next_may_go(&self, state: &State, import: bool) -> bool {
        let lead = state.pressure.lead();
        self.ahead(state) < if import { lead / 2 } else { lead }
    }

    /// Lets in those who wait, as far as there is room, and tells those whose turn it is.
    fn dispatch(self: &Arc<Self>) {
        while self.dispatch_turns() || self.dispatch_lanes() {}
    }

    /// Answers whether somebody had gone away, so that there is room again.
    fn dispatch_turns(self: &Arc<Self>) -> bool {
        let mut gone = Vec::new();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        loop {
            let room = |import| if self.next_may_go(state, import) { u64::MAX } else { 0 };
            let (live, import) = (room(false), room(true));
            let Some((lane, bytes, grant)) = state.turns.pop(live, import) else { break };
            state.reserved -= bytes;
            state.turns_had.note(lane);
            gone.extend(grant.send(Turn::begin(self, &mut state.turned, bytes)).err());
        }
        let found = !gone.is_empty();
        gone.into_iter().for_each(|turn| turn.give_back(&mut state.turned));
        found
    }

    /// Answers whether somebody had gone away, so that there is room again.
    fn dispatch_lanes(self: &Arc<Self>) -> bool {
        let mut gone = Vec::new();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.lanes.is_empty() {
            return false;
        }
        loop {
            let (live, import) = (self.room(state, false), self.room(state, true));
            let Some((lane, cost, grant)) = state.lanes.pop(live, import) else { break };
            state.count_admitted(lane, cost);
            gone.extend(grant.send(Ticket::new(self, cost)).err());
        }
        metrics::waiting(state.lanes.len());
        let found = !gone.is_empty();
        // Not dropped as they are: that would come back here.
        gone.iter_mut().for_each(|ticket| state.reserved -= std::mem::take(&mut ticket.bytes));
        found
    }
}

/// How an attempt to enter went.
enum Entered {
    Now(Ticket),
    /// With what it counts for.
    Waits(oneshot::Receiver<Ticket>, u64),
}

impl State {
    fn decay(&mut self) {
        let kept = (-self.decayed_at.elapsed().as_secs_f64() / RETRY_MEMORY_SECONDS).exp();
        self.decayed_at = Instant::now();
        self.admitted *= kept;
        self.refused *= kept;
    }

    fn count_admitted(&mut self, lane: Lane, cost: u64) {
        self.decay();
        self.entered.note(lane);
        self.admitted += cost as f64;
        self.reserved += cost;
    }
}

#[cfg(test)]
mod tests;
