//! Properties with a form of their own: heatmap data, and token counts of language models (ingestion semantics, sections 11 and 17).
//!
//! In: an event's draft. Out: the draft without heatmap data, which is not kept, and without token counts that are no numbers; and what its sender should know.

use crate::draft::Draft;
use crate::json::{self, Value, members};
use crate::keys::{Keys, Name};
use crate::warning::WarningKind;
use serde_json::{Value as Json, json};
use std::borrow::Cow;

const AI_EVENTS: [&str; 7] = ["$ai_generation", "$ai_embedding", "$ai_evaluation", "$ai_span", "$ai_trace", "$ai_metric", "$ai_feedback"];
const TOKEN_COUNTS: [&str; 5] =
    ["$ai_input_tokens", "$ai_output_tokens", "$ai_reasoning_tokens", "$ai_cache_read_input_tokens", "$ai_cache_creation_input_tokens"];
/// Pages of one event's heatmap data that are warned of.
const PAGES_TOLD_MAX: usize = 10;

/// A warning and its details.
type Fault = (WarningKind, Json);

/// Takes heatmap data out, and tells what is wrong with it.
pub(crate) fn take_heatmap(draft: &mut Draft<'_>) -> Vec<Fault> {
    let Some(data) = draft.get(Name::HeatmapData) else { return Vec::new() };
    let mut faults = Vec::new();
    if json::is_object(data.raw) {
        let session = draft.text(Name::SessionId);
        for page in members(data.raw).map_while(Result::ok) {
            let about = json!({"heatmapUrl": page.key, "session_id": session});
            if page.key.trim().is_empty() {
                faults.push((WarningKind::RejectingHeatmapDataWithInvalidUrl, about));
            } else if !page.raw.starts_with('[') {
                faults.push((WarningKind::RejectingHeatmapDataWithInvalidItems, about));
            }
        }
        faults.truncate(PAGES_TOLD_MAX);
    } else if data.raw != "null" {
        faults.push((WarningKind::InvalidHeatmapData, json!({})));
    }
    draft.remove(Name::HeatmapData);
    faults
}

/// Makes `null` of token counts that are no numbers, so that sums over them stay right. Some SDKs send an object with the sum as `total`.
pub(crate) fn check_token_counts(draft: &mut Draft<'_>, keys: &Keys, event: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !event.starts_with("$ai_") || !AI_EVENTS.contains(&event) {
        return faults;
    }
    for key in TOKEN_COUNTS {
        let Some(value) = draft.iter().find(|property| property.key == key).map(|property| property.value.clone()) else { continue };
        match count_of(&value) {
            Count::Good => {}
            Count::Total(total) => draft.set(keys, key, total, ""),
            Count::Bad => {
                let kind = match value {
                    Value::Str(_) => "string",
                    Value::Bool(_) => "boolean",
                    _ => "object",
                };
                let shown: String = value.to_text().chars().take(100).collect();
                faults.push((WarningKind::InvalidAiTokenProperty, json!({"property": key, "value": shown, "valueType": kind})));
                draft.set(keys, key, Value::Json(Cow::Borrowed("null")), "null");
            }
        }
    }
    faults
}

enum Count {
    Good,
    /// What stands there instead.
    Total(Value<'static>),
    Bad,
}

fn count_of(value: &Value<'_>) -> Count {
    match value {
        Value::Int(_) | Value::Float(_) => Count::Good,
        Value::Str(text) if text.is_empty() || text.trim().parse::<f64>().is_ok_and(f64::is_finite) => Count::Good,
        Value::Json(raw) if raw == "null" => Count::Good,
        Value::Json(raw) => match serde_json::from_str::<Json>(raw).ok().and_then(|object| object.get("total").cloned()) {
            Some(Json::Number(total)) => match (total.as_i64(), total.as_f64()) {
                (Some(total), _) => Count::Total(Value::Int(total)),
                (None, Some(total)) => Count::Total(Value::Float(total)),
                (None, None) => Count::Bad,
            },
            _ => Count::Bad,
        },
        Value::Str(_) | Value::Bool(_) => Count::Bad,
    }
}
