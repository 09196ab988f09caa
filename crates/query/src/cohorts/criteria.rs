//! The tree of criteria of a dynamic cohort, read from its JSON.
//!
//! `filters` is `{"properties": group}`; a group is `{"type": "AND"|"OR", "values": [group or criterion]}`. Any part may say `"negation": true`.

use super::behaviour::Behaviour;
use crate::error::QueryError;
use crate::resolve::ProjectFacts;
use aqueduct_catalog::Cohort;
use serde_json::Value;

/// Groups inside groups.
const DEPTH_MAX: usize = 32;

/// Who is meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Criteria {
    /// Those who meet all of them.
    All(Vec<Criteria>),
    /// Those who meet any of them.
    Any(Vec<Criteria>),
    /// Those who do not.
    Not(Box<Criteria>),
    /// Those who pass a property filter, as the persons are now.
    Person(Value),
    /// Those who did something.
    Did(Box<Behaviour>),
    /// The members of another cohort.
    Cohort(i64),
}

impl Criteria {
    /// The criteria of a cohort.
    ///
    /// # Errors
    /// [`QueryError::Request`] when there are none, or one cannot be understood.
    pub(crate) fn of(cohort: &Cohort, project: &ProjectFacts) -> Result<Self, QueryError> {
        let criteria = Self::read(&cohort.document.filters)
            .map_err(|what| bad(format!("Cohort {} ('{}'): {what}", cohort.id, cohort.document.name)))?;
        // Filters of test users that are about events or about cohorts say nothing of a person by itself.
        let without_tests = cohort.document.filters.get("filterTestAccounts").and_then(Value::as_bool) == Some(true);
        let tests = project.test_account_filters.as_array().filter(|_| without_tests).into_iter().flatten();
        let tests = tests.filter(|filter| filter.get("type").and_then(Value::as_str) == Some("person"));
        Ok(Self::All(std::iter::once(criteria).chain(tests.cloned().map(Self::Person)).collect()))
    }

    /// Reads `filters`. The error says what is wrong, for people.
    pub(crate) fn read(filters: &Value) -> Result<Self, String> {
        let tree = filters.get("properties").filter(|tree| !tree.is_null());
        match tree {
            Some(tree) => Self::group(tree, 0),
            None => Err("it has no criteria".to_owned()),
        }
    }

    fn group(tree: &Value, depth: usize) -> Result<Self, String> {
        if depth == DEPTH_MAX {
            return Err(format!("groups of criteria are at most {DEPTH_MAX} deep inside each other"));
        }
        let parts = |list: &[Value]| -> Result<Vec<Self>, String> {
            if list.is_empty() {
                return Err("a group has no criteria".to_owned());
            }
            list.iter().map(|part| Self::group(part, depth + 1)).collect()
        };
        let read = match tree {
            Value::Array(list) => Self::All(parts(list)?),
            Value::Object(object) => match (object.get("type").and_then(Value::as_str), object.get("values").and_then(Value::as_array)) {
                (Some("OR"), Some(list)) => Self::Any(parts(list)?),
                (Some("AND") | None, Some(list)) => Self::All(parts(list)?),
                (Some("AND" | "OR") | None, None) => return Err("a group of criteria needs \"values\"".to_owned()),
                (Some(kind), _) => Self::one(kind, tree)?,
            },
            other => return Err(format!("criteria are objects, found {other}")),
        };
        let is_negated = tree.get("negation").and_then(Value::as_bool) == Some(true);
        Ok(if is_negated { Self::Not(Box::new(read)) } else { read })
    }

    fn one(kind: &str, criterion: &Value) -> Result<Self, String> {
        match kind {
            "behavioral" => Behaviour::read(criterion).map(|behaviour| Self::Did(Box::new(behaviour))),
            "cohort" | "static-cohort" | "dynamic-cohort" | "precalculated-cohort" => {
                let value = criterion.get("value").unwrap_or(&Value::Null);
                let id = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
                let id = id.ok_or_else(|| format!("a cohort is meant by its number, found {value}"))?;
                match criterion.get("operator").and_then(Value::as_str).unwrap_or("in") {
                    "in" | "exact" => Ok(Self::Cohort(id)),
                    "not_in" | "is_not" => Ok(Self::Not(Box::new(Self::Cohort(id)))),
                    other => Err(format!("a cohort takes the operators in and not_in, found {other}")),
                }
            }
            "person" | "person_metadata" | "hogql" => Ok(Self::Person(criterion.clone())),
            other => Err(format!("criteria are of type behavioral, cohort or person, found '{other}'")),
        }
    }
}

/// The cohorts that the `filters` of a cohort refer to, each once; with that, whether they can be read at all.
///
/// # Errors
/// What is wrong with them, for people.
pub fn cohort_references(filters: &Value) -> Result<Vec<i64>, String> {
    fn collect(criteria: &Criteria, ids: &mut Vec<i64>) {
        match criteria {
            Criteria::All(parts) | Criteria::Any(parts) => parts.iter().for_each(|part| collect(part, ids)),
            Criteria::Not(inner) => collect(inner, ids),
            Criteria::Cohort(id) => ids.push(*id),
            Criteria::Person(_) | Criteria::Did(_) => {}
        }
    }
    let mut ids = Vec::new();
    collect(&Criteria::read(filters)?, &mut ids);
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn bad(detail: String) -> QueryError {
    QueryError::Request { detail, attr: Some("filters") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(properties: &Value) -> Result<Criteria, String> {
        Criteria::read(&json!({"properties": properties}))
    }

    #[test]
    fn trees_and_lists() {
        let email = json!({"type": "person", "key": "email", "operator": "is_set"});
        let tree = json!({"type": "OR", "values": [
            {"type": "AND", "values": [email, {"type": "cohort", "key": "id", "value": "7", "negation": true}]},
            {"type": "cohort", "key": "id", "value": 8, "operator": "not_in"},
        ]});
        let not = |id| Criteria::Not(Box::new(Criteria::Cohort(id)));
        let expected = Criteria::Any(vec![Criteria::All(vec![Criteria::Person(email.clone()), not(7)]), not(8)]);
        assert_eq!(read(&tree), Ok(expected));
        assert_eq!(read(&json!([email])), Ok(Criteria::All(vec![Criteria::Person(email)])));
        assert_eq!(cohort_references(&json!({"properties": tree})), Ok(vec![7, 8]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let deep = (0..40).fold(json!({"type": "person"}), |inner, _| json!({"type": "AND", "values": [inner]}));
        let cases = [
            (json!(null), "it has no criteria"),
            (json!({}), "needs \"values\""),
            (json!({"type": "OR", "values": []}), "a group has no criteria"),
            (json!([{"type": "event", "key": "a"}]), "found 'event'"),
            (json!([{"type": "cohort", "value": "x"}]), "by its number, found \"x\""),
            (json!([3]), "found 3"),
            (deep, "at most 32 deep"),
        ];
        for (tree, expected) in cases {
            let error = read(&tree).unwrap_err();
            assert!(error.contains(expected), "{tree}: {error}");
        }
    }
}
