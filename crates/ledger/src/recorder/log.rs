//! # Record log, version 1 (little-endian)
//!
//! A row of files that hold blocks of records. One file is written at a time, at its end; the oldest is removed when all together are too large.
//! A file is named by its kind and the time it was begun, in microseconds as 16 hexadecimal digits: `receipts-000639a2b3c4d5e6.log`.
//!
//! | offset | field | type | why |
//! |---|---|---|---|
//! | 0 | magic `AQRECLOG` | 8 bytes | no other file is taken for one |
//! | 8 | version = 1 | u16 | an old binary refuses instead of guessing |
//! | 10 | kind | u16 | 1 receipts, 2 remarks |
//! | 12 | checksum | u32 | CRC-32C of bytes 0 to 11 |
//! | 16 | blocks | | one after the other |
//!
//! **Block**: what one round of writing added.
//!
//! | offset | field | type | why |
//! |---|---|---|---|
//! | 0 | length | u32 | of the payload |
//! | 4 | checksum | u32 | CRC-32C of bytes 8 to the end of the payload, after the length |
//! | 8 | count | u32 | records |
//! | 12 | payload | length | as `receipts.rs` and `remarks.rs` specify |
//!
//! A crash can leave a torn block at the end of the file that was written; each start begins a new file, so nothing comes after it. A reader stops at the first
//! block that is not sound and says where.

use super::files::LogFiles;
use aqueduct_event::FileCheck;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"AQRECLOG";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 16;
const BLOCK_HEADER_BYTES: usize = 12;
/// However small they are: each start begins a file.
const FILES_MAX: usize = 512;

/// What the records of a log are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Receipts = 1,
    Remarks = 2,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Receipts => "receipts-",
            Self::Remarks => "remarks-",
        }
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    begun: u64,
    bytes: u64,
}

/// A log that is open.
#[derive(Debug)]
pub(super) struct RecordLog {
    files: Arc<dyn LogFiles>,
    kind: Kind,
    /// A file is closed when it is larger.
    file_bytes_max: u64,
    /// All files together; the last block may pass it.
    bytes_max: u64,
    /// Oldest first.
    pieces: VecDeque<Piece>,
    /// Whether the last piece may be written to.
    is_open: bool,
}

/// Blocks of a file, and what ends them before its end.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) payloads: Vec<(u32, Vec<u8>)>,
    pub(super) damage: Option<String>,
    /// Whether something was written after what is damaged.
    is_followed: bool,
}

impl RecordLog {
    pub(super) fn open(files: Arc<dyn LogFiles>, kind: Kind, bytes_max: u64) -> io::Result<Self> {
        let mut pieces = Vec::new();
        for name in files.list()? {
            if let Some(begun) = begun_of(kind, &name) {
                pieces.push(Piece { begun, bytes: files.len(&name)? });
            }
        }
        pieces.sort_by_key(|piece| piece.begun);
        Ok(Self { files, kind, file_bytes_max: (bytes_max / 16).max(4096), bytes_max, pieces: pieces.into(), is_open: false })
    }

    /// Adds a block; `now` names the file if one has to be begun.
    pub(super) fn append(&mut self, count: u32, payload: &[u8], now: i64) -> io::Result<()> {
        let full = self.pieces.back().is_some_and(|piece| piece.bytes >= self.file_bytes_max);
        if !self.is_open || full {
            self.begin(now)?;
        }
        let Some(piece) = self.pieces.back_mut() else { return Ok(()) };
        let block = block(count, payload);
        // What a failed write left is torn; nothing may come after it.
        self.is_open = false;
        self.files.append(&name_of(self.kind, piece.begun), &block)?;
        self.is_open = true;
        piece.bytes += block.len() as u64;
        Ok(())
    }

    /// Begins a file and removes the oldest ones that have no room any more.
    pub(super) fn begin(&mut self, now: i64) -> io::Result<()> {
        let begun = u64::try_from(now).unwrap_or_default().max(self.pieces.back().map_or(0, |piece| piece.begun + 1));
        let name = name_of(self.kind, begun);
        if let Err(error) = self.files.append(&name, &header(self.kind)) {
            // On a full disk every try would leave one more file that holds nothing.
            let _ = self.files.remove(&name);
            return Err(error);
        }
        self.pieces.push_back(Piece { begun, bytes: HEADER_BYTES as u64 });
        self.is_open = true;
        while self.pieces.len() > 1
            && (self.pieces.len() > FILES_MAX || self.bytes() + self.file_bytes_max > self.bytes_max)
            && let Some(oldest) = self.pieces.pop_front()
        {
            self.files.remove(&name_of(self.kind, oldest.begun))?;
        }
        Ok(())
    }

