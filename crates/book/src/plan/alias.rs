//! Old addresses: where mdBook's HTML was, and where it redirected from.
//!
//! In: the plan and `[output.html.redirect]`. Out: aliases for each node, and redirects that leave the book.

use super::{Plan, Role};
use crate::index::{Index, Target};
use crate::options::Options;
use crate::report::{Kind, Report};
use std::collections::{BTreeMap, BTreeSet};

/// What answers for pages that moved.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    /// For each node, sorted.
    pub(crate) of: Vec<BTreeSet<String>>,
    /// Old address to an address outside the book.
    pub(crate) outside: BTreeMap<String, String>,
}

/// Finds all aliases. None equals a route, none is given twice.
pub(crate) fn aliases(plan: &Plan, index: &Index, options: &Options, report: &mut Report) -> Aliases {
    let mut found = Aliases { of: vec![BTreeSet::new(); plan.nodes.len()], ..Aliases::default() };
    if !options.aliases {
        return found;
    }
    let mut taken: BTreeSet<String> = plan.nodes.iter().map(|node| node.route.clone()).collect();
    for (at, node) in plan.nodes.iter().enumerate() {
        let (Role::Page, Some(path)) = (node.role, &node.path) else { continue };
        let stem = path.strip_suffix(".md").unwrap_or(path);
        let mut offer = |old: String| {
            if is_address(&old) && taken.insert(old.clone()) {
                found.of[at].insert(old);
            }
        };
        offer(format!("{}/{stem}", options.old_base));
        if let Some(folder) = stem.strip_suffix("/index") {
            offer(format!("{}/{folder}", options.old_base));
        }
    }
    for (old, new) in &options.book.redirects {
        let place = old.trim_start_matches('/');
        // The part after `#` never reaches a server.
        if place.contains('#') {
            continue;
        }
        match index.resolve(place, new, options) {
            Target::Page { node, .. } => {
                let stem = place.strip_suffix(".html").unwrap_or(place);
                let address = format!("{}/{stem}", options.old_base);
                if is_address(&address) && taken.insert(address.clone()) {
                    found.of[node].insert(address);
                }
            }
            Target::Outside => drop(found.outside.insert(format!("{}/{place}", options.old_base), new.clone())),
            _ => report.add(Kind::MissingTarget, "book.toml", 0, format!("redirect of `{old}` to `{new}`: no such page in the book")),
        }
    }
    found
}

/// An alias that Grav can look up: no empty or dotted parts, no parameter sign.
fn is_address(text: &str) -> bool {
    text.len() > 1 && text[1..].split('/').all(|part| !part.is_empty() && part != "." && part != "..") && !text.contains([':', '?', '#'])
}
