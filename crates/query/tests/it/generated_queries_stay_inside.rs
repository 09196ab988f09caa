//! Generated queries over a store with two projects: no answer for one holds a mark of the other, and each equals the answer of a store that holds the
//! one alone.
//!
//! The generator builds syntax trees (joins, subqueries, CTEs, unions, lambdas, lazy joins, every table) and gives their text to the engine, so the
//! printer and the parser are part of what is tested.

use crate::world::{Event, Layout, NOW, Running, World, action, cohort, work};
use aqueduct_catalog::WorkKind;
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use aqueduct_query::hogql::ast::{
    CompareOp, Cte, CteBody, Expr, FromExpr, GroupBy, Join, JoinConstraint, JoinKind, Query, Ratio, Sample, SelectQuery, SelectSet, SetOp,
    Span, TableRef, TableSource,
};
use aqueduct_query::hogql::build::{and, array, call, compare, eq, from_query, lambda, not, or, subquery, table};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// In every text, key and number of the other project.
const MARK: &str = "MARKED";
const MARKED_NUMBER: i64 = 7_700_177;

const OURS: ProjectId = ProjectId(1);
const THEIRS: ProjectId = ProjectId(2);

/// A project whose texts all begin with `mark`. Both projects have persons, groups and sessions of equal names but for it.
fn world(mark: &str, number: i64) -> World {
    let session = "018f0000-0000-7000-8000-00000000000";
    let event = |at: i64| Event {
        distinct_id: format!("{mark}user {}", at % 4),
        at: UnixMicros(NOW.0 - at * 3_600_000_000),
        name: if at % 3 == 0 { "$pageview".to_owned() } else { format!("{mark}event {}", at % 2) },
        properties: json!({
            "text": format!("{mark}value {}", at % 5),
            "number": number + at % 3,
            "list": [format!("{mark}item")],
            "$session_id": format!("{session}{}", at % 3),
            "$current_url": format!("https://{mark}example.com/{}", at % 2),
            "$group_0": format!("{mark}acme"),
        }),
        elements_chain: format!("a.{mark}class:text=\"{mark}text\""),
    };
    let person = |at: i64| (vec![format!("{mark}user {at}")], json!({"email": format!("{mark}user{at}@example.com"), "age": number + at}));
    World {
        events: (0..12).map(event).collect(),
        persons: (0..3).map(person).collect(),
        groups: vec![("company".to_owned(), format!("{mark}acme"), json!({"name": format!("{mark}Acme"), "size": number}))],
        merges: vec![(format!("{mark}user 3"), format!("{mark}user 0"))],
        actions: vec![action(1, &format!("{mark}value 1"), json!([{"event": format!("{mark}event 0")}]))],
        cohorts: vec![cohort(1, &format!("{mark}value 2"), &json!([{"key": "age", "type": "person", "operator": "gt", "value": number}]))],
        works: [WorkKind::Insight, WorkKind::Dashboard, WorkKind::Annotation]
            .map(|kind| {
                work(kind, 1, &json!({"name": format!("{mark}value 3"), "content": format!("{mark}value 4"), "query": {"a": mark}}))
            })
            .into(),
        ..World::default()
    }
}

