//! Groups and their types: listed, found, with the properties that they have.

mod changes;
mod related;

pub(crate) use changes::GroupName;
pub(crate) use changes::{
    __path_delete_property, __path_update_property, __path_update_types, delete_property, update_property, update_types,
};
pub(crate) use related::{__path_list as __path_related, list as related};

use crate::body::Params;
use crate::error::ApiError;
use crate::page::{Cursor, Page, PageParams};
use crate::routes::persons::{json_of, text_at, texts, time_at, times};
use crate::routes::projects::GroupTypeBody;
use crate::routes::values::{Counts, ValueBody, ValueParams};
use crate::scope::InProject;
use crate::state::ApiState;
use aqueduct_store::{GroupsTable, PropertyColumn, PropertyObjects};
use arrow::array::{AsArray, BooleanArray, StringArray, TimestampMicrosecondArray, UInt8Array};
use arrow::datatypes::UInt8Type;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupBody {
    group_type_index: u8,
    group_key: String,
    /// As they were sent.
    #[schema(value_type = Object)]
    group_properties: Box<RawValue>,
    created_at: String,
}

/// Which groups to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupParams {
    /// Which type, 0 to 4.
    group_type_index: u8,
    /// Text that the key or a property must hold, whatever its case.
    search: Option<String>,
}

/// A property that groups have, and how many of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupPropertyBody {
    name: String,
    count: u64,
}

/// The table of groups, with its columns in the types of their contract.
pub(super) struct Groups<'a> {
    types: &'a UInt8Array,
    keys: &'a StringArray,
    properties: &'a PropertyObjects,
    created_at: &'a TimestampMicrosecondArray,
}

impl<'a> Groups<'a> {
    pub(super) fn of(table: &'a GroupsTable) -> Result<Self, ApiError> {
        Ok(Self {
            types: table.type_index.as_primitive_opt::<UInt8Type>().ok_or(ApiError::Column("groups.type_index"))?,
            keys: texts(&table.key, "groups.key")?,
            properties: &table.properties,
            created_at: times(&table.created_at, "groups.created_at")?,
        })
    }

    fn body(&self, row: usize) -> GroupBody {
        GroupBody {
            group_type_index: self.types.value(row),
            group_key: text_at(self.keys, row).to_owned(),
            group_properties: json_of(self.properties.value(row)),
            created_at: time_at(self.created_at, row),
        }
    }

    /// A group by type and key: rows are in their order.
    pub(super) fn find(&self, type_index: u8, key: &str) -> Option<GroupBody> {
        let (mut low, mut high) = (0, self.types.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if (self.types.value(middle), text_at(self.keys, middle)) < (type_index, key) { low = middle + 1 } else { high = middle }
        }
        let is_it = low < self.types.len() && (self.types.value(low), text_at(self.keys, low)) == (type_index, key);
        is_it.then(|| self.body(low))
    }
}

/// Types of groups of a project.
#[utoipa::path(get, path = "/api/projects/{project}/groups_types/", tag = "groups", params(("project" = String, Path)),
    responses((status = 200, body = Vec<GroupTypeBody>)))]
pub(crate) async fn types(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
) -> Result<Json<Vec<GroupTypeBody>>, ApiError> {
    caller.may("group")?;
    Ok(Json(GroupTypeBody::list(state.snapshots.project(project.id)?.group_types(), &project.settings)))
}

/// Groups of one type, by key.
#[utoipa::path(get, path = "/api/projects/{project}/groups/", tag = "groups", params(("project" = String, Path), GroupParams, PageParams),
    responses((status = 200, body = Page<GroupBody>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<GroupParams>,
    cursor: Cursor,
) -> Result<Json<Page<GroupBody>>, ApiError> {
    caller.may("group")?;
    let table = state.snapshots.project(project.id)?.groups()?;
    let groups = Groups::of(&table)?;
    let search = params.search.unwrap_or_default().to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&search);
    let found: Vec<usize> = (0..groups.types.len())
        .filter(|row| groups.types.value(*row) == params.group_type_index)
        .filter(|row| holds(text_at(groups.keys, *row)) || holds(groups.properties.value(*row)))
        .collect();
    Ok(Json(cursor.cut(found.into_iter().map(|row| groups.body(row)))))
}

/// One group.
#[utoipa::path(get, path = "/api/projects/{project}/groups/find/", tag = "groups", params(("project" = String, Path), GroupName),
    responses((status = 200, body = GroupBody)))]
pub(crate) async fn find(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(name): Params<GroupName>,
) -> Result<Json<GroupBody>, ApiError> {
    caller.may("group")?;
    Ok(Json(changes::find(&state, &project, &name)?))
}

/// Properties of groups by the index of their type, the most frequent first.
#[utoipa::path(get, path = "/api/projects/{project}/groups/property_definitions/", tag = "groups", params(("project" = String, Path)),
    responses((status = 200, body = Object)))]
pub(crate) async fn property_definitions(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
) -> Result<Json<BTreeMap<u8, Vec<GroupPropertyBody>>>, ApiError> {
    caller.may("group")?;
    let table = state.snapshots.project(project.id)?.groups()?;
    let groups = Groups::of(&table)?;
    let mut counts: BTreeMap<u8, BTreeMap<String, u64>> = BTreeMap::new();
    for row in 0..groups.types.len() {
        let properties: Map<String, Value> = serde_json::from_str(groups.properties.value(row)).unwrap_or_default();
        let of_type = counts.entry(groups.types.value(row)).or_default();
        for name in properties.into_iter().map(|(name, _)| name) {
            *of_type.entry(name).or_default() += 1;
        }
    }
    let sorted = |counts: BTreeMap<String, u64>| {
        let mut counts: Vec<_> = counts.into_iter().map(|(name, count)| GroupPropertyBody { name, count }).collect();
        counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        counts
    };
    Ok(Json(counts.into_iter().map(|(index, counts)| (index, sorted(counts))).collect()))
}

/// Values of a property of groups of one type, the most frequent first.
#[utoipa::path(get, path = "/api/projects/{project}/groups/property_values/", tag = "groups", params(("project" = String, Path), ValueParams),
    responses((status = 200, body = Vec<ValueBody>)))]
pub(crate) async fn property_values(
    State(state): State<ApiState>,
    InProject { project, caller }: InProject,
    Params(params): Params<ValueParams>,
) -> Result<Json<Vec<ValueBody>>, ApiError> {
    caller.may("group")?;
    let missing = || ApiError::field("group_type_index", "required", "This field is required.");
    let wanted = params.group_type_index.ok_or_else(missing)?;
    let table = state.snapshots.project(project.id)?.groups()?;
    let groups = Groups::of(&table)?;
    let mask: BooleanArray = groups.types.iter().map(|index| Some(index == Some(wanted))).collect();
    let mut counts = Counts::default();
    let column: Option<PropertyColumn> = table.properties.property(&params.key);
    if let Some(column) = &column {
        counts.add(column, Some(&mask));
    }
    Ok(Json(counts.into_values(&params, true)))
}
