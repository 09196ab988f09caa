//! What makes two queries the same.

use aqueduct_event::ProjectId;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::fmt;

/// Raised when the same query may give another answer because the program changed what it means.
const VERSION: u8 = 1;

/// A query of a project: its object in one order of keys, and what else of the project an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    project: ProjectId,
    hash: [u8; 32],
}

impl Key {
    /// `facts` is everything of the project, beside its rows and definitions, that an answer depends on.
    pub(crate) fn of(project: ProjectId, query: &Json, facts: &Json) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([VERSION]);
        hasher.update(project.0.to_le_bytes());
        digest(unwrapped(query), &mut hasher);
        digest(facts, &mut hasher);
        Self { project, hash: hasher.finalize().into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cache_{}_", self.project.0)?;
        self.hash.iter().take(16).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The query inside wrappers, which say only how to show its answer.
pub(crate) fn unwrapped(query: &Json) -> &Json {
    let mut query = query;
    while let Some("DataTableNode" | "DataVisualizationNode" | "InsightVizNode") = query.get("kind").and_then(Json::as_str) {
        match query.get("source") {
            Some(source) => query = source,
            None => break,
        }
    }
    query
}

/// Each value as a tag, a length where one is needed, and its bytes, so that no two values have the same bytes. Keys of objects in order of text.
fn digest(value: &Json, hasher: &mut Sha256) {
    let mut text = |tag: u8, text: &str| {
        hasher.update([tag]);
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    match value {
        Json::Null => hasher.update([0]),
        Json::Bool(value) => hasher.update([1, u8::from(*value)]),
        Json::Number(number) => text(2, &number.to_string()),
        Json::String(value) => text(3, value),
        Json::Array(items) => {
            hasher.update([4]);
            hasher.update((items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| digest(item, hasher));
        }
        Json::Object(fields) => {
            hasher.update([5]);
            hasher.update((fields.len() as u64).to_le_bytes());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in fields {
                hasher.update((key.len() as u64).to_le_bytes());
                hasher.update(key);
                digest(value, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_and_wrappers_do_not_matter_everything_else_does() {
        let key = |project: u32, query: Json, facts: Json| Key::of(ProjectId(project), &query, &facts);
        let one = key(1, json!({"kind": "TrendsQuery", "a": [1, 2]}), json!("UTC"));
        assert_eq!(one, key(1, json!({"a": [1, 2], "kind": "TrendsQuery"}), json!("UTC")));
        let wrapped = json!({"kind": "InsightVizNode", "source": {"kind": "TrendsQuery", "a": [1, 2]}});
        assert_eq!(one, key(1, wrapped, json!("UTC")));
        for other in [
            key(2, json!({"kind": "TrendsQuery", "a": [1, 2]}), json!("UTC")),
            key(1, json!({"kind": "TrendsQuery", "a": [1, 2]}), json!("Asia/Tokyo")),
            key(1, json!({"kind": "TrendsQuery", "a": [12]}), json!("UTC")),
            key(1, json!({"kind": "TrendsQuery", "a": ["1", "2"]}), json!("UTC")),
            key(1, json!({"kind": "TrendsQuery", "a": [1, 2], "b": null}), json!("UTC")),
        ] {
            assert_ne!(one, other);
        }
        assert!(one.to_string().starts_with("cache_1_") && one.to_string().len() == 40);
    }
}
