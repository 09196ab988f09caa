//! What a process does.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// One of the things that a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Takes events.
    Capture,
    /// Makes them visible.
    Process,
    /// Answers queries, management and the web app.
    Api,
}

/// At least one role. Read from a list or from text such as `capture,process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Roles(Vec<Role>);

impl Default for Roles {
    fn default() -> Self {
        Self(vec![Role::Capture, Role::Process, Role::Api])
    }
}

impl Roles {
    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    List(Vec<String>),
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "expected some of capture, process, api";
        let names = match Form::deserialize(deserializer).map_err(|_| D::Error::custom(EXPECTED))? {
            Form::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            Form::List(list) => list,
        };
        let role = |name: &String| match name.as_str() {
            "capture" => Ok(Role::Capture),
            "process" => Ok(Role::Process),
            "api" => Ok(Role::Api),
            other => Err(D::Error::custom(format!("found {other:?}, {EXPECTED}"))),
        };
        let roles = names.iter().map(role).collect::<Result<Vec<_>, _>>()?;
        if roles.is_empty() { Err(D::Error::custom(format!("found none, {EXPECTED}"))) } else { Ok(Self(roles)) }
    }
}
