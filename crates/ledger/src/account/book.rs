//! The account's file: a redb database, so that counts and the position that they belong to become durable together (ADR 012).
//!
//! # Tables, format 1
//!
//! Numbers in keys are big-endian.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | u64: `format`, `hours_before` (minute), `changes` (how many there were) |
//! | `positions` | u32 partition | u64: records before it are in the counts |
//! | `received` | u32 minute, u32 project, u16 line | i64; minutes before `hours_before` stand for their hour |
//! | `received_totals` | u32 project, u16 line | i64 |
//!
//! Lines: 1000 accepted events; the number of a verdict (100 to 399) for events that ended at the edge; 2000 and the number of a refusal for requests whose events
//! could not be counted, 3000 for requests that were refused by their heads, 4000 for the bytes of these. redb checks its pages by checksum after a crash, and refuses a file that is none of its own.
//!
//! # Invariants
//! - A change is one transaction, synced when it returns.
//! - redb gives up on a file whose storage failed once; it is opened again when it is needed next.
//! - A change that failed may have been made after all, as far as the file shows: its number tells, and then it is not made again.

use super::storage::trusted;
use super::{Key, Line};
use aqueduct_event::verdict::Refusal;
use aqueduct_event::{JournalPosition, Minute, PartitionId, ProjectId, Verdict};
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, Table, TableDefinition};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use thiserror::Error;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const POSITIONS: TableDefinition<'_, u32, u64> = TableDefinition::new("positions");
const RECEIVED: TableDefinition<'_, &[u8], i64> = TableDefinition::new("received");
const TOTALS: TableDefinition<'_, &[u8], i64> = TableDefinition::new("received_totals");
const FORMAT: u64 = 1;
const CACHE_BYTES: usize = 4 << 20;
const HOUR: u32 = 60;

const ACCEPTED: u16 = 1000;
const UNREADABLE: u16 = 2000;
const UNREAD: u16 = 3000;
const UNREAD_BYTES: u16 = 4000;

/// Opens the storage of the file, made when it is not there; called again after a failure.
pub type OpenBook = Box<dyn Fn() -> std::io::Result<Box<dyn StorageBackend>> + Send>;

/// Why the account's file cannot be used.
#[derive(Debug, Error)]
pub enum BookError {
    /// The storage cannot be opened.
    #[error("cannot open the account: {0}")]
    Open(std::io::Error),
    /// Written by a newer program.
    #[error("the account has format {found}, this program reads up to {FORMAT}")]
    Version {
        /// The format.
        found: u64,
    },
    /// The file cannot be read or written, or is not what it should be.
    #[error("the account cannot be read or written: {0}")]
    Storage(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for BookError {
    fn from(error: E) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

/// What an account needs when it opens.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) positions: BTreeMap<PartitionId, JournalPosition>,
    pub(super) totals: BTreeMap<(ProjectId, Line), i64>,
    pub(super) hours_before: Minute,
}

/// A change of the file.
#[derive(Debug)]
struct Change<'a> {
    /// The first has 1.
    number: u64,
    counts: &'a HashMap<Key, i64>,
    cut: &'a BTreeMap<PartitionId, JournalPosition>,
    hours_before: Minute,
}

/// The open file.
pub(super) struct Book {
    open: OpenBook,
    /// `None` after a failure.
    db: Option<Database>,
    /// Changes that were made.
    changes: u64,
    /// What the change that failed last would have added.
    failed: HashMap<Key, i64>,
    /// What changes added that had failed, and were made after all. Whoever writes does not know yet.
    made: HashMap<Key, i64>,
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("is_open", &self.db.is_some()).finish_non_exhaustive()
    }
}

impl Line {
    fn number(self) -> u16 {
        match self {
            Self::Accepted => ACCEPTED,
            Self::Ended(verdict) => verdict.number(),
            Self::Unreadable(refusal) => UNREADABLE + refusal.number(),
            Self::Unread(refusal) => UNREAD + refusal.number(),
            Self::UnreadBytes(refusal) => UNREAD_BYTES + refusal.number(),
        }
    }

    fn of_number(number: u16) -> Option<Self> {
        match number {
            UNREAD_BYTES.. => Refusal::of_number(number - UNREAD_BYTES).map(Self::UnreadBytes),
            UNREAD.. => Refusal::of_number(number - UNREAD).map(Self::Unread),
            UNREADABLE.. => Refusal::of_number(number - UNREADABLE).map(Self::Unreadable),
            ACCEPTED => Some(Self::Accepted),
            _ => Verdict::of_number(number).map(Self::Ended),
        }
    }
}

