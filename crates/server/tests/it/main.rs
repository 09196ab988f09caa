//! What the binary claims, asked of the binary itself.

mod config_is_checked;
mod demo_plays;
mod events_become_visible;
mod keeps_what_it_acknowledged;
mod ledger_balances;
mod process;
mod slow_clients_are_cut;
mod starts_and_stops;
mod traces_and_audits;
