//! The math of a series: what is computed from its rows.

use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
use crate::insights::model::Series;

/// What a series computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Math {
    /// Rows.
    Count,
    /// Persons, each once per bucket.
    Persons,
    /// Values of the operand (a session, a group, a distinct id), each once per bucket.
    Keys,
    /// A statistic over the operand's numbers.
    Values(Statistic),
    /// A statistic over the number of rows per person.
    PerPerson(Statistic),
    /// Persons active in the days up to the bucket.
    Active {
        /// How many days, the bucket's own included.
        days: usize,
    },
    /// Groups active in the days up to the bucket.
    ActiveKeys {
        /// How many days, the bucket's own included.
        days: usize,
    },
    /// Persons whose first ever row of the event is this one (`matching`: first that also passes the filters).
    First {
        /// Filters choose the first row rather than test it.
        matching: bool,
    },
    /// A statistic over sessions' durations, each session once per bucket.
    SessionDuration(Statistic),
}

/// A number from many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    Sum,
    Avg,
    Min,
    Max,
    /// Between 0 and 1.
    Quantile(f64),
}

impl Math {
    pub(super) fn of(series: &Series) -> Result<Self, QueryError> {
        let math = series.math.as_deref().unwrap_or("total");
        Ok(match math {
            "total" => Math::Count,
            "dau" => Math::Persons,
            "unique_session" | "unique_group" => Math::Keys,
            "weekly_active" if series.math_group_type_index.is_some() => Math::ActiveKeys { days: 7 },
            "monthly_active" if series.math_group_type_index.is_some() => Math::ActiveKeys { days: 30 },
            "weekly_active" => Math::Active { days: 7 },
            "monthly_active" => Math::Active { days: 30 },
            "first_time_for_user" => Math::First { matching: false },
            "first_matching_event_for_user" => Math::First { matching: true },
            other => {
                let (name, per_person) = other.strip_suffix("_count_per_actor").map_or((other, false), |name| (name, true));
                let statistic = Statistic::of(name).ok_or_else(|| unknown(math))?;
                match (per_person, series.math_property.as_deref()) {
                    (true, _) => Math::PerPerson(statistic),
                    (false, Some("$session_duration")) => Math::SessionDuration(statistic),
                    (false, Some(_)) => Math::Values(statistic),
                    // Without a property there is nothing to compute with; PostHog counts.
                    (false, None) => Math::Count,
                }
            }
        })
    }

    /// The expression that the math computes with.
    pub(super) fn operand(self, series: &Series) -> Result<Option<Expr>, QueryError> {
        let group = || Expr::field([format!("$group_{}", series.math_group_type_index.unwrap_or(0))]);
        Ok(match self {
            Math::Keys if series.math.as_deref() == Some("unique_session") => Some(Expr::field(["$session_id"])),
            Math::Keys | Math::ActiveKeys { .. } => Some(group()),
            Math::Values(_) => Some(number(series)?),
            Math::SessionDuration(_) => Some(call("toFloat", vec![Expr::field(["session", "$session_duration"])])),
            _ => None,
        })
    }
}

impl Statistic {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Statistic::Sum,
            "avg" => Statistic::Avg,
            "min" => Statistic::Min,
            "max" => Statistic::Max,
            "median" => Statistic::Quantile(0.5),
            "p75" => Statistic::Quantile(0.75),
            "p90" => Statistic::Quantile(0.9),
            "p95" => Statistic::Quantile(0.95),
            "p99" => Statistic::Quantile(0.99),
            _ => return None,
        })
    }

    /// The statistic of some numbers, 0 of none.
    pub(super) fn over(self, values: &mut [f64]) -> f64 {
        if values.is_empty() {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of values in memory")]
        let count = values.len() as f64;
        match self {
            Statistic::Sum => values.iter().sum(),
            Statistic::Avg => values.iter().sum::<f64>() / count,
            Statistic::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Statistic::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Statistic::Quantile(at) => quantile(values, at),
        }
    }
}

/// The quantile with linear interpolation between neighbours, exact.
fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a count of values in memory")]
    let place = at * (values.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of values")]
    let below = place.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    values[below] + (values[above] - values[below]) * (place - place.floor())
}

fn number(series: &Series) -> Result<Expr, QueryError> {
    let key = series.math_property.as_deref().unwrap_or_default();
    if key == "$time" {
        return Ok(call("toFloat", vec![call("toUnixTimestamp", vec![Expr::field(["timestamp"])])]));
    }
    let field = match series.math_property_type.as_deref() {
        None | Some("event_properties" | "session_properties") => Expr::field(["properties", key]),
        Some("person_properties") => Expr::field(["person", "properties", key]),
        Some(other) => return Err(QueryError::unsupported(format!("math over '{other}' is not supported here"))),
    };
    Ok(call("toFloat", vec![field]))
}

fn unknown(math: &str) -> QueryError {
    QueryError::Request { detail: format!("math '{math}' is not supported here"), attr: Some("series") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics() {
        let of = |statistic: Statistic| statistic.over(&mut [4.0, 1.0, 3.0, 2.0]);
        assert_eq!(of(Statistic::Sum), 10.0);
        assert_eq!(of(Statistic::Avg), 2.5);
        assert_eq!(of(Statistic::Min), 1.0);
        assert_eq!(of(Statistic::Max), 4.0);
        assert_eq!(of(Statistic::Quantile(0.5)), 2.5);
        assert_eq!(Statistic::Max.over(&mut []), 0.0);
    }
}
