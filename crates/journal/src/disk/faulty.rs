//! A disk in memory that behaves as badly as a real one may: it forgets what was not synced, tears it, refuses and stalls.
//!
//! In: a seed and faults to come. Out: the file system that a process would find after a power cut.
//!
//! # The model
//! - Each file has bytes that are durable and a list of writes and changes of length since its last sync. A crash keeps each 512-byte block of each pending
//!   write or not, by lot; some are torn at any byte.
//! - Names are durable after `sync_dir`; a crash keeps each pending change of a name or not, by lot.
//! - A failed sync forgets the pending writes although they can still be read until the crash: what Linux does.
//! - After a crash every open handle answers with an error; [`FaultyDisk::restart`] shows what was left.

use super::{Disk, DiskFile, DiskLock, Space};
use parking_lot::{Condvar, Mutex};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BLOCK: usize = 512;

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Making a file.
    Create,
    /// Writing; half of the bytes arrive before it fails.
    Write,
    /// Reading.
    Read,
    /// Syncing a file; its unsynced bytes are lost.
    Sync,
    /// Syncing a directory.
    SyncDir,
    /// Changing a file's length.
    Truncate,
    /// Removing a file.
    Remove,
}

/// How a read gives something else than what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misread {
    /// One bit is wrong.
    Flipped,
    /// The bytes are those of another place, of this file or of another.
    Misdirected,
}

/// A disk in memory with faults. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct FaultyDisk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Woken when syncs are let go.
    released: Condvar,
}

#[derive(Debug)]
struct State {
    rng: ChaCha8Rng,
    files: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<(PathBuf, Option<usize>)>,
    locked: HashSet<PathBuf>,
    /// Counts power cycles: handles of an earlier one are dead.
    cycle: u64,
    /// Changes until the power fails.
    power_left: Option<u64>,
    changes: u64,
    faults: BTreeMap<Op, (u64, io::ErrorKind)>,
    misread: Option<(u64, Misread)>,
    /// Files that are always read as they were written.
    never_misread: HashSet<PathBuf>,
    /// Faults that came about: errors, refusals for want of room, wrong reads.
    failures: u64,
    misreads: u64,
    /// Every kind of them.
    counts: BTreeMap<&'static str, u64>,
    /// Failures after which nothing can be known: all but those of a write, of making a file and of removing one that found no room.
    harm: u64,
    capacity_bytes: u64,
    total_bytes: u64,
    syncs: u64,
    hold_syncs: bool,
}

#[derive(Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    visible: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length { len: usize },
}

/// What a power cut took.
#[derive(Debug, Default)]
struct Lost {
    blocks: u64,
    torn: u64,
    names: u64,
}

const NO_ROOM: &str = "writes that found no room";

fn is_no_room(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Op {
    /// A failure, in words.
    fn failed(self, for_want_of_room: bool) -> &'static str {
        match (self, for_want_of_room) {
            (_, true) => "ENOSPC by a fault",
            (Self::Write, _) => "EIO of a write",
            (Self::Sync, _) => "EIO of a sync",
            (Self::SyncDir, _) => "EIO of a directory's sync",
            (Self::Read, _) => "EIO of a read",
            (Self::Create | Self::Truncate | Self::Remove, _) => "EIO of another change",
        }
    }
}

