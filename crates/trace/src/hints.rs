//! What may explain an event that was not found.

use crate::model::{Hint, HintKind};
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_ledger::recorder::{Recorder, Remark, What};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far back hints look.
const HOUR_MICROS: i64 = 3_600_000_000;
/// Hints of one kind.
const OF_A_KIND_MAX: usize = 8;

/// Hints for an event of `project` that was never received, as far as can be told.
pub(crate) fn never_received(recorder: &Recorder, project: ProjectId, now: UnixMicros) -> Vec<Hint> {
    let since = UnixMicros(now.0.saturating_sub(HOUR_MICROS));
    let mut hints = remarks(recorder, project, since, HintKind::Remarks);
    hints.extend(remarks(recorder, ProjectId(0), since, HintKind::RemarksWithoutProject));
    hints.extend(recorder.unknown_tokens(since).into_iter().take(OF_A_KIND_MAX).map(|unknown| Hint {
        kind: HintKind::UnknownToken,
        reason: "unknown_token".to_owned(),
        words: format!("Requests came with the token {}, which no project has.", unknown.token),
        remedy: "Compare the token in the application with the project's settings.".to_owned(),
        count: unknown.requests,
        last_at: Some(unknown.last_at.to_rfc3339()),
        example: unknown.agent,
    }));
    hints.push(last_received(recorder.last_received(project)));
    hints
}

fn last_received(at: Option<UnixMicros>) -> Hint {
    let words = match at {
        Some(at) => format!("The project received events last at {}.", at.to_rfc3339()),
        None => "The project has received nothing since the server was started.".to_owned(),
    };
    let remedy = "If that is before the event: check host and token of the SDK, that it flushes before the process ends, and content blockers in the browser.";
    let (last_at, count) = (at.map(UnixMicros::to_rfc3339), u64::from(at.is_some()));
    Hint { kind: HintKind::LastReceived, reason: String::new(), words, remedy: remedy.to_owned(), count, last_at, example: String::new() }
}

/// Remarks of the last hour by reason, the most frequent first.
fn remarks(recorder: &Recorder, project: ProjectId, since: UnixMicros, kind: HintKind) -> Vec<Hint> {
    let mut by_reason: BTreeMap<What, (u64, Arc<Remark>)> = BTreeMap::new();
    for remark in recorder.remarks_of(project, |remark| remark.at >= since) {
        by_reason.entry(remark.what).or_insert_with(|| (0, Arc::clone(&remark))).0 += 1;
    }
    let mut hints: Vec<Hint> = by_reason.into_values().map(|(count, newest)| hint(kind, count, &newest)).collect();
    hints.sort_by_key(|hint| std::cmp::Reverse(hint.count));
    hints.truncate(OF_A_KIND_MAX);
    hints
}

fn hint(kind: HintKind, count: u64, newest: &Remark) -> Hint {
    let facts = [&newest.detail, &newest.path, &newest.agent, &newest.client_address, &newest.token];
    Hint {
        kind,
        reason: newest.what.code().to_owned(),
        words: newest.what.words().to_owned(),
        remedy: newest.what.remedy().to_owned(),
        count,
        last_at: Some(newest.at.to_rfc3339()),
        example: facts.into_iter().filter(|fact| !fact.is_empty()).cloned().collect::<Vec<_>>().join(" · "),
    }
}
