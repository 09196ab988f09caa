//! What a funnel cannot be, with PostHog's words for it.

use super::engine::STEPS_MAX;
use super::query::{AttributionType, Exclusion, FunnelsFilter, FunnelsQuery, Order, Step, Viz};
use crate::error::QueryError;
use serde_json::Value;

/// Checks what the JSON alone can tell.
///
/// # Errors
/// [`QueryError::Request`] with the reason.
pub(super) fn check(query: &FunnelsQuery, filter: &FunnelsFilter) -> Result<(), QueryError> {
    let steps = query.series.len();
    if steps == 0 {
        return Err(refused("series", "Funnels require at least one step.".to_owned()));
    }
    if steps > STEPS_MAX {
        return Err(refused("series", format!("Funnels have at most {STEPS_MAX} steps, found {steps}.")));
    }
    check_range(filter, steps)?;
    for exclusion in filter.exclusions() {
        check_exclusion(exclusion, &query.series, filter.order())?;
    }
    check_optional(&query.series, filter)?;
    check_attribution(filter, steps)
}

fn check_range(filter: &FunnelsFilter, steps: usize) -> Result<(), QueryError> {
    let last = i64::try_from(steps).unwrap_or(i64::MAX) - 1;
    if let Some(from) = filter.from_step.filter(|from| !(0..last.max(1)).contains(from)) {
        let bound = last - 1;
        return Err(refused("funnelFromStep", format!("funnelFromStep is out of bounds. It must be between 0 and {bound}. Found {from}.")));
    }
    if let Some(to) = filter.to_step.filter(|to| !(1..=last).contains(to)) {
        return Err(refused("funnelToStep", format!("funnelToStep is out of bounds. It must be between 1 and {last}. Found {to}.")));
    }
    match (filter.from_step, filter.to_step) {
        (Some(from), Some(to)) if from >= to => {
            Err(refused("funnelToStep", "Funnel step range is invalid. funnelToStep should be greater than funnelFromStep.".to_owned()))
        }
        _ => Ok(()),
    }
}

fn check_exclusion(exclusion: &Exclusion, series: &[Step], order: Order) -> Result<(), QueryError> {
    let refuse = |detail: &str| Err(refused("exclusions", detail.to_owned()));
    let last = i64::try_from(series.len()).unwrap_or(i64::MAX) - 1;
    let (from, to) = (exclusion.from_step, exclusion.to_step);
    if order == Order::Unordered && (from != 0 || to != last) {
        return refuse("Partial Exclusions not allowed in unordered funnels");
    }
    if from < 0 || from >= to {
        return refuse("Exclusion event range is invalid. End of range should be greater than start.");
    }
    if from >= last {
        return refuse("Exclusion event range is invalid. Start of range is greater than number of steps.");
    }
    if to > last {
        return refuse("Exclusion event range is invalid. End of range is greater than number of steps.");
    }
    let between = usize::try_from(from).unwrap_or(0)..=usize::try_from(to).unwrap_or(0);
    if series[between].iter().any(|step| includes(step, &exclusion.step)) {
        return refuse("Exclusion steps cannot contain an event that's part of funnel steps.");
    }
    Ok(())
}

fn check_optional(series: &[Step], filter: &FunnelsFilter) -> Result<(), QueryError> {
    if !series.iter().any(Step::is_optional) {
        return Ok(());
    }
    let refuse = |detail: &str| Err(refused("series", detail.to_owned()));
    if !matches!(filter.viz(), Viz::Steps | Viz::Flow) || filter.order() == Order::Unordered {
        return refuse(
            "Optional funnel steps are only supported in funnels with step order Sequential or Strict and the graph type \"Conversion Steps\".",
        );
    }
    if series.first().is_some_and(Step::is_optional) {
        return refuse("The first step of a funnel cannot be optional.");
    }
    let hides = |pair: &[Step]| pair[0].is_optional() && !pair[1].is_optional() && includes(&pair[1], &pair[0]);
    if series.windows(2).any(hides) {
        return refuse("An optional step cannot be the same as the following required step.");
    }
    Ok(())
}

fn check_attribution(filter: &FunnelsFilter, steps: usize) -> Result<(), QueryError> {
    if filter.attribution != Some(AttributionType::Step) {
        return Ok(());
    }
    let step = filter.attribution_step.unwrap_or(0);
    let refuse = |detail: String| Err(refused("breakdownAttributionValue", detail));
    if filter.order() == Order::Unordered && step != 0 {
        return refuse("Only the first step can be used for breakdown attribution in unordered funnels".to_owned());
    }
    if step >= steps {
        return refuse(format!("breakdownAttributionValue must be between 0 and {}, found {step}", steps - 1));
    }
    Ok(())
}

