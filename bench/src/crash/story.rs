//! What a client sends: event after event, each known from its number alone, so that the checker needs no record of them.
//!
//! A client has a few persons who act by turns. Each begins with an anonymous id, is identified by its third event, and is known by name from then on.
//! Every event sets the person property `last` to its own number: the person shows in which order events were processed.

use serde_json::{Value, json};
use uuid::Uuid;

/// Persons of one client.
pub(crate) const PERSONS: u32 = 5;
/// The turn in which a person is identified.
const IDENTIFIED_AT: u32 = 2;
/// Longest filling of an event, bytes.
const FILLING_BYTES_MAX: u64 = 900;

/// The events of one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) client: u32,
}

/// What an event is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uuid: Uuid,
    pub(crate) event: &'static str,
    pub(crate) distinct_id: String,
}

impl Story {
    pub(crate) fn identity(self, number: u32) -> Identity {
        let (person, turn) = (number % PERSONS, number / PERSONS);
        let distinct_id = if turn < IDENTIFIED_AT { self.anonymous(person) } else { self.name(person) };
        let (high, low) = (mix(self.seed ^ u64::from(self.client) << 32 ^ u64::from(number)), mix(u64::from(number) ^ !self.seed));
        let uuid = uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid();
        Identity { uuid, event: if turn == IDENTIFIED_AT { "$identify" } else { "crash_step" }, distinct_id }
    }

    /// The filling of an event, which has to come back as it was sent.
    pub(crate) fn filling(self, number: u32) -> String {
        let word = mix(self.seed.rotate_left(17) ^ u64::from(number) ^ u64::from(self.client));
        let repeats = word % FILLING_BYTES_MAX / 16;
        format!("{word:016x}").repeat(1 + usize::try_from(repeats).unwrap_or(0))
    }

    /// The event as a client sends it.
    pub(crate) fn event(self, number: u32) -> Value {
        let identity = self.identity(number);
        let mut properties = json!({ "client": self.client, "n": number, "filling": self.filling(number), "$set": { "last": number } });
        if identity.event == "$identify" {
            properties["$anon_distinct_id"] = json!(self.anonymous(number % PERSONS));
        }
        json!({ "uuid": identity.uuid, "event": identity.event, "distinct_id": identity.distinct_id, "properties": properties })
    }

    /// The id of a person that is known.
    pub(crate) fn name(self, person: u32) -> String {
        format!("client-{}-person-{person}", self.client)
    }

    fn anonymous(self, person: u32) -> String {
        format!("client-{}-anonymous-{person}", self.client)
    }
}

/// The finaliser of splitmix64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_person_is_anonymous_then_identified_then_known() {
        let story = Story { seed: 1, client: 3 };
        let of_one: Vec<_> = (0..4).map(|turn| story.identity(turn * PERSONS)).collect();
        let ids: Vec<_> = of_one.iter().map(|identity| (identity.event, identity.distinct_id.as_str())).collect();
        assert_eq!(
            ids,
            [
                ("crash_step", "client-3-anonymous-0"),
                ("crash_step", "client-3-anonymous-0"),
                ("$identify", "client-3-person-0"),
                ("crash_step", "client-3-person-0")
            ]
        );
        assert_eq!(story.event(10)["properties"]["$anon_distinct_id"], "client-3-anonymous-0");
    }

    #[test]
    fn no_two_events_share_an_id() {
        let stories = (0..4).flat_map(|client| (0..2_000).map(move |number| Story { seed: 9, client }.identity(number).uuid));
        assert_eq!(stories.collect::<HashSet<_>>().len(), 8_000);
    }
}