impl FaultyDisk {
    /// An empty disk; everything left to chance follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            rng: ChaCha8Rng::seed_from_u64(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            locked: HashSet::new(),
            cycle: 0,
            power_left: None,
            changes: 0,
            faults: BTreeMap::new(),
            misread: None,
            never_misread: HashSet::new(),
            failures: 0,
            misreads: 0,
            counts: BTreeMap::new(),
            harm: 0,
            capacity_bytes: u64::MAX,
            total_bytes: u64::MAX,
            syncs: 0,
            hold_syncs: false,
        };
        Self(Arc::new(Inner { state: Mutex::new(state), released: Condvar::new() }))
    }

    /// Makes the `nth` next call of `op` fail (1: the very next), once.
    pub fn fail(&self, op: Op, nth: u64, kind: io::ErrorKind) {
        self.0.state.lock().faults.insert(op, (nth, kind));
    }

    /// Makes the `nth` next read (1: the very next) that gives any bytes give wrong ones, once.
    pub fn misread(&self, nth: u64, how: Misread) {
        self.0.state.lock().misread = Some((nth, how));
    }

    /// Keeps a file out of that.
    pub fn never_misread(&self, path: &Path) {
        self.0.state.lock().never_misread.insert(path.to_owned());
    }

    /// Takes back the faults that have not come about, but for a power cut.
    pub fn clear_faults(&self) {
        let mut state = self.0.state.lock();
        state.faults.clear();
        state.misread = None;
    }

    /// Takes back a wrong read that has not come about.
    pub fn clear_misread(&self) {
        self.0.state.lock().misread = None;
    }

    /// Takes back a power cut that is due, if the power is still on.
    pub fn cancel_crash(&self) {
        let mut state = self.0.state.lock();
        state.power_left = state.power_left.filter(|left| *left == 0);
    }

    /// Operations that failed so far by a fault or for want of room, the power cut apart.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.state.lock().failures
    }

    /// Of these, those after which nothing can be known; a write or a new file that found no room is none.
    #[must_use]
    pub fn harm(&self) -> u64 {
        self.0.state.lock().harm
    }

    /// Reads that gave wrong bytes so far.
    #[must_use]
    pub fn misreads(&self) -> u64 {
        self.0.state.lock().misreads
    }

    /// What came about so far, by kind of fault.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.0.state.lock().counts.clone()
    }

    /// Whether the power was cut and not restored yet.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.0.state.lock().power_left == Some(0)
    }

    /// Bytes of all files that have a name.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.state.lock().used_bytes()
    }

    /// Cuts the power after `changes` more changes of files or names. What fails then answers with an error until [`Self::restart`].
    pub fn crash_after(&self, changes: u64) {
        let mut state = self.0.state.lock();
        state.power_left = Some(changes);
    }

    /// Changes of files or names so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.0.state.lock().changes
    }

    /// File syncs that were asked for so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.state.lock().syncs
    }

    /// Cuts the power if it is on, lets chance decide what was kept, and starts again. Held locks are gone, open handles dead.
    pub fn restart(&self) {
        let mut state = self.0.state.lock();
        state.lose_unsynced();
        state.cycle += 1;
        state.locked.clear();
        state.faults.clear();
        state.misread = None;
        state.power_left = None;
        state.hold_syncs = false;
        self.0.released.notify_all();
    }

    /// Ends the process without a power cut: everything written stays, locks are gone, open handles dead.
    pub fn kill_process(&self) {
        let mut state = self.0.state.lock();
        state.cycle += 1;
        state.locked.clear();
        state.power_left = None;
        state.hold_syncs = false;
        self.0.released.notify_all();
    }

    /// Sets the size of the file system. Less than is used: nothing more fits.
    pub fn set_capacity(&self, bytes: u64) {
        let mut state = self.0.state.lock();
        state.capacity_bytes = bytes;
        state.total_bytes = bytes;
    }

    /// Lets writes fail for want of room after `bytes`, while [`Disk::space`] goes on telling that there is plenty: a quota, or a neighbour that was faster.
    pub fn set_hidden_capacity(&self, bytes: u64) {
        let mut state = self.0.state.lock();
        state.capacity_bytes = bytes;
        state.total_bytes = u64::MAX;
    }

    /// While `true`, syncs do not come back.
    pub fn hold_syncs(&self, hold: bool) {
        self.0.state.lock().hold_syncs = hold;
        self.0.released.notify_all();
    }

    /// The bytes of a file as a process sees them.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.state.lock();
        state.names.get(path).map(|file| state.files[*file].visible.clone())
    }

    /// Puts a file onto the disk, durable at once.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.0.state.lock();
        let file = state.files.len();
        state.files.push(Inode { durable: bytes.to_vec(), visible: bytes.to_vec(), pending: Vec::new() });
        state.names.insert(path.to_owned(), file);
        state.durable_names.insert(path.to_owned(), file);
    }

    /// Paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.state.lock().names.keys().cloned().collect()
    }

    fn handle(&self, file: usize, cycle: u64) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { disk: self.clone(), file, cycle })
    }
}

impl State {
    /// Counts a change, and fails when the power is off or a fault is due.
    fn change(&mut self, op: Op) -> io::Result<()> {
        match self.power_left {
            Some(0) => return Err(io::Error::other("the power is off")),
            Some(left) => self.power_left = Some(left - 1),
            None => {}
        }
        self.changes += 1;
        self.fault(op)
    }

