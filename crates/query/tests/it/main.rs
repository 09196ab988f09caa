//! What the crate claims: one file per claim, and cases as data (`cases/*.case`).

mod answers_cases;
mod answers_have_posthogs_shape;
mod by_definition;
mod cohorts_and_actions_are_asked_everywhere;
mod cohorts_have_their_members;
mod computes_equal_queries_once;
mod funnel_oracle;
mod funnels_agree_with_the_slow_way;
mod generated_queries_stay_inside;
mod hogql_answers_as_clickhouse;
mod holds_the_memory_limit;
mod isolates_projects;
mod keeps_answers;
mod logs_queries;
mod reaches_only_its_tables;
mod reads_many_batches;
mod recursive_queries_read_themselves;
mod samples_by_distinct_id;
mod stands_behind;
mod stops_what_takes_too_long;
mod system_tables_list_saved_work;
mod takes_hostile_texts;
mod takes_turns;
mod user_agents_tell_programs;
mod world;
