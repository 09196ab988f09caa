//! The manifest: a redb database that says which segments there are and holds persons, distinct ids, groups, overrides and journal positions,
//! so that one transaction makes all of them durable together.
//!
//! # Tables, format 3
//!
//! Numbers in keys are big-endian, so that a project's records lie together; values are described in [`records`].
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | u64: `format`, `shards`, `next_segment`, `seq` (newest commit), `changes` (newest change), `seen_secret_high` and `seen_secret_low`, `seen_newest` (µs), `letter_bytes`, `hours_before` (minute), `fates_epoch` (newest), `fates_in_epoch` |
//! | `positions` | u32 partition | u64: next record of the journal to read |
//! | `projects` | u32 project | u64: number of the newest commit that touched it |
//! | `segments` | u64 id | [`Descriptor`] |
//! | `persons` | u32 project, 16 bytes id | person |
//! | `distinct_ids` | u32 project, text | distinct id |
//! | `person_distinct_ids` | u32 project, 16 bytes person, text | nothing |
//! | `groups` | u32 project, u8 type index, key | group |
//! | `group_types` | u32 project, u8 index | name |
//! | `overrides` | u32 project, 16 bytes person that rows carry | 16 bytes present person |
//! | `withdrawn` | u32 project, 16 bytes person that rows carry | which of its rows are gone |
//! | `seen` | u64 id | [`RunDescriptor`] |
//! | `erased` | i64 received µs with its sign bit turned, u128 key of the event | nothing: an arrival whose row was erased within the window |
//! | `verdicts` | u32 minute, u32 project, u16 verdict | i64 events; minutes before `hours_before` stand for their hour |
//! | `verdict_totals` | u32 project, u16 verdict | i64 events of all time |
//! | `dead_letters` | u32 project, u32 partition, u64 position, u32 place in the record | dead letter |
//! | `fates_<epoch>` | u32 project, 16 bytes uuid, u64 position, u32 place in the record | fate |
//! | `fates_by_<epoch>` | u32 project, distinct id, u8 0, u64 position, u32 place in the record, 16 bytes uuid | nothing |
//!
//! Format 1 lacks the tables from `seen` on, format 2 `withdrawn`, and what the first programs of format 3 made `erased`; they are made when it is opened.
//!
//! # Invariants
//! - An older program refuses a newer format ([`OpenError::Version`]).
//! - A change is one transaction, synced when it returns.
//! - No page is read that is not what was written ([`checked`]): redb alone checks pages only after a crash.

mod account;
mod account_records;
mod change;
mod checked;
mod inspect;
mod overlay;
pub(crate) mod records;
mod view;

pub(crate) use account::{AccountEdit, AccountLimits, EPOCH_FATES, bucket};
pub(crate) use change::Change;
pub(crate) use inspect::inspect;
pub(crate) use view::View;

use crate::embedded::withdrawn::Mark;
use crate::files::{Files, MANIFEST};
use crate::seen::RunDescriptor;
use crate::segment::Descriptor;
use crate::segment::descriptor::is_file_name;
use crate::{CommitError, OpenError, ReadError};
use aqueduct_event::sums::PAGE_BYTES;
use aqueduct_event::{JournalPosition, PartitionId, PersonId, ProjectId};
use checked::Checked;
use parking_lot::{Mutex, RwLock};
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use uuid::Uuid;

type Bytes = &'static [u8];
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const POSITIONS: TableDefinition<'_, u32, u64> = TableDefinition::new("positions");
const PROJECTS: TableDefinition<'_, u32, u64> = TableDefinition::new("projects");
const SEGMENTS: TableDefinition<'_, u64, Bytes> = TableDefinition::new("segments");
const PERSONS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("persons");
const DISTINCT_IDS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("distinct_ids");
const PERSON_DISTINCT_IDS: TableDefinition<'_, Bytes, ()> = TableDefinition::new("person_distinct_ids");
const GROUPS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("groups");
const GROUP_TYPES: TableDefinition<'_, Bytes, &str> = TableDefinition::new("group_types");
const OVERRIDES: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("overrides");
const WITHDRAWN: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("withdrawn");
const VERDICTS: TableDefinition<'_, Bytes, i64> = TableDefinition::new("verdicts");
const TOTALS: TableDefinition<'_, Bytes, i64> = TableDefinition::new("verdict_totals");
const LETTERS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("dead_letters");
const SEEN: TableDefinition<'_, u64, Bytes> = TableDefinition::new("seen");
const ERASED: TableDefinition<'_, Bytes, ()> = TableDefinition::new("erased");

