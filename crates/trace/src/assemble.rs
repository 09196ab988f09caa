//! From what was found to the answer, in plain words.

use crate::model::{
    AskedBy, EventWarning, Hint, HintKind, JournalPlace, PersonPlace, Received, Searched, Stage, StageName, StorePlace, TimeMoved, Trace,
    TracedEvent,
};
use crate::rows::Row;
use crate::tracer::{Raw, Wanted};
use aqueduct_event::LetterId;
use aqueduct_event::distinct_id::is_illegal;
use aqueduct_event::{PartitionId, PersonId, UnixMicros, Verdict};
use aqueduct_ledger::recorder::{Receipt, Remark, What};
use aqueduct_store::{Fate, PartPlace};
use serde_json::Value;
use std::sync::Arc;

/// A clock that is off by less is not worth a word.
const SKEW_TOLD_MICROS: i64 = 1_000_000;

/// Verdicts from the best to the worst; the best that became of any event found is the answer's.
const ORDER: [&str; 7] = ["visible", "in_flight", "duplicate", "dead_lettered", "dropped", "missing", "refused"];

/// The whole answer.
pub(crate) fn answer(
    wanted: Wanted<'_>,
    mut events: Vec<TracedEvent>,
    mut hints: Vec<Hint>,
    searched: Searched,
    events_max: usize,
) -> Trace {
    events.truncate(events_max);
    let asked_by = if wanted.uuid.is_some() { AskedBy::Uuid } else { AskedBy::DistinctId };
    if !searched.complete {
        hints.push(incomplete());
    }
    let best = events.iter().min_by_key(|event| ORDER.iter().position(|verdict| *verdict == event.verdict).unwrap_or(ORDER.len()));
    let (verdict, reason, words, remedy) = match best {
        Some(best) => (best.verdict.clone(), best.reason.clone(), best.words.clone(), best.remedy.clone()),
        None => never_received(&hints),
    };
    let (project, asked) = (wanted.project.0, wanted.text.to_owned());
    Trace { project, asked, asked_by, verdict, reason, words, remedy, events, hints, searched }
}

fn never_received(hints: &[Hint]) -> (String, String, String, String) {
    let words = "Nothing like it was received: it is not stored, not on its way, and not among the refusals that are kept.";
    let is_remark = |hint: &&Hint| matches!(hint.kind, HintKind::Remarks | HintKind::RemarksWithoutProject | HintKind::UnknownToken);
    let remedy = if hints.iter().any(|hint| is_remark(&hint)) {
        "Look at the hints: requests that could not be read, or that came with a wrong token, may have held it."
    } else {
        "Look whether the SDK sent it: host, token, a flush before the process ended, content blockers, sampling and opt-out."
    };
    ("never_received".to_owned(), String::new(), words.to_owned(), remedy.to_owned())
}

fn incomplete() -> Hint {
    Hint {
        kind: HintKind::Incomplete,
        reason: String::new(),
        words: "Not everything could be looked at within the limits of time and bytes.".to_owned(),
        remedy: "Ask again with the uuid of the event, or when the server has less to catch up on.".to_owned(),
        count: 1,
        last_at: None,
        example: String::new(),
    }
}

/// A request from its receipt.
pub(crate) fn received(receipt: &Receipt) -> Received {
    Received {
        at: receipt.received_at.to_rfc3339(),
        path: receipt.path.to_string(),
        sdk: String::new(),
        agent: receipt.agent.to_string(),
        client_address: receipt.client_address.to_string(),
        events: receipt.events,
        left_out: receipt.left_out,
        status: 200,
        token: String::new(),
    }
}

fn stage(stage: StageName, passed: bool, words: impl Into<String>) -> Stage {
    Stage { stage, passed, words: words.into() }
}

fn accepted(received: Option<&Received>) -> Vec<Stage> {
    let at = received.map_or_else(String::new, |received| format!(" at {}", received.at));
    vec![stage(StageName::Edge, true, format!("accepted{at}")), stage(StageName::Journal, true, "durable before the sender was told so")]
}

