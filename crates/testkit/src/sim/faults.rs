//! Faults and what follows: power cuts, kills, restarts, errors of the disk, jumps of the clock.

use super::Sim;
use crate::check::{self, Finding};
use crate::plan::Action;
use crate::server::{OpenFailure, PARTITION, Server, poll_once};
use aqueduct_event::UnixMicros;
use aqueduct_journal::{Misread, Op, Turn};
use aqueduct_store::Store;
use rand::Rng;
use std::io::ErrorKind;

/// How often a server may fail to open because of faults before that is a finding.
const OPENS_MAX: usize = 20;
const DAY_MICROS: i64 = 24 * 3_600_000_000;

impl Sim<'_> {
    /// Prepares a fault.
    pub(super) fn arm(&mut self, action: Action) {
        let disk = &self.world.disk;
        match action {
            Action::ClockJump => {
                let by = [-DAY_MICROS, -1_000_000, 1_000_000, 40 * 60_000_000, DAY_MICROS, 8 * DAY_MICROS][self.rng.random_range(0..6)];
                self.world.clock.set(UnixMicros(self.world.clock_now().0 + by));
                self.trace.say(format!("the clock jumps by {by} µs"));
                self.trace.count("clock jumps", 1);
            }
            Action::Crash => {
                let changes = if self.rng.random_bool(0.3) { self.rng.random_range(0..4) } else { self.rng.random_range(0..80) };
                self.power_cut = self.rng.random_bool(0.7);
                disk.crash_after(changes);
                self.trace.say(format!("a crash is due after {changes} changes"));
            }
            Action::DiskError => {
                let ops = [Op::Write, Op::Write, Op::Sync, Op::Sync, Op::SyncDir, Op::Create, Op::Truncate, Op::Remove];
                let op = ops[self.rng.random_range(0..ops.len())];
                // EIO has no kind of its own.
                let kind = if self.rng.random_bool(0.7) { ErrorKind::Other } else { ErrorKind::StorageFull };
                let nth = self.rng.random_range(1..12);
                disk.fail(op, nth, kind);
                self.trace.say(format!("{op:?} number {nth} will fail: {kind}"));
            }
            Action::Capacity => {
                let used = disk.used_bytes();
                let room = [0, 300, 5_000, 200_000, 1 << 40][self.rng.random_range(0..5)];
                if self.rng.random_bool(0.5) {
                    disk.set_capacity(used + room);
                } else {
                    disk.set_hidden_capacity(used + room);
                }
                self.trace.say(format!("the disk has {room} bytes of room"));
                self.trace.count("changes of the disk's size", 1);
            }
            Action::Misread => {
                let how = [Misread::Flipped, Misread::Misdirected][self.rng.random_range(0..2)];
                let nth = self.rng.random_range(1..10);
                disk.misread(nth, how);
                self.trace.say(format!("read number {nth} will be {how:?}"));
            }
            _ => {}
        }
    }

    /// What follows from the last action: a crash that was due, or the end of a process that cannot go on.
    pub(super) fn after(&mut self) -> Result<(), Finding> {
        if self.world.disk.is_off() {
            self.trace.count(if self.power_cut { "power cuts" } else { "kills" }, 1);
            return self.crash();
        }
        let poisoned = self.server.as_ref().and_then(|server| server.journal.poisoned());
        if let Some(cause) = poisoned {
            // What finds no room is taken back and refused; only a failure after which nothing can be known ends the journal.
            if self.world.disk.harm() == self.harm_before {
                return Err(Finding::Broken(format!("the journal was poisoned by nothing but want of room: {cause}")));
            }
            self.trace.say(format!("the journal is poisoned: {cause}"));
            self.trace.count("ends by a poisoned journal", 1);
            if self.rng.random_bool(0.5) {
                // Their answers may still get out.
                self.poll_flights()?;
            }
            self.power_cut = self.rng.random_bool(0.2);
            return self.crash();
        }
        self.settle_discard();
        Ok(())
    }

    /// Polls each request once.
    pub(super) fn poll_flights(&mut self) -> Result<(), Finding> {
        for at in (0..self.flights.len()).rev() {
            self.poll_flight(at)?;
        }
        Ok(())
    }

    /// Ends the process where it is, with or without the power, and starts again.
    pub(super) fn crash(&mut self) -> Result<(), Finding> {
        self.die();
        self.open()
    }

    fn die(&mut self) {
        self.trace.say(if self.power_cut { "POWER CUT".to_owned() } else { "KILL".to_owned() });
        // What destructors do must not reach the disk.
        self.world.disk.crash_after(0);
        self.drop_flights();
        self.server = None;
        self.come_back();
    }

    fn drop_flights(&mut self) {
        self.commands.died();
        for flight in std::mem::take(&mut self.flights) {
            self.lose_sight(&flight);
            drop(flight.answer);
            if !flight.is_stray {
                self.clients.failed(flight.post, self.now_ms);
            }
        }
    }

    fn come_back(&mut self) {
        if self.power_cut {
            self.world.disk.restart();
        } else {
            self.world.disk.kill_process();
        }
    }

    /// Opens a server and checks what it finds. Faults may make it fail, but not for ever.
    pub(super) fn open(&mut self) -> Result<(), Finding> {
        for _ in 0..OPENS_MAX {
            let before = (self.world.disk.failures(), self.world.disk.misreads());
            let harm_before = self.world.disk.harm();
            let opened = Server::open(self.plan, &self.world);
            let faulty = before != (self.world.disk.failures(), self.world.disk.misreads());
            match opened {
                Ok(server) => {
                    self.harm_before = harm_before;
                    self.server = Some(server);
                    self.trace.count("starts", 1);
                    return self.check_opened();
                }
                Err(error) if self.world.disk.is_off() => {
                    self.trace.say(format!("not opened, the power failed: {error}"));
                    self.trace.count("power cuts while starting", 1);
                    self.come_back();
                }
                Err(error) if faulty => {
                    self.trace.say(format!("not opened after a fault: {error}"));
                    self.trace.count("starts refused after a fault", 1);
                    self.world.disk.clear_faults();
                    self.world.disk.set_capacity(u64::MAX);
                }
                Err(error) => return Err(Finding::Broken(format!("does not open: {error}"))),
            }
        }
        Err(Finding::Broken(format!("does not open in {OPENS_MAX} attempts")))
    }

    /// After a start: the store stands at one position, all records from there on are in the journal, and nothing acknowledged is lost.
    fn check_opened(&mut self) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        let durable = server.store.durable(PARTITION);
        let end = server.journal.end(PARTITION);
        self.trace.say(format!("open: the store stands at {durable}, the journal ends at {end}"));
        // What is read here must not be spoilt: there is a fault for every other read.
        self.world.disk.clear_misread();
        let read_before = self.world.records.forget_from(durable);
        if let Err(error) = server.read_journal() {
            return Err(Finding::Broken(format!("the journal cannot be read after a start: {error}")));
        }
        let records = self.world.records.all();
        for (position, payload) in &read_before {
            match records.binary_search_by_key(position, |(position, _)| *position) {
                Ok(at) if records[at].1 == *payload => {}
                Ok(_) => return Err(Finding::Broken(format!("position {position} has another record after a start"))),
                Err(_) => return Err(Finding::Broken(format!("record {position} was read once and is gone after a start"))),
            }
        }
        check::told(&records, &self.clients.messages.sent, self.plan.projects)?;
        self.commands.check(&records)?;
        self.reader.restarted();
        self.settle_discard();
        self.check_stored(durable)
    }

    /// Stops the server in order and starts it again.
    pub(super) fn restart(&mut self) -> Result<(), Finding> {
        self.trace.say("STOP".to_owned());
        let Some(server) = &mut self.server else { return Ok(()) };
        server.settle_journal();
        self.poll_flights()?;
        let Some(server) = &mut self.server else { return Ok(()) };
        let journal = std::sync::Arc::clone(&server.journal);
        {
            let mut closing = journal.close();
            let is_closed = poll_once(closing.as_mut()).is_ready();
            for _ in 0..1000 {
                if server.writer.step() == Turn::Ended {
                    break;
                }
            }
            if !is_closed {
                let _ = poll_once(closing);
            }
        }
        let sound = server.journal.poisoned().is_none();
        let mut drained = false;
        while sound && !drained {
            match server.pipeline.step() {
                Ok(aqueduct_process::Step::Committed { .. }) => {}
                Ok(_) => drained = true,
                Err(error) => {
                    self.trace.say(format!("not drained: {error}"));
                    break;
                }
            }
        }
        let flushed = drained && server.store.flush().inspect_err(|error| self.trace.say(format!("not flushed: {error}"))).is_ok();
        let (durable, end) = (server.store.durable(PARTITION), server.journal.end(PARTITION));
        if flushed && durable < end {
            return Err(Finding::Broken(format!("stopped in order at {durable}, before the journal's end {end}")));
        }
        if self.world.disk.is_off() || !flushed {
            self.power_cut = self.power_cut || !self.world.disk.is_off();
            return self.crash();
        }
        drop(journal);
        // The ledger stops last.
        self.save_books()?;
        self.drop_flights();
        self.server = None;
        self.trace.count("stops in order", 1);
        if self.world.disk.is_off() {
            self.come_back();
        } else {
            // The process is gone, and with it what a task of the edge may still hold.
            self.world.disk.kill_process();
        }
        self.open()
    }
}

impl From<OpenFailure> for Finding {
    fn from(failure: OpenFailure) -> Self {
        Self::Broken(failure.to_string())
    }
}