/// A manifest up to this size is written again whenever a store is opened, since the process before may have died after a failed sync; a larger one
/// only when this process met a failure: it would put off the start.
const WRITTEN_AGAIN_BYTES_MAX: u64 = 64 << 20;

/// Format that this program writes, and the newest that it reads. Format 1 had neither arrivals nor accounts, format 2 no withdrawn rows.
const FORMAT: u32 = 3;

/// How often it is tried to open the manifest again, before it stays closed until the next piece of work.
const HEAL_TRIES: usize = 3;

/// The manifest of an open store.
///
/// redb gives up on a database whose storage failed once (a full disk, say) until it is opened again; [`Manifest::heal`] does that.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// `None` while it cannot be opened again.
    db: RwLock<Option<Database>>,
    files: Arc<dyn Files>,
    cache_bytes: usize,
    path: PathBuf,
    /// Set by whoever meets a failure of the storage.
    failed: Arc<AtomicBool>,
    /// Opened again since the last view was made: older views cannot be read any more.
    reopened: AtomicBool,
    /// Number of the newest change that was tried; a change is written with its number, so that after a failure it is seen whether it was made.
    tried: AtomicU64,
    /// Numbers found in databases that were opened again.
    found: Mutex<Vec<u64>>,
    /// Whether the sums of the pages are written when the database is closed; not after a failure.
    keeps_sums: Mutex<Arc<AtomicBool>>,
}

/// A change that could not be made, or of which that is not known yet.
#[derive(Debug)]
pub(crate) struct NotApplied {
    pub(crate) error: CommitError,
    /// Number to ask [`Manifest::was_made`] about once the database is open again; `None`: it was not made.
    pub(crate) unknown: Option<u64>,
}

/// What a store needs of the manifest when it opens.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) shards: u16,
    pub(crate) next_segment: u64,
    pub(crate) seq: u64,
    pub(crate) segments: Vec<Descriptor>,
    pub(crate) positions: BTreeMap<PartitionId, JournalPosition>,
    pub(crate) seqs: FxHashMap<ProjectId, u64>,
    pub(crate) group_types: FxHashMap<ProjectId, Vec<String>>,
    pub(crate) overrides: FxHashMap<ProjectId, Vec<(PersonId, PersonId)>>,
    pub(crate) withdrawn: FxHashMap<ProjectId, Vec<(PersonId, Mark)>>,
    /// Under which the keys of events are made; random, as old as the store.
    pub(crate) seen_secret: u128,
    /// Newest arrival.
    pub(crate) seen_newest: Option<i64>,
    pub(crate) runs: Vec<RunDescriptor>,
    /// Bytes of all dead letters.
    pub(crate) letter_bytes: u64,
}

impl Manifest {
    /// Opens the manifest, or makes it for a store of `shards` shards.
    pub(crate) fn open(files: &Arc<dyn Files>, cache_bytes: usize, shards: u16) -> Result<(Self, Loaded), OpenError> {
        let path = files.path(MANIFEST);
        let is_new = refuse_lost(&**files, &path)?;
        let (db, keeps_sums) = open_database(files, cache_bytes, &path, WRITTEN_AGAIN_BYTES_MAX)?;
        check_format(&db, &path)?;
        if is_new {
            // Its name must be durable before that of any segment: segments without a manifest are a loss, not a beginning.
            files.sync_dir().map_err(|source| OpenError::Io { action: "sync the directory of", path: path.clone(), source })?;
        }
        prepare(&db, shards).map_err(|error| open_error(&path, error))?;
        let loaded = load(&db).map_err(|error| open_error(&path, error))?;
        let Some((loaded, changes)) = loaded else {
            return Err(OpenError::Damaged { path, what: "a record cannot be decoded".to_owned() });
        };
        keeps_sums.store(true, Ordering::SeqCst);
        let files = Arc::clone(files);
        let (failed, found, tried) = (Arc::default(), Mutex::default(), AtomicU64::new(changes));
        let (db, reopened) = (RwLock::new(Some(db)), AtomicBool::new(false));
        let keeps_sums = Mutex::new(keeps_sums);
        let manifest = Self { db, files, cache_bytes, path, failed, reopened, tried, found, keeps_sums };
        Ok((manifest, loaded))
    }

