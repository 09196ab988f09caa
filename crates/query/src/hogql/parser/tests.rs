//! What each construct becomes, shown as printed again; and that any tree survives printing and parsing.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::hogql::ast::*;
use crate::hogql::build::*;
use crate::hogql::{parse_expr, parse_order_expr, parse_select};

/// Parses each line as an expression and prints it again; also checks that the printed text means the same.
#[track_caller]
fn exprs(lines: &str, expected: Expect) {
    let mut out = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let printed = match parse_expr(line) {
            Ok(tree) => {
                let printed = tree.to_string();
                assert_eq!(parse_expr(&printed), Ok(tree), "{line} printed as {printed}");
                printed
            }
            Err(error) => format!("error {}..{}: {error}", error.start, error.end),
        };
        out.push_str(&printed);
        out.push('\n');
    }
    expected.assert_eq(&out);
}

#[track_caller]
fn selects(lines: &str, expected: Expect) {
    let mut out = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let printed = match parse_select(line) {
            Ok(tree) => {
                let printed = tree.to_string();
                assert_eq!(parse_select(&printed), Ok(tree), "{line} printed as {printed}");
                printed
            }
            Err(error) => format!("error {}..{}: {error}", error.start, error.end),
        };
        out.push_str(&printed);
        out.push('\n');
    }
    expected.assert_eq(&out);
}

