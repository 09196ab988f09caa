//! What comes into the journal beside the edge: commands by which somebody deletes persons, splits them, or removes a property of a group; and the records of
//! `letters.rs`.

use super::Sim;
use crate::account::Conservation;
use crate::check::{Finding, broken};
use crate::model::Model;
use aqueduct_event::{Command, CommandedChange, JournalPosition, PersonId, ProjectId, person_id_of};
use aqueduct_journal::{AppendError, Receipt};
use bytes::Bytes;
use rand::Rng;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

type Appending = Pin<Box<dyn Future<Output = Result<Receipt, AppendError>>>>;

/// A record on its way.
struct UnderWay {
    payload: Bytes,
    /// How many events it holds.
    events: u32,
    appending: Appending,
}

/// Records of a run that came beside the edge.
#[derive(Default)]
pub(super) struct Commands {
    under_way: Vec<UnderWay>,
    /// Those that are durable, as whoever asked for them was told.
    accepted: Vec<(JournalPosition, Bytes)>,
    conservation: Conservation,
}

impl Commands {
    /// Hears the answers that are there.
    pub(super) fn poll(&mut self) {
        let Self { under_way, accepted, conservation } = self;
        under_way.retain_mut(|record| match record.appending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => true,
            Poll::Ready(answer) => {
                match answer {
                    Ok(receipt) => accepted.push((receipt.position, record.payload.clone())),
                    // It may be in the journal all the same.
                    Err(_) => conservation.uncertain += u64::from(record.events),
                }
                false
            }
        });
    }

    /// The process is gone, and with it what nobody was told of.
    pub(super) fn died(&mut self) {
        for record in self.under_way.drain(..) {
            self.conservation.uncertain += u64::from(record.events);
        }
    }

    /// Events that came this way.
    pub(super) fn conservation(&self) -> Conservation {
        self.conservation
    }

    /// Each record that was accepted lies where it was said to lie.
    pub(super) fn check(&self, records: &[(u64, Bytes)]) -> Result<(), Finding> {
        let lies = |(position, payload): &&(JournalPosition, Bytes)| {
            records.binary_search_by_key(&position.0, |(at, _)| *at).is_ok_and(|at| records[at].1 == *payload)
        };
        match self.accepted.iter().find(|accepted| !lies(accepted)) {
            Some((position, _)) => broken(format!("the record at {position} was accepted and is gone")),
            None => Ok(()),
        }
    }
}

impl Sim<'_> {
    /// Hands a record of so many events to the journal.
    pub(super) fn append(&mut self, payload: Vec<u8>, events: u32) {
        let Some(server) = &self.server else { return };
        let (journal, payload) = (Arc::clone(&server.journal), Bytes::from(payload));
        let record = payload.clone();
        let appending: Appending = Box::pin(async move { journal.append(0, record).await });
        self.commands.conservation.sent += u64::from(events);
        self.commands.under_way.push(UnderWay { payload, events, appending });
        self.commands.poll();
    }

    /// Asks for one change.
    pub(super) fn command(&mut self) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        let number = self.rng.random_range(1..=self.plan.projects);
        let model = self.model_at(server.position())?;
        let person = self.somebody(&model, number);
        let text;
        let (change, what) = match self.rng.random_range(0..10) {
            0..6 => {
                let (erases_events, keeps_persons) = [(true, true), (true, false), (false, false)][self.rng.random_range(0..3)];
                let what = if keeps_persons { "erasures asked for" } else { "deletions asked for" };
                (CommandedChange::Delete { persons: vec![person], erases_events, keeps_persons }, what)
            }
            6..9 => {
                let ids = model.projects.get(&number).map(|project| project.ids_of(person)).unwrap_or_default();
                let named = self.rng.random_range(0..=ids.len() * 2);
                text = ids.get(named).cloned().unwrap_or_default();
                (CommandedChange::Split { person, keeps: &text }, "splits asked for")
            }
            _ => {
                let type_index = self.rng.random_range(0..3);
                let (key, property) = (["x", "y"][self.rng.random_range(0..2)], ["p", "q"][self.rng.random_range(0..2)]);
                (CommandedChange::UnsetGroupProperty { type_index, key, property }, "properties of groups removed")
            }
        };
        let command = Command { project: ProjectId(number), at: self.now(), change };
        self.trace.say(format!("{command:?}"));
        self.trace.count(what, 1);
        self.append(command.encode(), 0);
        Ok(())
    }

    /// A person that there is, or was, or might be.
    fn somebody(&mut self, model: &Model, number: u32) -> PersonId {
        let mut persons: Vec<_> = model.rows.iter().filter(|row| row.key.0 == number).map(|row| row.person).collect();
        persons.push(person_id_of(ProjectId(number), "anon-1"));
        let person = persons[self.rng.random_range(0..persons.len())];
        let present = model.projects.get(&number).map_or(person, |project| project.present(person));
        if self.rng.random_bool(0.9) { present } else { person }
    }
}
