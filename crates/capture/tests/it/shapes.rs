//! The shapes of a request, and that nothing unknown in them is an error.

use crate::support::{Edge, TOKEN, batch, event, post};
use aqueduct_event::RawBatch;

async fn kept<T>(path: &str, body: String, look: impl FnOnce(RawBatch<'_>) -> T) -> T {
    Edge::new().accepted(post(path, &[], body), look).await
}

fn names(batch: RawBatch<'_>) -> Vec<String> {
    batch.events.iter().map(|event| event.event.to_owned()).collect()
}

#[tokio::test]
async fn array_batch_and_single_event_on_every_route() {
    let one = format!(r#"{{"event":"e","distinct_id":"ann","token":"{TOKEN}"}}"#);
    for path in ["/e/", "/i/v0/e/", "/capture/", "/track/", "/engage/", "/batch/"] {
        for body in [one.clone(), format!("[{one}]"), format!("  [ {one} ]\n"), batch(&[&event("")])] {
            assert_eq!(kept(path, body.clone(), names).await, ["e"], "{path} {body}");
        }
    }
}

#[tokio::test]
async fn order_is_kept() {
    let events: Vec<String> = (0..300).map(|n| format!(r#"{{"event":"e{n}","distinct_id":"ann"}}"#)).collect();
    let body = batch(&events.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(kept("/batch/", body, names).await, (0..300).map(|n| format!("e{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn fields_of_a_batch_may_come_in_any_order() {
    let body = format!(r#"{{"batch":[{}],"sent_at":"2023-11-14T22:13:20Z","historical_migration":true,"api_key":"{TOKEN}"}}"#, event(""));
    let found = kept("/batch/", body, |batch| (batch.token.to_owned(), batch.historical, batch.sent_at.is_some())).await;
    assert_eq!(found, (TOKEN.to_owned(), true, true));
}

#[tokio::test]
async fn engage_is_identify() {
    let body = format!(r#"{{"$token":"{TOKEN}","$distinct_id":"ann","$set":{{"a":1}}}}"#);
    let found = kept("/engage/", body.clone(), |batch| (batch.events[0].event.to_owned(), batch.events[0].set.to_owned())).await;
    assert_eq!(found, ("$identify".to_owned(), r#"{"a":1}"#.to_owned()));
    assert_eq!(kept("/engage", format!("[{body}]"), names).await, ["$identify"]);
    assert_eq!(Edge::new().post("/e/", body).await.status, http::StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn unknown_fields_and_odd_types_are_no_error() {
    let odd = [
        r#","type":"capture","library":"posthog-node","library_version":"5","messageId":"x","context":{"a":[1]},"send_feature_flags":false"#,
        r#","properties":null,"$set":null,"$set_once":null,"$unset":null,"uuid":null,"timestamp":null,"offset":null"#,
        r#","uuid":"","timestamp":"","offset":"x","$unset":"x","token":null,"api_key":7"#,
        r#","offset":1.5,"timestamp":{}"#,
        r#","batch":"x","sent_at":5,"historical_migration":"x""#,
    ];
    for more in odd {
        let found =
            kept("/batch/", batch(&[&event(more)]), |batch| (batch.events[0].properties.to_owned(), batch.events[0].unset.to_owned()))
                .await;
        assert_eq!(found, (String::new(), String::new()), "{more}");
    }
}

#[tokio::test]
async fn the_last_of_two_equal_fields_wins() {
    let found = kept("/batch/", batch(&[&event(r#","event":"f","properties":{"a":1},"properties":{"a":2}"#)]), |batch| {
        (batch.events[0].event.to_owned(), batch.events[0].properties.to_owned())
    });
    assert_eq!(found.await, ("f".to_owned(), r#"{"a":2}"#.to_owned()));
}

#[tokio::test]
async fn properties_stay_as_they_were_sent() {
    for properties in [
        "{}",
        r#"{ "a" : 1.50 , "b":[1,2 , {"c":null}] }"#,
        r#"{"big":123456789012345678901234567890,"tiny":1e-400,"neg":-0}"#,
        r#"{"nul":"a\u0000b","emoji":"\ud83d\ude00","slash":"\/","é":"日本"}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"token":"x","distinct_id":"y","$set":{"z":1},"$cookieless_mode":false}"#,
    ] {
        let body = batch(&[&event(&format!(r#","properties":{properties}"#))]);
        assert_eq!(kept("/batch/", body, |batch| batch.events[0].properties.to_owned()).await, properties);
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_becomes_a_replacement_character() {
    let body = batch(&[&event(r#","properties":{"a":"x\ud83dy","b":"\udc00","c":"\\ud83d","d":"\ud83d\ude00"}"#)]);
    let kept = kept("/batch/", body, |batch| batch.events[0].properties.to_owned()).await;
    assert_eq!(kept, r#"{"a":"x\ufffdy","b":"\ufffd","c":"\\ud83d","d":"\ud83d\ude00"}"#);
    serde_json::from_str::<serde_json::Value>(&kept).expect("every reader takes it");
}

#[tokio::test]
async fn event_names_are_coerced_cleaned_and_cut() {
    for (name, expected) in
        [("7", "7".to_owned()), (r#""a\u0000b""#, "a\u{fffd}b".to_owned()), (&format!("\"{}\"", "é".repeat(300)), "é".repeat(200))]
    {
        assert_eq!(kept("/batch/", batch(&[&format!(r#"{{"event":{name},"distinct_id":"ann"}}"#)]), names).await, [expected]);
    }
}

#[tokio::test]
async fn uuids_are_kept_or_made() {
    let given = kept("/batch/", batch(&[&event(r#","uuid":"018F0000-0000-7000-8000-00000000000A""#)]), |batch| batch.events[0].uuid).await;
    assert_eq!(given.to_string(), "018f0000-0000-7000-8000-00000000000a");
    let made = kept("/batch/", batch(&[&event(""), &event("")]), |batch| [batch.events[0].uuid, batch.events[1].uuid]).await;
    assert_ne!(made[0], made[1]);
    for uuid in made {
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.get_timestamp().map(|time| time.to_unix().0), Some(1_700_000_000), "made at the time of receipt");
    }
}

#[tokio::test]
async fn cookieless_mode_is_marked() {
    for (value, expected) in [("true", true), ("false", false)] {
        let body = batch(&[&event(&format!(r#","properties":{{"$cookieless_mode":{value}}}"#))]);
        assert_eq!(kept("/batch/", body, |batch| batch.events[0].cookieless).await, expected);
    }
}
