//! Random events, random funnels: the operator's numbers are those of the slow evaluator, wherever the rows lie and whoever was merged.

use crate::funnel_oracle::{Attribution, Fact, First, Order, Outcome, Spec, StepSpec, longest_chain};
use crate::world::{Event, LAYOUTS, World};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use uuid::Uuid;

const MINUTE: i64 = 60_000_000;
/// 2020-01-10 00:00 UTC.
const START: i64 = 1_578_614_400_000_000;
const WORLDS: usize = 120;
const FUNNELS_PER_WORLD: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Viz {
    Steps,
    Trends,
    TimeToConvert,
}

/// A funnel as it is asked.
#[derive(Clone, Debug)]
struct Question {
    spec: Spec,
    viz: Viz,
    by_session: bool,
    measured: Option<(usize, usize)>,
    bins: Option<i64>,
}

fn event() -> impl Strategy<Value = (usize, i64, usize, usize, usize, bool)> {
    // who, when, what, breakdown value, session, flag
    (0..6_usize, 0..40_i64, 0..5_usize, 0..4_usize, 0..4_usize, any::<bool>())
}

fn world() -> impl Strategy<Value = World> {
    let merges = prop_oneof![Just(vec![]), Just(vec![(4, 0)]), Just(vec![(4, 0), (5, 0)]), Just(vec![(5, 4)])];
    let unit = prop_oneof![Just(1_i64), Just(37)];
    (proptest::collection::vec(event(), 0..70), merges, unit).prop_map(|(events, merges, unit)| {
        let event = |(at, (who, minute, what, value, session, flag)): (usize, (usize, i64, usize, usize, usize, bool))| {
            let mut properties = json!({"at": at, "flag": flag});
            if value > 0 {
                properties["v"] = json!(["", "red", "blue"][value - 1]);
            }
            if session > 0 {
                properties["s"] = json!(format!("s{session}"));
            }
            Event {
                distinct_id: format!("p{who}"),
                at: UnixMicros(START + minute * unit * MINUTE),
                name: ["a", "b", "c", "x", "y"][what].to_owned(),
                properties,
                elements_chain: String::new(),
            }
        };
        let merges = merges.into_iter().map(|(from, to): (usize, usize)| (format!("p{from}"), format!("p{to}"))).collect();
        World { events: events.into_iter().enumerate().map(event).collect(), merges, ..World::default() }
    })
}

fn step() -> impl Strategy<Value = StepSpec> {
    let name = prop_oneof![4 => Just(Some("a")), 4 => Just(Some("b")), 3 => Just(Some("c")), 1 => Just(None)];
    let first = prop_oneof![8 => Just(First::No), 1 => Just(First::OfName), 1 => Just(First::Matching)];
    (name, prop::bool::weighted(0.2), prop::bool::weighted(0.2), first).prop_map(|(name, needs_flag, optional, first)| StepSpec {
        name,
        needs_flag,
        optional,
        first,
    })
}

fn question() -> impl Strategy<Value = Question> {
    let order = prop_oneof![Just(Order::Ordered), Just(Order::Strict), Just(Order::Unordered)];
    let viz = prop_oneof![3 => Just(Viz::Steps), 2 => Just(Viz::Trends), 1 => Just(Viz::TimeToConvert)];
    let window = prop_oneof![Just(2_i64), Just(6), Just(90), Just(100_000)];
    let attribution = prop_oneof![
        3 => Just(Attribution::None),
        1 => Just(Attribution::First),
        1 => Just(Attribution::Last),
        1 => Just(Attribution::All),
        2 => (0..4_usize).prop_map(Attribution::Step)
    ];
    let shape = (proptest::collection::vec(step(), 2..5), order, viz, window, attribution);
    let exclusion = proptest::option::weighted(0.35, (0..4_usize, 0..4_usize, any::<bool>()));
    let rest = (exclusion, prop::bool::weighted(0.2), prop::bool::weighted(0.2), 0..6_i64, any::<bool>(), proptest::option::of(0..12_i64));
    (shape, rest).prop_map(|((mut steps, order, viz, window, attribution), (exclusion, by_session, all_need_flag, cut, measures, bins))| {
        let allows_optional = viz == Viz::Steps && order != Order::Unordered;
        let count = steps.len();
        for at in 0..count {
            let hides = at + 1 < count && steps[at + 1].name == steps[at].name;
            steps[at].optional &= allows_optional && at > 0 && !hides;
        }
        let mut exclusions = Vec::new();
        if let Some((from, length, second)) = exclusion {
            let from = if order == Order::Unordered { 0 } else { from % (count - 1) };
            let to = if order == Order::Unordered { count - 1 } else { (from + 1 + length).min(count - 1) };
            exclusions.push(("x", from, to));
            if second {
                exclusions.push(("y", from, to));
            }
        }
        let attribution = match attribution {
            Attribution::Step(_) if order == Order::Unordered => Attribution::Step(0),
            Attribution::Step(step) => Attribution::Step(step % count),
            other => other,
        };
        let range = (START + cut * MINUTE, START + 1_440 * MINUTE - 1);
        let spec = Spec { steps, exclusions, order, window: window * MINUTE, attribution, range, all_need_flag };
        let measured = if measures && count > 2 { Some((1, count - 1)) } else { None };
        Question { spec, viz, by_session, measured, bins }
    })
}

