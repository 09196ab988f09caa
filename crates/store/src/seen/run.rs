//! A run: arrivals of some commits in one file, sorted by key, never changed.
//!
//! # File, version 1
//!
//! `<id as 16 hex digits>.seen`: a head of 4096 bytes (the text `aqseen`, u16 version, u64 id, zeros), the blocks ([`super::block`]), the index (of each block
//! the upper 64 bits of its first key, u64), the filter ([`super::filter`]). What the manifest keeps of it ([`RunDescriptor`]) has the checksums of the last
//! two. All numbers are little-endian.

use super::block::{BLOCK_BYTES, Block};
use super::filter::{Filter, LINE_BYTES};
use super::rule::{Seen, SeenRule};
use crate::files::Files;
use crate::{ReadError, metrics};
use aqueduct_event::UnixMicros;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

const VERSION: u8 = 1;

/// What the manifest keeps of a run: u8 version 1, then the fields in this order, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunDescriptor {
    /// Names the file.
    pub(crate) id: u64,
    /// Number of the newest commit in it: runs are in this order.
    pub(crate) seq: u64,
    pub(crate) arrivals: u64,
    pub(crate) blocks: u32,
    /// Lines of the filter.
    pub(crate) lines: u32,
    /// Of the index.
    pub(crate) index_crc: u32,
    /// Of the filter.
    pub(crate) filter_crc: u32,
    /// Arrival of the oldest, µs.
    pub(crate) first: i64,
    /// Arrival of the newest, µs.
    pub(crate) last: i64,
}

impl RunDescriptor {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for number in [self.id, self.seq, self.arrivals] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.blocks, self.lines, self.index_crc, self.filter_crc] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for time in [self.first, self.last] {
            out.extend_from_slice(&time.to_le_bytes());
        }
        out
    }

    /// `None` when `bytes` are not one descriptor of version 1.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (longs, rest) = rest.split_at_checked(24)?;
        let (shorts, times) = rest.split_at_checked(16)?;
        let (&[id, seq, arrivals], []) = longs.as_chunks::<8>() else { return None };
        let (&[blocks, lines, index_crc, filter_crc], []) = shorts.as_chunks::<4>() else { return None };
        let (&[first, last], []) = times.as_chunks::<8>() else { return None };
        let (long, short, time) = (u64::from_le_bytes, u32::from_le_bytes, i64::from_le_bytes);
        let [id, seq, arrivals] = [long(id), long(seq), long(arrivals)];
        let [blocks, lines, index_crc, filter_crc] = [short(blocks), short(lines), short(index_crc), short(filter_crc)];
        let made = Self { id, seq, arrivals, blocks, lines, index_crc, filter_crc, first: time(first), last: time(last) };
        (*version == VERSION).then_some(made)
    }

    /// Name of the file.
    pub(crate) fn file(&self) -> String {
        file_name(self.id)
    }

    fn block_at(number: u32) -> u64 {
        (u64::from(number) + 1) * BLOCK_BYTES as u64
    }

    fn filter_at(&self) -> u64 {
        Self::block_at(self.blocks) + u64::from(self.blocks) * 8
    }

    /// Length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.filter_at() + u64::from(self.lines) * LINE_BYTES as u64
    }
}

/// Name of the file of run `id`.
pub(crate) fn file_name(id: u64) -> String {
    format!("{id:016x}.seen")
}

/// Whether a name is one that [`file_name`] gives.
pub(crate) fn is_file_name(name: &str) -> bool {
    name.strip_suffix(".seen").and_then(|id| u64::from_str_radix(id, 16).ok()).is_some_and(|id| file_name(id) == name)
}

/// The first block of a file.
pub(crate) fn head(id: u64) -> [u8; BLOCK_BYTES] {
    let mut head = [0; BLOCK_BYTES];
    head[..6].copy_from_slice(b"aqseen");
    head[6..8].copy_from_slice(&u16::from(VERSION).to_le_bytes());
    head[8..16].copy_from_slice(&id.to_le_bytes());
    head
}

/// A run's file, as long as somebody reads it.
#[derive(Debug)]
pub(crate) struct RunFile {
    pub(crate) descriptor: RunDescriptor,
    /// Upper half of the first key of each block.
    index: Vec<u64>,
}

/// A run that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) file: Arc<RunFile>,
    /// `None`: there is no memory for one; every question reads the file.
    filter: Option<Arc<Filter>>,
}

/// Blocks that are read at once by whoever reads all.
const BLOCKS_READ: u32 = 64;

impl Run {
    pub(crate) fn new(descriptor: RunDescriptor, index: Vec<u64>, filter: Filter) -> Self {
        Self { file: Arc::new(RunFile { descriptor, index }), filter: Some(Arc::new(filter)) }
    }

    /// Reads index and filter of a run.
    pub(crate) fn open(files: &dyn Files, descriptor: RunDescriptor) -> Result<Self, ReadError> {
        let damaged = |what: String| ReadError::Damaged { path: files.path(&descriptor.file()), what };
        let expected = descriptor.bytes();
        match files.len(&descriptor.file()) {
            Ok(found) if found == expected => {}
            Ok(found) => return Err(damaged(format!("has {found} bytes, expected {expected}"))),
            Err(source) => return Err(error(files, descriptor.id, source)),
        }
        let index = read(files, descriptor.id, RunDescriptor::block_at(descriptor.blocks), descriptor.blocks as usize * 8)?;
        let filter = read(files, descriptor.id, descriptor.filter_at(), descriptor.lines as usize * LINE_BYTES)?;
        for (what, bytes, expected) in [("index", &index, descriptor.index_crc), ("filter", &filter, descriptor.filter_crc)] {
            let found = crc32c::crc32c(bytes);
            if found != expected {
                return Err(damaged(format!("its {what} has checksum {found:08x}, expected {expected:08x}")));
            }
        }
        let index = index.as_chunks::<8>().0.iter().map(|first| u64::from_le_bytes(*first)).collect();
        Ok(Self::new(descriptor, index, Filter::decode(&filter)))
    }

