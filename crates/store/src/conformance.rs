//! The suite that every backend of [`Store`](crate::Store) must pass, and the plain rows that it compares.
//!
//! A backend's test is one call of [`run`] with a way to make a [`World`]: a store that can be read back, brought to rest, and crashed.

mod account_cases;
mod cases;
mod rows;
mod seen_cases;
mod state_cases;
mod withdrawal_cases;

pub use cases::{Backend, World, run};
pub use rows::{Event, Row, commit_of, logical_rows, read_rows};