/// The minute under which a count is kept.
pub(super) fn bucket(minute: Minute, hours_before: Minute) -> Minute {
    if minute < hours_before { Minute(minute.0 - minute.0 % HOUR) } else { minute }
}

/// The minutes whose counts may be kept under those of `buckets`: one side may have been added up to hours before the other.
pub(super) fn spread(buckets: &RangeInclusive<Minute>, hours_before: Minute) -> RangeInclusive<Minute> {
    let end = *buckets.end();
    *buckets.start()..=if end < hours_before { Minute(end.0.saturating_add(HOUR - 1)) } else { end }
}

fn key_of((minute, project, line): Key) -> [u8; 10] {
    let mut key = [0; 10];
    key[..4].copy_from_slice(&minute.0.to_be_bytes());
    key[4..].copy_from_slice(&total_key(project, line));
    key
}

fn total_key(project: ProjectId, line: Line) -> [u8; 6] {
    let mut key = [0; 6];
    key[..4].copy_from_slice(&project.0.to_be_bytes());
    key[4..].copy_from_slice(&line.number().to_be_bytes());
    key
}

fn decode_total_key(key: &[u8]) -> Option<(ProjectId, Line)> {
    let (project, line) = key.split_first_chunk::<4>()?;
    let line = Line::of_number(u16::from_be_bytes(line.try_into().ok()?))?;
    Some((ProjectId(u32::from_be_bytes(*project)), line))
}

fn decode_key(key: &[u8]) -> Option<Key> {
    let (minute, rest) = key.split_first_chunk::<4>()?;
    let (project, line) = decode_total_key(rest)?;
    Some((Minute(u32::from_be_bytes(*minute)), project, line))
}

fn add(table: &mut Table<'_, &'static [u8], i64>, key: &[u8], count: i64) -> Result<(), BookError> {
    let before = table.get(key)?.map_or(0, |value| value.value());
    if before + count == 0 {
        table.remove(key)?;
    } else {
        table.insert(key, before + count)?;
    }
    Ok(())
}

impl Book {
    pub(super) fn open(open: OpenBook) -> Result<(Self, Loaded), BookError> {
        let db = open_database(&open)?;
        let loaded = load(&db)?;
        let changes = changes(&db)?;
        Ok((Self { open, db: Some(db), changes, failed: HashMap::new(), made: HashMap::new() }, loaded))
    }

    /// The database, opened again if need be. It is known then whether the change that failed was made.
    fn db(&mut self) -> Result<&Database, BookError> {
        if self.db.is_none() {
            let db = open_database(&self.open)?;
            let changes = changes(&db)?;
            for (key, count) in self.failed.drain().filter(|_| changes > self.changes) {
                *self.made.entry(key).or_default() += count;
            }
            self.changes = changes;
            self.db = Some(db);
        }
        match &self.db {
            Some(db) => Ok(db),
            None => Err(BookError::Open(std::io::ErrorKind::NotConnected.into())),
        }
    }

    /// Makes counts durable with the position that they belong to. After a failure `fresh` has the same counts again, and what came meanwhile.
    pub(super) fn write(
        &mut self,
        fresh: &HashMap<Key, i64>,
        cut: &BTreeMap<PartitionId, JournalPosition>,
        hours_before: Minute,
    ) -> Result<(), BookError> {
        self.db()?;
        let mut counts = fresh.clone();
        for (key, count) in &self.made {
            *counts.entry(*key).or_default() -= count;
        }
        counts.retain(|_, count| *count != 0);
        let change = Change { number: self.changes + 1, counts: &counts, cut, hours_before };
        let written = self.db().and_then(|db| write(db, &change));
        match written {
            Ok(()) => {
                self.changes += 1;
                self.made.clear();
            }
            Err(_) => (self.db, self.failed) = (None, counts),
        }
        written
    }

    /// Replaces what was accepted by what the store says.
    pub(super) fn adopt(
        &mut self,
        sums: &BTreeMap<(Minute, ProjectId), i64>,
        cut: &BTreeMap<PartitionId, JournalPosition>,
    ) -> Result<Loaded, BookError> {
        let db = self.db()?;
        let number = self::changes(db)? + 1;
        let mut changes: HashMap<Key, i64> = HashMap::new();
        let (accepted, hours_before) = (rows(db, Minute(0)..=Minute(u32::MAX))?, load(db)?.hours_before);
        for ((minute, project, line), count) in accepted {
            if line == Line::Accepted {
                *changes.entry((minute, project, line)).or_default() -= count;
            }
        }
        for ((minute, project), events) in sums {
            *changes.entry((*minute, *project, Line::Accepted)).or_default() += events;
        }
        write(db, &Change { number, counts: &changes, cut, hours_before })?;
        let loaded = load(db)?;
        self.changes = number;
        self.made.clear();
        Ok(loaded)
    }

