//! `events` as a DataFusion table whose columns are the virtual columns of one query.

use super::compact::compact;
use super::people::is_within;
use super::program::{Compiled, EVER, RowFilter};
use super::{PartColumns, ScanContext, VirtualColumn};
use crate::error::QueryError;
use aqueduct_store::{EventColumn, Part};
use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::datatypes::{Schema, SchemaRef, TimestampMicrosecondType};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::datasource::TableProvider;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::sync::Arc;

/// Rows of one batch: large enough for vectors to pay, small enough to stay in the cache.
const BATCH_ROWS: usize = 16 * 1024;

/// Only the rows with the newest (or oldest) timestamps are wanted; rows that tie with the last one are given too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Top {
    pub(crate) descending: bool,
    pub(crate) rows: usize,
}

/// `events` of one project.
#[derive(Debug)]
pub(crate) struct EventsTable {
    context: Arc<ScanContext>,
    columns: Vec<VirtualColumn>,
    schema: SchemaRef,
    top: Option<Top>,
}

impl EventsTable {
    pub(crate) fn new(context: Arc<ScanContext>, columns: Vec<VirtualColumn>, top: Option<Top>) -> Self {
        let schema = schema_of(&columns);
        Self { context, columns, schema, top }
    }
}

fn schema_of(columns: &[VirtualColumn]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(VirtualColumn::field).collect::<Vec<_>>()))
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(|filter| if can_run_here(filter) { Exact } else { TableProviderFilterPushDown::Unsupported }).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let df_schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let conditions = filters
            .iter()
            .map(|filter| {
                let expr = state.create_physical_expr(filter.clone(), &df_schema)?;
                Compiled::new(&expr, &self.columns).map_err(QueryError::into_datafusion)
            })
            .collect::<DfResult<Vec<_>>>()?;
        let columns: Vec<VirtualColumn> = match projection {
            Some(projection) => projection.iter().map(|at| self.columns[*at].clone()).collect(),
            None => self.columns.clone(),
        };
        let schema = schema_of(&columns);
        let range = time_range(filters);
        let parts = self.context.view().shards().iter().flatten().filter(|part| is_within(part.as_ref(), range)).cloned();
        let parts: Vec<_> = parts.collect();
        self.context.usage().will_read(parts.iter().map(|part| part.rows()).sum());
        let shares = share(parts, state.config().target_partitions());
        let partitions = shares.into_iter().map(|parts| {
            Arc::new(Share {
                context: Arc::clone(&self.context),
                parts,
                columns: columns.clone(),
                schema: Arc::clone(&schema),
                filter: RowFilter::new(conditions.clone()),
                top: self.top,
                limit,
            }) as Arc<dyn PartitionStream>
        });
        Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&schema), partitions.collect(), None, [], false, limit)?))
    }
}

use TableProviderFilterPushDown::Exact;

/// Everything but subqueries and what differs from call to call.
pub(crate) fn can_run_here(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let foreign = filter.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::OuterReferenceColumn(..) | Expr::SetComparison(_)
        ))
    });
    !foreign.unwrap_or(true) && !filter.is_volatile()
}

/// Bounds on the timestamp that the filters state plainly, µs, both ends included.
fn time_range(filters: &[Expr]) -> (i64, i64) {
    let name = VirtualColumn::Base(EventColumn::Timestamp).to_string();
    let mut range = (i64::MIN, i64::MAX);
    for filter in filters {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { continue };
        let (op, literal) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(literal, _)) if column.name == name => (*op, literal),
            (Expr::Literal(literal, _), Expr::Column(column)) if column.name == name => match op.swap() {
                Some(op) => (op, literal),
                None => continue,
            },
            _ => continue,
        };
        let ScalarValue::TimestampMicrosecond(Some(at), _) = literal else { continue };
        match op {
            Operator::Gt | Operator::GtEq => range.0 = range.0.max(*at),
            Operator::Lt | Operator::LtEq => range.1 = range.1.min(*at),
            Operator::Eq => range = (range.0.max(*at), range.1.min(*at)),
            _ => {}
        }
    }
    range
}

/// Parts dealt out so that each share has about the same number of rows; at least one share.
fn share(mut parts: Vec<Arc<dyn Part>>, shares: usize) -> Vec<Vec<Arc<dyn Part>>> {
    parts.sort_by_key(|part| std::cmp::Reverse(part.rows()));
    let mut dealt: Vec<(usize, Vec<Arc<dyn Part>>)> = vec![(0, Vec::new()); shares.min(parts.len()).max(1)];
    for part in parts {
        if let Some(least) = dealt.iter_mut().min_by_key(|share| share.0) {
            least.0 += part.rows();
            least.1.push(part);
        }
    }
    dealt.into_iter().map(|(_, parts)| parts).collect()
}

/// What one thread scans.
#[derive(Debug)]
struct Share {
    context: Arc<ScanContext>,
    parts: Vec<Arc<dyn Part>>,
    columns: Vec<VirtualColumn>,
    schema: SchemaRef,
    filter: RowFilter,
    top: Option<Top>,
    limit: Option<usize>,
}

impl PartitionStream for Share {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = Batches {
            context: Arc::clone(&self.context),
            parts: self.parts.clone().into_iter(),
            columns: self.columns.clone(),
            schema: Arc::clone(&self.schema),
            filter: self.filter.clone(),
            best: self.top.map(Best::new),
            left: self.limit.unwrap_or(usize::MAX),
            current: None,
        };
        let batches = batches.map(|batch| batch.map_err(QueryError::into_datafusion));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}