/// An event that has a row.
pub(crate) fn visible(row: &Row, received: Option<Received>, merged_into: Option<PersonId>, exists: bool) -> TracedEvent {
    let stored = match &row.place {
        PartPlace::Memory => StorePlace { segment: String::new(), rows: row.part_rows },
        PartPlace::Segment { file } => StorePlace { segment: file.clone(), rows: row.part_rows },
    };
    let mode = ["full", "propertyless", "force_upgrade"].get(usize::from(row.person_mode)).copied().unwrap_or("unknown");
    let mut stages = accepted(received.as_ref());
    stages.push(stage(StageName::Processing, true, format!("given to person {}", row.person)));
    stages.push(stage(
        StageName::Store,
        true,
        match &row.place {
            PartPlace::Memory => "visible, in memory (durable in the journal until it is written to a segment)".to_owned(),
            PartPlace::Segment { file } => format!("visible, in segment {file}"),
        },
    ));
    let mut words = Verdict::Visible.words().to_owned();
    if let Some(into) = merged_into {
        words.push_str(&format!(" Its person was merged into {into} since."));
    }
    let received = received.map(|received| Received { sdk: sdk_of(&row.properties, &received.agent), ..received });
    TracedEvent {
        uuid: Some(row.uuid),
        event: row.event.clone(),
        distinct_id: row.distinct_id.clone(),
        timestamp: Some(row.timestamp.to_rfc3339()),
        verdict: Verdict::Visible.kind().to_owned(),
        words,
        remedy: Verdict::Visible.remedy().to_owned(),
        received,
        stages,
        person: Some(PersonPlace { id: row.person, merged_into, mode: mode.to_owned(), exists }),
        stored: Some(stored),
        ..TracedEvent::default()
    }
}

/// An event that was processed and has no row.
pub(crate) fn without_row(fate: &Fate, received: Option<Received>) -> TracedEvent {
    let mut stages = accepted(received.as_ref());
    stages.push(stage(StageName::Processing, false, fate.verdict.words()));
    let dead_letter = matches!(fate.verdict, Verdict::DeadLettered(_))
        .then(|| LetterId { partition: PartitionId(0), position: fate.position, index: fate.index }.to_string());
    let received = received.map(|received| Received { sdk: received.agent.clone(), ..received });
    TracedEvent {
        uuid: Some(fate.uuid),
        event: fate.event.to_string(),
        distinct_id: fate.distinct_id.to_string(),
        verdict: fate.verdict.kind().to_owned(),
        reason: fate.verdict.reason().to_owned(),
        words: fate.verdict.words().to_owned(),
        remedy: fate.verdict.remedy().to_owned(),
        detail: fate.detail.to_string(),
        received,
        stages,
        dead_letter,
        ..TracedEvent::default()
    }
}

/// An event that is durable and not processed yet.
pub(crate) fn in_flight(raw: &Raw, received: Received, place: JournalPlace) -> TracedEvent {
    let mut stages = accepted(Some(&received));
    let behind = place.position.saturating_sub(place.processed_upto);
    stages.push(stage(StageName::Processing, false, format!("waits behind {behind} records")));
    let (words, remedy) = if raw.project.is_some() {
        (
            "The event is durable and waits to be processed.",
            "Wait a moment. If it lasts, look at the server's log and at the metric aqueduct_process_lag_records.",
        )
    } else {
        (
            "The event is durable and waits to be processed; no project has its token, so it will be dropped.",
            "Compare the token in the application with the project's settings.",
        )
    };
    TracedEvent {
        verdict: "in_flight".to_owned(),
        words: words.to_owned(),
        remedy: remedy.to_owned(),
        stages,
        journal: Some(place),
        ..of_raw(raw, received)
    }
}

/// An event of a processed record of which neither a row nor a fate is known.
pub(crate) fn missing(raw: &Raw, received: Option<Received>) -> TracedEvent {
    let mut stages = accepted(received.as_ref());
    stages.push(stage(StageName::Processing, true, format!("processed: its record at position {} lies behind", raw.position)));
    stages.push(stage(StageName::Store, false, "neither a row nor a verdict is known"));
    TracedEvent {
        verdict: "missing".to_owned(),
        words: "The event was accepted and processed, and neither its row nor a verdict over it is known any more.".to_owned(),
        remedy: "Run `aqueduct audit`. Verdicts over events without a row are forgotten at last (store.fates_max); a missing row is a fault to report.".to_owned(),
        stages,
        ..of_raw(raw, received.unwrap_or_default())
    }
}

