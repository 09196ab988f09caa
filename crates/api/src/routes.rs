//! The handlers, a module for each kind of thing.

pub(crate) mod absent;
pub(crate) mod activity;
pub(crate) mod bulk;
pub(crate) mod dead_letters;
pub(crate) mod definitions;
pub(crate) mod events;
pub(crate) mod exports;
pub(crate) mod groups;
pub(crate) mod invites;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod live;
pub(crate) mod members;
pub(crate) mod organizations;
pub(crate) mod persons;
pub(crate) mod projects;
pub(crate) mod query;
pub(crate) mod query_log;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod tags;
pub(crate) mod trace;
pub(crate) mod users;
pub(crate) mod values;
pub(crate) mod warnings;
pub(crate) mod works;

use aqueduct_event::UnixMicros;

/// A time as the protocol writes it.
pub(crate) fn iso(time: UnixMicros) -> String {
    time.to_rfc3339()
}
