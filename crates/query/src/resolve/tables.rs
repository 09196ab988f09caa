//! The tables that HogQL knows beside `events`, and their fields.

use super::person_expression::PersonExpression;
use crate::cohorts::Listed;
use crate::scan::{DerivedKind, EmptyType, GroupField, LOG_FIELDS, PersonField, SESSION_FIELDS, SessionField, TableColumn, log_field};
use crate::system::{self, SystemTable};
use aqueduct_catalog::PropertyParent;

/// A table by the name that a query uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownTable {
    Events,
    Persons,
    DistinctIds,
    Groups,
    Sessions,
    QueryLog,
    /// Members of cohorts.
    Cohorts(Listed),
    /// What people made and named.
    System(&'static SystemTable),
    /// Known, but nothing is kept in it yet.
    Empty(&'static [(&'static str, EmptyType)]),
}

use EmptyType::{Int, Text, Texts, Time, Uuid};

const OVERRIDES: &[(&str, EmptyType)] = &[("distinct_id", Text), ("person_id", Uuid)];
/// Recordings of sessions.
pub(super) const RECORDINGS: &[(&str, EmptyType)] = &[
    ("session_id", Text),
    ("distinct_id", Text),
    ("min_first_timestamp", Time),
    ("max_last_timestamp", Time),
    ("start_time", Time),
    ("end_time", Time),
    ("first_url", Text),
    ("click_count", Int),
    ("keypress_count", Int),
    ("mouse_activity_count", Int),
    ("active_milliseconds", Int),
    ("console_log_count", Int),
    ("console_warn_count", Int),
    ("console_error_count", Int),
    ("size", Int),
    ("event_count", Int),
    ("message_count", Int),
    ("snapshot_source", Text),
    ("snapshot_library", Text),
    ("all_urls", Texts),
    ("person_id", Uuid),
];
const ISSUE_OVERRIDES: &[(&str, EmptyType)] = &[("fingerprint", Text), ("issue_id", Uuid)];
const LOG_ENTRIES: &[(&str, EmptyType)] =
    &[("log_source", Text), ("log_source_id", Text), ("instance_id", Text), ("timestamp", Time), ("message", Text), ("level", Text)];
const APP_METRICS: &[(&str, EmptyType)] = &[
    ("timestamp", Time),
    ("app_source", Text),
    ("app_source_id", Text),
    ("instance_id", Text),
    ("metric_kind", Text),
    ("metric_name", Text),
    ("count", Int),
];
const HEATMAPS: &[(&str, EmptyType)] = &[
    ("session_id", Text),
    ("distinct_id", Text),
    ("x", Int),
    ("y", Int),
    ("scale_factor", Int),
    ("viewport_width", Int),
    ("viewport_height", Int),
    ("current_url", Text),
    ("timestamp", Time),
    ("type", Text),
];

/// Every name of a table. What is not here cannot be reached, and what is here reads the project's view alone.
const TABLES: &[(&str, KnownTable)] = &[
    ("events", KnownTable::Events),
    ("persons", KnownTable::Persons),
    ("raw_persons", KnownTable::Persons),
    ("person_distinct_ids", KnownTable::DistinctIds),
    ("raw_person_distinct_ids", KnownTable::DistinctIds),
    ("groups", KnownTable::Groups),
    ("raw_groups", KnownTable::Groups),
    ("sessions", KnownTable::Sessions),
    ("raw_sessions", KnownTable::Sessions),
    ("query_log", KnownTable::QueryLog),
    ("raw_query_log", KnownTable::QueryLog),
    ("cohort_people", KnownTable::Cohorts(Listed::Dynamic)),
    ("raw_cohort_people", KnownTable::Cohorts(Listed::Dynamic)),
    ("static_cohort_people", KnownTable::Cohorts(Listed::Static)),
    ("person_distinct_id_overrides", KnownTable::Empty(OVERRIDES)),
    ("raw_person_distinct_id_overrides", KnownTable::Empty(OVERRIDES)),
    ("session_replay_events", KnownTable::Empty(RECORDINGS)),
    ("raw_session_replay_events", KnownTable::Empty(RECORDINGS)),
    ("log_entries", KnownTable::Empty(LOG_ENTRIES)),
    ("console_logs_log_entries", KnownTable::Empty(LOG_ENTRIES)),
    ("batch_export_log_entries", KnownTable::Empty(LOG_ENTRIES)),
    ("app_metrics", KnownTable::Empty(APP_METRICS)),
    ("heatmaps", KnownTable::Empty(HEATMAPS)),
    ("error_tracking_issue_fingerprint_overrides", KnownTable::Empty(ISSUE_OVERRIDES)),
    ("raw_error_tracking_issue_fingerprint_overrides", KnownTable::Empty(ISSUE_OVERRIDES)),
];