    /// Counts of the minutes, in order of key, then, of all minutes, what whoever writes still takes for unwritten, to be taken off. Lines of a newer program are left out.
    pub(super) fn rows(&mut self, minutes: RangeInclusive<Minute>) -> Result<Vec<(Key, i64)>, BookError> {
        let mut found = rows(self.db()?, minutes)?;
        found.extend(self.made.iter().map(|(key, count)| (*key, -count)));
        Ok(found)
    }
}

fn open_database(open: &OpenBook) -> Result<Database, BookError> {
    let backend = open().and_then(trusted).map_err(BookError::Open)?;
    let db = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
    let change = db.begin_write()?;
    {
        let mut meta = change.open_table(META)?;
        let found = meta.get("format")?.map(|found| found.value());
        match found {
            Some(FORMAT) => return Ok(db),
            Some(found) => return Err(BookError::Version { found }),
            None => meta.insert("format", FORMAT)?,
        };
        change.open_table(POSITIONS)?;
        change.open_table(RECEIVED)?;
        change.open_table(TOTALS)?;
    }
    change.commit()?;
    Ok(db)
}

fn load(db: &Database) -> Result<Loaded, BookError> {
    let read = db.begin_read()?;
    let mut loaded = Loaded::default();
    let hours_before = read.open_table(META)?.get("hours_before")?.map_or(0, |value| value.value());
    loaded.hours_before = Minute(u32::try_from(hours_before).unwrap_or(u32::MAX));
    for row in read.open_table(POSITIONS)?.iter()? {
        let (partition, position) = row?;
        loaded.positions.insert(PartitionId(partition.value()), JournalPosition(position.value()));
    }
    for row in read.open_table(TOTALS)?.iter()? {
        let (key, count) = row?;
        loaded.totals.extend(decode_total_key(key.value()).map(|key| (key, count.value())));
    }
    Ok(loaded)
}

fn rows(db: &Database, minutes: RangeInclusive<Minute>) -> Result<Vec<(Key, i64)>, BookError> {
    let read = db.begin_read()?;
    let table = read.open_table(RECEIVED)?;
    let mut rows = Vec::new();
    for row in table.range(&minutes.start().0.to_be_bytes()[..]..)? {
        let (key, count) = row?;
        let Some(key) = decode_key(key.value()) else { continue };
        if key.0 > *minutes.end() {
            break;
        }
        rows.push((key, count.value()));
    }
    Ok(rows)
}

/// How many changes were made.
fn changes(db: &Database) -> Result<u64, BookError> {
    Ok(db.begin_read()?.open_table(META)?.get("changes")?.map_or(0, |value| value.value()))
}

fn write(db: &Database, change: &Change<'_>) -> Result<(), BookError> {
    let Change { number, counts, cut, hours_before } = *change;
    let transaction = db.begin_write()?;
    {
        let (mut meta, mut positions) = (transaction.open_table(META)?, transaction.open_table(POSITIONS)?);
        let (mut received, mut totals) = (transaction.open_table(RECEIVED)?, transaction.open_table(TOTALS)?);
        meta.insert("changes", number)?;
        let before = meta.get("hours_before")?.map_or(0, |value| value.value());
        let before = Minute(u32::try_from(before).unwrap_or(u32::MAX));
        let hours_before = before.max(hours_before);
        for ((minute, project, line), count) in counts {
            add(&mut received, &key_of((bucket(*minute, hours_before), *project, *line)), *count)?;
            add(&mut totals, &total_key(*project, *line), *count)?;
        }
        if hours_before > before {
            fold(&mut received, hours_before)?;
            meta.insert("hours_before", u64::from(hours_before.0))?;
        }
        for (partition, position) in cut {
            positions.insert(partition.0, position.0)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Adds minutes up to their hours.
fn fold(received: &mut Table<'_, &'static [u8], i64>, before: Minute) -> Result<(), BookError> {
    let mut minutes = Vec::new();
    for row in received.range(..&before.0.to_be_bytes()[..])? {
        let (key, count) = row?;
        minutes.extend(decode_key(key.value()).filter(|key| bucket(key.0, before) != key.0).map(|key| (key, count.value())));
    }
    for ((minute, project, line), count) in minutes {
        received.remove(&key_of((minute, project, line))[..])?;
        add(received, &key_of((bucket(minute, before), project, line)), count)?;
    }
    Ok(())
}
