//! One SELECT, clause by clause in the order of evaluation.

use super::Nesting;
use super::counts::plan_counts;
use super::expand::{ItemSource, expand};
use super::fill::Filling;
use super::from::{JoinTree, resolve_from};
use super::grouping::{Group, resolve_group};
use super::membership;
use super::order::{Bounds, Key, PerKey, Tail, bounds, count, keys, position};
use super::rebase::{Computed, has_aggregate, mentions};
use crate::error::QueryError;
use crate::hogql::ast::{self, SelectQuery};
use crate::resolve::{CteEnv, Output, QueryContext, Scope, Source, Type, Value, column_name};
use crate::scan::{Top, VirtualColumn};
use aqueduct_store::EventColumn;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, UnnestOptions};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::utils::{conjunction, find_aggregate_exprs, find_window_exprs, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr};

/// A SELECT with everything resolved and nothing planned.
struct Resolved {
    tree: Option<JoinTree>,
    array_join: Vec<Unnest>,
    /// `arrayJoin(x)` calls, the same way.
    calls: Vec<Unnest>,
    names: Vec<String>,
    types: Vec<Type>,
    items: Vec<Expr>,
    filter: Option<Expr>,
    group: Option<Group>,
    having: Option<Expr>,
    qualify: Option<Expr>,
    /// Rows are not those of the tables: ARRAY JOIN or `arrayJoin` makes others of them.
    is_joined: bool,
    keys: Vec<Key>,
    per_key: Option<PerKey>,
    distinct: bool,
    bounds: Bounds,
}

/// An array to be turned into rows.
struct Unnest {
    columns: Vec<(String, Expr)>,
    keep_empty: bool,
}

pub(super) fn plan_select(
    select: &SelectQuery,
    context: &QueryContext,
    ctes: &CteEnv,
    nesting: Nesting,
) -> Result<(LogicalPlan, Vec<Output>), QueryError> {
    let ctes = select.ctes.iter().fold(ctes.clone(), |env, cte| env.with(cte));
    let mut scope = Scope::new(context, ctes);
    scope.select = Some(select);
    let mut resolved = resolve(&mut scope, select, nesting)?;
    let top = resolved.top(&scope);
    let mut plan = match &resolved.tree {
        Some(tree) => tree.plan(&scope, top)?,
        None => LogicalPlanBuilder::empty(true).build()?,
    };
    for unnest in std::mem::take(&mut resolved.array_join) {
        plan = unnest.apply(plan)?;
    }
    plan = resolved.unnest_calls(plan, |filter, unnest| filter.is_some_and(|filter| unnest.is_mentioned(filter)))?;
    if let Some(filter) = resolved.filter.clone() {
        plan = filtered(plan, filter, context)?;
    }
    plan = resolved.unnest_calls(plan, |_, unnest| !unnest.columns.iter().any(|(_, expr)| has_aggregate(expr)))?;
    plan = resolved.mark_grouped(plan, context)?;
    plan = resolved.aggregate(plan, &scope)?;
    plan = resolved.mark(plan, context)?;
    plan = resolved.unnest_calls(plan, |_, _| true)?;
    plan = resolved.windows(plan)?;
    if let Some(qualify) = resolved.qualify.take() {
        plan = LogicalPlanBuilder::new(plan).filter(qualify)?.build()?;
    }
    resolved.project(plan, select.with_ties, context)
}

/// The rows that pass. A membership that is a condition of its own is DataFusion's, one inside of another condition becomes a column.
fn filtered(plan: LogicalPlan, filter: Expr, context: &QueryContext) -> Result<LogicalPlan, QueryError> {
    let mut conditions = split_conjunction_owned(filter);
    let mut inner: Vec<&mut Expr> = conditions.iter_mut().filter(|condition| !matches!(condition, Expr::InSubquery(_))).collect();
    for condition in &mut inner {
        **condition = membership::positive(std::mem::take(*condition))?;
    }
    let asked = membership::found(inner.iter().map(|condition| &**condition))?;
    let plan = membership::mark(plan, asked, inner, context)?;
    match conjunction(conditions) {
        Some(filter) => Ok(LogicalPlanBuilder::new(plan).filter(filter)?.build()?),
        None => Ok(plan),
    }
}

