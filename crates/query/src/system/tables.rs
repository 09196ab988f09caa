//! Which tables there are, and their columns.

use Kind::{Flag, Id, Int, Json, Key, Text, Time};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number that is always there.
    Id,
    /// Text that is always there.
    Key,
    /// A whole number, or a flag as 0 or 1.
    Int,
    Flag,
    Text,
    /// JSON text: what follows is a path into it.
    Json,
    Time,
}

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Actions,
    Annotations,
    Cohorts,
    Dashboards,
    Tiles,
    Exports,
    Groups,
    GroupTypes,
    Insights,
    Teams,
    /// Nothing of the kind is kept.
    Nothing,
}

/// A table of `system`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SystemTable {
    /// Its whole name.
    pub(crate) name: &'static str,
    pub(super) source: Source,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

#[cfg(test)]
impl SystemTable {
    /// Where its rows come from.
    pub(crate) fn source(&self) -> impl std::fmt::Debug {
        self.source
    }
}

/// The table of a name; `None` when there is none.
pub(crate) fn table(name: &str) -> Option<&'static SystemTable> {
    TABLES.iter().find(|table| table.name == name)
}

const fn of(name: &'static str, source: Source, columns: &'static [(&'static str, Kind)]) -> SystemTable {
    SystemTable { name, source, columns }
}

const fn empty(name: &'static str, columns: &'static [(&'static str, Kind)]) -> SystemTable {
    of(name, Source::Nothing, columns)
}

/// Every table of `system`.
pub(crate) const TABLES: &[SystemTable] = &[
    of(
        "system.actions",
        Source::Actions,
        &[
            ("id", Id),
            ("team_id", Id),
            ("name", Text),
            ("description", Text),
            ("deleted", Int),
            ("created_at", Time),
            ("updated_at", Time),
            ("steps_json", Json),
        ],
    ),
    of(
        "system.annotations",
        Source::Annotations,
        &[
            ("id", Id),
            ("team_id", Id),
            ("content", Text),
            ("scope", Text),
            ("creation_type", Text),
            ("date_marker", Time),
            ("deleted", Int),
            ("dashboard_item_id", Int),
            ("dashboard_id", Int),
            ("created_by_id", Int),
            ("created_at", Time),
            ("updated_at", Time),
        ],
    ),
    of(
        "system.cohorts",
        Source::Cohorts,
        &[
            ("id", Id),
            ("team_id", Id),
            ("name", Text),
            ("description", Text),
            ("deleted", Int),
            ("filters", Json),
            ("groups", Json),
            ("query", Json),
            ("created_at", Time),
            ("last_calculation", Time),
            ("version", Int),
            ("count", Int),
            ("is_static", Int),
        ],
    ),
    of(
        "system.dashboards",
        Source::Dashboards,
        &[
            ("id", Id),
            ("team_id", Id),
            ("name", Text),
            ("description", Text),
            ("created_at", Time),
            ("deleted", Int),
            ("filters", Json),
            ("variables", Json),
        ],
    ),
    of(
        "system.dashboard_tiles",
        Source::Tiles,
        &[
            ("id", Id),
            ("team_id", Id),
            ("dashboard_id", Id),
            ("insight_id", Int),
            ("text_id", Int),
            ("button_tile_id", Text),
            ("layouts", Json),
            ("color", Text),
            ("show_description", Flag),
            ("transparent_background", Flag),
            ("filters_overrides", Json),
            ("deleted", Int),
        ],
    ),
    of(
        "system.exports",
        Source::Exports,
        &[("id", Id), ("team_id", Id), ("export_format", Text), ("created_at", Time), ("export_context", Json)],
    ),
    of(
        "system.groups",
        Source::Groups,
        &[("id", Id), ("team_id", Id), ("group_key", Key), ("group_type_index", Id), ("group_properties", Json), ("created_at", Time)],
    ),
    of(
        "system.group_type_mappings",
        Source::GroupTypes,
        &[("id", Id), ("team_id", Id), ("group_type", Key), ("group_type_index", Id), ("name_singular", Text), ("name_plural", Text)],
    ),
    of(
        "system.insights",
        Source::Insights,
        &[
            ("id", Id),
            ("short_id", Key),
            ("team_id", Id),
            ("name", Text),
            ("description", Text),
            ("filters", Json),
            ("query", Json),
            ("query_metadata", Json),
            ("deleted", Int),
            ("saved", Int),
            ("favorited", Int),
            ("created_at", Time),
            ("created_by_id", Int),
            ("last_modified_at", Time),
            ("last_modified_by_id", Int),
            ("updated_at", Time),
        ],
    ),
    of(
        "system.teams",
        Source::Teams,
        &[
            ("id", Id),
            ("team_id", Id),
            ("name", Text),
            ("timezone", Text),
            ("test_account_filters", Json),
            ("created_at", Time),
            ("updated_at", Time),
        ],
    ),
    empty(
        "system.alerts",
        &[
            ("id", Key),
            ("team_id", Id),
            ("name", Text),
            ("insight_id", Int),
            ("enabled", Flag),
            ("state", Text),
            ("calculation_interval", Text),
            ("condition", Json),
            ("config", Json),
            ("created_at", Time),
            ("last_notified_at", Time),
            ("last_checked_at", Time),
            ("next_check_at", Time),
            ("snoozed_until", Time),
            ("skip_weekend", Flag),
            ("schedule_restriction", Json),
        ],
    ),
    empty(
        "system.batch_exports",
        &[
            ("id", Key),
            ("team_id", Id),
            ("name", Text),
            ("model", Text),
            ("interval", Text),
            ("paused", Int),
            ("deleted", Int),
            ("destination_id", Text),
            ("timezone", Text),
            ("interval_offset", Int),
            ("created_at", Time),
            ("last_updated_at", Time),
            ("last_paused_at", Time),
            ("start_at", Time),
            ("end_at", Time),
        ],
    ),
    empty(
        "system.cohort_calculation_history",
        &[
            ("id", Key),
            ("team_id", Id),
            ("cohort_id", Int),
            ("count", Int),
            ("started_at", Time),
            ("finished_at", Time),
            ("error_code", Text),
        ],
    ),
    empty(
        "system.data_warehouse_sources",
        &[
            ("id", Key),
            ("team_id", Id),
            ("source_type", Text),
            ("api_version", Text),
            ("prefix", Text),
            ("created_at", Time),
            ("updated_at", Time),
            ("deleted", Int),
            ("deleted_at", Time),
        ],
    ),
    empty(
        "system.data_warehouse_tables",
        &[
            ("id", Key),
            ("team_id", Id),
            ("name", Text),
            ("columns", Json),
            ("row_count", Int),
            ("external_data_source_id", Text),
            ("created_at", Time),
            ("updated_at", Time),
            ("deleted", Int),
            ("deleted_at", Time),
        ],
    ),
    empty(
        "system.error_tracking_issues",
        &[("id", Key), ("team_id", Id), ("created_at", Time), ("status", Text), ("name", Text), ("description", Text)],
    ),
    empty(
        "system.experiments",
        &[
            ("id", Id),
            ("team_id", Id),
            ("name", Text),
            ("description", Text),
            ("created_at", Time),
            ("updated_at", Time),
            ("filters", Json),
            ("parameters", Json),
            ("start_date", Time),
            ("end_date", Time),
            ("archived", Int),
            ("feature_flag_id", Int),
        ],
    ),
    empty(
        "system.feature_flags",
        &[
            ("id", Id),
            ("team_id", Id),
            ("key", Key),
            ("name", Text),
            ("filters", Json),
            ("rollout_percentage", Int),
            ("created_at", Time),
            ("deleted", Int),
        ],
    ),
    empty(
        "system.hog_functions",
        &[
            ("id", Key),
            ("team_id", Id),
            ("name", Text),
            ("description", Text),
            ("type", Text),
            ("enabled", Int),
            ("deleted", Int),
            ("icon_url", Text),
            ("template_id", Text),
            ("execution_order", Int),
            ("inputs_schema", Json),
            ("filters", Json),
            ("created_at", Time),
            ("updated_at", Time),
        ],
    ),
    empty(
        "system.insight_variables",
        &[("id", Key), ("team_id", Id), ("name", Text), ("type", Text), ("code_name", Text), ("values", Json), ("default_value", Json)],
    ),
    empty(
        "system.integrations",
        &[
            ("id", Id),
            ("team_id", Id),
            ("kind", Text),
            ("integration_id", Text),
            ("config", Json),
            ("errors", Text),
            ("created_at", Time),
            ("created_by_id", Int),
        ],
    ),
    empty(
        "system.notebooks",
        &[
            ("id", Key),
            ("short_id", Key),
            ("team_id", Id),
            ("title", Text),
            ("content", Json),
            ("markdown", Text),
            ("text_content", Text),
            ("deleted", Int),
            ("visibility", Text),
            ("version", Int),
            ("created_at", Time),
            ("last_modified_at", Time),
        ],
    ),
    empty(
        "system.session_recording_playlists",
        &[
            ("id", Id),
            ("short_id", Key),
            ("name", Text),
            ("derived_name", Text),
            ("description", Text),
            ("team_id", Id),
            ("pinned", Int),
            ("deleted", Int),
            ("filters", Json),
            ("type", Text),
            ("created_at", Time),
            ("created_by_id", Int),
            ("last_modified_at", Time),
            ("last_modified_by_id", Int),
        ],
    ),
    empty(
        "system.surveys",
        &[
            ("id", Key),
            ("team_id", Id),
            ("name", Text),
            ("type", Text),
            ("questions", Json),
            ("appearance", Json),
            ("start_date", Time),
            ("end_date", Time),
            ("created_at", Time),
        ],
    ),
];
