//! What a check of a query finds to say to whoever writes it: where something is wrong, and what fields are.

use super::types::{Type, Value};
use crate::error::QueryError;
use crate::hogql::ast::{Expr, ExprKind, Segment, Span};
use arrow::datatypes::DataType;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

/// Notes in the order in which they were taken: an expression before the one around it.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    faults: Vec<(Span, String)>,
    notices: Vec<((u32, u32), String)>,
}

impl Notes {
    /// Notes what an expression came to. What Rust built stands nowhere in the text, so nothing is said of it.
    pub(super) fn take(&self, expr: &Expr, value: &Result<Value, QueryError>) {
        match (value, &expr.kind) {
            (Err(error), _) => self.fault(expr.span, error),
            (Ok(value), ExprKind::Field(chain)) if expr.span.end > expr.span.start => {
                let notice = ((expr.span.start, expr.span.end), notice(chain, &value.ty));
                let mut taken = self.0.lock();
                if !taken.notices.contains(&notice) {
                    taken.notices.push(notice);
                }
            }
            _ => {}
        }
    }

    /// Notes that something is wrong at a place.
    pub(crate) fn fault(&self, place: Span, error: &QueryError) {
        if place.end > place.start {
            self.0.lock().faults.push((place, error.detail()));
        }
    }

    /// The innermost place where that was found.
    pub(crate) fn place_of(&self, message: &str) -> Option<Span> {
        self.0.lock().faults.iter().find(|(_, found)| found == message).map(|(place, _)| *place)
    }

    /// PostHog's notices, in the order of the text.
    pub(crate) fn notices(&self) -> Json {
        let mut notices = self.0.lock().notices.clone();
        notices.sort_unstable();
        notices.into_iter().map(|((start, end), message)| json!({"message": message, "start": start, "end": end})).collect()
    }
}

fn notice(chain: &[Segment], ty: &Type) -> String {
    let names: Vec<&str> = chain.iter().filter_map(Segment::as_name).collect();
    let of = match names.as_slice() {
        [.., "person" | "poe", "properties", _] => Some("Person"),
        [.., group, "properties", _] if group.starts_with("group_") || group.starts_with("goe_") => Some("Group"),
        [.., "properties", _] => Some("Event"),
        _ => None,
    };
    let (name, kind) = (names.last().copied().unwrap_or_default(), kind_of(ty));
    match of {
        Some(of) => format!("{of} property '{name}' is of type '{kind}'."),
        None => format!("Field '{name}' is of type '{kind}'"),
    }
}

/// The word that PostHog's editor shows for a type.
fn kind_of(ty: &Type) -> &'static str {
    match &ty.data {
        DataType::Boolean => "Boolean",
        DataType::Timestamp(..) => "DateTime",
        DataType::Date32 | DataType::Date64 => "Date",
        DataType::FixedSizeBinary(16) => "UUID",
        DataType::List(_) | DataType::LargeList(_) => "Array",
        DataType::Struct(_) => "Tuple",
        DataType::Decimal128(..) => "Decimal",
        data if data.is_floating() => "Float",
        data if data.is_integer() => "Integer",
        _ => "String",
    }
}
