//! FROM: tables, subqueries, joins.

use super::asof::nearest;
use super::ctes::{plan_cte, rename};
use super::sample;
use super::values::plan_values;
use super::{Nesting, plan_query};
use crate::cohorts;
use crate::error::QueryError;
use crate::hogql::ast::{self, CompareOp, ExprKind, FromExpr, JoinKind, JoinStrictness, TableRef, TableSource};
use crate::resolve::{KnownTable, NUMBERS, Relation, Scope, Source, TABLE_FUNCTIONS, constant, known_table};
use crate::scan::Top;
use crate::system;
use datafusion::common::{Column, JoinType, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator};

/// Relations of a scope as they are joined.
#[derive(Debug)]
pub(super) enum JoinTree {
    /// Place in `scope.relations`.
    Leaf(usize),
    Join {
        left: Box<JoinTree>,
        right: Box<JoinTree>,
        kind: JoinKind,
        strictness: JoinStrictness,
        on: Vec<Expr>,
    },
}

impl JoinTree {
    fn leaves(&self) -> Vec<usize> {
        match self {
            JoinTree::Leaf(relation) => vec![*relation],
            JoinTree::Join { left, right, .. } => left.leaves().into_iter().chain(right.leaves()).collect(),
        }
    }

    /// The plan, once all columns of the relations are known.
    pub(super) fn plan(&self, scope: &Scope<'_>, top: Option<Top>) -> Result<LogicalPlan, QueryError> {
        match self {
            JoinTree::Leaf(relation) => {
                let relation = &scope.relations[*relation];
                let plan = relation.plan(scope.context, top)?;
                match &relation.sample {
                    Some(sample) => Ok(LogicalPlanBuilder::new(plan).filter(sample.clone())?.build()?),
                    None => Ok(plan),
                }
            }
            JoinTree::Join { left, right, kind, strictness, on } => {
                let left = left.plan(scope, None)?;
                let mut right_plan = right.plan(scope, None)?;
                if *kind == JoinKind::Cross || (on.is_empty() && *kind == JoinKind::Inner) {
                    return Ok(LogicalPlanBuilder::new(left).cross_join(right_plan)?.build()?);
                }
                if *strictness == JoinStrictness::Asof {
                    return nearest(left, right_plan, *kind, on, scope.context);
                }
                if *strictness == JoinStrictness::Any {
                    right_plan = one_per_key(right_plan, on)?;
                }
                let kind = join_type(*kind, *strictness)?;
                Ok(LogicalPlanBuilder::new(left).join_on(right_plan, kind, on.iter().cloned())?.build()?)
            }
        }
    }
}

fn join_type(kind: JoinKind, strictness: JoinStrictness) -> Result<JoinType, QueryError> {
    Ok(match (kind, strictness) {
        (JoinKind::Left, JoinStrictness::Semi) => JoinType::LeftSemi,
        (JoinKind::Right, JoinStrictness::Semi) => JoinType::RightSemi,
        (JoinKind::Left, JoinStrictness::Anti) => JoinType::LeftAnti,
        (JoinKind::Right, JoinStrictness::Anti) => JoinType::RightAnti,
        (JoinKind::Inner, JoinStrictness::Semi) => JoinType::LeftSemi,
        (JoinKind::Inner, JoinStrictness::Anti) => JoinType::LeftAnti,
        (JoinKind::Inner | JoinKind::Cross, _) => JoinType::Inner,
        (JoinKind::Left, _) => JoinType::Left,
        (JoinKind::Right, _) => JoinType::Right,
        (JoinKind::Full, _) => JoinType::Full,
    })
}

/// ANY JOIN: one row of the right side for each value of its keys.
fn one_per_key(right: LogicalPlan, on: &[Expr]) -> Result<LogicalPlan, QueryError> {
    let schema = right.schema();
    let here = |expr: &Expr| !expr.column_refs().is_empty() && expr.column_refs().iter().all(|column| schema.has_column(column));
    let mut keys = Vec::new();
    for condition in on.iter().flat_map(split_conjunction) {
        if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition {
            keys.extend([left, right].into_iter().filter(|side| here(side)).map(|side| (**side).clone()));
        }
    }
    if keys.is_empty() {
        return Err(QueryError::unsupported("ANY JOIN needs an equality in ON"));
    }
    let columns: Vec<Expr> = schema.iter().map(|(table, field)| Expr::Column(Column::new(table.cloned(), field.name()))).collect();
    Ok(LogicalPlanBuilder::new(right).distinct_on(keys, columns, None)?.build()?)
}