/// Fields of each table that are texts and that are numbers.
const TABLES: &[(&str, &[&str], &[&str])] = &[
    (
        "events",
        &[
            "event",
            "distinct_id",
            "properties.text",
            "properties.$current_url",
            "person.properties.email",
            "pdi.person.properties.email",
            "poe.properties.email",
            "group_0.properties.name",
            "group_0.key",
            "session.$entry_current_url",
            "elements_chain",
            "$session_id",
            "$group_0",
            "properties.list",
        ],
        &["properties.number", "person.properties.age", "group_0.properties.size", "team_id", "session.$pageview_count"],
    ),
    ("persons", &["properties.email", "pdi.distinct_id"], &["properties.age", "team_id"]),
    ("person_distinct_ids", &["distinct_id", "person.properties.email"], &["team_id"]),
    ("raw_persons", &["properties.email"], &["properties.age"]),
    ("raw_person_distinct_ids", &["distinct_id"], &["version"]),
    ("groups", &["key", "properties.name"], &["index", "properties.size"]),
    ("raw_groups", &["key"], &["index"]),
    ("sessions", &["$entry_current_url", "distinct_id", "session_id"], &["$pageview_count", "$session_duration"]),
    ("raw_sessions", &["$entry_pathname", "distinct_id"], &["$num_uniq_urls"]),
    ("cohort_people", &["toString(person_id)"], &["cohort_id"]),
    ("static_cohort_people", &["toString(person_id)"], &["cohort_id"]),
    ("person_distinct_id_overrides", &["distinct_id"], &["team_id"]),
    ("session_replay_events", &["distinct_id", "first_url"], &["click_count"]),
    ("log_entries", &["message"], &["team_id"]),
    ("app_metrics", &["app_source"], &["count"]),
    ("heatmaps", &["distinct_id"], &["x"]),
    ("system.insights", &["name", "query", "query.a"], &["id", "saved"]),
    ("system.dashboards", &["name"], &["id", "team_id"]),
    ("system.annotations", &["content", "scope"], &["id"]),
    ("system.actions", &["name", "steps_json"], &["id", "deleted"]),
    ("system.cohorts", &["name", "filters"], &["id", "is_static"]),
    ("system.groups", &["group_key", "group_properties.name"], &["group_type_index"]),
    ("system.group_type_mappings", &["group_type"], &["id"]),
    ("system.feature_flags", &["key"], &["id"]),
    ("query_log", &["query", "query_id", "hogql_name"], &["result_rows"]),
];

/// A source of choices.
struct Gen(u64);

/// A relation in scope: its alias, its texts and its numbers.
#[derive(Clone)]
struct Known {
    alias: String,
    texts: Vec<String>,
    numbers: Vec<String>,
}

impl Gen {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap_or(0) % bound
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn field(alias: &str, name: &str) -> Expr {
        match name.strip_prefix("toString(").and_then(|rest| rest.strip_suffix(')')) {
            Some(inner) => call("toString", vec![Expr::field([alias, inner])]),
            None => Expr::field(std::iter::once(alias).chain(name.split('.')).map(str::to_owned)),
        }
    }

    fn text(&mut self, scope: &[Known], depth: usize) -> Expr {
        let known = self.pick(scope).clone();
        if known.texts.is_empty() {
            return Expr::lit("constant");
        }
        let name = self.pick(&known.texts).clone();
        let field = Self::field(&known.alias, &name);
        if depth == 0 {
            return field;
        }
        match self.below(8) {
            0 => call("concat", vec![field, Expr::lit("-"), self.text(scope, depth - 1)]),
            1 => call("upper", vec![field]),
            2 => call("coalesce", vec![field, self.text(scope, depth - 1)]),
            3 => call("if", vec![self.condition(scope, depth - 1), field, Expr::lit("other")]),
            4 => call("arrayStringConcat", vec![self.texts(scope, depth - 1), Expr::lit(",")]),
            5 => call("toString", vec![self.number(scope, depth - 1)]),
            _ => field,
        }
    }

    fn texts(&mut self, scope: &[Known], depth: usize) -> Expr {
        let items = array(vec![self.text(scope, depth.saturating_sub(1)), Expr::lit("b")]);
        let x = || Expr::field(["x"]);
        match self.below(3) {
            0 => call("arrayMap", vec![lambda(["x"], call("concat", vec![x(), self.text(scope, 0)])), items]),
            1 => call("arrayFilter", vec![lambda(["x"], not(eq(x(), self.text(scope, 0)))), items]),
            _ => call("arraySort", vec![items]),
        }
    }

    fn number(&mut self, scope: &[Known], depth: usize) -> Expr {
        let known = self.pick(scope).clone();
        if known.numbers.is_empty() || (depth > 0 && self.below(4) == 0) {
            return call("length", vec![call("toString", vec![self.text(scope, depth.saturating_sub(1))])]);
        }
        let name = self.pick(&known.numbers).clone();
        call("toInt", vec![Self::field(&known.alias, &name)])
    }