/// Every name of a table function.
pub(crate) const TABLE_FUNCTIONS: &[&str] = &[NUMBERS];

/// Counts; it reads nothing.
pub(crate) const NUMBERS: &str = "numbers";

/// The table of a name; `None` when there is none.
pub(crate) fn known_table(name: &str) -> Option<KnownTable> {
    let of_system = || system::table(name).map(KnownTable::System);
    TABLES.iter().find(|(known, _)| *known == name).map(|(_, table)| *table).or_else(of_system)
}

/// What the first name of a chain means in a table that is not `events`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TableField {
    Column(TableColumn),
    /// A JSON object of properties: what follows is a key.
    Properties(PropertyParent),
    /// The person of a row of `person_distinct_ids`: what follows is a field of it.
    Person,
    /// Computed from properties of the person.
    Expression(PersonExpression),
    /// `pdi` of a person: what follows is a field of `person_distinct_ids`.
    DistinctIds,
}

impl KnownTable {
    pub(crate) fn derived_kind(self) -> DerivedKind {
        match self {
            KnownTable::Persons => DerivedKind::Persons,
            KnownTable::DistinctIds => DerivedKind::DistinctIds,
            KnownTable::Groups => DerivedKind::Groups,
            KnownTable::Sessions => DerivedKind::Sessions,
            KnownTable::QueryLog => DerivedKind::Queries,
            KnownTable::Events | KnownTable::Cohorts(_) | KnownTable::System(_) | KnownTable::Empty(_) => DerivedKind::Empty,
        }
    }

    /// A field by name.
    pub(crate) fn field(self, name: &str) -> Option<TableField> {
        use TableField::{Column, Properties};
        Some(match (self, name) {
            (_, "team_id") => Column(TableColumn::TeamId),
            (KnownTable::Persons, "properties") => Properties(PropertyParent::Person),
            (KnownTable::Persons, "version") => Column(TableColumn::PersonVersion),
            (KnownTable::Persons | KnownTable::DistinctIds, "is_deleted") => Column(TableColumn::IsDeleted),
            (KnownTable::Persons, "pdi") => TableField::DistinctIds,
            (KnownTable::Persons, name) => match PersonExpression::named(name) {
                Some(field) => TableField::Expression(field),
                None => Column(TableColumn::Person(person_field(name)?)),
            },
            (KnownTable::DistinctIds, "distinct_id") => Column(TableColumn::DistinctId),
            (KnownTable::DistinctIds, "person_id") => Column(TableColumn::DistinctIdPerson),
            (KnownTable::DistinctIds, "version") => Column(TableColumn::DistinctIdVersion),
            (KnownTable::DistinctIds, "person") => TableField::Person,
            (KnownTable::Groups, "index") => Column(TableColumn::GroupIndex),
            (KnownTable::Groups, "properties") => Properties(PropertyParent::Group),
            (KnownTable::Groups, name) => Column(TableColumn::Group(group_field(name)?)),
            (KnownTable::Sessions, name) => Column(TableColumn::Session(session_field(name)?)),
            (KnownTable::QueryLog, name) => Column(TableColumn::Query(log_field(name)?)),
            (KnownTable::Empty(fields), name) => {
                let (name, kind) = fields.iter().find(|(known, _)| *known == name)?;
                Column(TableColumn::Empty(name, *kind))
            }
            _ => return None,
        })
    }

