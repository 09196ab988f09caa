//! Commands: somebody deletes persons, with or without their events, by records between those of the clients.

use super::Sim;
use crate::check::{self, Finding, broken};
use aqueduct_event::{Command, CommandedChange, JournalPosition, ProjectId, person_id_of};
use aqueduct_journal::{AppendError, Receipt};
use bytes::Bytes;
use rand::Rng;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

type Appending = Pin<Box<dyn Future<Output = Result<Receipt, AppendError>>>>;

/// Commands of a run.
#[derive(Default)]
pub(super) struct Commands {
    under_way: Vec<(Bytes, Appending)>,
    /// Those that are durable, as whoever asked for them was told.
    accepted: Vec<(JournalPosition, Bytes)>,
}

impl Commands {
    /// Hears the answers that are there.
    pub(super) fn poll(&mut self) {
        let accepted = &mut self.accepted;
        self.under_way.retain_mut(|(payload, appending)| match appending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => true,
            Poll::Ready(answer) => {
                accepted.extend(answer.ok().map(|receipt| (receipt.position, payload.clone())));
                false
            }
        });
    }

    /// The process is gone, and with it what nobody was told of.
    pub(super) fn died(&mut self) {
        self.under_way.clear();
    }

    /// Each command that was accepted lies where it was said to lie.
    pub(super) fn check(&self, records: &[(u64, Bytes)]) -> Result<(), Finding> {
        let lies = |(position, payload): &&(JournalPosition, Bytes)| {
            records.binary_search_by_key(&position.0, |(at, _)| *at).is_ok_and(|at| records[at].1 == *payload)
        };
        match self.accepted.iter().find(|accepted| !lies(accepted)) {
            Some((position, _)) => broken(format!("the command at {position} was accepted and is gone")),
            None => Ok(()),
        }
    }
}

impl Sim<'_> {
    /// Deletes a person that there is, or was, or might be.
    pub(super) fn delete_somebody(&mut self) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        let number = self.rng.random_range(1..=self.plan.projects);
        let model = check::model_of(&self.world.records.before(server.position()), self.plan.projects)?;
        let mut persons: Vec<_> = model.rows.iter().filter(|row| row.key.0 == number).map(|row| row.person).collect();
        persons.push(person_id_of(ProjectId(number), "anon-1"));
        let person = persons[self.rng.random_range(0..persons.len())];
        let present = model.projects.get(&number).map_or(person, |project| project.present(person));
        let person = if self.rng.random_bool(0.9) { present } else { person };
        let (erases_events, keeps_persons) = (true, true);
        let change = CommandedChange::Delete { persons: vec![person], erases_events, keeps_persons };
        let command = Command { project: ProjectId(number), at: self.now(), change };
        self.trace.say(format!("{command:?}"));
        self.trace.count(if erases_events { "erasures asked for" } else { "deletions asked for" }, 1);
        let (journal, payload) = (Arc::clone(&server.journal), Bytes::from(command.encode()));
        let record = payload.clone();
        self.commands.under_way.push((payload, Box::pin(async move { journal.append(0, record).await })));
        self.commands.poll();
        Ok(())
    }
}