fn resolve(scope: &mut Scope<'_>, select: &SelectQuery, nesting: Nesting) -> Result<Resolved, QueryError> {
    let tree = select.from.as_ref().map(|from| resolve_from(scope, from)).transpose()?;
    scope.windows.clone_from(&select.windows);
    let array_join = select.array_join.as_ref().map(|join| resolve_array_join(scope, join)).transpose()?;
    let listed = expand(scope, &select.select)?;
    scope.define_aliases(&select.select)?;
    let mut values: Vec<Value> = Vec::with_capacity(listed.len());
    for item in &listed {
        values.push(match &item.source {
            ItemSource::Expr(expr) => {
                scope.see_aliases_before(select.select.iter().position(|listed| listed == expr).unwrap_or(0));
                scope.expr(expr)?
            }
            ItemSource::Column { relation, name } => scope
                .relation_field(*relation, &[ast::Segment::Name(name.clone())])?
                .ok_or_else(|| QueryError::resolve(format!("Unable to resolve field: {name}")))?,
        });
    }
    scope.see_all_aliases();
    let items: Vec<Expr> = values.iter().map(|value| value.expr.clone()).collect();
    // without a join, a sample is one more condition
    let mut filter = match &tree {
        Some(JoinTree::Leaf(relation)) => scope.relations[*relation].sample.take(),
        _ => None,
    };
    for clause in [&select.prewhere, &select.filter].into_iter().flatten() {
        let condition = scope.condition(clause)?;
        if has_aggregate(&condition) {
            return Err(QueryError::resolve("Aggregate function is found in WHERE in query; use HAVING"));
        }
        filter = Some(match filter {
            Some(filter) => binary_expr(filter, Operator::And, condition),
            None => condition,
        });
    }
    let group = select.group_by.as_ref().map(|group| resolve_group(scope, group, &values)).transpose()?;
    let having = select.having.as_ref().map(|having| scope.condition(having)).transpose()?;
    let qualify = select.qualify.as_ref().map(|qualify| scope.condition(qualify)).transpose()?;
    let keys = keys(scope, &select.order_by, &items)?;
    let per_key = resolve_per_key(scope, select, &items)?;
    let bounds = bounds(scope, select, nesting)?;
    let calls: Vec<_> =
        scope.take_array_joins().into_iter().map(|(name, expr)| Unnest { columns: vec![(name, expr)], keep_empty: false }).collect();
    Ok(Resolved {
        tree,
        is_joined: array_join.is_some() || !calls.is_empty(),
        array_join: array_join.into_iter().collect(),
        calls,
        names: listed.into_iter().map(|item| item.name).collect(),
        types: values.into_iter().map(|value| value.ty).collect(),
        items,
        filter,
        group,
        having,
        qualify,
        keys,
        per_key,
        distinct: select.distinct,
        bounds,
    })
}

fn resolve_array_join(scope: &mut Scope<'_>, join: &ast::ArrayJoin) -> Result<Unnest, QueryError> {
    let mut columns = Vec::new();
    for expr in &join.exprs {
        let name = match &expr.kind {
            ast::ExprKind::Alias { alias, .. } => Some(alias.clone()),
            ast::ExprKind::Field(chain) => chain.last().and_then(ast::Segment::as_name).map(str::to_owned),
            _ => None,
        };
        let value = scope.expr(expr.without_alias())?;
        // a row whose array is empty stays, with the empty value of the items
        let value = if join.left { scope.call_values("emptyArrayToSingle", vec![value])? } else { value };
        let column = scope.add_array_join(&value)?;
        columns.push((column.0, value.expr));
        if let Some(name) = name {
            scope.array_joined.push((name, column.1));
        }
    }
    Ok(Unnest { columns, keep_empty: join.left })
}

