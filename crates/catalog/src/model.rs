//! What the catalog keeps, as the rest of the product sees it.

use aqueduct_event::ProjectId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The one organization of this installation (PostHog knows many; `@current` is this one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// A project and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its number.
    pub id: ProjectId,
    /// Its uuid.
    pub uuid: Uuid,
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
    pub test_account_filters: serde_json::Value,
    /// Path cleaning rules, a JSON array of `{alias, regex, order}`.
    pub path_cleaning_filters: serde_json::Value,
    /// Whether any event has arrived.
    pub ingested_event: bool,
    /// Other settings that PostHog's clients read and write, a JSON object.
    pub settings: serde_json::Value,
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
