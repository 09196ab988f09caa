//! What the catalog keeps, as the rest of the product sees it.

use aqueduct_event::{ProjectId, UnixMicros};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use uuid::Uuid;

/// The one organization of this installation (PostHog knows many; `@current` is this one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: UnixMicros,
    /// When it was changed last.
    pub updated_at: UnixMicros,
}

/// A project and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its number.
    pub id: ProjectId,
    /// Its uuid.
    pub uuid: Uuid,
    /// Its organization.
    pub organization: Uuid,
    /// Its name.
    pub name: String,
    /// The token SDKs send, `phc_…`.
    pub api_token: String,
    /// The secret token for local flag evaluation, `phs_…`.
    pub secret_api_token: String,
    /// IANA name, for instance `Europe/Berlin`. Queries count days in it.
    pub timezone: String,
    /// First day of the week: 0 Sunday, 1 Monday.
    pub week_start_day: u8,
    /// Whether `$ip` is removed before storage.
    pub anonymize_ips: bool,
    /// Filters of "internal and test users", a JSON array of property filters.
    pub test_account_filters: Value,
    /// Path cleaning rules, a JSON array of `{alias, regex, order}`.
    pub path_cleaning_filters: Value,
    /// Whether any event has arrived.
    pub ingested_event: bool,
    /// Other settings that PostHog's clients read and write, a JSON object.
    pub settings: Value,
    /// When it was made.
    pub created_at: UnixMicros,
    /// When it was changed last.
    pub updated_at: UnixMicros,
}

/// What a new project is made of; absent fields take their defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewProject {
    /// Its name; "Default project" when absent.
    pub name: Option<String>,
    /// IANA name; `UTC` when absent.
    pub timezone: Option<String>,
    /// The other settings.
    pub patch: ProjectPatch,
}

/// Changes of a project; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectPatch {
    /// See [`Project::name`].
    pub name: Option<String>,
    /// See [`Project::timezone`].
    pub timezone: Option<String>,
    /// See [`Project::week_start_day`].
    pub week_start_day: Option<u8>,
    /// See [`Project::anonymize_ips`].
    pub anonymize_ips: Option<bool>,
    /// See [`Project::test_account_filters`].
    pub test_account_filters: Option<Value>,
    /// See [`Project::path_cleaning_filters`].
    pub path_cleaning_filters: Option<Value>,
    /// Keys of [`Project::settings`] to set.
    pub settings: Map<String, Value>,
}

/// A person who uses the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub id: i64,
    /// Id.
    pub uuid: Uuid,
    /// Address, unique.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// What they may do in the organization.
    pub level: Level,
    /// The project that they work in: what `@current` means to them; `None` for the first one.
    pub current_project: Option<ProjectId>,
    /// Whether a password is set. The user of the first start has none until somebody sets the installation up.
    pub has_password: bool,
    /// When it was made.
    pub created_at: UnixMicros,
}

/// What a user may do in the organization; the number is PostHog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Works in projects.
    Member = 1,
    /// Also makes projects, invites people and changes those up to their own level.
    Admin = 8,
    /// Also makes owners.
    Owner = 15,
}

impl Level {
    /// PostHog's number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The level with PostHog's number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Member, Self::Admin, Self::Owner].into_iter().find(|level| i64::from(level.number()) == number)
    }
}

/// A key that a program sends as `Authorization: Bearer phx_…`. The secret itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalApiKey {
    /// Id of the key.
    pub id: String,
    /// Whose it is.
    pub user_id: i64,
    /// What it is for.
    pub label: String,
    /// `*` or `<object>:read|write`.
    pub scopes: Vec<String>,
    /// Beginning and end of the secret, to tell keys apart.
    pub mask: String,
    /// When it was made.
    pub created_at: UnixMicros,
    /// When it was used last, to the hour.
    pub last_used_at: Option<UnixMicros>,
}

impl PersonalApiKey {
    /// Whether the key may do `action` (`read` or `write`) on `object`. Writing includes reading.
    #[must_use]
    pub fn allows(&self, object: &str, action: &str) -> bool {
        self.scopes.iter().any(|scope| match scope.split_once(':') {
            None => scope == "*",
            Some((of, may)) => (of == object || of == "*") && (may == action || may == "write"),
        })
    }
}

/// An event name that has occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDefinition {
    /// Its id.
    pub id: Uuid,
    /// The event's name.
    pub name: String,
    /// When it was seen first.
    pub created_at: UnixMicros,
    /// When it was seen last, to the hour.
    pub last_seen_at: UnixMicros,
}

/// A property that has occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyDefinition {
    /// Its id.
    pub id: Uuid,
    /// The key.
    pub name: String,
    /// What it belongs to.
    pub parent: PropertyParent,
    /// Index of the group type where the parent is a group.
    pub group_type_index: Option<u8>,
    /// What its values are; `None` while only arrays, objects and nulls were seen.
    pub property_type: Option<PropertyType>,
}

/// Something that was wrong with an event, told to the project's owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestionWarning {
    /// Its kind, for instance `cannot_merge_already_identified`.
    pub kind: String,
    /// What is known of it, a JSON object.
    pub details: Value,
    /// When.
    pub created_at: UnixMicros,
}

/// What a property belongs to; the number is PostHog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum PropertyParent {
    /// An event.
    Event = 1,
    /// A person.
    Person = 2,
    /// A group.
    Group = 3,
    /// A session.
    Session = 4,
}

impl PropertyParent {
    /// The parent with PostHog's number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Event, Self::Person, Self::Group, Self::Session].into_iter().find(|parent| *parent as i64 == number)
    }
}

/// What a property's values are, as inferred from the first ones seen (ingestion semantics, section 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PropertyType {
    /// Text.
    String,
    /// Numbers.
    Numeric,
    /// `true` or `false`.
    Boolean,
    /// Dates and times.
    DateTime,
    /// Seconds.
    Duration,
}

impl PropertyType {
    const ALL: [Self; 5] = [Self::String, Self::Numeric, Self::Boolean, Self::DateTime, Self::Duration];

    /// The name that is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Numeric => "Numeric",
            Self::Boolean => "Boolean",
            Self::DateTime => "DateTime",
            Self::Duration => "Duration",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for PropertyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scopes: &[&str]) -> PersonalApiKey {
        PersonalApiKey {
            id: String::new(),
            user_id: 1,
            label: String::new(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            mask: String::new(),
            created_at: UnixMicros(0),
            last_used_at: None,
        }
    }

    #[test]
    fn scopes() {
        assert!(key(&["*"]).allows("query", "write"));
        assert!(key(&["query:write"]).allows("query", "read"));
        assert!(key(&["query:read"]).allows("query", "read"));
        assert!(!key(&["query:read"]).allows("query", "write"));
        assert!(!key(&["query:read"]).allows("project", "read"));
        assert!(!key(&[]).allows("project", "read"));
    }
}
