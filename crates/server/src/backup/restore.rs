//! `aqueduct restore DIR`: a backup becomes a data directory again.
//!
//! # Invariants
//! - Nothing that is there is touched: the target is empty.
//! - The store's manifest comes last: what an interrupted restore has left does not start.

use super::copy;
use super::list::{Counts, List};
use crate::cli::RestoreArgs;
use crate::config::Config;
use crate::data::{self, CATALOG, DataPaths};
use crate::error::Fatal;
use crate::ledger;
use crate::runtime;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Restores, and checks what was restored.
pub(crate) fn run(arguments: &RestoreArgs) -> Result<(), Fatal> {
    let config = Config::load(&arguments.data.as_serve())?;
    let Some(mut list) = List::read(&arguments.dir)? else {
        let what = format!("cannot restore {}", arguments.dir.display());
        return Err(Fatal::failure(&what, "there is no backup.json in it", "name the directory that `aqueduct backup` wrote"));
    };
    let paths = DataPaths::of(&config);
    for dir in [&config.data_dir, &paths.store, &paths.journal, &paths.trace] {
        must_be_empty(dir)?;
    }
    let Some(_lock) = data::lock(&config.data_dir)? else {
        return Err(Fatal::failure(
            &format!("cannot restore to {}", config.data_dir.display()),
            "a server uses it",
            "choose another --data-dir",
        ));
    };
    list.files.sort_by_key(|file| file.target.starts_with("store/") && file.target.ends_with(".redb"));
    for file in &list.files {
        let to = place(&paths, &file.target)?;
        let found = copy(&arguments.dir.join(&file.path), &to)?;
        if found != (file.bytes, file.crc32c) {
            let why = format!("found {} bytes with checksum {:08x}, expected {} with {:08x}", found.0, found.1, file.bytes, file.crc32c);
            let remedy = "take another backup; what was restored until here is not complete, remove it";
            return Err(Fatal::failure(&format!("{} of the backup is damaged", file.path), why, remedy));
        }
    }
    let synced =
        [&config.data_dir, &paths.store, &paths.journal].into_iter().filter(|dir| dir.is_dir()).try_for_each(|dir| super::sync_dirs(dir));
    synced.map_err(|source| Fatal::failure("cannot sync what was restored", source, "check the disk"))?;
    let found = runtime("work", 0)?.block_on(data::inspect(&paths))?;
    if let Some(fault) = found.first_loss() {
        return Err(Fatal::failure("what was restored is not sound", fault, "take another backup"));
    }
    let counts = Counts::of(&found);
    if counts != list.counts {
        return Err(Fatal::failure(
            "what was restored is not complete",
            format!("found {counts:?}, expected {:?}", list.counts),
            "take another backup",
        ));
    }
    let text = format!(
        "restored backup {} of {} to {}: {} rows in {} segments, {} persons, {} journal records; all verified\n",
        list.number,
        list.made_at,
        config.data_dir.display(),
        counts.rows,
        counts.segments,
        counts.persons,
        counts.journal_records
    );
    // A reader that has gone is no failure.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    Ok(())
}

fn must_be_empty(dir: &Path) -> Result<(), Fatal> {
    let what = format!("cannot restore to {}", dir.display());
    let mut entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Fatal::failure(&what, error, "choose another --data-dir"))?,
    };
    if entries.next().is_none() {
        return Ok(());
    }
    Err(Fatal::failure(&what, "it is not empty", "choose a new directory with --data-dir; nothing is replaced"))
}

/// Where a file goes. The list is ours, but a name must not lead elsewhere, whoever wrote it.
fn place(paths: &DataPaths, target: &str) -> Result<PathBuf, Fatal> {
    let (dir, name) = match target.split_once('/') {
        Some(("store", name)) => (paths.store.as_path(), name),
        Some(("journal", name)) => (paths.journal.as_path(), name),
        Some(("trace", name)) => (paths.trace.as_path(), name),
        None if target == ledger::FILE => (paths.ledger.parent().unwrap_or(Path::new(".")), target),
        None if target.starts_with(CATALOG) => (paths.catalog.parent().unwrap_or(Path::new(".")), target),
        _ => (Path::new(""), ""),
    };
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(_)), None) => Ok(dir.join(name)),
        _ => {
            Err(Fatal::failure("the list of the backup is not understood", format!("it has a file for {target:?}"), "take another backup"))
        }
    }
}
