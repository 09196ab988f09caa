//! A FunnelsQuery made definite: what each row is asked, whose rows come together, which breakdown value counts.

use super::engine::{Mask, Rules};
use super::query::{AttributionType, FunnelsFilter, FunnelsQuery, Order, is_action};
use crate::actions;
use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::{and, call, eq, or};
use crate::insights::InsightContext;
use crate::insights::actors::Actor;
use crate::insights::breakdowns::{BreakdownCohort, URL_END, breakdown_cohorts, breakdown_expr};
use crate::insights::conditions::row_expr;
use crate::insights::model::{BreakdownFilter, Series};
use serde_json::Value;

/// Conditions are bits of a row while it is read.
pub(super) const CONDITIONS_MAX: usize = 64;
const LIMIT_DEFAULT: usize = 25;
/// Breakdowns that have no "other" are cut here, like the rows of any query.
const ROWS_DEFAULT: usize = 100;
const BREAKDOWNS_MAX: usize = 3;
const COHORTS_MAX: usize = 32;

/// Names of events that a condition lets pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Names {
    All,
    Only(Vec<String>),
}

/// Whether only the person's first event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// All do.
    No,
    /// The first of the name; it must pass the filters too.
    OfName,
    /// The first that passes the filters.
    Matching,
}

/// What makes a row a step, or excludes it.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) names: Names,
    /// Property filters.
    pub(super) filter: Option<Expr>,
    pub(super) first: First,
    /// What the row is then.
    pub(super) mask: Mask,
}

/// How results are broken down.
#[derive(Clone, Debug)]
pub(super) enum Breakdown {
    None,
    /// By values of expressions; no value is empty text.
    Values {
        exprs: Vec<Expr>,
    },
    /// By membership.
    Cohorts(Vec<BreakdownCohort>),
}

/// How breakdown values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// As a list, even of one.
    pub(super) is_list: bool,
    /// How many are shown.
    pub(super) limit: usize,
    /// What is beyond the limit is added up.
    pub(super) has_other: bool,
}

/// Which of an actor's breakdown values counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribution {
    First,
    Last,
    All,
    Step(usize),
}

/// Everything that does not depend on the dates.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) rules: Rules,
    pub(super) order: Order,
    pub(super) conditions: Vec<Condition>,
    /// For each step the name of its event or action; `None` for all events.
    pub(super) names: Vec<Option<String>>,
    /// What every row must pass.
    pub(super) filter: Option<Expr>,
    pub(super) actor: Actor,
    pub(super) breakdown: Breakdown,
    pub(super) shape: Shape,
    pub(super) attribution: Attribution,
}

impl Plan {
    /// # Errors
    /// [`QueryError`] when a step, a filter or a breakdown cannot be understood.
    pub(super) fn new(query: &FunnelsQuery, filter: &FunnelsFilter, context: &InsightContext<'_>) -> Result<Self, QueryError> {
        let conditions = conditions(query, filter, context)?;
        let optional = query.series.iter().enumerate().filter(|(_, step)| step.is_optional());
        let rules = Rules {
            steps: query.series.len(),
            window_micros: filter.window_micros(),
            optional: optional.fold(0, |bits, (at, _)| bits | Mask::step(at).steps()),
            is_strict: filter.order() == Order::Strict,
            has_exclusions: conditions.iter().any(|condition| condition.mask.exclusions() != 0),
        };
        let (breakdown, shape) = match &query.breakdown_filter {
            Some(breakdown) => breakdowns(breakdown, context)?,
            None => (Breakdown::None, Shape { is_list: false, limit: ROWS_DEFAULT, has_other: false }),
        };
        Ok(Self {
            rules,
            order: filter.order(),
            conditions,
            names: query.series.iter().map(|step| step.series.name(context)).collect::<Result<_, _>>()?,
            filter: context.filters(&[&query.properties], query.filter_test_accounts)?,
            actor: actor(query, filter)?,
            breakdown,
            shape,
            attribution: match filter.attribution.unwrap_or_default() {
                AttributionType::FirstTouch => Attribution::First,
                AttributionType::LastTouch => Attribution::Last,
                AttributionType::AllEvents => Attribution::All,
                AttributionType::Step => Attribution::Step(filter.attribution_step.unwrap_or(0)),
            },
        })
    }
}

