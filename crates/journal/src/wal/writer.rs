//! The one thread that writes: gathers what waits, writes it with one call, syncs once, wakes everybody.
//!
//! ```text
//!  appends ──▶ queue ──▶ [ admit · roll · write · sync ] ──▶ readers, then callers
//!                 └── the next group gathers while the sync runs
//! ```
//!
//! # Invariants
//! - One group is unsynced at most. Nothing is written after it before its sync came back.
//! - A failed write or sync ends the writer. The one exception is a write that found no room and was taken back: cut off and synced.

use super::format::{FrameHeader, GROUP_HEADER_BYTES, GroupHeader, SegmentHeader};
use super::queue::{Pending, Queue, Waited, Wake};
use super::recent::entry;
use super::room::Room;
use super::segment::{Segment, no_room};
use super::shared::Shared;
use super::{PARTITION, WalConfig};
use crate::Receipt;
use crate::error::AppendError;
use aqueduct_event::{Clock, JournalPosition};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A confirmed active segment larger than this is given back when the journal is at rest: an idle server does not hold on to what its store has.
pub(super) const RECYCLE_BYTES: u64 = 1024 * 1024;

/// A pause that lasts so long is used to sync the seal, once. Until then the last group has no proof that survives a power cut.
const SEAL_SYNC_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: Arc<Queue>,
    pub(super) config: WalConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) active: Arc<Segment>,
    /// Whether a seal stands at the end of the active segment.
    pub(super) sealed: bool,
    /// Whether that seal is synced: then what is before it is proven even after a power cut.
    pub(super) seal_is_synced: bool,
    /// How many appends the last group had.
    pub(super) company: usize,
}

/// What a turn of the writer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There may be more to do.
    Worked,
    /// There was nothing to do.
    Idle,
    /// The journal is closed or poisoned: it was the last turn.
    Ended,
}

/// Why a group was not made durable.
#[derive(Debug)]
enum GroupFailure {
    /// There was no room; nothing of it is on the disk.
    Full(AppendError),
    /// Nothing can be known any more.
    Poison(String),
}

impl Writer {
    /// Works until the queue is closed and empty, or until a failure.
    pub(super) fn run(mut self) {
        loop {
            // Those that were just answered come again at once. Without a moment for them the first would be synced alone, and all others wait for two syncs.
            // A lone append never waits.
            if self.company > 1 {
                self.queue.wait_for_company(self.company, self.config.group_commit_wait());
            }
            match self.turn() {
                Turn::Worked => {}
                Turn::Idle => {
                    let idle_after = (self.sealed && !self.seal_is_synced).then_some(SEAL_SYNC_AFTER);
                    if self.queue.wait(idle_after) == Waited::InVain && self.rest() == Turn::Ended {
                        return;
                    }
                }
                Turn::Ended => return,
            }
        }
    }

    /// Does what there is to do now and never waits: one group, or what comes when nothing waits.
    pub(super) fn turn(&mut self) -> Turn {
        let group = self.queue.take_group();
        self.company = group.len();
        let idle = group.is_empty();
        let done = if idle { self.seal() } else { self.commit(group) };
        if let Err(cause) = done {
            return self.give_up(cause);
        }
        if !idle {
            return Turn::Worked;
        }
        match self.queue.due() {
            None => Turn::Idle,
            Some(Wake::Pending) => Turn::Worked,
            Some(Wake::Nudged) => match self.recycle(RECYCLE_BYTES) {
                Err(GroupFailure::Poison(cause)) => self.give_up(cause),
                _ => Turn::Worked,
            },
            Some(Wake::Closed) => self.finish(),
        }
    }

    /// What is done once nothing has come for a while: the seal is made durable.
    pub(super) fn rest(&mut self) -> Turn {
        if !self.sealed || self.seal_is_synced {
            return Turn::Idle;
        }
        match self.sync_seal() {
            Ok(()) => Turn::Idle,
            Err(cause) => self.give_up(cause),
        }
    }

    fn finish(&self) -> Turn {
        if let Err(error) = self.active.file.sync() {
            tracing::warn!(%error, "the journal's last seal may be lost; the next start skips some positions");
        }
        self.shared.tail.send_modify(|tail| tail.closed = true);
        Turn::Ended
    }

