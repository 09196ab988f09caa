//! HogQL: PostHog's dialect of ClickHouse SQL, as text and as a tree.
//!
//! In: text of a user. Out: [`ast::Query`] or [`ast::Expr`], the one syntax tree in which insights (built in Rust with [`build`])
//! and user HogQL meet; and text again, for the `hogql` field of answers.
//!
//! # Invariants
//! - Nothing here knows tables, columns or functions: that is the resolver's.
//! - Sugar is gone after parsing (`a ?? b` is `ifNull(a, b)`, `CASE` is `if`/`multiIf`, see [`ast`]), so a consumer meets each meaning once.
//! - Printing a tree and parsing it gives the same tree.
//! - Bad input gives a [`SyntaxError`] with offsets, never a panic; nesting is bounded.
//!
//! Read next: `ast.rs` (the tree), `lexer.rs`, `parser/mod.rs`, `printer.rs`.

pub mod ast;
pub mod build;
mod error;
mod lexer;
mod parser;
mod printer;

pub use error::SyntaxError;
pub use parser::{parse_expr, parse_order_expr, parse_select};
