//! Looks at every byte of a journal that nobody has open, and changes nothing.
//!
//! In: the files of a directory. Out: what each holds and everything that is wrong in it, with ranges and positions; and the runs of whole groups,
//! from which `repair.rs` makes a journal again.

use super::format::SEGMENT_HEADER_BYTES;
use super::recovery::{affected, check_group, find_later, open_segment};
use super::segment::{GroupError, Segment, Window, first_of_name};
use crate::disk::Disk;
use crate::error::OpenError;
use aqueduct_event::{FileCheck, JournalPosition};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was found in a journal's directory.
#[derive(Debug)]
pub struct JournalCheck {
    /// One for each segment, in order of position.
    pub files: Vec<FileCheck>,
    /// The first position that is there, or the next one of an empty journal; 0 without segments.
    pub first: JournalPosition,
    /// One past the last record.
    pub end: JournalPosition,
    /// Intact records.
    pub records: u64,
    /// The journal ends before what the store has confirmed: it was lost, or is of another time.
    pub is_behind: bool,
    pub(super) surveys: Vec<Survey>,
}

impl JournalCheck {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.is_behind && self.files.iter().all(FileCheck::is_sound)
    }
}

/// Groups that follow each other without damage between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) bytes: Range<u64>,
    pub(super) positions: Range<u64>,
}

/// One segment file.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) path: PathBuf,
    /// `None`: its header is damaged, nothing of it can be read.
    pub(super) segment: Option<Arc<Segment>>,
    pub(super) runs: Vec<Run>,
}

/// Checks the journal in `dir`. All before `confirmed` is known to be in the store.
///
/// # Errors
/// [`OpenError::Io`] when files cannot be listed or read, [`OpenError::Version`] for files of a newer program. Damage is no error here.
pub fn check(disk: &dyn Disk, dir: &Path, confirmed: JournalPosition) -> Result<JournalCheck, OpenError> {
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { action, path, source }
    };
    let mut firsts = Vec::new();
    let names = match disk.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(io("cannot list", dir))?,
    };
    for name in names {
        firsts.extend(first_of_name(&name).map(|first| (first, dir.join(name))));
    }
    firsts.sort_unstable();
    let mut found = JournalCheck {
        files: Vec::new(),
        first: JournalPosition(0),
        end: JournalPosition(0),
        records: 0,
        is_behind: false,
        surveys: Vec::new(),
    };
    for (at, (first, path)) in firsts.iter().enumerate() {
        let bytes = disk.open(path).and_then(|file| file.len()).map_err(io("cannot read", path))?;
        let mut file = FileCheck::new(path.clone(), bytes);
        let segment = match open_segment(disk, path.clone(), *first) {
            Ok(segment) => Some(Arc::new(segment)),
            Err(OpenError::Damaged { from, to, what, positions, .. }) => {
                file.fault(Some(from..to), format!("{what}; {positions}"));
                None
            }
            Err(other) => return Err(other),
        };
        let mut runs = Vec::new();
        if let Some(segment) = &segment {
            check_follows(&mut file, segment, at, found.end.0);
            if at == 0 {
                found.first = JournalPosition(segment.header.follows);
            }
            let follower = firsts.get(at + 1).map(|(_, path)| follows_of(disk, path)).unwrap_or(Follower::None);
            runs = survey(&mut file, segment, &follower, confirmed.0).map_err(io("cannot read", path))?;
            found.end = JournalPosition(runs.last().map_or(segment.header.follows, |run| run.positions.end));
        }
        describe(&mut file, &runs);
        found.records += runs.iter().map(|run| run.positions.end - run.positions.start).sum::<u64>();
        found.surveys.push(Survey { path: path.clone(), segment, runs });
        found.files.push(file);
    }
    let known = found.surveys.last().and_then(|last| last.segment.as_ref()).map_or(0, |last| last.header.first.max(found.end.0));
    found.is_behind = known < confirmed.0;
    Ok(found)
}

