//! Aggregates over the rows of `batch`.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::catalog::MemTable;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::col;
use expect_test::expect;

use super::{batch, check_aggregates, columns, json, resolve};
use crate::hogql::parse_expr;

#[test]
fn aggregates() {
    check_aggregates(
        r"
        count()
        count(n)
        count(*)
        countIf(n > 1)
        countDistinct(s)
        uniq(d)
        uniqExact(s, d)
        sum(n)
        sum(f)
        sumIf(n, n > 5)
        sumIf(1, n > 5)
        avg(n)
        avgIf(f, f > 100)
        min(s)
        max(f)
        any(s)
        anyLast(s)
        argMax(d, f)
        argMin(d, f)
        argMaxIf(d, f, f < 3)
        groupArray(n)
        groupArray(2)(f)
        groupArray(d)
        groupArrayIf(n, n > 5)
        arraySort(groupUniqArray(d))
        median(f)
        quantile(0.25)(f)
        quantiles(0, 0.5, 1)(f)
        topK(1)(d)
        stddevPop(f)
        varSamp(f)
        corr(n, f)
        sum(distinct n)
        sumArray([n, 10])
        countArray([n, n])
        sumMap(map(d, n))
        sumMap([d], [n])
        tupleElement(groupArray((d, f)), 1)
        sumForEach([n, 1])
        maxArgMax(n, f)
        sumOrNull(1)
        avgOrDefault(n)
        uniqState(d)
        uniqMerge([tuple(d)])
        groupBitOr(n)
        deltaSum(n)
        string_agg(d, '-')
        every(f)
        avgWeighted(f, n)
        skewPop(f)
        groupArrayMovingSum(2)(f)
        groupConcat(d)
        windowFunnel(100)(f, d = 'x', d = 'y')
        windowFunnel(0.5)(f, d = 'x', d = 'y')
        maxIntersections(f, f + 1.5)
        medianExactLow(f)
        lower(any(s))
        sum()
        nope(n)
        ",
        expect![[r#"
            count() => 4
            count(n) => 3
            count(*) => 4
            countIf(n > 1) => 2
            countDistinct(s) => 2
            uniq(d) => 2
            uniqExact(s, d) => 2
            sum(n) => 6
            sum(f) => 12
            sumIf(n, n > 5) => null
            sumIf(1, n > 5) => 0
            avg(n) => 2
            avgIf(f, f > 100) => null
            min(s) => "a"
            max(f) => 4.5
            any(s) => "a"
            anyLast(s) => "a"
            argMax(d, f) => "x"
            argMin(d, f) => "x"
            argMaxIf(d, f, f < 3) => "y"
            groupArray(n) => [1,2,3]
            groupArray(2)(f) => [1.5,2.5]
            groupArray(d) => ["x","y","x","x"]
            groupArrayIf(n, n > 5) => []
            arraySort(groupUniqArray(d)) => ["x","y"]
            median(f) => 3
            quantile(0.25)(f) => 2.25
            quantiles(0, 0.5, 1)(f) => [1.5,3,4.5]
            topK(1)(d) => ["x"]
            stddevPop(f) => 1.118033988749895
            varSamp(f) => 1.6666666666666667
            corr(n, f) => 0.9819805060619657
            sum(distinct n) => 6
            sumArray([n, 10]) => 46
            countArray([n, n]) => 6
            sumMap(map(d, n)) => {"x":4,"y":2}
            sumMap([d], [n]) => [["x","y"],[4,2]]
            tupleElement(groupArray((d, f)), 1) => ["x","y","x","x"]
            sumForEach([n, 1]) => [6,4]
            maxArgMax(n, f) => 3
            sumOrNull(1) => 4
            avgOrDefault(n) => 2
            uniqState(d) => [["x"],["y"],["x"],["x"]]
            uniqMerge([tuple(d)]) => 2
            groupBitOr(n) => 3
            deltaSum(n) => 2
            string_agg(d, '-') => "x-y-x-x"
            every(f) => true
            avgWeighted(f, n) => 3.3333333333333335
            skewPop(f) => 0
            groupArrayMovingSum(2)(f) => [1.5,4,6,8]
            groupConcat(d) => "x,y,x,x"
            windowFunnel(100)(f, d = 'x', d = 'y') => 2
            windowFunnel(0.5)(f, d = 'x', d = 'y') => 1
            maxIntersections(f, f + 1.5) => 2
            medianExactLow(f) => 2.5
            lower(any(s)) => "a"
            sum() => error: Aggregation 'sum' expects 1 argument, found 0
            nope(n) => error: Unsupported function call 'nope(...)'
        "#]],
    );
}

/// Groups are built in parts and merged, as on many cores.
#[test]
fn parts_are_merged() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("INVARIANT: a runtime can start");
    let rows: Vec<String> = runtime.block_on(async {
        let parts: Vec<Vec<RecordBatch>> = (0..4).map(|row| vec![batch().slice(row, 1)]).collect();
        let table = MemTable::try_new(batch().schema(), parts).expect("INVARIANT: the parts fit");
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4).with_batch_size(1));
        let frame = context.read_table(Arc::new(table)).expect("INVARIANT: a table can be read");
        let calls = ["quantile(0.5)(f)", "sumMap(map(d, f))", "maxArgMin(f, n)", "topK(1)(s)", "uniqExact(s, d)"];
        let calls = calls.map(|call| resolve(&parse_expr(call).expect("an expression"), &columns()).expect("a function").expr);
        let named = calls.into_iter().enumerate().map(|(place, expr)| expr.alias(format!("c{place}"))).collect::<Vec<_>>();
        let frame = frame.aggregate(vec![col("d")], named).and_then(|frame| frame.sort_by(vec![col("d")])).expect("a plan");
        let batches = frame.collect().await.expect("rows");
        let all = concat_batches(&batches[0].schema(), &batches).expect("INVARIANT: one schema");
        (0..all.num_rows()).map(|row| all.columns().iter().map(|column| json(column, row)).collect::<Vec<_>>().join(" ")).collect()
    });
    expect![[r#"
        "x" 3.5 {"x":9.5} 1.5 ["a"] 1
        "y" 2.5 {"y":2.5} 2.5 ["b"] 1"#]]
    .assert_eq(&rows.join("\n"));
}
