//! The end of a run: faults cease, clients come to their end, all is drained, flushed, compacted, stopped and started, and everything is checked.

use super::Sim;
use crate::check::{self, Finding};
use crate::server::PARTITION;
use aqueduct_store::Store;

/// Rounds in which everything must have come to rest.
const ROUNDS_MAX: usize = 2_000;

impl Sim<'_> {
    pub(super) fn finish(&mut self) -> Result<(), Finding> {
        self.trace.say("FINALE".to_owned());
        self.world.disk.clear_faults();
        self.world.disk.cancel_crash();
        self.world.disk.set_capacity(u64::MAX);
        self.clients.wind_up();
        let mut rounds = 0;
        while !(self.clients.are_done() && self.flights.is_empty() && self.strays.is_empty()) {
            rounds += 1;
            if rounds > ROUNDS_MAX {
                return Err(Finding::Broken("requests are not answered although nothing fails any more".to_owned()));
            }
            self.step += 1;
            self.client_sends()?;
            self.write_journal();
            self.poll_flights()?;
            self.process();
            self.store_works(false);
            if rounds % 4 == 0 {
                // Without it the journal is not trimmed.
                self.save_books()?;
            }
            self.after()?;
            self.pass(200)?;
        }
        self.drain()?;
        self.save_books()?;
        self.look()?;
        if self.plan.asks_everything {
            // With rows in memory and in files.
            self.ask_at_the_end()?;
        }
        self.store_works(true);
        let mut pieces = 0;
        while self.store_works(false) {
            pieces += 1;
            if pieces > ROUNDS_MAX {
                return Err(Finding::Broken("the store's work does not end".to_owned()));
            }
        }
        // Each start compares all again with what the model says.
        self.restart()?;
        self.power_cut = true;
        self.crash()?;
        self.check_told()?;
        self.ask_at_the_end()?;
        let Some(server) = &self.server else { return Ok(()) };
        server.store.verify()?;
        let events = self.clients.messages.sent.len() as u64;
        self.trace.count("events", events);
        self.trace.count("changes of the disk", self.world.disk.changes());
        for (what, count) in self.world.disk.faults() {
            self.trace.count(what, count);
        }
        Ok(())
    }

    /// Everything that is in the journal becomes visible.
    fn drain(&mut self) -> Result<(), Finding> {
        for _ in 0..ROUNDS_MAX {
            let Some(server) = &self.server else { return Ok(()) };
            if server.position() >= server.journal.end(PARTITION) {
                return Ok(());
            }
            if !self.process() {
                self.store_works(false);
            }
            self.after()?;
        }
        Err(Finding::Broken("the journal is not drained although nothing fails any more".to_owned()))
    }

    fn check_told(&self) -> Result<(), Finding> {
        let Some(server) = &self.server else { return Ok(()) };
        let (durable, end) = (server.store.durable(PARTITION), server.journal.end(PARTITION));
        if durable < end {
            return Err(Finding::Broken(format!("at the end the store stands at {durable}, before the journal's end {end}")));
        }
        let records = self.world.records.all();
        let (sent, projects) = (&self.clients.messages.sent, self.plan.projects);
        self.conservation.and(self.commands.conservation()).check(&records, &self.world.notes).map_err(Finding::Broken)?;
        check::told(&records, sent, projects)?;
        check::order(&records, sent, projects)?;
        check::accepted(&self.model_of(&records)?, sent)
    }
}