    /// Removes all files but the one that is written.
    pub(super) fn forget_older(&mut self) -> io::Result<()> {
        while self.pieces.len() > 1
            && let Some(oldest) = self.pieces.pop_front()
        {
            self.files.remove(&name_of(self.kind, oldest.begun))?;
        }
        Ok(())
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes).sum()
    }

    /// Names of the files that were written between two moments, oldest first.
    pub(super) fn written_between(&self, from: i64, to: i64) -> Vec<String> {
        let (from, to) = (u64::try_from(from).unwrap_or_default(), u64::try_from(to).unwrap_or_default());
        let ends = self.pieces.iter().skip(1).map(|next| next.begun).chain([u64::MAX]);
        let here = self.pieces.iter().zip(ends).filter(|(piece, end)| piece.begun <= to && from <= *end);
        here.map(|(piece, _)| name_of(self.kind, piece.begun)).collect()
    }

    /// Puts other blocks in the place of those of a file that can be read. Where it is damaged, what is behind the damage goes.
    pub(super) fn rewrite(&mut self, name: &str, blocks: &[(u32, Vec<u8>)]) -> io::Result<()> {
        let mut bytes = header(self.kind).to_vec();
        bytes.extend(blocks.iter().flat_map(|(count, payload)| block(*count, payload)));
        self.files.replace(name, &bytes)?;
        let begun = begun_of(self.kind, name);
        if let Some(piece) = self.pieces.iter_mut().find(|piece| Some(piece.begun) == begun) {
            piece.bytes = bytes.len() as u64;
        }
        Ok(())
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Blocks> {
        let mut blocks = blocks(self.kind, &self.files.read(name)?);
        blocks.damage = blocks.damage.map(|what| format!("{}: {what}", self.files.path(name).display()));
        Ok(blocks)
    }
}

/// Looks at every byte of the logs in `dir`. A last block that is not whole is what a crash leaves, and no fault; whatever comes before it was written whole.
///
/// # Errors
/// The system's.
pub fn check(dir: &Path) -> io::Result<Vec<FileCheck>> {
    let mut names = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default())).collect::<io::Result<Vec<_>>>()?,
    };
    names.sort();
    let mut checks = Vec::new();
    for name in names {
        let kinds = [(Kind::Receipts, "receipts"), (Kind::Remarks, "remarks")];
        let Some((kind, word)) = kinds.into_iter().find(|(kind, _)| begun_of(*kind, &name).is_some()) else { continue };
        let path = dir.join(&name);
        let bytes = std::fs::read(&path)?;
        let found = blocks(kind, &bytes);
        let mut check = FileCheck::new(path, bytes.len() as u64);
        let records: u64 = found.payloads.iter().map(|(count, _)| u64::from(*count)).sum();
        check.holds = format!("{records} {word}, for traces");
        if let Some(damage) = found.damage.filter(|_| found.is_followed) {
            check.fault(None, format!("{damage}; these are notes, remove the file"));
        }
        checks.push(check);
    }
    Ok(checks)
}

fn name_of(kind: Kind, begun: u64) -> String {
    format!("{}{begun:016x}.log", kind.prefix())
}

fn begun_of(kind: Kind, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(kind.prefix())?.strip_suffix(".log")?;
    u64::from_str_radix(digits, 16).ok().filter(|begun| name_of(kind, *begun) == name)
}

fn header(kind: Kind) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(MAGIC);
    out[8..10].copy_from_slice(&VERSION.to_le_bytes());
    out[10..12].copy_from_slice(&(kind as u16).to_le_bytes());
    let sum = crc32c::crc32c(&out[..12]);
    out[12..].copy_from_slice(&sum.to_le_bytes());
    out
}

fn block(count: u32, payload: &[u8]) -> Vec<u8> {
    // INVARIANT: payloads are bounded by the queue, far below 4 GiB.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let count = count.to_le_bytes();
    let mut out = Vec::with_capacity(BLOCK_HEADER_BYTES + payload.len());
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, count, payload).to_le_bytes());
    out.extend_from_slice(&count);
    out.extend_from_slice(payload);
    out
}

fn checksum(length: [u8; 4], count: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&length), &count), payload)
}

