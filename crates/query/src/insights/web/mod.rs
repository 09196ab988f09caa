//! Web analytics: how many visited a site, from where, and what they looked at.
//!
//! In: WebOverviewQuery, WebStatsTableQuery, WebGoalsQuery, and lists over events ([`lists`]). Out: PostHog's items and rows. A *visit* is what
//! one session did under one value of the breakdown ([`visits`]); what the first three show are sums over visits ([`tally`]).
//!
//! # Invariants
//! - Rows are read once for a table of visits; what is known of sessions was computed in one pass over the events ([`crate::scan`]).
//! - A visit counts in the period in which its session began, though its events are chosen by their own times.
//!
//! Source of the rules: query reference, section 17.

mod breakdown;
mod goals;
mod lists;
mod model;
mod overview;
mod stats;
mod tally;
mod time_on_page;
mod visits;

pub(super) use goals::run as goals;
pub(super) use lists::{external_clicks, page_urls, vitals_by_path};
pub(super) use overview::run as overview;
pub(super) use stats::run as stats_table;