fn facts(world: &World, by_session: bool) -> Vec<Fact> {
    let person = |id: &str| {
        let mut id = id.to_owned();
        while let Some((_, to)) = world.merges.iter().find(|(from, _)| *from == id) {
            id = to.clone();
        }
        id
    };
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let fact = |event: &Event| Fact {
        person: person(&event.distinct_id),
        actor: if by_session { event.properties["s"].as_str().map(str::to_owned) } else { Some(person(&event.distinct_id)) },
        time: event.at.0,
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{event:?}").as_bytes()),
        name: event.name.clone(),
        value: text(&event.properties["v"]),
        flag: event.properties["flag"] == true,
    };
    world.events.iter().map(fact).collect()
}

impl Question {
    fn query(&self) -> Json {
        let flag = json!([{"key": "flag", "type": "event", "operator": "exact", "value": ["true"]}]);
        let node = |step: &StepSpec| {
            let math = match step.first {
                First::No => Json::Null,
                First::OfName => json!("first_time_for_user"),
                First::Matching => json!("first_time_for_user_with_filters"),
            };
            let properties = if step.needs_flag { flag.clone() } else { json!([]) };
            json!({"kind": "EventsNode", "event": step.name, "math": math, "properties": properties, "optionalInFunnel": step.optional})
        };
        let exclusion = |(name, from, to): &(&str, usize, usize)| json!({"kind": "EventsNode", "event": name, "funnelFromStep": from, "funnelToStep": to});
        let mut filter = json!({
            "funnelOrderType": format!("{:?}", self.spec.order).to_lowercase(),
            "funnelVizType": match self.viz { Viz::Steps => "steps", Viz::Trends => "trends", Viz::TimeToConvert => "time_to_convert" },
            "funnelWindowInterval": self.spec.window / MINUTE,
            "funnelWindowIntervalUnit": "minute",
            "exclusions": self.spec.exclusions.iter().map(exclusion).collect::<Vec<_>>(),
            "binCount": self.bins,
        });
        if let Some((from, to)) = self.measured {
            filter["funnelFromStep"] = json!(from);
            filter["funnelToStep"] = json!(to);
        }
        if self.by_session {
            filter["funnelAggregateByHogQL"] = json!("properties.s");
        }
        let (attribution, step) = match self.spec.attribution {
            Attribution::None | Attribution::First => ("first_touch", None),
            Attribution::Last => ("last_touch", None),
            Attribution::All => ("all_events", None),
            Attribution::Step(step) => ("step", Some(step)),
        };
        filter["breakdownAttributionType"] = json!(attribution);
        filter["breakdownAttributionValue"] = json!(step);
        let time =
            |micros: i64| jiff::Timestamp::from_microsecond(micros).expect("as it was made").strftime("%Y-%m-%d %H:%M:%S").to_string();
        let mut query = json!({
            "kind": "FunnelsQuery",
            "series": self.spec.steps.iter().map(node).collect::<Vec<_>>(),
            "dateRange": {"date_from": time(self.spec.range.0), "date_to": "2020-01-10 23:59:59.999999"},
            "interval": "hour",
            "funnelsFilter": filter,
            "properties": if self.spec.all_need_flag { flag.clone() } else { json!([]) },
        });
        if self.spec.attribution != Attribution::None {
            query["breakdownFilter"] = json!({"breakdown": "v", "breakdown_type": "event"});
        }
        query
    }

