//! What a change of saved work says of itself in the log of activity.

use super::{Kind, Work};
use crate::activity::{ActivityDetail, FieldChange, NewActivity};
use serde_json::{Map, Value};

/// The entry for a work that was made (`before` is `None`) or changed; `None` where nothing is to be told.
pub(super) fn entry<K: Kind>(before: Option<&Work<K>>, after: &Work<K>, user: i64) -> Option<NewActivity> {
    let scope = after.kind.scope()?;
    let fields = fields(after);
    let name = ["name", "derived_name", "content"].iter().find_map(|field| fields.get(*field)?.as_str().filter(|name| !name.is_empty()));
    let name = name.map(str::to_owned);
    let (activity, changes) = match before {
        None => ("created", Vec::new()),
        Some(before) => {
            let changes = FieldChange::between(&self::fields(before), &fields);
            if changes.is_empty() {
                return None;
            }
            let activity = match (before.is_deleted, after.is_deleted) {
                (false, true) => "deleted",
                (true, false) => "restored",
                _ => "updated",
            };
            (activity, changes)
        }
    };
    let detail = ActivityDetail { name, short_id: Some(after.short_id.clone()), changes };
    Some(NewActivity { scope, item_id: after.id.to_string(), activity, user, detail })
}

/// What people set of a work, and whether it is deleted.
fn fields<K: Kind>(work: &Work<K>) -> Map<String, Value> {
    let document = serde_json::to_value(&work.document).unwrap_or_default();
    let mut fields = match document {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.retain(|name, _| !K::KEPT_BY_THE_SERVER.contains(&name.as_str()));
    fields.insert("deleted".to_owned(), Value::Bool(work.is_deleted));
    fields
}
