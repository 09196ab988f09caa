//! The disk by itself, so that a figure of the server can be held against it; and how much lies on it.

use crate::stats::{Durations, Percentiles};
use anyhow::Context;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// One batch of 100 events as the journal keeps it, about.
pub(crate) const SYNC_BYTES: usize = 70_000;
const SYNCS: usize = 300;

/// A new directory for one run, removed when dropped; below `parent`, else in the system's place for temporary files.
pub(crate) fn scratch(parent: Option<&Path>) -> anyhow::Result<TempDir> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    let made = tempfile::Builder::new().prefix("aqueduct-bench-").tempdir_in(&parent);
    made.with_context(|| format!("cannot make a directory in {}", parent.display()))
}

/// Time of a write of [`SYNC_BYTES`] with its fdatasync, in a new file in `dir`.
pub(crate) fn measure_sync(dir: &Path) -> std::io::Result<Percentiles> {
    let mut file = tempfile::tempfile_in(dir)?;
    let bytes = vec![0x5A; SYNC_BYTES];
    let mut durations = Durations::default();
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        durations.push(started.elapsed());
    }
    Ok(durations.percentiles().unwrap_or_default())
}

/// Bytes on the disk by the first level below `dir`; what lies in `dir` itself counts by its file name.
pub(crate) fn used_bytes(dir: &Path) -> std::io::Result<BTreeMap<String, u64>> {
    let mut used = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        used.insert(entry.file_name().to_string_lossy().into_owned(), tree_bytes(&entry.path()));
    }
    Ok(used)
}

/// Files come and go while the server works; one that is gone counts nothing.
fn tree_bytes(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.blocks() * 512;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| tree_bytes(&entry.path())).sum()
}

/// Bytes of the files in `dir` by the ends of their names.
pub(crate) fn bytes_by_extension(dir: &Path) -> std::io::Result<BTreeMap<String, u64>> {
    let mut bytes = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let extension = path.extension().map_or_else(String::new, |extension| extension.to_string_lossy().into_owned());
        *bytes.entry(extension).or_default() += tree_bytes(&path);
    }
    Ok(bytes)
}

/// Waits until nothing has changed in `dir` for `quiet`, at most `patience`.
pub(crate) fn wait_until_quiet(dir: &Path, quiet: Duration, patience: Duration) -> std::io::Result<BTreeMap<String, u64>> {
    let started = Instant::now();
    let (mut last, mut since) = (used_bytes(dir)?, Instant::now());
    while since.elapsed() < quiet && started.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(200));
        let now = used_bytes(dir)?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_lies_below_and_measures_syncs() {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir_all(dir.path().join("store/deep")).expect("directory");
        fs::write(dir.path().join("store/deep/a"), vec![1; 10_000]).expect("file");
        fs::write(dir.path().join("lone"), vec![1; 5_000]).expect("file");
        let used = wait_until_quiet(dir.path(), Duration::from_millis(1), Duration::from_secs(1)).expect("sizes");
        assert_eq!(used.keys().collect::<Vec<_>>(), ["lone", "store"]);
        assert!(used["store"] >= 10_000 && used["lone"] >= 5_000);
        fs::write(dir.path().join("b.x"), vec![1; 5_000]).expect("file");
        assert!(bytes_by_extension(dir.path()).expect("sizes")["x"] >= 5_000);
        assert_eq!(measure_sync(dir.path()).expect("syncs").count, SYNCS);
    }
}
