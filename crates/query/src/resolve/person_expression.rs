//! Fields of a person that are computed from what was first known of it: `person.$virt_initial_channel_type`.
//!
//! They are asked for as fields and, as filters and breakdowns of insights name them, as properties.

use super::scope::Scope;
use super::types::Value;
use crate::error::QueryError;
use crate::hogql::ast::CompareOp;
use datafusion::common::ScalarValue;

/// Keys of the properties that tell how a person came, in the order in which the rules of channels take them.
const ORIGIN: [&str; 7] = [
    "$initial_utm_campaign",
    "$initial_utm_medium",
    "$initial_utm_source",
    "$initial_referring_domain",
    "$initial_gclid",
    "$initial_fbclid",
    "$initial_gad_source",
];
const REFERRING_DOMAIN: &str = ORIGIN[3];
/// The sign of a person who came from nowhere.
const DIRECT: &str = "$direct";

/// A field that is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PersonExpression {
    ChannelType,
    ReferringDomainType,
}

impl PersonExpression {
    /// The field of a name; `None` for a name that is no such field.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "$virt_initial_channel_type" => Some(Self::ChannelType),
            "$virt_initial_referring_domain_type" => Some(Self::ReferringDomainType),
            _ => None,
        }
    }
}

impl Scope<'_> {
    /// The value of a computed field; `property` reads one of the same person's properties.
    ///
    /// # Errors
    /// [`QueryError`] when a property cannot be read here.
    pub(super) fn person_expression(
        &mut self,
        field: PersonExpression,
        mut property: impl FnMut(&mut Self, &str) -> Result<Value, QueryError>,
    ) -> Result<Value, QueryError> {
        let mut text = |scope: &mut Self, key: &str| {
            let value = property(scope, key)?;
            scope.call_values("toString", vec![value])
        };
        match field {
            PersonExpression::ChannelType => {
                let mut origin = Vec::with_capacity(ORIGIN.len());
                for key in ORIGIN {
                    let value = text(self, key)?;
                    let is_mark = matches!(key, "$initial_gclid" | "$initial_fbclid");
                    origin.push(if is_mark { self.is_given(value)? } else { value });
                }
                self.call_values("_defaultChannelType", origin)
            }
            PersonExpression::ReferringDomainType => {
                let domain = text(self, REFERRING_DOMAIN)?;
                let kind = self.call_values("lookupDomainType", vec![domain.clone()])?;
                let is_direct = self.compare_values(CompareOp::Eq, domain, constant_text(DIRECT))?;
                self.call_values("if", vec![is_direct, constant_text(DIRECT), kind])
            }
        }
    }

    /// Whether a text is there: neither NULL nor empty nor the text `null`.
    fn is_given(&mut self, text: Value) -> Result<Value, QueryError> {
        let text = self.call_values("nullIf", vec![text, constant_text("")])?;
        let text = self.call_values("nullIf", vec![text, constant_text("null")])?;
        self.call_values("isNotNull", vec![text])
    }
}

fn constant_text(text: &str) -> Value {
    Value::literal(ScalarValue::Utf8(Some(text.to_owned())))
}
