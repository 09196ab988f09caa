//! Actions: names for events.

use super::{Kind, Shelf, Siblings, Work, Works, checked_name};
use crate::CatalogError;
use aqueduct_event::UnixMicros;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Steps of an action. Each is a condition on every row of a query.
const STEPS_MAX: usize = 100;

/// A name for events: an event that matches any step is one of the action.
pub type Action = Work<ActionKind>;

/// The kind of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionKind;

/// What an action holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionDocument {
    /// Its name, its own among the living actions of the project: queries call them by name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Any of them matches. Without any the action stands for all events.
    pub steps: Vec<ActionStep>,
    /// A setting that PostHog's clients read and write; nothing is sent here.
    pub post_to_slack: bool,
    /// Likewise.
    pub slack_message_format: String,
    /// When somebody pinned it.
    pub pinned_at: Option<UnixMicros>,
}

/// Conditions on one event; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionStep {
    /// Name of the event; `None` for any.
    pub event: Option<String>,
    /// Of an autocaptured element: its tag.
    pub tag_name: Option<String>,
    /// Of an autocaptured element: its text, or that of one around it.
    pub text: Option<String>,
    /// How `text` is compared; exactly when absent.
    pub text_matching: Option<Matching>,
    /// Of an autocaptured element: where it leads.
    pub href: Option<String>,
    /// How `href` is compared; exactly when absent.
    pub href_matching: Option<Matching>,
    /// Of an autocaptured element: a selector of elements.
    pub selector: Option<String>,
    /// Address of the page.
    pub url: Option<String>,
    /// How `url` is compared; `contains` when absent.
    pub url_matching: Option<Matching>,
    /// Property filters, a JSON array.
    pub properties: Value,
}

/// How text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// It holds the other.
    Contains,
    /// It matches the pattern.
    Regex,
    /// It is the other.
    Exact,
}

impl Kind for ActionKind {
    type Document = ActionDocument;

    const IS_READ_BY_QUERIES: bool = true;

    fn scope(self) -> Option<&'static str> {
        Some("Action")
    }

    fn number(self) -> i64 {
        5
    }

    fn name(self) -> &'static str {
        "action"
    }

    fn check(action: &mut Action, siblings: &Siblings<Self>) -> Result<(), CatalogError> {
        let document = &mut action.document;
        document.name = checked_name(&document.name)?;
        if document.steps.len() > STEPS_MAX {
            return Err(CatalogError::invalid("steps", &document.steps.len().to_string(), "at most 100 steps"));
        }
        if let Some(step) = document.steps.iter().find(|step| !matches!(step.properties, Value::Null | Value::Array(_))) {
            return Err(CatalogError::invalid("steps", &step.properties.to_string(), "a list of property filters"));
        }
        let is_taken = |other: &Action| other.id != action.id && !other.is_deleted && other.document.name == action.document.name;
        if !action.is_deleted && siblings.values().any(|other| is_taken(other)) {
            return Err(CatalogError::Taken { field: "name", value: action.document.name.clone() });
        }
        Ok(())
    }

    fn shelf(works: &Works) -> &Shelf<Self> {
        &works.actions
    }

    fn shelf_mut(works: &mut Works) -> &mut Shelf<Self> {
        &mut works.actions
    }
}