    pub(crate) fn descriptor(&self) -> &RunDescriptor {
        &self.file.descriptor
    }

    /// Bytes in memory.
    pub(crate) fn memory(&self) -> usize {
        self.file.index.len() * 8 + self.filter.as_ref().map_or(0, |filter| filter.bytes())
    }

    /// Takes the next smaller filter: half of it, or none.
    pub(crate) fn shrink(&mut self) {
        let is_whole = |filter: &&Arc<Filter>| filter.lines() == self.file.descriptor.lines as usize;
        self.filter = self.filter.as_ref().filter(is_whole).and_then(|filter| filter.halved()).map(Arc::new);
    }

    /// Writes the places of those arrivals that may be there to `maybe`.
    pub(crate) fn candidates(&self, again: &[Seen], maybe: &mut Vec<usize>) {
        maybe.clear();
        let Some(filter) = &self.filter else {
            maybe.extend(0..again.len());
            return;
        };
        // Each place is written and only those of candidates are kept: a branch would make each access wait for the one before.
        maybe.resize(again.len(), 0);
        let mut len = 0;
        for (place, seen) in again.iter().enumerate() {
            maybe[len] = place;
            len += usize::from(filter.may_hold(seen.key));
        }
        maybe.truncate(len);
    }

    /// An arrival of the same event within the window; reads the file.
    pub(crate) fn find(&self, files: &dyn Files, rule: &SeenRule, again: &Seen) -> Result<Option<UnixMicros>, ReadError> {
        let (index, upper) = (&self.file.index, (again.key >> 64) as u64);
        // The block before the first one that begins with these bits may end with them.
        let from = index.partition_point(|first| *first < upper).saturating_sub(1);
        let to = index.partition_point(|first| *first <= upper);
        for number in from..to {
            let number = number as u32;
            let bytes = self.file.read_blocks(files, number, 1)?;
            metrics::seen_block_read();
            let found = self.file.block(files, number, &bytes)?.find(rule, again);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl RunFile {
    fn read_blocks(&self, files: &dyn Files, from: u32, count: u32) -> Result<Bytes, ReadError> {
        read(files, self.descriptor.id, RunDescriptor::block_at(from), count as usize * BLOCK_BYTES)
    }

    fn block<'a>(&self, files: &dyn Files, number: u32, bytes: &'a [u8]) -> Result<Block<'a>, ReadError> {
        let (id, at) = (self.descriptor.id, RunDescriptor::block_at(number));
        Block::decode(id, number, bytes).ok_or_else(|| ReadError::Damaged {
            path: files.path(&file_name(id)),
            what: format!("the block of bytes {at} to {} does not have its checksum", at + BLOCK_BYTES as u64 - 1),
        })
    }

    /// Reads everything and compares the checksums.
    pub(crate) fn verify(&self, files: &dyn Files) -> Result<(), ReadError> {
        let id = self.descriptor.id;
        if read(files, id, 0, BLOCK_BYTES)? != head(id)[..] {
            return Err(ReadError::Damaged { path: files.path(&file_name(id)), what: "its head is not that of this run".to_owned() });
        }
        Run::open(files, self.descriptor)?;
        RunReader::new(self).try_for_each(files, |_| Ok(()))
    }
}

/// Reads the arrivals of a run in order.
#[derive(Debug)]
pub(crate) struct RunReader<'a> {
    file: &'a RunFile,
    next_block: u32,
    bytes: Bytes,
    buffer: std::vec::IntoIter<Seen>,
}

impl<'a> RunReader<'a> {
    pub(crate) fn new(file: &'a RunFile) -> Self {
        Self { file, next_block: 0, bytes: Bytes::new(), buffer: Vec::new().into_iter() }
    }

    pub(crate) fn next(&mut self, files: &dyn Files) -> Result<Option<Seen>, ReadError> {
        loop {
            if let Some(seen) = self.buffer.next() {
                return Ok(Some(seen));
            }
            let left = self.file.descriptor.blocks - self.next_block;
            if left == 0 {
                return Ok(None);
            }
            if self.bytes.is_empty() {
                self.bytes = self.file.read_blocks(files, self.next_block, left.min(BLOCKS_READ))?;
            }
            let block = self.bytes.split_to(BLOCK_BYTES);
            let arrivals: Vec<Seen> = self.file.block(files, self.next_block, &block)?.arrivals().collect();
            self.buffer = arrivals.into_iter();
            self.next_block += 1;
        }
    }

    fn try_for_each(mut self, files: &dyn Files, mut act: impl FnMut(Seen) -> Result<(), ReadError>) -> Result<(), ReadError> {
        while let Some(seen) = self.next(files)? {
            act(seen)?;
        }
        Ok(())
    }
}

fn read(files: &dyn Files, id: u64, offset: u64, len: usize) -> Result<Bytes, ReadError> {
    files.read(&file_name(id), offset, len).map_err(|source| error(files, id, source))
}

/// A file that is not there or too short is damage; the rest is the system's.
fn error(files: &dyn Files, id: u64, source: io::Error) -> ReadError {
    let path = files.path(&file_name(id));
    match source.kind() {
        io::ErrorKind::NotFound => ReadError::Damaged { path, what: "is missing".to_owned() },
        io::ErrorKind::UnexpectedEof => ReadError::Damaged { path, what: "is too short".to_owned() },
        _ => ReadError::Io { path, source },
    }
}
