//! Payloads go there and back.

use super::*;
use aqueduct_event::{JournalPosition, PartitionId};

fn letter(payload: String, events: u32) -> DeadLetter {
    let id = LetterId { partition: PartitionId(0), position: JournalPosition(4), index: 1 };
    DeadLetter { payload: payload.into(), events, received_at: UnixMicros(9_000_000), ..of_record(id, b"", "") }
}

fn event<'a>(properties: &'a str, set: &'a str) -> RawEvent<'a> {
    RawEvent {
        uuid: Uuid::from_u128(3),
        timestamp: UnixMicros(1_700_000_000_123_456),
        event: "pay \"now\"",
        distinct_id: "ann",
        cookieless: true,
        properties,
        set,
        set_once: "",
        unset: r#"["a"]"#,
    }
}

fn batch<'a>(events: Vec<RawEvent<'a>>) -> RawBatch<'a> {
    RawBatch {
        token: "phc_x",
        received_at: UnixMicros(9_000_000),
        sent_at: Some(UnixMicros(8_500_000)),
        historical: true,
        client_ip: "10.0.0.1",
        user_agent: "sdk/1 ü",
        path: "/batch",
        events,
    }
}

#[test]
fn nothing_is_lost_on_the_way() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(400), "]".repeat(400));
    for properties in [r#"{"a": 1.0,"b":[ ]}"#, "", "{\"a\":", "[]", "null ", "\"text\"", "x", &deep] {
        let sent = batch(vec![event(properties, r#"{"x":"{"#)]);
        let replayed = replay(&letter(payload(&sent, &sent.events), 1)).expect(properties);
        let Ok(Record::Replay(again)) = Record::decode(&replayed) else { panic!("a replay") };
        assert_eq!(again.batch.events[0].properties.trim(), properties.trim(), "{properties}");
        let rest =
            |batch: &RawBatch<'_>| batch.events.iter().map(|event| (event.set.to_owned(), event.timestamp, event.uuid)).collect::<Vec<_>>();
        assert_eq!(rest(&again.batch), rest(&sent));
        assert_eq!((again.batch.sent_at, again.batch.historical, again.batch.user_agent), (sent.sent_at, true, "sdk/1 ü"));
        assert_eq!(again.letter.to_string(), "0-4-1");
    }
}

#[test]
fn a_record_comes_back_as_it_was() {
    let bytes = batch(vec![event("{}", ""), event("{}", "")]).encode();
    let kept = of_record(letter(String::new(), 1).id, &bytes, "why");
    assert_eq!((kept.events, kept.received_at, kept.project), (2, UnixMicros(9_000_000), ProjectId(0)));
    let replayed = replay(&kept).expect("it can be read by now");
    assert!(replayed.ends_with(&bytes));
    let garbage = of_record(kept.id, b"\x07garbage", "why");
    assert_eq!(garbage.events, 1);
    assert!(matches!(replay(&garbage), Err(LetterError::Unreadable(_))));
}

#[test]
fn what_cannot_be_a_record_is_named() {
    let sent = batch(vec![event("{}", "")]);
    let good = payload(&sent, &sent.events);
    let wrong = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} in {good}");
        replay(&letter(good.replace(from, to), 1)).expect_err("wrong").to_string()
    };
    assert!(wrong("\"ann\"", "\"\"").starts_with("distinct_id: found \"\""));
    assert!(wrong("\"phc_x\"", "\" \"").starts_with("token: found"));
    assert!(wrong("2023-11-14", "yesterday").starts_with("timestamp: found"));
    assert!(wrong("\"cookieless\"", "\"cookyless\"").contains("unknown field"));
    assert_eq!(
        replay(&letter(good.clone(), 2)).expect_err("one event").to_string(),
        "found 1 events, expected 2: a letter is replayed as many events as it stands for"
    );
    assert_eq!(token_of(&replay(&letter(good, 1)).expect("a record")).as_deref(), Some("phc_x"));
    assert_eq!(token_of(b"none"), None);
}