    /// The steps between which is measured, from 1.
    fn measured(&self) -> (usize, usize) {
        self.measured.map_or((1, self.spec.steps.len()), |(from, to)| (from + 1, to + 1))
    }

    fn expected(&self, facts: &[Fact]) -> Json {
        match self.viz {
            Viz::Steps => self.expected_steps(&self.spec.outcomes(facts)),
            Viz::Trends => self.expected_trends(facts),
            Viz::TimeToConvert => self.expected_times(&self.spec.outcomes(facts)),
        }
    }

    fn expected_steps(&self, outcomes: &[(String, String, Outcome)]) -> Json {
        let mut values: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for (_, value, outcome) in outcomes {
            values.entry(value).or_default().push(outcome);
        }
        if self.spec.attribution == Attribution::None {
            values.entry("").or_default();
        }
        let step = |outcomes: &[&Outcome], at: usize| {
            let count = outcomes.iter().filter(|outcome| outcome.steps.contains(&(at + 1))).count();
            let between = |outcome: &&Outcome| Some(seconds(outcome.times.get(at)? - outcome.times.get(at.checked_sub(1)?)?));
            let mut times: Vec<f64> = outcomes.iter().filter_map(between).filter(|time| *time > 0.0).collect();
            json!([count, mean(&times), median(&mut times)])
        };
        let steps = |outcomes: &[&Outcome]| (0..self.spec.steps.len()).map(|at| step(outcomes, at)).collect::<Vec<_>>();
        let shown: BTreeMap<&str, _> = values.iter().map(|(value, outcomes)| (*value, steps(outcomes))).collect();
        json!(shown)
    }

    fn expected_trends(&self, facts: &[Fact]) -> Json {
        let (from, to) = self.measured();
        let hour = 60 * MINUTE;
        let mut cells: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (value, bucket, converted) in self.spec.entries(facts, from, to, &|time| (time - START).div_euclid(hour)) {
            let cell = &mut cells.entry(value).or_insert_with(|| vec![(0.0, 0.0); 24])[usize::try_from(bucket).expect("as it was made")];
            cell.0 += 1.0;
            cell.1 += f64::from(u8::from(converted));
        }
        if self.spec.attribution == Attribution::None {
            cells.entry(String::new()).or_insert_with(|| vec![(0.0, 0.0); 24]);
        }
        let rate = |(from, to): &(f64, f64)| if *from == 0.0 { 0.0 } else { (to / from * 10_000.0).round_ties_even() / 100.0 };
        let lines: BTreeMap<_, Vec<f64>> = cells.iter().map(|(value, cells)| (value, cells.iter().map(rate).collect())).collect();
        json!(lines)
    }

    fn expected_times(&self, outcomes: &[(String, String, Outcome)]) -> Json {
        let (from, to) = self.measured();
        let reached = outcomes.iter().filter(|(_, _, outcome)| outcome.reached >= to);
        let mut times: Vec<f64> = reached.map(|(_, _, outcome)| seconds(outcome.times[to - 1] - outcome.times[from - 1])).collect();
        let bins = self
            .bins
            .map_or_else(|| (1..=60).find(|root| root * root * root >= times.len()).unwrap_or(60).max(1) as i64, |bins| bins.clamp(1, 90));
        let low = times.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let high = times.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        let (low, width) = if times.is_empty() { (0.0, 60.0) } else { (low, ((high - low) / bins as f64).ceil()) };
        let width = if width > 0.0 { width } else { 60.0 };
        let start = |bin: i64| low + bin as f64 * width;
        let inside = |bin: i64| times.iter().filter(|time| **time >= start(bin) && **time < start(bin + 1)).count();
        let counts: Vec<Json> = (0..=bins).map(|bin| json!([start(bin), inside(bin)])).collect();
        json!([counts, mean(&times), median(&mut times)])
    }