    /// The manifest as it is now.
    pub(crate) fn view(&self) -> Result<View, ReadError> {
        let db = self.db.read();
        let db = db.as_ref().ok_or_else(closed)?;
        let view = View::new(db, &self.failed).map_err(|error| ReadError::Manifest { what: error.to_string() })?;
        self.reopened.store(false, Ordering::SeqCst);
        Ok(view)
    }

    /// Makes a change durable.
    pub(crate) fn apply(&self, change: &Change<'_>) -> Result<(), NotApplied> {
        let number = self.tried.fetch_add(1, Ordering::SeqCst) + 1;
        let made = match self.db.read().as_ref() {
            Some(db) => change.apply(db, number).map_err(|error| error.to_string()),
            None => Err("it is closed after a failure".to_owned()),
        };
        let Err(what) = made else {
            return Ok(());
        };
        self.failed.store(true, Ordering::SeqCst);
        match self.heal() {
            Err(error) => Err(NotApplied { error, unknown: Some(number) }),
            Ok(()) if self.was_made(number) => Ok(()),
            Ok(()) => Err(NotApplied { error: CommitError::Manifest { what }, unknown: None }),
        }
    }

    /// Makes a change of the account durable.
    pub(crate) fn edit(&self, edit: &AccountEdit<'_>) -> Result<(), CommitError> {
        let made = match self.db.read().as_ref() {
            Some(db) => (|| -> Result<(), redb::Error> {
                let transaction = db.begin_write()?;
                edit.write(&transaction)?;
                Ok(transaction.commit()?)
            })()
            .map_err(|error| error.to_string()),
            None => Err("it is closed after a failure".to_owned()),
        };
        made.map_err(|what| {
            self.failed.store(true, Ordering::SeqCst);
            CommitError::Manifest { what }
        })
    }

    /// Whether a change that failed was made all the same. Known once the database is open again.
    pub(crate) fn was_made(&self, number: u64) -> bool {
        self.found.lock().contains(&number)
    }

    /// Whether the storage failed, so that it must be opened again ([`Manifest::heal`]).
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Whether views made earlier cannot be read any more.
    pub(crate) fn outdates_views(&self) -> bool {
        self.has_failed() || self.reopened.load(Ordering::SeqCst)
    }

    /// Opens the database again after a failure of its storage.
    pub(crate) fn heal(&self) -> Result<(), CommitError> {
        let mut place = self.db.write();
        self.keeps_sums.lock().store(false, Ordering::SeqCst);
        // The lock on the file goes with the old database, so it has to go first.
        *place = None;
        let open = || {
            let (db, keeps_sums) = open_database(&self.files, self.cache_bytes, &self.path, u64::MAX)?;
            let number = number_of_changes(&db).map_err(|error| open_error(&self.path, error))?;
            Ok::<_, OpenError>((db, keeps_sums, number))
        };
        // A disk that fails once may fail once more; until this succeeds nothing of the manifest can be looked up.
        let opened = (1..HEAL_TRIES).fold(open(), |opened, _| opened.or_else(|_| open()));
        let (db, keeps_sums, number) = opened.map_err(|error| CommitError::Manifest { what: error.to_string() })?;
        keeps_sums.store(true, Ordering::SeqCst);
        *self.keeps_sums.lock() = keeps_sums;
        self.found.lock().push(number);
        self.failed.store(false, Ordering::SeqCst);
        self.reopened.store(true, Ordering::SeqCst);
        *place = Some(db);
        Ok(())
    }
}

impl Manifest {
    /// Closes the database, in order. Look-ups fail from now on.
    pub(crate) fn close(&self) {
        *self.db.write() = None;
    }

    /// Copies the file as the last change left it; changes wait meanwhile. The copy is like what a crash leaves: opening it checks all of it.
    pub(crate) fn copy_to(&self, to: &Path) -> Result<(), CommitError> {
        const STEP_BYTES: u64 = 1 << 20;
        let _still = self.db.write();
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| CommitError::Io { action, path, source }
        };
        let mut copy = std::fs::File::create(to).map_err(io("create", to))?;
        let len = self.files.len(MANIFEST).map_err(io("read", &self.path))?;
        let mut at = 0;
        while at < len {
            let step = STEP_BYTES.min(len - at);
            let bytes = self.files.read(MANIFEST, at, step as usize).map_err(io("read", &self.path))?;
            copy.write_all(&bytes).map_err(io("write", to))?;
            at += step;
        }
        copy.sync_all().map_err(io("sync", to))
    }
}

