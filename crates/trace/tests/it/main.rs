//! What traces and audits claim, asked of the whole way of an event: edge, journal, processing, store.

mod audits_find_what_is_missing;
mod each_cause_has_its_answer;
mod fates_are_told_where_they_lie;
mod world;
