//! What a row must be to count: the event that is asked for, and the filters around it, as expressions.

use super::InsightContext;
use super::model::Series;
use crate::actions;
use crate::error::QueryError;
use crate::filters::{self, FilterContext, Scope};
use crate::hogql::ast::{Expr, ExprKind, Segment};
use crate::hogql::build::{and, eq, or};
use crate::hogql::parse_expr;
use crate::resolve::children_mut;
use serde_json::Value;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'q> {
    /// Events of a name; all events without one.
    Event(Option<&'q str>),
    /// What the action of this number stands for.
    Action(&'q Value),
    /// What any of the nodes of a series looks for (or, for `AND`, all of them).
    Group(&'q Series),
    /// Rows of a table outside of events.
    Table,
}

impl Series {
    /// What the series looks for.
    ///
    /// # Errors
    /// [`QueryError::Unsupported`] for a kind of series that is not known.
    pub(crate) fn target(&self) -> Result<Target<'_>, QueryError> {
        match self.kind.as_str() {
            "EventsNode" | "" => Ok(Target::Event(self.event.as_deref())),
            "ActionsNode" => Ok(Target::Action(&self.id)),
            "GroupNode" => Ok(Target::Group(self)),
            "DataWarehouseNode" | "LifecycleDataWarehouseNode" => Ok(Target::Table),
            other => Err(QueryError::unsupported(format!("series of kind '{other}' are not supported here"))),
        }
    }

    /// What is looked for by its name: that of the event or of the action; `None` for all events. A group of events without a name is called
    /// by all that it counts.
    ///
    /// # Errors
    /// [`QueryError::Request`] when there is no such action.
    pub(crate) fn name(&self, context: &InsightContext<'_>) -> Result<Option<String>, QueryError> {
        match self.target()? {
            Target::Action(id) => Ok(Some(actions::find(id, context.query)?.document.name.clone())),
            Target::Group(series) if series.name.is_some() => Ok(series.name.clone()),
            Target::Group(series) => {
                let names = series.nodes.iter().map(|node| Ok(node.name(context)?.unwrap_or_else(|| ALL_EVENTS.to_owned())));
                Ok(Some(names.collect::<Result<Vec<String>, QueryError>>()?.join(", ")))
            }
            Target::Event(_) | Target::Table => Ok(self.event.clone()),
        }
    }
}

/// What results call a series that has no name.
pub(crate) const ALL_EVENTS: &str = "All events";

impl Target<'_> {
    /// The condition on a row, without the property filters of the series; those of a group's nodes are part of what they look for.
    ///
    /// # Errors
    /// [`QueryError::Request`] when there is no such action, [`QueryError::Unsupported`] for what is not an event.
    pub(crate) fn condition(self, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
        match self {
            Target::Event(None) => Ok(Expr::lit(true)),
            Target::Event(Some(name)) => Ok(eq(Expr::field(["event"]), Expr::lit(name))),
            Target::Action(id) => actions::condition(&*actions::find(id, context.query)?, context.query),
            Target::Group(series) => group(series, context),
            Target::Table => Err(QueryError::unsupported("tables of a data warehouse are not supported here")),
        }
    }
}

fn group(series: &Series, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
    let node = |node: &Series| {
        let event = node.target()?.condition(context)?;
        let filter = context.filters(&[&node.properties, &node.fixed_properties], None)?;
        Ok(and(std::iter::once(event).chain(filter).collect()))
    };
    let nodes = series.nodes.iter().map(node).collect::<Result<Vec<Expr>, QueryError>>()?;
    if nodes.is_empty() {
        let detail = "a group of events needs at least one event".to_owned();
        return Err(QueryError::Request { detail, attr: Some("series") });
    }
    Ok(if series.operator.as_deref() == Some("AND") { and(nodes) } else { or(nodes) })
}

impl InsightContext<'_> {
    /// What lists of property filters mean together; `None` when they say nothing. `test_accounts`: the project's own filters too.
    ///
    /// # Errors
    /// [`QueryError::Request`] when a filter cannot be understood.
    pub(crate) fn filters(&self, lists: &[&Value], test_accounts: Option<bool>) -> Result<Option<Expr>, QueryError> {
        let type_of = |kind: &str, group: Option<u8>, key: &str| self.property_type(kind, group, key);
        let context =
            FilterContext { now: &self.calendar.now, type_of: &type_of, path_cleaning: &self.query.project.path_cleaning_filters };
        let mut parts = Vec::new();
        for list in lists {
            parts.extend(filters::condition(list, Scope::Event, &context)?);
        }
        if test_accounts == Some(true) {
            parts.extend(filters::condition(&self.query.project.test_account_filters, Scope::Event, &context)?);
        }
        Ok(if parts.is_empty() { None } else { Some(and(parts)) })
    }
}

/// A user's expression over a row of `events`, which may also be called `e`, as in PostHog.
///
/// # Errors
/// [`QueryError::Syntax`] when it cannot be read.
pub(crate) fn row_expr(text: &str) -> Result<Expr, QueryError> {
    let mut expr = parse_expr(text)?.without_alias().clone();
    name_events(&mut expr);
    Ok(expr)
}

fn name_events(expr: &mut Expr) {
    if let ExprKind::Field(chain) = &mut expr.kind
        && chain.len() > 1
        && chain.first().and_then(Segment::as_name) == Some("e")
    {
        chain[0] = Segment::Name("events".to_owned());
    }
    children_mut(expr).into_iter().for_each(name_events);
}
