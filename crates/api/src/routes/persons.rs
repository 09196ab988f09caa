//! Persons: listed newest first, found by distinct id, address, words or properties.

pub(crate) mod changes;
pub(crate) mod values;

use crate::asking::ask;
use crate::body::Params;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::iso;
use crate::routes::works::cohorts::Names;
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_event::{PersonId, UnixMicros};
use aqueduct_store::{DistinctIdsTable, PersonsTable, ProjectView, PropertyObjects};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

const NO_PERSON: ApiError = ApiError::NotFound("Person not found.");
/// Persons that a filter finds at most: the most that a query answers.
const FILTERED_MAX: usize = 50_000;
/// Distinct ids of one person in a list.
const DISTINCT_IDS_MAX: usize = 1_000;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonBody {
    pub(super) id: Uuid,
    uuid: Uuid,
    /// Address if known, else the first distinct id that a person chose, else the id.
    name: String,
    /// Those that are no uuids come first.
    distinct_ids: Vec<String>,
    /// As they were sent.
    #[schema(value_type = Object)]
    properties: Box<RawValue>,
    created_at: String,
    is_identified: bool,
}

/// Which persons to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PersonParams {
    /// Text in the address, the name or a distinct id, or an id; whatever its case.
    search: Option<String>,
    /// The person of this distinct id.
    distinct_id: Option<String>,
    /// Persons whose property `email` is this.
    email: Option<String>,
    /// Filters by properties, a JSON list such as `[{"key": "plan", "value": "pro", "operator": "exact", "type": "person"}]`.
    properties: Option<String>,
}

/// The tables of a project, with their columns in the types of their contract.
pub(super) struct Persons {
    table: Arc<PersonsTable>,
    properties: Arc<PropertyObjects>,
    ids: Arc<DistinctIdsTable>,
}

impl Persons {
    pub(super) fn of(view: &dyn ProjectView) -> Result<Self, ApiError> {
        Ok(Self { table: view.persons()?, properties: view.person_properties()?, ids: view.distinct_ids()? })
    }

