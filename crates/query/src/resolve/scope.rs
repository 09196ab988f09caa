//! What names mean inside one SELECT.

use super::QueryContext;
use super::relation::{Output, Relation};
use super::types::{Type, Value};
use crate::error::QueryError;
use crate::hogql::ast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, Spans, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Subquery};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The common table expressions that are visible at a place, innermost first. Each sees those defined before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CteEnv(Option<Rc<CteNode>>);

#[derive(Debug)]
struct CteNode {
    name: String,
    body: CteNodeBody,
    before: CteEnv,
}

#[derive(Debug)]
enum CteNodeBody {
    Written(ast::Cte),
    /// Rows that no text of a query gave: the actors behind an insight's number, what a recursive query has found in the step before.
    Rows(LogicalPlan, Vec<Output>),
}

/// A common table expression that is a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CteTable<'e> {
    /// As it is written, with its query and what that sees.
    Written(&'e ast::Cte, &'e ast::Query, &'e CteEnv),
    /// Given rows.
    Rows(&'e LogicalPlan, &'e [Output]),
}

impl CteEnv {
    /// With one more definition.
    pub(crate) fn with(&self, cte: &ast::Cte) -> Self {
        Self(Some(Rc::new(CteNode { name: cte.name.clone(), body: CteNodeBody::Written(cte.clone()), before: self.clone() })))
    }

    /// With one more table, whose rows are given by a plan.
    pub(crate) fn with_rows(&self, name: &str, plan: LogicalPlan, outputs: Vec<Output>) -> Self {
        Self(Some(Rc::new(CteNode { name: name.to_owned(), body: CteNodeBody::Rows(plan, outputs), before: self.clone() })))
    }

    /// The table of that name.
    pub(crate) fn table(&self, name: &str) -> Option<CteTable<'_>> {
        self.nodes().filter(|node| node.name == name).find_map(|node| match &node.body {
            CteNodeBody::Written(cte) => match &cte.body {
                ast::CteBody::Query(query) => Some(CteTable::Written(cte, query, &node.before)),
                ast::CteBody::Expr(_) => None,
            },
            CteNodeBody::Rows(plan, outputs) => Some(CteTable::Rows(plan, outputs)),
        })
    }

    /// The value of that name.
    pub(crate) fn value(&self, name: &str) -> Option<&ast::Expr> {
        self.nodes().filter(|node| node.name == name).find_map(|node| match &node.body {
            CteNodeBody::Written(ast::Cte { body: ast::CteBody::Expr(expr), .. }) => Some(&**expr),
            _ => None,
        })
    }

    fn nodes(&self) -> impl Iterator<Item = &CteNode> {
        std::iter::successors(self.0.as_deref(), |node| node.before.0.as_deref())
    }
}

/// A name given to an expression in SELECT (or inside an expression).
#[derive(Clone, Debug)]
struct Alias {
    name: String,
    expr: ast::Expr,
    /// Place of the SELECT item that defines it.
    item: usize,
}

/// A parameter of a lambda whose body is being resolved.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// One SELECT while it is resolved.
#[derive(Debug)]
pub(crate) struct Scope<'q> {
    pub(crate) context: &'q QueryContext,
    pub(crate) ctes: CteEnv,
    /// The SELECT as it is written, where there is one.
    pub(crate) select: Option<&'q ast::SelectQuery>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) windows: Vec<(String, ast::Window)>,
    /// Names given by ARRAY JOIN: they win over columns.
    pub(crate) array_joined: Vec<(String, Value)>,
    /// Where fields are looked for, while an expression that a field of it stands for is resolved.
    pub(crate) only_relation: Option<usize>,
    /// Columns that joins have in common, with the relations that give them: the first one alone, or the first one that has a value.
    pub(crate) using: Vec<(String, Vec<usize>)>,
    /// Columns that steps of the plan add beside those of the relations (ARRAY JOIN).
    pub(crate) extra_fields: Vec<(Option<TableReference>, Arc<Field>)>,
    pub(crate) parameters: Vec<Parameter>,
    /// Comparisons of a join condition treat NULL as SQL does.
    pub(crate) in_join: bool,
    array_join_calls: Vec<(String, Expr, Value)>,
    aliases: Vec<Alias>,
    /// Aliases of items below this one win over columns; the others are tried last.
    visible_items: usize,
    resolved: HashMap<String, Value>,
    resolving: Vec<String>,
}

impl<'q> Scope<'q> {
    pub(crate) fn new(context: &'q QueryContext, ctes: CteEnv) -> Self {
        Self {
            context,
            ctes,
            select: None,
            relations: Vec::new(),
            windows: Vec::new(),
            array_joined: Vec::new(),
            only_relation: None,
            using: Vec::new(),
            extra_fields: Vec::new(),
            parameters: Vec::new(),
            in_join: false,
            array_join_calls: Vec::new(),
            aliases: Vec::new(),
            visible_items: 0,
            resolved: HashMap::new(),
            resolving: Vec::new(),
        }
    }