/// Whose rows come together.
///
/// # Errors
/// [`QueryError::Syntax`] when the expression for it cannot be read.
pub(in crate::insights) fn actor(query: &FunnelsQuery, filter: &FunnelsFilter) -> Result<Actor, QueryError> {
    let by = filter.aggregate_by.as_deref().map(str::trim).filter(|text| !text.is_empty() && *text != "person_id");
    match (query.aggregation_group_type_index, by) {
        (None, Some(text)) => Ok(Actor::Key { expr: row_expr(text)?, skips_empty: true }),
        (index, _) => Ok(Actor::of_group(index)),
    }
}

fn conditions(query: &FunnelsQuery, filter: &FunnelsFilter, context: &InsightContext<'_>) -> Result<Vec<Condition>, QueryError> {
    let mut conditions = Vec::new();
    for (at, step) in query.series.iter().enumerate() {
        conditions.push(condition(&step.series, Mask::step(at), context)?);
    }
    for exclusion in filter.exclusions() {
        // It is excluded on the way to every step after the first of its range.
        let bound = |step: i64| usize::try_from(step).unwrap_or(0);
        let before = bound(exclusion.from_step) + 1..=bound(exclusion.to_step);
        let mask = before.fold(Mask::default(), |mask, step| mask | Mask::exclusion(step));
        conditions.push(condition(&exclusion.step.series, mask, context)?);
    }
    if conditions.len() > CONDITIONS_MAX {
        let detail = format!("steps and exclusions are at most {CONDITIONS_MAX} together, found {}", conditions.len());
        return Err(QueryError::Request { detail, attr: Some("exclusions") });
    }
    Ok(conditions)
}

/// What a step asks of a row. A kind of step more is one arm more here.
fn condition(series: &Series, mask: Mask, context: &InsightContext<'_>) -> Result<Condition, QueryError> {
    let mut filter = context.filters(&[&series.properties, &series.fixed_properties], None)?;
    let is_filtered = filter.is_some();
    let names = match series.kind.as_str() {
        "EventsNode" | "FunnelExclusionEventsNode" | "" => series.event.as_ref().map_or(Names::All, |name| Names::Only(vec![name.clone()])),
        "GroupNode" => {
            let (names, any) = group(series, context)?;
            filter = filter.into_iter().chain(any).reduce(|left, right| and(vec![left, right]));
            names
        }
        "ActionsNode" | "FunnelExclusionActionsNode" => {
            let action = actions::find(&series.id, context.query)?;
            // The names are looked at first; the steps of the action tell which name goes with what.
            let steps = actions::condition(&action, context.query)?;
            filter = Some(and(std::iter::once(steps).chain(filter).collect()));
            actions::event_names(&action).map_or(Names::All, Names::Only)
        }
        "DataWarehouseNode" | "FunnelsDataWarehouseNode" => {
            let detail = "Data warehouse tables are not supported in funnels just yet. For now, please try this funnel without the data \
                          warehouse-based step.";
            return Err(bad(detail.to_owned()));
        }
        other => return Err(bad(format!("Series and exclusions must be composed of action and event nodes, found '{other}'"))),
    };
    let first = match series.math.as_deref() {
        // Which events are the action's is its steps' to say, not the names'.
        Some("first_time_for_user") if is_action(series) && is_filtered => {
            return Err(QueryError::unsupported("first_time_for_user of an action with property filters is not supported in funnels"));
        }
        Some("first_time_for_user") if is_action(series) => First::Matching,
        Some("first_time_for_user") => First::OfName,
        Some("first_time_for_user_with_filters") => First::Matching,
        // Other math says how much a step counts. A funnel asks whether it was taken.
        _ => First::No,
    };
    Ok(Condition { names, filter, first, mask })
}