    fn give_up(&self, cause: String) -> Turn {
        self.shared.poison(cause);
        self.queue.close();
        loop {
            let group = self.queue.take_group();
            if group.is_empty() {
                return Turn::Ended;
            }
            group.into_iter().for_each(|pending| pending.answer(Err(self.shared.refusal())));
        }
    }

    /// Makes a group durable and answers it. `Err` when the journal is poisoned; then it is answered too.
    fn commit(&mut self, group: Vec<Pending>) -> Result<(), String> {
        let made_room = self.make_room(group.iter().map(Pending::frame_bytes).sum());
        let group = self.admit(group);
        if group.is_empty() {
            return Ok(());
        }
        match made_room.and_then(|()| self.write(&group)) {
            Ok(header) => self.publish(group, header),
            Err(GroupFailure::Full(error)) => {
                // The disk knows better than it told: what stays for audits makes room for the next try.
                self.free_all();
                self.refuse(group, &error);
            }
            Err(GroupFailure::Poison(cause)) => {
                group.into_iter().for_each(|pending| pending.answer(Err(AppendError::Poisoned { cause: cause.clone() })));
                return Err(cause);
            }
        }
        Ok(())
    }

    fn refuse(&self, group: Vec<Pending>, error: &AppendError) {
        self.shared.metrics.full_refusals.increment(group.len() as u64);
        group.into_iter().for_each(|pending| pending.answer(Err(error.clone())));
    }

    /// Frees what stays for audits when room is short, then what is confirmed in the active segment too: without this a journal whose only segment fills the disk would stay full.
    fn make_room(&mut self, wanted: u64) -> Result<(), GroupFailure> {
        if wanted <= self.room().bytes {
            return Ok(());
        }
        self.free_all();
        if wanted <= self.room().bytes {
            return Ok(());
        }
        let recycled = self.recycle(0);
        self.free_all();
        match recycled {
            // What does not fit is refused in a moment.
            Err(GroupFailure::Full(_)) => Ok(()),
            done => done,
        }
    }

    fn free_all(&self) {
        if let Err(error) = self.shared.free_all() {
            tracing::warn!(%error, "a confirmed journal segment stays until the next trim");
        }
    }

    /// Begins a new segment and removes the active one, if the store has confirmed all of it and it is larger than `bytes_min`.
    fn recycle(&mut self, bytes_min: u64) -> Result<(), GroupFailure> {
        let confirmed = self.shared.state().confirmed;
        if self.active.is_empty() || confirmed < self.active.end() || self.active.durable_bytes() <= bytes_min {
            return Ok(());
        }
        self.roll()?;
        if let Err(error) = self.shared.trim(confirmed) {
            tracing::warn!(%error, "a confirmed journal segment stays until the next trim");
        }
        Ok(())
    }

    /// Refuses what does not fit and returns the rest.
    fn admit(&self, group: Vec<Pending>) -> Vec<Pending> {
        let room = self.room();
        let mut left = room.bytes;
        let (fits, refused): (Vec<_>, Vec<_>) = group.into_iter().partition(|pending| {
            let fits = pending.frame_bytes() <= left;
            left -= if fits { pending.frame_bytes() } else { 0 };
            fits
        });
        if !refused.is_empty() {
            self.refuse(refused, &self.full(room));
        }
        fits
    }

    fn room(&self) -> Room {
        self.shared.room(&self.config)
    }

    fn full(&self, room: Room) -> AppendError {
        room.full(&self.config)
    }

    /// Closes the active segment and begins another.
    fn roll(&mut self) -> Result<(), GroupFailure> {
        let first = self.shared.state().next;
        let header =
            SegmentHeader { first, follows: self.active.end(), created_micros: self.clock.now().0, salt: self.shared.disk.random() };
        let made = Segment::create(self.shared.disk.as_ref(), &self.shared.dir, header).map_err(|error| {
            if error.traceless && no_room(&error.source) {
                return GroupFailure::Full(self.full(self.room()));
            }
            GroupFailure::Poison(format!("cannot make a journal segment in {}: {}", self.shared.dir.display(), error.source))
        })?;
        self.active = Arc::new(made);
        self.sealed = false;
        self.shared.state().segments.push_back(Arc::clone(&self.active));
        self.shared.show_size();
        Ok(())
    }

