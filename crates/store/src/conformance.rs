//! The suite that every backend of [`Store`] must pass, and the plain rows that it compares.
//!
//! A backend's test is one call of [`run`] with a way to make a store, to read it back and to move its rows to another physical state.

mod cases;
mod rows;

pub use cases::{Backend, run};
pub use rows::{Event, Row, commit_of, logical_rows};
