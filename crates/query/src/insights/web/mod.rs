//! Web analytics: how many visited a site, from where, and what they looked at.
//!
//! In: WebOverviewQuery and WebStatsTableQuery. Out: PostHog's items and rows. A *visit* is what one session did under one value of the
//! breakdown ([`visits`]); everything that is shown is a sum over visits ([`tally`]).
//!
//! # Invariants
//! - Rows are read once for a table of visits; what is known of sessions was computed in one pass over the events ([`crate::scan`]).
//! - A visit counts in the period in which its session began, though its events are chosen by their own times.
//!
//! Source of the rules: query reference, section 17.

mod breakdown;
mod model;
mod overview;
mod stats;
mod tally;
mod time_on_page;
mod visits;

pub(super) use overview::run as overview;
pub(super) use stats::run as stats_table;
