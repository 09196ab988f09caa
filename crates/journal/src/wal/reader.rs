//! A cursor over the journal: from memory while it keeps up, from the files while it does not.
//!
//! # Invariants
//! - Only durable records are given, each once, in order.
//! - Files are read on the caller's thread: a piece of some MiB at a time, from the page cache as a rule.

use super::format::{FRAME_HEADER_BYTES, GROUP_HEADER_BYTES};
use super::recent::entry;
use super::segment::{GroupError, Segment, Window};
use super::shared::{Shared, Tail};
use crate::error::ReadError;
use crate::{BoxFuture, Entry, JournalReader};
use aqueduct_event::JournalPosition;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct WalReader {
    shared: Arc<Shared>,
    id: u64,
    /// The next position that is wanted.
    from: u64,
    tail: watch::Receiver<Tail>,
    place: Option<Place>,
}

/// A place inside a segment file.
#[derive(Debug)]
struct Place {
    segment: Arc<Segment>,
    window: Window,
    /// Where the next frame or group begins.
    offset: u64,
    /// The lowest position that the next frame can have.
    position: u64,
    /// The rest of the group that `offset` is in: its position's end and its bytes' end.
    group: Option<(u64, u64)>,
}

impl WalReader {
    /// A reader that begins at `from`.
    pub(super) fn new(shared: Arc<Shared>, from: u64) -> Result<Self, ReadError> {
        let id = {
            let mut state = shared.state();
            let first = state.segments.front().map_or(0, |segment| segment.header.follows);
            if from < first {
                return Err(ReadError::Trimmed { wanted: JournalPosition(from), first: JournalPosition(first) });
            }
            if from > state.next {
                return Err(ReadError::Beyond { wanted: JournalPosition(from), next: JournalPosition(state.next) });
            }
            state.recent.enter(from)
        };
        let tail = shared.tail.subscribe();
        Ok(Self { shared, id, from, tail, place: None })
    }

    fn read(&mut self, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        let recent = {
            let mut state = self.shared.state();
            state.recent.taken(self.id, self.from);
            state.recent.read(self.from, bytes_max)
        };
        let entries = match recent {
            Some(entries) => {
                self.place = None;
                entries
            }
            None => self.read_files(bytes_max)?,
        };
        if let Some(last) = entries.last() {
            self.from = last.position.0 + 1;
        }
        Ok(entries)
    }

    fn read_files(&mut self, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        let mut place = match self.place.take().filter(|place| place.position == self.from && !place.at_end()) {
            Some(place) => place,
            None => match self.seek()? {
                Some(place) => place,
                None => return Ok(Vec::new()),
            },
        };
        let entries = place.read(self.from, bytes_max).map_err(|error| read_error(&place.segment, error))?;
        self.place = Some(place);
        Ok(entries)
    }

    fn seek(&self) -> Result<Option<Place>, ReadError> {
        let state = self.shared.state();
        let first = state.segments.front().map_or(0, |segment| segment.header.follows);
        if self.from < first {
            return Err(ReadError::Trimmed { wanted: JournalPosition(self.from), first: JournalPosition(first) });
        }
        let segment = state.segments.iter().find(|segment| segment.end() > self.from);
        Ok(segment.map(|segment| Place::new(Arc::clone(segment), self.from)))
    }
}

impl Place {
    fn new(segment: Arc<Segment>, from: u64) -> Self {
        let window = Window::new(Arc::clone(&segment.file), segment.durable_bytes());
        let (offset, position) = (segment.offset_before(from), segment.header.first);
        Self { segment, window, offset, position, group: None }
    }

    fn at_end(&self) -> bool {
        self.offset >= self.segment.durable_bytes()
    }

    fn read(&mut self, from: u64, bytes_max: usize) -> Result<Vec<Entry>, GroupError> {
        self.window.widen(self.segment.durable_bytes());
        let mut entries = Vec::new();
        let mut bytes = 0;
        let seed = self.segment.header.seed();
        while self.offset < self.window.limit() {
            let Some((positions_end, bytes_end)) = self.group else {
                let group = self.window.group(self.offset, seed)?;
                if group.end() <= from {
                    self.offset += group.total_bytes();
                } else {
                    self.group = Some((group.end(), self.offset + group.total_bytes()));
                    self.position = group.first;
                    self.offset += GROUP_HEADER_BYTES as u64;
                }
                continue;
            };
            let payload = self.window.frame(self.offset, self.position, bytes_end, seed)?;
            if self.position >= from {
                if !entries.is_empty() && bytes + payload.len() > bytes_max {
                    break;
                }
                bytes += payload.len();
                entries.push(entry(self.position, payload.clone()));
            }
            self.offset += (FRAME_HEADER_BYTES + payload.len()) as u64;
            self.position += 1;
            if self.position == positions_end {
                self.group = None;
            }
        }
        Ok(entries)
    }
}

fn read_error(segment: &Segment, error: GroupError) -> ReadError {
    let path = segment.path.clone();
    match error {
        GroupError::Io(source) => ReadError::Io { path, source },
        GroupError::Damaged { at, to, what } => ReadError::Damaged { path, from: at, to, what },
    }
}

impl JournalReader for WalReader {
    fn next(&mut self, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        Box::pin(async move {
            loop {
                let tail = *self.tail.borrow_and_update();
                if tail.end > self.from {
                    let entries = self.read(bytes_max)?;
                    if !entries.is_empty() {
                        return Ok(entries);
                    }
                } else if tail.closed {
                    return Ok(Vec::new());
                }
                // INVARIANT: `shared` keeps the sender, so a change is all that can come.
                if self.tail.changed().await.is_err() {
                    return Ok(Vec::new());
                }
            }
        })
    }
}

impl Drop for WalReader {
    fn drop(&mut self) {
        self.shared.state().recent.leave(self.id);
    }
}
