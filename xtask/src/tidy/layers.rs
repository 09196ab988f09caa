//! Direction of dependency: a crate sees only the layers above its own line, never its neighbours.

use super::Finding;
use anyhow::{Context, Result};
use std::path::Path;

/// Which crates of ours each crate may use, in the way of an event. A crate sees lines above its own, never its neighbours;
/// `capture` sees neither `store` nor `query`, because it accepts events while they are down.
const MAY_USE: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("ledger", &["event"]),
    ("catalog", &["event"]),
    ("journal", &["event"]),
    ("store", &["event"]),
    ("capture", &["event", "ledger", "catalog", "journal"]),
    ("process", &["event", "ledger", "catalog", "journal", "store"]),
    ("query", &["event", "catalog", "store"]),
    // for tests alone: nobody has it under `[dependencies]`
    ("testkit", &["event", "ledger", "catalog", "journal", "store", "capture", "process", "query"]),
    ("trace", &["event", "ledger", "journal", "store"]),
    ("api", &["event", "ledger", "catalog", "store", "query", "trace"]),
    ("server", &["event", "ledger", "catalog", "journal", "store", "capture", "process", "query", "trace", "api"]),
    // aside: uses nothing of ours
    ("book", &[]),
];

/// Who may link DataFusion: it costs minutes of build time.
const DATAFUSION: &[&str] = &["query"];

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut folders: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        folders.push(entry?.file_name().to_string_lossy().into_owned());
    }
    folders.sort();
    for folder in folders {
        let path = format!("crates/{folder}/Cargo.toml");
        let text = std::fs::read_to_string(root.join(&path)).with_context(|| format!("cannot read {path}"))?;
        let manifest: toml::Table = text.parse().with_context(|| format!("cannot parse {path}"))?;
        let Some(allowed) = allowed(&folder) else {
            findings.push(Finding { path, rule: "layer", what: format!("crate {folder} is not in the table of xtask/src/tidy/layers.rs") });
            continue;
        };
        for used in dependencies(&manifest) {
            if used == "datafusion" && !DATAFUSION.contains(&folder.as_str()) {
                findings.push(Finding { path: path.clone(), rule: "layer", what: "links datafusion, which only query may".to_owned() });
            }
            let Some(ours) = used.strip_prefix("aqueduct-") else { continue };
            if !allowed.contains(&ours) {
                findings.push(Finding { path: path.clone(), rule: "layer", what: format!("{folder} may not use {ours}") });
            }
        }
    }
    Ok(findings)
}

fn allowed(folder: &str) -> Option<&'static [&'static str]> {
    MAY_USE.iter().find(|(name, _)| *name == folder).map(|(_, allowed)| *allowed)
}

/// Names under `[dependencies]` and `[build-dependencies]`; what tests use is free.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    ["dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section).and_then(toml::Value::as_table))
        .flat_map(|table| table.keys().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_goes_one_way() {
        for (at, (name, allowed)) in MAY_USE.iter().enumerate() {
            for used in *allowed {
                let below = MAY_USE[..at].iter().any(|(other, _)| other == used);
                assert!(below, "{name} uses {used}, which does not stand above it");
            }
        }
    }

    #[test]
    fn unknown_crates_are_refused() {
        assert_eq!(allowed("misc"), None);
    }
}
