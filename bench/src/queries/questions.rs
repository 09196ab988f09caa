//! The questions: what each asks, in the words of the server's API and in the SQL of the others.
//!
//! Times are UTC; 90 d is 2026-01-01 to 2026-03-31, 30 d is 2026-02-01 to 2026-03-02. In the SQL, `{90d}` and `{30d}` stand for project and range, `{person}` for
//! a distinct id.

use super::answer::{Check, Shape};
use crate::generator::EVENT_NAMES;
use serde_json::{Value, json};

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) asks: &'static str,
    /// The body of `query`.
    pub(super) query: Value,
    pub(super) shape: Shape,
    pub(super) clickhouse: String,
    /// `None` where SQL has no reasonable way to ask it.
    pub(super) duckdb: Option<String>,
    pub(super) check: Check,
    /// How many times faster than ClickHouse it has to be.
    pub(super) target: Option<f64>,
}

const DAYS_90: &str = "timestamp >= '2026-01-01' AND timestamp < '2026-04-01'";
const DAYS_30: &str = "timestamp >= '2026-02-01' AND timestamp < '2026-03-03'";
const FUNNEL: [&str; 3] = ["$pageview", "signup_started", "purchase_completed"];
const WINDOW_MILLIS: i64 = 14 * 86_400_000;

impl Question {
    /// A question with the same SQL for both, but for the name of the project's column.
    fn new(name: &'static str, asks: &'static str, query: Value, shape: Shape, sql: &str) -> Self {
        let (clickhouse, duckdb) = (clickhouse(sql), Some(duckdb(sql)));
        Self { name, asks, query, shape, clickhouse, duckdb, check: Check::Exact, target: None }
    }

    fn duckdb(mut self, sql: Option<&str>) -> Self {
        self.duckdb = sql.map(duckdb);
        self
    }

    fn check(mut self, check: Check) -> Self {
        self.check = check;
        self
    }

    fn target(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }
}

fn clickhouse(sql: &str) -> String {
    sql.replace("{90d}", &format!("team_id = 1 AND {DAYS_90}"))
        .replace("{30d}", &format!("team_id = 1 AND {DAYS_30}"))
        .replace("{all}", "team_id = 1")
        .replace("{persons}", "uniqExact(person_id)")
        .replace("{day}", "toDate(timestamp)")
}

fn duckdb(sql: &str) -> String {
    sql.replace("{90d}", &format!("project_id = 1 AND {DAYS_90}"))
        .replace("{30d}", &format!("project_id = 1 AND {DAYS_30}"))
        .replace("{all}", "project_id = 1")
        .replace("{persons}", "count(DISTINCT person)")
        .replace("{day}", "CAST(timestamp AS DATE)")
}

/// All of them, in the order of the table. `person`: the distinct id of one with about 2,000 events.
pub(super) fn all(person: &str) -> Vec<Question> {
    let mut all = trends();
    all.extend(funnels());
    all.extend([retention(), paths(), paths_of_pages(), lifecycle(), stickiness(), last_events(person)]);
    all.extend(tables());
    all
}

fn range(days: &str) -> Value {
    match days {
        "90d" => json!({"date_from": "2026-01-01", "date_to": "2026-03-31"}),
        _ => json!({"date_from": "2026-02-01", "date_to": "2026-03-02"}),
    }
}

fn trend(math: &str, more: Value) -> Value {
    let mut query = json!({
        "kind": "TrendsQuery",
        "interval": "day",
        "dateRange": range("90d"),
        "series": [{"kind": "EventsNode", "event": "$pageview", "math": math}],
    });
    merge(&mut query, more);
    query
}

fn merge(query: &mut Value, more: Value) {
    if let (Some(query), Value::Object(more)) = (query.as_object_mut(), more) {
        query.extend(more);
    }
}