    /// Writes and syncs a group. The answer is its header.
    fn write(&mut self, group: &[Pending]) -> Result<GroupHeader, GroupFailure> {
        let body: u64 = group.iter().map(Pending::frame_bytes).sum();
        let bytes = GROUP_HEADER_BYTES as u64 + body;
        if !self.active.is_empty() && self.active.durable_bytes() + bytes > self.config.segment_bytes_effective() {
            self.roll()?;
        }
        let first = self.shared.state().next;
        let count = |value| u32::try_from(value).map_err(|_| GroupFailure::Poison(format!("group of {body} bytes is too large")));
        let header = GroupHeader { first, count: count(group.len() as u64)?, body_bytes: count(body)? };
        let seed = self.active.header.seed();
        let frames: Vec<_> =
            (first..).zip(group).map(|(position, pending)| FrameHeader::of(&pending.payload, position, seed).encode()).collect();
        let encoded = header.encode(seed);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(1 + 2 * group.len());
        parts.push(&encoded);
        for (frame, pending) in frames.iter().zip(group) {
            parts.extend([frame.as_slice(), &pending.payload]);
        }
        self.sealed = false;
        self.active.file.write_at(&parts, self.active.durable_bytes()).map_err(|error| self.take_back(&error))?;
        let started = Instant::now();
        self.active.file.sync().map_err(|error| GroupFailure::Poison(format!("cannot sync {}: {error}", self.active.path.display())))?;
        self.shared.metrics.sync_seconds.record(started.elapsed());
        self.shared.metrics.bytes.increment(bytes);
        Ok(header)
    }

    /// A write that found no room has left the synced bytes as they were, so it may be taken back. Anything else is not understood and poisons.
    fn take_back(&self, error: &io::Error) -> GroupFailure {
        let path = self.active.path.display();
        if !no_room(error) {
            return GroupFailure::Poison(format!("cannot write {path}: {error}"));
        }
        // Synced at once: a disk that cannot even do that is not written to again.
        match self.active.file.truncate(self.active.durable_bytes()).and_then(|()| self.active.file.sync()) {
            Ok(()) => GroupFailure::Full(self.full(self.room())),
            Err(undo) => GroupFailure::Poison(format!("cannot write {path}: {error}; nor take it back: {undo}")),
        }
    }

    fn publish(&self, group: Vec<Pending>, header: GroupHeader) {
        self.active.extend(&header);
        {
            let mut state = self.shared.state();
            state.next = header.end();
            state.recent.push((header.first..).zip(&group).map(|(position, pending)| entry(position, pending.payload.clone())));
        }
        // Counted before anybody can read or hear of them: a backlog must not look smaller than it is.
        let bytes = group.iter().map(|pending| pending.payload.len() as u64).sum();
        self.shared.appended_bytes.fetch_add(bytes, Ordering::Release);
        self.shared.tail.send_modify(|tail| tail.end = header.end());
        for (position, pending) in (header.first..).zip(group) {
            pending.answer(Ok(Receipt { partition: PARTITION, position: JournalPosition(position) }));
        }
        self.shared.metrics.records.increment(header.count.into());
        self.shared.metrics.group_records.record(header.count);
        self.shared.metrics.used_bytes.set(self.shared.used_bytes() as f64);
    }

    /// Nothing unsynced is behind the seal, so this is a sync like any other: when it fails nothing is known any more.
    fn sync_seal(&mut self) -> Result<(), String> {
        self.active.file.sync().map_err(|error| format!("cannot sync {}: {error}", self.active.path.display()))?;
        self.seal_is_synced = true;
        Ok(())
    }

    /// Marks the end as acknowledged, for recovery. Not synced at once: it proves more when it survives and costs nothing when it does not.
    /// The next group is written over it.
    fn seal(&mut self) -> Result<(), String> {
        if self.sealed {
            return Ok(());
        }
        let seal = GroupHeader { first: self.shared.state().next, count: 0, body_bytes: 0 };
        match self.active.file.write_at(&[&seal.encode(self.active.header.seed())], self.active.durable_bytes()) {
            Ok(()) => {
                (self.sealed, self.seal_is_synced) = (true, false);
                Ok(())
            }
            Err(error) if no_room(&error) => Ok(()),
            Err(error) => Err(format!("cannot write {}: {error}", self.active.path.display())),
        }
    }
}

impl Drop for Writer {
    /// A writer that ends by a panic must not leave anybody waiting.
    fn drop(&mut self) {
        let tail = *self.shared.tail.borrow();
        if !tail.closed && !tail.poisoned {
            self.give_up("the writer ended unexpectedly".to_owned());
        }
    }
}