fn resolve_per_key(scope: &mut Scope<'_>, select: &SelectQuery, items: &[Expr]) -> Result<Option<PerKey>, QueryError> {
    let resolve_all = |scope: &mut Scope<'_>, exprs: &[ast::Expr]| {
        exprs
            .iter()
            .map(|expr| match position(expr, items, "LIMIT BY")? {
                Some(expr) => Ok(expr.clone()),
                None => Ok(scope.expr(expr)?.expr),
            })
            .collect::<Result<Vec<_>, QueryError>>()
    };
    if let Some(limit_by) = &select.limit_by {
        let limit = count(scope, &limit_by.limit, "LIMIT BY")?;
        let offset = limit_by.offset.as_ref().map(|offset| count(scope, offset, "OFFSET")).transpose()?.unwrap_or(0);
        return Ok(Some(PerKey { keys: resolve_all(scope, &limit_by.exprs)?, offset, limit }));
    }
    if select.distinct_on.is_empty() {
        return Ok(None);
    }
    Ok(Some(PerKey { keys: resolve_all(scope, &select.distinct_on)?, offset: 0, limit: 1 }))
}

impl Unnest {
    fn is_mentioned(&self, expr: &Expr) -> bool {
        self.columns.iter().any(|(name, _)| mentions(expr, name))
    }

    fn apply(self, plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
        let schema = plan.schema();
        let mut exprs: Vec<Expr> = schema.iter().map(|(table, field)| Expr::Column(Column::new(table.cloned(), field.name()))).collect();
        let names: Vec<Column> = self.columns.iter().map(|(name, _)| Column::new_unqualified(name.as_str())).collect();
        exprs.extend(self.columns.into_iter().map(|(name, expr)| expr.alias(name)));
        let options = UnnestOptions::new().with_preserve_nulls(self.keep_empty);
        Ok(LogicalPlanBuilder::new(plan).project(exprs)?.unnest_columns_with_options(names, options)?.build()?)
    }
}

impl Resolved {
    /// Every expression that is evaluated after grouping.
    fn late(&mut self) -> Vec<&mut Expr> {
        let mut all: Vec<&mut Expr> = self.items.iter_mut().collect();
        all.extend(&mut self.having);
        all.extend(&mut self.qualify);
        all.extend(self.keys.iter_mut().map(|key| &mut key.expr));
        all.extend(self.per_key.iter_mut().flat_map(|per_key| &mut per_key.keys));
        all.extend(self.calls.iter_mut().flat_map(|call| &mut call.columns).map(|(_, expr)| expr));
        all
    }