    /// Rows of the table that are asked for, newest first.
    fn find(&self, params: &PersonParams, filtered: Option<&HashSet<PersonId>>) -> Result<Vec<usize>, ApiError> {
        if let Some(distinct_id) = &params.distinct_id {
            let row = self.row_of_distinct_id(distinct_id)?.filter(|row| filtered.is_none_or(|ids| ids.contains(&self.table.ids[*row])));
            return Ok(row.into_iter().collect());
        }
        let mut rows: Vec<usize> = (0..self.table.ids.len()).collect();
        if let Some(ids) = filtered {
            rows.retain(|row| ids.contains(&self.table.ids[*row]));
        }
        if let Some(email) = &params.email {
            let texts = self.property_texts("email");
            rows.retain(|row| texts.get(row).is_some_and(|text| text == email));
        }
        if let Some(search) = params.search.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            let found = self.search(&search.to_lowercase())?;
            rows.retain(|row| found.contains(row));
        }
        let created_at = times(&self.table.created_at, "persons.created_at")?;
        rows.sort_by_key(|row| (std::cmp::Reverse(created_at.value(*row)), self.table.ids[*row]));
        Ok(rows)
    }

    fn search(&self, words: &str) -> Result<HashSet<usize>, ApiError> {
        let mut found = HashSet::new();
        for key in ["email", "name"] {
            found.extend(self.property_texts(key).into_iter().filter(|(_, text)| text.to_lowercase().contains(words)).map(|(row, _)| row));
        }
        let distinct_ids = texts(&self.ids.distinct_id, "distinct_ids.distinct_id")?;
        for (at, person) in self.ids.person.iter().enumerate() {
            if text_at(distinct_ids, at).to_lowercase().contains(words) {
                found.extend(self.row_of(*person));
            }
        }
        found.extend(words.parse().ok().and_then(|id: Uuid| self.row_of(id)));
        Ok(found)
    }

    /// Those whom a file names.
    pub(super) fn named(&self, names: &Names) -> Result<Vec<PersonId>, ApiError> {
        let by_distinct_id = |name: &String| Ok(self.row_of_distinct_id(name)?.map(|row| self.table.ids[row]));
        let by_email: HashMap<String, Vec<PersonId>> = match names {
            Names::Emails(_) | Names::Any(_) => {
                let mut found: HashMap<String, Vec<PersonId>> = HashMap::new();
                for (row, email) in self.property_texts("email") {
                    found.entry(email).or_default().push(self.table.ids[row]);
                }
                found
            }
            Names::Ids(_) | Names::DistinctIds(_) => HashMap::new(),
        };
        let of_email = |name: &String| by_email.get(name).cloned().unwrap_or_default();
        Ok(match names {
            Names::Ids(ids) => ids.iter().filter_map(|id| Uuid::try_parse(id).ok()).collect(),
            Names::DistinctIds(ids) => ids.iter().filter_map(|id| by_distinct_id(id).transpose()).collect::<Result<_, ApiError>>()?,
            Names::Emails(emails) => emails.iter().flat_map(of_email).collect(),
            Names::Any(texts) => {
                let mut found = Vec::new();
                for text in texts {
                    match by_distinct_id(text)? {
                        Some(person) => found.push(person),
                        None => found.extend(of_email(text)),
                    }
                }
                found
            }
        })
    }

    /// Text values of a property by row.
    fn property_texts(&self, key: &str) -> HashMap<usize, String> {
        let Some(column) = self.properties.property(key).and_then(|column| column.text) else { return HashMap::new() };
        let Ok(plain) = arrow::compute::cast(&column, &arrow::datatypes::DataType::Utf8) else { return HashMap::new() };
        let Some(plain) = plain.as_string_opt::<i32>() else { return HashMap::new() };
        plain.iter().enumerate().filter_map(|(row, text)| text.map(|text| (row, text.to_owned()))).collect()
    }

    /// The row of a person by uuid, also that of one merged into it, or by one of its distinct ids.
    fn row_by(&self, view: &dyn ProjectView, id: &str) -> Result<Option<usize>, ApiError> {
        // An id that was merged away leads to the person that it is now.
        let uuid = Uuid::try_parse(id).ok().map(|uuid| view.overrides().get(&uuid).copied().unwrap_or(uuid));
        match uuid.and_then(|uuid| self.row_of(uuid)) {
            Some(row) => Ok(Some(row)),
            None => self.row_of_distinct_id(id),
        }
    }

    /// The id of such a person.
    fn id_of(&self, view: &dyn ProjectView, id: &str) -> Result<Option<PersonId>, ApiError> {
        Ok(self.row_by(view, id)?.map(|row| self.table.ids[row]))
    }

    /// Such a person.
    pub(super) fn one(&self, view: &dyn ProjectView, id: &str) -> Result<Option<PersonBody>, ApiError> {
        let Some(row) = self.row_by(view, id)? else { return Ok(None) };
        Ok(self.bodies(&[row])?.pop())
    }

    /// Row of the person of an id.
    pub(super) fn row_of(&self, id: PersonId) -> Option<usize> {
        self.table.ids.binary_search(&id).ok()
    }

    fn row_of_distinct_id(&self, distinct_id: &str) -> Result<Option<usize>, ApiError> {
        let all = texts(&self.ids.distinct_id, "distinct_ids.distinct_id")?;
        let (mut low, mut high) = (0, all.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if text_at(all, middle) < distinct_id { low = middle + 1 } else { high = middle }
        }
        let exact = low < all.len() && text_at(all, low) == distinct_id;
        Ok(if exact { self.ids.person.get(low).and_then(|person| self.row_of(*person)) } else { None })
    }

    /// Bodies of some rows; their distinct ids are collected in one pass.
    pub(super) fn bodies(&self, rows: &[usize]) -> Result<Vec<PersonBody>, ApiError> {
        let mut distinct_ids: HashMap<PersonId, Vec<String>> = rows.iter().map(|row| (self.table.ids[*row], Vec::new())).collect();
        let all = texts(&self.ids.distinct_id, "distinct_ids.distinct_id")?;
        for (at, person) in self.ids.person.iter().enumerate() {
            if let Some(list) = distinct_ids.get_mut(person).filter(|list| list.len() < DISTINCT_IDS_MAX) {
                list.push(text_at(all, at).to_owned());
            }
        }
        rows.iter().map(|row| self.body(*row, distinct_ids.remove(&self.table.ids[*row]).unwrap_or_default())).collect()
    }

    fn body(&self, row: usize, mut distinct_ids: Vec<String>) -> Result<PersonBody, ApiError> {
        let id = self.table.ids[row];
        let properties = self.properties.value(row);
        let is_identified: &BooleanArray = self.table.is_identified.as_boolean_opt().ok_or(ApiError::Column("persons.is_identified"))?;
        distinct_ids.sort_by_cached_key(|distinct_id| is_anonymous(distinct_id));
        Ok(PersonBody {
            id,
            uuid: id,
            name: name_of(id, properties, &distinct_ids),
            distinct_ids,
            properties: json_of(properties),
            created_at: time_at(times(&self.table.created_at, "persons.created_at")?, row),
            is_identified: is_identified.value(row),
        })
    }
}

