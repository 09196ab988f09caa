//! What a crash leaves, and how the journal is put in order again.
//!
//! In: the files of a directory. Out: the segments with their proven ends, the end cut clean, and where new positions begin.
//!
//! # Reasoning (docs/adr/004-journal-recovery.md tells it at length)
//! - At most one group is unsynced at a time, and it is the last thing in the last segment. So a broken group is a **torn tail** when nothing was
//!   written after it, and **damage** when anything was: a later group or seal, or a later segment.
//! - Blocks of an unsynced group reach the disk in any order, so frames behind a torn one may be intact. They prove nothing: only group headers and
//!   seals are looked for, and an unsynced group has one, at its beginning. Payloads cannot imitate them: the checksums are salted.
//! - What the store has confirmed was acknowledged: a broken group below that position is damage, and a journal that ends before it is not the store's.
//! - The last group may be intact and yet unsynced (the process died before, or the kernel gave up on it). It is written again and synced
//!   before anybody reads it.

use super::format::{FRAME_HEADER_BYTES, FrameHeader, GROUP_HEADER_BYTES, GROUP_MAGIC, GROUP_RECORDS_MAX, GroupHeader};
use super::format::{SEGMENT_HEADER_BYTES, Seed, SegmentHeader, SegmentHeaderError, VERSION};
use super::segment::{GroupError, Segment, UNFINISHED_ENDING, Window, first_of_name};
use crate::disk::Disk;
use crate::error::OpenError;
use aqueduct_event::JournalPosition;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was found and put in order.
#[derive(Debug)]
pub(super) struct Recovered {
    /// All segments in order, each as long as its acknowledged records reach.
    pub(super) segments: VecDeque<Arc<Segment>>,
    /// One past the last record; 0 on an empty directory.
    pub(super) end: u64,
    /// No new record may have a lower position.
    pub(super) next: u64,
    /// Whether the last segment has no records and may be taken into use as it is.
    pub(super) reuse_last: bool,
    /// Bytes cut off the tail.
    pub(super) cut_bytes: u64,
}

/// Where a segment's acknowledged bytes end, and what lies behind.
#[derive(Debug, Default)]
struct Walk {
    end: u64,
    offset: u64,
    last_group: Option<Range<u64>>,
    sealed: bool,
    torn: Option<String>,
}

/// Reads and checks every byte of the journal in `dir`, and cuts a torn tail. All before `confirmed` is known to have been acknowledged.
pub(super) fn recover(disk: &dyn Disk, dir: &Path, confirmed: u64) -> Result<Recovered, OpenError> {
    let headers = open_segments(disk, dir)?;
    let mut recovered = Recovered { segments: VecDeque::new(), end: 0, next: 0, reuse_last: false, cut_bytes: 0 };
    for (at, segment) in headers.iter().enumerate() {
        check_chain(segment, recovered.segments.back())?;
        let follower = headers.get(at + 1).map(|segment| segment.header.follows);
        let walk = walk(segment, follower)?;
        refuse_torn_below(&walk, segment, confirmed)?;
        recovered.end = walk.end;
        if follower.is_none() {
            finish_tail(segment, &walk, &mut recovered)?;
        }
        recovered.segments.push_back(Arc::clone(segment));
    }
    let known = recovered.segments.back().map_or(0, |last| last.end().max(last.header.first));
    if known < confirmed {
        let (end, confirmed) = (JournalPosition(recovered.end), JournalPosition(confirmed));
        return Err(OpenError::Behind { path: dir.to_owned(), end, confirmed });
    }
    Ok(recovered)
}

