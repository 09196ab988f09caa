//! The operators agree with evaluators that follow the definitions word by word, slowly: random worlds, random queries, every layout of the store.
//!
//! An evaluator sees a plain list of events with their persons and knows nothing of parts, columns or merges. `ROUNDS=100` asks for more worlds.

mod counts;
mod lifecycle;
mod paths;
mod retention;
mod stickiness;
mod trends;
mod trends_values;

use crate::world::{Event, LAYOUTS, World};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_query::QueryConfig;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde_json::{Value as Json, json};

const ROUNDS: u64 = 20;
const QUERIES: usize = 12;

/// Random numbers that are the same in every run.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).expect("small")
    }

    /// One of a few.
    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// True once in `of` times.
    pub(crate) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// An event as evaluators see it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Whose it is, merges applied.
    pub(crate) person: String,
    pub(crate) at: Zoned,
    pub(crate) name: String,
    pub(crate) properties: Json,
    /// Orders events of the same moment.
    pub(crate) uuid: uuid::Uuid,
}

impl Seen {
    /// A property as text, empty without.
    pub(crate) fn text(&self, key: &str) -> String {
        self.properties[key].as_str().unwrap_or_default().to_owned()
    }

    /// The person, or the group; `None` without group.
    pub(crate) fn actor(&self, by_group: bool) -> Option<String> {
        if by_group { Some(self.text("$group_0")).filter(|key| !key.is_empty()) } else { Some(self.person.clone()) }
    }
}

/// A world and its calendar.
pub(crate) struct Sight {
    pub(crate) world: World,
    pub(crate) zone: TimeZone,
    pub(crate) week_start: Weekday,
    pub(crate) events: Vec<Seen>,
}

const DAY_MICROS: i64 = 86_400_000_000;
/// 2020-01-01 00:00 UTC.
const FIRST_MICROS: i64 = 1_577_836_800_000_000;

impl Sight {
    /// `is_dense`: all within a few hours, minutes apart.
    fn random(dice: &mut Dice, is_dense: bool) -> Self {
        let mut world = World {
            timezone: Some(dice.pick(&["UTC", "UTC", "Europe/Berlin", "America/Phoenix", "Asia/Kathmandu"]).to_owned()),
            ..World::default()
        };
        world.weeks_start_on_monday = dice.once_in(2);
        world.types.insert("n".to_owned(), aqueduct_catalog::PropertyType::Numeric);
        let ids = ["a", "b", "c", "d", "e", "f", "g"];
        world.persons = vec![(vec!["a".to_owned(), "a2".to_owned()], json!({"p": "one"})), (vec!["b".to_owned()], json!({"p": "two"}))];
        for id in ["a", "b", "g1", "g2"] {
            world
                .created
                .insert(id.to_owned(), UnixMicros(FIRST_MICROS + i64::try_from(dice.below(20 * 24)).expect("small") * DAY_MICROS / 24));
        }
        world.groups = ["g1", "g2"].map(|key| ("company".to_owned(), key.to_owned(), json!({}))).to_vec();
        for from in ["e", "f"] {
            if dice.once_in(2) {
                world.merges.push((from.to_owned(), dice.pick(&["a", "c", "a2"]).to_owned()));
            }
        }
        // Coarse steps, so that moments repeat and lie on borders.
        let step = dice.pick(&[DAY_MICROS / 4, DAY_MICROS / 24, DAY_MICROS / 96, DAY_MICROS / 288]);
        let days = dice.pick(&[1_i64, 3, 10, 20]);
        let (step, length) = if is_dense { (dice.pick(&[1_i64, 7]) * 60_000_000, DAY_MICROS / 4) } else { (step, days * DAY_MICROS) };
        for _ in 0..dice.below(70) {
            let at = FIRST_MICROS + i64::try_from(dice.below(usize::try_from(length / step).expect("small"))).expect("small") * step;
            let mut properties = json!({});
            if !dice.once_in(4) {
                properties["k"] = json!(dice.pick(&["x", "y", "z"]));
            }
            if !dice.once_in(3) {
                properties["$group_0"] = json!(dice.pick(&["g1", "g2", "g3", ""]));
            }
            if !dice.once_in(3) {
                properties["n"] = json!(dice.below(5));
            }
            if !dice.once_in(8) {
                properties["$current_url"] = json!(dice.pick(&["/", "/a", "/a/", "/b", "/b/1", "/b/2/", "/c"]));
            }
            if !dice.once_in(3) {
                properties["$session_id"] = json!(format!("016f5e66-e800-7000-8000-00000000000{}", dice.below(4)));
            }
            let distinct_id = if dice.once_in(4) { "a2".to_owned() } else { dice.pick(&ids).to_owned() };
            let name = dice.pick(&["view", "view", "buy", "$pageview", "$pageview", "$screen"]).to_owned();
            world.events.push(Event { distinct_id, at: UnixMicros(at), name, properties, elements_chain: String::new() });
        }
        Self::of(world)
    }

