//! The reference of all settings: a complete config file. Its words are the doc comments of the structs, so the struct is the manual.

use super::layer::{leaves, variable_of};
use crate::error::Fatal;
use figment::value::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;

/// Section of the file, its words, and the source whose struct it is.
const SECTIONS: &[(&str, &str, &str, &str)] = &[
    ("", "", include_str!("../config.rs"), "Config"),
    ("log", "Logs on stderr.", include_str!("../config.rs"), "LogConfig"),
    ("http", "Connections of the main listener.", include_str!("../config.rs"), "HttpConfig"),
    ("capture", "The HTTP edge for SDKs.", include_str!("../../../capture/src/config.rs"), "CaptureConfig"),
    ("journal", "The local write-ahead log.", include_str!("../../../journal/src/config.rs"), "WalConfig"),
    ("process", "From journal to store.", include_str!("../config.rs"), "ProcessSettings"),
    ("store", "The embedded columnar store.", include_str!("../../../store/src/config.rs"), "StoreConfig"),
    ("query", "The query engine.", include_str!("../../../query/src/engine/config.rs"), "QueryConfig"),
    ("trace", "What is kept so that an event can be traced.", include_str!("../../../ledger/src/recorder/config.rs"), "RecorderConfig"),
];

/// Prints the reference.
pub(crate) fn print() -> Result<(), Fatal> {
    // A reader that has gone (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text().as_bytes());
    Ok(())
}

fn text() -> String {
    let mut out =
        String::from("# Every setting of Aqueduct with its default. Options stand above environment variables, these above this file.\n");
    let leaves = leaves();
    for (section, words, source, name) in SECTIONS {
        if !section.is_empty() {
            let _ = write!(out, "\n# {words}\n[{section}]\n");
        }
        let docs = docs_of(source, name);
        for (key, default) in leaves.iter().filter(|(key, _)| section_of(key) == *section) {
            let field = key.rsplit_once('.').map_or(key.as_str(), |(_, field)| field);
            out.push('\n');
            for line in docs.get(field).into_iter().flatten() {
                let _ = writeln!(out, "# {line}");
            }
            let _ = writeln!(out, "# {}", variable_of(key));
            let _ = match default {
                // TOML has no word for "none": the key is left out.
                Value::Empty(..) => writeln!(out, "# {field} ="),
                set => writeln!(out, "{field} = {}", toml(set)),
            };
        }
    }
    out
}

fn section_of(key: &str) -> &str {
    key.split_once('.').map_or("", |(section, _)| section)
}

/// Doc comments of the fields of a struct, by field.
fn docs_of<'a>(source: &'a str, name: &str) -> HashMap<&'a str, Vec<&'a str>> {
    let mut docs = HashMap::new();
    let mut lines = Vec::new();
    let start = format!("struct {name} {{");
    for line in source.lines().skip_while(|line| !line.contains(&start)).skip(1).map(str::trim) {
        if line == "}" {
            break;
        }
        if let Some(words) = line.strip_prefix("///") {
            lines.push(words.trim());
        } else if let Some(field) = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").split_once(": ") {
            docs.insert(field.0, std::mem::take(&mut lines));
        }
    }
    docs
}

fn toml(value: &Value) -> String {
    match value {
        Value::Array(_, list) => format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::String(_, text) => format!("{text:?}"),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Num(_, number) => {
            number.to_i128().map(|number| number.to_string()).or(number.to_u128().map(|number| number.to_string())).unwrap_or_default()
        }
        _ => "\"\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use figment::Figment;
    use figment::providers::{Format, Toml};

    #[test]
    fn the_reference_is_a_config_file_with_all_defaults() {
        let text = text();
        let read: Config = Figment::from(Toml::string(&text)).extract().expect("a config file");
        let (read, defaults) = (Value::serialize(read).expect("values"), Value::serialize(Config::default()).expect("values"));
        assert_eq!(read, defaults);
    }

    /// `UPDATE_EXPECT=1 cargo test -p aqueduct-server reference` writes the page anew.
    #[test]
    fn the_handbook_has_the_reference() {
        let page = format!(
            "# Settings\n\n\
             What `aqueduct config` prints: every setting with its default, its place in the file and its environment variable. Save it as `aqueduct.toml`, change what\n\
             you need and start with `--config aqueduct.toml`. Unknown keys are refused; a wrong value is named with file and key before anything starts.\n\n\
             ```toml\n{}```\n",
            text()
        );
        expect_test::expect_file!["../../../../docs/src/reference/config.md"].assert_eq(&page);
    }

    #[test]
    fn every_setting_is_explained() {
        let known: Vec<&str> = SECTIONS.iter().map(|(section, ..)| *section).collect();
        for (key, _) in leaves() {
            assert!(known.contains(&section_of(&key)), "section of {key}");
        }
        let text = text();
        let mut before = "";
        for line in text.lines() {
            assert!(!line.starts_with("# AQUEDUCT_") || before.starts_with("# "), "no words above {line}");
            before = line;
        }
    }
}
