//! Aggregates over the rows of `batch`.

use expect_test::expect;

use super::check_aggregates;

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
            lower(any(s)) => "a"
            sum() => error: Aggregation 'sum' expects 1 argument, found 0
            nope(n) => error: Unsupported function call 'nope(...)'
        "#]],
    );
}
