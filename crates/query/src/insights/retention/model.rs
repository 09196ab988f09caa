//! What a RetentionQuery says: the parts of its JSON that change numbers.

use crate::dates::{Interval, RangeRequest};
use crate::error::QueryError;
use crate::insights::conditions::Target;
use crate::insights::model::BreakdownFilter;
use serde::Deserialize;
use serde_json::Value;

/// `RetentionQuery`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RetentionQuery {
    #[serde(default, rename = "dateRange")]
    pub(super) date_range: Option<RangeRequest>,
    #[serde(default)]
    pub(super) properties: Value,
    #[serde(default, rename = "filterTestAccounts")]
    pub(super) filter_test_accounts: Option<bool>,
    #[serde(default, rename = "breakdownFilter")]
    pub(super) breakdown_filter: Option<BreakdownFilter>,
    #[serde(default)]
    pub(super) aggregation_group_type_index: Option<u8>,
    #[serde(default, rename = "retentionFilter")]
    pub(super) retention_filter: Option<RetentionFilter>,
}

/// `retentionFilter`, as far as it is about numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RetentionFilter {
    pub(super) retention_type: Option<RetentionType>,
    pub(super) period: Option<Period>,
    pub(super) total_intervals: Option<i64>,
    pub(super) target_entity: Option<Entity>,
    pub(super) returning_entity: Option<Entity>,
    pub(super) cumulative: Option<bool>,
    pub(super) minimum_occurrences: Option<i64>,
    pub(super) time_window_mode: Option<WindowMode>,
    pub(super) retention_custom_brackets: Option<Vec<f64>>,
    pub(super) aggregation_type: Option<Aggregation>,
    pub(super) aggregation_property: Option<String>,
    pub(super) aggregation_property_type: Option<String>,
}

/// Which of an actor's target events begin something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum RetentionType {
    /// All of them.
    #[default]
    #[serde(rename = "retention_recurring")]
    Recurring,
    /// The first ever that passes the filters of the target.
    #[serde(rename = "retention_first_time", alias = "retention_first_occurrence_matching_filters")]
    FirstMatching,
    /// The first ever of that name, if it passes the filters.
    #[serde(rename = "retention_first_ever_occurrence")]
    FirstEver,
}

/// How wide an interval is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Period {
    #[serde(alias = "hour")]
    Hour,
    #[default]
    #[serde(alias = "day")]
    Day,
    #[serde(alias = "week")]
    Week,
    #[serde(alias = "month")]
    Month,
}

/// What an interval after the beginning is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum WindowMode {
    /// One of the calendar.
    #[default]
    #[serde(rename = "strict_calendar_dates")]
    Calendar,
    /// One that is counted from the actor's own beginning.
    #[serde(rename = "24_hour_windows")]
    Rolling,
}

/// What is added up over the events of a cell, beside counting actors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Aggregation {
    #[default]
    Count,
    Sum,
    Avg,
}

/// `targetEntity` and `returningEntity`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Entity {
    /// Name of the event, null for all events; number of the action.
    #[serde(default)]
    id: Value,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    pub(super) properties: Value,
}

impl Default for Entity {
    fn default() -> Self {
        Self { id: Value::from("$pageview"), kind: None, properties: Value::Null }
    }
}

impl Entity {
    /// What the entity looks for.
    ///
    /// # Errors
    /// [`QueryError::Request`] for a type that is not known.
    pub(super) fn target(&self) -> Result<Target<'_>, QueryError> {
        match self.kind.as_deref().unwrap_or("events") {
            "events" | "new_entity" => Ok(Target::Event(self.id.as_str())),
            "actions" => Ok(Target::Action(&self.id)),
            "data_warehouse" => Ok(Target::Table),
            other => {
                let detail = format!("an entity is of type events, actions or data_warehouse, found '{other}'");
                Err(QueryError::Request { detail, attr: Some("retentionFilter") })
            }
        }
    }

    /// Whether both look for the same rows.
    pub(super) fn is_same(&self, other: &Entity) -> bool {
        let kind = |entity: &Entity| entity.kind.clone().unwrap_or_else(|| "events".to_owned());
        let properties = |entity: &Entity| entity.properties.as_array().cloned().unwrap_or_default();
        self.id == other.id && kind(self) == kind(other) && properties(self) == properties(other)
    }
}

impl Period {
    pub(super) fn interval(self) -> Interval {
        match self {
            Period::Hour => Interval::Hour,
            Period::Day => Interval::Day,
            Period::Week => Interval::Week,
            Period::Month => Interval::Month,
        }
    }

    /// Its name in labels.
    pub(super) fn title(self) -> &'static str {
        match self {
            Period::Hour => "Hour",
            Period::Day => "Day",
            Period::Week => "Week",
            Period::Month => "Month",
        }
    }
}