/// Adds the relations of FROM to the scope.
pub(super) fn resolve_from(scope: &mut Scope<'_>, from: &FromExpr) -> Result<JoinTree, QueryError> {
    let mut pending = Vec::new();
    let mut tree = add_relations(scope, from, &mut pending)?;
    // conditions are resolved when all relations are known, from left to right
    let mut conditions = pending.into_iter();
    resolve_conditions(scope, &mut tree, &mut conditions)?;
    for relation in &mut scope.relations {
        relation.filled = relation.optional;
    }
    Ok(tree)
}

fn add_relations<'a>(
    scope: &mut Scope<'_>,
    from: &'a FromExpr,
    pending: &mut Vec<Option<&'a ast::JoinConstraint>>,
) -> Result<JoinTree, QueryError> {
    match from {
        FromExpr::Table(table) => {
            let known = match &table.source {
                TableSource::Name(parts) if scope.ctes.table(&parts.join(".")).is_none() => known_table(&parts.join(".")),
                _ => None,
            };
            let context = scope.context;
            let relation = relation(scope, table).inspect_err(|error| context.notes.fault(table.span, error))?;
            if let Some(name) = &relation.name
                && scope.relation(name).is_some()
            {
                return Err(QueryError::resolve(format!("Already have joined a table called \"{name}\". Can't redefine.")));
            }
            scope.relations.push(relation);
            let place = scope.relations.len() - 1;
            if let Some(sample) = &table.sample {
                scope.relations[place].sample = sample::condition(scope, place, sample)?;
            }
            let brought = known.map(|known| scope.add_lazies(place, known)).transpose()?.unwrap_or_default();
            Ok(brought.into_iter().fold(JoinTree::Leaf(place), |tree, (brought, on)| {
                // it has its condition already
                pending.push(None);
                let (left, right) = (Box::new(tree), Box::new(JoinTree::Leaf(brought)));
                JoinTree::Join { left, right, kind: JoinKind::Left, strictness: JoinStrictness::All, on: vec![on] }
            }))
        }
        FromExpr::Join(join) => {
            let left = add_relations(scope, &join.left, pending)?;
            let right = add_relations(scope, &join.right, pending)?;
            let strictness = join.strictness.unwrap_or(JoinStrictness::All);
            if matches!(join.kind, JoinKind::Left | JoinKind::Full) {
                right.leaves().into_iter().for_each(|leaf| scope.relations[leaf].optional = true);
            }
            if matches!(join.kind, JoinKind::Right | JoinKind::Full) {
                left.leaves().into_iter().for_each(|leaf| scope.relations[leaf].optional = true);
            }
            pending.push(join.constraint.as_ref());
            Ok(JoinTree::Join { left: Box::new(left), right: Box::new(right), kind: join.kind, strictness, on: Vec::new() })
        }
    }
}

fn resolve_conditions<'a>(
    scope: &mut Scope<'_>,
    tree: &mut JoinTree,
    conditions: &mut impl Iterator<Item = Option<&'a ast::JoinConstraint>>,
) -> Result<(), QueryError> {
    let JoinTree::Join { left, right, kind, on, .. } = tree else { return Ok(()) };
    resolve_conditions(scope, left, conditions)?;
    resolve_conditions(scope, right, conditions)?;
    let Some(condition) = conditions.next().flatten() else { return Ok(()) };
    scope.in_join = true;
    let resolved = match condition {
        ast::JoinConstraint::On(expr) => {
            let parts: Vec<&ast::Expr> = match &expr.kind {
                ExprKind::And(parts) => parts.iter().collect(),
                ExprKind::Tuple(parts) => parts.iter().collect(),
                _ => vec![expr],
            };
            parts.into_iter().map(|part| scope.condition(part)).collect::<Result<Vec<_>, _>>()
        }
        ast::JoinConstraint::Using(names) => {
            names.iter().map(|name| common(scope, name, *kind, (&left.leaves(), &right.leaves()))).collect::<Result<Vec<_>, _>>()
        }
    };
    scope.in_join = false;
    *on = resolved?;
    Ok(())
}

