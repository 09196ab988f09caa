//! The local write-ahead log: a directory of segment files, one writer, any number of readers. One partition, number 0.
//!
//! # Segment file, version 1 (little-endian)
//! Named by the first position it may hold, 20 digits, ending `.journal`. Beside the segments lies `lock`, held by the process that has the directory.
//! `*.journal.tmp` is a segment that a crash left before it was in use.
//!
//! | offset | field | type | why |
//! |---|---|---|---|
//! | 0 | magic `AQUEDJNL` | 8 bytes | no other file is taken for a journal |
//! | 8 | version = 1 | u32 | an old binary refuses instead of guessing |
//! | 12 | zero | u32 | |
//! | 16 | first | u64 | no record here has a lower position |
//! | 24 | follows | u64 | one past the last record before this segment: a missing file is noticed, and positions may be skipped openly |
//! | 32 | created | i64 µs | for people |
//! | 40 | salt | u64 | start of every checksum below: a payload cannot imitate a header |
//! | 48 | zero | 12 bytes | |
//! | 60 | checksum | u32 | CRC-32C of bytes 0 to 59 |
//! | 64 | groups | | one after the other, without padding |
//!
//! **Group**: what one write and one sync made durable, all of it or nothing.
//!
//! | offset | field | type | why |
//! |---|---|---|---|
//! | 0 | magic `AQG1` | 4 bytes | found again behind damage |
//! | 4 | body length | u32 | bytes of the frames, at most 32 MiB |
//! | 8 | first | u64 | position of the first frame; the others follow without a gap |
//! | 16 | count | u32 | frames, at most 65,536; 0 makes it a seal |
//! | 20 | checksum | u32 | CRC-32C of (salt, bytes 0 to 19) |
//! | 24 | frames | | |
//!
//! **Frame**: one record.
//!
//! | offset | field | type | why |
//! |---|---|---|---|
//! | 0 | length | u32 | of the payload, at most 16 MiB |
//! | 4 | checksum | u32 | CRC-32C of (salt, length, position, payload) |
//! | 8 | position | u64 | a frame in the wrong place is noticed |
//! | 16 | payload | length | |
//!
//! **Seal**: a group of no frames, whose `first` is the position after the last record. It is written after a sync when nothing waits, and proves that
//! what lies before it was acknowledged. The next group overwrites it.
//!
//! # What a crash leaves
//! A group is written only after the one before it was synced. So only the very last group can be torn, and it was not acknowledged: it is cut off.
//! A broken group with any group header, seal or segment behind it was synced once, and is damage: the start stops and names it (`recovery.rs`).
//!
//! # Positions
//! They count up by one. After a start that found no seal at the end they skip ahead by 65,536, more than one group can hold,
//! so that no position which a crash took back is ever given out again, not even when the disk lied about a sync.

mod backup;
mod check;
mod format;
mod queue;
mod reader;
mod recent;
mod recovery;
mod repair;
mod room;
mod segment;
mod shared;
mod writer;

pub use backup::TrimHold;
pub use check::{JournalCheck, check};
pub use repair::{RepairError, Repaired, repair};

use crate::config::WalConfig;
use crate::disk::{Disk, DiskLock, RealDisk};
use crate::error::{AppendError, OpenError, ReadError, TrimError};
use crate::{BoxFuture, Durability, Journal, JournalReader, Receipt};
use aqueduct_event::limits::RECORD_BYTES_MAX;
use aqueduct_event::{Clock, JournalPosition, PartitionId, SystemClock};
use bytes::Bytes;
use format::SegmentHeader;
use queue::{Pending, Queue};
use reader::WalReader;
use recent::Recent;
use recovery::Recovered;
use segment::Segment;
use shared::{Shared, State};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{Semaphore, oneshot};
use writer::{RECYCLE_BYTES, Writer};

pub use writer::Turn;

/// The only partition of a local journal.
const PARTITION: PartitionId = PartitionId(0);
/// The queue's memory is counted in these.
const ROOM_UNIT_BYTES: usize = 1024;
const LOCK_NAME: &str = "lock";

/// The worlds and facts that a journal is opened with.
#[derive(Debug)]
pub struct WalArgs {
    /// Settings.
    pub config: WalConfig,
    /// Where its files are.
    pub disk: Arc<dyn Disk>,
    /// For the creation time in segment headers.
    pub clock: Arc<dyn Clock>,
    /// What the store has confirmed: all before it was acknowledged once. A journal that ends before it was lost or is of another time, and is
    /// refused; a broken group before it is damage, never a torn tail.
    pub floor: JournalPosition,
}