fn closed() -> ReadError {
    ReadError::Manifest { what: "it is closed after a failure".to_owned() }
}

/// Whether the manifest is about to be made. Segments without one are not a new store: all of them would be taken for litter.
fn refuse_lost(files: &dyn Files, path: &Path) -> Result<bool, OpenError> {
    let io = |action| move |source| OpenError::Io { action, path: path.to_owned(), source };
    match files.len(MANIFEST) {
        Ok(len) if len > 0 => return Ok(false),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("open")(error)),
        _ => {}
    }
    let segments = files.list().map_err(io("list the directory of"))?.into_iter().filter(|name| is_file_name(name)).count();
    if segments == 0 {
        return Ok(true);
    }
    Err(OpenError::Damaged { path: path.to_owned(), what: format!("is missing, yet there are {segments} segments") })
}

/// The database, and the switch that makes it keep sums when it is closed.
fn open_database(
    files: &Arc<dyn Files>,
    cache_bytes: usize,
    path: &Path,
    written_again_max: u64,
) -> Result<(Database, Arc<AtomicBool>), OpenError> {
    let io = |action| move |source| OpenError::Io { action, path: path.to_owned(), source };
    let (storage, is_known) = Checked::open(files, path)?;
    let len = storage.len().map_err(io("open"))?;
    // What was closed in order was synced without failure.
    if !is_known && len <= written_again_max {
        write_again(&storage, len).map_err(io("write again"))?;
    }
    let keeps_sums = storage.keeps_sums();
    let mut builder = Database::builder();
    // Without sums the database checks every page by its own tree of checksums, once; from then on the sums are known.
    let opened = builder.set_cache_size(cache_bytes).set_check_integrity_on_open(!is_known).create_with_backend(storage);
    opened.map(|db| (db, keeps_sums)).map_err(|error| open_error(path, error.into()))
}