/// Whether an SDK made up this distinct id.
fn is_anonymous(distinct_id: &str) -> bool {
    Uuid::try_parse(distinct_id).is_ok()
}

fn name_of(id: PersonId, properties: &str, distinct_ids: &[String]) -> String {
    let properties: Value = serde_json::from_str(properties).unwrap_or_default();
    let email = properties.get("email").and_then(Value::as_str).filter(|email| !email.is_empty());
    let chosen = || distinct_ids.iter().find(|distinct_id| !is_anonymous(distinct_id)).map(String::as_str);
    email.or_else(chosen).map_or_else(|| id.to_string(), str::to_owned)
}

pub(super) fn texts<'a>(column: &'a ArrayRef, name: &'static str) -> Result<&'a StringArray, ApiError> {
    column.as_string_opt::<i32>().ok_or(ApiError::Column(name))
}

pub(super) fn times<'a>(column: &'a ArrayRef, name: &'static str) -> Result<&'a TimestampMicrosecondArray, ApiError> {
    column.as_primitive_opt::<TimestampMicrosecondType>().ok_or(ApiError::Column(name))
}

pub(super) fn text_at(column: &StringArray, row: usize) -> &str {
    if column.is_valid(row) { column.value(row) } else { "" }
}

pub(super) fn time_at(column: &TimestampMicrosecondArray, row: usize) -> String {
    iso(UnixMicros(column.value(row)))
}

/// Stored JSON as it is: a tree would round large numbers.
pub(super) fn json_of(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_default()
}

/// Persons of a project.
#[utoipa::path(get, path = "/api/projects/{project}/persons/", tag = "persons", params(("project" = String, Path), PersonParams, PageParams),
    responses((status = 200, body = Page<PersonBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<PersonParams>,
    cursor: Cursor,
) -> Result<Json<Page<PersonBody>>, ApiError> {
    caller.may("person")?;
    let filtered = match params.properties.as_deref().filter(|filters| !matches!(*filters, "" | "[]" | "{}")) {
        Some(filters) => Some(filter(&state, &project, filters).await?),
        None => None,
    };
    let view = state.snapshots.project(project.id)?;
    // A search looks at every person: not on a thread that answers other requests.
    let work = tokio::task::spawn_blocking(move || {
        let persons = Persons::of(&*view)?;
        let rows = persons.find(&params, filtered.as_ref())?;
        let shown: Vec<usize> = rows.iter().skip(cursor.offset).take(cursor.limit).copied().collect();
        Ok(Json(cursor.page(rows.len(), persons.bodies(&shown)?)))
    });
    work.await.unwrap_or(Err(ApiError::Column("persons")))
}

/// The person of a path: named by uuid, or by one of its distinct ids.
pub(super) fn find(state: &ApiState, project: &Project, id: &str) -> Result<PersonBody, ApiError> {
    let view = state.snapshots.project(project.id)?;
    Persons::of(&*view)?.one(&*view, id)?.ok_or(NO_PERSON)
}

/// One person by uuid, or by one of its distinct ids.
#[utoipa::path(get, path = "/api/projects/{project}/persons/{id}/", tag = "persons", params(("project" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = PersonBody)))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<PersonBody>, ApiError> {
    caller.may("person")?;
    find(&state, &project, &id).map(Json)
}

/// Persons that property filters let pass.
async fn filter(state: &ApiState, project: &Project, filters: &str) -> Result<HashSet<PersonId>, ApiError> {
    let wrong = |detail: String| ApiError::field("properties", "invalid_input", detail);
    let filters: Value = serde_json::from_str(filters).map_err(|error| wrong(format!("Expected JSON: {error}.")))?;
    let query = json!({"kind": "ActorsQuery", "select": ["id"], "properties": filters, "limit": FILTERED_MAX});
    let answer = ask(state, project, query).await?;
    let rows = answer.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(rows.iter().filter_map(|row| row.get(0)?.as_str()?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn names() {
        let id = Uuid::from_u128(7);
        let anonymous = "018f5c2e-7f5a-7bbb-8000-000000000001".to_owned();
        assert_eq!(name_of(id, r#"{"email":"a@b.c"}"#, &["ann".to_owned()]), "a@b.c");
        assert_eq!(name_of(id, r#"{"email":5}"#, &[anonymous.clone(), "ann".to_owned()]), "ann");
        assert_eq!(name_of(id, "{}", &[anonymous]), id.to_string());
    }
}
