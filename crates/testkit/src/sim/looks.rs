//! Looks at what is visible while the run goes on: through the store, through the ledger, through the query engine.

use super::Sim;
use crate::account::{self, EVER};
use crate::check::{self, Finding};
use crate::model::Model;
use crate::reader::{Question, Seen};
use crate::server::Server;
use aqueduct_event::JournalPosition;
use aqueduct_ledger::account::{Interval, Ledger};
use aqueduct_store::Store;
use rand::Rng;

impl Sim<'_> {
    /// Compares what is visible now with the model of what was processed.
    pub(super) fn look(&mut self) -> Result<(), Finding> {
        let Some(position) = self.server.as_ref().map(Server::position) else { return Ok(()) };
        self.trace.count("looks at what is visible", 1);
        self.check_stored(position)
    }

    /// Compares store and ledger, which stand at `position`, with the model. A store that cannot read because of a fault is no finding.
    pub(super) fn check_stored(&self, position: JournalPosition) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        if let Some(what) = self.world.records.broken() {
            return Err(Finding::Broken(what));
        }
        if self.letters.are_unsure() {
            return Ok(());
        }
        let model = self.model_at(position)?;
        let misreads = self.world.disk.misreads();
        let check = || check::stored(&server.store, &model, position, self.plan.projects);
        let mut checked = check();
        if matches!(checked, Err(Finding::Unreadable(_))) {
            // After a failure the manifest is opened again, and readers get a view of it with the next piece of work.
            let _ = server.store.work();
            checked = check();
        }
        match checked {
            Err(Finding::Unreadable(error)) if self.world.disk.misreads() > misreads => {
                self.trace.say(format!("a wrong read was noticed: {error}"));
                self.trace.count("wrong reads noticed", 1);
                Ok(())
            }
            Ok(()) => self.check_ledger(&model, position),
            checked => checked,
        }
    }

    /// Somebody asks the engine one question, often the same one again: an answer that was kept must not outlive what it is about.
    pub(super) fn ask_something(&mut self) -> Result<(), Finding> {
        let drawn = (self.rng.random_range(0..=self.plan.projects), Question::ALL[self.rng.random_range(0..Question::ALL.len())]);
        let (number, question) = self.asked.filter(|_| self.rng.random_bool(0.6)).unwrap_or(drawn);
        self.asked = Some((number, question));
        self.trace.count("questions during the run", 1);
        self.ask(number, question)
    }

    /// Somebody asks the engine at the end: everything of all projects, or one thing of one.
    pub(super) fn ask_at_the_end(&mut self) -> Result<(), Finding> {
        if !self.plan.asks_everything {
            let number = self.rng.random_range(1..=self.plan.projects);
            let question = Question::ALL[self.rng.random_range(0..Question::ALL.len())];
            self.trace.count("questions at the end", 1);
            return self.ask(number, question);
        }
        for number in 1..=self.plan.projects {
            for question in Question::ALL {
                self.trace.count("questions at the end", 1);
                self.ask(number, question)?;
            }
        }
        Ok(())
    }

    /// Compares what the engine answers with the model. That it cannot read because of a fault is no finding.
    fn ask(&mut self, number: u32, question: Question) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        let position = server.position();
        let model = self.model_at(position)?;
        let seen = Seen { model: &model, number, position, sent: &self.clients.messages.sent };
        let misreads = self.world.disk.misreads();
        let mut asked = self.reader.ask(server, question, &seen);
        if matches!(asked, Err(Finding::Unanswered(_))) {
            let _ = server.store.work();
            asked = self.reader.ask(server, question, &seen);
        }
        self.trace.say(format!("asked for {question:?} of project {number} at {position}"));
        match asked {
            Err(Finding::Unanswered(error)) if self.world.disk.misreads() > misreads => {
                self.trace.say(format!("a wrong read was noticed: {error}"));
                self.trace.count("wrong reads noticed", 1);
                Ok(())
            }
            asked => asked,
        }
    }

    /// Compares the ledger, whose store stands at `position`, with the model. A ledger that cannot be read because of a fault is no finding.
    fn check_ledger(&self, model: &Model, position: JournalPosition) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        let faults = || (self.world.disk.failures(), self.world.disk.misreads());
        let before = faults();
        match server.books.report(EVER, Interval::Day, None) {
            Ok(report) => {
                self.trace.count("looks at the ledger", 1);
                // What the ledger read of the journal, the records know now, too.
                let records = self.world.records.all();
                account::figures(&report, model, &records, position, self.plan.projects, &self.world.notes).map_err(Finding::Broken)?;
                Self::check_health(&report.health)
            }
            Err(error) if before != faults() || self.world.disk.is_off() => {
                self.trace.say(format!("the ledger cannot be read: {error}"));
                self.trace.count("ledger not readable", 1);
                Ok(())
            }
            Err(error) => Err(Finding::Broken(format!("the ledger cannot be read: {error}"))),
        }
    }
}