fn trends() -> Vec<Question> {
    let days = "SELECT {day} AS day, count(*) FROM events WHERE {90d} AND event = '$pageview' GROUP BY day";
    let pricing = "SELECT {day} AS day, count(*) FROM events WHERE {90d} AND event = '$pageview' AND url LIKE '%pricing%' GROUP BY day";
    let persons = "SELECT {day} AS day, {persons} FROM events WHERE {90d} AND event = '$pageview' GROUP BY day";
    let by_browser = "SELECT concat(browser, '|', CAST(day AS VARCHAR)), n FROM (SELECT browser, {day} AS day, {persons} AS n FROM events
        WHERE {90d} AND event = '$pageview' GROUP BY browser, day) AS b";
    let contains = json!({"properties": [{"key": "$current_url", "value": "pricing", "operator": "icontains", "type": "event"}]});
    let browser = json!({"breakdownFilter": {"breakdown": "$browser", "breakdown_type": "event", "breakdown_limit": 25}});
    vec![
        Question::new("T1", "`$pageview` per day, 90 d", trend("total", json!({})), Shape::Trend, days).target(2.0),
        Question::new("T2", "exact unique persons per day, 90 d", trend("dau", json!({})), Shape::Trend, persons).target(3.0),
        Question::new("T3", "T2 by `$browser`", trend("dau", browser), Shape::Trend, by_browser).target(3.0),
        Question::new("T4", "T1 where the URL contains `pricing`", trend("total", contains), Shape::Trend, pricing).target(2.0),
    ]
}

fn funnel(steps: &[&str], more: Value) -> Value {
    let series: Vec<_> = steps.iter().map(|event| json!({"kind": "EventsNode", "event": event})).collect();
    let mut query = json!({
        "kind": "FunnelsQuery",
        "dateRange": range("30d"),
        "series": series,
        "funnelsFilter": {"funnelWindowInterval": 14, "funnelWindowIntervalUnit": "day", "funnelOrderType": "ordered"},
    });
    merge(&mut query, more);
    query
}

/// Persons by the furthest step. `by`: an aggregate beside it, its name.
fn furthest_in_clickhouse(steps: &[&str], by: Option<&str>) -> String {
    let conditions: Vec<_> = steps.iter().map(|event| format!("event = '{event}'")).collect();
    let names: Vec<_> = steps.iter().map(|event| format!("'{event}'")).collect();
    let (aggregate, name, key) = match by {
        Some(aggregate) => (format!(", {aggregate} AS part"), ", part", "concat(part, '|', toString(step))"),
        None => (String::new(), "", "toString(step)"),
    };
    format!(
        "SELECT {key}, sum(n) FROM (SELECT arrayJoin(range(1, toUInt32(level) + 1)) AS step, n{name} FROM (SELECT level{name}, count() AS n FROM (
            SELECT windowFunnel({WINDOW_MILLIS})(toUInt64(toUnixTimestamp64Milli(timestamp)), {}) AS level{aggregate} FROM events
            WHERE {{30d}} AND event IN ({}) GROUP BY person_id) WHERE level > 0 GROUP BY level{name})) GROUP BY step{name}",
        conditions.join(", "),
        names.join(", "),
    )
}

/// The same with window functions: for each event the latest entry that reaches it.
fn furthest_in_duckdb(by: bool) -> String {
    let [first, second, third] = FUNNEL;
    let window = "OVER (PARTITION BY person ORDER BY t ROWS UNBOUNDED PRECEDING)";
    let (aggregate, name, key) = if by {
        (format!(", min_by(browser, t) FILTER (WHERE event = '{first}') AS part"), ", part", "concat(part, '|', s)")
    } else {
        (String::new(), "", "CAST(s AS VARCHAR)")
    };
    format!(
        "WITH e AS (SELECT person, epoch_ms(timestamp) AS t, event, browser FROM events
                WHERE {{30d}} AND event IN ('{first}', '{second}', '{third}')),
            a AS (SELECT *, max(CASE WHEN event = '{first}' THEN t END) {window} AS s1 FROM e),
            b AS (SELECT *, max(CASE WHEN event = '{second}' AND t - s1 <= {WINDOW_MILLIS} THEN s1 END) {window} AS s2 FROM a),
            p AS (SELECT person{aggregate}, max(CASE WHEN event = '{third}' AND t - s2 <= {WINDOW_MILLIS} THEN 3
                WHEN event = '{second}' AND t - s1 <= {WINDOW_MILLIS} THEN 2 WHEN event = '{first}' THEN 1 ELSE 0 END) AS furthest FROM b GROUP BY person)
        SELECT {key}, count(*) FROM p, range(1, 4) AS r(s) WHERE s <= furthest GROUP BY s{name}"
    )
}