    fn of(world: World) -> Self {
        let zone = TimeZone::get(world.timezone.as_deref().unwrap_or("UTC")).expect("a zone");
        let owner = |id: &str| {
            world.persons.iter().find(|(ids, _)| ids.iter().any(|known| known == id)).map_or(id.to_owned(), |(ids, _)| ids[0].clone())
        };
        let merged = |id: &str| world.merges.iter().find(|(from, _)| from == id).map_or_else(|| owner(id), |(_, to)| owner(to));
        let events = world.events.iter().map(|event| Seen {
            person: merged(&event.distinct_id),
            at: Timestamp::from_microsecond(event.at.0).expect("a time").to_zoned(zone.clone()),
            name: event.name.clone(),
            properties: event.properties.clone(),
            uuid: uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{event:?}").as_bytes()),
        });
        let mut events: Vec<Seen> = events.collect();
        events.sort_by_key(|event| (event.at.timestamp(), event.uuid));
        let week_start = if world.weeks_start_on_monday { Weekday::Monday } else { Weekday::Sunday };
        Self { events, zone, week_start, world }
    }

    /// The beginning of the interval that holds a moment.
    pub(crate) fn floor(&self, at: &Zoned, interval: &str) -> Zoned {
        let day = |at: &Zoned| at.date().to_zoned(self.zone.clone()).expect("a day");
        match interval {
            "hour" => at.with().minute(0).second(0).subsec_nanosecond(0).build().expect("an hour"),
            "day" => day(at),
            "week" => {
                let mut at = day(at);
                while at.weekday() != self.week_start {
                    at = at.yesterday().expect("a day");
                }
                at
            }
            "month" => day(&at.first_of_month().expect("a day")),
            other => panic!("{other}"),
        }
    }

    /// Moved by so many intervals.
    pub(crate) fn plus(at: &Zoned, interval: &str, count: i64) -> Zoned {
        let span = match interval {
            "hour" => count.hours(),
            "day" => count.days(),
            "week" => count.weeks(),
            "month" => count.months(),
            other => panic!("{other}"),
        };
        at.checked_add(span).expect("a moment")
    }

    /// A day as midnight here.
    pub(crate) fn midnight(&self, day: &str) -> Zoned {
        day.parse::<jiff::civil::Date>().expect("a day").to_zoned(self.zone.clone()).expect("a moment")
    }

    /// The last microsecond of a day.
    pub(crate) fn end(&self, day: &str) -> Zoned {
        self.midnight(day).tomorrow().expect("a day").checked_sub(jiff::SignedDuration::from_micros(1)).expect("a moment")
    }

    /// Beginnings of intervals from the one that holds `from` up to `to`.
    pub(crate) fn starts(&self, from: &Zoned, to: &Zoned, interval: &str) -> Vec<Zoned> {
        let first = self.floor(from, interval);
        (0..).map(|at| Self::plus(&first, interval, at)).take_while(|start| start <= to).collect()
    }
}

/// Two days in order.
pub(crate) fn days(dice: &mut Dice) -> (String, String) {
    let (a, b) = (dice.below(22), dice.below(22));
    let day = |at: usize| format!("2020-01-{:02}", at + 1);
    (day(a.min(b)), day(a.max(b)))
}

/// Asks random queries of random worlds in every layout; each answer must be what `expect` says.
pub(crate) async fn agree(
    seed: u64,
    is_dense: bool,
    ask: impl Fn(&mut Dice) -> Json,
    expect: impl Fn(&Sight, &Json) -> Vec<Json>,
    shown: impl Fn(&Json) -> Json,
) {
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut telling = 0;
    for round in 0..rounds {
        let mut dice = Dice(seed * 1_000_003 + round);
        let sight = Sight::random(&mut dice, is_dense);
        let queries: Vec<(Json, Vec<Json>)> = (0..QUERIES)
            .map(|_| {
                let query = ask(&mut dice);
                let want = expect(&sight, &query);
                (query, want)
            })
            .collect();
        telling += queries.iter().filter(|(_, want)| want.iter().any(|item| item.to_string().contains(['1', '2', '3']))).count();
        for layout in LAYOUTS {
            let running = sight.world.start(ProjectId(7), layout, QueryConfig::default());
            for (query, want) in &queries {
                let body = running.ask(query.clone()).await.unwrap_or_else(|error| panic!("{error}: {query}"));
                let got: Vec<Json> = body["results"].as_array().expect("items").iter().map(&shown).collect();
                assert_eq!(&got, want, "round {round}, {layout:?}, zone {:?}\n{query}\n{:#?}", sight.world.timezone, sight.events);
            }
        }
    }
    // An evaluator that always expects nothing would prove nothing.
    assert!(telling * 4 > usize::try_from(rounds).expect("small") * QUERIES, "only {telling} answers say something");
}
