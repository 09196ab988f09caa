//! query

pub mod hogql;