fn funnels() -> Vec<Question> {
    let browser = json!({"breakdownFilter": {"breakdown": "$browser", "breakdown_type": "event"}});
    let (three, by_browser) =
        (furthest_in_clickhouse(&FUNNEL, None), furthest_in_clickhouse(&FUNNEL, Some("argMinIf(browser, timestamp, event = '$pageview')")));
    let twenty = &EVENT_NAMES[..20];
    vec![
        Question::new("F1", "funnel of 3 steps, 30 d, window of 14 d", funnel(&FUNNEL, json!({})), Shape::Funnel, &three)
            .duckdb(Some(&furthest_in_duckdb(false)))
            .target(5.0),
        Question::new("F2", "F1 by `$browser`", funnel(&FUNNEL, browser), Shape::Funnel, &by_browser)
            .duckdb(Some(&furthest_in_duckdb(true)))
            .target(5.0),
        Question::new("F20", "funnel of 20 steps, 30 d", funnel(twenty, json!({})), Shape::Funnel, &furthest_in_clickhouse(twenty, None))
            .duckdb(None),
    ]
}

fn retention() -> Question {
    let pageview = json!({"id": "$pageview", "type": "events"});
    let query = json!({
        "kind": "RetentionQuery",
        "dateRange": {"date_from": "2026-01-05", "date_to": "2026-03-29"},
        "retentionFilter": {"period": "Week", "totalIntervals": 12, "targetEntity": pageview, "returningEntity": pageview,
            "retentionType": "retention_recurring"},
    });
    let weeks = "timestamp >= '2026-01-05' AND timestamp < '2026-03-30'";
    let clickhouse = format!(
        "SELECT concat(toString(a), '|', toString(b - a)), sum(n) FROM (SELECT m, n, a, arrayJoin(range(12)) AS b FROM (
            SELECT m, count() AS n FROM (SELECT groupBitOr(bitShiftLeft(toUInt32(1), intDiv(dateDiff('day', toDate('2026-01-05'), toDate(timestamp)), 7))) AS m
            FROM events WHERE team_id = 1 AND event = '$pageview' AND {weeks} GROUP BY person_id) GROUP BY m) ARRAY JOIN range(12) AS a)
        WHERE b >= a AND bitTest(m, a) AND bitTest(m, b) GROUP BY a, b"
    );
    let duckdb = format!(
        "WITH p AS (SELECT bit_or(1 << CAST(date_diff('day', DATE '2026-01-05', timestamp) // 7 AS INTEGER)) AS m FROM events
            WHERE project_id = 1 AND event = '$pageview' AND {weeks} GROUP BY person),
        g AS (SELECT m, count(*) AS n FROM p GROUP BY m)
        SELECT concat(a, '|', b - a), sum(n) FROM g, range(12) AS x(a), range(12) AS y(b)
        WHERE b >= a AND (m >> a) & 1 = 1 AND (m >> b) & 1 = 1 GROUP BY a, b"
    );
    Question::new("R1", "weekly retention, 12 weeks", query, Shape::Retention, &clickhouse).duckdb(Some(&duckdb)).target(5.0)
}

