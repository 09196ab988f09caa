//! Rules of the house that no compiler checks. In: the tree as git lists it. Out: findings, one line each.
//!
//! Exceptions stand in `debts.txt`; a debt that is paid must be struck, so the list only shrinks.

mod layers;
mod sources;

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// File, relative to the root.
    pub(crate) path: String,
    /// Short name of the rule, as used in `debts.txt`.
    pub(crate) rule: &'static str,
    /// What was found and what is expected.
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path, self.rule, self.what)
    }
}

/// Root of the workspace.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask lies below the root")?.to_owned())
}

/// All findings that no debt excuses, and all debts that no finding needs.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let files = tracked_files(root)?;
    let mut findings = layers::check(root)?;
    findings.extend(sources::check(root, &files)?);
    findings.sort();
    let debts: BTreeSet<String> = include_str!("debts.txt")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let mut used = BTreeSet::new();
    findings.retain(|finding| {
        let key = format!("{} {}", finding.rule, finding.path);
        let owed = debts.contains(&key);
        if owed {
            used.insert(key);
        }
        !owed
    });
    for paid in debts.difference(&used) {
        findings.push(Finding { path: "xtask/src/tidy/debts.txt".to_owned(), rule: "debt", what: format!("is paid, strike it: {paid}") });
    }
    Ok(findings)
}

fn tracked_files(root: &Path) -> Result<Vec<String>> {
    let listing = Command::new("git").args(["ls-files"]).current_dir(root).output().context("cannot run git")?;
    let text = String::from_utf8(listing.stdout).context("file names are UTF-8")?;
    // A file that was removed but is still listed is git's business, not ours.
    Ok(text.lines().filter(|path| root.join(path).is_file()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let findings = super::check(&super::root().unwrap()).unwrap();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }
}
