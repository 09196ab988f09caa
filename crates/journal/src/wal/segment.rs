//! One segment file: its name, its making, and reading groups and frames out of it.
//!
//! # Invariants
//! - A file with a segment's name has an intact header: it is written and synced under another name first.
//! - Nothing at or after `durable_bytes` is read by readers.

use super::format::{FRAME_HEADER_BYTES, FrameHeader, GROUP_HEADER_BYTES, GroupHeader, SEGMENT_HEADER_BYTES, Seed, SegmentHeader};
use crate::disk::{Disk, DiskFile};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const NAME_ENDING: &str = ".journal";
pub(super) const UNFINISHED_ENDING: &str = ".journal.tmp";
/// One entry of the index per so many bytes: 128 MiB of segment need 2,048 entries.
const INDEX_STEP_BYTES: u64 = 64 * 1024;
/// Bytes read from a file at once, unless a frame is larger.
const CHUNK_BYTES: usize = 1024 * 1024;

/// A segment that is open. Shared by the writer and by readers.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    pub(super) file: Arc<dyn DiskFile>,
    /// Bytes that are synced, from the start.
    durable_bytes: AtomicU64,
    /// Position after the last durable record; `header.follows` while there is none.
    end: AtomicU64,
    /// Position and offset of some groups, in order.
    index: Mutex<Vec<(u64, u64)>>,
}

impl Segment {
    pub(super) fn new(path: PathBuf, header: SegmentHeader, file: Arc<dyn DiskFile>) -> Self {
        let (durable_bytes, end) = (AtomicU64::new(SEGMENT_HEADER_BYTES as u64), AtomicU64::new(header.follows));
        Self { path, header, file, durable_bytes, end, index: Mutex::default() }
    }

    /// Makes a segment that may be written to. Durable when this returns.
    pub(super) fn create(disk: &dyn Disk, dir: &Path, header: SegmentHeader) -> Result<Self, CreateError> {
        let name = file_name(header.first);
        let (unfinished, path) = (dir.join(format!("{name}.tmp")), dir.join(name));
        let written = disk.create(&unfinished).and_then(|file| {
            file.write_at(&[&header.encode()], 0)?;
            file.sync()?;
            Ok(file)
        });
        let file = written.map_err(|source| {
            // Only tidiness: what is left of it is removed at the next start too.
            let _ = disk.remove(&unfinished);
            CreateError { source, traceless: true }
        })?;
        disk.rename(&unfinished, &path).map_err(|source| {
            // Another name that found no room was not given: it is given whole or not at all.
            let traceless = no_room(&source);
            if traceless {
                let _ = disk.remove(&unfinished);
            }
            CreateError { source, traceless }
        })?;
        disk.sync_dir(dir).map_err(|source| CreateError { source, traceless: false })?;
        Ok(Self::new(path, header, file))
    }

    pub(super) fn durable_bytes(&self) -> u64 {
        self.durable_bytes.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.durable_bytes() == SEGMENT_HEADER_BYTES as u64
    }

    /// Notes that the group at the durable end is durable now too.
    pub(super) fn extend(&self, group: &GroupHeader) {
        let offset = self.durable_bytes();
        let mut index = self.index.lock();
        if index.last().is_none_or(|(_, last)| offset - last >= INDEX_STEP_BYTES) {
            index.push((group.first, offset));
        }
        self.end.store(group.end(), Ordering::Release);
        self.durable_bytes.store(offset + group.total_bytes(), Ordering::Release);
    }

    /// The place of the next group goes into the index when all until now is confirmed: what comes after it can then be counted exactly.
    pub(super) fn mark_confirmed(&self, confirmed: u64) {
        let mut index = self.index.lock();
        let (end, offset) = (self.end(), self.durable_bytes());
        if !self.is_empty() && confirmed >= end && index.last().is_none_or(|(_, last)| *last < offset) {
            index.push((end, offset));
        }
    }

    /// Offset of a group at or before the one that holds `position`.
    pub(super) fn offset_before(&self, position: u64) -> u64 {
        let index = self.index.lock();
        let after = index.partition_point(|(first, _)| *first <= position);
        after.checked_sub(1).map_or(SEGMENT_HEADER_BYTES as u64, |at| index[at].1)
    }
}

/// Why a segment could not be made.
#[derive(Debug)]
pub(super) struct CreateError {
    pub(super) source: io::Error,
    /// Whether it is certain that no segment of that name was left.
    pub(super) traceless: bool,
}

/// Whether the file system has no room, or this user may not have more of it.
pub(super) fn no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Name of the segment whose first position is `first`; names sort as positions do.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}{NAME_ENDING}")
}

/// The first position that a file's name tells; `None` when it is no segment.
pub(super) fn first_of_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(NAME_ENDING)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Why no group could be read.
#[derive(Debug)]
pub(super) enum GroupError {
    /// The file system said no.
    Io(io::Error),
    /// The bytes are not what was written.
    Damaged {
        /// First byte that is wrong, as far as can be told.
        at: u64,
        /// One past the last byte concerned.
        to: u64,
        /// What is wrong.
        what: String,
    },
}

