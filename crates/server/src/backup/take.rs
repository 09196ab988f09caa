//! `aqueduct backup DIR`: a checked copy of everything, of a running or of a stopped server.
//!
//! # Invariants
//! - Every event that was acknowledged before the call is in it.
//! - What is damaged is not backed up: the backup before stays.

use super::list::{Counts, List, Listed};
use super::{copy, names, pin};
use crate::cli::BackupArgs;
use crate::config::Config;
use crate::data::{self, CATALOG, DataPaths};
use crate::error::Fatal;
use crate::ledger;
use crate::runtime;
use aqueduct_event::{Clock, SystemClock};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Takes a backup.
pub(crate) fn run(arguments: &BackupArgs) -> Result<(), Fatal> {
    let config = Config::load(&arguments.data.as_serve())?;
    data::must_exist(&config.data_dir)?;
    let target = &arguments.dir;
    let before = prepare(target)?;
    let runtime = runtime("work", 0)?;
    let lock = data::lock(&config.data_dir)?;
    let pinned = if lock.is_some() { None } else { Some(runtime.block_on(pin::ask(&config.data_dir))?) };
    let paths = pinned.as_ref().map_or_else(|| DataPaths::of(&config), |pinned| DataPaths::under(pinned.dir()));
    let found = runtime.block_on(data::inspect(&paths))?;
    if let Some(fault) = found.first_loss() {
        let remedy = "`aqueduct check` of the stopped server says more; the backup before is kept";
        return Err(Fatal::failure("cannot back up what is damaged", fault, remedy));
    }
    let number = before.as_ref().map_or(1, |before| before.number + 1);
    let mut list = List::new(number, SystemClock.now().to_rfc3339(), Counts::of(&found));
    let known: HashSet<&str> = before.iter().flat_map(|before| &before.files).map(|file| file.path.as_str()).collect();
    let reused = copy_segments(&paths, target, &found.store.segments, &known, &mut list)?;
    copy_state(&paths, target, &mut list)?;
    list.write(target)?;
    remove_old(target, &list);
    let counts = &list.counts;
    // A reader that has gone is no failure.
    let _ = std::io::Write::write_all(
        &mut std::io::stdout(),
        format!(
            "backup {number} in {}: {} rows in {} segments ({reused} were there already), {} persons, {} journal records up to position {}\n",
            target.display(), counts.rows, counts.segments, counts.persons, counts.journal_records, counts.journal_end
        )
        .as_bytes(),
    );
    Ok(())
}

/// Makes the directory; answers the list of the backup that it holds.
fn prepare(target: &Path) -> Result<Option<List>, Fatal> {
    let shown = target.display();
    let failed = |source: std::io::Error| Fatal::failure(&format!("cannot use {shown} for a backup"), source, "choose another directory");
    fs::create_dir_all(target).map_err(failed)?;
    let before = List::read(target)?;
    // What an interrupted backup has left is ours.
    let is_ours = |name: &str| name == "segments" || name.starts_with("state-") || name.starts_with("backup.json");
    for entry in fs::read_dir(target).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !name.to_str().is_some_and(is_ours) {
            let why = format!("it holds {}, which is of no backup", name.display());
            return Err(Fatal::failure(&format!("cannot use {shown} for a backup"), why, "choose another directory"));
        }
    }
    Ok(before)
}

/// Answers how many were there already.
fn copy_segments(
    paths: &DataPaths,
    target: &Path,
    segments: &[(String, u64, u32)],
    known: &HashSet<&str>,
    list: &mut List,
) -> Result<usize, Fatal> {
    let mut reused = 0;
    for (name, bytes, crc32c) in segments {
        let path = format!("segments/{}-{crc32c:08x}.parquet", name.trim_end_matches(".parquet"));
        let to = target.join(&path);
        if known.contains(path.as_str()) && fs::metadata(&to).is_ok_and(|there| there.len() == *bytes) {
            reused += 1;
        } else {
            let from = paths.store.join(name);
            expect_copy(&from, copy(&from, &to)?, (*bytes, *crc32c))?;
        }
        list.files.push(Listed { path, target: format!("store/{name}"), bytes: *bytes, crc32c: *crc32c });
    }
    Ok(reused)
}

fn expect_copy(from: &Path, found: (u64, u32), expected: (u64, u32)) -> Result<(), Fatal> {
    if found == expected {
        return Ok(());
    }
    let why = format!("found {} bytes with checksum {:08x}, expected {} with {:08x}", found.0, found.1, expected.0, expected.1);
    Err(Fatal::failure(&format!("{} changed while it was copied", from.display()), why, "check the disk and take the backup again"))
}

/// A directory, what its files are listed under, and which of them are wanted.
type Part<'a> = (&'a Path, &'static str, &'a dyn Fn(&str) -> bool);

/// Everything but segments.
fn copy_state(paths: &DataPaths, target: &Path, list: &mut List) -> Result<(), Fatal> {
    let state = format!("state-{:06}", list.number);
    // An interrupted backup may have left some of it.
    let _ = fs::remove_dir_all(target.join(&state));
    let catalog_dir = paths.catalog.parent().unwrap_or(Path::new("."));
    let is_catalog = |name: &str| name == CATALOG || name == "catalog.sqlite-wal";
    let ledger_dir = paths.ledger.parent().unwrap_or(Path::new("."));
    let parts: [Part<'_>; 5] = [
        (&paths.journal, "journal/", &|name| name.ends_with(".journal")),
        (&paths.trace, "trace/", &|_| true),
        (catalog_dir, "", &is_catalog),
        (ledger_dir, "", &|name| name == ledger::FILE),
        // Sums go with the file on the disk where they were made; a restored one is checked in full.
        (&paths.store, "store/", &|name| !name.ends_with(".parquet") && !name.ends_with(".sums")),
    ];
    for (dir, part, is_wanted) in parts {
        let there = names(dir).map_err(|source| Fatal::failure(&format!("cannot list {}", dir.display()), source, "check the rights"))?;
        for name in there.into_iter().filter(|name| is_wanted(name)) {
            let (path, to) = (format!("{state}/{part}{name}"), format!("{part}{name}"));
            let (bytes, crc32c) = copy(&dir.join(&name), &target.join(&path))?;
            list.files.push(Listed { path, target: to, bytes, crc32c });
        }
    }
    Ok(())
}

/// Removes what only older backups name. What cannot be removed now goes with the next backup.
fn remove_old(target: &Path, list: &List) {
    let named: HashSet<&str> = list.files.iter().map(|file| file.path.as_str()).collect();
    for name in names(&target.join("segments")).unwrap_or_default() {
        if !named.contains(format!("segments/{name}").as_str()) {
            let _ = fs::remove_file(target.join("segments").join(name));
        }
    }
    let state = format!("state-{:06}", list.number);
    for entry in fs::read_dir(target).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("state-") && name != state) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
