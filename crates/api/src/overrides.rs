//! What a dashboard puts over the queries of its tiles: filters and values of variables.

use serde_json::{Map, Value, json};

/// Applies `{date_from, date_to, explicitDate, properties, breakdown_filter}` to a query, inside wrappers. What the override does not say stays.
pub(crate) fn apply_filters(query: &mut Value, given: &Value) {
    let Some(given) = given.as_object() else { return };
    let Some(query) = inner(query) else { return };
    let is_hogql = query.get("kind").and_then(Value::as_str) == Some("HogQLQuery");
    if is_hogql {
        let filters = query.entry("filters").or_insert(Value::Null);
        if !filters.is_object() {
            *filters = json!({});
        }
        if let Value::Object(filters) = filters {
            apply_to(filters, given);
        }
    } else {
        apply_to(query, given);
        if let Some(breakdown) = given.get("breakdown_filter").filter(|breakdown| !breakdown.is_null()) {
            query.insert("breakdownFilter".to_owned(), breakdown.clone());
        }
    }
}

fn apply_to(object: &mut Map<String, Value>, given: &Map<String, Value>) {
    let dates = ["date_from", "date_to"].map(|name| given.get(name).filter(|date| !date.is_null()));
    if dates.iter().any(Option::is_some) {
        // Both dates come from the override: a range that mixes two would be neither's.
        let explicit = given.get("explicitDate").and_then(Value::as_bool).unwrap_or(false);
        object.insert("dateRange".to_owned(), json!({"date_from": dates[0], "date_to": dates[1], "explicitDate": explicit}));
    }
    // A list means all of it; a group says what it means.
    let group = |value: &Value| match value {
        Value::Array(list) if !list.is_empty() => Some(json!({"type": "AND", "values": list})),
        Value::Object(group) if !group.is_empty() => Some(value.clone()),
        _ => None,
    };
    let Some(added) = given.get("properties").and_then(group) else { return };
    let both = match object.get("properties").and_then(group) {
        Some(own) => json!({"type": "AND", "values": [own, added]}),
        None => given["properties"].clone(),
    };
    object.insert("properties".to_owned(), both);
}

/// Applies `{id: {value, isNull, …}}` to the variables that a HogQL query has. Others are left out.
pub(crate) fn apply_variables(query: &mut Value, given: &Value) {
    let Some(given) = given.as_object() else { return };
    let Some(Value::Object(own)) = inner(query).and_then(|query| query.get_mut("variables")) else { return };
    for (id, variable) in own {
        let name = variable.get("code_name").and_then(Value::as_str).map(str::to_owned);
        let Some(over) = given.get(id).or_else(|| given.get(&name?)) else { continue };
        let Value::Object(variable) = variable else { continue };
        for field in ["value", "isNull"] {
            match over.get(field) {
                Some(value) => drop(variable.insert(field.to_owned(), value.clone())),
                None => drop(variable.remove(field)),
            }
        }
    }
}

/// The query inside wrappers.
fn inner(query: &mut Value) -> Option<&mut Map<String, Value>> {
    let wraps = matches!(
        query.get("kind").and_then(Value::as_str),
        Some("DataTableNode" | "DataVisualizationNode" | "InsightVizNode") if query.get("source").is_some()
    );
    if wraps { inner(query.get_mut("source")?) } else { query.as_object_mut() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_filters(mut query: Value, given: Value) -> Value {
        apply_filters(&mut query, &given);
        query
    }

    #[test]
    fn dates_replace_and_properties_join() {
        let (own, more) = (json!({"key": "a", "value": "1"}), json!({"key": "b", "value": "2"}));
        let query = json!({"kind": "TrendsQuery", "dateRange": {"date_from": "-30d"}, "properties": [own]});
        let found = with_filters(query, json!({"date_from": "-7d", "properties": [more], "breakdown_filter": {"breakdown": "c"}}));
        assert_eq!(found["dateRange"], json!({"date_from": "-7d", "date_to": null, "explicitDate": false}));
        assert_eq!(found["properties"]["values"], json!([{"type": "AND", "values": [own]}, {"type": "AND", "values": [more]}]));
        assert_eq!(found["breakdownFilter"], json!({"breakdown": "c"}));
        let bare = json!({"kind": "InsightVizNode", "source": {"kind": "TrendsQuery"}});
        assert_eq!(with_filters(bare.clone(), json!({"properties": [more]}))["source"]["properties"], json!([more]));
        assert_eq!(with_filters(bare.clone(), json!({"date_from": null, "properties": []})), bare);
    }

    #[test]
    fn hogql_has_them_in_its_filters() {
        let query = json!({"kind": "DataVisualizationNode", "source": {"kind": "HogQLQuery", "query": "select 1 where {filters}"}});
        let found = with_filters(query, json!({"date_to": "2020-01-01"}));
        assert_eq!(found["source"]["filters"]["dateRange"]["date_to"], json!("2020-01-01"));
    }

    #[test]
    fn variables_take_the_values_given() {
        let mut query = json!({"kind": "HogQLQuery", "query": "select {variables.a}",
            "variables": {"1": {"code_name": "a", "value": 1}, "2": {"code_name": "b", "value": 2, "isNull": true}}});
        apply_variables(&mut query, &json!({"1": {"value": 5}, "b": {"value": 6}, "3": {"value": 7}}));
        assert_eq!(query["variables"], json!({"1": {"code_name": "a", "value": 5}, "2": {"code_name": "b", "value": 6}}));
    }
}
