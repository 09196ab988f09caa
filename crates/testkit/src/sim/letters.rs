//! Records that cannot be processed, and those who look after the dead letters that they become.
//!
//! A letter is mended and discarded beside the journal, so the model has to be told when: [`Letters`] remembers where the store stood. Of a discard that failed
//! nobody knows whether it was made, until the store can be asked again.

use super::Sim;
use crate::check::{self, Finding, broken};
use crate::model::{GARBAGE, Model};
use crate::server::PARTITION;
use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{JournalPosition, LetterId, ProjectId};
use aqueduct_process::letter;
use aqueduct_store::{Accounts, DeadLetter, Store};
use bytes::Bytes;
use rand::Rng;
use serde_json::Value;

/// A letter that somebody discarded, and where the store stood then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Discard {
    pub(crate) at: JournalPosition,
    pub(crate) project: u32,
    pub(crate) letter: LetterId,
}

/// What was done to letters.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// In order.
    discards: Vec<Discard>,
    /// The last one, of which it is not known whether it was made.
    unsure: Option<Discard>,
}

impl Letters {
    /// Whether the model could be wrong for now.
    pub(super) fn are_unsure(&self) -> bool {
        self.unsure.is_some()
    }
}

impl Sim<'_> {
    /// What the records before a position come to.
    pub(super) fn model_at(&self, position: JournalPosition) -> Result<Model, Finding> {
        self.model_of(&self.world.records.before(position))
    }

    pub(super) fn model_of(&self, records: &[(u64, Bytes)]) -> Result<Model, Finding> {
        check::model_of(records, &self.letters.discards, self.plan.projects)
    }

    /// A record comes that cannot be processed: one that no program knows, or an event that is broken.
    pub(super) fn poison(&mut self) -> Result<(), Finding> {
        if self.server.is_none() {
            return Ok(());
        }
        let record = if self.rng.random_bool(0.2) {
            self.trace.count("records that nobody can read", 1);
            [&[GARBAGE][..], &self.rng.random::<[u8; 8]>()].concat()
        } else {
            self.trace.count("events that cannot be processed", 1);
            let (now, step, project) = (self.now(), self.step, self.rng.random_range(1..=self.plan.projects));
            self.clients.messages.torn(&mut self.rng, project, now, step)
        };
        self.trace.say(format!("{} a record of {} bytes that cannot be processed", self.now_ms, record.len()));
        self.append(record, 1);
        Ok(())
    }

    /// Mends, replays or discards a letter, if there is one.
    pub(super) fn look_after_letters(&mut self) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        let number = self.rng.random_range(0..=self.plan.projects);
        // A list that cannot be read after a fault is looked at in `check.rs`.
        let letters = server.store.dead_letters(ProjectId(number), 0, 100).map(|(_, letters)| letters).unwrap_or_default();
        if letters.is_empty() {
            return Ok(());
        }
        let letter = letters[self.rng.random_range(0..letters.len())].clone();
        match self.rng.random_range(0..5) {
            0 => self.replay(&letter),
            1 => self.discard(&letter),
            2 => self.mend(letter).map(|_| ()),
            _ => match self.mend(letter)? {
                Some(mended) => self.replay(&mended),
                None => Ok(()),
            },
        }
    }

    fn replay(&mut self, letter: &DeadLetter) -> Result<(), Finding> {
        match letter::replay(letter) {
            Ok(record) => {
                self.trace.say(format!("letter {} comes again", letter.id));
                self.trace.count("letters replayed", 1);
                self.append(record, 0);
                Ok(())
            }
            Err(_) if letter.reason == DeadReason::UnreadableRecord => Ok(()),
            Err(error) => broken(format!("letter {} cannot be replayed: {error}", letter.id)),
        }
    }

    /// Answers the letter as it is then; `None` when that is not known, or when there is nothing to mend.
    fn mend(&mut self, letter: DeadLetter) -> Result<Option<DeadLetter>, Finding> {
        let Some(server) = &self.server else { return Ok(None) };
        let Some(payload) = mended(&letter.payload) else { return Ok(Some(letter).filter(|letter| letter.is_amended)) };
        match server.store.amend_dead_letter(letter.project, letter.id, &payload) {
            Ok(Some(mended)) if mended.is_amended && *mended.payload == *payload => {
                self.trace.say(format!("letter {} is mended", letter.id));
                self.trace.count("letters mended", 1);
                Ok(Some(mended))
            }
            Ok(found) => broken(format!("letter {} was mended and is {found:?}", letter.id)),
            Err(error) => {
                self.trace.say(format!("letter {} is not mended: {error}", letter.id));
                Ok(None)
            }
        }
    }

    fn discard(&mut self, letter: &DeadLetter) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        let discard = Discard { at: server.position(), project: letter.project.0, letter: letter.id };
        self.trace.count("letters discarded", 1);
        match server.store.discard_dead_letter(letter.project, letter.id) {
            Ok(true) => {
                self.trace.say(format!("letter {} is discarded", letter.id));
                self.letters.discards.push(discard);
                Ok(())
            }
            Ok(false) => broken(format!("letter {} was listed, and is not there", letter.id)),
            Err(error) => {
                self.trace.say(format!("whether letter {} is discarded is not known: {error}", letter.id));
                self.letters.unsure = Some(discard);
                self.settle_discard();
                Ok(())
            }
        }
    }

    /// Asks the store what became of a discard that failed, if it can say so.
    pub(super) fn settle_discard(&mut self) {
        let (Some(unsure), Some(server)) = (self.letters.unsure, &self.server) else { return };
        // After a failure the manifest is opened again first: an older view tells nothing.
        if server.store.work().is_err() {
            return;
        }
        if let Ok(found) = server.store.dead_letter(ProjectId(unsure.project), unsure.letter) {
            // A letter that a crash has taken back comes again with its record; it had to be durable before it could be discarded.
            let is_discarded = found.is_none() && unsure.letter.position < server.store.durable(PARTITION);
            self.trace.say(format!("letter {} is {}discarded", unsure.letter, if is_discarded { "" } else { "not " }));
            self.letters.unsure = None;
            self.letters.discards.extend(Some(unsure).filter(|_| is_discarded));
        }
    }
}

/// A payload whose torn properties are whole again; `None` when they are not torn.
fn mended(payload: &str) -> Option<String> {
    let mut payload: Value = serde_json::from_str(payload).ok()?;
    let properties = payload.pointer_mut("/events/0/properties")?;
    let torn = properties.as_str()?;
    *properties = serde_json::from_str(&format!("{torn}}}")).ok()?;
    Some(payload.to_string())
}
