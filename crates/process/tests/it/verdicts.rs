//! Each event of each record has one verdict, however records are spread over commits, and whatever crashes and replays come between.

use crate::model::ModelStore;
use crate::world::{Notes, Tokens};
use aqueduct_event::record::Replay;
use aqueduct_event::verdict::{DeadReason, DropReason};
use aqueduct_event::{JournalPosition, LetterId, PartitionId, ProjectId, RawBatch, RawEvent, TallyKey, UnixMicros, Verdict};
use aqueduct_journal::Entry;
use aqueduct_process::{Observed, Observer, ProcessConfig, Processor, Warning, letter};
use aqueduct_store::Store;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

const MINUTE: i64 = 60_000_000;
const NOON: i64 = 1_700_000_000_000_000;

/// Name and properties of the events that are sent, one for each way through processing.
const KINDS: &[(&str, &str)] = &[
    ("pay", "{}"),
    ("pay", r#"{"a":1,"$set":{"x":1}}"#),
    ("pay", "{\"a\":"),
    ("pay", "[]"),
    ("pay", r#"{"$process_person_profile":"perhaps"}"#),
    ("pay", r#"{"$cookieless_mode":true}"#),
    ("$$client_ingestion_warning", r#"{"$$client_ingestion_warning_message":"m"}"#),
    ("$$heatmap", "{}"),
    ("$identify", r#"{"$anon_distinct_id":"anon"}"#),
    ("$identify", r#"{"$process_person_profile":false}"#),
    ("$groupidentify", r#"{"$group_type":"org","$group_key":"x"}"#),
];

#[derive(Clone, Debug)]
enum Sent {
    Batch {
        token: &'static str,
        minute: i64,
        events: Vec<(usize, u128, i64)>,
    },
    Garbage(Vec<u8>),
    /// A record whose events break off.
    Cut {
        events: usize,
    },
    Replay {
        position: u64,
        index: u32,
    },
}

fn sent() -> impl Strategy<Value = Sent> {
    let event = (0..KINDS.len(), 0..40_u128, 0..4_i64);
    let token = prop_oneof![4 => Just("plain"), 2 => Just("careful"), 1 => Just("cookieless"), 1 => Just("nobody")];
    let batch = (token, 0..3_i64, proptest::collection::vec(event, 1..6));
    prop_oneof![
        8 => batch.prop_map(|(token, minute, events)| Sent::Batch { token, minute, events }),
        1 => proptest::collection::vec(any::<u8>(), 0..12).prop_map(Sent::Garbage),
        1 => (1..5_usize).prop_map(|events| Sent::Cut { events }),
        2 => (0..20_u64, 0..4_u32).prop_map(|(position, index)| Sent::Replay { position, index }),
    ]
}

fn batch(token: &str, minute: i64, events: &[(usize, u128, i64)]) -> Vec<u8> {
    let received_at = UnixMicros(NOON + minute * MINUTE);
    let events = events.iter().map(|(kind, number, days)| RawEvent {
        uuid: Uuid::from_u128(*number),
        timestamp: UnixMicros(received_at.0 - days * 86_400_000_000),
        event: KINDS[*kind].0,
        distinct_id: "ann",
        cookieless: false,
        properties: KINDS[*kind].1,
        set: "",
        set_once: "",
        unset: "",
    });
    let events = events.collect();
    RawBatch { token, received_at, sent_at: None, historical: false, client_ip: "", user_agent: "", path: "/e", events }.encode()
}

impl Sent {
    /// Its bytes, and how many events are received by it.
    fn bytes(&self, store: &ModelStore) -> (Vec<u8>, i64) {
        match self {
            Self::Batch { token, minute, events } => (batch(token, *minute, events), events.len() as i64),
            // Nobody knows how many events it held: it stands for one.
            Self::Garbage(bytes) => ([&[7][..], bytes].concat(), 1),
            Self::Cut { events } => {
                let mut bytes = batch("plain", 1, &vec![(0, 1, 0); *events]);
                bytes.pop();
                (bytes, *events as i64)
            }
            Self::Replay { position, index } => {
                let id = LetterId { partition: PartitionId(0), position: JournalPosition(*position), index: *index };
                let letters = store.kept().letters;
                let found = letters.values().find(|letter| letter.id == id).or_else(|| letters.values().next());
                match found.and_then(|found| letter::replay(found).ok()) {
                    Some(replay) => (replay, 0),
                    // There is no letter that could come again: a letter that never was.
                    None => (Replay::encode(ProjectId(1), id, &batch("plain", 1, &[(0, 3, 0)])), 0),
                }
            }
        }
    }
}

/// Falls over at warnings about `$process_person_profile`.
#[derive(Debug, Default)]
struct Brittle(Notes);

impl Observer for Brittle {
    fn definitions(&self, project: ProjectId, observed: &Observed) {
        self.0.definitions(project, observed);
    }

    fn warning(&self, project: ProjectId, warning: Warning) {
        assert!(!warning.kind.as_str().starts_with("invalid_process"), "fell over");
        self.0.warning(project, warning);
    }
}

fn processor(store: &Arc<ModelStore>) -> Processor {
    let config = ProcessConfig { cache_bytes_max: 0, ..ProcessConfig::default() };
    Processor::new(PartitionId(0), Arc::<ModelStore>::clone(store), Arc::new(Tokens), Arc::new(Brittle::default()), &config)
}

/// Counts by project and verdict.
fn totals(verdicts: &BTreeMap<TallyKey, i64>) -> Vec<(u32, String, i64)> {
    let mut totals: BTreeMap<(u32, Verdict), i64> = BTreeMap::new();
    for (key, events) in verdicts {
        *totals.entry((key.project.0, key.verdict)).or_default() += events;
    }
    totals.into_iter().map(|((project, verdict), events)| (project, verdict.to_string(), events)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn every_event_has_one_verdict(records in proptest::collection::vec(sent(), 1..14), steps in proptest::collection::vec((1..5_usize, 0..4_u8), 40)) {
        let store = Arc::new(ModelStore::default());
        let mut processor = processor(&store);
        // The journal: what was appended so far, and what was received by it up to each record.
        let mut journal: Vec<Entry> = Vec::new();
        let mut received = vec![0];
        let mut rest = records.iter();
        for (count, fault) in steps {
            // Replays are made of what is dead by now.
            for one in rest.by_ref().take(count) {
                let (bytes, events) = one.bytes(&store);
                received.push(received[journal.len()] + events);
                journal.push(Entry { position: JournalPosition(journal.len() as u64), payload: bytes.into() });
            }
            match fault {
                0 => store.flush().expect("flushes"),
                1 => {
                    // Replays of letters whose record is processed again are still in the journal.
                    store.crash();
                    processor = self::processor(&store);
                }
                _ => {}
            }
            let at = store.kept().position.0 as usize;
            let entries = &journal[at..journal.len().min(at + count)];
            if !entries.is_empty() {
                let commit = processor.apply(entries).expect("processed");
                store.commit(commit).expect("taken");
            }
            let kept = store.kept();
            let sum: i64 = kept.verdicts.values().sum();
            prop_assert_eq!(sum, received[kept.position.0 as usize], "{:?}", totals(&kept.verdicts));
            prop_assert!(kept.verdicts.values().all(|events| *events > 0), "{:?}", totals(&kept.verdicts));
            let visible: i64 = kept.verdicts.iter().filter(|(key, _)| key.verdict == Verdict::Visible).map(|(_, events)| events).sum();
            prop_assert_eq!(visible, kept.rows.len() as i64);
            let mut dead: BTreeMap<TallyKey, i64> = BTreeMap::new();
            for letter in kept.letters.values().filter(|letter| letter.events > 0) {
                *dead.entry(letter.tally_key()).or_default() += i64::from(letter.events);
            }
            let counted: BTreeMap<TallyKey, i64> = kept.verdicts.iter().filter(|(key, _)| matches!(key.verdict, Verdict::DeadLettered(_))).map(|(key, events)| (*key, *events)).collect();
            prop_assert_eq!(dead, counted, "letters and their verdicts are the same");
        }
    }
}

fn apply(store: &ModelStore, processor: &mut Processor, payload: Vec<u8>) {
    let entry = Entry { position: store.kept().position, payload: payload.into() };
    let commit = processor.apply(&[entry]).expect("processed");
    store.commit(commit).expect("taken");
}

#[test]
fn each_kind_of_event_has_its_verdict() {
    let store = Arc::new(ModelStore::default());
    let mut processor = processor(&store);
    let all: Vec<_> = (0..KINDS.len()).map(|kind| (kind, kind as u128, 0)).collect();
    apply(&store, &mut processor, batch("plain", 0, &all));
    apply(&store, &mut processor, batch("plain", 0, &[(0, 0, 0)]));
    apply(&store, &mut processor, batch("careful", 0, &[(0, 50, 3)]));
    apply(&store, &mut processor, batch("nobody", 0, &[(0, 60, 0)]));
    apply(&store, &mut processor, vec![9]);
    let expected = [
        (0, "dropped:unknown_token", 1),
        (0, "dead_lettered:unreadable_record", 1),
        (1, "visible", 4),
        (1, "duplicate", 1),
        (1, "dropped:client_warning", 1),
        (1, "dropped:heatmap", 1),
        (1, "dropped:personless_not_allowed", 1),
        (1, "dropped:cookieless", 1),
        (1, "dead_lettered:malformed_properties", 2),
        (1, "dead_lettered:panicked", 1),
        (2, "dropped:too_old", 1),
    ];
    assert_eq!(totals(&store.kept().verdicts), expected.map(|(project, verdict, events)| (project, verdict.to_owned(), events)));
    // Every event without a row has its fate.
    assert_eq!(store.kept().fates.len(), 11);
    let panicked = store.kept().letters.values().find(|letter| letter.reason == DeadReason::Panicked).cloned().expect("a letter");
    assert_eq!(&*panicked.detail, "fell over");
    assert!(panicked.payload.contains(r#""properties":{"$process_person_profile":"perhaps"}"#), "{}", panicked.payload);
}

#[test]
fn a_mended_letter_moves_to_its_new_verdict() {
    let store = Arc::new(ModelStore::default());
    let mut processor = processor(&store);
    apply(&store, &mut processor, batch("plain", 0, &[(2, 7, 0)]));
    let dead = store.kept().letters.into_values().next().expect("a letter");
    // In vain: the same letter stays.
    apply(&store, &mut processor, letter::replay(&dead).expect("a record"));
    let again = store.kept().letters.into_values().next().expect("a letter");
    assert_eq!((again.id, again.replays), (dead.id, 1));
    assert_eq!(totals(&store.kept().verdicts), [(1, "dead_lettered:malformed_properties".to_owned(), 1)]);
    let mended = aqueduct_store::DeadLetter { payload: again.payload.replace(r#""{\"a\":""#, r#"{"a":1}"#).into(), ..again };
    let record = letter::replay(&mended).expect("a record");
    apply(&store, &mut processor, record.clone());
    assert_eq!(totals(&store.kept().verdicts), [(1, "visible".to_owned(), 1)]);
    assert_eq!(store.kept().rows[0].1.properties, r#"{"a":1}"#);
    // Its row was received when the event was, so the minute of the ledger is that of the first receipt.
    assert_eq!(store.kept().rows[0].1.created_at, NOON);
    assert!(store.kept().letters.is_empty());
    // Replayed once more: nothing happens.
    apply(&store, &mut processor, record);
    assert_eq!(totals(&store.kept().verdicts), [(1, "visible".to_owned(), 1)]);
    // A token that nobody knows leaves the letter where it is.
    apply(&store, &mut processor, batch("plain", 0, &[(2, 8, 0)]));
    let lost = store.kept().letters.into_values().next().expect("a letter");
    let foreign = aqueduct_store::DeadLetter { payload: lost.payload.replace("\"plain\"", "\"nobody\"").into(), ..lost.clone() };
    apply(&store, &mut processor, letter::replay(&foreign).expect("a record"));
    assert_eq!(store.kept().letters.into_values().next(), Some(lost));
    assert_eq!(DropReason::ALL.len(), 10, "a new rule needs a case above");
}
