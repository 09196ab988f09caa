//! An answer as PostHog's clients read it: the fields of its kind, and those about the cache.

use crate::jobs::QueryStatus;
use crate::routes::iso;
use aqueduct_query::Answer;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::sync::Arc;

/// An answer, and the query in the background that will replace it, if any.
#[derive(Clone, Debug)]
pub(crate) struct AnswerBody {
    answer: Answer,
    timezone: Arc<str>,
    status: Option<Box<QueryStatus>>,
}

/// Written here, whatever the kind's own fields say.
const OURS: [&str; 7] =
    ["is_cached", "last_refresh", "next_allowed_client_refresh", "cache_target_age", "cache_key", "timezone", "query_status"];

impl AnswerBody {
    pub(crate) fn new(answer: Answer, timezone: &str) -> Self {
        Self { answer, timezone: timezone.into(), status: None }
    }

    /// The same, with the query that computes a newer one.
    pub(crate) fn with_status(self, status: QueryStatus) -> Self {
        Self { status: Some(Box::new(status)), ..self }
    }

    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Memory of it, about.
    pub(crate) fn bytes(&self) -> usize {
        self.answer.bytes()
    }
}

impl Serialize for AnswerBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let answer = &self.answer;
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in answer.body.iter().filter(|(key, _)| !OURS.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        if !answer.body.contains_key("timings") {
            map.serialize_entry("timings", &Value::Null)?;
        }
        map.serialize_entry("is_cached", &answer.is_cached)?;
        map.serialize_entry("last_refresh", &iso(answer.last_refresh))?;
        map.serialize_entry("next_allowed_client_refresh", &iso(answer.next_allowed_client_refresh))?;
        map.serialize_entry("cache_target_age", &iso(answer.cache_target_age))?;
        map.serialize_entry("cache_key", &answer.cache_key)?;
        map.serialize_entry("timezone", &*self.timezone)?;
        map.serialize_entry("query_status", &self.status)?;
        map.end()
    }
}
