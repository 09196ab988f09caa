//! What a source file looks like: it says what it is, it is short, it is finished.

use super::Finding;
use anyhow::{Context, Result};
use std::path::Path;

/// Longest source file.
const LINES_MAX: usize = 800;
/// Marks of unfinished code, split so that this file does not find itself.
const UNFINISHED: &[&str] = &[concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X:")];
/// Addresses that a lock file must not carry: packages come by name.
const REGISTRY_MARK: &str = "\"resolved\": \"http";

pub(super) fn check(root: &Path, files: &[String]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in files {
        let is_rust = path.ends_with(".rs");
        let is_script = [".ts", ".tsx"].iter().any(|end| path.ends_with(end));
        let is_lock = path.ends_with("package-lock.json");
        if !(is_rust || is_script || is_lock) {
            continue;
        }
        let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        let mut found = |rule, what: String| findings.push(Finding { path: path.clone(), rule, what });
        if is_lock {
            if text.contains(REGISTRY_MARK) {
                found("lock", "names the address of a package registry; set omit-lockfile-registry-resolved".to_owned());
            }
            continue;
        }
        if is_rust && !text.starts_with("//!") && !text.starts_with("#!") {
            found("header", "begins without `//!`: say what goes in and what comes out".to_owned());
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            found("length", format!("{lines} lines, at most {LINES_MAX}: split it by route, command or backend"));
        }
        for (at, line) in text.lines().enumerate() {
            if let Some(mark) = UNFINISHED.iter().find(|mark| line.contains(**mark)) {
                found("unfinished", format!("line {}: {mark}", at + 1));
            }
        }
    }
    Ok(findings)
}
