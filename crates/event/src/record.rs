//! What a record of the journal can be: a [`RawBatch`], a dead letter that comes again, or a [`Command`].
//!
//! # Replay, version 1 (little-endian)
//!
//! | field | type | why |
//! |---|---|---|
//! | kind | u8 = 0x81 | no version of a raw batch: an older program refuses the record instead of taking it for new events |
//! | project, partition | u32, u32 | whose letter, and where its record lay |
//! | position | u64 | |
//! | index | u32 | the event's place in that record |
//! | batch | raw batch | as many events as the letter stands for, with the time of receipt of the letter |
//!
//! A replay is no receipt: its events were counted as received when they came first.

use crate::command::{COMMAND, Command};
use crate::ids::{JournalPosition, PartitionId, ProjectId};
use crate::raw::{RawBatch, RawBatchError, RawHead};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

const REPLAY: u8 = 0x81;
const REPLAY_HEAD_BYTES: usize = 1 + 4 + 4 + 8 + 4;

/// Names a dead letter by where its event lay in the journal: the same after a replay of the journal, and never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    /// The partition.
    pub partition: PartitionId,
    /// The record.
    pub position: JournalPosition,
    /// The event's place in the record; 0 for a whole record.
    pub index: u32,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.partition.0, self.position, self.index)
    }
}

/// A text names no dead letter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("found {found:?}, expected the id of a dead letter such as 0-4711-0")]
pub struct UnknownLetterId {
    /// The text.
    pub found: String,
}

impl FromStr for LetterId {
    type Err = UnknownLetterId;

    fn from_str(text: &str) -> Result<Self, UnknownLetterId> {
        let mut parts = text.split('-');
        let read = (|| {
            let partition = PartitionId(parts.next()?.parse().ok()?);
            let position = JournalPosition(parts.next()?.parse().ok()?);
            let index = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { partition, position, index })
        })();
        read.filter(|id| id.to_string() == text).ok_or_else(|| UnknownLetterId { found: text.to_owned() })
    }
}

/// A record, borrowed from its bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// Events of a request.
    Batch(RawBatch<'a>),
    /// A dead letter that comes again.
    Replay(Replay<'a>),
    /// A change of persons that somebody asked for.
    Command(Command<'a>),
}

/// A dead letter that comes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay<'a> {
    /// Whose letter; 0 for none.
    pub project: ProjectId,
    /// Which letter.
    pub letter: LetterId,
    /// Its events.
    pub batch: RawBatch<'a>,
}

impl<'a> Record<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// [`RawBatchError`] when `bytes` are not exactly one record of a known kind.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RawBatchError> {
        if bytes.first() == Some(&COMMAND) {
            return Command::decode(bytes).map(Self::Command);
        }
        let Some((head, batch)) = replay_head(bytes) else {
            return RawBatch::decode(bytes).map(Self::Batch);
        };
        let (project, letter) = head;
        RawBatch::decode(batch).map(|batch| Self::Replay(Replay { project, letter, batch }))
    }
}

impl Replay<'_> {
    /// A record of `batch`, the bytes of a raw batch.
    #[must_use]
    pub fn encode(project: ProjectId, letter: LetterId, batch: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(REPLAY_HEAD_BYTES + batch.len());
        out.push(REPLAY);
        out.extend_from_slice(&project.0.to_le_bytes());
        out.extend_from_slice(&letter.partition.0.to_le_bytes());
        out.extend_from_slice(&letter.position.0.to_le_bytes());
        out.extend_from_slice(&letter.index.to_le_bytes());
        out.extend_from_slice(batch);
        out
    }
}

/// Whose letter and which, and the bytes of the batch; `None` for records that are no replay.
fn replay_head(bytes: &[u8]) -> Option<((ProjectId, LetterId), &[u8])> {
    let (head, batch) = bytes.split_first_chunk::<REPLAY_HEAD_BYTES>()?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let position = u64::from(number(9)) | (u64::from(number(13)) << 32);
    let letter = LetterId { partition: PartitionId(number(5)), position: JournalPosition(position), index: number(17) };
    (head[0] == REPLAY).then_some(((ProjectId(number(1)), letter), batch))
}

/// What a record says that the account must know, read without its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt<'a> {
    /// Events that came in.
    Batch(RawHead<'a>),
    /// Nothing new: a dead letter that comes again.
    Replay,
    /// No events at all.
    Command,
    /// Nobody knows what: it counts as one event of no project and no time.
    Unreadable,
}

impl<'a> Receipt<'a> {
    /// Reads the head of a record.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        if bytes.first() == Some(&REPLAY) {
            return Self::Replay;
        }
        if bytes.first() == Some(&COMMAND) {
            return Self::Command;
        }
        RawHead::read(bytes).map_or(Self::Unreadable, Self::Batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMicros;

    #[test]
    fn ids_are_texts() {
        let id = LetterId { partition: PartitionId(0), position: JournalPosition(4711), index: 3 };
        assert_eq!(id.to_string(), "0-4711-3");
        assert_eq!("0-4711-3".parse(), Ok(id));
        for wrong in ["", "0-1", "0-1-2-3", "0-1-x", "0-01-2", "+0-1-2"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong:?}");
        }
    }

    fn batch() -> Vec<u8> {
        let received_at = UnixMicros(7);
        let events = Vec::new();
        RawBatch { token: "t", received_at, sent_at: None, historical: false, client_ip: "", user_agent: "", path: "/e", events }.encode()
    }

    #[test]
    fn a_replay_comes_back_and_is_no_batch() {
        let letter = LetterId { partition: PartitionId(1), position: JournalPosition(u64::MAX - 2), index: 9 };
        let bytes = Replay::encode(ProjectId(5), letter, &batch());
        let Ok(Record::Replay(replay)) = Record::decode(&bytes) else { panic!("a replay") };
        assert_eq!((replay.project, replay.letter, replay.batch.token), (ProjectId(5), letter, "t"));
        assert_eq!(RawBatch::decode(&bytes), Err(RawBatchError::Version { found: 0x81 }));
        assert_eq!(Receipt::read(&bytes), Receipt::Replay);
    }

    #[test]
    fn a_head_is_read_without_the_events() {
        let bytes = batch();
        assert_eq!(Receipt::read(&bytes), Receipt::Batch(RawHead { token: "t", received_at: UnixMicros(7), events: 0 }));
        for len in 0..bytes.len() {
            assert_eq!(Receipt::read(&bytes[..len]), Receipt::Unreadable, "{len}");
        }
    }
}
