//! What the API claims, asked over its router.

mod answers_old_addresses;
mod answers_what_clients_look_for;
mod authenticates;
mod changes_persons;
mod exports_results;
mod keeps_actions_and_cohorts;
mod keeps_work;
mod lists_definitions;
mod lists_events;
mod lists_persons;
mod looks_after_dead_letters;
mod manages_keys;
mod manages_members;
mod manages_projects;
mod openapi_is_current;
mod runs_queries;
mod serves_the_web_app;
mod signs_in;
mod streams_live_events;
mod world;