impl From<io::Error> for GroupError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a file forward in large pieces and gives slices of them.
#[derive(Debug)]
pub(super) struct Window {
    file: Arc<dyn DiskFile>,
    /// Bytes after this are not looked at.
    limit: u64,
    chunk: Bytes,
    chunk_at: u64,
}

impl Window {
    pub(super) fn new(file: Arc<dyn DiskFile>, limit: u64) -> Self {
        Self { file, limit, chunk: Bytes::new(), chunk_at: 0 }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Looks further, up to `limit`, from now on.
    pub(super) fn widen(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The bytes from `at`; `None` when the limit comes first.
    pub(super) fn bytes(&mut self, at: u64, len: usize) -> io::Result<Option<Bytes>> {
        if at.checked_add(len as u64).is_none_or(|end| end > self.limit) {
            return Ok(None);
        }
        if let Some(bytes) = self.buffered(at, len) {
            return Ok(Some(bytes));
        }
        let want = usize::try_from(self.limit - at).unwrap_or(usize::MAX).min(CHUNK_BYTES.max(len));
        let mut chunk = BytesMut::zeroed(want);
        let read = self.file.read_at(&mut chunk, at)?;
        chunk.truncate(read);
        (self.chunk, self.chunk_at) = (chunk.freeze(), at);
        Ok(self.buffered(at, len))
    }

    fn buffered(&self, at: u64, len: usize) -> Option<Bytes> {
        let from = usize::try_from(at.checked_sub(self.chunk_at)?).ok()?;
        let to = from.checked_add(len)?;
        (to <= self.chunk.len()).then(|| self.chunk.slice(from..to))
    }

    /// The group header at `at` if the bytes there are one; how long the group is plays no part.
    pub(super) fn group_header(&mut self, at: u64, seed: Seed) -> io::Result<Option<GroupHeader>> {
        Ok(self.fixed(at)?.and_then(|bytes| GroupHeader::decode(&bytes, seed)))
    }

    /// The header of the group at `at`, all of which lies within the limit.
    pub(super) fn group(&mut self, at: u64, seed: Seed) -> Result<GroupHeader, GroupError> {
        let damaged = |to: u64, what: &str| GroupError::Damaged { at, to, what: what.to_owned() };
        let Some(bytes) = self.fixed(at)? else {
            let what = format!("group header of {GROUP_HEADER_BYTES} bytes expected, {} found", self.limit.saturating_sub(at));
            return Err(damaged(self.limit, &what));
        };
        let header = GroupHeader::decode(&bytes, seed)
            .ok_or_else(|| damaged(at + GROUP_HEADER_BYTES as u64, "group header does not match its checksum"))?;
        if header.total_bytes() > self.limit - at {
            let what = format!("group of {} bytes expected, {} found", header.total_bytes(), self.limit - at);
            return Err(damaged(self.limit, &what));
        }
        Ok(header)
    }

    /// The frame at `at`, which has to have `position` and end by `group_end`.
    pub(super) fn frame(&mut self, at: u64, position: u64, group_end: u64, seed: Seed) -> Result<Bytes, GroupError> {
        let damaged = |to: u64, what: String| GroupError::Damaged { at, to, what };
        let Some(bytes) = self.fixed(at)?.filter(|_| at + FRAME_HEADER_BYTES as u64 <= group_end) else {
            return Err(damaged(group_end, "frame reaches past the end of its group".to_owned()));
        };
        let frame = FrameHeader::decode(&bytes);
        let payload_at = at + FRAME_HEADER_BYTES as u64;
        let end = payload_at + u64::from(frame.payload_bytes);
        if frame.position != position || end > group_end {
            let what =
                format!("frame of position {} and {} bytes found, position {position} expected", frame.position, frame.payload_bytes);
            return Err(damaged(group_end, what));
        }
        let Some(payload) = self.bytes(payload_at, frame.payload_bytes as usize)? else {
            return Err(damaged(group_end, "file ends inside a frame".to_owned()));
        };
        match frame.expected_checksum(&payload, seed) {
            expected if expected == frame.checksum => Ok(payload),
            expected => Err(damaged(end, format!("frame {position} has checksum {:08x}, {expected:08x} expected", frame.checksum))),
        }
    }

    fn fixed<const N: usize>(&mut self, at: u64) -> io::Result<Option<[u8; N]>> {
        let bytes = self.bytes(at, N)?;
        Ok(bytes.map(|bytes| {
            let mut out = [0; N];
            out.copy_from_slice(&bytes);
            out
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_positions_and_strangers_are_not_segments() {
        assert_eq!(file_name(7), "00000000000000000007.journal");
        assert_eq!(first_of_name(&file_name(u64::MAX)), Some(u64::MAX));
        for name in
            ["lock", "7.journal", "00000000000000000007.journal.tmp", "+0000000000000000007.journal", "99999999999999999999.journal"]
        {
            assert_eq!(first_of_name(name), None, "{name}");
        }
    }
}