fn of_raw(raw: &Raw, received: Received) -> TracedEvent {
    TracedEvent {
        uuid: Some(raw.uuid),
        event: raw.event.clone(),
        distinct_id: raw.distinct_id.clone(),
        timestamp: Some(raw.timestamp.to_rfc3339()),
        received: Some(Received { sdk: sdk_of(&raw.properties, &received.agent), ..received }),
        ..TracedEvent::default()
    }
}

/// Adds what the edge refused or dropped.
pub(crate) fn add_remarks(events: &mut Vec<TracedEvent>, remarks: &[Arc<Remark>], wanted: Wanted<'_>) {
    for remark in remarks {
        let What::Verdict(verdict) = remark.what else { continue };
        let only = |list: &[String]| if list.len() == 1 { list[0].clone() } else { String::new() };
        let received = Received {
            at: remark.at.to_rfc3339(),
            path: remark.path.clone(),
            sdk: remark.agent.clone(),
            agent: remark.agent.clone(),
            client_address: remark.client_address.clone(),
            events: 0,
            left_out: 0,
            status: remark.status,
            token: remark.token.clone(),
        };
        let words = match remark.status {
            0 => format!("{} (the other events of its request were accepted)", verdict.words().trim_end_matches('.')),
            status => format!("answered {status}: {}", remark.detail),
        };
        events.push(TracedEvent {
            uuid: wanted.uuid.or_else(|| Some(&remark.uuids).filter(|ids| ids.len() == 1).map(|ids| ids[0])),
            event: only(&remark.events),
            distinct_id: if wanted.uuid.is_none() { wanted.text.to_owned() } else { only(&remark.distinct_ids) },
            verdict: verdict.kind().to_owned(),
            reason: verdict.reason().to_owned(),
            words: verdict.words().to_owned(),
            remedy: verdict.remedy().to_owned(),
            detail: remark.detail.clone(),
            received: Some(received),
            stages: vec![stage(StageName::Edge, false, words)],
            ..TracedEvent::default()
        });
    }
}

/// Puts the warnings about each event into it.
pub(crate) fn add_warnings(events: &mut [TracedEvent], warnings: &[EventWarning]) {
    for event in events {
        let Some(uuid) = event.uuid.map(|uuid| uuid.to_string()) else { continue };
        let about = warnings.iter().filter(|warning| warning.details.get("eventUuid").and_then(Value::as_str) == Some(&uuid));
        event.warnings = about.cloned().collect();
    }
}

/// Why an event has not the time that its sender said, as the edge noted it.
pub(crate) fn time_moved_by_edge(remarks: &[Arc<Remark>]) -> Option<TimeMoved> {
    let remark = remarks.iter().find(|remark| matches!(remark.what, What::Moved(_)))?;
    let (words, remedy) = (remark.what.words().to_owned(), remark.what.remedy().to_owned());
    Some(TimeMoved { reason: remark.what.code().to_owned(), words, remedy, said: remark.detail.clone() })
}

/// Why an event has not the time that its sender said: from the sample of the edge, else from what the row tells.
pub(crate) fn time_moved(timestamp: UnixMicros, received_at: UnixMicros, properties: &str, remarks: &[Arc<Remark>]) -> Option<TimeMoved> {
    if let Some(told) = time_moved_by_edge(remarks) {
        return Some(told);
    }
    if timestamp == received_at {
        return Some(TimeMoved {
            reason: "receipt_time".to_owned(),
            words: "The event has the time of its receipt: its sender said none, or one that could not be taken.".to_owned(),
            remedy: "Send timestamp as ISO 8601 if the event happened at another time.".to_owned(),
            said: String::new(),
        });
    }
    let properties: Value = serde_json::from_str(properties).ok()?;
    let sent_at = properties.get("$sent_at").and_then(Value::as_str).and_then(aqueduct_event::timestamp::parse)?;
    let skew = sent_at.0.saturating_sub(received_at.0);
    let is_ignored = properties.get("$ignore_sent_at") == Some(&Value::Bool(true));
    if skew.abs() < SKEW_TOLD_MICROS || is_ignored {
        return None;
    }
    let (seconds, way) = (skew.unsigned_abs() / 1_000_000, if skew > 0 { "ahead" } else { "behind" });
    Some(TimeMoved {
        reason: "clock_corrected".to_owned(),
        words: format!("The sender's clock was {seconds} s {way} when it sent the event, so the time was corrected by as much."),
        remedy: "Nothing, or set the clock of the device. Requests that took long to arrive look like a clock behind.".to_owned(),
        said: UnixMicros(timestamp.0.saturating_add(skew)).to_rfc3339(),
    })
}

