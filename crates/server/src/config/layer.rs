//! The layers of the config, and the messages when one of them is wrong.

use super::Config;
use crate::cli::ServeArgs;
use crate::error::Fatal;
use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::collections::BTreeSet;

/// Begins the name of every environment variable.
pub(super) const PREFIX: &str = "AQUEDUCT_";
/// Variables that are no settings: they are read at the first start, or by the command line.
const OTHER_VARIABLES: &[&str] = &["AQUEDUCT_CONFIG", "AQUEDUCT_API_KEY"];
const BOOTSTRAP: &str = "AQUEDUCT_BOOTSTRAP_";

/// One value of the environment or the command line.
struct Single {
    /// What messages call its origin.
    origin: String,
    key: String,
    value: Value,
}

impl Provider for Single {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(figment::util::nest(&self.key, self.value.clone()).into_dict().unwrap_or_default()))
    }
}

/// All layers together.
pub(super) fn extract(arguments: &ServeArgs) -> Result<Config, Fatal> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(path) = &arguments.config {
        if !path.is_file() {
            return Err(Fatal::Usage(format!("--config: found no file {}, expected a TOML file", path.display())));
        }
        figment = figment.merge(Toml::file_exact(path));
    }
    for single in environment(&leaves()).into_iter().chain(options(arguments)) {
        figment = figment.merge(single);
    }
    figment.extract().map_err(|error| Fatal::Usage(message(error)))
}

/// Keys of all settings, `journal.segment_bytes`, with their defaults.
pub(super) fn leaves() -> Vec<(String, Value)> {
    fn walk(prefix: &str, value: Value, leaves: &mut Vec<(String, Value)>) {
        match value {
            Value::Dict(_, dict) => {
                for (key, value) in dict {
                    let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                    walk(&key, value, leaves);
                }
            }
            leaf => leaves.push((prefix.to_owned(), leaf)),
        }
    }
    let mut leaves = Vec::new();
    if let Ok(defaults) = Value::serialize(Config::default()) {
        walk("", defaults, &mut leaves);
    }
    leaves
}

/// The environment variable of a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

fn environment(leaves: &[(String, Value)]) -> Vec<Single> {
    let mut found = Vec::new();
    for (key, default) in leaves {
        let name = variable_of(key);
        if let Ok(text) = std::env::var(&name) {
            // Text stays text: a directory may be called `1`.
            let value = if matches!(default, Value::String(..)) { Value::from(text) } else { parsed(&text) };
            found.push(Single { origin: format!("environment variable {name}"), key: key.clone(), value });
        }
    }
    found
}

/// Variables that look like settings and are none. Not an error: Kubernetes sets some for a service that is called aqueduct.
pub(super) fn strange_variables() -> Vec<String> {
    let mut known: BTreeSet<String> = leaves().iter().map(|(key, _)| variable_of(key)).collect();
    known.extend(OTHER_VARIABLES.iter().map(|name| (*name).to_owned()));
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with(PREFIX) && !name.starts_with(BOOTSTRAP) && !known.contains(name)).collect()
}

fn parsed(text: &str) -> Value {
    text.parse().unwrap_or_else(|never| match never {})
}

fn options(arguments: &ServeArgs) -> Vec<Single> {
    let given = [
        ("--data-dir", "data_dir", &arguments.data_dir),
        ("--listen", "listen", &arguments.listen),
        ("--ops-listen", "ops_listen", &arguments.ops_listen),
        ("--roles", "roles", &arguments.roles),
    ];
    let single = |(option, key, value): (&str, &str, &Option<String>)| {
        value.as_ref().map(|value| Single { origin: format!("option {option}"), key: key.to_owned(), value: Value::from(value.as_str()) })
    };
    given.into_iter().filter_map(single).collect()
}

/// What serde calls a type, for people.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative",
        "bool" | "a boolean" => "true or false",
        other => other,
    }
}

/// The first thing that is wrong: where, which key, what.
fn message(error: figment::Error) -> String {
    let count = error.clone().into_iter().count();
    let Some(first) = error.into_iter().next() else { return "the config is wrong".to_owned() };
    let origin = first.metadata.as_ref().map(|metadata| match &metadata.source {
        Some(figment::Source::File(path)) => path.display().to_string(),
        _ => metadata.name.to_string(),
    });
    let key = first.path.join(".");
    let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    let words = match &first.kind {
        Kind::UnknownField(_, known) => format!("unknown key, expected one of {}", known.join(", ")),
        Kind::UnknownVariant(found, known) => format!("found {found:?}, expected one of {}", known.join(", ")),
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => format!("found {found}, expected {}", plain(expected)),
        other => other.to_string(),
    };
    let parts = [origin.unwrap_or_default(), key, format!("{words}{more}")];
    parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(": ")
}
