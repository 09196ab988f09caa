//! The rows of the tables that have some.

use super::Row;
use super::tables::Source;
use crate::error::QueryError;
use crate::resolve::QueryContext;
use aqueduct_catalog::{Cohort, Kind, Work, WorkKind};
use aqueduct_event::UnixMicros;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{TimestampMicrosecondType, UInt8Type};
use serde_json::{Value as Json, json};

/// Rows of the query's project.
///
/// # Errors
/// [`QueryError::Read`] when the store's state cannot be read.
pub(super) fn of(source: Source, context: &QueryContext) -> Result<Vec<Row>, QueryError> {
    let (project, definitions) = (context.project.id, &context.definitions);
    let saved = |kind, row: fn(&Work, &mut Row)| definitions.works(project, kind).iter().map(|work| of_document(work, row)).collect();
    let mut rows: Vec<Row> = match source {
        Source::Nothing => Vec::new(),
        Source::Actions => definitions
            .actions(project)
            .iter()
            .map(|action| of_work(action, &action.document, |_, row| rename(row, "steps", "steps_json")))
            .collect(),
        Source::Cohorts => definitions.cohorts(project).iter().map(|cohort| of_work(cohort, &cohort.document, of_cohort)).collect(),
        Source::Annotations => saved(WorkKind::Annotation, of_annotation),
        Source::Dashboards => saved(WorkKind::Dashboard, |_, _| {}),
        Source::Tiles => definitions.works(project, WorkKind::Dashboard).iter().flat_map(|dashboard| tiles(dashboard)).collect(),
        Source::Exports => saved(WorkKind::Export, |_, _| {}),
        Source::Insights => saved(WorkKind::Insight, |_, _| {}),
        Source::Teams => definitions.project(project).iter().map(|project| team(project)).collect(),
        Source::Groups => groups(context)?,
        Source::GroupTypes => group_types(context),
    };
    let team = Json::from(project.0);
    rows.iter_mut().for_each(|row| drop(row.insert("team_id".to_owned(), team.clone())));
    Ok(rows)
}

fn micros(at: UnixMicros) -> Json {
    Json::from(at.0)
}

/// What its document says, and what is known of every work.
fn of_work<K: Kind>(work: &Work<K>, document: &K::Document, change: impl Fn(&Work<K>, &mut Row)) -> Row {
    let mut row = match serde_json::to_value(document) {
        Ok(Json::Object(fields)) => fields,
        _ => Row::new(),
    };
    change(work, &mut row);
    for (name, value) in [
        ("id", Json::from(work.id)),
        ("short_id", Json::from(work.short_id.as_str())),
        ("deleted", Json::from(work.is_deleted)),
        ("created_at", micros(work.created_at)),
        ("created_by_id", json!(work.created_by)),
        ("updated_at", micros(work.updated_at)),
        ("last_modified_at", micros(work.updated_at)),
        ("last_modified_by_id", json!(work.last_modified_by)),
    ] {
        row.insert(name.to_owned(), value);
    }
    row
}

fn of_document(work: &Work, change: fn(&Work, &mut Row)) -> Row {
    of_work(work, &work.document, change)
}

fn rename(row: &mut Row, from: &str, to: &str) {
    if let Some(value) = row.remove(from) {
        row.insert(to.to_owned(), value);
    }
}

fn of_cohort(cohort: &Cohort, row: &mut Row) {
    row.insert("last_calculation".to_owned(), json!(cohort.document.last_calculation.map(|at| at.0)));
}

/// An annotation that names no scope is one of an insight.
fn of_annotation(_: &Work, row: &mut Row) {
    rename(row, "dashboard_item", "dashboard_item_id");
    for (name, value) in [("scope", "dashboard_item"), ("creation_type", "USR")] {
        if row.get(name).is_none_or(Json::is_null) {
            row.insert(name.to_owned(), Json::from(value));
        }
    }
}

fn tiles(dashboard: &Work) -> Vec<Row> {
    let tiles = dashboard.document.get("tiles").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let row = |tile: &Json| {
        let mut row = tile.as_object().cloned().unwrap_or_default();
        rename(&mut row, "insight", "insight_id");
        row.insert("dashboard_id".to_owned(), Json::from(dashboard.id));
        row.entry("deleted").or_insert(Json::from(false));
        row
    };
    tiles.iter().map(row).collect()
}

fn team(project: &aqueduct_catalog::Project) -> Row {
    let fields = [
        ("id", Json::from(project.id.0)),
        ("name", Json::from(project.name.as_str())),
        ("timezone", Json::from(project.timezone.as_str())),
        ("test_account_filters", project.test_account_filters.clone()),
        ("created_at", micros(project.created_at)),
        ("updated_at", micros(project.updated_at)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn groups(context: &QueryContext) -> Result<Vec<Row>, QueryError> {
    let groups = context.scan.groups()?;
    let (types, created) = (groups.type_index.as_primitive::<UInt8Type>(), groups.created_at.as_primitive::<TimestampMicrosecondType>());
    let keys = groups.key.as_string::<i32>();
    let row = |at: usize| -> Row {
        let fields = [
            ("id", Json::from(at + 1)),
            ("group_key", Json::from(keys.value(at))),
            ("group_type_index", Json::from(types.value(at))),
            ("group_properties", serde_json::from_str(groups.properties.value(at)).unwrap_or_default()),
            ("created_at", Json::from(created.value(at))),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    Ok((0..groups.key.len()).map(row).collect())
}

/// Group types with the names that people gave them, which are among the project's settings.
fn group_types(context: &QueryContext) -> Vec<Row> {
    let project = context.definitions.project(context.project.id);
    let settings = project.map(|project| project.settings.clone()).unwrap_or_default();
    let row = |(at, name): (usize, &String)| -> Row {
        let labels = settings.get("group_type_names").and_then(|names| names.get(at.to_string()));
        let label = |which: &str| labels.and_then(|labels| labels.get(which)).cloned().unwrap_or_default();
        let fields = [
            ("id", Json::from(at + 1)),
            ("group_type", Json::from(name.as_str())),
            ("group_type_index", Json::from(at)),
            ("name_singular", label("singular")),
            ("name_plural", label("plural")),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    context.scan.view().group_types().iter().enumerate().map(row).collect()
}
