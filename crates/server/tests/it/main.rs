//! What the binary claims, asked of the binary itself.

mod asks_over_tls;
mod backlogs;
mod backs_up_and_restores;
mod checks_its_files;
mod config_is_checked;
mod crowds;
mod demo_plays;
mod events_become_visible;
mod hands_over;
mod imports_and_exports;
mod keeps_what_it_acknowledged;
mod ledger_balances;
mod process;
mod slow_clients_are_cut;
mod starts_and_stops;
mod starts_over_faults;
mod survives_its_disk;
mod traces_and_audits;
