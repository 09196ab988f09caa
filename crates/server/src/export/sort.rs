//! Puts lines of events into the order of time. More than a budget of them goes through sorted runs in temporary files, which are merged.

use crate::error::Fatal;
use aqueduct_event::timestamp;
use serde::Deserialize;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Runs are read once: light compression saves room and costs no time.
const LEVEL: i32 = 1;

/// What the order goes by.
type Key = (i64, Uuid);

#[derive(Deserialize)]
struct Line<'a> {
    uuid: Uuid,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
}

/// Takes lines in any order.
pub(super) struct Sorter {
    dir: PathBuf,
    bytes_max: usize,
    text: Vec<u8>,
    lines: Vec<(Key, Range<usize>)>,
    runs: Vec<Run>,
    count: u64,
}

/// A temporary file; removed when dropped.
struct Run(PathBuf);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Sorter {
    /// `dir` is for temporary files.
    pub(super) fn new(dir: &Path, bytes_max: usize) -> Self {
        Self { dir: dir.to_owned(), bytes_max, text: Vec::new(), lines: Vec::new(), runs: Vec::new(), count: 0 }
    }

    pub(super) fn push(&mut self, line: &[u8]) -> Result<(), Fatal> {
        let from = self.text.len();
        self.lines.push((key(line)?, from..from + line.len()));
        self.text.extend_from_slice(line);
        self.count += 1;
        if self.text.len() >= self.bytes_max { self.spill() } else { Ok(()) }
    }

    /// Gives all lines in order; answers how many.
    pub(super) fn finish(mut self, mut take: impl FnMut(&[u8]) -> Result<(), Fatal>) -> Result<u64, Fatal> {
        if self.runs.is_empty() {
            self.lines.sort_unstable_by_key(|(key, range)| (*key, range.start));
            self.lines.iter().try_for_each(|(_, range)| take(&self.text[range.clone()]))?;
            return Ok(self.count);
        }
        self.spill()?;
        self.text = Vec::new();
        let mut readers = Vec::new();
        let mut heap = BinaryHeap::new();
        for run in &self.runs {
            let unpacked = File::open(&run.0).and_then(zstd::stream::read::Decoder::new).map_err(|error| self.failed(&error))?;
            let mut reader = RunReader { reader: BufReader::new(unpacked), line: Vec::new() };
            if reader.next().map_err(|error| self.failed(&error))? {
                heap.push(Reverse((key(&reader.line)?, readers.len())));
            }
            readers.push(reader);
        }
        while let Some(Reverse((_, place))) = heap.pop() {
            let reader = &mut readers[place];
            take(&reader.line)?;
            if reader.next().map_err(|error| self.failed(&error))? {
                heap.push(Reverse((key(&reader.line)?, place)));
            }
        }
        Ok(self.count)
    }

    fn spill(&mut self) -> Result<(), Fatal> {
        self.lines.sort_unstable_by_key(|(key, range)| (*key, range.start));
        let path = self.dir.join(format!(".aqueduct-export-{}-{}", std::process::id(), self.runs.len()));
        self.runs.push(Run(path.clone()));
        let write = || -> io::Result<()> {
            let mut file = BufWriter::new(zstd::stream::write::Encoder::new(File::create(&path)?, LEVEL)?);
            for (_, range) in &self.lines {
                file.write_all(&self.text[range.clone()])?;
                file.write_all(b"\n")?;
            }
            file.into_inner()?.finish()?;
            Ok(())
        };
        write().map_err(|error| self.failed(&error))?;
        self.text.clear();
        self.lines.clear();
        Ok(())
    }

    fn failed(&self, why: &io::Error) -> Fatal {
        let what = format!("cannot sort through temporary files in {}", self.dir.display());
        Fatal::failure(&what, why, "make room there, or raise --sort-memory")
    }
}

struct RunReader {
    reader: BufReader<zstd::stream::read::Decoder<'static, BufReader<File>>>,
    line: Vec<u8>,
}

impl RunReader {
    /// Reads the next line; false at the end.
    fn next(&mut self) -> io::Result<bool> {
        self.line.clear();
        let read = self.reader.read_until(b'\n', &mut self.line)?;
        self.line.truncate(self.line.len() - usize::from(self.line.ends_with(b"\n")));
        Ok(read > 0)
    }
}

fn key(line: &[u8]) -> Result<Key, Fatal> {
    let failed = |why: &dyn std::fmt::Display| Fatal::failure("cannot read an exported event", why, "use the same version as the server");
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| failed(&error))?;
    let time = timestamp::parse(&line.timestamp).ok_or_else(|| failed(&"it has no time"))?;
    Ok((time.0, line.uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_merged_and_removed() {
        let dir = tempfile::tempdir().expect("directory");
        for bytes_max in [1, 700, 1 << 20] {
            let mut sorter = Sorter::new(dir.path(), bytes_max);
            let line = |number: u64| {
                let uuid = Uuid::from_u128(u128::from(number));
                format!("{{\"uuid\":\"{uuid}\",\"timestamp\":\"2024-01-01T00:00:{:02}.000000Z\"}}", number * 7 % 60)
            };
            for number in 0..40 {
                sorter.push(line(number).as_bytes()).expect("takes it");
            }
            let mut found = Vec::new();
            let count = sorter.finish(|line| {
                found.push(String::from_utf8_lossy(line).into_owned());
                Ok(())
            });
            let mut expected: Vec<String> = (0..40).map(line).collect();
            expected.sort_by_key(|line| line[46..].to_owned() + line);
            assert_eq!((count.expect("sorts"), found), (40, expected));
            assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 0);
        }
    }
}
