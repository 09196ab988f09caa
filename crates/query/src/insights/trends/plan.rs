//! What one series asks of each row: its condition, its value, who did it.

use super::math::Math;
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::and;
use crate::insights::InsightContext;
use crate::insights::breakdowns::BreakdownCohort;
use crate::insights::model::{Series, TrendsQuery};

/// A series made definite.
#[derive(Clone, Debug)]
pub(super) struct SeriesPlan {
    pub(super) series: Series,
    /// The name of its event or action; `None` for all events.
    pub(super) name: Option<String>,
    pub(super) math: Math,
    /// The event alone, without property filters: what "first ever" looks at.
    pub(super) event: Expr,
    /// Property filters of the series and of the query.
    pub(super) filter: Option<Expr>,
    /// What `math` computes with: a number, or a key that is counted once.
    pub(super) operand: Option<Expr>,
}

impl SeriesPlan {
    pub(super) fn new(series: &Series, query: &TrendsQuery, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let lists = [&series.properties, &series.fixed_properties, &query.properties];
        let filter = context.filters(&lists, query.filter_test_accounts)?;
        let event = series.target()?.condition(context)?;
        let by_session = query.trends_filter.as_ref().is_some_and(|filter| filter.session_level_aggregation == Some(true));
        let math = Math::of(series, by_session)?;
        let operand = math.operand(series)?;
        Ok(Self { series: series.clone(), name: series.name(context)?, math, event, filter, operand })
    }

    /// The same rows, computed with in another way.
    ///
    /// # Errors
    /// [`QueryError`] when the series has not what the math needs.
    pub(super) fn with_math(&self, math: Math) -> Result<Self, QueryError> {
        Ok(Self { math, operand: math.operand(&self.series)?, ..self.clone() })
    }

    /// The same series for the members of a cohort.
    pub(super) fn within(&self, cohort: &BreakdownCohort) -> Self {
        let is_member = cohort.is_member();
        let filter = Some(and(self.filter.iter().cloned().chain([is_member]).collect()));
        Self { filter, ..self.clone() }
    }

    /// The whole condition of a row, but for time.
    pub(super) fn condition(&self) -> Expr {
        let mut parts = vec![self.event.clone()];
        parts.extend(self.filter.clone());
        and(parts)
    }
}
