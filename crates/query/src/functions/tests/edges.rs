//! Edges of scalar functions, each as ClickHouse answers it.

use expect_test::expect;

use super::check;

#[test]
fn urls() {
    check(
        r"
        domain('http://user:pw@sub.domain.com/path')
        domain('http://user@sub.domain.com/path')
        domain('http://localhost:3000/')
        domain('mailto:a@b.c')
        domain('//cdn.site.io/x')
        domain('example.com./a')
        topLevelDomain('http://localhost/')
        protocol('mailto:a@b.c')
        port('http://localhost:3000/')
        port('https://www.example.co.uk:8080/a')
        port('https://a.com', 443)
        pathFull('https://a.com?x')
        extractURLParameters('https://a.com?x')
        extractURLParameters('https://a.com?x=1&y#f?z=2')
        extractURLParameterNames('https://a.com?x=1&y=2')
        URLHierarchy('')
        URLHierarchy('example.com/a?b=c')
        URLHierarchy('http://a.com/path/?q#h')
        URLPathHierarchy('http://a.com/path/?q#h')
        URLPathHierarchy('https://a.com?x')
        ",
        expect![[r#"
            domain('http://user:pw@sub.domain.com/path') => ""
            domain('http://user@sub.domain.com/path') => "sub.domain.com"
            domain('http://localhost:3000/') => ""
            domain('mailto:a@b.c') => ""
            domain('//cdn.site.io/x') => "cdn.site.io"
            domain('example.com./a') => ""
            topLevelDomain('http://localhost/') => ""
            protocol('mailto:a@b.c') => "mailto"
            port('http://localhost:3000/') => 0
            port('https://www.example.co.uk:8080/a') => 8080
            port('https://a.com', 443) => 443
            pathFull('https://a.com?x') => ""
            extractURLParameters('https://a.com?x') => []
            extractURLParameters('https://a.com?x=1&y#f?z=2') => ["x=1","z=2"]
            extractURLParameterNames('https://a.com?x=1&y=2') => ["x","y"]
            URLHierarchy('') => []
            URLHierarchy('example.com/a?b=c') => ["example.com/a?b=c"]
            URLHierarchy('http://a.com/path/?q#h') => ["http://a.com/","http://a.com/path/","http://a.com/path/?q#","http://a.com/path/?q#h"]
            URLPathHierarchy('http://a.com/path/?q#h') => ["/path/","/path/?q#","/path/?q#h"]
            URLPathHierarchy('https://a.com?x') => ["?x"]
        "#]],
    );
}

#[test]
fn json() {
    check(
        r#"
        JSONExtractRaw('not json')
        JSONExtractString('abc')
        JSONHas('abc')
        JSONExtractInt('{"a": true}', 'a')
        JSONExtractFloat('{"a": true}', 'a')
        JSONExtractInt('{"a": "5"}', 'a')
        JSONExtractBool('{"a": 2}', 'a')
        JSONExtractBool('{"a": 0}', 'a')
        JSONExtractBool('{"a": "true"}', 'a')
        "#,
        expect![[r#"
            JSONExtractRaw('not json') => ""
            JSONExtractString('abc') => ""
            JSONHas('abc') => false
            JSONExtractInt('{"a": true}', 'a') => 0
            JSONExtractFloat('{"a": true}', 'a') => 0
            JSONExtractInt('{"a": "5"}', 'a') => 5
            JSONExtractBool('{"a": 2}', 'a') => true
            JSONExtractBool('{"a": 0}', 'a') => false
            JSONExtractBool('{"a": "true"}', 'a') => false
        "#]],
    );
}

#[test]
fn arrays() {
    check(
        r"
        arrayElement([1, null, 3], 9)
        arrayElement([1, 2], 9)
        arrayFirst(x -> x = 7, [1, null])
        arrayLast(x -> x = 7, [1, 2])
        arraySlice([1, 2, 3], null, 2)
        arraySlice([1, 2, 3], 2, null)
        arrayResize([3, 1], 4)
        arrayResize([3, 1], 3, null)
        arraySum([])
        arraySum([9007199254740993, 1])
        indexOf([1, null, 3], null)
        indexOf([1, 2], null)
        emptyArrayToSingle(splitByChar(',', ''))
        mapPopulateSeries(map(1, 10, 3, 30), 4)
        mapPopulateSeries([1, 3], [10, 30])
        mapPopulateSeries([1, 3], [10, 30], 4)
        ",
        expect![[r#"
            arrayElement([1, null, 3], 9) => null
            arrayElement([1, 2], 9) => 0
            arrayFirst(x -> x = 7, [1, null]) => null
            arrayLast(x -> x = 7, [1, 2]) => 0
            arraySlice([1, 2, 3], null, 2) => [1,2]
            arraySlice([1, 2, 3], 2, null) => [2,3]
            arrayResize([3, 1], 4) => [3,1,0,0]
            arrayResize([3, 1], 3, null) => [3,1,null]
            arraySum([]) => 0
            arraySum([9007199254740993, 1]) => 9007199254740994
            indexOf([1, null, 3], null) => 2
            indexOf([1, 2], null) => 0
            emptyArrayToSingle(splitByChar(',', '')) => [""]
            mapPopulateSeries(map(1, 10, 3, 30), 4) => {"1":10,"2":0,"3":30,"4":0}
            mapPopulateSeries([1, 3], [10, 30]) => [[1,2,3],[10,0,30]]
            mapPopulateSeries([1, 3], [10, 30], 4) => [[1,2,3,4],[10,0,30,0]]
        "#]],
    );
}

#[test]
fn regular_expressions() {
    check(
        r"
        extractAllGroupsVertical('ün', '(\\w)(\\w)')
        extractAllGroupsHorizontal('abc', '(x)(y)')
        replaceRegexpOne('日a', '\\w', '-')
        countMatches('abc', '')
        extractAll('abc', 'x*')
        ngramSearch('hello', 'he')
        match('a[b', '[[]')
        ",
        expect![[r#"
            extractAllGroupsVertical('ün', '(\\w)(\\w)') => []
            extractAllGroupsHorizontal('abc', '(x)(y)') => [[],[]]
            replaceRegexpOne('日a', '\\w', '-') => "日-"
            countMatches('abc', '') => 0
            extractAll('abc', 'x*') => []
            ngramSearch('hello', 'he') => 1
            match('a[b', '[[]') => true
        "#]],
    );
}

#[test]
fn numbers() {
    check(
        r"
        max2(null, 7)
        max2(3, 7)
        min2(1.5, -2)
        ifNotFinite(null, 1)
        ifNotFinite(1 / 0, 2)
        intExp2(2.5)
        intExp10(2.5)
        erfc(7)
        lgamma(1)
        roundToExp2(-0.5)
        roundToExp2(-3)
        toIntOrZero(null)
        toIntOrZero('x')
        toFloatOrZero(null)
        toDecimal(1e20, 2)
        bar(0, 100, 1, 100)
        formatReadableTimeDelta(-7)
        formatReadableQuantity(9223372036854775807)
        ",
        expect![[r#"
            max2(null, 7) => null
            max2(3, 7) => 7
            min2(1.5, -2) => -2
            ifNotFinite(null, 1) => 1
            ifNotFinite(1 / 0, 2) => 2
            intExp2(2.5) => 4
            intExp10(2.5) => 100
            erfc(7) => 4.183825607779414e-23
            lgamma(1) => 0
            roundToExp2(-0.5) => -0.5
            roundToExp2(-3) => 0
            toIntOrZero(null) => null
            toIntOrZero('x') => 0
            toFloatOrZero(null) => null
            toDecimal(1e20, 2) => null
            bar(0, 100, 1, 100) => ""
            formatReadableTimeDelta(-7) => "-7 seconds"
            formatReadableQuantity(9223372036854775807) => "9.22 quintillion"
        "#]],
    );
}

#[test]
fn dates() {
    check(
        r"
        toDate('2024-01-31')
        toDate('2024-1-5')
        toDate('2024/01/31')
        toDate('20240131')
        toDate('2024-02-30')
        toDate('2024-01-31 10:11:12')
        toDate('2024-01-31T10:11:12Z')
        toDate('Jan 5 2024')
        toDateTime('1706695872.5')
        toDateTime('20240131101112')
        toDateTime('01/31/2024 5:00')
        toDateTime('2024-01')
        toDayOfWeek(toDate('2024-02-29'), 7)
        age('month', toDate('2024-01-31'), toDate('2024-02-29'))
        age('month', toDate('2024-01-31'), toDate('2024-03-31'))
        age('month', toDate('2024-02-29'), toDate('2024-01-31'))
        age('day', toDateTime('2024-01-01 12:00:00'), toDateTime('2024-01-03 11:59:59'))
        toString(toStartOfDay(toDateTime('2024-02-29 23:30:00'), 'Asia/Kolkata'))
        toString(dateTrunc('hour', toDateTime('2024-01-31 23:59:59'), 'Asia/Kolkata'))
        toString(toStartOfInterval(toDateTime('2024-01-31 23:59:59'), toIntervalDay(1), 'UTC'))
        ",
        expect![[r#"
            toDate('2024-01-31') => "2024-01-31"
            toDate('2024-1-5') => "2024-01-05"
            toDate('2024/01/31') => "2024-01-31"
            toDate('20240131') => "2024-01-31"
            toDate('2024-02-30') => "2024-03-01"
            toDate('2024-01-31 10:11:12') => "2024-01-31"
            toDate('2024-01-31T10:11:12Z') => null
            toDate('Jan 5 2024') => null
            toDateTime('1706695872.5') => "2024-01-31 10:11:12.500000"
            toDateTime('20240131101112') => "2024-01-31 09:11:12.000000"
            toDateTime('01/31/2024 5:00') => "2024-01-31 04:00:00.000000"
            toDateTime('2024-01') => "2023-12-31 23:00:00.000000"
            toDayOfWeek(toDate('2024-02-29'), 7) => 5
            age('month', toDate('2024-01-31'), toDate('2024-02-29')) => 0
            age('month', toDate('2024-01-31'), toDate('2024-03-31')) => 2
            age('month', toDate('2024-02-29'), toDate('2024-01-31')) => 0
            age('day', toDateTime('2024-01-01 12:00:00'), toDateTime('2024-01-03 11:59:59')) => 1
            toString(toStartOfDay(toDateTime('2024-02-29 23:30:00'), 'Asia/Kolkata')) => "2024-03-01 00:00:00"
            toString(dateTrunc('hour', toDateTime('2024-01-31 23:59:59'), 'Asia/Kolkata')) => "2024-02-01 04:00:00"
            toString(toStartOfInterval(toDateTime('2024-01-31 23:59:59'), toIntervalDay(1), 'UTC')) => "2024-01-31 00:00:00"
        "#]],
    );
}