/// The local write-ahead log. See the module's page for the bytes.
#[derive(Debug)]
pub struct WalJournal {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    room: Arc<Semaphore>,
    config: WalConfig,
    /// `None` when the caller drives the writer.
    writer: Option<JoinHandle<()>>,
    /// Given back last, when the writer has ended.
    _lock: Box<dyn DiskLock>,
}

/// The writer of a journal that was opened without a thread.
#[derive(Debug)]
pub struct WalWriter(Writer);

impl WalWriter {
    /// Lets the writer do what there is to do: the same gathering, writing and syncing as on its own thread. Never waits but for the disk.
    pub fn step(&mut self) -> Turn {
        self.0.turn()
    }

    /// Lets the writer do what it does when nothing has come for a second.
    pub fn rest(&mut self) -> Turn {
        self.0.rest()
    }
}

impl WalJournal {
    /// Opens the journal in `config.dir` on this machine's disk, or makes it.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn open_local(config: WalConfig) -> Result<Self, OpenError> {
        Self::open(config, Arc::new(RealDisk))
    }

    /// Opens the journal in `config.dir` on `disk`, or makes it.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn open(config: WalConfig, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        Self::open_with(WalArgs { config, disk, clock: Arc::new(SystemClock), floor: JournalPosition(0) })
    }

    /// Opens the journal: locks the directory, checks every byte, cuts a torn tail, begins a segment.
    ///
    /// # Errors
    /// [`OpenError::Locked`] when another process has the directory; [`OpenError::Damaged`] when acknowledged records are damaged;
    /// [`OpenError::Behind`] when it ends before what the store has confirmed;
    /// [`OpenError::Version`] for files of a newer program; [`OpenError::Io`] when the file system says no.
    pub fn open_with(args: WalArgs) -> Result<Self, OpenError> {
        let (mut journal, writer) = Self::open_stepped(args)?;
        let dir = writer.0.shared.dir.clone();
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.0.run());
        let thread = thread.map_err(|source| OpenError::Io { action: "cannot start the writer of", path: dir, source })?;
        journal.writer = Some(thread);
        Ok(journal)
    }

    /// As [`Self::open_with`], but nothing is written unless the caller lets the writer work: for a simulation in one thread.
    /// Keep the writer for as long as the journal; without it the journal is poisoned.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn open_stepped(args: WalArgs) -> Result<(Self, WalWriter), OpenError> {
        let WalArgs { config, disk, clock, floor } = args;
        let lock = prepare_dir(disk.as_ref(), &config.dir)?;
        let started = Instant::now();
        let recovered = recovery::recover(disk.as_ref(), &config.dir, floor.0)?;
        let cut_bytes = recovered.cut_bytes;
        let (state, active) = begin(disk.as_ref(), clock.as_ref(), &config, recovered)?;
        let (end, next, segments) = (active.end(), state.next, state.segments.len());
        tracing::info!(dir = %config.dir.display(), end, next, segments, millis = started.elapsed().as_millis(), "journal is open");

        let shared = Arc::new(Shared::new(disk, config.dir.clone(), state, end, config.retain_bytes_effective()));
        shared.metrics.cut_bytes.increment(cut_bytes);
        let queue = Arc::new(Queue::default());
        let room = usize::try_from(config.queue_bytes_effective()).unwrap_or(usize::MAX) / ROOM_UNIT_BYTES;
        let room = Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)));
        let shown = config.clone();
        let (sealed, seal_is_synced, company) = (false, false, 0);
        let writer =
            Writer { shared: Arc::clone(&shared), queue: Arc::clone(&queue), config, clock, active, sealed, seal_is_synced, company };
        Ok((Self { shared, queue, room, config: shown, writer: None, _lock: lock }, WalWriter(writer)))
    }

    /// Bytes that the journal holds on the disk.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.used_bytes()
    }

    /// Why appends are refused for want of room now; `None` while there is room. Looks at the disk, and gives up confirmed records that were kept.
    #[must_use]
    pub fn full(&self) -> Option<AppendError> {
        let mut room = self.shared.room(&self.config);
        if room.is_full() {
            // As an append would do.
            if let Err(error) = self.shared.free_all() {
                tracing::warn!(%error, "confirmed journal segments stay until the next trim");
            }
            room = self.shared.room(&self.config);
        }
        room.is_full().then(|| room.full(&self.config))
    }

    async fn append_record(&self, payload: Bytes) -> Result<Receipt, AppendError> {
        let started = Instant::now();
        if payload.len() > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { found: payload.len(), limit: RECORD_BYTES_MAX });
        }
        // INVARIANT: a record is at most 16 MiB, so its units fit; and the queue has room for at least one such record.
        let units = u32::try_from(payload.len() / ROOM_UNIT_BYTES + 1).unwrap_or(u32::MAX);
        let units = units.min((RECORD_BYTES_MAX / ROOM_UNIT_BYTES) as u32);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(units).await else {
            return Err(self.shared.refusal());
        };
        let (reply, answer) = oneshot::channel();
        if self.queue.push(Pending { payload, reply, room }).is_err() {
            return Err(self.shared.refusal());
        }
        let result = answer.await.unwrap_or_else(|_| Err(self.shared.refusal()));
        self.shared.metrics.append_seconds.record(started.elapsed());
        result
    }

    fn stop_taking(&self) {
        self.room.close();
        self.queue.close();
    }
}