/// Several events as one step: any of them (or, for `AND`, all of what they ask).
fn group(series: &Series, context: &InsightContext<'_>) -> Result<(Names, Option<Expr>), QueryError> {
    let mut names = Vec::new();
    let mut tests = Vec::new();
    for node in &series.nodes {
        let part = condition(node, Mask::default(), context)?;
        let name = match part.names {
            Names::All => Expr::lit(true),
            Names::Only(only) => {
                let any = or(only.iter().map(|name| eq(Expr::field(["event"]), Expr::lit(name.as_str()))).collect());
                names.extend(only);
                any
            }
        };
        tests.push(and(std::iter::once(name).chain(part.filter).collect()));
    }
    if tests.is_empty() {
        return Err(bad("a group of events needs at least one event".to_owned()));
    }
    let is_and = series.operator.as_deref() == Some("AND");
    let is_any_name = is_and || names.len() < series.nodes.len();
    Ok((if is_any_name { Names::All } else { Names::Only(names) }, Some(if is_and { and(tests) } else { or(tests) })))
}

fn breakdowns(filter: &BreakdownFilter, context: &InsightContext<'_>) -> Result<(Breakdown, Shape), QueryError> {
    let kind = filter.breakdown_type.as_deref().unwrap_or("event");
    let limit = filter.breakdown_limit.filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT);
    let plain = Shape { is_list: false, limit: ROWS_DEFAULT, has_other: false };
    if let Some(cohorts) = breakdown_cohorts(filter, context.query)? {
        if cohorts.len() > COHORTS_MAX {
            let detail = format!("at most {COHORTS_MAX} cohorts, found {}", cohorts.len());
            return Err(QueryError::Request { detail, attr: Some("breakdownFilter") });
        }
        return Ok((Breakdown::Cohorts(cohorts), plain));
    }
    if let Some(list) = filter.breakdowns.as_ref().filter(|list| !list.is_empty()) {
        let value = |each: &crate::insights::model::Breakdown| {
            let normalize = each.normalize_url == Some(true);
            breakdown_value(each.kind.as_deref().unwrap_or("event"), &each.property, each.group_type_index, normalize)
        };
        let exprs = list.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        return values(exprs, Shape { is_list: true, limit, has_other: true });
    }
    let properties = match &filter.breakdown {
        Value::Null => Vec::new(),
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    if properties.is_empty() {
        return Ok((Breakdown::None, plain));
    }
    let normalize = filter.breakdown_normalize_url == Some(true) && kind == "event";
    let value = |property: &Value| breakdown_value(kind, property, filter.breakdown_group_type_index, normalize);
    let exprs = properties.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let has_other = matches!(kind, "event" | "person" | "group");
    // A single group property stays as it is; everything else becomes a list.
    let is_list = filter.breakdown.is_array() || kind != "group";
    values(exprs, Shape { is_list, limit: if has_other { limit } else { ROWS_DEFAULT }, has_other })
}

fn values(exprs: Vec<Expr>, shape: Shape) -> Result<(Breakdown, Shape), QueryError> {
    if exprs.len() > BREAKDOWNS_MAX {
        let detail = format!("at most {BREAKDOWNS_MAX} breakdowns, found {}", exprs.len());
        return Err(QueryError::Request { detail, attr: Some("breakdownFilter") });
    }
    Ok((Breakdown::Values { exprs }, shape))
}

fn breakdown_value(kind: &str, property: &Value, group_index: Option<u8>, normalize: bool) -> Result<Expr, QueryError> {
    let expr = breakdown_expr(kind, property, group_index)?;
    if !normalize {
        return Ok(expr);
    }
    // Unlike in trends, what is nothing but such signs is the root.
    let text = call("ifNull", vec![call("toString", vec![expr]), Expr::lit("")]);
    let stripped = call("replaceRegexpOne", vec![text, Expr::lit(URL_END), Expr::lit("")]);
    Ok(call("if", vec![call("empty", vec![stripped.clone()]), Expr::lit("/"), stripped]))
}

fn bad(detail: String) -> QueryError {
    QueryError::Request { detail, attr: Some("series") }
}
