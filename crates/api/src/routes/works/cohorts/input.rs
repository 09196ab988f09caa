//! What a request says of a cohort: JSON, or a form with a CSV file of its members.

use crate::body::{self, Body};
use crate::error::ApiError;
use crate::form::{self, Part};
use crate::routes::works::set;
use aqueduct_catalog::{Catalog, CohortDocument, CohortKind};
use aqueduct_event::ProjectId;
use axum::extract::{FromRequest, Request};
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a cohort is made of; absent fields stay.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct CohortInput {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// `{"properties": {"type": "AND"|"OR", "values": [group or criterion]}}`.
    #[schema(value_type = Option<Object>)]
    pub(super) filters: Option<Value>,
    /// The older form: any of these groups, all properties of it.
    #[schema(value_type = Option<Vec<Object>>)]
    pub(super) groups: Option<Value>,
    /// A query whose actors become the members of a static cohort.
    #[schema(value_type = Option<Object>)]
    pub(super) query: Option<Value>,
    pub(super) is_static: Option<bool>,
    pub(super) deleted: Option<bool>,
    /// Ids of persons who become members of a static cohort.
    #[serde(rename = "_create_static_person_ids")]
    pub(super) person_ids: Option<Vec<Uuid>>,
    /// In a form: a CSV file of distinct ids, addresses or ids of persons.
    #[serde(skip)]
    #[schema(value_type = Option<String>, format = Binary)]
    pub(super) csv: Option<Vec<u8>>,
}

/// A cohort's input, in whichever form it comes.
#[derive(Debug)]
pub(crate) struct CohortForm(pub(crate) CohortInput);

impl<S: Send + Sync> FromRequest<S> for CohortForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let (head, body) = request.into_parts();
        let bytes = body::read(body).await?;
        match form::parts(&kind, &bytes) {
            Some(parts) => read_form(parts.map_err(|error| ApiError::Parse(error.to_string()))?).map(Self),
            None => Body::from_request(Request::from_parts(head, bytes.into()), state).await.map(|Body(input)| Self(input)),
        }
    }
}

fn read_form(parts: Vec<Part<'_>>) -> Result<CohortInput, ApiError> {
    let mut input = CohortInput::default();
    for Part { name, data } in parts {
        if name == "csv" {
            input.csv = Some(data.to_vec());
            continue;
        }
        let text = String::from_utf8_lossy(data).into_owned();
        let flag = || matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "1" | "on");
        let json = || serde_json::from_str(&text).map_err(|error| ApiError::field(&name, "invalid_input", error.to_string()));
        match name.as_str() {
            "name" => input.name = Some(text),
            "description" => input.description = Some(text),
            "is_static" => input.is_static = Some(flag()),
            "deleted" => input.deleted = Some(flag()),
            "filters" => input.filters = Some(json()?),
            "groups" => input.groups = Some(json()?),
            "query" => input.query = Some(json()?),
            _ => {}
        }
    }
    Ok(input)
}

impl CohortInput {
    /// The criteria that are given, in either form. `id`: the cohort that is changed, which must not come to refer to itself.
    ///
    /// # Errors
    /// [`ApiError::Field`] when they cannot be understood, or lead to themselves or to what does not exist.
    pub(super) fn filters(&self, project: ProjectId, id: Option<i64>, catalog: &Catalog) -> Result<Option<Value>, ApiError> {
        let of_groups = || self.groups.as_ref().filter(|groups| groups.as_array().is_some_and(|groups| !groups.is_empty()));
        let filters = match self.filters.clone().filter(|filters| !filters.is_null()) {
            Some(filters) => Some(filters),
            None => of_groups().map(criteria_of).transpose()?,
        };
        if let Some(filters) = &filters {
            check(filters, project, id, catalog)?;
        }
        Ok(filters)
    }

    /// Sets what is given; the criteria are those of [`CohortInput::filters`].
    pub(super) fn apply(self, to: &mut CohortDocument, filters: Option<Value>) {
        set(&mut to.name, self.name);
        set(&mut to.description, self.description);
        set(&mut to.filters, filters);
        set(&mut to.query, self.query);
    }
}