    fn unnest_calls(&mut self, mut plan: LogicalPlan, now: impl Fn(Option<&Expr>, &Unnest) -> bool) -> Result<LogicalPlan, QueryError> {
        let filter = self.filter.clone();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.calls).into_iter().partition(|call| now(filter.as_ref(), call));
        self.calls = later;
        for unnest in due {
            plan = unnest.apply(plan)?;
        }
        Ok(plan)
    }

    /// Memberships that groups and aggregates ask for become columns before the rows are grouped.
    fn mark_grouped(&mut self, plan: LogicalPlan, context: &QueryContext) -> Result<LogicalPlan, QueryError> {
        let mut group = match self.group.take() {
            Some(Group::Exprs(group)) => Some(group),
            other => {
                self.group = other;
                None
            }
        };
        let mut exprs: Vec<&mut Expr> = self.late().into_iter().chain(group.iter_mut().flatten()).collect();
        for expr in &mut exprs {
            **expr = membership::positive(std::mem::take(*expr))?;
        }
        let late: Vec<Expr> = exprs.iter().map(|expr| (**expr).clone()).collect();
        let aggregates = find_aggregate_exprs(&late);
        let asked = membership::found(aggregates.iter().chain(group.iter().flatten()))?;
        let exprs = self.late().into_iter().chain(group.iter_mut().flatten()).collect();
        let plan = membership::mark(plan, asked, exprs, context)?;
        if let Some(group) = group {
            self.group = Some(Group::Exprs(group));
        }
        Ok(plan)
    }

    /// The other memberships become columns after that.
    fn mark(&mut self, plan: LogicalPlan, context: &QueryContext) -> Result<LogicalPlan, QueryError> {
        let late: Vec<Expr> = self.late().into_iter().map(|expr| expr.clone()).collect();
        membership::mark(plan, membership::found(&late)?, self.late(), context)
    }

    fn aggregate(&mut self, plan: LogicalPlan, scope: &Scope<'_>) -> Result<LogicalPlan, QueryError> {
        let late: Vec<Expr> = self.late().into_iter().map(|expr| expr.clone()).collect();
        let aggregates = find_aggregate_exprs(&late);
        if aggregates.is_empty() && self.group.is_none() {
            return match self.having.take() {
                Some(having) => filtered(plan, having, scope.context),
                None => Ok(plan),
            };
        }
        let counted = match &self.group {
            _ if self.is_joined => None,
            None => plan_counts(scope, self.filter.as_ref(), &[], &aggregates)?,
            Some(Group::Exprs(keys)) => plan_counts(scope, self.filter.as_ref(), keys, &aggregates)?,
            Some(Group::Sets(_)) => None,
        };
        let mut computed = Computed::default();
        let mut sets = None;
        let group = match self.group.take() {
            None => Vec::new(),
            Some(Group::Sets(of_sets)) => {
                sets = Some(of_sets);
                Vec::new()
            }
            Some(Group::Exprs(exprs)) => {
                let mut group = Vec::new();
                for expr in exprs {
                    let name = format!("g{}", group.len());
                    computed.add(expr.clone(), Column::new_unqualified(name.as_str()));
                    group.push(expr.alias(name));
                }
                group
            }
        };
        let mut aliased = Vec::new();
        for aggregate in aggregates {
            let name = format!("a{}", aliased.len());
            computed.add(aggregate.clone(), Column::new_unqualified(name.as_str()));
            aliased.push(aggregate.alias(name));
        }
        let mut plan = match (counted, sets) {
            (Some(counted), _) => counted,
            (None, Some(sets)) => sets.apply(plan, aliased, &mut computed)?,
            (None, None) => LogicalPlanBuilder::new(plan).aggregate(group, aliased)?.build()?,
        };
        for expr in self.late() {
            *expr = computed.rebase(std::mem::take(expr))?;
        }
        self.check_grouped(&plan)?;
        if let Some(having) = self.having.take() {
            plan = filtered(plan, having, scope.context)?;
        }
        Ok(plan)
    }

    /// After grouping only keys and aggregates are left.
    fn check_grouped(&mut self, plan: &LogicalPlan) -> Result<(), QueryError> {
        let calls: Vec<String> = self.calls.iter().flat_map(|call| &call.columns).map(|(name, _)| name.clone()).collect();
        for expr in self.late() {
            let missing =
                expr.column_refs().into_iter().find(|column| !plan.schema().has_column(column) && !calls.contains(&column.name)).cloned();
            if let Some(column) = missing {
                return Err(QueryError::resolve(format!(
                    "Column `{}` is not under aggregate function and not in GROUP BY",
                    column.name.split(':').next().unwrap_or_default()
                )));
            }
        }
        Ok(())
    }

    fn windows(&mut self, plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
        let late: Vec<Expr> = self.late().into_iter().map(|expr| expr.clone()).collect();
        let windows = find_window_exprs(&late);
        if windows.is_empty() {
            return Ok(plan);
        }
        let mut computed = Computed::default();
        for window in &windows {
            computed.add(window.clone(), Column::new_unqualified(window.schema_name().to_string()));
        }
        let plan = LogicalPlanBuilder::window_plan(plan, windows)?;
        for expr in self.late() {
            *expr = computed.rebase(std::mem::take(expr))?;
        }
        Ok(plan)
    }

    /// The columns as `c0`, `c1`, …, then the clauses that work on them.
    fn project(self, plan: LogicalPlan, with_ties: bool, context: &QueryContext) -> Result<(LogicalPlan, Vec<Output>), QueryError> {
        let mut exprs: Vec<Expr> = self.items.iter().enumerate().map(|(at, item)| item.clone().alias(column_name(at))).collect();
        let hidden = exprs.len();
        let place = |expr: &Expr, exprs: &mut Vec<Expr>| -> Result<Expr, QueryError> {
            if let Some(at) = self.items.iter().position(|item| item == expr) {
                return Ok(Expr::Column(Column::new_unqualified(column_name(at))));
            }
            if self.distinct {
                return Err(QueryError::resolve("With DISTINCT, ORDER BY and LIMIT BY can only use selected columns"));
            }
            let name = format!("h{}", exprs.len());
            exprs.push(expr.clone().alias(name.as_str()));
            Ok(Expr::Column(Column::new_unqualified(name)))
        };
        let mut tail = Tail { distinct: self.distinct, with_ties, ..Tail::default() };
        for key in self.keys.iter().filter(|key| !matches!(key.expr, Expr::Literal(..))) {
            tail.sorts.push(Sort::new(place(&key.expr, &mut exprs)?, !key.descending, key.nulls_first));
            let Some(gaps) = &key.fill else { continue };
            if tail.filling.is_some() {
                return Err(QueryError::unsupported("only one key of ORDER BY can be filled"));
            }
            let mut names: Vec<String> = tail.sorts.iter().map(|sort| sort.expr.schema_name().to_string()).collect();
            let filled = names.pop().unwrap_or_default();
            let nullable = self.types.iter().map(|ty| ty.nullable).collect();
            tail.filling = Some(Filling { gaps: gaps.clone(), key: filled, before: names, descending: key.descending, nullable });
        }
        if let Some(per_key) = &self.per_key {
            let keys = per_key.keys.iter().map(|key| place(key, &mut exprs)).collect::<Result<Vec<_>, _>>()?;
            tail.per_key = Some(PerKey { keys, ..per_key.clone() });
        }
        let drops_columns = exprs.len() > hidden || tail.per_key.is_some() || with_ties;
        let plan = LogicalPlanBuilder::new(plan).project(exprs)?.build()?;
        let mut plan = tail.apply(plan, self.bounds, context)?;
        if drops_columns {
            let columns = (0..hidden).map(|at| Expr::Column(Column::new_unqualified(column_name(at))));
            plan = LogicalPlanBuilder::new(plan).project(columns.collect::<Vec<_>>())?.build()?;
        }
        let outputs = self.names.into_iter().zip(self.types).enumerate().map(|(at, (name, mut ty))| {
            ty.data = plan.schema().field(at).data_type().clone();
            Output { name, ty }
        });
        let outputs = outputs.collect();
        Ok((plan, outputs))
    }

    /// Whether the scan may keep to the newest (or oldest) rows: a plain list of events, ordered by time, with a limit.
    fn top(&self, scope: &Scope<'_>) -> Option<Top> {
        let (Some(JoinTree::Leaf(relation)), Some(limit), Some(key)) = (&self.tree, self.bounds.limit, self.keys.first()) else {
            return None;
        };
        let relation = &scope.relations[*relation];
        if !matches!(relation.source, Source::Events(_)) || !self.array_join.is_empty() || !self.calls.is_empty() {
            return None;
        }
        let plain = self.keys.iter().all(|key| key.fill.is_none())
            && self.group.is_none()
            && self.having.is_none()
            && self.qualify.is_none()
            && self.per_key.is_none()
            && !self.distinct;
        let rows_depend = |expr: &Expr| {
            let found = expr.exists(|node| {
                Ok(matches!(
                    node,
                    Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)
                ))
            });
            found.unwrap_or(true) || expr.is_volatile()
        };
        let mut exprs = self.items.iter().chain(&self.filter).chain(self.keys.iter().map(|key| &key.expr));
        if !plain || exprs.any(rows_depend) {
            return None;
        }
        let timestamp = VirtualColumn::Base(EventColumn::Timestamp).to_string();
        match &key.expr {
            Expr::Column(column) if column.name == timestamp => {
                Some(Top { descending: key.descending, rows: self.bounds.offset.saturating_add(limit) })
            }
            _ => None,
        }
    }
}
