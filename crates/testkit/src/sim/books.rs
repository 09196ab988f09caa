//! Steps of the ledger: the thread that keeps the books, and what the edge told of each request.

use super::{CLIENT_TIMEOUT_MS, Flight, Sim};
use crate::account;
use crate::check::Finding;
use aqueduct_ledger::account::{Health, State};
use http::StatusCode;

impl Sim<'_> {
    /// What the thread of the ledger does twice a second: counts and compares.
    pub(super) fn keep_books(&mut self) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        match server.books.step() {
            Ok(health) => {
                self.trace.count("comparisons of the ledger", 1);
                Self::check_health(&health)
            }
            Err(error) => {
                self.trace.say(format!("books not kept: {error}"));
                self.trace.count("comparisons of the ledger failed", 1);
                Ok(())
            }
        }
    }

    /// What it does once a second: saves the account, too.
    pub(super) fn save_books(&mut self) -> Result<(), Finding> {
        self.keep_books()?;
        let Some(server) = &self.server else { return Ok(()) };
        let saved = server.books.save();
        self.world.notes.saved(saved.is_ok(), &server.account);
        match saved {
            Ok(()) => self.trace.count("saves of the ledger", 1),
            Err(error) => {
                self.trace.say(format!("books not saved: {error}"));
                self.trace.count("saves of the ledger failed", 1);
            }
        }
        Ok(())
    }

    pub(super) fn check_health(health: &Health) -> Result<(), Finding> {
        match health.state {
            State::Alarm => Err(Finding::Broken(format!("the ledger alarms: {health:?}"))),
            _ if health.residue != 0 || health.missing != 0 => Err(Finding::Broken(format!("the ledger does not alarm: {health:?}"))),
            _ => Ok(()),
        }
    }

    /// Compares what the edge told the ledger of a request with its answer.
    pub(super) fn account_for(&mut self, flight: &Flight, status: StatusCode) -> Result<(), Finding> {
        let (message, told) = (&self.clients.posts[flight.post].message, self.world.notes.take(flight.number));
        let waited_ms = (self.now_ms + CLIENT_TIMEOUT_MS).saturating_sub(flight.deadline_ms);
        let is_poisoned = self.server.as_ref().is_none_or(|server| server.journal.poisoned().is_some());
        let is_open = is_poisoned || waited_ms >= self.plan.capture.append_timeout_ms;
        let open = account::told(message, status.as_u16(), told, is_open).map_err(Finding::Broken)?;
        if told.is_unreadable() {
            self.conservation.unreadable += u64::from(message.total);
        }
        self.conservation.uncertain += u64::from(open);
        Ok(())
    }

    /// A request whose answer nobody waits for any more.
    pub(super) fn lose_sight(&mut self, flight: &Flight) {
        self.conservation.uncertain += u64::from(self.clients.posts[flight.post].message.total);
    }
}
