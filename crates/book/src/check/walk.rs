//! The folders of a tree, as Grav finds its pages.
//!
//! In: a folder. Out: its pages in Grav's order, with their routes; faults of order.

use super::Found;
use crate::error::Error;
use crate::report::{Kind, Report};
use std::path::Path;

/// All pages below `root`, depth first.
pub(super) fn walk(root: &Path, route: &str, report: &mut Report) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    folder(root, "", route, &mut found, report)?;
    Ok(found)
}

fn folder(root: &Path, inside: &str, route: &str, found: &mut Vec<Found>, report: &mut Report) -> Result<(), Error> {
    let place = root.join(inside);
    let mut folders = Vec::new();
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(&place).map_err(Error::io("read", &place))? {
        let entry = entry.map_err(Error::io("read", &place))?;
        let kind = entry.file_type().map_err(Error::io("read", &entry.path()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            folders.push(name);
        } else if kind.is_file() && name.ends_with(".md") {
            pages.push(name);
        }
    }
    folders.sort();
    pages.sort();
    if pages.len() > 1 {
        report.add(
            Kind::Fault,
            inside,
            0,
            format!("{} pages in one folder, Grav takes the first it meets: {}", pages.len(), pages.join(", ")),
        );
    }
    if let Some(name) = pages.first() {
        found.push(Found {
            file: join(inside, name),
            folder: inside.to_owned(),
            route: if inside.is_empty() { "/".into() } else { route.to_owned() },
        });
    }
    check_order(inside, &folders, report);
    for name in folders {
        let slug = number_of(&name).map_or(name.as_str(), |(_, slug)| slug).to_lowercase();
        folder(root, &join(inside, &name), &format!("{route}/{slug}"), found, report)?;
    }
    Ok(())
}

/// `folders` are sorted as text; their numbers must rise too.
fn check_order(inside: &str, folders: &[String], report: &mut Report) {
    let numbers: Vec<u64> = folders.iter().filter_map(|name| number_of(name)).map(|(number, _)| number).collect();
    if let Some(pair) = numbers.windows(2).find(|pair| pair[0] >= pair[1]) {
        let place = if inside.is_empty() { "." } else { inside };
        report.add(Kind::Fault, place, 0, format!("folder {} sorts before {}, or has the same number", pair[0], pair[1]));
    }
}

fn number_of(name: &str) -> Option<(u64, &str)> {
    let (number, slug) = name.split_once('.')?;
    Some((number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??, slug))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
