//! Tables that a table brings along: `persons.pdi`, `cohort_people.person`. They are joined when a SELECT names them.

use super::expr::visit;
use super::relation::{Relation, Source};
use super::scope::Scope;
use super::tables::{KnownTable, RECORDINGS, known_table};
use super::types::Value;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr, ExprKind, FromExpr, GroupBy, JoinConstraint, Segment, SelectQuery};
use datafusion::logical_expr::Expr as Planned;

/// A table that another brings along.
#[derive(Debug)]
pub(crate) struct LazyJoin {
    /// What it is called there.
    name: &'static str,
    /// The name of the table.
    table: &'static str,
    /// The column here, and the one there that it is equal to.
    on: (&'static str, &'static str),
    /// The field of that table that is meant, where it is not the table itself; it is a table in its turn.
    field: Option<&'static str>,
}

const fn lazy(name: &'static str, table: &'static str, on: (&'static str, &'static str)) -> LazyJoin {
    LazyJoin { name, table, on, field: None }
}

const OF_PERSONS: &[LazyJoin] = &[lazy("pdi", "person_distinct_ids", ("id", "person_id"))];
const OF_COHORTS: &[LazyJoin] = &[lazy("person", "persons", ("person_id", "id"))];
const OF_RECORDINGS: &[LazyJoin] = &[
    lazy("pdi", "person_distinct_ids", ("distinct_id", "distinct_id")),
    LazyJoin { field: Some("person"), ..lazy("person", "person_distinct_ids", ("distinct_id", "distinct_id")) },
    lazy("session", "sessions", ("session_id", "session_id")),
    lazy("events", "events", ("session_id", "$session_id")),
];

impl KnownTable {
    /// The tables that this one brings along.
    fn lazy_joins(self) -> &'static [LazyJoin] {
        match self {
            KnownTable::Persons => OF_PERSONS,
            KnownTable::Cohorts(_) => OF_COHORTS,
            KnownTable::Empty(fields) if fields == RECORDINGS => OF_RECORDINGS,
            _ => &[],
        }
    }
}

impl Scope<'_> {
    /// Adds the tables that relation `place`, made of `table`, brings along and the SELECT names. Out: their places, and the conditions of the joins.
    ///
    /// # Errors
    /// [`QueryError`] when a condition cannot be typed.
    pub(crate) fn add_lazies(&mut self, place: usize, table: KnownTable) -> Result<Vec<(usize, Planned)>, QueryError> {
        let Some(select) = self.select else { return Ok(Vec::new()) };
        let own = self.relations[place].name.clone();
        let mut added = Vec::new();
        for join in table.lazy_joins().iter().filter(|join| names(select, own.as_deref(), join)) {
            let source = match known_table(join.table) {
                Some(KnownTable::Events) => Source::Events(Vec::new()),
                Some(brought) => Source::Table(brought, Vec::new()),
                None => return Err(QueryError::Internal(format!("a lazy join needs the table {}", join.table))),
            };
            let mut relation = Relation::new(None, source, self.context);
            relation.lazy_of = Some((place, join));
            relation.optional = true;
            self.relations.push(relation);
            let brought = self.relations.len() - 1;
            let (here, there) = (self.column(place, join.on.0)?, self.column(brought, join.on.1)?);
            let outer = std::mem::replace(&mut self.in_join, true);
            let condition = self.compare_values(CompareOp::Eq, here, there);
            self.in_join = outer;
            added.push((brought, condition?.expr));
        }
        Ok(added)
    }

    fn column(&mut self, relation: usize, name: &str) -> Result<Value, QueryError> {
        let found = self.relation_field(relation, &[Segment::Name(name.to_owned())])?;
        found.ok_or_else(|| QueryError::Internal(format!("a lazy join needs the column {name}")))
    }

    /// A field of the table that a relation brought along under that name.
    pub(super) fn lazy_field(&mut self, relation: usize, name: &str, rest: &[Segment]) -> Result<Option<Value>, QueryError> {
        let brought =
            |other: &Relation| other.lazy_of.filter(|(of, join)| *of == relation && join.name == name).map(|(_, join)| join.field);
        let found = self.relations.iter().enumerate().find_map(|(place, other)| Some((place, brought(other)?)));
        let Some((place, joined)) = found else { return Ok(None) };
        let chain: Vec<Segment> = joined.map(|field| Segment::Name(field.to_owned())).into_iter().chain(rest.iter().cloned()).collect();
        let Some(field) = chain.first().and_then(Segment::as_name) else {
            return Err(QueryError::resolve(format!("Can't access a lazy joined field without a field name: {name}")));
        };
        let found = self.relation_field(place, &chain)?;
        found.map(Some).ok_or_else(|| QueryError::resolve(format!("Field \"{field}\" not found on table \"{name}\"")))
    }
}

/// Whether a chain of the SELECT, outside of its subqueries, names what a table called `own` brings along.
fn names(select: &SelectQuery, own: Option<&str>, join: &LazyJoin) -> bool {
    let mut found = false;
    let mut look = |expr: &Expr| {
        if let ExprKind::Field(chain) = &expr.kind {
            let chain: Vec<&str> = chain.iter().map(|segment| segment.as_name().unwrap_or_default()).collect();
            let chain = if chain.len() > 1 && chain.first().copied() == own { &chain[1..] } else { chain.as_slice() };
            found |= chain.len() > 1 && chain[0] == join.name;
        }
        Ok(())
    };
    // The closure answers no errors.
    clauses(select).into_iter().for_each(|expr| drop(visit(expr, &mut look)));
    found
}

/// The expressions of a SELECT, those of its joins included.
fn clauses(select: &SelectQuery) -> Vec<&Expr> {
    let mut all: Vec<&Expr> = select.select.iter().chain(&select.distinct_on).collect();
    all.extend([&select.prewhere, &select.filter, &select.having, &select.qualify].into_iter().flatten());
    all.extend(select.order_by.iter().map(|order| &order.expr));
    all.extend(select.array_join.iter().flat_map(|join| &join.exprs));
    all.extend(select.limit_by.iter().flat_map(|limit_by| &limit_by.exprs));
    match &select.group_by {
        Some(GroupBy::Exprs(items) | GroupBy::Rollup(items) | GroupBy::Cube(items)) => all.extend(items),
        Some(GroupBy::Sets(sets)) => all.extend(sets.iter().flatten()),
        Some(GroupBy::All) | None => {}
    }
    for (_, window) in &select.windows {
        all.extend(window.partition_by.iter().chain(window.order_by.iter().map(|order| &order.expr)));
    }
    if let Some(from) = &select.from {
        conditions(from, &mut all);
    }
    all
}

fn conditions<'s>(from: &'s FromExpr, all: &mut Vec<&'s Expr>) {
    if let FromExpr::Join(join) = from {
        conditions(&join.left, all);
        conditions(&join.right, all);
        if let Some(JoinConstraint::On(expr)) = &join.constraint {
            all.push(expr);
        }
    }
}
