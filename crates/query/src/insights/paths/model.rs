//! What a PathsQuery says: the parts of its JSON that change numbers.

use super::funnel::FunnelPathsFilter;
use crate::cleaning::Cleaning;
use crate::dates::RangeRequest;
use serde::Deserialize;
use serde_json::Value;

/// `PathsQuery`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PathsQuery {
    #[serde(default, rename = "dateRange")]
    pub(super) date_range: Option<RangeRequest>,
    #[serde(default)]
    pub(super) properties: Value,
    #[serde(default, rename = "filterTestAccounts")]
    pub(super) filter_test_accounts: Option<bool>,
    #[serde(default, rename = "pathsFilter")]
    pub(super) paths_filter: Option<PathsFilter>,
    #[serde(default, rename = "funnelPathsFilter")]
    pub(super) funnel_paths_filter: Option<FunnelPathsFilter>,
}

/// `pathsFilter`. Zero and empty text are as good as nothing said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PathsFilter {
    pub(super) include_event_types: Option<Vec<String>>,
    pub(super) start_point: Option<String>,
    pub(super) end_point: Option<String>,
    pub(super) step_limit: Option<usize>,
    pub(super) edge_limit: Option<usize>,
    pub(super) min_edge_weight: Option<u64>,
    pub(super) max_edge_weight: Option<u64>,
    pub(super) exclude_events: Option<Vec<String>>,
    pub(super) path_groupings: Option<Vec<String>>,
    pub(super) path_replacements: Option<bool>,
    pub(super) local_path_cleaning_filters: Option<Vec<Cleaning>>,
    /// For actors: the node that they came from, with its place (`1_/`).
    pub(super) path_start_key: Option<String>,
    /// For actors: the node that they went to.
    pub(super) path_end_key: Option<String>,
    /// For actors: the node at which their paths end.
    pub(super) path_dropoff_key: Option<String>,
    #[serde(rename = "pathsHogQLExpression")]
    pub(super) hogql: Option<String>,
}

impl PathsFilter {
    /// Whether rows of this kind are asked for: by name, or because nothing else is.
    pub(super) fn includes(&self, kind: &str) -> bool {
        let has = |list: &Option<Vec<String>>| list.iter().flatten().any(|each| each == kind);
        if self.kinds().is_empty() { !has(&self.exclude_events) } else { has(&self.include_event_types) }
    }

    /// `includeEventTypes`.
    pub(super) fn kinds(&self) -> &[String] {
        self.include_event_types.as_deref().unwrap_or_default()
    }
}

/// Text that says something.
pub(super) fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}