/// Writes every byte once more and syncs. After a failed sync the system shows pages that it has given up on as if they were on the disk, and no later
/// sync writes them: what is read and built upon must be made durable first.
fn write_again(backend: &dyn StorageBackend, len: u64) -> std::io::Result<()> {
    const STEP: u64 = 1 << 20;
    let (mut buffer, mut again) = (Vec::new(), Vec::new());
    for at in (0..len).step_by(STEP as usize) {
        let bytes = usize::try_from(STEP.min(len - at)).unwrap_or_default();
        buffer.resize(bytes, 0);
        again.resize(bytes, 0);
        backend.read(at, &mut buffer)?;
        backend.read(at, &mut again)?;
        // A read that went wrong must not be made lasting.
        if buffer != again {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        // A page of zeros is one that the database has reserved and never filled, often a hole of the file: on a full disk there is no room to fill it.
        let is_filled = |page: &[u8]| page.iter().any(|byte| *byte != 0);
        let mut offset = at;
        for run in buffer.chunks(PAGE_BYTES).collect::<Vec<_>>().chunk_by(|a, b| is_filled(a) == is_filled(b)) {
            let bytes = run.concat();
            if run.first().is_some_and(|page| is_filled(page)) {
                backend.write(offset, &bytes)?;
            }
            offset += bytes.len() as u64;
        }
    }
    if len == 0 {
        return Ok(());
    }
    // The length is made durable with the rest: the database refuses a file that is shorter than its header says.
    backend.set_len(len)?;
    backend.sync_data()
}

fn number_of_changes(db: &Database) -> Result<u64, redb::Error> {
    Ok(db.begin_read()?.open_table(META)?.get("changes")?.map_or(0, |value| value.value()))
}

fn check_format(db: &Database, path: &Path) -> Result<(), OpenError> {
    let format = || -> Result<Option<u64>, redb::Error> {
        match db.begin_read()?.open_table(META) {
            Ok(meta) => Ok(meta.get("format")?.map(|value| value.value())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    match format().map_err(|error| open_error(path, error))? {
        Some(found) if found > u64::from(FORMAT) => {
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            Err(OpenError::Version { path: path.to_owned(), found, expected: FORMAT })
        }
        _ => Ok(()),
    }
}

/// Makes the tables of a new manifest, and what one of an older format does not have.
fn prepare(db: &Database, shards: u16) -> Result<(), redb::Error> {
    let read = db.begin_read()?;
    if read.open_table(LETTERS).is_ok() && read.open_table(WITHDRAWN).is_ok() && read.open_table(ERASED).is_ok() {
        return Ok(());
    }
    drop(read);
    let change = db.begin_write()?;
    {
        let mut meta = change.open_table(META)?;
        meta.insert("format", u64::from(FORMAT))?;
        if meta.get("shards")?.is_none() {
            meta.insert("shards", u64::from(shards.max(1)))?;
        }
        if meta.get("seen_secret_low")?.is_none() {
            let (high, low) = Uuid::new_v4().as_u64_pair();
            meta.insert("seen_secret_high", high)?;
            meta.insert("seen_secret_low", low)?;
        }
        change.open_table(POSITIONS)?;
        change.open_table(PROJECTS)?;
        change.open_table(SEGMENTS)?;
        change.open_table(PERSONS)?;
        change.open_table(DISTINCT_IDS)?;
        change.open_table(PERSON_DISTINCT_IDS)?;
        change.open_table(GROUPS)?;
        change.open_table(GROUP_TYPES)?;
        change.open_table(OVERRIDES)?;
        change.open_table(WITHDRAWN)?;
        change.open_table(SEEN)?;
        change.open_table(ERASED)?;
        change.open_table(VERDICTS)?;
        change.open_table(TOTALS)?;
        change.open_table(LETTERS)?;
    }
    change.commit()?;
    Ok(())
}

/// What the manifest holds and the number of its newest change; `None` when a record is not what this format says.
fn load(db: &Database) -> Result<Option<(Loaded, u64)>, redb::Error> {
    let read = db.begin_read()?;
    let meta = read.open_table(META)?;
    let number = |name: &str| -> Result<u64, redb::Error> { Ok(meta.get(name)?.map_or(0, |value| value.value())) };
    let Ok(shards) = u16::try_from(number("shards")?) else {
        return Ok(None);
    };
    let mut loaded = Loaded { shards, next_segment: number("next_segment")?, seq: number("seq")?, ..Loaded::default() };
    loaded.seen_secret = (u128::from(number("seen_secret_high")?) << 64) | u128::from(number("seen_secret_low")?);
    loaded.letter_bytes = number(account::LETTER_BYTES)?;
    for entry in read.open_table(SEGMENTS)?.iter()? {
        match Descriptor::decode(entry?.1.value()) {
            Some(descriptor) => loaded.segments.push(descriptor),
            None => return Ok(None),
        }
    }
    loaded.seen_newest = meta.get("seen_newest")?.map(|newest| newest.value().cast_signed());
    for entry in read.open_table(SEEN)?.iter()? {
        match RunDescriptor::decode(entry?.1.value()) {
            Some(run) => loaded.runs.push(run),
            None => return Ok(None),
        }
    }
    for entry in read.open_table(POSITIONS)?.iter()? {
        let (partition, position) = entry?;
        loaded.positions.insert(PartitionId(partition.value()), JournalPosition(position.value()));
    }
    for entry in read.open_table(PROJECTS)?.iter()? {
        let (project, seq) = entry?;
        loaded.seqs.insert(ProjectId(project.value()), seq.value());
    }
    for entry in read.open_table(GROUP_TYPES)?.iter()? {
        let (key, name) = entry?;
        let Some((project, _)) = records::split_project(key.value()) else {
            return Ok(None);
        };
        loaded.group_types.entry(project).or_default().push(name.value().to_owned());
    }
    for entry in read.open_table(OVERRIDES)?.iter()? {
        let (from, to) = entry?;
        let Some((project, from, to)) = records::decode_override(from.value(), to.value()) else {
            return Ok(None);
        };
        loaded.overrides.entry(project).or_default().push((from, to));
    }
    for entry in read.open_table(WITHDRAWN)?.iter()? {
        let (key, mark) = entry?;
        let Some((project, person, mark)) = records::decode_mark(key.value(), mark.value()) else {
            return Ok(None);
        };
        loaded.withdrawn.entry(project).or_default().push((person, mark));
    }
    let changes = number("changes")?;
    Ok(Some((loaded, changes)))
}

fn open_error(path: &Path, error: redb::Error) -> OpenError {
    match error {
        redb::Error::DatabaseAlreadyOpen => OpenError::InUse { path: path.to_owned() },
        redb::Error::Io(source) if source.kind() == std::io::ErrorKind::InvalidData => {
            OpenError::Damaged { path: path.to_owned(), what: source.to_string() }
        }
        redb::Error::Io(source) => OpenError::Io { action: "open", path: path.to_owned(), source },
        other => OpenError::Damaged { path: path.to_owned(), what: other.to_string() },
    }
}
