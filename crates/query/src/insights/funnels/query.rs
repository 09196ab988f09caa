//! What a FunnelsQuery says: the parts of its JSON that change numbers.

use crate::dates::{Interval, RangeRequest};
use crate::insights::model::{BreakdownFilter, CompareFilter, Series};
use serde::Deserialize;
use serde_json::Value;

/// `FunnelsQuery`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FunnelsQuery {
    pub(crate) series: Vec<Step>,
    pub(crate) interval: Option<Interval>,
    #[serde(rename = "dateRange")]
    pub(crate) date_range: Option<RangeRequest>,
    pub(crate) properties: Value,
    #[serde(rename = "filterTestAccounts")]
    pub(crate) filter_test_accounts: Option<bool>,
    /// Groups of this type take the place of persons.
    pub(crate) aggregation_group_type_index: Option<u8>,
    #[serde(rename = "breakdownFilter")]
    pub(crate) breakdown_filter: Option<BreakdownFilter>,
    #[serde(rename = "compareFilter")]
    pub(crate) compare_filter: Option<CompareFilter>,
    #[serde(rename = "funnelsFilter")]
    pub(crate) funnels_filter: Option<FunnelsFilter>,
}

/// One step: a series and what only steps have.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Step {
    #[serde(flatten)]
    pub(crate) series: Series,
    #[serde(default, rename = "optionalInFunnel")]
    pub(crate) optional: Option<bool>,
}

/// An event that must not come between two steps.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Exclusion {
    #[serde(flatten)]
    pub(crate) step: Step,
    #[serde(rename = "funnelFromStep")]
    pub(crate) from_step: i64,
    #[serde(rename = "funnelToStep")]
    pub(crate) to_step: i64,
}

/// `funnelsFilter`, as far as it is about numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FunnelsFilter {
    #[serde(rename = "funnelVizType")]
    pub(crate) viz: Option<Viz>,
    #[serde(rename = "funnelOrderType")]
    pub(crate) order: Option<Order>,
    #[serde(rename = "funnelFromStep")]
    pub(crate) from_step: Option<i64>,
    #[serde(rename = "funnelToStep")]
    pub(crate) to_step: Option<i64>,
    #[serde(rename = "funnelWindowInterval")]
    pub(crate) window: Option<i64>,
    #[serde(rename = "funnelWindowIntervalUnit")]
    pub(crate) window_unit: Option<WindowUnit>,
    #[serde(rename = "breakdownAttributionType")]
    pub(crate) attribution: Option<AttributionType>,
    #[serde(rename = "breakdownAttributionValue")]
    pub(crate) attribution_step: Option<usize>,
    #[serde(rename = "funnelAggregateByHogQL")]
    pub(crate) aggregate_by: Option<String>,
    pub(crate) exclusions: Option<Vec<Exclusion>>,
    #[serde(rename = "binCount")]
    pub(crate) bin_count: Option<i64>,
}

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Viz {
    /// How many reach each step.
    #[default]
    Steps,
    /// The same numbers, drawn as a flow.
    Flow,
    /// The share that converts, by time of entry.
    Trends,
    /// How long conversion takes.
    TimeToConvert,
}

/// How steps follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// In order, with anything between them.
    #[default]
    Ordered,
    /// In order, with nothing between them.
    Strict,
    /// In any order.
    Unordered,
}

/// Unit of the conversion window. A month has 31 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WindowUnit {
    Second,
    Minute,
    Hour,
    #[default]
    Day,
    Week,
    Month,
}

/// Which of an actor's breakdown values counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttributionType {
    /// The first that there is.
    #[default]
    FirstTouch,
    /// The last that there is.
    LastTouch,
    /// Each, and all steps must have it.
    AllEvents,
    /// That of one step.
    Step,
}

/// Counts for a window that is missing or makes no sense.
const WINDOW_DEFAULT: i64 = 14;

impl WindowUnit {
    fn seconds(self) -> i64 {
        match self {
            WindowUnit::Second => 1,
            WindowUnit::Minute => 60,
            WindowUnit::Hour => 3_600,
            WindowUnit::Day => 86_400,
            WindowUnit::Week => 7 * 86_400,
            WindowUnit::Month => 31 * 86_400,
        }
    }
}

impl FunnelsFilter {
    /// Time from the first step in which the others count, µs.
    pub(crate) fn window_micros(&self) -> i64 {
        let count = self.window.filter(|count| *count > 0).unwrap_or(WINDOW_DEFAULT);
        count.saturating_mul(self.window_unit.unwrap_or_default().seconds()).saturating_mul(1_000_000)
    }

    pub(crate) fn viz(&self) -> Viz {
        self.viz.unwrap_or_default()
    }

    pub(crate) fn order(&self) -> Order {
        self.order.unwrap_or_default()
    }

    pub(crate) fn exclusions(&self) -> &[Exclusion] {
        self.exclusions.as_deref().unwrap_or_default()
    }
}

impl Step {
    pub(crate) fn is_optional(&self) -> bool {
        self.optional == Some(true)
    }

    pub(crate) fn is_action(&self) -> bool {
        is_action(&self.series)
    }
}

/// Whether a step or a part of one is an action.
pub(crate) fn is_action(series: &Series) -> bool {
    matches!(series.kind.as_str(), "ActionsNode" | "FunnelExclusionActionsNode")
}