/// Criteria must be readable, and what they refer to must exist and lead elsewhere.
fn check(filters: &Value, project: ProjectId, id: Option<i64>, catalog: &Catalog) -> Result<(), ApiError> {
    let wrong = |detail: String| ApiError::field("filters", "invalid_input", detail);
    let mut ahead = aqueduct_query::cohort_references(filters).map_err(wrong)?;
    let mut seen = Vec::new();
    while let Some(next) = ahead.pop() {
        if Some(next) == id {
            return Err(wrong("Cohorts cannot reference other cohorts in a loop.".to_owned()));
        }
        let known = catalog.work(project, CohortKind, next).filter(|cohort| !cohort.is_deleted);
        let known = known.ok_or_else(|| wrong(format!("Invalid Cohort ID in filter: {next}")))?;
        if !seen.contains(&next) {
            seen.push(next);
            // What was accepted once can be read.
            ahead.extend(aqueduct_query::cohort_references(&known.document.filters).unwrap_or_default());
        }
    }
    Ok(())
}

/// The older form as a tree of criteria.
fn criteria_of(groups: &Value) -> Result<Value, ApiError> {
    let wrong = || ApiError::field("groups", "invalid_input", "Expected a list of groups with properties, event_id or action_id.");
    let group = |group: &Value| -> Result<Value, ApiError> {
        let properties = group.get("properties").and_then(Value::as_array);
        let entity = [("events", "event_id"), ("actions", "action_id")];
        let entity = entity.into_iter().find_map(|(kind, name)| Some((kind, group.get(name).filter(|id| !id.is_null())?)));
        if let Some((event_type, key)) = entity {
            let count = group.get("count").filter(|count| !count.is_null());
            let days = group.get("days").filter(|days| !days.is_null()).cloned().unwrap_or_else(|| json!(365));
            let mut criterion = json!({"type": "behavioral", "key": key, "event_type": event_type, "value": "performed_event",
                "time_value": days, "time_interval": "day"});
            if let Some(count) = count {
                criterion["value"] = json!("performed_event_multiple");
                criterion["operator"] = group.get("count_operator").cloned().unwrap_or_else(|| json!("exact"));
                criterion["operator_value"] = count.clone();
            }
            return Ok(json!({"type": "AND", "values": [criterion]}));
        }
        let person = |property: &Value| {
            let mut property = property.clone();
            if let Value::Object(fields) = &mut property {
                fields.entry("type").or_insert_with(|| json!("person"));
            }
            property
        };
        let values: Vec<Value> = properties.ok_or_else(wrong)?.iter().map(person).collect();
        Ok(json!({"type": "AND", "values": values}))
    };
    let groups = groups.as_array().ok_or_else(wrong)?.iter().map(group).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"properties": {"type": "OR", "values": groups}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_become_criteria() {
        let groups = json!([
            {"properties": [{"key": "email", "value": "a@b.c"}]},
            {"event_id": "buy", "days": "7", "count": 2, "count_operator": "gte"},
            {"action_id": 3},
        ]);
        let expected = json!({"properties": {"type": "OR", "values": [
            {"type": "AND", "values": [{"key": "email", "value": "a@b.c", "type": "person"}]},
            {"type": "AND", "values": [{"type": "behavioral", "key": "buy", "event_type": "events", "value": "performed_event_multiple",
                "time_value": "7", "time_interval": "day", "operator": "gte", "operator_value": 2}]},
            {"type": "AND", "values": [{"type": "behavioral", "key": 3, "event_type": "actions", "value": "performed_event",
                "time_value": 365, "time_interval": "day"}]},
        ]}});
        let found = criteria_of(&groups).expect("reads");
        assert_eq!(found, expected);
        assert_eq!(aqueduct_query::cohort_references(&found), Ok(vec![]));
        assert!(criteria_of(&json!([{}])).is_err());
    }
}