/// A part being scanned: its columns, the rows that passed (`None`: all), how many of them were given already.
struct Current {
    part: PartColumns,
    rows: Option<UInt32Array>,
    given: usize,
}

struct Batches {
    context: Arc<ScanContext>,
    parts: std::vec::IntoIter<Arc<dyn Part>>,
    columns: Vec<VirtualColumn>,
    schema: SchemaRef,
    filter: RowFilter,
    best: Option<Best>,
    left: usize,
    current: Option<Current>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.left == 0 {
                return None;
            }
            if let Some(current) = &mut self.current {
                let total = current.rows.as_ref().map_or(current.part.rows(), Array::len);
                let length = (total - current.given).min(BATCH_ROWS).min(self.left);
                if length > 0 {
                    if let Err(stopped) = self.context.check() {
                        return Some(Err(stopped));
                    }
                    let batch = self.context.usage().at_work(|| current.batch(length, &self.columns, &self.schema));
                    self.left -= length;
                    return Some(batch);
                }
                self.current = None;
            }
            let part = self.parts.next()?;
            let context = Arc::clone(&self.context);
            let opened = context.check().and_then(|()| context.usage().at_work(|| self.open(&part)));
            context.usage().read(part.rows());
            match opened {
                Ok(current) => self.current = current,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Batches {
    fn open(&mut self, part: &Arc<dyn Part>) -> Result<Option<Current>, QueryError> {
        if self.best.as_ref().is_some_and(|best| !best.may_hold(part.time_range())) {
            return Ok(None);
        }
        let mut columns = PartColumns::new(&self.context, part);
        let mut rows = self.filter.rows(&mut columns, EVER)?.map(UInt32Array::from);
        if let Some(best) = &mut self.best {
            let times = columns.get(&VirtualColumn::Base(EventColumn::Timestamp))?;
            rows = best.pick(times.as_primitive::<TimestampMicrosecondType>().values(), rows);
        }
        Ok(Some(Current { part: columns, rows, given: 0 }))
    }
}

impl Current {
    fn batch(&mut self, length: usize, columns: &[VirtualColumn], schema: &SchemaRef) -> Result<RecordBatch, QueryError> {
        let start = self.given;
        self.given += length;
        let arrays = match &self.rows {
            Some(rows) => {
                let rows = rows.slice(start, length);
                columns.iter().map(|column| Ok(compact(self.part.get_rows(column, &rows)?)?)).collect::<Result<Vec<_>, QueryError>>()?
            }
            None => columns
                .iter()
                .map(|column| {
                    if column.is_late() {
                        let end = u32::try_from(start + length).unwrap_or(u32::MAX);
                        let rows = UInt32Array::from_iter_values(u32::try_from(start).unwrap_or(u32::MAX)..end);
                        return self.part.get_rows(column, &rows);
                    }
                    Ok(compact(self.part.get(column)?.slice(start, length))?)
                })
                .collect::<Result<Vec<_>, QueryError>>()?,
        };
        let options = RecordBatchOptions::new().with_row_count(Some(length));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
    }
}

/// The newest (or oldest) rows seen so far.
#[derive(Debug)]
struct Best {
    top: Top,
    /// Times of the best rows so far, at most `top.rows`; negated when the oldest are wanted, so that larger is always better.
    times: Vec<i64>,
}

impl Best {
    fn new(top: Top) -> Self {
        Self { top, times: Vec::new() }
    }

    fn rank(&self, time: i64) -> i64 {
        if self.top.descending { time } else { !time }
    }

    /// A row below this cannot be among the wanted ones.
    fn floor(&self) -> Option<i64> {
        if self.times.len() < self.top.rows { None } else { self.times.iter().copied().min() }
    }

    fn may_hold(&self, range: (i64, i64)) -> bool {
        let best = if self.top.descending { range.1 } else { range.0 };
        self.floor().is_none_or(|floor| self.rank(best) >= floor)
    }

    /// Of `rows` those that may still be wanted.
    fn pick(&mut self, times: &[i64], rows: Option<UInt32Array>) -> Option<UInt32Array> {
        let rows = rows.unwrap_or_else(|| UInt32Array::from_iter_values(0..u32::try_from(times.len()).unwrap_or(u32::MAX)));
        if self.top.rows == 0 {
            return Some(UInt32Array::from(Vec::<u32>::new()));
        }
        let mut ranks: Vec<i64> = rows.values().iter().map(|row| self.rank(times[*row as usize])).collect();
        let ranked = ranks.clone();
        ranks.append(&mut self.times);
        if ranks.len() > self.top.rows {
            let cut = ranks.len() - self.top.rows;
            ranks.select_nth_unstable(cut);
            ranks.drain(..cut);
        }
        self.times = ranks;
        let Some(floor) = self.floor() else { return Some(rows) };
        Some(rows.values().iter().zip(ranked).filter(|(_, rank)| *rank >= floor).map(|(row, _)| *row).collect::<Vec<_>>().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_keeps_ties_and_forgets_the_rest() {
        let mut best = Best::new(Top { descending: true, rows: 2 });
        let kept = best.pick(&[1, 5, 3, 5, 4], None).expect("rows");
        assert_eq!(kept.values(), &[1, 3]);
        let kept = best.pick(&[5, 4, 6], None).expect("rows");
        assert_eq!(kept.values(), &[0, 2]);
        assert!(!best.may_hold((0, 4)));
        assert!(best.may_hold((0, 5)));
    }

    #[test]
    fn best_of_the_oldest() {
        let mut best = Best::new(Top { descending: false, rows: 1 });
        assert_eq!(best.pick(&[3, 1, 2], None).expect("rows").values(), &[1]);
        assert!(!best.may_hold((2, 9)));
    }
}
