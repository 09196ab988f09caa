//! Two files of JSON lines: the present one and the one before. When the present one is full it takes the place of the one before.
//!
//! A line that was cut off by a crash is passed over; the next one begins on a line of its own.

use super::LogEntry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of the query log.
#[derive(Debug)]
pub(crate) struct LogFiles {
    present: PathBuf,
    before: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl LogFiles {
    /// Opens or makes the files in a folder; both together take `bytes_max`, about.
    ///
    /// # Errors
    /// That of the file system.
    pub(crate) fn open(dir: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let (present, before) = (dir.join("queries.ndjson"), dir.join("queries.1.ndjson"));
        let mut file = append_to(&present)?;
        let bytes = file.metadata()?.len();
        if bytes > 0 {
            file.write_all(b"\n")?;
        }
        Ok(Self { present, before, file, bytes, bytes_max: bytes_max / 2 })
    }

    /// All entries, the oldest first. What cannot be read is passed over.
    pub(super) fn read(&mut self) -> Vec<LogEntry> {
        let texts = [&self.before, &self.present].map(|path| fs::read(path).unwrap_or_default());
        let lines = texts.iter().flat_map(|text| text.split(|byte| *byte == b'\n'));
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Writes entries behind those that are there.
    pub(super) fn append(&mut self, entries: &[Arc<LogEntry>]) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, &**entry)?;
            text.push(b'\n');
        }
        if self.bytes > 0 && self.bytes + text.len() as u64 > self.bytes_max {
            fs::rename(&self.present, &self.before)?;
            self.file = append_to(&self.present)?;
            self.bytes = 0;
        }
        self.file.write_all(&text)?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    #[test]
    fn a_torn_line_loses_itself_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut files = LogFiles::open(dir.path(), 1 << 20).expect("opens");
        files.append(&[Arc::new(entry(1, "a"))]).expect("written");
        files.file.write_all(br#"{"project":1,"query_"#).expect("torn");
        drop(files);
        let mut files = LogFiles::open(dir.path(), 1 << 20).expect("opens");
        files.append(&[Arc::new(entry(1, "b"))]).expect("written");
        let ids: Vec<String> = files.read().into_iter().map(|entry| entry.query_id).collect();
        assert_eq!(ids, ["a", "b"]);
    }
}
