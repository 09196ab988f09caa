//! What processing claims, one file per claim.

mod model;
mod world;

mod admission;
mod books;
mod commands;
mod cookieless;
mod definitions;
mod elements;
mod exactly_once;
mod groups;
mod merges;
mod order;
mod person_properties;
mod personless;
mod pipeline;
mod poison;
mod replay;
mod stored_properties;
mod verdicts;