    fn condition(&mut self, scope: &[Known], depth: usize) -> Expr {
        if depth == 0 {
            return compare(CompareOp::NotEq, self.text(scope, 0), Expr::lit("value 1"));
        }
        match self.below(9) {
            0 => and(vec![self.condition(scope, depth - 1), self.condition(scope, depth - 1)]),
            1 => or(vec![self.condition(scope, depth - 1), self.condition(scope, depth - 1)]),
            2 => not(self.condition(scope, depth - 1)),
            3 => compare(CompareOp::ILike, self.text(scope, depth - 1), Expr::lit("%a%")),
            4 => compare(CompareOp::In, self.text(scope, 0), subquery(self.column(depth - 1))),
            5 => compare(CompareOp::Gt, self.number(scope, depth - 1), Expr::lit(1)),
            6 => eq(Expr::field([self.pick(scope).alias.clone(), "team_id".to_owned()]), Expr::lit(2)),
            7 => call("arrayExists", vec![lambda(["x"], eq(Expr::field(["x"]), self.text(scope, 0))), self.texts(scope, 0)]),
            _ => compare(CompareOp::NotEq, self.text(scope, 0), self.text(scope, 0)),
        }
    }

    /// A query of one column of texts.
    fn column(&mut self, depth: usize) -> SelectQuery {
        let (from, scope) = self.from(depth);
        SelectQuery { select: vec![self.text(&scope, 0)], from: Some(from), limit: Some(Expr::lit(1000)), ..SelectQuery::default() }
    }

    fn from(&mut self, depth: usize) -> (FromExpr, Vec<Known>) {
        let alias = format!("r{}", self.below(1_000_000));
        match self.below(if depth == 0 { 4 } else { 7 }) {
            0..=3 => {
                let (name, texts, numbers) = if self.below(2) == 0 { &TABLES[0] } else { self.pick(TABLES) };
                let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
                let known = Known { alias: alias.clone(), texts: owned(texts), numbers: owned(numbers) };
                let sample = (*name == "events" && self.below(6) == 0).then(|| Sample { ratio: half(), offset: None });
                (named(table(name), &alias, sample), vec![known])
            }
            4 => {
                let (query, texts, numbers) = self.select(depth - 1);
                (from_query(query, Some(&alias)), vec![Known { alias, texts, numbers }])
            }
            _ => {
                let (left, mut scope) = self.from(depth - 1);
                let (right, others) = self.from(0);
                let on = eq(self.text(&scope, 0), self.text(&others, 0));
                let kind = *self.pick(&[JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::Cross]);
                let constraint = (kind != JoinKind::Cross).then_some(JoinConstraint::On(on));
                scope.extend(others);
                (FromExpr::Join(Box::new(Join { left, right, kind, strictness: None, constraint, span: Span::default() })), scope)
            }
        }
    }

    /// A SELECT and the names of its texts and numbers.
    fn select(&mut self, depth: usize) -> (SelectQuery, Vec<String>, Vec<String>) {
        let (from, scope) = self.from(depth);
        let mut query = SelectQuery { from: Some(from), limit: Some(Expr::lit(1000)), ..SelectQuery::default() };
        let first = self.text(&scope, depth);
        let (texts, numbers) = (vec!["a".to_owned()], vec!["n".to_owned()]);
        query.select.push(first.clone().alias("a"));
        if self.below(2) == 0 {
            let aggregate = match self.below(5) {
                0 => call("count", vec![]),
                1 => call("uniqExact", vec![self.text(&scope, 0)]),
                2 => call("sum", vec![self.number(&scope, 0)]),
                3 => call("length", vec![call("groupArray", vec![self.text(&scope, 0)])]),
                _ => call("max", vec![self.number(&scope, 0)]),
            };
            query.select.push(aggregate.alias("n"));
            query.group_by = Some(GroupBy::Exprs(vec![first]));
        } else {
            query.select.push(self.number(&scope, depth).alias("n"));
            query.distinct = self.below(4) == 0;
        }
        if self.below(2) == 0 {
            query.filter = Some(self.condition(&scope, depth));
        }
        (query, texts, numbers)
    }

    fn query(&mut self) -> Query {
        let (mut query, texts, numbers) = self.select(2);
        if self.below(5) == 0 {
            let body = CteBody::Query(Box::new(query.into()));
            let cte = Cte { name: "c".to_owned(), columns: Vec::new(), is_recursive: false, body, span: Span::default() };
            let scope = [Known { alias: "c".to_owned(), texts, numbers }];
            query = SelectQuery {
                ctes: vec![cte],
                select: vec![self.text(&scope, 1).alias("a"), self.number(&scope, 1).alias("n")],
                from: Some(table("c")),
                limit: Some(Expr::lit(1000)),
                ..SelectQuery::default()
            };
        }
        if self.below(5) == 0 {
            let (other, ..) = self.select(1);
            let op = *self.pick(&[SetOp::UnionAll, SetOp::UnionDistinct, SetOp::Intersect, SetOp::Except]);
            let set = SelectSet {
                first: query.into(),
                rest: vec![(op, other.into())],
                order_by: Vec::new(),
                limit: None,
                offset: None,
                span: Span::default(),
            };
            return Query::Set(Box::new(set));
        }
        query.into()
    }
}

