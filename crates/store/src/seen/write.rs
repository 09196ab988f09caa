//! Writing a run: arrivals in order go in, a synced file comes out.

use super::block::{ARRIVALS_MAX, BLOCK_BYTES, encode};
use super::filter::Filter;
use super::rule::Seen;
use super::run::{Run, RunDescriptor, file_name, head};
use crate::files::{Files, NewFile};
use crate::{CommitError, ReadError};
use std::io;

/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 * BLOCK_BYTES;

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// Id of the new run.
    pub(crate) id: u64,
    /// Number of the newest commit in it.
    pub(crate) seq: u64,
    /// Arrivals that come, at most.
    pub(crate) arrivals_max: usize,
}

/// Writes what `next` gives, which is in order. `None` when it gives nothing: there is no file then, nor is there when it fails.
pub(crate) fn write(
    files: &dyn Files,
    job: &Job,
    next: impl FnMut() -> Result<Option<Seen>, ReadError>,
) -> Result<Option<Run>, CommitError> {
    let written = try_write(files, job, next);
    if !matches!(written, Ok(Some(_))) {
        // If this fails the next start does it: the manifest does not name it.
        let _ = files.remove(&file_name(job.id));
    }
    written
}

fn try_write(files: &dyn Files, job: &Job, mut next: impl FnMut() -> Result<Option<Seen>, ReadError>) -> Result<Option<Run>, CommitError> {
    let name = file_name(job.id);
    let io = |source| CommitError::Io { action: "write", path: files.path(&name), source };
    let Some(first) = next()? else {
        return Ok(None);
    };
    let mut writer = Writer::new(job, files.create(&name).map_err(io)?);
    writer.push(first).map_err(io)?;
    while let Some(seen) = next()? {
        writer.push(seen).map_err(io)?;
    }
    writer.finish().map(Some).map_err(io)
}

struct Writer {
    file: Box<dyn NewFile>,
    descriptor: RunDescriptor,
    /// Arrivals of the block under way.
    block: Vec<Seen>,
    buffer: Vec<u8>,
    index: Vec<u64>,
    filter: Filter,
}

impl Writer {
    fn new(job: &Job, file: Box<dyn NewFile>) -> Self {
        let descriptor = RunDescriptor {
            id: job.id,
            seq: job.seq,
            arrivals: 0,
            blocks: 0,
            lines: 0,
            index_crc: 0,
            filter_crc: 0,
            first: i64::MAX,
            last: i64::MIN,
        };
        let (block, buffer) = (Vec::with_capacity(ARRIVALS_MAX), head(job.id).to_vec());
        Self { file, descriptor, block, buffer, index: Vec::new(), filter: Filter::for_keys(job.arrivals_max) }
    }

    fn push(&mut self, seen: Seen) -> io::Result<()> {
        self.filter.insert(seen.key);
        self.descriptor.arrivals += 1;
        self.descriptor.first = self.descriptor.first.min(seen.received_at.0);
        self.descriptor.last = self.descriptor.last.max(seen.received_at.0);
        self.block.push(seen);
        if self.block.len() == ARRIVALS_MAX { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        let Some(first) = self.block.first() else {
            return Ok(());
        };
        self.index.push((first.key >> 64) as u64);
        encode(self.descriptor.id, self.descriptor.blocks, &self.block, &mut self.buffer);
        self.descriptor.blocks += 1;
        self.block.clear();
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Run> {
        self.end_block()?;
        self.write()?;
        for first in &self.index {
            self.buffer.extend_from_slice(&first.to_le_bytes());
        }
        self.descriptor.index_crc = crc32c::crc32c(&self.buffer);
        self.write()?;
        let filter = std::mem::replace(&mut self.filter, Filter::for_keys(0));
        for line in filter.encode() {
            self.descriptor.filter_crc = crc32c::crc32c_append(self.descriptor.filter_crc, &line);
            self.buffer.extend_from_slice(&line);
            if self.buffer.len() >= WRITE_BYTES {
                self.write()?;
            }
        }
        self.write()?;
        self.file.sync()?;
        self.descriptor.lines = filter.lines() as u32;
        Ok(Run::new(self.descriptor, self.index, filter))
    }
}
