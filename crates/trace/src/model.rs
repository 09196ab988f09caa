//! The answer to "where is my event?", as the API sends it and the command line reads it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is known of an event, or of the newest events of a distinct id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    /// The project.
    pub project: u32,
    /// What was asked for.
    pub asked: String,
    /// As what it was taken.
    pub asked_by: AskedBy,
    /// `visible`, `in_flight`, `duplicate`, `dropped`, `refused`, `dead_lettered`, `missing` or `never_received`: the best that became of any event found.
    pub verdict: String,
    /// The code of its reason; empty where the verdict says all.
    pub reason: String,
    /// What happened, in plain words.
    pub words: String,
    /// What to do about it.
    pub remedy: String,
    /// The events found, the newest first.
    pub events: Vec<TracedEvent>,
    /// What may explain an event that was not found.
    pub hints: Vec<Hint>,
    /// What was looked at.
    pub searched: Searched,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    /// One event.
    Uuid,
    /// The events of a sender.
    DistinctId,
}

/// One event, or several of one request that had the same fate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TracedEvent {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uuid: Option<Uuid>,
    /// Its name.
    pub event: String,
    /// Who did it, as sent.
    pub distinct_id: String,
    /// When it happened, as it is stored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timestamp: Option<String>,
    /// As in [`Trace`].
    pub verdict: String,
    /// As in [`Trace`].
    pub reason: String,
    /// As in [`Trace`].
    pub words: String,
    /// As in [`Trace`].
    pub remedy: String,
    /// What the words leave open: the answer that the sender got, a value, a rule.
    pub detail: String,
    /// Its request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub received: Option<Received>,
    /// Each stage that it came to, in order.
    pub stages: Vec<Stage>,
    /// Why its time is not what its sender said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time_moved: Option<TimeMoved>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub person: Option<PersonPlace>,
    /// Where its row lies.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stored: Option<StorePlace>,
    /// Where it lies in the journal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub journal: Option<JournalPlace>,
    /// The name of its dead letter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dead_letter: Option<String>,
    /// Ingestion warnings about it, as far as they are kept.
    pub warnings: Vec<EventWarning>,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// When it had arrived.
    pub at: String,
    /// The route; empty when the receipt is not kept any more.
    pub path: String,
    /// Name and version of the SDK as the event or the request tells them.
    pub sdk: String,
    /// `User-Agent`.
    pub agent: String,
    /// Address of the client, cut as configured.
    pub client_address: String,
    /// Events of the request that were accepted.
    pub events: u32,
    /// Events of the request that were left out.
    pub left_out: u32,
    /// The status of the answer; 0 when it is not known.
    pub status: u16,
    /// The begin and the end of the token that it came with.
    pub token: String,
}

/// A stage in the way of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// The HTTP edge.
    Edge,
    /// The journal.
    Journal,
    /// Processing.
    Processing,
    /// The store.
    Store,
}

/// What one stage did with an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stage {
    /// Which.
    pub stage: StageName,
    /// Whether it passed the event on.
    pub passed: bool,
    /// In plain words.
    pub words: String,
}

/// An event has another time than its sender said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimeMoved {
    /// `clock_corrected`, `timestamp_in_future`, `timestamp_unreadable`, `timestamp_out_of_range`, or `receipt_time` when the sample does not say which.
    pub reason: String,
    /// In plain words.
    pub words: String,
    /// What to do about it.
    pub remedy: String,
    /// What the sender said, as far as it is kept.
    pub said: String,
}

/// Whose an event is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PersonPlace {
    /// The person that its row was written with.
    pub id: Uuid,
    /// The person that it was merged into since.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub merged_into: Option<Uuid>,
    /// `full`, `propertyless` or `force_upgrade`.
    pub mode: String,
    /// Whether there is a person, and not only the id that one would have.
    pub exists: bool,
}

/// Where a row lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StorePlace {
    /// File of the segment; empty while the row is in memory.
    pub segment: String,
    /// Rows of the project in that part.
    pub rows: usize,
}

/// Where an event lies in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JournalPlace {
    /// Its record.
    pub position: u64,
    /// The next record to become visible.
    pub processed_upto: u64,
    /// The next record to be written.
    pub end: u64,
}

/// An ingestion warning about an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventWarning {
    /// PostHog's name of the type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was raised.
    pub at: String,
    /// What it says.
    #[schema(value_type = Object)]
    pub details: serde_json::Value,
}

/// What a hint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HintKind {
    /// Requests of this project were refused, dropped or changed in the last hour.
    Remarks,
    /// The same of requests that named no project.
    RemarksWithoutProject,
    /// Tokens that no project has were used lately.
    UnknownToken,
    /// When the project received events last.
    LastReceived,
    /// What was asked for is of a form that no event has.
    NotAnId,
    /// What was looked at was not everything.
    Incomplete,
}

/// Something that may explain why an event was not found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hint {
    /// What it is about.
    pub kind: HintKind,
    /// The code of the reason; empty for none.
    pub reason: String,
    /// In plain words.
    pub words: String,
    /// What to do about it.
    pub remedy: String,
    /// How often.
    pub count: u64,
    /// When last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_at: Option<String>,
    /// One example: what the sender was told, which route, which agent.
    pub example: String,
}

/// What a trace looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Searched {
    /// Parts of the store.
    pub parts: usize,
    /// Rows of them.
    pub rows: usize,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Whether that was everything that could hold the event.
    pub complete: bool,
}
