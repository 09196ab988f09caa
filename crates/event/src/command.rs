//! # Command, version 1 (little-endian)
//!
//! A change of persons or groups that somebody asked for. It lies in the journal between the events, so that it is made where it was asked for, once, and again
//! after a crash; an older program refuses the record.
//!
//! | field | type | why |
//! |---|---|---|
//! | kind | u8 = 0x82 | no version of a raw batch |
//! | project | u32 | whose persons |
//! | at | i64 µs | when it was asked for |
//! | change | u8 | 1 delete persons, 2 split a person, 3 remove a property of a group |
//! | 1: flags | u8 | bit 0: their events too; bit 1: the persons stay |
//! | 1: count, ids | u32, 16 bytes each | |
//! | 2: id, distinct id | 16 bytes, text | the distinct id that stays; empty: whichever the person was made of |
//! | 3: type index, key, property | u8, text, text | |
//!
//! A text is its length as u32, then UTF-8.

use crate::ids::{PersonId, ProjectId};
use crate::raw::{RawBatchError, Reader, put_len, put_text};
use crate::time::UnixMicros;
use uuid::Uuid;

/// First byte of a command.
pub(crate) const COMMAND: u8 = 0x82;
const EVENTS: u8 = 1;
const STAY: u8 = 2;

/// A change that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// Whose persons and groups.
    pub project: ProjectId,
    /// When it was asked for.
    pub at: UnixMicros,
    /// What.
    pub change: CommandedChange<'a>,
}

/// What a command changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandedChange<'a> {
    /// Deletes persons, their events, or both.
    Delete {
        /// Which.
        persons: Vec<PersonId>,
        /// All their events that were processed before are erased.
        erases_events: bool,
        /// The persons themselves stay.
        keeps_persons: bool,
    },
    /// Makes a person of each distinct id but one, and gives each its events.
    Split {
        /// Which.
        person: PersonId,
        /// The distinct id that stays with the person, which keeps its properties then. Empty: the one that it was made of, and its properties go.
        keeps: &'a str,
    },
    /// Removes a property of a group.
    UnsetGroupProperty {
        /// Index of the group's type.
        type_index: u8,
        /// The group's key.
        key: &'a str,
        /// The property.
        property: &'a str,
    },
}

impl<'a> Command<'a> {
    /// The command as bytes of version 1.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![COMMAND];
        out.extend_from_slice(&self.project.0.to_le_bytes());
        out.extend_from_slice(&self.at.0.to_le_bytes());
        match &self.change {
            CommandedChange::Delete { persons, erases_events, keeps_persons } => {
                out.extend([1, (u8::from(*erases_events) * EVENTS) | (u8::from(*keeps_persons) * STAY)]);
                put_len(&mut out, persons.len());
                persons.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
            }
            CommandedChange::Split { person, keeps } => {
                out.push(2);
                out.extend_from_slice(person.as_bytes());
                put_text(&mut out, keeps);
            }
            CommandedChange::UnsetGroupProperty { type_index, key, property } => {
                out.extend([3, *type_index]);
                put_text(&mut out, key);
                put_text(&mut out, property);
            }
        }
        out
    }

    /// Reads a command back.
    ///
    /// # Errors
    /// [`RawBatchError`] when `bytes` are not exactly one command that this program knows.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RawBatchError> {
        let mut reader = Reader::new(bytes);
        let [kind] = reader.take()?;
        if kind != COMMAND {
            return Err(RawBatchError::Version { found: kind });
        }
        let (project, at) = (ProjectId(u32::from_le_bytes(reader.take()?)), UnixMicros(i64::from_le_bytes(reader.take()?)));
        let change = match reader.take()? {
            [1] => {
                let [flags] = reader.take()?;
                let count = reader.len()?;
                // A damaged count must not reserve memory.
                let mut persons = Vec::with_capacity(count.min(bytes.len() / 16));
                for _ in 0..count {
                    persons.push(Uuid::from_bytes(reader.take()?));
                }
                CommandedChange::Delete { persons, erases_events: flags & EVENTS != 0, keeps_persons: flags & STAY != 0 }
            }
            [2] => CommandedChange::Split { person: Uuid::from_bytes(reader.take()?), keeps: reader.text()? },
            [3] => {
                let [type_index] = reader.take()?;
                CommandedChange::UnsetGroupProperty { type_index, key: reader.text()?, property: reader.text()? }
            }
            [found] => return Err(RawBatchError::Version { found }),
        };
        reader.finish()?;
        Ok(Self { project, at, change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Vec<Command<'static>> {
        let of = |change| Command { project: ProjectId(7), at: UnixMicros(-5), change };
        vec![
            of(CommandedChange::Delete {
                persons: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
                erases_events: true,
                keeps_persons: false,
            }),
            of(CommandedChange::Delete { persons: Vec::new(), erases_events: false, keeps_persons: true }),
            of(CommandedChange::Split { person: Uuid::from_u128(3), keeps: "bób" }),
            of(CommandedChange::UnsetGroupProperty { type_index: 4, key: "acme", property: "plan" }),
        ]
    }

    #[test]
    fn come_back_as_they_went_in() {
        for command in commands() {
            let bytes = command.encode();
            assert_eq!(Command::decode(&bytes), Ok(command.clone()));
            assert!((0..bytes.len()).all(|cut| Command::decode(&bytes[..cut]).is_err()), "{command:?}");
            assert!(Command::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn are_no_batches() {
        let bytes = commands()[0].encode();
        assert_eq!(crate::RawBatch::decode(&bytes), Err(RawBatchError::Version { found: COMMAND }));
    }
}
