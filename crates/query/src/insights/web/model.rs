//! What web analytics queries say, and the periods that they are about.

use super::visits::Question;
use crate::dates::{Interval, QueryRange, RangeRequest};
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{array, compare, eq, or};
use crate::insights::InsightContext;
use crate::insights::conditions::Target;
use crate::insights::model::CompareFilter;
use serde::Deserialize;
use serde_json::{Value, json};

/// The fields that change numbers, of the overview and of the table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::insights) struct WebQuery {
    date_range: Option<RangeRequest>,
    pub(super) properties: Value,
    pub(super) conversion_goal: Option<ConversionGoal>,
    pub(super) compare_filter: Option<CompareFilter>,
    pub(super) do_path_cleaning: Option<bool>,
    filter_test_accounts: Option<bool>,
    pub(super) include_revenue: Option<bool>,
    /// Field and direction.
    pub(super) order_by: Option<Vec<String>>,
    pub(super) breakdown_by: Option<String>,
    pub(super) include_scroll_depth: Option<bool>,
    pub(super) include_bounce_rate: Option<bool>,
    pub(super) include_avg_time_on_page: Option<bool>,
    /// Pages with their host.
    pub(super) include_host: Option<bool>,
    pub(super) limit: Option<usize>,
    pub(super) offset: Option<usize>,
}

/// What a visit is wanted to end in: an action, or events of a name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ConversionGoal {
    action_id: Value,
    custom_event_name: Option<String>,
}

/// First and last microsecond of the periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Periods {
    pub(super) current: (i64, i64),
    pub(super) previous: Option<(i64, i64)>,
}

impl Periods {
    /// Whether the time lies in any.
    pub(super) fn contain(&self, time: i64) -> bool {
        within(self.current, time) || self.previous.is_some_and(|previous| within(previous, time))
    }

    /// Whether any time from `from` to `to` can lie in one.
    pub(super) fn touch(&self, (from, to): (i64, i64)) -> bool {
        let touches = |period: (i64, i64)| from <= period.1 && to >= period.0;
        touches(self.current) || self.previous.is_some_and(touches)
    }
}

/// Whether the time lies in the period.
pub(super) fn within(period: (i64, i64), time: i64) -> bool {
    period.0 <= time && time <= period.1
}

impl ConversionGoal {
    /// The condition on an event; `None` when no goal is named.
    fn condition(&self, context: &InsightContext<'_>) -> Result<Option<Expr>, QueryError> {
        match (&self.custom_event_name, &self.action_id) {
            (Some(name), _) => Target::Event(Some(name)).condition(context).map(Some),
            (None, Value::Null) => Ok(None),
            (None, id) => Target::Action(id).condition(context).map(Some),
        }
    }
}

impl WebQuery {
    pub(super) fn range(&self, context: &InsightContext<'_>) -> QueryRange {
        QueryRange::new(&self.date_range.clone().unwrap_or_default(), Interval::Day, &context.calendar)
    }

    /// The period that is asked for and the one that it is compared with.
    pub(super) fn periods(&self, range: &QueryRange) -> Periods {
        let micros = |range: &QueryRange| (range.from.timestamp().as_microsecond(), range.to.timestamp().as_microsecond());
        let compare = self.compare_filter.as_ref().filter(|compare| compare.compare == Some(true) || compare.compare_to.is_some());
        let previous = compare.map(|compare| micros(&range.compared(compare.compare_to.as_deref())));
        Periods { current: micros(range), previous }
    }

    pub(super) fn goal(&self, context: &InsightContext<'_>) -> Result<Option<Expr>, QueryError> {
        match &self.conversion_goal {
            Some(goal) => goal.condition(context),
            None => Ok(None),
        }
    }

    /// The filters of the query and, if asked for, of the project.
    pub(super) fn filters(&self, context: &InsightContext<'_>) -> Result<Option<Expr>, QueryError> {
        context.filters(&[&self.properties], self.filter_test_accounts)
    }

    /// The filters without those for which `change` gives none, the others as it gives them.
    pub(super) fn changed_filters(
        &self,
        context: &InsightContext<'_>,
        change: impl Fn(&Value) -> Option<Value>,
    ) -> Result<Option<Expr>, QueryError> {
        let changed = |list: &Value| match list {
            Value::Array(list) => Value::Array(list.iter().filter_map(&change).collect()),
            other => other.clone(),
        };
        let mut lists = vec![changed(&self.properties)];
        if self.filter_test_accounts == Some(true) {
            lists.push(changed(&context.query.project.test_account_filters));
        }
        context.filters(&lists.iter().collect::<Vec<_>>(), None)
    }

    /// Views of pages and screens, what the goal asks for, and the query's filters.
    pub(super) fn question(&self, context: &InsightContext<'_>) -> Result<Question, QueryError> {
        let goal = self.goal(context)?;
        let mut events = vec![named(&VIEWS)];
        events.extend(goal.clone());
        let mut conditions = vec![if events.len() == 1 { named(&VIEWS) } else { or(events) }];
        conditions.extend(self.filters(context)?);
        Ok(Question { conditions, breakdown: Vec::new(), goal, measures: Vec::new() })
    }
}

/// Events that show a page or a screen.
pub(super) const VIEWS: [&str; 2] = ["$pageview", "$screen"];

/// Events of these names.
pub(super) fn named(names: &[&str]) -> Expr {
    let event = Expr::field(["event"]);
    match names {
        [name] => eq(event, Expr::lit(*name)),
        names => compare(CompareOp::In, event, array(names.iter().map(|name| Expr::lit(*name)).collect())),
    }
}

/// Everything is read, so the sample is the whole.
pub(super) fn sampling_rate() -> Value {
    json!({"numerator": 1, "denominator": null})
}