fn paths() -> Question {
    let query = json!({
        "kind": "PathsQuery",
        "dateRange": range("30d"),
        "pathsFilter": {"includeEventTypes": ["hogql"], "pathsHogQLExpression": "properties.$current_url", "edgeLimit": 50},
    });
    let pairs = "SELECT concat(before, ' > ', url), count(*) AS n FROM (SELECT url, {before} OVER (PARTITION BY session ORDER BY timestamp{frame}) AS before
        FROM events WHERE {30d}) AS p WHERE before != '' GROUP BY before, url ORDER BY n DESC LIMIT 50";
    let clickhouse = pairs.replace("{before}", "lagInFrame(url)").replace("{frame}", " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW");
    let duckdb = pairs.replace("{before}", "lag(url)").replace("{frame}", "");
    // The others count plain pairs within `$session_id`, which is less work than paths: their answers are not the same.
    Question::new("P1", "top 50 edges of paths over all URLs, 30 d (theirs: plain pairs)", query, Shape::Paths, &clickhouse)
        .duckdb(Some(&duckdb))
        .check(Check::None)
        .target(5.0)
}

fn paths_of_pages() -> Question {
    let query = json!({
        "kind": "PathsQuery",
        "dateRange": range("30d"),
        "pathsFilter": {"includeEventTypes": ["$pageview"], "stepLimit": 5, "edgeLimit": 50},
    });
    let clickhouse = "WITH v AS (SELECT arraySort(x -> x.1, groupArray((toUnixTimestamp64Milli(timestamp), trim(TRAILING '/' FROM url)))) AS e FROM events
            WHERE {30d} AND event = '$pageview' GROUP BY person_id),
        s AS (SELECT arrayJoin(arraySplit((x, gap) -> gap >= 1800000, e, arrayDifference(e.1))) AS one FROM v),
        p AS (SELECT arraySlice(arrayFilter((x, next) -> x.2 != next, one, arrayPushBack(arrayPopFront(one.2), '')).2, 1, 5) AS path FROM s)
        SELECT concat(toString(edge.1), '_', edge.2, ' > ', toString(edge.1 + 1), '_', edge.3), n FROM (
            SELECT arrayJoin(arrayMap(i -> (i, path[i], path[i + 1]), range(1, length(path)))) AS edge, count() AS n FROM p
            GROUP BY edge ORDER BY n DESC LIMIT 50)";
    let duckdb = "WITH v AS (SELECT person, timestamp AS t, rtrim(url, '/') AS path, lag(timestamp) OVER (PARTITION BY person ORDER BY timestamp) AS before
            FROM events WHERE {30d} AND event = '$pageview'),
        s AS (SELECT person, t, path, sum(CASE WHEN t - before < INTERVAL 30 MINUTE THEN 0 ELSE 1 END) OVER (PARTITION BY person ORDER BY t) AS session FROM v),
        c AS (SELECT *, lead(path) OVER (PARTITION BY person, session ORDER BY t) AS next FROM s),
        n AS (SELECT path, row_number() OVER w AS i, lead(path) OVER w AS next FROM c WHERE next IS NULL OR path != next
            WINDOW w AS (PARTITION BY person, session ORDER BY t))
        SELECT concat(i, '_', path, ' > ', i + 1, '_', next), count(*) AS n FROM n WHERE i < 5 AND next IS NOT NULL GROUP BY i, path, next ORDER BY n DESC LIMIT 50";
    Question::new("P2", "top 50 edges of paths over page views, 5 steps, 30 d", query, Shape::Paths, clickhouse)
        .duckdb(Some(duckdb))
        .check(Check::Top)
        .target(5.0)
}

/// A bit per day for each person, day 0 is the one before the 30.
fn days_in_clickhouse(filter: &str) -> String {
    format!(
        "SELECT groupBitOr(bitShiftLeft(toUInt64(1), dateDiff('day', toDate('2026-01-31'), toDate(timestamp)))) AS m FROM events
            WHERE team_id = 1 AND event = '$pageview' AND {filter} GROUP BY person_id"
    )
}

fn days_in_duckdb(filter: &str) -> String {
    format!(
        "SELECT bit_or(1::BIGINT << CAST(date_diff('day', DATE '2026-01-31', timestamp) AS INTEGER)) AS m FROM events
            WHERE project_id = 1 AND event = '$pageview' AND {filter} GROUP BY person"
    )
}

