//! `aqueduct check`: looks at every byte of the data of a stopped server, says what is wrong with file and range, and mends what can be mended.

use crate::cli::CheckArgs;
use crate::config::Config;
use crate::data::{self, DataPaths, Found};
use crate::error::Fatal;
use crate::runtime;
use aqueduct_event::SystemClock;
use aqueduct_journal::{RealDisk, RepairError};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Checks, and repairs if asked to.
pub(crate) fn run(arguments: &CheckArgs) -> Result<(), Fatal> {
    let config = Config::load(&arguments.data.as_serve())?;
    data::must_exist(&config.data_dir)?;
    let shown = config.data_dir.display();
    let Some(_lock) = data::lock(&config.data_dir)? else {
        let remedy = "stop it first; while it runs `aqueduct backup` checks all of a copy";
        return Err(Fatal::failure(&format!("cannot check {shown}"), "a server uses it", remedy));
    };
    let paths = DataPaths::of(&config);
    let runtime = runtime("work", 0)?;
    let mut found = runtime.block_on(data::inspect(&paths))?;
    print(&report(&found));
    if !found.is_sound() && arguments.repair {
        repair(&paths, &found, arguments.accept_loss)?;
        found = runtime.block_on(data::inspect(&paths))?;
        print(&report(&found));
    }
    if found.is_sound() {
        return Ok(());
    }
    let damaged = found.files().filter(|file| !file.is_sound()).count();
    let remedy = if arguments.repair {
        "what is left cannot be made again: restore a backup"
    } else {
        "`aqueduct check --repair` mends what can be mended; for the rest restore a backup"
    };
    let what = if damaged > 0 { format!("{damaged} files are damaged") } else { "journal and store do not belong together".to_owned() };
    Err(Fatal::failure(&format!("{shown} is not sound"), what, remedy))
}

/// One line for each file, faults below it.
fn report(found: &Found) -> String {
    let mut text = String::new();
    let (mut files, mut damaged) = (0, 0);
    for file in found.files() {
        files += 1;
        damaged += usize::from(!file.is_sound());
        let word = if file.is_sound() { "ok     " } else { "DAMAGED" };
        let _ = writeln!(text, "{word} {}  {} bytes  {}", file.path.display(), file.bytes, file.holds);
        for fault in &file.faults {
            let _ = writeln!(text, "        {fault}");
        }
    }
    if let Some(mismatch) = found.mismatch() {
        let _ = writeln!(text, "DAMAGED {mismatch}");
    }
    let store = &found.store;
    let _ = writeln!(
        text,
        "{files} files, {damaged} damaged; {} rows in {} segments, {} persons, {} records in the journal",
        store.rows,
        store.segments.len(),
        store.persons,
        found.journal.records
    );
    text
}

fn print(text: &str) {
    // A reader that has gone (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn repair(paths: &DataPaths, found: &Found, accept_loss: bool) -> Result<(), Fatal> {
    for file in found.files().filter(|file| !file.is_sound()) {
        let is_sums = file.path.extension().is_some_and(|ending| ending == "sums");
        // Without sums the file itself is what counts; whether it is read then is decided by its own checks.
        let is_summed = sums_of(file.path.clone()).exists();
        // Notes of traces: the other files have theirs.
        if file.path.parent() == Some(&*paths.trace) {
            remove(&file.path)?;
            continue;
        }
        let sums = if is_sums { Some(file.path.clone()) } else { (is_summed && accept_loss).then(|| sums_of(file.path.clone())) };
        if let Some(sums) = sums {
            remove(&sums)?;
        }
    }
    if found.journal.is_sound() || !found.store.is_readable {
        return Ok(());
    }
    let failed = |why: &dyn std::fmt::Display, remedy| Fatal::failure("cannot repair the journal", why, remedy);
    std::fs::create_dir_all(&paths.journal).map_err(|source| failed(&source, "check the rights"))?;
    let confirmed = found.store.position(crate::wire::LOCAL);
    match aqueduct_journal::repair(&RealDisk, &paths.journal, &SystemClock, confirmed, accept_loss) {
        Ok(done) => {
            for aside in &done.aside {
                print(&format!("kept the damaged file as {}\n", aside.display()));
            }
            for lost in &done.lost {
                let end = if lost.end == u64::MAX { "the end".to_owned() } else { (lost.end - 1).to_string() };
                print(&format!("LOST    journal records from position {} to {end}\n", lost.start));
            }
            Ok(())
        }
        Err(error @ RepairError::WouldLose { .. }) => {
            Err(failed(&error, "restore a backup, or go on without them with --repair --accept-loss"))
        }
        Err(error) => Err(failed(&error, "check the disk")),
    }
}

fn remove(path: &Path) -> Result<(), Fatal> {
    let removed = std::fs::remove_file(path);
    removed.map_err(|source| Fatal::failure(&format!("cannot remove {}", path.display()), source, "check the rights"))?;
    print(&format!("removed {}\n", path.display()));
    Ok(())
}

fn sums_of(path: PathBuf) -> PathBuf {
    let mut name = path.into_os_string();
    name.push(".sums");
    name.into()
}
