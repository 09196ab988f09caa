//! Open: read the manifest, check that its segments are there, remove files that it does not name.

use super::EmbeddedStore;
use super::flush::Persisted;
use super::overrides::Overrides;
use super::rest::Came;
use super::state::{Base, Generation, State};
use super::tables::Tables;
use super::withdrawn::{Withdrawn, WithdrawnByProject};
use crate::cache::ColumnCache;
use crate::config::StoreConfig;
use crate::files::{DirFiles, Files};
use crate::manifest::{Loaded, Manifest};
use crate::seen::{RunDescriptor, SeenIndex, SeenRule, run};
use crate::segment::descriptor::is_file_name;
use crate::segment::{Descriptor, Segment};
use crate::{OpenError, ReadError, metrics};
use aqueduct_event::Clock;
use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

/// Fresh rows never take more, whatever the config says: a dictionary must stay below 2 GiB.
const MEMORY_BYTES_MAX: usize = 1 << 30;

impl EmbeddedStore {
    /// Opens the store in `config.dir`, or makes it.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be used, was written by a newer program, or is damaged.
    pub fn open(config: StoreConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let files = DirFiles::open(&config.dir).map_err(|source| OpenError::Io { action: "create", path: config.dir.clone(), source })?;
        Self::open_with(config, clock, Arc::new(files))
    }

    /// The same over other files; `config.dir` is not looked at.
    ///
    /// # Errors
    /// As for [`EmbeddedStore::open`].
    pub fn open_with(config: StoreConfig, clock: Arc<dyn Clock>, files: Arc<dyn Files>) -> Result<Self, OpenError> {
        metrics::describe();
        let (manifest, loaded) = Manifest::open(&files, config.manifest_cache_bytes, config.shards)?;
        check_files(&*files, &loaded.segments)?;
        let view = manifest.view().map_err(open_error)?;
        if loaded.shards != config.shards {
            tracing::info!(
                made_with = loaded.shards,
                configured = config.shards,
                "a store keeps the number of shards that it was made with"
            );
        }
        let Loaded {
            shards,
            next_segment,
            seq,
            segments,
            positions,
            seqs,
            group_types,
            overrides,
            withdrawn,
            seen_secret,
            seen_newest,
            runs,
            letter_bytes,
        } = loaded;
        remove_unnamed_runs(&*files, &runs)?;
        let rule = SeenRule::new(seen_secret, Duration::from_millis(config.dedup_window_ms));
        let (seen, damage) = SeenIndex::open(rule, &files, config.dedup_memory_bytes_max, seen_newest, runs);
        let segments = segments.into_iter().map(|descriptor| Arc::new(Segment::new(descriptor, Arc::clone(&files)))).collect();
        let overrides = overrides.into_iter().map(|(project, steps)| (project, Arc::new(steps.into_iter().collect::<Overrides>())));
        let overrides = Arc::new(overrides.collect());
        let withdrawn = withdrawn.into_iter().map(|(project, marks)| (project, Arc::new(marks.into_iter().collect::<Withdrawn>())));
        let withdrawn: WithdrawnByProject = Arc::new(withdrawn.collect());
        let (seqs, positions) = (Arc::new(seqs), Arc::new(positions));
        let (records_changed, recent) = (Arc::clone(&seqs), Vec::new());
        let view = Arc::new(view);
        let base = Base {
            segments,
            view,
            seqs,
            positions,
            overrides: Arc::clone(&overrides),
            withdrawn: Arc::clone(&withdrawn),
            seq,
            records_changed,
            recent,
        };
        let group_types = Arc::new(group_types.into_iter().map(|(project, names)| (project, Arc::new(names))).collect());
        let persisted = Persisted {
            overrides: Arc::clone(&overrides),
            group_types: Arc::clone(&group_types),
            withdrawn: Arc::clone(&withdrawn),
            pending: None,
        };
        let (base, active) = (Arc::new(base), Generation::default());
        let state = State { base, frozen: None, active, overrides, group_types, withdrawn, seq, letter_bytes };
        let config = StoreConfig { memory_bytes_max: config.memory_bytes_max.min(MEMORY_BYTES_MAX), ..config };
        let store = Self {
            cache: Arc::new(ColumnCache::new(config.cache_bytes())),
            tables: Arc::new(Tables::new(usize::try_from(config.cache_bytes()).unwrap_or(usize::MAX))),
            seen,
            config,
            clock,
            files,
            manifest,
            shards,
            next_segment: AtomicU64::new(next_segment),
            state: ArcSwap::from_pointee(state),
            writer: Mutex::new(()),
            room: Condvar::new(),
            flushing: Mutex::new(persisted),
            merging: Mutex::default(),
            compacting: Mutex::default(),
            tending_seen: Mutex::default(),
            garbage: Mutex::default(),
            overrides_to_check: AtomicBool::new(true),
            withdrawn_to_check: AtomicBool::new(true),
            came: Came::default(),
        };
        match damage {
            Some(damage) => store.mend_seen(damage).map(|()| store),
            None => Ok(store),
        }
    }

    /// Makes the index of arrivals again. Where that cannot be, the damage that made it necessary is the answer.
    fn mend_seen(&self, damage: ReadError) -> Result<(), OpenError> {
        let ReadError::Damaged { path, what } = damage else {
            return Err(open_error(damage));
        };
        tracing::warn!(path = %path.display(), what, "an index of arrivals is damaged");
        let made = self.rebuild_seen(&mut self.tending_seen.lock());
        made.map_err(|error| OpenError::Damaged { path, what: format!("{what}; it cannot be made again from the rows: {error}") })
    }
}

/// Runs that no manifest names were left by a crash.
fn remove_unnamed_runs(files: &dyn Files, named: &[RunDescriptor]) -> Result<(), OpenError> {
    let io = |action, name: &str, source| OpenError::Io { action, path: files.path(name), source };
    for name in files.list().map_err(|source| io("list", "", source))? {
        if run::is_file_name(&name) && !named.iter().any(|run| run.file() == name) {
            tracing::info!(file = name, "removing a run of arrivals that no manifest names");
            files.remove(&name).map_err(|source| io("remove", &name, source))?;
        }
    }
    Ok(())
}

fn open_error(error: ReadError) -> OpenError {
    match error {
        ReadError::Io { path, source } => OpenError::Io { action: "read", path, source },
        ReadError::Damaged { path, what } => OpenError::Damaged { path, what },
        ReadError::Manifest { what } => OpenError::Damaged { path: crate::files::MANIFEST.into(), what },
    }
}

/// Every segment of the manifest must be there with its length; what else is there was left by a crash.
fn check_files(files: &dyn Files, segments: &[Descriptor]) -> Result<(), OpenError> {
    let mut named = HashSet::new();
    for descriptor in segments {
        let name = descriptor.file();
        let path = files.path(&name);
        match files.len(&name) {
            Ok(len) if len == descriptor.bytes => {}
            Ok(len) => return Err(OpenError::Damaged { path, what: format!("has {len} bytes, expected {}", descriptor.bytes) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::Damaged { path, what: "is missing".to_owned() });
            }
            Err(source) => return Err(OpenError::Io { action: "open", path, source }),
        }
        named.insert(name);
    }
    let io = |action, name: &str, source| OpenError::Io { action, path: files.path(name), source };
    for name in files.list().map_err(|source| io("list", "", source))? {
        // Only files of our own naming: what an operator puts beside them is none of our business.
        if is_file_name(&name) && !named.contains(&name) {
            tracing::info!(file = name, "removing a segment that no manifest names");
            files.remove(&name).map_err(|source| io("remove", &name, source))?;
        }
    }
    Ok(())
}
