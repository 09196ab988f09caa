//! What insight queries say: the parts of their JSON that change numbers.
//!
//! Unknown fields are ignored, because clients send many that are about display.

use crate::dates::{Interval, RangeRequest};
use serde::Deserialize;
use serde_json::Value;

/// One thing that is counted.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Series {
    /// `EventsNode`, `ActionsNode`, `GroupNode`, ….
    #[serde(default)]
    pub(crate) kind: String,
    /// As the client calls it; counts for a `GroupNode` alone.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Of a `GroupNode`: `OR` (usual) or `AND`.
    #[serde(default)]
    pub(crate) operator: Option<String>,
    /// Of a `GroupNode`: the events and actions that are counted as one.
    #[serde(default)]
    pub(crate) nodes: Vec<Series>,
    /// Event name; null for all events.
    #[serde(default)]
    pub(crate) event: Option<String>,
    /// Number of the action of an `ActionsNode`.
    #[serde(default)]
    pub(crate) id: Value,
    #[serde(default)]
    pub(crate) custom_name: Option<String>,
    #[serde(default)]
    pub(crate) math: Option<String>,
    #[serde(default)]
    pub(crate) math_property: Option<String>,
    #[serde(default)]
    pub(crate) math_property_type: Option<String>,
    /// By how much values of the property are multiplied.
    #[serde(default)]
    pub(crate) math_multiplier: Option<f64>,
    #[serde(default)]
    pub(crate) math_hogql: Option<String>,
    #[serde(default)]
    pub(crate) math_group_type_index: Option<u8>,
    #[serde(default)]
    pub(crate) properties: Value,
    #[serde(default, rename = "fixedProperties")]
    pub(crate) fixed_properties: Value,
}

/// `breakdownFilter`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BreakdownFilter {
    /// A key, an expression, or a list of them.
    pub(crate) breakdown: Value,
    pub(crate) breakdown_type: Option<String>,
    pub(crate) breakdown_group_type_index: Option<u8>,
    pub(crate) breakdown_histogram_bin_count: Option<u32>,
    pub(crate) breakdown_normalize_url: Option<bool>,
    /// Values are paths, which the project's rules clean.
    pub(crate) breakdown_path_cleaning: Option<bool>,
    pub(crate) breakdown_limit: Option<usize>,
    pub(crate) breakdown_hide_other_aggregation: Option<bool>,
    /// The newer form: up to three at once.
    pub(crate) breakdowns: Option<Vec<Breakdown>>,
}

/// One of several breakdowns.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Breakdown {
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) property: Value,
    #[serde(default)]
    pub(crate) group_type_index: Option<u8>,
    #[serde(default)]
    pub(crate) histogram_bin_count: Option<u32>,
    #[serde(default)]
    pub(crate) normalize_url: Option<bool>,
}

/// `compareFilter`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CompareFilter {
    pub(crate) compare: Option<bool>,
    pub(crate) compare_to: Option<String>,
}

/// `trendsFilter`, as far as it is about numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TrendsFilter {
    #[serde(rename = "smoothingIntervals")]
    pub(crate) smoothing_intervals: Option<usize>,
    #[serde(rename = "formulaNodes")]
    pub(crate) formula_nodes: Option<Vec<FormulaNode>>,
    pub(crate) formulas: Option<Vec<String>>,
    pub(crate) formula: Option<String>,
    pub(crate) display: Option<String>,
    pub(crate) breakdown_histogram_bin_count: Option<u32>,
    /// Numbers of sessions are taken once of each session.
    #[serde(rename = "sessionLevelAggregation")]
    pub(crate) session_level_aggregation: Option<bool>,
}

/// A formula over series.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FormulaNode {
    pub(crate) formula: String,
    #[serde(default)]
    pub(crate) custom_name: Option<String>,
}

/// `TrendsQuery`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TrendsQuery {
    pub(crate) series: Vec<Series>,
    #[serde(default)]
    pub(crate) interval: Option<Interval>,
    #[serde(default, rename = "dateRange")]
    pub(crate) date_range: Option<RangeRequest>,
    #[serde(default)]
    pub(crate) properties: Value,
    #[serde(default, rename = "filterTestAccounts")]
    pub(crate) filter_test_accounts: Option<bool>,
    #[serde(default, rename = "breakdownFilter")]
    pub(crate) breakdown_filter: Option<BreakdownFilter>,
    #[serde(default, rename = "compareFilter")]
    pub(crate) compare_filter: Option<CompareFilter>,
    #[serde(default, rename = "trendsFilter")]
    pub(crate) trends_filter: Option<TrendsFilter>,
    #[serde(default, rename = "calendarHeatmapFilter")]
    pub(crate) calendar_heatmap_filter: Option<CalendarHeatmapFilter>,
    /// Of a calendar heatmap: what is counted in the place of its series.
    #[serde(default, rename = "conversionGoal")]
    pub(crate) conversion_goal: Option<ConversionGoal>,
}

/// `calendarHeatmapFilter`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct CalendarHeatmapFilter {
    /// Persons are counted when their session began.
    pub(crate) bucket_by_session_start: Option<bool>,
}

/// `conversionGoal`: an event or an action.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ConversionGoal {
    pub(crate) custom_event_name: Option<String>,
    pub(crate) action_id: Value,
}
