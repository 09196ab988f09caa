//! RetentionQuery: of those who began in an interval, how many came back in the intervals after.
//!
//! In: the query's JSON and a project. Out: PostHog's rows, one per interval of beginning.
//! The way: [`model`] is what is asked, [`plan`] makes periods and conditions definite, [`operator`] walks actors, [`cohort`] says where an
//! actor began and came back, [`render`] writes the rows.
//!
//! Source of the rules: query reference, section 9.

mod cohort;
mod model;
mod operator;
mod plan;
mod render;

use super::{InsightContext, InsightResult};
use crate::error::QueryError;
pub(super) use model::RetentionQuery;
use plan::Plan;
use render::Lines;
use serde_json::Value;

/// Answers a RetentionQuery.
///
/// # Errors
/// [`QueryError`] as named there.
pub(super) fn run(query: &RetentionQuery, context: &InsightContext<'_>) -> Result<InsightResult, QueryError> {
    let plan = Plan::new(query, context)?;
    let mut lines = Lines::default();
    // Cohorts are asked for one by one: a person may be in several.
    for slice in plan.slices() {
        let operator = plan.operator(&slice, context)?;
        lines.add(operator.run(context)?, &operator, &slice);
    }
    let items = render::items(&plan, lines);
    Ok(InsightResult { results: Value::Array(items), range: Some(plan.range), ..InsightResult::default() })
}
