//! Admission: which of the events that can be read are taken. Quotas and rate limits belong here too: they reduce a batch, they do not refuse it.

use crate::error::CaptureError;
use crate::v0::Draft;

/// Sent by old browser bundles for each resource of a page; nobody reads it.
const PERFORMANCE_EVENT: &str = "$performance_event";
const AI_EVENTS: [&str; 7] = ["$ai_generation", "$ai_embedding", "$ai_evaluation", "$ai_span", "$ai_trace", "$ai_metric", "$ai_feedback"];

/// Which events a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Any event.
    Any,
    /// Events about language models only; another one refuses the request.
    AiOnly,
}

/// Takes out the events that are dropped by rule, and gives them back.
///
/// # Errors
/// [`CaptureError::NotAi`] when a route for AI events got another one.
pub(crate) fn admit<'a>(events: &mut Vec<Draft<'a>>, admission: Admission) -> Result<Vec<Draft<'a>>, CaptureError> {
    if admission == Admission::AiOnly {
        let names = events.iter().filter_map(|draft| draft.event.as_deref());
        if let Some(other) = names.into_iter().find(|name| !AI_EVENTS.contains(name)) {
            return Err(CaptureError::NotAi { event: other.chars().take(200).collect() });
        }
    }
    Ok(events.extract_if(.., |draft| draft.event.as_deref() == Some(PERFORMANCE_EVENT)).collect())
}

/// Whether an event of this name is dropped by rule.
pub(crate) fn is_dropped(event: &str) -> bool {
    event == PERFORMANCE_EVENT
}
