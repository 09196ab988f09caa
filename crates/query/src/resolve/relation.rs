//! A table, subquery or table function in FROM.

use super::lazy::LazyJoin;
use super::types::{Note, Type, Value};
use super::{KnownTable, QueryContext};
use crate::error::QueryError;
use crate::scan::{DerivedTable, EventsTable, NumbersTable, TableColumn, Top, VirtualColumn, streamed};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, logical_plan as plan};
use std::sync::Arc;

/// A column that a query gives, as its user names it.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) ty: Type,
}

/// Where the rows of a relation come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `events`, with the columns asked for so far.
    Events(Vec<VirtualColumn>),
    /// Another table, with the columns asked for so far.
    Table(KnownTable, Vec<TableColumn>),
    /// `numbers(start, count)`.
    Numbers { start: i64, count: i64 },
    /// A query whose column `i` is called [`column_name(i)`](column_name).
    Query { plan: Box<LogicalPlan>, outputs: Vec<Output> },
}

/// One relation of a SELECT.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// What the user calls it: its alias, else its table's name; `None` for a subquery without alias.
    pub(crate) name: Option<String>,
    /// What the plan calls it; no other relation of the query has this name.
    pub(crate) qualifier: String,
    pub(crate) source: Source,
    /// The other side of the join may have no row for it.
    pub(crate) optional: bool,
    /// What is missing reads as the empty value of its type, as in ClickHouse. Conditions of joins still see that it is missing.
    pub(crate) filled: bool,
    /// Brought along by the relation of that place, under that name: nobody names it otherwise.
    pub(crate) lazy_of: Option<(usize, &'static LazyJoin)>,
    /// Which of its rows are in the sample that is asked for.
    pub(crate) sample: Option<Expr>,
    /// The order of a subquery's rows: what collects rows one after the other keeps to it.
    pub(crate) ordering: Vec<Sort>,
    /// Columns of a subquery that only its order names.
    hidden: Vec<Field>,
}

/// What column `i` of a query is called inside plans. Users' names may repeat, these do not.
pub(crate) fn column_name(index: usize) -> String {
    format!("c{index}")
}

/// What ClickHouse has for a column of a row that a join did not find; `None` for types that it has nothing for.
pub(crate) fn empty_value(data: &DataType) -> Option<ScalarValue> {
    match data {
        DataType::FixedSizeBinary(16) => Some(ScalarValue::FixedSizeBinary(16, Some(vec![0; 16]))),
        DataType::Struct(_) | DataType::Map(..) | DataType::Null => None,
        data => ScalarValue::new_default(data).ok(),
    }
}

/// The ORDER BY of a plan, also below its LIMIT.
fn sort_of(plan: &LogicalPlan) -> Option<&plan::Sort> {
    match plan {
        LogicalPlan::Sort(sort) => Some(sort),
        LogicalPlan::Limit(limit) => sort_of(&limit.input),
        _ => None,
    }
}