/// The other id that an event wants to be merged with.
pub(crate) fn other_id_of(row: &Row) -> Option<String> {
    let key = match row.event.as_str() {
        "$identify" => "$anon_distinct_id",
        "$create_alias" | "$merge_dangerously" => "alias",
        _ => return None,
    };
    let properties: Value = serde_json::from_str(&row.properties).ok()?;
    properties.get(key).and_then(Value::as_str).filter(|other| *other != row.distinct_id).map(str::to_owned)
}

/// Says when a merge that an event asked for was refused. `other` is the other id and its present person.
pub(crate) fn tell_merge(event: &mut TracedEvent, row: &Row, other: Option<(String, Option<PersonId>)>, person: PersonId) {
    let Some((other, owner)) = other else { return };
    let illegal = [&row.distinct_id, &other].into_iter().find(|id| is_illegal(id));
    let (reason, words, remedy) = if let Some(illegal) = illegal {
        (
            "cannot_merge_with_illegal_distinct_id",
            format!(" The merge that it asked for was refused: {illegal:?} is an id that unrelated people share."),
            "Send the id of who did it: look for code that identifies before the id is known.",
        )
    } else if owner.is_some_and(|owner| owner != person) {
        (
            "cannot_merge_already_identified",
            format!(" The merge that it asked for was refused: {other:?} was identified as another person before."),
            "Call reset() when a user signs out; use $merge_dangerously only when both are one person.",
        )
    } else {
        return;
    };
    event.reason = reason.to_owned();
    event.words.push_str(&words);
    event.remedy = remedy.to_owned();
    event.detail = format!("{other} → {}", row.distinct_id);
}

/// Name and version of the SDK: as the event tells, else as the request does.
fn sdk_of(properties: &str, agent: &str) -> String {
    let properties: Value = serde_json::from_str(properties).unwrap_or_default();
    let text = |key: &str| properties.get(key).and_then(Value::as_str);
    match (text("$lib"), text("$lib_version")) {
        (Some(name), Some(version)) => format!("{name}/{version}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_were_corrected_are_told() {
        let at = UnixMicros(1_700_000_000_000_000);
        let moved = |timestamp: i64, properties: &str| {
            let moved = time_moved(UnixMicros(at.0 + timestamp), at, properties, &[]);
            moved.map(|moved| (moved.reason, moved.said))
        };
        let sent = |seconds: i64| format!(r#"{{"$sent_at":"{}"}}"#, UnixMicros(at.0 + seconds * 1_000_000).to_rfc3339());
        assert_eq!(moved(-5, "{}"), None);
        assert_eq!(moved(-5_000_000, &sent(0)), None);
        let said = Some(("clock_corrected".to_owned(), "2023-11-14T22:14:15.000000Z".to_owned()));
        assert_eq!(moved(-5_000_000, &sent(60)), said);
        assert_eq!(moved(0, &sent(60)).map(|(reason, _)| reason), Some("receipt_time".to_owned()));
        assert_eq!(moved(-5, &sent(60).replace('{', r#"{"$ignore_sent_at":true,"#)), None);
    }

    #[test]
    fn sdks_are_named_by_the_event_first() {
        assert_eq!(sdk_of(r#"{"$lib":"web","$lib_version":"1.2"}"#, "Mozilla/5.0"), "web/1.2");
        assert_eq!(sdk_of("{}", "posthog-python/7"), "posthog-python/7");
    }
}
