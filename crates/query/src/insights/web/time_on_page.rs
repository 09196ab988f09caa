//! How long pages were looked at, from what the event after says of them.

use super::model::{Periods, WebQuery, named, within};
use super::visits::{Key, key_of};
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::{and, call};
use crate::insights::InsightContext;
use crate::insights::statistic::Statistic;
use crate::scan::EVER;
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use hashbrown::HashMap;

/// Longer than a day is a page that was left open.
const SECONDS_MAX: f64 = 86_400.0;

/// What most viewers stay below is what is shown.
const LEVEL: f64 = 0.9;

/// Seconds by page, of both periods. A view counts in the period in which it ended.
#[derive(Debug, Default)]
pub(super) struct TimeOnPage(HashMap<Key, [Vec<f64>; 2]>);

impl TimeOnPage {
    /// Reads the times. `page` is the page that was left.
    ///
    /// # Errors
    /// [`QueryError`] when a filter does not resolve, or reading fails.
    pub(super) fn of(page: &Expr, query: &WebQuery, periods: &Periods, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let seconds = call("toFloat", vec![Expr::field(["properties", "$prev_pageview_duration"])]);
        let mut conditions = vec![named(&["$pageview", "$pageleave", "$screen"])];
        conditions.push(call("isNotNull", vec![page.clone()]));
        conditions.push(call("isNotNull", vec![seconds.clone()]));
        conditions.extend(query.changed_filters(context, super::stats::about_page_left)?);
        let program = context.compile(&[and(conditions), page.clone(), seconds])?;
        let shards = context.over_shards(EVER, |parts| {
            let mut found = TimeOnPage::default();
            for part in parts.iter().filter(|part| periods.touch(part.time_range())) {
                let mut program = program.on(part);
                let rows = program.select(0, EVER)?;
                let times = program.times(&rows)?;
                let pages = [program.evaluate(1, &rows)?];
                let seconds = cast(&program.evaluate(2, &rows)?, &DataType::Float64)?;
                let seconds = seconds.as_primitive::<Float64Type>();
                for row in (0..times.len()).filter(|row| !seconds.is_null(*row)) {
                    let period = match periods.previous {
                        _ if within(periods.current, times[row]) => 0,
                        Some(previous) if within(previous, times[row]) => 1,
                        _ => continue,
                    };
                    let key = key_of(&pages, row);
                    found.0.entry(key).or_default()[period].push(seconds.value(row).min(SECONDS_MAX));
                }
            }
            Ok(found)
        })?;
        let mut all = TimeOnPage::default();
        for (key, lists) in shards.into_iter().flat_map(|found| found.0) {
            let known = all.0.entry(key).or_default();
            lists.into_iter().zip(known).for_each(|(mut list, known)| known.append(&mut list));
        }
        Ok(all)
    }

    /// The seconds that most viewers of a page stay below; 0 where nothing is known.
    pub(super) fn pair(&mut self, key: &Key) -> (Option<f64>, Option<f64>) {
        let Some([current, previous]) = self.0.get_mut(key) else { return (Some(0.0), Some(0.0)) };
        let level = |values: &mut Vec<f64>| Some(Statistic::Quantile(LEVEL).over(values));
        (level(current), level(previous))
    }
}
