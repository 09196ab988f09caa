//! Where actors come from: the people behind a number of an insight, or a query of the user's with a column of ids.

use crate::engine::Run;
use crate::error::QueryError;
use crate::hogql::ast::Query;
use crate::hogql::parse_select;
use crate::insights::{self, ActorSource, Appearances, FoundActors};
use crate::plan::{Nesting, plan_query};
use crate::resolve::{CteEnv, Output, QueryContext, Type, column_name};
use crate::scan::uuids;
use arrow::array::{Array, ArrayRef, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use serde_json::Value as Json;
use std::sync::Arc;

/// What the rows of a source are called in a SELECT over them.
pub(crate) const SOURCE: &str = "source";

/// Rows that name actors.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) plan: LogicalPlan,
    pub(crate) outputs: Vec<Output>,
    /// The column of ids.
    pub(crate) id: String,
    /// The type of the groups, when the actors are groups.
    pub(crate) group: Option<u8>,
}

impl Source {
    /// Reads a request's `source`.
    pub(crate) fn of(run: &Run, source: &Json) -> Result<Self, QueryError> {
        let kind = source.get("kind").and_then(Json::as_str).unwrap_or_default();
        match kind {
            "HogQLQuery" => {
                let text = source.get("query").and_then(Json::as_str).unwrap_or_default();
                Self::query(&parse_select(text)?, None, &run.context)
            }
            // The operators are loops over columns: they hold this thread, and look at the flag to stop.
            kind => match run.context.executor.hold(|| insights::actors(kind, source, &run.context))? {
                ActorSource::Query { query, group } => Self::query(&query, group, &run.context),
                ActorSource::Rows { found, appearances } => Self::rows(found, appearances, &run.context),
            },
        }
    }

    /// A place where its rows are a table by the name [`SOURCE`].
    pub(crate) fn environment(self) -> CteEnv {
        CteEnv::default().with_rows(SOURCE, self.plan, self.outputs)
    }

    /// Whether its rows have this column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.outputs.iter().any(|output| output.name == column)
    }

    fn query(query: &Query, group: Option<u8>, context: &QueryContext) -> Result<Self, QueryError> {
        let (plan, outputs) = plan_query(query, context, &CteEnv::default(), Nesting::Inner)?;
        let named = |wanted: fn(&str) -> bool| outputs.iter().map(|output| &output.name).find(|name| wanted(name));
        let id = named(|name| matches!(name, "group_key" | "actor_id" | "person_id"))
            .or_else(|| named(|name| name.to_lowercase().contains("id")));
        let id = id
            .cloned()
            .ok_or_else(|| QueryError::Request { detail: "Source query must have an id column".to_owned(), attr: Some("source") })?;
        Ok(Self { plan, outputs, id, group })
    }

    /// Actors that an operator found.
    pub(crate) fn rows(rows: FoundActors, appearances: Option<Appearances>, context: &QueryContext) -> Result<Self, QueryError> {
        let (ids, counts, group) = match rows {
            FoundActors::Persons(rows) => {
                let (ids, counts): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
                (uuids(&ids)?, counts, None)
            }
            FoundActors::Groups { index, rows } => {
                let (keys, counts): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
                (Arc::new(StringArray::from(keys)) as ArrayRef, counts, Some(index))
            }
        };
        let mut columns = vec![("actor_id".to_owned(), ids), ("event_count".to_owned(), Arc::new(Int64Array::from(counts)) as ArrayRef)];
        columns.extend(appearances.iter().flat_map(appearance_columns));
        let types: Vec<Type> = columns.iter().map(|(_, column)| Type::new(column.data_type().clone(), false)).collect();
        let fields: Vec<Field> = types.iter().enumerate().map(|(at, ty)| Field::new(column_name(at), ty.data.clone(), false)).collect();
        let schema = Arc::new(Schema::new(fields));
        let (names, arrays): (Vec<String>, Vec<ArrayRef>) = columns.into_iter().unzip();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        let provider = provider_as_source(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?));
        let plan = LogicalPlanBuilder::scan(context.fresh_name(), provider, None)?.build()?;
        let id = names[0].clone();
        let outputs = names.into_iter().zip(types).map(|(name, ty)| Output { name, ty }).collect();
        Ok(Self { plan, outputs, id, group })
    }
}

/// `appearances`, the list of intervals, and a flag for each of them: `day_0`, `day_1`, ….
fn appearance_columns(appearances: &Appearances) -> Vec<(String, ArrayRef)> {
    let mut lists = ListBuilder::new(Int64Builder::new());
    for list in &appearances.lists {
        lists.append_value(list.iter().copied().map(Some));
    }
    let mut columns = vec![("appearances".to_owned(), Arc::new(lists.finish()) as ArrayRef)];
    for (interval, name) in (0_i64..).zip((0..appearances.intervals).map(|at| format!("{}_{at}", appearances.period))) {
        let flags = appearances.lists.iter().map(|list| i64::from(list.contains(&interval)));
        columns.push((name, Arc::new(Int64Array::from_iter_values(flags))));
    }
    columns
}
