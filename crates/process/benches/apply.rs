//! How long an event takes from journal record to row: parse, identity, enrichment and the store's `EventRows::push`, on one core.
//!
//! Events have 27 properties in about 700 bytes of JSON, 100 to a record, 40 records to a commit. `web` is what a browser sends of returning visitors (addresses
//! and window sizes change, so each row sees its person a little differently), `server` has the sender's own keys alone, `new` makes a person with each event.

use aqueduct_event::{JournalPosition, LetterId, PartitionId, PersonId, ProjectId, RawBatch, RawEvent, UnixMicros};
use aqueduct_journal::Entry;
use aqueduct_process::{CookielessMode, Observed, Observer, ProcessConfig, Processor, ProjectFacts, Projects, Warning};
use aqueduct_store::{Commit, CommitError, DeadLetter, DistinctIdRecord, GroupRecord, PersonRecord, ReadError, Seen, SeenRule, Store};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const EVENTS_PER_RECORD: u64 = 100;
const RECORDS: u64 = 40;

/// Knows nothing and forgets everything: what is measured is processing.
#[derive(Debug)]
struct NoStore;

impl Store for NoStore {
    fn durable(&self, _: PartitionId) -> JournalPosition {
        JournalPosition(0)
    }

    fn commit(&self, _: Commit) -> Result<(), CommitError> {
        Ok(())
    }

    fn work(&self) -> Result<bool, CommitError> {
        Ok(false)
    }

    fn flush(&self) -> Result<(), CommitError> {
        Ok(())
    }

    fn person(&self, _: ProjectId, _: PersonId) -> Result<Option<PersonRecord>, ReadError> {
        Ok(None)
    }

    fn distinct_id(&self, _: ProjectId, _: &str) -> Result<Option<DistinctIdRecord>, ReadError> {
        Ok(None)
    }

    fn distinct_ids_of(&self, _: ProjectId, _: PersonId) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn dead_letter(&self, _: ProjectId, _: LetterId) -> Result<Option<DeadLetter>, ReadError> {
        Ok(None)
    }

    fn group(&self, _: ProjectId, _: u8, _: &str) -> Result<Option<GroupRecord>, ReadError> {
        Ok(None)
    }

    fn group_types(&self, _: ProjectId) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn seen_rule(&self) -> SeenRule {
        SeenRule::new(0, Duration::MAX)
    }

    fn seen(&self, events: &[Seen]) -> Result<Vec<Option<UnixMicros>>, ReadError> {
        Ok(vec![None; events.len()])
    }
}

#[derive(Debug)]
struct OneProject;

impl Projects for OneProject {
    fn project_by_token(&self, _: &str) -> Option<ProjectFacts> {
        let (id, timezone, cookieless) = (ProjectId(1), Arc::from("UTC"), CookielessMode::Disabled);
        Some(ProjectFacts { id, timezone, anonymize_ips: false, cookieless, drop_events_older_than_seconds: None })
    }

    fn cookieless_salt(&self, _: &str) -> Option<[u8; 16]> {
        None
    }
}

#[derive(Debug)]
struct Nobody;

impl Observer for Nobody {
    fn definitions(&self, _: ProjectId, _: &Observed) {}

    fn warning(&self, _: ProjectId, _: Warning) {}
}

/// 27 properties as a browser sends them.
fn web(number: u64) -> String {
    let (page, width) = (number % 97, 1000 + number % 7);
    format!(
        r#"{{"$os":"Mac OS X","$os_version":"10.15.7","$browser":"Chrome","$browser_version":128,"$device_type":"Desktop","$current_url":"https://example.com/shop/{page}","$host":"example.com","$pathname":"/shop/{page}","$screen_height":1080,"$screen_width":1920,"$viewport_height":900,"$viewport_width":{width},"$lib":"web","$lib_version":"1.160.0","$referrer":"$direct","$referring_domain":"$direct","$device_id":"0190d8a0-1111-7000-8000-00000000abcd","$session_id":"0190d8a0-0000-7000-8000-00000000{:04x}","$window_id":"0190d8a0-2222-7000-8000-00000000abcd","$time":1724900000.123,"utm_source":"newsletter","plan":"pro","price":{}.5,"in_trial":false,"items":["a","b"],"experiment":null,"count":{number}}}"#,
        number % 4096,
        number % 50,
    )
}

/// 27 properties of an application's own.
fn server(number: u64) -> String {
    let own: Vec<String> = (0..24).map(|key| format!(r#""property_{key}":"value {}""#, (number + key) % 100)).collect();
    format!(r#"{{"amount":{}.25,"count":{number},"is_new":true,{}}}"#, number % 100, own.join(","))
}

/// Records whose events come from `persons` persons in turn.
fn records(properties: fn(u64) -> String, persons: u64, first: u64) -> Vec<Entry> {
    let record = |record: u64| {
        let numbers: Vec<u64> = (0..EVENTS_PER_RECORD).map(|event| first + record * EVENTS_PER_RECORD + event).collect();
        let texts: Vec<(String, String)> =
            numbers.iter().map(|number| (format!("0190d8a0-aaaa-7000-8000-{:012}", number % persons), properties(*number))).collect();
        let events = texts.iter().zip(&numbers).map(|((distinct_id, properties), number)| RawEvent {
            uuid: Uuid::from_u128(u128::from(*number)),
            timestamp: UnixMicros(1_724_900_000_000_000 + *number as i64 * 1000),
            event: "$pageview",
            distinct_id,
            cookieless: false,
            properties,
            set: "",
            set_once: "",
            unset: "",
        });
        let batch = RawBatch {
            token: "phc_x",
            received_at: UnixMicros(1_724_900_100_000_000),
            sent_at: Some(UnixMicros(1_724_900_099_000_000)),
            historical: false,
            client_ip: "203.0.113.7",
            user_agent: "",
            path: "/batch",
            events: events.collect(),
        };
        Entry { position: JournalPosition(record), payload: batch.encode().into() }
    };
    (0..RECORDS).map(record).collect()
}

fn processor() -> Processor {
    Processor::new(PartitionId(0), Arc::new(NoStore), Arc::new(OneProject), Arc::new(Nobody), &ProcessConfig::default())
}

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(RECORDS * EVENTS_PER_RECORD));
    for (name, properties) in [("web", web as fn(u64) -> String), ("server", server)] {
        let entries = records(properties, 1000, 0);
        let mut processor = processor();
        processor.apply(&entries).expect("processed");
        group.bench_function(name, |bencher| bencher.iter(|| black_box(processor.apply(&entries).expect("processed"))));
    }
    let entries = records(web, u64::MAX, 0);
    group.bench_function("new", |bencher| {
        bencher.iter_with_setup(processor, |mut processor| black_box(processor.apply(&entries).expect("processed")));
    });
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);
