//! What saved things have in common: they are found, named, deleted and brought back alike. Annotations, insights and dashboards are fields of a saved document,
//! changed by those of a request that are known.

pub(crate) mod actions;
pub(crate) mod annotations;
pub(crate) mod cohorts;
pub(crate) mod dashboards;
pub(crate) mod insights;
mod results;
pub(crate) mod sharing;

use crate::error::ApiError;
use crate::state::ApiState;
use aqueduct_catalog::{Kind, Project, Work};
use aqueduct_event::ProjectId;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// A user, as part of what they made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserBasic {
    id: i64,
    uuid: Uuid,
    distinct_id: Uuid,
    first_name: String,
    last_name: String,
    email: String,
    is_email_verified: Option<bool>,
    hedgehog_config: Option<Value>,
    role_at_organization: Option<String>,
}

impl UserBasic {
    /// The user of a number, if there is one.
    pub(crate) fn of(state: &ApiState, id: Option<i64>) -> Option<Self> {
        let user = state.catalog.user(id?)?;
        Some(Self {
            id: user.id,
            uuid: user.uuid,
            distinct_id: user.uuid,
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email: user.email.clone(),
            is_email_verified: None,
            hedgehog_config: None,
            role_at_organization: None,
        })
    }
}

/// What a field of a document may hold.
#[derive(Clone, Copy, Debug)]
enum Holds {
    Text,
    Flag,
    Number,
    List,
    Object,
    /// A time by RFC 3339, or nothing.
    Time,
    Any,
}

impl Holds {
    /// What it holds while nobody set it.
    fn nothing(self) -> Value {
        match self {
            Self::Text | Self::Number | Self::Time | Self::Any => Value::Null,
            Self::Flag => Value::Bool(false),
            Self::List => json!([]),
            Self::Object => json!({}),
        }
    }

    fn refuses(self, value: &Value) -> Option<&'static str> {
        match (self, value) {
            (_, Value::Null) | (Self::Any, _) => None,
            (Self::Text, other) => (!other.is_string()).then_some("Not a valid string."),
            (Self::Flag, other) => (!other.is_boolean()).then_some("Must be a valid boolean."),
            (Self::Number, other) => (!other.is_number()).then_some("A valid number is required."),
            (Self::List, other) => (!other.is_array()).then_some("Expected a list of items."),
            (Self::Object, other) => (!other.is_object()).then_some("Expected an object."),
            (Self::Time, other) => {
                let is_time = other.as_str().is_some_and(|text| aqueduct_event::timestamp::parse(text).is_some());
                (!is_time).then_some(
                    "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
                )
            }
        }
    }
}

/// Fields of a kind of document.
type Fields = &'static [(&'static str, Holds)];

/// The known fields of a request. Others are passed over, as PostHog does.
fn known(fields: Fields, request: &Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let mut known = Map::new();
    for (name, holds) in fields {
        let Some(value) = request.get(*name) else { continue };
        if let Some(detail) = holds.refuses(value) {
            return Err(ApiError::field(name, "invalid_input", detail));
        }
        known.insert((*name).to_owned(), value.clone());
    }
    Ok(known)
}

/// Every field of a document, those that nobody set too.
fn shown(fields: Fields, work: &Work) -> Map<String, Value> {
    let value = |(name, holds): &(&str, Holds)| {
        let value = work.document.get(*name).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| holds.nothing());
        ((*name).to_owned(), value)
    };
    fields.iter().map(value).collect()
}

/// Whether the request says that it is deleted, or brought back.
fn deletion(request: &Map<String, Value>) -> Option<bool> {
    request.get("deleted").and_then(Value::as_bool)
}

fn text<'a>(work: &'a Work, field: &str) -> &'a str {
    work.document.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn is_set(work: &Work, field: &str) -> bool {
    work.document.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// A work by its number or short id; deleted ones only when `deleted`.
pub(super) fn find<K: Kind>(state: &ApiState, project: ProjectId, kind: K, id: &str, deleted: bool) -> Result<Arc<Work<K>>, ApiError> {
    let by_number = || id.parse().ok().and_then(|number| state.catalog.work(project, kind, number));
    let found = by_number().or_else(|| state.catalog.work_by_short_id(project, kind, id));
    found.filter(|work| deleted || !work.is_deleted).ok_or(ApiError::NotFound("Not found."))
}

/// Marks a work as deleted.
async fn delete<K: Kind>(state: &ApiState, project: &Project, kind: K, id: &str, user: i64) -> Result<StatusCode, ApiError> {
    let work = find(state, project.id, kind, id, true)?;
    state.catalog.update_work(project.id, kind, work.id, user, |work| work.is_deleted = true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A name that something new must have.
fn required(name: Option<&String>) -> Result<(), ApiError> {
    name.map(|_| ()).ok_or_else(|| ApiError::field("name", "required", "This field is required."))
}

/// Sets what is given.
fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

/// Every word of a search is in one of the texts.
fn is_found(search: Option<&str>, texts: &[&str]) -> bool {
    let words = search.unwrap_or_default().to_lowercase();
    words.split_whitespace().all(|word| texts.iter().any(|text| text.to_lowercase().contains(word)))
}
