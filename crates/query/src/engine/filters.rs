//! The `filters` of a HogQLQuery and the filter fields of other queries as conditions.

use crate::dates::parse_moment;
use crate::error::QueryError;
use crate::filters::{self, FilterContext, Scope};
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{and, call, compare};
use crate::resolve::{FilterPair, QueryContext};
use aqueduct_catalog::PropertyParent;
use jiff::{Timestamp, Zoned};
use serde_json::Value as Json;

/// The present in the project's zone.
pub(crate) fn moment_now(context: &QueryContext) -> Zoned {
    Timestamp::from_microsecond(context.now.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(context.scan.zone().clone())
}

/// What a list or group of property filters means over rows of a table.
///
/// # Errors
/// [`QueryError::Request`] when a filter cannot be understood.
pub(crate) fn request_filters(given: &Json, scope: Scope, context: &QueryContext) -> Result<Option<Expr>, QueryError> {
    let now = moment_now(context);
    let type_of = |kind: &str, group: Option<u8>, key: &str| {
        let parent = match kind {
            "event" | "feature" => PropertyParent::Event,
            "person" => PropertyParent::Person,
            "group" => PropertyParent::Group,
            _ => return None,
        };
        context.definitions.property_type(context.project.id, parent, group, key)
    };
    filters::condition(given, scope, &FilterContext { now: &now, type_of: &type_of, path_cleaning: &context.project.path_cleaning_filters })
}

/// `{filters}` over `events` and over `sessions`.
///
/// # Errors
/// [`QueryError::Request`] when a filter cannot be understood.
pub(super) fn filter_pair(given: &Json, context: &QueryContext) -> Result<FilterPair, QueryError> {
    let side = |scope: Scope, time: &str| -> Result<Expr, QueryError> {
        let mut all = Vec::new();
        all.extend(request_filters(given.get("properties").unwrap_or(&Json::Null), scope, context)?);
        if given.get("filterTestAccounts").and_then(Json::as_bool).unwrap_or(false) {
            all.extend(request_filters(&context.project.test_account_filters, scope, context)?);
        }
        let range = given.get("dateRange").unwrap_or(&Json::Null);
        let bound = |name: &str| range.get(name).and_then(Json::as_str).filter(|text| !text.is_empty() && *text != "all");
        if let Some(to) = bound("date_to") {
            all.push(compare(CompareOp::Lt, Expr::field([time]), moment(to, context)));
        }
        if let Some(from) = bound("date_from") {
            all.push(compare(CompareOp::GtEq, Expr::field([time]), moment(from, context)));
        }
        Ok(and(all))
    };
    Ok(FilterPair { events: side(Scope::Event, "timestamp")?, sessions: side(Scope::Session, "$start_timestamp")? })
}

/// An absolute or relative date as a constant.
pub(crate) fn moment(text: &str, context: &QueryContext) -> Expr {
    let at = parse_moment(text, &moment_now(context), false).at;
    let utc = at.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    call("toDateTime64", vec![Expr::lit(utc.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()), Expr::lit(6), Expr::lit("UTC")])
}
