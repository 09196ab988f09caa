//! What the binary claims, asked of the binary itself.

mod backlogs;
mod config_is_checked;
mod crowds;
mod demo_plays;
mod events_become_visible;
mod hands_over;
mod keeps_what_it_acknowledged;
mod ledger_balances;
mod process;
mod slow_clients_are_cut;
mod starts_and_stops;
mod traces_and_audits;