/// Makes the directory if need be and takes its lock.
fn prepare_dir(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn DiskLock>, OpenError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { action, path, source }
    };
    disk.create_dir_all(dir).map_err(failed("cannot create directory", dir))?;
    let path = dir.join(LOCK_NAME);
    let lock = disk.lock(&path).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { path: dir.to_owned() },
        _ => OpenError::Io { action: "cannot lock", path, source },
    })?;
    // The directory's own name has to survive a power cut too.
    if let Some(parent) = dir.parent() {
        disk.sync_dir(parent).map_err(failed("cannot sync directory", parent))?;
    }
    Ok(lock)
}

/// Decides which segment new records go to.
fn begin(disk: &dyn Disk, clock: &dyn Clock, config: &WalConfig, recovered: Recovered) -> Result<(State, Arc<Segment>), OpenError> {
    let Recovered { mut segments, end, next, reuse_last, .. } = recovered;
    let reused = segments.back().filter(|_| reuse_last).map(Arc::clone);
    let active = match reused {
        Some(active) => active,
        None => {
            // Nothing came before the first segment of all, whatever its first position is.
            let follows = if segments.is_empty() { next } else { end };
            let header = SegmentHeader { first: next, follows, created_micros: clock.now().0, salt: disk.random() };
            let made = Segment::create(disk, &config.dir, header);
            let active = Arc::new(made.map_err(|error| OpenError::Io {
                action: "cannot make a segment in",
                path: config.dir.clone(),
                source: error.source,
            })?);
            segments.push_back(Arc::clone(&active));
            active
        }
    };
    let recent = Recent::new(config.read_cache_bytes, active.end());
    Ok((State { segments, recent, confirmed: 0, next, holds: 0 }, active))
}

impl Journal for WalJournal {
    fn append(&self, _key: u64, payload: Bytes) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        Box::pin(self.append_record(payload))
    }

    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    fn partitions(&self) -> Vec<PartitionId> {
        vec![PARTITION]
    }

    fn reader(&self, partition: PartitionId, from: JournalPosition) -> Result<Box<dyn JournalReader>, ReadError> {
        if partition != PARTITION {
            return Err(ReadError::UnknownPartition { wanted: partition });
        }
        Ok(Box::new(WalReader::new(Arc::clone(&self.shared), from.0)?))
    }

    fn trim(&self, _partition: PartitionId, upto: JournalPosition) -> Result<(), TrimError> {
        self.shared.trim(upto.0)?;
        let tail = *self.shared.tail.borrow();
        if upto.0 >= tail.end && self.shared.active_bytes() > RECYCLE_BYTES {
            self.queue.nudge();
        }
        Ok(())
    }

    fn end(&self, _partition: PartitionId) -> JournalPosition {
        JournalPosition(self.shared.tail.borrow().end)
    }

    fn appended_bytes(&self) -> u64 {
        self.shared.appended_bytes.load(Ordering::Acquire)
    }

    fn poisoned(&self) -> Option<String> {
        self.shared.poisoned()
    }

    fn until_poisoned(&self) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let mut tail = self.shared.tail.subscribe();
            // INVARIANT: the sender lives as long as `self`, so waiting fails never.
            let _ = tail.wait_for(|tail| tail.poisoned).await;
            self.shared.poisoned().unwrap_or_default()
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.stop_taking();
            let mut tail = self.shared.tail.subscribe();
            let _ = tail.wait_for(|tail| tail.closed || tail.poisoned).await;
            self.shared.tail.send_modify(|tail| tail.closed = true);
        })
    }
}

impl Drop for WalJournal {
    /// As [`Journal::close`], and waits for it: the directory is free when this returns.
    fn drop(&mut self) {
        self.stop_taking();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has poisoned the journal and said so.
            let _ = writer.join();
        }
        self.shared.tail.send_modify(|tail| tail.closed = true);
    }
}