#[test]
fn constants() {
    exprs(
        r"
        1
        1.2
        -1
        - 1.1
        0.0
        .5
        1e-18
        2.34e+20
        18446744073709551615
        -9223372036854775808
        0x1F
        0b101
        0x1.8p3
        inf
        -Infinity
        nan
        TRUE
        false
        Null
        'n''ull'
        'a\'b\\c\n\x41\d'
        1 2
        'open
        ",
        expect![[r#"
            1
            1.2
            -1
            -1.1
            0.0
            0.5
            1e-18
            2.34e20
            18446744073709551615
            -9223372036854775808
            31
            5
            12.0
            inf
            -inf
            nan
            true
            false
            NULL
            'n\'ull'
            'a\'b\\c\nA\\d'
            error 2..3: unexpected the number 2, expected the end of the query
            error 0..5: this text is not closed: expected '
        "#]],
    );
}

#[test]
fn precedence() {
    exprs(
        r"
        1 + 2 * 3 - 4 / 5 % 6
        (1 + 2) * 3
        1 - (2 - 3)
        -x.y * 2
        -(1)
        a = 1 and b != 2 or not c <> 3 and d
        not a = b
        not not a
        a is null and b is not null
        a is not distinct from b
        a is distinct from b
        a ?? b ?? c
        a ?? b = c
        a = b ?? c
        a ? b : c ? d : e
        x between 1 and 2 and y
        x not between 1 + 1 and 2
        a || 'b' || c
        a like '%x' and b not ilike 'y'
        a =~ 'x' or b !~ 'y' or c =~* 'z' or d !~* 'w' or e ~ 'v' or f ~* 'u'
        x in (1, 2) and y not in [1]
        x in (1)
        x in cohort 7
        x not in cohort 'name'
        x global not in (select 1)
        (a and b) and c
        a as b
        (1 as b) as `🍄`
        1 as 'text'
        1 as team_id
        1 as `NULL`
        1 < 2 = 3
        ",
        expect![[r#"
            1 + 2 * 3 - 4 / 5 % 6
            (1 + 2) * 3
            1 - (2 - 3)
            (0 - x.y) * 2
            0 - 1
            a = 1 AND b != 2 OR NOT c != 3 AND d
            NOT a = b
            NOT NOT a
            a = NULL AND b != NULL
            a = b
            a != b
            ifNull(ifNull(a, b), c)
            ifNull(a, b = c)
            ifNull(a = b, c)
            if(a, b, if(c, d, e))
            x BETWEEN 1 AND 2 AND y
            x NOT BETWEEN 1 + 1 AND 2
            concat(a, 'b', c)
            a LIKE '%x' AND b NOT ILIKE 'y'
            a =~ 'x' OR b !~ 'y' OR c =~* 'z' OR d !~* 'w' OR e =~ 'v' OR f =~* 'u'
            x IN (1, 2) AND y NOT IN [1]
            x IN 1
            x IN COHORT 7
            x NOT IN COHORT 'name'
            x NOT IN (SELECT 1)
            (a AND b) AND c
            a AS b
            1 AS b AS `🍄`
            1 AS text
            error 5..12: "team_id" cannot be an alias or identifier, as it's a reserved keyword
            error 5..11: "NULL" cannot be an alias or identifier, as it's a reserved keyword
            1 < 2 = 3
        "#]],
    );
}

#[test]
fn access() {
    exprs(
        r"
        event
        properties.$browser
        this.can.go.on.for.miles
        person.properties.`odd name`
        properties['a b'].c
        a[1][-1]
        t.1.2
        (1, 'a').2
        a?.b?.['c']?.1
        f(x).y
        arr[2:3]
        arr[2:]
        arr[0]
        arr.0
        {placeholder}
        {variables.a.b}
        {}
        {'a': 1, 'b': {x},}
        [1, avg(),]
        array[1, 2]
        (1,)
        ()
        x::int
        x::Nullable(Float64) + 1
        cast(x + 1 as Array(Nullable(String)))
        cast(x, 'Int64')
        try_cast(x as timestamp with time zone)
        asd.asd(123)
        timestamp
        interval
        date
        `select`
        `a\`b`
        select
        ",
        expect![[r#"
            event
            properties.$browser
            this.can.go.`on`.for.miles
            person.properties.`odd name`
            properties['a b']['c']
            a[1][-1]
            t.1.2
            (1, 'a').2
            a?.['b']?.['c']?.1
            f(x)['y']
            arraySlice(arr, 2, plus(minus(3, 2), 1))
            arraySlice(arr, 2)
            error 4..5: SQL indexes start from one, not from zero. E.g: array[1]
            error 4..5: SQL indexes start from one, not from zero. E.g: array.1
            {placeholder}
            {variables.a.b}
            {}
            {'a': 1, 'b': {x}}
            [1, avg()]
            [1, 2]
            (1,)
            error 1..2: unexpected `)`, expected an expression
            CAST(x AS int)
            CAST(x AS Nullable(Float64)) + 1
            CAST(x + 1 AS Array(Nullable(String)))
            CAST(x AS Int64)
            TRY_CAST(x AS timestamp with time zone)
            error 0..7: only functions can be called, by their name
            timestamp
            `interval`
            date
            `select`
            `a\`b`
            error 0..6: unexpected `select`, expected an expression
        "#]],
    );
}

#[test]
fn calls() {
    exprs(
        r"
        count()
        count(*)
        count(distinct x, y)
        quantile(0.95)(foo)
        topK(3)(distinct a)
        groupArray(x order by y desc, z)
        sum(x) filter (where y > 1)
        row_number() over w
        lag(x, 1) over (partition by a, b order by c desc rows between unbounded preceding and 1 following)
        sum(x) over (order by a range current row)
        exists(select 1 from events)
        left(x, 2)
        and(a, b)
        not(a)
        arrayMap(x -> x * 2, [1])
        arrayMap((x, y) -> x * y, a, b)
        x, y -> x * y
        () -> 1
        lambda x: x + 1
        f(a, (x -> x))
        percentile_cont(0.5) within group (order by x)
        percentile(0.5) within group (order by x)
        ",
        expect![[r#"
            count()
            count(*)
            count(DISTINCT x, y)
            quantile(0.95)(foo)
            topK(3)(DISTINCT a)
            groupArray(x ORDER BY y DESC, z ASC)
            sum(x) FILTER (WHERE y > 1)
            row_number() OVER w
            lag(x, 1) OVER (PARTITION BY a, b ORDER BY c DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING)
            sum(x) OVER (ORDER BY a ASC RANGE CURRENT ROW)
            exists((SELECT 1 FROM events))
            left(x, 2)
            and(a, b)
            NOT a
            arrayMap((x) -> x * 2, [1])
            arrayMap((x, y) -> x * y, a, b)
            (x, y) -> x * y
            () -> 1
            (x) -> x + 1
            f(a, (x) -> x)
            quantile(0.5)(x)
            error 29..30: 'percentile' does not take WITHIN GROUP
        "#]],
    );
}

#[test]
fn sugar() {
    exprs(
        r"
        case when a then 1 end
        case when a then 1 when b then 2 else 3 end
        case x when 1 then 'a' when 2 then 'b' else 'c' end
        case end
        interval 7 day
        interval '7 days'
        interval event year
        interval (1 + 1) week
        interval toInt(x) hour
        now() - interval 1 week > timestamp
        interval 7 fortnight
        date '2020-01-01'
        timestamp '2020-01-01 00:00:00'
        substring('abc' from 2 for 1)
        substring('abc', 2)
        trim(both ' ' from x)
        trim(leading 'a' from x)
        trim(x)
        extract(year from timestamp)
        extract('abc', 'b')
        position('b' in 'abc')
        position('abc', 'b')
        f'hello {name}, {1 + 1}\{\''''
        f''
        f'{x}'
        <Sparkline data={[1, 2]} title='x' wide />
        <a href='x'>text {1 + 1} <b/></a>
        columns('^a')
        columns(e.* exclude (a))
        1 /* a */ + -- b
        ",
        expect![[r#"
            if(a, 1, NULL)
            multiIf(a, 1, b, 2, 3)
            transform(x, [1, 2], ['a', 'b'], 'c')
            error 5..8: unexpected `end`, expected an expression
            toIntervalDay(7)
            toIntervalDay(7)
            toIntervalYear(event)
            toIntervalWeek(1 + 1)
            toIntervalHour(toInt(x))
            now() - toIntervalWeek(1) > timestamp
            error 11..20: unexpected `fortnight`, expected SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR
            toDate('2020-01-01')
            toDateTime('2020-01-01 00:00:00')
            substring('abc', 2, 1)
            substring('abc', 2)
            trim(x, ' ')
            trimLeft(x, 'a')
            trim(x)
            toYear(timestamp)
            extract('abc', 'b')
            position('abc', 'b')
            position('abc', 'b')
            concat('hello ', name, ', ', 1 + 1, '{\'\'')
            ''
            x
            (<Sparkline data={[1, 2]} title={'x'} wide={true} />)
            (<a href={'x'} children={['text', 1 + 1, (<b />)]} />)
            COLUMNS('^a')
            e.* EXCLUDE (a)
            error 16..16: unexpected the end of the query, expected an expression
        "#]],
    );
}

#[test]
fn clauses() {
    selects(
        r"
        select 1
        select distinct a, b c, d as e, f: g, from events
        select top 3 a from b
        select * from events
        select e.*, * exclude (a, b) from events e
        select * replace (a + 1 as a) from events
        select 1 from events where true prewhere x
        select 1 from events prewhere x where y
        select a, count() from events group by a, having count() > 1 order by 2 desc, a
        select a from b group by all
        select a from b group by rollup(a, b)
        select a from b group by a with cube
        select a from b group by grouping sets ((a, b), (a), ())
        select a from b group by a with totals
        select a from b qualify row_number() over w = 1 window w as (partition by a)
        select a from b order by a asc nulls first, c desc nulls last with fill from 1 to 10 step 2
        select a from b order by a collate 'en'
        select a from b limit 1 offset 2
        select a from b limit 1, 2
        select a from b limit 1 with ties
        select a from b limit 1 by c, d limit 5
        select a from b limit 1 offset 2 by c
        select a from b offset 2
        select a from b settings x = 1
        select a from b format JSON
        select distinct on (a) a, b from c
        select a from events sample 0.1
        select a from events as e final sample 1/10 offset 1/2 where x
        select
        select 1 from
        select 1,, 2
        insert into x values (1)
        ",
        expect![[r#"
            SELECT 1
            SELECT DISTINCT a, b AS c, d AS e, g AS f FROM events
            SELECT a FROM b LIMIT 3
            SELECT * FROM events
            SELECT e.*, * EXCLUDE (a, b) FROM events AS e
            SELECT * REPLACE (a + 1 AS a) FROM events
            error 32..40: unexpected `prewhere`, expected the end of the query
            SELECT 1 FROM events PREWHERE x WHERE y
            SELECT a, count() FROM events GROUP BY a HAVING count() > 1 ORDER BY 2 DESC, a ASC
            SELECT a FROM b GROUP BY ALL
            SELECT a FROM b GROUP BY ROLLUP(a, b)
            SELECT a FROM b GROUP BY CUBE(a)
            SELECT a FROM b GROUP BY GROUPING SETS ((a, b), (a), ())
            error 27..31: WITH TOTALS is not supported: use ROLLUP
            SELECT a FROM b WINDOW w AS (PARTITION BY a) QUALIFY row_number() OVER w = 1
            SELECT a FROM b ORDER BY a ASC NULLS FIRST, c DESC NULLS LAST WITH FILL FROM 1 TO 10 STEP 2
            error 27..34: COLLATE is not supported
            SELECT a FROM b LIMIT 1 OFFSET 2
            SELECT a FROM b LIMIT 1 OFFSET 2
            SELECT a FROM b LIMIT 1 WITH TIES
            SELECT a FROM b LIMIT 1 BY c, d LIMIT 5
            SELECT a FROM b LIMIT 1 OFFSET 2 BY c
            SELECT a FROM b OFFSET 2
            error 16..24: SETTINGS is not supported
            error 16..22: FORMAT is not supported
            SELECT DISTINCT ON (a) a, b FROM c
            SELECT a FROM events SAMPLE 0.1
            SELECT a FROM events AS e FINAL SAMPLE 1/10 OFFSET 1/2 WHERE x
            error 6..6: unexpected the end of the query, expected an expression
            error 13..13: unexpected the end of the query, expected a name
            error 9..10: unexpected `,`, expected an expression
            error 0..6: unexpected `insert`, expected SELECT or WITH
        "#]],
    );
}

#[test]
fn tables() {
    selects(
        r"
        select 1 from events e
        select 1 from complex.table as a
        select 1 from (select 1 from events) as sq
        select 1 from {placeholder} x
        select 1 from numbers(1, 4) n
        select 1 from (values (1, 'a'), (2, 'b')) as t(x, y)
        select 1 from events JOIN events2 ON 1
        select * from events LEFT OUTER JOIN events2 ON 1 ANY RIGHT JOIN events3 ON 2
        select 1 from events JOIN events2 USING (a, b)
        select 1 from events JOIN events2 USING a
        select 1 from a, b cross join c
        select 1 from a full outer join b on a.x = b.x, a.y = b.y
        select 1 from a semi left join b on x
        select 1 from a left anti join b on x
        select 1 from a asof join b on x
        select 1 from a join (b join c on 1) on 2
        select 1 from a join b
        select a from events ARRAY JOIN [1,2,3] as a
        select a from events left ARRAY JOIN [1,2,3] as a, [4] as b
        select a from events ARRAY JOIN [1,2,3]
        select event, timestamp, pdi.distinct_id from events e left join person_distinct_ids pdi on pdi.distinct_id = e.distinct_id where e.event = 'x'
        select 1 from a pivot (x)
        ",
        expect![[r#"
            SELECT 1 FROM events AS e
            SELECT 1 FROM complex.table AS a
            SELECT 1 FROM (SELECT 1 FROM events) AS sq
            SELECT 1 FROM {placeholder} AS x
            SELECT 1 FROM numbers(1, 4) AS n
            SELECT 1 FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, y)
            SELECT 1 FROM events INNER JOIN events2 ON 1
            SELECT * FROM events LEFT JOIN events2 ON 1 ANY RIGHT JOIN events3 ON 2
            SELECT 1 FROM events INNER JOIN events2 USING (a, b)
            SELECT 1 FROM events INNER JOIN events2 USING (a)
            SELECT 1 FROM a CROSS JOIN b CROSS JOIN c
            SELECT 1 FROM a FULL JOIN b ON a.x = b.x AND a.y = b.y
            SELECT 1 FROM a SEMI LEFT JOIN b ON x
            SELECT 1 FROM a ANTI LEFT JOIN b ON x
            SELECT 1 FROM a ASOF INNER JOIN b ON x
            SELECT 1 FROM a INNER JOIN (b INNER JOIN c ON 1) ON 2
            error 22..22: unexpected the end of the query, expected ON or USING
            SELECT a FROM events ARRAY JOIN [1, 2, 3] AS a
            SELECT a FROM events LEFT ARRAY JOIN [1, 2, 3] AS a, [4] AS b
            error 32..39: ARRAY JOIN arrays must have an alias
            SELECT event, timestamp, pdi.distinct_id FROM events AS e LEFT JOIN person_distinct_ids AS pdi ON pdi.distinct_id = e.distinct_id WHERE e.event = 'x'
            error 16..21: PIVOT is not supported
        "#]],
    );
}

#[test]
fn combined_queries() {
    selects(
        r"
        select 1 union all select 2 limit 3
        (select 1) union all (select 2) order by 1 limit 3 offset 1
        (select 1 union all select 2) union distinct select 3
        select 1 intersect select 2 except select 3
        select 1 union select 2
        (((select 1)))
        ((select 1) union all select 2)
        select ((select 1) + 1), (select 2), ((select 3), 4), (((select 5)) + 6)
        {a} union all {b}
        with 1 as x, y as (select 2) select x, z from y
        with a as (select 1), b as (with c as (select 2) select * from c), select * from a, b
        with y(p, q) as materialized (select 1, 2) select * from y
        with recursive y as (select 1) select 1
        with x select 1
        select a in (select b from c), d in ((select 1))
        select 1;
        select 1 }
        ",
        expect![[r#"
            SELECT 1 UNION ALL SELECT 2 LIMIT 3
            SELECT 1 UNION ALL (SELECT 2) ORDER BY 1 ASC LIMIT 3 OFFSET 1
            (SELECT 1 UNION ALL SELECT 2) UNION DISTINCT SELECT 3
            SELECT 1 INTERSECT SELECT 2 EXCEPT SELECT 3
            error 15..21: unexpected `select`, expected ALL or DISTINCT after UNION
            SELECT 1
            SELECT 1 UNION ALL SELECT 2
            SELECT (SELECT 1) + 1, (SELECT 2), ((SELECT 3), 4), (SELECT 5) + 6
            {a} UNION ALL {b}
            WITH 1 AS x, y AS (SELECT 2) SELECT x, z FROM y
            WITH a AS (SELECT 1), b AS (WITH c AS (SELECT 2) SELECT * FROM c) SELECT * FROM a CROSS JOIN b
            WITH y(p, q) AS (SELECT 1, 2) SELECT * FROM y
            WITH RECURSIVE y AS (SELECT 1) SELECT 1
            error 5..6: WITH needs `name AS (SELECT …)` or `expression AS name`
            SELECT a IN (SELECT b FROM c), d IN (SELECT 1)
            SELECT 1
            error 9..10: this `}` has no `{`
        "#]],
    );
}

#[test]
fn orders() {
    let shown = ["timestamp desc", "a.b", "count() ASC nulls last", "x desc y"].map(|text| match parse_order_expr(text) {
        Ok(order) => order.to_string(),
        Err(error) => error.to_string(),
    });
    expect![[r#"
        [
            "timestamp DESC",
            "a.b ASC",
            "count() ASC NULLS LAST",
            "unexpected `y`, expected the end of the query",
        ]
    "#]]
    .assert_debug_eq(&shown);
}

#[test]
fn spans_point_into_the_text() {
    let source = "select a + bcd from e";
    let Ok(Query::Select(select)) = parse_select(source) else { panic!("INVARIANT: it is a query") };
    let ExprKind::Arithmetic { right, .. } = &select.select[0].kind else { panic!("INVARIANT: it is a sum") };
    assert_eq!(&source[right.span.start as usize..right.span.end as usize], "bcd");
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("f(", ")"),
        ("-", ""),
        ("not ", ""),
        ("{", "}"),
        ("(select ", ")"),
        ("interval (", " day)"),
        ("substring(", ")"),
        ("x ? ", ""),
    ] {
        let deep = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
        assert!(parse_expr(&deep).is_err(), "{open}");
    }
    assert!(parse_expr(&["1"; 100_000].join(" + ")).is_err());
    assert!(parse_expr(&format!("a{}", "[1]".repeat(100_000))).is_err());
    assert!(parse_select(&format!("select 1 from a{}", " join b on 1".repeat(100_000))).is_err());
    assert!(parse_select(&format!("select 1 from {}a{}", "(".repeat(10_000), ")".repeat(10_000))).is_err());
    let wide = parse_expr(&["a = 1"; 20_000].join(" or ")).expect("INVARIANT: OR lists are flat");
    assert!(matches!(wide.kind, ExprKind::Or(operands) if operands.len() == 20_000));
    let deep = format!("{}1{}", "f(".repeat(100), ")".repeat(100));
    let tree = parse_expr(&deep).expect("INVARIANT: below the limit");
    assert_eq!(tree.to_string(), deep);
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Int),
        (i64::MAX as u64 + 1..).prop_map(Literal::UInt),
        any::<f64>().prop_filter("nan has one spelling", |x| !x.is_nan()).prop_map(Literal::Float),
        ".{0,12}".prop_map(Literal::String),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z$_][a-zA-Z0-9_$]{0,6}",
        "[^\\x00]{1,8}",
        prop::sample::select(vec![
            "select",
            "from",
            "not",
            "interval",
            "date",
            "Timestamp",
            "null",
            "in",
            "f",
            "both",
            "with",
            "distinct",
            "any",
            "order"
        ])
        .prop_map(str::to_owned),
    ]
}

fn field() -> impl Strategy<Value = Expr> {
    prop::collection::vec(name(), 1..4).prop_map(Expr::field)
}

fn compare_op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::*;
    prop::sample::select(vec![
        Eq,
        NotEq,
        Lt,
        LtEq,
        Gt,
        GtEq,
        Like,
        NotLike,
        ILike,
        NotILike,
        In,
        NotIn,
        InCohort,
        NotInCohort,
        Regex,
        NotRegex,
        IRegex,
        NotIRegex,
    ])
}

fn arithmetic_op() -> impl Strategy<Value = ArithmeticOp> {
    use ArithmeticOp::*;
    prop::sample::select(vec![Add, Sub, Mul, Div, Mod])
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![literal().prop_map(|literal| ExprKind::Literal(literal).into()), field()];
    leaf.prop_recursive(5, 60, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let list = prop::collection::vec(inner.clone(), 0..4);
        let operands = prop::collection::vec(inner.clone(), 2..4);
        let ordered = prop::collection::vec((inner.clone(), any::<bool>()), 0..2)
            .prop_map(|exprs| exprs.into_iter().map(|(expr, down)| if down { desc(expr) } else { asc(expr) }).collect::<Vec<_>>());
        prop_oneof![
            (compare_op(), inner.clone(), inner.clone()).prop_map(|(op, a, b)| compare(op, a, b)),
            (arithmetic_op(), inner.clone(), inner.clone()).prop_map(|(op, a, b)| arithmetic(op, a, b)),
            operands.clone().prop_map(and),
            operands.prop_map(or),
            inner.clone().prop_map(not),
            list.clone().prop_map(array),
            prop::collection::vec(inner.clone(), 2..4).prop_map(tuple),
            inner.clone().prop_map(|only| tuple(vec![only])),
            prop::collection::vec((inner.clone(), inner.clone()), 0..3).prop_map(|pairs| ExprKind::Dict(pairs).into()),
            (boxed.clone(), boxed.clone(), boxed.clone(), any::<bool>()).prop_map(|(expr, low, high, negated)| ExprKind::Between {
                expr,
                low,
                high,
                negated
            }
            .into()),
            (boxed.clone(), boxed.clone(), any::<bool>()).prop_map(|(array, index, nullish)| ExprKind::ArrayAccess {
                array,
                index,
                nullish
            }
            .into()),
            (boxed.clone(), 1..9_u32, any::<bool>())
                .prop_map(|(tuple, index, nullish)| ExprKind::TupleAccess { tuple, index, nullish }.into()),
            (boxed.clone(), any::<bool>())
                .prop_map(|(expr, try_cast)| { ExprKind::Cast { expr, type_name: "Nullable(Int64)".to_owned(), try_cast }.into() }),
            inner.clone().prop_map(|expr| ExprKind::Placeholder(Box::new(expr)).into()),
            (inner.clone(), name().prop_filter("refused", |name| !name.eq_ignore_ascii_case("null")))
                .prop_map(|(expr, name)| expr.alias(name)),
            (prop::collection::vec(name(), 0..3), inner.clone()).prop_map(|(params, body)| lambda(params, body)),
            (name(), list, ordered, any::<bool>(), prop::option::of(boxed))
                .prop_filter("one form of position", |(name, ..)| !name.eq_ignore_ascii_case("position"))
                .prop_map(|(name, args, order_by, distinct, filter)| {
                    Call { distinct: distinct && !args.is_empty(), name, args, order_by, filter, ..Call::default() }.into()
                }),
            inner.prop_map(|expr| {
                let select =
                    SelectQuery { select: vec![expr.clone()], filter: Some(expr), from: Some(table("events")), ..SelectQuery::default() };
                subquery(select)
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_trees_parse_to_themselves(tree in expr()) {
        let printed = tree.to_string();
        prop_assert_eq!(parse_expr(&printed), Ok(tree), "{}", printed);
    }

    #[test]
    fn no_text_is_fatal(text in "[-a-z0-9'\"`{}()\\[\\]<>=.,:?*/\\\\ ]{0,40}") {
        let _ = parse_expr(&text);
        let _ = parse_select(&format!("select {text}"));
    }
}