    /// The answer in the shape of what is expected.
    fn found(&self, results: &Json) -> Json {
        let value = |item: &Json| item["breakdown_value"][0].as_str().unwrap_or_default().to_owned();
        let steps = |steps: &Json| {
            let step = |step: &Json| json!([step["count"], step["average_conversion_time"], step["median_conversion_time"]]);
            steps.as_array().expect("as it was made").iter().map(step).collect::<Vec<_>>()
        };
        let is_broken_down = self.spec.attribution != Attribution::None;
        match self.viz {
            Viz::Steps if is_broken_down => {
                let list = results.as_array().expect("as it was made");
                json!(list.iter().map(|item| (value(&item[0]), steps(item))).collect::<BTreeMap<_, _>>())
            }
            Viz::Steps => json!({"": steps(results)}),
            Viz::Trends => {
                let list = results.as_array().expect("as it was made");
                json!(list.iter().map(|item| (value(item), item["data"].clone())).collect::<BTreeMap<_, _>>())
            }
            Viz::TimeToConvert => json!([results["bins"], results["average_conversion_time"], results["median_conversion_time"]]),
        }
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn mean(times: &[f64]) -> Option<f64> {
    (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64)
}

fn median(times: &mut [f64]) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    match times.len() {
        0 => None,
        count if count % 2 == 1 => Some(times[middle]),
        _ => Some((times[middle - 1] + times[middle]) / 2.0),
    }
}

/// Equal but for the last bits of numbers.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            (left.as_f64().expect("as it was made") - right.as_f64().expect("as it was made")).abs() < 1e-6
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

fn runner() -> TestRunner {
    TestRunner::new_with_rng(ProptestConfig::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_agrees() {
    let mut runner = runner();
    for at in 0..WORLDS {
        let world = world().new_tree(&mut runner).unwrap().current();
        let layout = LAYOUTS[at % LAYOUTS.len()];
        let running = world.start(ProjectId(7), layout, QueryConfig::default());
        for _ in 0..FUNNELS_PER_WORLD {
            let question = question().new_tree(&mut runner).unwrap().current();
            let body = running.ask(question.query()).await.unwrap_or_else(|error| panic!("{error}: {}", question.query()));
            let expected = question.expected(&facts(&world, question.by_session));
            let found = question.found(&body["results"]);
            assert!(
                same(&found, &expected),
                "world {at} ({layout:?}): {}\nfound    {found}\nexpected {expected}\nmerges {:?}\nevents {:#?}",
                question.query(),
                world.merges,
                world.events
            );
        }
    }
}

/// The slow evaluator itself follows from a definition: all chains are tried.
#[test]
fn the_slow_way_finds_the_longest_chain() {
    let mut runner = runner();
    let names = ["a", "b", "c"];
    let journey = proptest::collection::btree_map(0..60_i64, 0..3_usize, 0..9);
    let funnel = (proptest::collection::vec(0..3_usize, 1..5), 1..40_i64);
    for _ in 0..5_000 {
        let (journey, (steps, window)) = (&journey, &funnel).new_tree(&mut runner).unwrap().current();
        let spec = Spec {
            steps: steps
                .iter()
                .map(|at| StepSpec { name: Some(names[*at]), needs_flag: false, optional: false, first: First::No })
                .collect(),
            exclusions: vec![],
            order: Order::Ordered,
            window,
            attribution: Attribution::None,
            range: (0, 1_000),
            all_need_flag: false,
        };
        let fact = |(time, name): (&i64, &usize)| Fact {
            person: "p".to_owned(),
            actor: Some("p".to_owned()),
            time: *time,
            id: Uuid::from_u128(u128::try_from(*time).unwrap()),
            name: names[*name].to_owned(),
            value: String::new(),
            flag: true,
        };
        let facts: Vec<Fact> = journey.iter().map(fact).collect();
        let times: Vec<i64> = journey.keys().copied().collect();
        let is: Vec<Vec<usize>> = journey.values().map(|name| (0..steps.len()).filter(|at| steps[*at] == *name).collect()).collect();
        let is: Vec<&[usize]> = is.iter().map(Vec::as_slice).collect();
        let found = spec.outcomes(&facts).into_iter().next().map_or_else(Vec::new, |(_, _, outcome)| outcome.times);
        assert_eq!(found, longest_chain(&is, &times, steps.len(), window), "{journey:?} {steps:?} within {window}");
    }
}
