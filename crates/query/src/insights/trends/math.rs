//! The math of a series: what is computed from its rows.

use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
use crate::insights::model::Series;
use crate::insights::statistic::Statistic;

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
    /// Actors whose first ever row of the event is this one (`matching`: first that also passes the filters).
    First {
        /// Filters choose the first row rather than test it.
        matching: bool,
        /// The type of the groups that are the actors; persons without one.
        group: Option<u8>,
    },
    /// A statistic over a number of sessions, such as their duration, each session once per bucket.
    PerSession(Statistic),
    /// Sessions, each once per bucket. As in PostHog, rows without one make up one together.
    Sessions,
    /// An aggregate expression of the user's.
    Expression,
}

impl Math {
    /// `by_session`: properties of sessions are asked of each session once, not of each of its events.
    pub(super) fn of(series: &Series, by_session: bool) -> Result<Self, QueryError> {
        let math = series.math.as_deref().unwrap_or("total");
        Ok(match math {
            "total" => Math::Count,
            "dau" if series.math_group_type_index.is_some() => Math::Keys,
            "dau" => Math::Persons,
            "unique_session" => Math::Sessions,
            "unique_group" => Math::Keys,
            "hogql" => Math::Expression,
            "weekly_active" if series.math_group_type_index.is_some() => Math::ActiveKeys { days: 7 },
            "monthly_active" if series.math_group_type_index.is_some() => Math::ActiveKeys { days: 30 },
            "weekly_active" => Math::Active { days: 7 },
            "monthly_active" => Math::Active { days: 30 },
            "first_time_for_user" => Math::First { matching: false, group: None },
            "first_matching_event_for_user" => Math::First { matching: true, group: None },
            "first_time_for_group" => Math::First { matching: false, group: Some(group_of(series)?) },
            "first_matching_event_for_group" => Math::First { matching: true, group: Some(group_of(series)?) },
            other => {
                let (name, per_person) = other.strip_suffix("_count_per_actor").map_or((other, false), |name| (name, true));
                let statistic = Statistic::of(name).ok_or_else(|| unknown(math))?;
                match (per_person, series.math_property.as_deref()) {
                    (true, _) => Math::PerPerson(statistic),
                    (false, Some(SESSION_DURATION)) => Math::PerSession(statistic),
                    (false, Some(_)) if by_session && is_of_session(series) => Math::PerSession(statistic),
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
            Math::Sessions => Some(Expr::field(["$session_id"])),
            Math::Keys | Math::ActiveKeys { .. } => Some(group()),
            Math::Values(_) => Some(number(series)?),
            Math::PerSession(_) => Some(scaled(call("toFloat", vec![of_session(series)]), series)),
            _ => None,
        })
    }
}

/// What a session's length is called; each session has one, whatever the type of the property is said to be.
pub(super) const SESSION_DURATION: &str = "$session_duration";

fn is_of_session(series: &Series) -> bool {
    series.math_property_type.as_deref() == Some("session_properties")
}

/// The property of the row's session.
fn of_session(series: &Series) -> Expr {
    Expr::field(["session", series.math_property.as_deref().unwrap_or_default()])
}

fn number(series: &Series) -> Result<Expr, QueryError> {
    let key = series.math_property.as_deref().unwrap_or_default();
    if key == "$time" {
        return Ok(call("toFloat", vec![call("toUnixTimestamp", vec![Expr::field(["timestamp"])])]));
    }
    let field = match series.math_property_type.as_deref() {
        None | Some("event_properties") => Expr::field(["properties", key]),
        Some("session_properties") => of_session(series),
        Some("person_properties") => Expr::field(["person", "properties", key]),
        Some(other) => return Err(QueryError::unsupported(format!("math over '{other}' is not supported here"))),
    };
    Ok(scaled(call("toFloat", vec![field]), series))
}

/// A value times what the series multiplies values by.
fn scaled(value: Expr, series: &Series) -> Expr {
    match series.math_multiplier {
        Some(multiplier) => call("multiply", vec![value, Expr::lit(multiplier)]),
        None => value,
    }
}

/// The type of the groups that a math is about.
fn group_of(series: &Series) -> Result<u8, QueryError> {
    let detail = || "math of groups needs a math_group_type_index".to_owned();
    series.math_group_type_index.ok_or_else(|| QueryError::Request { detail: detail(), attr: Some("series") })
}

fn unknown(math: &str) -> QueryError {
    QueryError::Request { detail: format!("math '{math}' is not supported here"), attr: Some("series") }
}
