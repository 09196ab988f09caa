//! The catalog: projects, tokens, keys, users, definitions, warnings, actions, cohorts, saved work, the log of activity.
//!
//! In: management calls from `api`, what `process` learned of events. Out: the same, answered from memory where a request waits for it.
//! Durable in SQLite (`catalog.sqlite` in the data directory): management calls when they return, definitions and warnings within a second.
//!
//! # Invariants
//! - Never on the path of a capture request: what `capture` and `process` ask ([`Catalog::project_by_token`], [`Catalog::observe`],
//!   [`Catalog::warn`]) is answered from memory, without waiting for the database.
//! - Secrets are kept as hashes; each is shown once, when it is made.
//! - The database is written before memory: what a caller was told survives a crash.
//! - A file that was closed in order and has changed since is refused, with the bytes that are damaged.
//! - Numbers of projects and users are never given out twice.
//!
//! Read next: `database.rs` (the file), `projects.rs`, `definitions.rs`, `works.rs`, `migrations/`.

mod activity;
mod bootstrap;
mod catalog;
mod database;
mod definitions;
mod error;
mod invites;
mod keys;
mod members;
mod metrics;
mod model;
mod notes;
mod organization;
mod projects;
mod salts;
mod secret;
mod sums;
mod users;
mod warnings;
mod works;

pub use activity::{Activity, ActivityDetail, ActivityFilter, ENTRIES_MAX as ACTIVITY_ENTRIES_MAX, FieldChange, NewActivity};
pub use bootstrap::{Bootstrap, Bootstrapped};
pub use catalog::Catalog;
pub use definitions::{EventSeen, PropertySeen};
pub use error::{CatalogError, OpenError, RowError};
pub use invites::{Invite, NewInvite, NewUser};
pub use keys::{KeyPatch, NewKey};
pub use model::{
    EventDefinition, IngestionWarning, Level, NewProject, Organization, PersonalApiKey, Project, ProjectPatch, PropertyDefinition,
    PropertyParent, PropertyType, User,
};
pub use sums::check;
pub use users::UserPatch;
pub use works::{
    Action, ActionDocument, ActionKind, ActionStep, Cohort, CohortDocument, CohortKind, CohortMember, Kind, Matching, SharedLink, Work,
    WorkKind,
};
