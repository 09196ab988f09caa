//! From the syntax tree to DataFusion expressions.
//!
//! In: [`ast::Expr`](crate::hogql::ast::Expr) of a user or of an insight, and the tables in scope. Out: a [`Value`]: a DataFusion expression over
//! virtual columns, with its type as ClickHouse would name it.
//!
//! # Invariants
//! - Only tables, columns and functions that are known here can be named; nothing of a user's text becomes text of another language.
//! - Comparisons follow HogQL: NULL is a value to `=`, `!=`, `IN` and `LIKE`, and no comparison gives NULL.
//! - Which columns a table must compute is found while resolving: asking for a field adds it to its relation.
//!
//! Read next: `scope.rs` (what names mean), `field.rs` (chains), `compare.rs`, `call.rs`.

mod arithmetic;
mod beside;
mod call;
mod coerce;
mod compare;
mod context;
mod expansion;
mod expr;
mod field;
mod json_path;
mod lazy;
mod membership;
mod notes;
mod person_expression;
mod placeholders;
mod relation;
mod rows;
mod scope;
mod subqueries;
mod tables;
mod types;
mod window;

pub use context::{Definitions, ProjectFacts};
pub(crate) use context::{PersonMode, QueryContext};
pub(crate) use placeholders::{FilterPair, Values, children_mut, replace_in_expr, replace_in_query};
pub(crate) use relation::{Output, Relation, Source, column_name, empty_value};
pub(crate) use rows::{compile_rows, constant, row_program};
pub(crate) use scope::{CteEnv, CteTable, Scope};
pub(crate) use tables::{KnownTable, NUMBERS, TABLE_FUNCTIONS, known_table};
pub(crate) use types::{Note, Type, Value};