/// What comes after a segment.
enum Follower {
    None,
    /// A segment that says where this one ends.
    At(u64),
    /// A segment whose header cannot be read.
    Unknown,
}

fn follows_of(disk: &dyn Disk, path: &Path) -> Follower {
    let first = path.file_name().and_then(|name| first_of_name(name.to_str()?)).unwrap_or_default();
    open_segment(disk, path.to_owned(), first).map_or(Follower::Unknown, |segment| Follower::At(segment.header.follows))
}

fn check_follows(file: &mut FileCheck, segment: &Segment, at: usize, end: u64) {
    let follows = segment.header.follows;
    if at > 0 && end < follows {
        file.fault(None, format!("positions {end} to {} before this file are missing or damaged", follows - 1));
    }
    if at > 0 && end > follows {
        file.fault(None, format!("begins after position {follows}, yet the file before it ends at {end}"));
    }
}

fn describe(file: &mut FileCheck, runs: &[Run]) {
    let records: u64 = runs.iter().map(|run| run.positions.end - run.positions.start).sum();
    let span = runs.first().zip(runs.last()).map(|(first, last)| (first.positions.start, last.positions.end - 1));
    let torn = std::mem::take(&mut file.holds);
    file.holds = match span {
        Some((first, last)) => format!("{records} records, positions {first} to {last}{torn}"),
        None => format!("no records{torn}"),
    };
}

/// All groups of a segment, over damage too.
fn survey(file: &mut FileCheck, segment: &Segment, follower: &Follower, confirmed: u64) -> std::io::Result<Vec<Run>> {
    let mut window = Window::new(Arc::clone(&segment.file), file.bytes);
    let mut runs: Vec<Run> = Vec::new();
    let (mut at, mut lowest, mut end) = (SEGMENT_HEADER_BYTES as u64, segment.header.first, segment.header.follows);
    // What lies behind the records that a later segment proves was never acknowledged.
    while at < file.bytes && !matches!(follower, Follower::At(last) if end >= *last) {
        match check_group(&mut window, at, lowest, segment) {
            Ok(seal) if seal.count == 0 => {
                let behind = find_later(&mut window, at + 1, lowest, segment)?;
                let Some((later, first)) = behind else { break };
                file.fault(
                    Some(at..later),
                    format!("a seal with records behind it: the disk lost a write; {}", affected(lowest, Some(first))),
                );
                (at, lowest, end) = (later, first, first);
            }
            Ok(group) => {
                let bytes = at..at + group.total_bytes();
                match runs.last_mut().filter(|run| run.bytes.end == at && run.positions.end == group.first) {
                    Some(run) => (run.bytes.end, run.positions.end) = (bytes.end, group.end()),
                    None => runs.push(Run { bytes: bytes.clone(), positions: group.first..group.end() }),
                }
                segment.extend(&group);
                (at, lowest, end) = (bytes.end, group.end(), group.end());
            }
            Err(GroupError::Io(source)) => return Err(source),
            Err(GroupError::Damaged { at: from, to, what }) => {
                let later = find_later(&mut window, at + 1, lowest, segment)?;
                match (later, follower) {
                    (Some((later, first)), _) => {
                        file.fault(Some(from..later), format!("{what}; {}", affected(lowest, Some(first))));
                        (at, lowest, end) = (later, first, first);
                        continue;
                    }
                    (None, Follower::At(end)) => file.fault(Some(from..to), format!("{what}; {}", affected(lowest, Some(*end)))),
                    (None, Follower::Unknown) => file.fault(Some(from..to), format!("{what}; {}", affected(lowest, None))),
                    (None, Follower::None) if lowest < confirmed => {
                        file.fault(Some(from..to), format!("{what}; {}", affected(lowest, Some(confirmed))));
                    }
                    // Never acknowledged: the next start cuts it off.
                    (None, Follower::None) => file.holds = format!(", then a torn tail of {} bytes", file.bytes - at),
                }
                break;
            }
        }
    }
    Ok(runs)
}