/// What the store has confirmed was acknowledged, whatever else proves it or not: a broken group there is damage.
fn refuse_torn_below(walk: &Walk, segment: &Segment, confirmed: u64) -> Result<(), OpenError> {
    let lowest = if segment.is_empty() { segment.header.first } else { walk.end };
    match &walk.torn {
        Some(torn) if lowest < confirmed => {
            let (to, what) = (segment.file.len().unwrap_or(walk.offset), torn.clone());
            let positions = affected(lowest, Some(confirmed));
            Err(OpenError::Damaged { path: segment.path.clone(), from: walk.offset, to, what, positions })
        }
        _ => Ok(()),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

fn open_segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut firsts = Vec::new();
    for name in disk.list(dir).map_err(io_error("cannot list", dir))? {
        if name.ends_with(UNFINISHED_ENDING) {
            // Made, but never in use: a crash came before it got its name.
            let path = dir.join(&name);
            disk.remove(&path).map_err(io_error("cannot remove", &path))?;
        } else if let Some(first) = first_of_name(&name) {
            firsts.push((first, dir.join(name)));
        }
    }
    firsts.sort_unstable();
    firsts.into_iter().map(|(first, path)| open_segment(disk, path, first).map(Arc::new)).collect()
}

pub(super) fn open_segment(disk: &dyn Disk, path: PathBuf, first: u64) -> Result<Segment, OpenError> {
    let file = disk.open(&path).map_err(io_error("cannot open", &path))?;
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let found = file.read_at(&mut bytes, 0).map_err(io_error("cannot read", &path))?;
    let damaged = |what: String| {
        let positions = format!("positions from {first} on are affected");
        OpenError::Damaged { path: path.clone(), from: 0, to: SEGMENT_HEADER_BYTES as u64, what, positions }
    };
    if found < SEGMENT_HEADER_BYTES {
        return Err(damaged(format!("segment header of {SEGMENT_HEADER_BYTES} bytes expected, {found} found")));
    }
    let header = SegmentHeader::decode(&bytes).map_err(|error| match error {
        SegmentHeaderError::Version { found } => OpenError::Version { path: path.clone(), found, expected: VERSION },
        SegmentHeaderError::Magic { found } => {
            damaged(format!("starts with {:?}, not as a journal segment", found.escape_ascii().to_string()))
        }
        SegmentHeaderError::Checksum { found, expected } => {
            damaged(format!("segment header has checksum {found:08x}, {expected:08x} expected"))
        }
        SegmentHeaderError::Order { first, follows } => damaged(format!("segment begins at {first}, yet follows {follows}")),
    })?;
    if header.first != first {
        return Err(damaged(format!("segment begins at {}, its name says {first}", header.first)));
    }
    Ok(Segment::new(path, header, file))
}

/// A segment that is missing between two others is damage too.
fn check_chain(segment: &Segment, before: Option<&Arc<Segment>>) -> Result<(), OpenError> {
    let Some(before) = before else { return Ok(()) };
    let (end, follows) = (before.end(), segment.header.follows);
    if end == follows {
        return Ok(());
    }
    Err(OpenError::Damaged {
        path: segment.path.clone(),
        from: 0,
        to: 0,
        what: format!("the segment before it ends at position {end}, {follows} expected"),
        positions: format!("positions {} to {} are missing", end.min(follows), end.max(follows) - 1),
    })
}

/// Checks all groups of a segment. `follower`: the position up to which a later segment proves that records are here.
fn walk(segment: &Segment, follower: Option<u64>) -> Result<Walk, OpenError> {
    let read_failed = |source| OpenError::Io { action: "cannot read", path: segment.path.clone(), source };
    let file_bytes = segment.file.len().map_err(read_failed)?;
    let mut window = Window::new(Arc::clone(&segment.file), file_bytes);
    let mut walk = Walk { end: segment.header.follows, offset: SEGMENT_HEADER_BYTES as u64, ..Walk::default() };
    // What lies behind the proven records of an older segment was never acknowledged: a seal, or the torn rest of one.
    while walk.offset < file_bytes && follower.is_none_or(|follower| walk.end < follower) {
        let lowest = if segment.is_empty() { segment.header.first } else { walk.end };
        match check_group(&mut window, walk.offset, lowest, segment) {
            Ok(seal) if seal.count == 0 => {
                refuse_groups_behind(&mut window, walk.offset, lowest, segment)?;
                walk.sealed = true;
                break;
            }
            Ok(group) => {
                segment.extend(&group);
                walk.last_group = Some(walk.offset..walk.offset + group.total_bytes());
                walk.end = group.end();
                walk.offset += group.total_bytes();
            }
            Err(GroupError::Io(source)) => return Err(read_failed(source)),
            Err(GroupError::Damaged { at, to, what }) => {
                let later = find_later(&mut window, walk.offset + 1, lowest, segment).map_err(read_failed)?;
                if follower.is_some() || later.is_some() {
                    let positions = affected(lowest, later.map(|(_, first)| first).or(follower));
                    return Err(OpenError::Damaged {
                        path: segment.path.clone(),
                        from: at,
                        to: later.map_or(to, |(at, _)| at),
                        what,
                        positions,
                    });
                }
                // A read that went wrong must not cut off what was acknowledged.
                let mut again = Window::new(Arc::clone(&segment.file), file_bytes);
                if check_group(&mut again, walk.offset, lowest, segment).is_ok() {
                    return Err(read_failed(io::ErrorKind::InvalidData.into()));
                }
                walk.torn = Some(what);
                break;
            }
        }
    }
    Ok(walk)
}

/// The next group overwrites the seal. A seal with groups behind it is an old block that came back: a write that the disk lost.
fn refuse_groups_behind(window: &mut Window, seal_at: u64, lowest: u64, segment: &Segment) -> Result<(), OpenError> {
    let path = &segment.path;
    let behind = find_later(window, seal_at + 1, lowest, segment).map_err(io_error("cannot read", path))?;
    let Some((to, first)) = behind else { return Ok(()) };
    let what = "a seal with records behind it: the disk lost a write".to_owned();
    Err(OpenError::Damaged { path: path.clone(), from: seal_at, to, what, positions: affected(lowest, Some(first)) })
}

pub(super) fn affected(from: u64, upto: Option<u64>) -> String {
    match upto {
        Some(upto) if upto == from + 1 => format!("position {from} is affected"),
        Some(upto) if upto > from => format!("positions {from} to {} are affected", upto - 1),
        _ => format!("positions from {from} on are affected"),
    }
}

/// The group or seal at `at`, all its frames checked.
pub(super) fn check_group(window: &mut Window, at: u64, lowest: u64, segment: &Segment) -> Result<GroupHeader, GroupError> {
    let seed = segment.header.seed();
    let group = window.group(at, seed)?;
    let end = at + group.total_bytes();
    // Only the first group of a segment may begin later than expected: positions skip at its beginning alone.
    if group.first < lowest || (group.first > lowest && !segment.is_empty()) {
        let what = format!("group of position {} found, {lowest} expected", group.first);
        return Err(GroupError::Damaged { at, to: end, what });
    }
    let mut offset = at + GROUP_HEADER_BYTES as u64;
    for position in group.first..group.end() {
        let payload = window.frame(offset, position, end, seed)?;
        offset += (FRAME_HEADER_BYTES + payload.len()) as u64;
    }
    if offset != end {
        let what = format!("group has {} bytes after its {} frames", end - offset, group.count);
        return Err(GroupError::Damaged { at: offset, to: end, what });
    }
    Ok(group)
}

/// Offset and position of the first intact group header or seal at or after `from`.
pub(super) fn find_later(window: &mut Window, from: u64, lowest: u64, segment: &Segment) -> io::Result<Option<(u64, u64)>> {
    const STEP: usize = 256 * 1024;
    let mut at = from;
    while let Some(len) = window.limit().checked_sub(at).filter(|len| *len >= GROUP_HEADER_BYTES as u64) {
        let len = usize::try_from(len).unwrap_or(STEP).min(STEP);
        let Some(bytes) = window.bytes(at, len)? else { break };
        for found in memchr::memmem::find_iter(&bytes, &GROUP_MAGIC) {
            let found = at + found as u64;
            // The header alone is the proof, whether its frames are whole or not: it was written after the sync of what comes before it.
            if let Some(group) = window.group_header(found, segment.header.seed())?
                && group.first >= lowest
            {
                return Ok(Some((found, group.first)));
            }
        }
        // A magic may lie across two steps.
        at += (len - (GROUP_MAGIC.len() - 1)) as u64;
    }
    Ok(None)
}

/// Cuts what was never acknowledged, and makes sure that what will be read is on the disk.
fn finish_tail(segment: &Segment, walk: &Walk, recovered: &mut Recovered) -> Result<(), OpenError> {
    let path = segment.path.as_path();
    let file_bytes = segment.file.len().map_err(io_error("cannot read", path))?;
    let seal_bytes = if walk.sealed { GROUP_HEADER_BYTES as u64 } else { 0 };
    let cut_bytes = file_bytes - walk.offset - seal_bytes;
    if cut_bytes > 0 {
        let what = walk.torn.as_deref().unwrap_or("bytes after the seal");
        tracing::warn!(path = %path.display(), from = walk.offset, bytes = cut_bytes, what, "cut a torn tail off the journal; nothing of it was acknowledged");
        segment.file.truncate(walk.offset).map_err(io_error("cannot cut", path))?;
    }
    if let Some(group) = walk.last_group.clone().filter(|_| !walk.sealed) {
        rewrite(segment, group).map_err(io_error("cannot write again", path))?;
    }
    segment.file.sync().map_err(io_error("cannot sync", path))?;
    let proven = walk.sealed && cut_bytes == 0;
    let lowest = if segment.is_empty() { segment.header.first } else { walk.end };
    recovered.next = if proven { lowest } else { lowest.saturating_add(GROUP_RECORDS_MAX.into()) };
    recovered.reuse_last = proven && segment.is_empty();
    recovered.cut_bytes = cut_bytes;
    Ok(())
}

/// Writes a group's bytes once more. Pages that the kernel gave up on look clean, and a sync alone would not write them.
fn rewrite(segment: &Segment, group: Range<u64>) -> io::Result<()> {
    let len = usize::try_from(group.end - group.start).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; len];
    let read = segment.file.read_at(&mut bytes, group.start)?;
    // What was read well a moment ago may be read wrong now, and must not be made lasting so.
    if read < len || !is_sound(&bytes, segment.header.seed()) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    segment.file.write_at(&[&bytes], group.start)
}

/// Whether bytes are one whole group with all its frames.
fn is_sound(bytes: &[u8], seed: Seed) -> bool {
    let Some((header, mut rest)) = bytes.split_first_chunk() else { return false };
    let Some(group) = GroupHeader::decode(header, seed) else { return false };
    for position in group.first..group.end() {
        let Some((header, after)) = rest.split_first_chunk() else { return false };
        let frame = FrameHeader::decode(header);
        let Some((payload, after)) = after.split_at_checked(frame.payload_bytes as usize) else { return false };
        if frame.position != position || frame.checksum != frame.expected_checksum(payload, seed) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
