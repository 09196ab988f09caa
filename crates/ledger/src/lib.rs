//! The ledger: what became of every event, per project and minute of receipt.
//!
//! In: from the edge what it refused and what it acknowledged ([`Edge`]); from the journal what was accepted; from the store the fates. Out: the account, in which
//! `received = visible + in flight + duplicate + refused + dropped + dead-lettered` holds, or an alarm.
//!
//! # Invariants
//! - The two sides are counted apart from each other: what came in from the journal and the edge, what became of it from the store.
//! - Nothing here decides anything about an event.
//!
//! Read next: [`edge`] (what the edge tells), [`account`] (the sums), [`recorder`] (what is kept so that single events can be traced).

pub mod account;
pub mod edge;
pub mod recorder;

pub use account::{Account, Fates, Tokens};
pub use edge::{Content, Edge, Refused, Unaccounted};