/// The condition that both sides have the same value in a column, which is one column from here on.
fn common(scope: &mut Scope<'_>, name: &str, kind: JoinKind, (left, right): (&[usize], &[usize])) -> Result<Expr, QueryError> {
    let chain = [ast::Segment::Name(name.to_owned())];
    let side = |scope: &mut Scope<'_>, leaves: &[usize]| {
        for leaf in leaves {
            if let Some(value) = scope.relation_field(*leaf, &chain)? {
                return Ok((*leaf, value));
            }
        }
        Err(QueryError::resolve(format!("Unable to resolve field: {name}")))
    };
    let ((left, here), (right, there)) = (side(scope, left)?, side(scope, right)?);
    let places = match kind {
        JoinKind::Inner | JoinKind::Left | JoinKind::Cross => vec![left],
        JoinKind::Right => vec![right],
        JoinKind::Full => vec![left, right],
    };
    if !scope.using.iter().any(|(known, _)| known == name) {
        scope.using.push((name.to_owned(), places));
    }
    Ok(scope.compare_values(CompareOp::Eq, here, there)?.expr)
}

fn relation(scope: &mut Scope<'_>, table: &TableRef) -> Result<Relation, QueryError> {
    let alias = table.alias.clone();
    let mut relation = match &table.source {
        TableSource::Name(parts) => named(scope, parts, alias)?,
        TableSource::Function { name, args } => {
            let source = table_function(scope, name, args)?;
            Relation::new(alias.or_else(|| Some(name.clone())), source, scope.context)
        }
        TableSource::Query(query) => {
            let (plan, outputs) = plan_query(query, scope.context, &scope.ctes.clone(), Nesting::Inner)?;
            Relation::query(alias, plan, outputs, scope.context)
        }
        TableSource::Values(rows) => {
            let (plan, outputs) = plan_values(scope, rows)?;
            Relation::query(alias, plan, outputs, scope.context)
        }
        TableSource::Placeholder(_) => return Err(QueryError::resolve("Unresolved placeholder in FROM")),
    };
    if !table.column_aliases.is_empty() {
        rename_relation(&mut relation, &table.column_aliases)?;
    }
    Ok(relation)
}

fn named(scope: &Scope<'_>, parts: &[String], alias: Option<String>) -> Result<Relation, QueryError> {
    let name = parts.join(".");
    if let Some((plan, outputs)) = plan_cte(&name, scope.context, &scope.ctes)? {
        return Ok(Relation::query(alias.or(Some(name)), plan, outputs, scope.context));
    }
    if TABLE_FUNCTIONS.contains(&name.as_str()) {
        return Err(QueryError::resolve(format!("Table function '{name}' requires arguments")));
    }
    let source = match known_table(&name) {
        Some(KnownTable::Cohorts(listed)) => {
            let name = alias.unwrap_or(name);
            let only = scope.select.and_then(|select| cohorts::asked(select, &name));
            let (plan, outputs) = cohorts::table(listed, only.as_deref(), scope.context)?;
            return Ok(Relation::query(Some(name), plan, outputs, scope.context));
        }
        Some(KnownTable::System(table)) => {
            let (plan, outputs) = system::plan(table, scope.context)?;
            let name = alias.or_else(|| parts.last().cloned());
            return Ok(Relation::query(name, plan, outputs, scope.context));
        }
        Some(KnownTable::Events) => Source::Events(Vec::new()),
        Some(table) => Source::Table(table, Vec::new()),
        None => return Err(QueryError::resolve(format!("Unknown table `{name}`."))),
    };
    Ok(Relation::new(alias.or(Some(name)), source, scope.context))
}

fn table_function(scope: &mut Scope<'_>, name: &str, args: &[ast::Expr]) -> Result<Source, QueryError> {
    if name != NUMBERS {
        return Err(QueryError::resolve(match known_table(name) {
            Some(_) => format!("Table '{name}' does not accept arguments"),
            None => format!("Unknown table `{name}`."),
        }));
    }
    let mut counts = Vec::new();
    for arg in args {
        let value = scope.expr(arg)?;
        let scalar = constant(value)?.cast_to(&arrow::datatypes::DataType::Int64)?;
        match scalar {
            ScalarValue::Int64(Some(count)) => counts.push(count),
            _ => return Err(QueryError::resolve("Table function 'numbers' requires whole numbers")),
        }
    }
    match counts.as_slice() {
        [] => Err(QueryError::resolve("Table function 'numbers' requires at least 1 argument")),
        [count] => Ok(Source::Numbers { start: 0, count: *count }),
        [start, count] => Ok(Source::Numbers { start: *start, count: *count }),
        _ => Err(QueryError::resolve("Table function 'numbers' requires at most 2 arguments")),
    }
}

fn rename_relation(relation: &mut Relation, names: &[String]) -> Result<(), QueryError> {
    match &mut relation.source {
        Source::Query { outputs, .. } => rename(outputs, names),
        _ => Err(QueryError::unsupported("Column aliases are only supported for subqueries")),
    }
}