    /// Makes the aliases of a SELECT's items known.
    ///
    /// # Errors
    /// [`QueryError::Resolve`] for a name that may not be given.
    pub(crate) fn define_aliases(&mut self, items: &[ast::Expr]) -> Result<(), QueryError> {
        for (item, expr) in items.iter().enumerate() {
            super::expr::visit(expr, &mut |expr| {
                let ast::ExprKind::Alias { expr, alias } = &expr.kind else { return Ok(()) };
                if matches!(alias.as_str(), "true" | "false" | "null" | "team_id") {
                    return Err(QueryError::resolve(format!("Alias '{alias}' is a reserved keyword.")));
                }
                if !self.aliases.iter().any(|known| known.name == *alias) {
                    self.aliases.push(Alias { name: alias.clone(), expr: (**expr).clone(), item });
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// From here on aliases of the items before `item` win over columns.
    pub(crate) fn see_aliases_before(&mut self, item: usize) {
        self.visible_items = item;
    }

    /// From here on all aliases win over columns.
    pub(crate) fn see_all_aliases(&mut self) {
        self.visible_items = usize::MAX;
    }

    /// The value of a defined alias.
    pub(crate) fn alias(&mut self, name: &str, only_visible: bool) -> Result<Option<Value>, QueryError> {
        if let Some(value) = self.resolved.get(name) {
            let visible = !only_visible || self.aliases.iter().any(|alias| alias.name == name && alias.item < self.visible_items);
            return Ok(visible.then(|| value.clone()));
        }
        if self.resolving.iter().any(|open| open == name) {
            return Ok(None);
        }
        let Some(alias) = self.aliases.iter().find(|alias| alias.name == name) else { return Ok(None) };
        if only_visible && alias.item >= self.visible_items {
            return Ok(None);
        }
        let (expr, item) = (alias.expr.clone(), alias.item);
        let outer = std::mem::replace(&mut self.visible_items, item);
        self.resolving.push(name.to_owned());
        let value = self.expr(&expr);
        self.resolving.pop();
        self.visible_items = outer;
        let value = value?;
        // inside a lambda the value may depend on its parameters
        if self.parameters.is_empty() {
            self.resolved.insert(name.to_owned(), value.clone());
        }
        Ok(Some(value))
    }

    /// The relation of that name.
    pub(crate) fn relation(&self, name: &str) -> Option<usize> {
        self.relations.iter().position(|relation| relation.name.as_deref() == Some(name))
    }

    /// Everything that an expression may refer to, for typing it.
    pub(crate) fn schema(&self) -> Result<DFSchema, QueryError> {
        let mut fields: Vec<(Option<TableReference>, Arc<Field>)> = self.relations.iter().flat_map(Relation::fields).collect();
        fields.extend(self.extra_fields.iter().cloned());
        Ok(DFSchema::new_with_metadata(fields, std::collections::HashMap::new())?)
    }

    /// The expression with the type that DataFusion gives it.
    pub(crate) fn typed(&self, expr: Expr) -> Result<Value, QueryError> {
        let (data, nullable) = match &expr {
            Expr::Literal(scalar, _) => (scalar.data_type(), scalar.is_null()),
            expr => {
                let schema = self.schema()?;
                let (_, field) = expr.to_field(&schema)?;
                (field.data_type().clone(), field.is_nullable())
            }
        };
        Ok(Value::new(expr, Type::new(data, nullable)))
    }

    /// A column added by a step of the plan.
    pub(crate) fn add_extra(&mut self, name: &str, ty: &Type) -> Value {
        self.extra_fields.push((None, Arc::new(Field::new(name, ty.data.clone(), ty.nullable))));
        Value::new(Expr::Column(Column::new_unqualified(name)), ty.clone())
    }
}

impl Scope<'_> {
    /// An expression as a condition.
    pub(crate) fn condition(&mut self, expr: &ast::Expr) -> Result<Expr, QueryError> {
        let value = self.expr(expr)?;
        Ok(super::expr::truth(value)?.expr)
    }

    /// Whether `expr` is what the alias stands for.
    pub(super) fn is_first(&self, name: &str, expr: &ast::Expr) -> bool {
        self.aliases.iter().any(|alias| alias.name == name && alias.expr == *expr)
    }

    /// A scalar subquery.
    pub(crate) fn scalar_subquery(&mut self, query: &ast::Query) -> Result<Value, QueryError> {
        let (plan, outputs) = crate::plan::plan_query(query, self.context, &self.ctes.clone(), crate::plan::Nesting::Inner)?;
        let [output] = outputs.as_slice() else {
            return Err(QueryError::resolve(format!("A subquery used as a value must give one column, found {}", outputs.len())));
        };
        let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns: Vec::new(), spans: Spans::new() };
        let ty = Type { nullable: true, ..output.ty.clone() };
        Ok(Value::new(Expr::ScalarSubquery(subquery), ty))
    }

    /// A column that will hold the elements of an array, one per row.
    pub(crate) fn add_array_join(&mut self, array: &Value) -> Result<(String, Value), QueryError> {
        let (DataType::List(item) | DataType::LargeList(item)) = &array.ty.data else {
            return Err(QueryError::resolve(format!("arrayJoin expects an array, found {}", array.ty.name("UTC"))));
        };
        let name = format!("{}_element", self.context.fresh_name());
        let ty = Type::new(item.data_type().clone(), crate::functions::items_may_be_null(&array.expr));
        let value = self.add_extra(&name, &ty);
        Ok((name, value))
    }

    /// `arrayJoin(array)`: the same array gives the same column.
    pub(crate) fn array_join_call(&mut self, array: Value) -> Result<Value, QueryError> {
        if let Some((_, _, column)) = self.array_join_calls.iter().find(|(_, expr, _)| *expr == array.expr) {
            return Ok(column.clone());
        }
        let (name, column) = self.add_array_join(&array)?;
        self.array_join_calls.push((name, array.expr, column.clone()));
        Ok(column)
    }

    /// The arrays of `arrayJoin` calls, with the columns that stand for their elements.
    pub(crate) fn take_array_joins(&mut self) -> Vec<(String, Expr)> {
        std::mem::take(&mut self.array_join_calls).into_iter().map(|(name, expr, _)| (name, expr)).collect()
    }
}