fn lifecycle() -> Question {
    let query = json!({
        "kind": "LifecycleQuery",
        "interval": "day",
        "dateRange": range("30d"),
        "series": [{"kind": "EventsNode", "event": "$pageview"}],
    });
    let with_day_before = "timestamp >= '2026-01-31' AND timestamp < '2026-03-03'";
    let clickhouse = format!(
        "SELECT concat(arrayJoin([('returning', r), ('active again', a), ('dormant', d)]).1 AS status, '|', toString(toDate('2026-01-31') + day)) AS key,
            multiIf(status = 'returning', r, status = 'dormant', d, a) FROM (
            SELECT arrayJoin(range(1, 31)) AS day, countIf(bitTest(m, day) AND bitTest(m, day - 1)) AS r,
                countIf(bitTest(m, day) AND NOT bitTest(m, day - 1)) AS a, countIf(NOT bitTest(m, day) AND bitTest(m, day - 1)) AS d
            FROM ({}) GROUP BY day)",
        days_in_clickhouse(with_day_before)
    );
    let duckdb = format!(
        "WITH p AS ({}), f AS (SELECT day, (m >> day) & 1 = 1 AS today, (m >> (day - 1)) & 1 = 1 AS before FROM p, range(1, 31) AS r(day))
        SELECT concat(CASE WHEN NOT today THEN 'dormant' WHEN before THEN 'returning' ELSE 'active again' END, '|',
            DATE '2026-01-31' + CAST(day AS INTEGER)), count(*) FROM f WHERE today OR before GROUP BY day, today, before",
        days_in_duckdb(with_day_before)
    );
    Question::new("LC", "lifecycle of `$pageview` by day, 30 d", query, Shape::Lifecycle, &clickhouse).duckdb(Some(&duckdb))
}

fn stickiness() -> Question {
    let query = json!({
        "kind": "StickinessQuery",
        "interval": "day",
        "dateRange": range("30d"),
        "series": [{"kind": "EventsNode", "event": "$pageview"}],
    });
    let clickhouse = format!("SELECT toString(bitCount(m)) AS days, count() FROM ({}) GROUP BY days", days_in_clickhouse(DAYS_30));
    let duckdb = format!("SELECT CAST(bit_count(m) AS VARCHAR) AS days, count(*) FROM ({}) AS p GROUP BY days", days_in_duckdb(DAYS_30));
    Question::new("ST", "stickiness of `$pageview` by day, 30 d", query, Shape::Stickiness, &clickhouse).duckdb(Some(&duckdb))
}

fn last_events(person: &str) -> Question {
    let query = json!({
        "kind": "HogQLQuery",
        "query": format!("SELECT uuid, event, timestamp, distinct_id, properties FROM events WHERE distinct_id = '{person}' ORDER BY timestamp DESC LIMIT 100"),
    });
    let sql = format!(
        "SELECT uuid, 1, event, timestamp, distinct_id, properties FROM events WHERE {{all}} AND distinct_id = '{person}' ORDER BY timestamp DESC LIMIT 100"
    );
    Question::new("L1", "last 100 events of one person, with properties", query, Shape::Ids, &sql)
}

fn tables() -> Vec<Question> {
    let ours = |persons: &str| {
        json!({
            "kind": "HogQLQuery",
            "query": format!("SELECT event, count() AS n, {persons}(person_id) FROM events GROUP BY event ORDER BY n DESC LIMIT 100"),
        })
    };
    let theirs = |persons: &str| {
        format!(
            "SELECT concat(event, '|', CAST(n AS VARCHAR)), p FROM (SELECT event, count(*) AS n, {persons} AS p FROM events WHERE {{all}} GROUP BY event) AS t ORDER BY n DESC"
        )
    };
    vec![
        Question::new("H1", "event, count, approximate unique persons", ours("uniq"), Shape::Table, &theirs("uniq(person_id)"))
            .duckdb(Some(&theirs("approx_count_distinct(person)")))
            .check(Check::About),
        Question::new("H1x", "event, count, exact unique persons", ours("uniqExact"), Shape::Table, &theirs("{persons}")).target(5.0),
    ]
}