/// Whether every event of `part` is one of `whole`, as far as their filters tell.
fn includes(whole: &Step, part: &Step) -> bool {
    let node = |step: &Step| step.series.kind.trim_start_matches("FunnelExclusion").to_owned();
    let same = node(whole) == node(part) && whole.series.event == part.series.event && whole.series.id == part.series.id;
    let is_subset = |some: &Value, all: &Value| {
        let mut all = filters_of(all);
        filters_of(some).iter().all(|filter| all.iter().position(|other| other == filter).map(|at| all.swap_remove(at)).is_some())
    };
    same && is_subset(&whole.series.properties, &part.series.properties)
        && is_subset(&whole.series.fixed_properties, &part.series.fixed_properties)
}

fn filters_of(list: &Value) -> Vec<String> {
    let text = |filter: &Value| {
        let [kind, key, operator, value] = ["type", "key", "operator", "value"].map(|field| filter.get(field).unwrap_or(&Value::Null));
        format!("{kind} {key} {operator} {value}")
    };
    list.as_array().map_or_else(Vec::new, |list| list.iter().filter(|filter| filter["type"] != "empty").map(text).collect())
}

fn refused(attr: &'static str, detail: String) -> QueryError {
    QueryError::Request { detail, attr: Some(attr) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_query(query: Value) -> String {
        let query: FunnelsQuery = serde_json::from_value(query).unwrap();
        let filter = query.funnels_filter.clone().unwrap_or_default();
        check(&query, &filter).map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    }

    fn with(filter: Value) -> String {
        let series = json!([{"event": "a"}, {"event": "b"}, {"event": "c"}]);
        check_query(json!({"series": series, "funnelsFilter": filter}))
    }

    #[test]
    fn ranges_of_steps() {
        assert_eq!(with(json!({"funnelFromStep": 0, "funnelToStep": 2})), "ok");
        assert!(with(json!({"funnelFromStep": 2})).starts_with("funnelFromStep is out of bounds. It must be between 0 and 1."));
        assert!(with(json!({"funnelToStep": 3})).starts_with("funnelToStep is out of bounds. It must be between 1 and 2."));
        assert!(with(json!({"funnelFromStep": 1, "funnelToStep": 1})).contains("should be greater"));
    }

    #[test]
    fn exclusions() {
        let excluding = |event: &str, from: i64, to: i64, order: &str| {
            with(json!({"funnelOrderType": order, "exclusions": [{"event": event, "funnelFromStep": from, "funnelToStep": to}]}))
        };
        assert_eq!(excluding("x", 0, 1, "ordered"), "ok");
        assert!(excluding("x", 1, 1, "ordered").contains("End of range should be greater than start"));
        assert!(excluding("x", 2, 3, "ordered").contains("Start of range is greater"));
        assert!(excluding("x", 1, 3, "ordered").contains("End of range is greater"));
        assert!(excluding("b", 0, 1, "ordered").contains("part of funnel steps"));
        assert_eq!(excluding("c", 0, 1, "ordered"), "ok");
        assert!(excluding("x", 0, 1, "unordered").contains("Partial Exclusions"));
        assert_eq!(excluding("x", 0, 2, "unordered"), "ok");
    }

    #[test]
    fn optional_steps() {
        let series = |first: bool, second: bool, event: &str| {
            let series = json!([{"event": "a", "optionalInFunnel": first}, {"event": "b", "optionalInFunnel": second}, {"event": event}]);
            check_query(json!({"series": series}))
        };
        assert_eq!(series(false, true, "c"), "ok");
        assert!(series(true, false, "c").contains("first step"));
        assert!(series(false, true, "b").contains("cannot be the same"));
    }

    #[test]
    fn attribution_to_a_step() {
        let step = |order: &str, step: usize| {
            with(json!({"funnelOrderType": order, "breakdownAttributionType": "step", "breakdownAttributionValue": step}))
        };
        assert_eq!(step("ordered", 2), "ok");
        assert!(step("ordered", 3).contains("between 0 and 2"));
        assert!(step("unordered", 1).contains("Only the first step"));
    }

    #[test]
    fn numbers_of_steps() {
        assert!(check_query(json!({"series": []})).contains("at least one step"));
        assert!(check_query(json!({"series": vec![json!({"event": "a"}); 33]})).contains("at most 32 steps"));
    }
}