    fn fault(&mut self, op: Op) -> io::Result<()> {
        match self.faults.get_mut(&op) {
            Some((1, kind)) => {
                let kind = *kind;
                self.faults.remove(&op);
                self.failures += 1;
                self.count(op.failed(is_no_room(kind)), 1);
                let is_room = is_no_room(kind);
                self.harm += u64::from(!(is_room && matches!(op, Op::Create | Op::Write | Op::Remove)));
                Err(kind.into())
            }
            Some((nth, _)) => {
                *nth -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn count(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    /// Spoils what a read gives, if that is due.
    fn spoil(&mut self, file: usize, buffer: &mut [u8]) {
        let is_spared = self.never_misread.iter().any(|path| self.names.get(path) == Some(&file));
        let Some((nth, how)) = self.misread.as_mut().filter(|_| !is_spared && !buffer.is_empty()) else { return };
        *nth -= 1;
        if *nth > 0 {
            return;
        }
        let how = *how;
        self.misread = None;
        let before = buffer.to_vec();
        match how {
            Misread::Flipped => {
                let bit = self.rng.random_range(0..buffer.len() * 8);
                buffer[bit / 8] ^= 1 << (bit % 8);
            }
            Misread::Misdirected => {
                let named: Vec<usize> = self.names.values().copied().collect();
                let other = if self.rng.random_bool(0.5) { file } else { named[self.rng.random_range(0..named.len())] };
                let bytes = &self.files[other].visible;
                let from = self.rng.random_range(0..=bytes.len() / BLOCK) * BLOCK;
                let found = &bytes[from.min(bytes.len())..];
                let count = found.len().min(buffer.len());
                buffer[..count].copy_from_slice(&found[..count]);
                buffer[count..].fill(0);
            }
        }
        if before != buffer {
            self.misreads += 1;
            self.count(if how == Misread::Flipped { "reads with a wrong bit" } else { "reads of another place" }, 1);
        }
    }

    fn alive(&self, cycle: u64) -> io::Result<()> {
        if cycle == self.cycle { Ok(()) } else { Err(io::Error::other("the machine was restarted")) }
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].visible.len() as u64).sum()
    }

    fn write(&mut self, file: usize, bytes: &[u8], offset: usize) -> io::Result<()> {
        let failed = self.change(Op::Write);
        let bytes = match &failed {
            Ok(()) => bytes,
            Err(_) if self.power_left == Some(0) => return failed,
            Err(_) => &bytes[..bytes.len() / 2],
        };
        let growth = (offset + bytes.len()).saturating_sub(self.files[file].visible.len()) as u64;
        let room = self.capacity_bytes.saturating_sub(self.used_bytes());
        let fits =
            if growth <= room { bytes.len() } else { bytes.len() - usize::try_from(growth - room).unwrap_or(bytes.len()).min(bytes.len()) };
        let inode = &mut self.files[file];
        if fits > 0 {
            apply(&mut inode.visible, offset, &bytes[..fits]);
            inode.pending.push(Change::Write { offset, bytes: bytes[..fits].to_vec() });
        }
        failed?;
        if fits == bytes.len() {
            return Ok(());
        }
        self.failures += 1;
        self.count(NO_ROOM, 1);
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        self.syncs += 1;
        let result = self.change(Op::Sync);
        if result.is_err() && self.power_left == Some(0) {
            return result;
        }
        let inode = &mut self.files[file];
        // A failed sync forgets them for good: the next sync does not know that they were never written.
        for change in std::mem::take(&mut inode.pending) {
            if result.is_ok() {
                inode.keep(&change);
            }
        }
        result
    }

    fn rename_to(&mut self, path: &Path, file: Option<usize>) {
        match file {
            Some(file) => self.names.insert(path.to_owned(), file),
            None => self.names.remove(path),
        };
        self.name_changes.push((path.to_owned(), file));
    }

    fn lose_unsynced(&mut self) {
        // Extremes are tried as often as mixtures: nothing kept, all kept, half.
        let keep = [0.0, 0.5, 0.5, 0.9, 1.0][self.rng.random_range(0..5)];
        let mut lost = Lost::default();
        for (path, file) in std::mem::take(&mut self.name_changes) {
            if self.rng.random_bool(keep) {
                match file {
                    Some(file) => self.durable_names.insert(path, file),
                    None => self.durable_names.remove(&path),
                };
            } else {
                lost.names += 1;
            }
        }
        self.names = self.durable_names.clone();
        for inode in &mut self.files {
            for change in std::mem::take(&mut inode.pending) {
                inode.survive(&change, keep, &mut self.rng, &mut lost);
            }
            inode.visible = inode.durable.clone();
        }
        self.count("unsynced blocks lost", lost.blocks);
        self.count("unsynced blocks torn", lost.torn);
        self.count("unsynced names and lengths lost", lost.names);
    }
}

impl Inode {
    fn keep(&mut self, change: &Change) {
        match change {
            Change::Length { len } => self.durable.resize(*len, 0),
            Change::Write { offset, bytes } => apply(&mut self.durable, *offset, bytes),
        }
    }

    fn survive(&mut self, change: &Change, keep: f64, rng: &mut ChaCha8Rng, lost: &mut Lost) {
        let (mut offset, bytes) = match change {
            Change::Length { .. } => {
                if rng.random_bool(keep) {
                    self.keep(change);
                } else {
                    lost.names += 1;
                }
                return;
            }
            Change::Write { offset, bytes } => (*offset, bytes.as_slice()),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (block, after) = rest.split_at(rest.len().min(BLOCK - offset % BLOCK));
            if rng.random_bool(keep) {
                let torn = rng.random_bool(0.05);
                let upto = if torn { rng.random_range(0..=block.len()) } else { block.len() };
                lost.torn += u64::from(upto < block.len());
                apply(&mut self.durable, offset, &block[..upto]);
            } else {
                lost.blocks += 1;
            }
            offset += block.len();
            rest = after;
        }
    }
}

fn apply(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

impl Disk for FaultyDisk {
    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.0.state.lock();
        let names = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.state.lock();
        state.change(Op::Create)?;
        if state.used_bytes() >= state.capacity_bytes {
            state.failures += 1;
            state.count(NO_ROOM, 1);
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = state.files.len();
        state.files.push(Inode::default());
        state.rename_to(path, Some(file));
        Ok(self.handle(file, state.cycle))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.0.state.lock();
        let file = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(*file, state.cycle))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.change(Op::Create)?;
        let file = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.rename_to(from, None);
        state.rename_to(to, Some(file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.change(Op::Remove)?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.rename_to(path, None);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.change(Op::SyncDir)?;
        let (synced, rest) = std::mem::take(&mut state.name_changes).into_iter().partition(|(path, _)| path.parent() == Some(dir));
        state.name_changes = rest;
        for (path, file) in Vec::from_iter::<Vec<_>>(synced) {
            match file {
                Some(file) => state.durable_names.insert(path, file),
                None => state.durable_names.remove(&path),
            };
        }
        Ok(())
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let state = self.0.state.lock();
        Ok(Space { free_bytes: state.total_bytes.saturating_sub(state.used_bytes()), total_bytes: state.total_bytes })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.0.state.lock();
        if !state.locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(FaultyLock { disk: self.clone(), path: path.to_owned(), cycle: state.cycle }))
    }

    fn random(&self) -> u64 {
        self.0.state.lock().rng.random()
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    file: usize,
    cycle: u64,
}

fn to_usize(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl DiskFile for FaultyFile {
    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        let mut state = self.disk.0.state.lock();
        state.alive(self.cycle)?;
        state.write(self.file, &parts.concat(), to_usize(offset)?)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.0.state.lock();
        state.alive(self.cycle)?;
        state.fault(Op::Read)?;
        let bytes = &state.files[self.file].visible;
        let from = to_usize(offset)?.min(bytes.len());
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        state.spoil(self.file, &mut buffer[..count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.state.lock();
        while state.hold_syncs && state.cycle == self.cycle {
            self.disk.0.released.wait(&mut state);
        }
        state.alive(self.cycle)?;
        state.sync(self.file)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.state.lock();
        state.alive(self.cycle)?;
        state.change(Op::Truncate)?;
        let len = to_usize(len)?;
        let growth = len.saturating_sub(state.files[self.file].visible.len()) as u64;
        if growth > state.capacity_bytes.saturating_sub(state.used_bytes()) {
            state.failures += 1;
            state.count(NO_ROOM, 1);
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = &mut state.files[self.file];
        inode.visible.resize(len, 0);
        inode.pending.push(Change::Length { len });
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.0.state.lock();
        state.alive(self.cycle)?;
        Ok(state.files[self.file].visible.len() as u64)
    }
}

#[derive(Debug)]
struct FaultyLock {
    disk: FaultyDisk,
    path: PathBuf,
    cycle: u64,
}

impl DiskLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        let mut state = self.disk.0.state.lock();
        if state.cycle == self.cycle {
            state.locked.remove(&self.path);
        }
    }
}
