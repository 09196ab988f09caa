//! Makes a damaged journal usable again: whole groups are kept, what is damaged is left out openly, the damaged files are kept beside.
//!
//! In: a directory that nobody has open, and what the store has confirmed. Out: segments that follow each other; where records are gone the
//! next segment says so (`follows` and `first`), as it does for positions that were skipped.
//!
//! # Invariants
//! - Nothing is removed: a damaged file gets the ending `.damaged`.
//! - Records that the store has not confirmed are left out only when the caller accepts that, and are named.

use super::check::{JournalCheck, Run, Survey, check};
use super::format::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::segment::{Segment, file_name};
use crate::disk::Disk;
use crate::error::OpenError;
use aqueduct_event::{Clock, JournalPosition};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes that are copied at once.
const STEP_BYTES: usize = 1024 * 1024;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Positions that are gone although the store has not confirmed them.
    pub lost: Vec<Range<u64>>,
    /// Damaged files, under the names that they have now.
    pub aside: Vec<PathBuf>,
}

/// Why a journal was not repaired. Nothing was changed, but for [`RepairError::Io`].
#[derive(Debug, Error)]
pub enum RepairError {
    /// It could not be checked.
    #[error(transparent)]
    Check(#[from] OpenError),
    /// Records that are nowhere else would be gone.
    #[error("records at {} are damaged and nowhere else", ranges(lost))]
    WouldLose {
        /// Their positions; the last range may be open (its end is [`u64::MAX`]).
        lost: Vec<Range<u64>>,
    },
    /// The file system said no.
    #[error("cannot repair {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

fn ranges(lost: &[Range<u64>]) -> String {
    let one = |range: &Range<u64>| match range.end {
        u64::MAX => format!("positions from {} on", range.start),
        end => format!("positions {} to {}", range.start, end - 1),
    };
    lost.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Repairs the journal in `dir`; `accept_loss` allows to leave out records that the store does not have.
///
/// # Errors
/// [`RepairError`].
pub fn repair(
    disk: &dyn Disk,
    dir: &Path,
    clock: &dyn Clock,
    confirmed: JournalPosition,
    accept_loss: bool,
) -> Result<Repaired, RepairError> {
    let found = check(disk, dir, confirmed)?;
    if found.is_sound() {
        return Ok(Repaired::default());
    }
    let lost = lost(&found, confirmed.0);
    if !lost.is_empty() && !accept_loss {
        return Err(RepairError::WouldLose { lost });
    }
    let mut work = Work { disk, dir, end: None, aside: Vec::new() };
    for (survey, file) in found.surveys.iter().zip(&found.files) {
        work.segment(survey, file.is_sound())?;
    }
    if found.is_behind {
        let follows = work.end.unwrap_or(confirmed.0);
        let header = SegmentHeader { first: confirmed.0, follows, created_micros: clock.now().0, salt: disk.random() };
        Segment::create(disk, dir, header).map_err(|error| RepairError::Io { path: dir.to_owned(), source: error.source })?;
    }
    Ok(Repaired { lost, aside: work.aside })
}

/// Positions that are in no run and that the store has not confirmed.
fn lost(found: &JournalCheck, confirmed: u64) -> Vec<Range<u64>> {
    let mut lost = Vec::new();
    let mut end = found.first.0;
    let mut note = |from: u64, to: u64| {
        if from.max(confirmed) < to {
            lost.push(from.max(confirmed)..to);
        }
    };
    for (survey, file) in found.surveys.iter().zip(&found.files) {
        let follows = survey.segment.as_ref().map_or(end, |segment| segment.header.follows);
        note(end, follows);
        end = end.max(follows);
        // Positions between `follows` and `first` were skipped: nothing ever had them.
        let mut next = survey.segment.as_ref().map_or(end, |segment| segment.header.first);
        for run in &survey.runs {
            note(next, run.positions.start);
            (next, end) = (run.positions.end, run.positions.end);
        }
        let is_cut = file
            .faults
            .iter()
            .any(|fault| fault.range.as_ref().is_some_and(|range| survey.runs.last().is_none_or(|run| range.start >= run.bytes.end)));
        if is_cut {
            // How far the damage goes is told by what follows it, if anything does.
            let after = found.surveys.iter().skip_while(|other| other.path != survey.path).skip(1);
            let follower = after.filter_map(|other| other.segment.as_ref()).map(|segment| segment.header.follows).next();
            note(end, follower.unwrap_or(u64::MAX));
            end = end.max(follower.unwrap_or(end));
        }
    }
    if found.is_behind {
        note(confirmed, u64::MAX);
    }
    lost
}

struct Work<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    /// Where the chain of good segments ends.
    end: Option<u64>,
    aside: Vec<PathBuf>,
}

impl Work<'_> {
    fn segment(&mut self, survey: &Survey, is_sound: bool) -> Result<(), RepairError> {
        let io = |source| RepairError::Io { path: survey.path.clone(), source };
        let Some(segment) = &survey.segment else {
            return self.put_aside(&survey.path).map_err(io);
        };
        let follows = segment.header.follows;
        let last = survey.runs.last().map(|run| run.positions.end);
        if is_sound && self.end.is_none_or(|end| end == follows) {
            self.end = Some(last.unwrap_or(follows));
            return Ok(());
        }
        let mut pieces = Vec::new();
        for (at, run) in survey.runs.iter().enumerate() {
            let first = if at == 0 { segment.header.first.min(run.positions.start) } else { run.positions.start };
            let header = SegmentHeader { first, follows: self.end.unwrap_or(follows), ..segment.header };
            pieces.push((self.piece(segment, &header, run).map_err(io)?, self.dir.join(file_name(first))));
            self.end = Some(run.positions.end);
        }
        self.put_aside(&survey.path).map_err(io)?;
        for (unfinished, path) in pieces {
            self.disk.rename(&unfinished, &path).map_err(io)?;
        }
        self.disk.sync_dir(self.dir).map_err(io)
    }

    /// Writes a run as a segment. The salt stays, so groups are copied as they are.
    fn piece(&self, segment: &Segment, header: &SegmentHeader, run: &Run) -> io::Result<PathBuf> {
        let unfinished = self.dir.join(format!("{}.tmp", file_name(header.first)));
        let file = self.disk.create(&unfinished)?;
        file.write_at(&[&header.encode()], 0)?;
        let (mut from, mut to) = (run.bytes.start, SEGMENT_HEADER_BYTES as u64);
        let mut buffer = vec![0; STEP_BYTES];
        while from < run.bytes.end {
            let wanted = usize::try_from(run.bytes.end - from).unwrap_or(STEP_BYTES).min(STEP_BYTES);
            let read = segment.file.read_at(&mut buffer[..wanted], from)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_at(&[&buffer[..read]], to)?;
            from += read as u64;
            to += read as u64;
        }
        file.sync()?;
        Ok(unfinished)
    }

    fn put_aside(&mut self, path: &Path) -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".damaged");
        let aside = PathBuf::from(name);
        self.disk.rename(path, &aside)?;
        self.disk.sync_dir(self.dir)?;
        self.aside.push(aside);
        Ok(())
    }
}