impl Relation {
    pub(crate) fn new(name: Option<String>, source: Source, context: &QueryContext) -> Self {
        Self {
            name,
            qualifier: context.fresh_name(),
            source,
            optional: false,
            filled: false,
            lazy_of: None,
            sample: None,
            ordering: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// A subquery, with the order that its plan gives it.
    pub(crate) fn query(name: Option<String>, plan: LogicalPlan, outputs: Vec<Output>, context: &QueryContext) -> Self {
        let plan = match plan {
            // the last projection drops the columns that only ORDER BY names; here they are wanted
            LogicalPlan::Projection(last) if sort_of(&last.input).is_some() => Arc::unwrap_or_clone(last.input),
            other => other,
        };
        let mut relation = Self::new(name, Source::Numbers { start: 0, count: 0 }, context);
        if let Some(sort) = sort_of(&plan) {
            for key in &sort.expr {
                let Expr::Column(column) = &key.expr else { continue };
                let qualified = Expr::Column(Column::new(Some(relation.reference()), column.name.as_str()));
                relation.ordering.push(Sort::new(qualified, key.asc, key.nulls_first));
            }
            let fields = plan.schema().fields().iter().skip(outputs.len());
            relation.hidden = fields.map(|field| field.as_ref().clone()).collect();
        }
        relation.source = Source::Query { plan: Box::new(plan), outputs };
        relation
    }

    fn reference(&self) -> TableReference {
        TableReference::bare(self.qualifier.as_str())
    }

    fn value(&self, name: &str, data: DataType, nullable: bool) -> Value {
        let column = Expr::Column(Column::new(Some(self.reference()), name));
        if !self.filled || nullable {
            return Value::new(column, Type::new(data, nullable || self.optional));
        }
        let (column, data) = match data {
            DataType::Dictionary(_, text) => (cast(column, (*text).clone()), *text),
            data => (column, data),
        };
        match empty_value(&data) {
            Some(empty) => {
                let filled = datafusion::functions::core::expr_fn::coalesce(vec![column, Expr::Literal(empty, None)]);
                Value::new(filled, Type::new(data, false))
            }
            None => Value::new(column, Type::new(data, true)),
        }
    }

    /// A virtual column of `events`.
    pub(crate) fn event_column(&mut self, column: VirtualColumn) -> Result<Value, QueryError> {
        let value = self.value(&column.to_string(), column.data_type(), column.nullable());
        match &mut self.source {
            Source::Events(columns) => {
                if !columns.contains(&column) {
                    columns.push(column);
                }
                Ok(value)
            }
            other => Err(QueryError::Internal(format!("event column {column} asked of {other:?}"))),
        }
    }

    /// A column of another table.
    pub(crate) fn table_column(&mut self, column: TableColumn) -> Result<Value, QueryError> {
        let value = self.value(&column.to_string(), column.data_type(), column.nullable());
        match &mut self.source {
            Source::Table(_, columns) => {
                if !columns.contains(&column) {
                    columns.push(column);
                }
                Ok(value)
            }
            other => Err(QueryError::Internal(format!("table column {column} asked of {other:?}"))),
        }
    }

    /// Column `index` of a query or of `numbers`.
    pub(crate) fn output(&self, index: usize) -> Option<Value> {
        match &self.source {
            Source::Query { outputs, .. } => {
                let ty = &outputs.get(index)?.ty;
                let value = self.value(&column_name(index), ty.data.clone(), ty.nullable);
                Some(Value::new(value.expr, value.ty.with_note(ty.note)))
            }
            Source::Numbers { .. } => (index == 0).then(|| {
                let value = self.value("number", DataType::Int64, false);
                Value::new(value.expr, value.ty.with_note(Note::Count))
            }),
            _ => None,
        }
    }

    /// Names that `*` stands for.
    pub(crate) fn asterisk(&self) -> Vec<String> {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        match &self.source {
            Source::Events(_) => owned(KnownTable::Events.asterisk()),
            Source::Table(table, _) => owned(table.asterisk()),
            Source::Numbers { .. } => owned(vec!["number"]),
            Source::Query { outputs, .. } => outputs.iter().map(|output| output.name.clone()).collect(),
        }
    }

    /// The columns that exist so far, for typing expressions.
    pub(crate) fn fields(&self) -> Vec<(Option<TableReference>, Arc<Field>)> {
        let reference = self.reference();
        let qualified = |field: Field| {
            let nullable = field.is_nullable() || self.optional;
            (Some(reference.clone()), Arc::new(field.with_nullable(nullable)))
        };
        match &self.source {
            Source::Events(columns) => columns.iter().map(|column| qualified(column.field())).collect(),
            Source::Table(_, columns) => columns.iter().map(|column| qualified(column.field())).collect(),
            Source::Numbers { .. } => vec![qualified(Field::new("number", DataType::Int64, false))],
            Source::Query { outputs, .. } => outputs
                .iter()
                .enumerate()
                .map(|(at, output)| Field::new(column_name(at), output.ty.data.clone(), output.ty.nullable))
                .chain(self.hidden.iter().cloned())
                .map(qualified)
                .collect(),
        }
    }

    /// The plan of the relation alone. To be called when every expression of the SELECT is resolved, as only then all columns are known.
    pub(crate) fn plan(&self, context: &QueryContext, top: Option<Top>) -> Result<LogicalPlan, QueryError> {
        let scan = Arc::clone(&context.scan);
        let reference = self.reference();
        let source = match &self.source {
            Source::Events(columns) => provider_as_source(Arc::new(EventsTable::new(scan, columns.clone(), top))),
            Source::Table(table, columns) => provider_as_source(Arc::new(DerivedTable::new(scan, table.derived_kind(), columns.clone()))),
            Source::Numbers { start, count } => provider_as_source(streamed(NumbersTable::new(*start, *count))?),
            Source::Query { plan, .. } => return Ok(LogicalPlanBuilder::new((**plan).clone()).alias(reference)?.build()?),
        };
        Ok(LogicalPlanBuilder::scan(reference, source, None)?.build()?)
    }
}