fn blocks(kind: Kind, bytes: &[u8]) -> Blocks {
    let mut found = Blocks::default();
    if !bytes.starts_with(&header(kind)) {
        found.damage = Some(format!("no header of record log version {VERSION} at byte 0"));
        found.is_followed = bytes.len() > HEADER_BYTES;
        return found;
    }
    let (mut at, len) = (HEADER_BYTES, bytes.len());
    while at < len {
        let Some((length, sum, count, payload)) = block_at(&bytes[at..]) else {
            found.damage = Some(format!("the block at byte {at} is cut off at byte {len}"));
            return found;
        };
        let expected = checksum(length, count, payload);
        if sum != expected {
            let to = at + BLOCK_HEADER_BYTES + payload.len();
            found.is_followed = to < len;
            found.damage = Some(format!("the block from byte {at} to byte {to} has checksum {sum:08x}, expected {expected:08x}"));
            return found;
        }
        found.payloads.push((u32::from_le_bytes(count), payload.to_vec()));
        at += BLOCK_HEADER_BYTES + payload.len();
    }
    found
}

type RawBlock<'a> = ([u8; 4], u32, [u8; 4], &'a [u8]);

fn block_at(bytes: &[u8]) -> Option<RawBlock<'_>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    Some((*length, u32::from_le_bytes(*sum), *count, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::files::DirLogFiles;

    fn payloads(blocks: &Blocks) -> Vec<&[u8]> {
        blocks.payloads.iter().map(|(_, payload)| &payload[..]).collect()
    }

    #[test]
    fn the_layout_is_the_specified_one() {
        let bytes = [&header(Kind::Receipts)[..], &block(2, b"ab")].concat();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "41515245434c4f4701000100c09d85f602000000f78fd2b8020000006162");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = [&header(Kind::Remarks)[..], &block(1, b"first"), &block(1, b"second")].concat();
        assert_eq!(payloads(&blocks(Kind::Remarks, &bytes)), [b"first".as_slice(), b"second"]);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = blocks(Kind::Remarks, &bytes);
            assert!(found.damage.is_some() && found.payloads.len() < 2, "bit {bit}");
        }
        for cut in 17..bytes.len() {
            let found = blocks(Kind::Remarks, &bytes[..cut]);
            assert!(found.damage.is_some() || cut == bytes.len() - block(1, b"second").len(), "cut at {cut}");
        }
    }

    #[test]
    fn a_check_tells_rot_from_what_a_crash_leaves() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join(name_of(Kind::Remarks, 7));
        let bytes = [&header(Kind::Remarks)[..], &block(3, b"first"), &block(1, b"second")].concat();
        let sound = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("writes");
            check(directory.path()).expect("reads")[0].is_sound()
        };
        assert!(sound(&bytes));
        assert_eq!(check(directory.path()).expect("reads")[0].holds, "4 remarks, for traces");
        for cut in 0..bytes.len() {
            assert!(sound(&bytes[..cut]), "cut at {cut}");
        }
        let second = HEADER_BYTES + BLOCK_HEADER_BYTES + 5;
        for at in 0..second {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            // A length that is wrong may reach past the end, as a torn block does.
            assert!(!sound(&bytes) || (HEADER_BYTES..HEADER_BYTES + 4).contains(&at), "byte {at}");
        }
    }

    #[test]
    fn the_oldest_file_goes_first_and_a_restart_begins_a_new_one() {
        let directory = tempfile::tempdir().expect("directory");
        let files: Arc<dyn LogFiles> = Arc::new(DirLogFiles::open(directory.path()).expect("opens"));
        let mut log = RecordLog::open(Arc::clone(&files), Kind::Receipts, 64 * 1024).expect("opens");
        for number in 0..100 {
            log.append(1, &[7; 1000], number).expect("written");
        }
        assert!(log.bytes() <= 64 * 1024 + 1_012, "a block too much at most: {}", log.bytes());
        let again = RecordLog::open(Arc::clone(&files), Kind::Receipts, 64 * 1024).expect("opens");
        assert_eq!((again.bytes(), &again.pieces), (log.bytes(), &log.pieces));
        let mut again = again;
        again.append(1, b"x", 5).expect("written");
        let newest = |log: &RecordLog| log.pieces.back().expect("a file").begun;
        assert_eq!(newest(&again), newest(&log) + 1, "time went back, the name goes on");
        let names = again.written_between(newest(&log).cast_signed(), newest(&log).cast_signed());
        assert!(names.contains(&name_of(Kind::Receipts, newest(&log))));
    }
}