fn half() -> Ratio {
    Ratio { numerator: Box::new(Expr::lit(1)), denominator: Some(Box::new(Expr::lit(2))) }
}

fn named(from: FromExpr, name: &str, sample: Option<Sample>) -> FromExpr {
    match from {
        FromExpr::Table(table) => {
            let TableSource::Name(parts) = table.source else { return FromExpr::Table(table) };
            FromExpr::Table(Box::new(TableRef { source: TableSource::Name(parts), alias: Some(name.to_owned()), sample, ..*table }))
        }
        other => other,
    }
}

/// The answer as a set of rows, or the kind of error.
async fn answer(running: &Running, text: &str) -> Result<Vec<String>, String> {
    let mut query = running.request(json!({"kind": "HogQLQuery", "query": text}));
    query.query_id = Some("ours".to_owned());
    match running.engine.run(query).await {
        Ok(response) => {
            let mut rows: Vec<String> =
                response.body["results"].as_array().map(|rows| rows.iter().map(Json::to_string).collect()).unwrap_or_default();
            rows.sort_unstable();
            Ok(rows)
        }
        // Of several things that are wrong, which one is told first is nobody's promise.
        Err(error) if error.detail().contains(MARK) => Err(error.detail()),
        Err(error) => Err(error.code().to_owned()),
    }
}

fn engines(layout: Layout) -> (Running, Running, Running) {
    let config = QueryConfig { threads: 1, seconds_max: 20, ..QueryConfig::default() };
    let (ours, theirs) = (world("", 5), world(MARK, MARKED_NUMBER));
    let mut shared = World::start_all(&[(THEIRS, &theirs), (OURS, &ours)], layout, config.clone());
    let (of_ours, of_theirs) = (shared.pop().expect("two"), shared.pop().expect("two"));
    (ours.start(OURS, layout, config), of_ours, of_theirs)
}

/// Numbers of generated queries: all, and how many had an answer with rows. A generator whose queries all fail shows nothing.
fn check(cases: u32, layout: Layout) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (alone, shared, theirs) = engines(layout);
    // Something of theirs that the query log must not show to us.
    runtime.block_on(theirs.hogql(&format!("select '{MARK}'"))).expect("rows");
    let counts = std::cell::Cell::new((0, 0));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner =
        proptest::test_runner::TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()));
    let run = |seed: u64| {
        let text = Gen(seed | 1).query().to_string();
        let (expected, found) = runtime.block_on(async { (answer(&alone, &text).await, answer(&shared, &text).await) });
        let shown = format!("{found:?}");
        prop_assert!(!shown.contains(MARK) && !shown.contains("77001"), "{text}\n{shown}");
        // The log grows with each query, in step in both engines, but durations differ.
        if !text.contains("query_log") {
            prop_assert_eq!(&expected, &found, "{}", text);
        }
        let (all, with_rows) = counts.get();
        counts.set((all + 1, with_rows + usize::from(found.is_ok_and(|rows| !rows.is_empty()))));
        Ok(())
    };
    runner.run(&any::<u64>(), run).expect("holds");
    counts.get()
}

#[test]
fn over_rows_in_memory() {
    let (all, with_rows) = check(150, Layout::Scattered);
    assert!(with_rows * 3 > all, "only {with_rows} of {all} queries gave rows");
}

#[test]
fn over_rows_on_disk() {
    let (all, with_rows) = check(100, Layout::Compacted);
    assert!(with_rows * 3 > all, "only {with_rows} of {all} queries gave rows");
}

/// The generator sees what it looks for: asked as the other project, the same queries are full of marks.
#[test]
fn the_marks_are_there_to_be_found() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (_, _, theirs) = engines(Layout::Memory);
    let marked = (1..40_u64).filter(|seed| {
        let text = Gen(seed * 7_919).query().to_string();
        format!("{:?}", runtime.block_on(answer(&theirs, &text))).contains(MARK)
    });
    assert!(marked.count() >= 10);
}
