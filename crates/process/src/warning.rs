//! Ingestion warnings: what a sender should know about an event that was not taken as meant (ingestion semantics, section 17).

use aqueduct_event::UnixMicros;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A warning.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// What is wrong.
    pub kind: WarningKind,
    /// When the event was received.
    pub at: UnixMicros,
    /// A JSON object: which event, and whatever helps to find the cause.
    pub details: Value,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $text:literal),* $(,)?) => {
        /// What a warning is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum WarningKind { $($(#[$doc])* $kind),* }

        impl WarningKind {
            /// PostHog's name of the type.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $text),* }
            }
        }
    };
}

kinds! {
    /// An id that many unrelated people share was to be merged.
    CannotMergeWithIllegalDistinctId = "cannot_merge_with_illegal_distinct_id",
    /// A person that was identified before was to be merged away.
    CannotMergeAlreadyIdentified = "cannot_merge_already_identified",
    /// Properties of a person grew too large; the change was refused.
    PersonPropertiesSizeViolation = "person_properties_size_violation",
    /// Properties of a group grew too large; the change was refused.
    GroupUpsertMessageSizeTooLarge = "group_upsert_message_size_too_large",
    /// The key of a group is too long; the event was dropped.
    GroupKeyTooLong = "group_key_too_long",
    /// An SDK reported a problem of its own.
    ClientIngestionWarning = "client_ingestion_warning",
    /// The time inside the event's id is far from the event's time.
    EventUuidTimestampDivergent = "event_uuid_timestamp_divergent",
    /// The event is older than the project takes.
    EventDroppedTooOld = "event_dropped_too_old",
    /// `$process_person_profile` is neither true nor false.
    InvalidProcessPersonProfile = "invalid_process_person_profile",
    /// An event about persons or groups was sent with `$process_person_profile` false; it was dropped.
    InvalidEventWhenProcessPersonProfileIsFalse = "invalid_event_when_process_person_profile_is_false",
    /// Cookieless: no `$raw_user_agent`.
    CookielessMissingUserAgent = "cookieless_missing_user_agent",
    /// Cookieless: no `$ip`.
    CookielessMissingIp = "cookieless_missing_ip",
    /// Cookieless: no `$host`.
    CookielessMissingHost = "cookieless_missing_host",
    /// Cookieless: the event's day is over everywhere, or has begun nowhere.
    CookielessTimestampOutOfRange = "cookieless_timestamp_out_of_range",
    /// Heatmap data is not of its form.
    InvalidHeatmapData = "invalid_heatmap_data",
    /// Heatmap data of a page without an address.
    RejectingHeatmapDataWithInvalidUrl = "rejecting_heatmap_data_with_invalid_url",
    /// Heatmap data of a page that is no list.
    RejectingHeatmapDataWithInvalidItems = "rejecting_heatmap_data_with_invalid_items",
    /// A count of tokens is no number; it was stored as `null`.
    InvalidAiTokenProperty = "invalid_ai_token_property",
}

impl Warning {
    /// A warning about an event; `more` are further details, an object.
    pub(crate) fn about(kind: WarningKind, at: UnixMicros, subject: &Subject<'_>, more: Value) -> Self {
        let mut details = Map::new();
        details.insert("eventUuid".to_owned(), json!(subject.uuid));
        details.insert("event".to_owned(), json!(subject.event));
        details.insert("distinctId".to_owned(), json!(subject.distinct_id));
        if let Value::Object(more) = more {
            details.extend(more);
        }
        Self { kind, at, details: Value::Object(details) }
    }
}

/// Which event is being processed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) uuid: Uuid,
    pub(crate) event: &'a str,
    pub(crate) distinct_id: &'a str,
    pub(crate) timestamp: UnixMicros,
}
