//! The catalog: projects, tokens, keys, users, definitions, warnings.
//!
//! In: management calls from `api`, what `process` learned of events. Out: the same, answered from memory where a request waits for it.
//! Durable in SQLite (`catalog.sqlite` in the data directory).
//!
//! # Invariants
//! - Never on the path of a capture request: what `capture` and `process` ask ([`Catalog::project_by_token`]) is answered from memory.
//! - Keys are kept as hashes; a secret is shown once, when it is made.

mod model;

pub use model::{Organization, PersonalApiKey, Project, PropertyParent, PropertyType, User};