    /// Names that `*` stands for.
    pub(crate) fn asterisk(self) -> Vec<&'static str> {
        match self {
            KnownTable::Events => vec![
                "uuid",
                "event",
                "properties",
                "timestamp",
                "distinct_id",
                "elements_chain",
                "created_at",
                "$session_id",
                "$window_id",
                "person_mode",
                "$group_0",
                "$group_1",
                "$group_2",
                "$group_3",
                "$group_4",
                "elements_chain_href",
                "elements_chain_texts",
                "elements_chain_ids",
                "elements_chain_elements",
                "person_id",
            ],
            KnownTable::Persons => vec!["id", "created_at", "properties", "is_identified"],
            KnownTable::DistinctIds => vec!["distinct_id", "person_id"],
            KnownTable::Groups => vec!["index", "key", "created_at", "updated_at", "properties"],
            KnownTable::Sessions => SESSION_FIELDS.iter().map(|(name, _)| *name).collect(),
            KnownTable::QueryLog => LOG_FIELDS.iter().map(|(name, _)| *name).collect(),
            KnownTable::Cohorts(_) => vec!["person_id", "cohort_id", "team_id"],
            KnownTable::System(table) => table.columns.iter().map(|(name, _)| *name).collect(),
            KnownTable::Empty(fields) => fields.iter().map(|(name, _)| *name).collect(),
        }
    }
}

/// A plain field of a person.
pub(crate) fn person_field(name: &str) -> Option<PersonField> {
    Some(match name {
        "id" => PersonField::Id,
        "created_at" => PersonField::CreatedAt,
        "last_seen_at" => PersonField::LastSeenAt,
        "is_identified" => PersonField::IsIdentified,
        _ => return None,
    })
}

/// A plain field of a group.
pub(crate) fn group_field(name: &str) -> Option<GroupField> {
    Some(match name {
        "key" => GroupField::Key,
        "created_at" => GroupField::CreatedAt,
        "updated_at" => GroupField::UpdatedAt,
        _ => return None,
    })
}

/// A field of a session.
pub(crate) fn session_field(name: &str) -> Option<SessionField> {
    SESSION_FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// All that HogQL can reach. A new line here is a new way to data: it must read the project's view alone.
    #[test]
    fn everything_that_can_be_reached() {
        let tables = TABLES.iter().map(|(name, table)| format!("{name}: {:?}", table.derived_kind()));
        let functions = TABLE_FUNCTIONS.iter().map(|name| format!("{name}(…)"));
        let of_system = system::TABLES.iter().map(|table| format!("{}: {:?}", table.name, table.source()));
        let list: Vec<String> = tables.chain(functions).chain(of_system).collect();
        expect![[r#"
            events: Empty
            persons: Persons
            raw_persons: Persons
            person_distinct_ids: DistinctIds
            raw_person_distinct_ids: DistinctIds
            groups: Groups
            raw_groups: Groups
            sessions: Sessions
            raw_sessions: Sessions
            query_log: Queries
            raw_query_log: Queries
            cohort_people: Empty
            raw_cohort_people: Empty
            static_cohort_people: Empty
            person_distinct_id_overrides: Empty
            raw_person_distinct_id_overrides: Empty
            session_replay_events: Empty
            raw_session_replay_events: Empty
            log_entries: Empty
            console_logs_log_entries: Empty
            batch_export_log_entries: Empty
            app_metrics: Empty
            heatmaps: Empty
            error_tracking_issue_fingerprint_overrides: Empty
            raw_error_tracking_issue_fingerprint_overrides: Empty
            numbers(…)
            system.actions: Actions
            system.annotations: Annotations
            system.cohorts: Cohorts
            system.dashboards: Dashboards
            system.dashboard_tiles: Tiles
            system.exports: Exports
            system.groups: Groups
            system.group_type_mappings: GroupTypes
            system.insights: Insights
            system.teams: Teams
            system.alerts: Nothing
            system.batch_exports: Nothing
            system.cohort_calculation_history: Nothing
            system.data_warehouse_sources: Nothing
            system.data_warehouse_tables: Nothing
            system.error_tracking_issues: Nothing
            system.experiments: Nothing
            system.feature_flags: Nothing
            system.hog_functions: Nothing
            system.insight_variables: Nothing
            system.integrations: Nothing
            system.notebooks: Nothing
            system.session_recording_playlists: Nothing
            system.surveys: Nothing"#]]
        .assert_eq(&list.join("\n"));
    }
}
