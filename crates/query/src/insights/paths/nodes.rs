//! Nodes as small numbers: the text of an item is grouped, tested and numbered once per distinct value, not once per row.

use crate::error::QueryError;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use hashbrown::HashMap;
use parking_lot::Mutex;
use regex::Regex;
use rustc_hash::FxHashMap;

/// The node of a row that is none.
pub(super) const NO_NODE: u32 = u32::MAX;
/// The node without a name.
pub(super) const EMPTY: u32 = 0;
/// The node that stands for those left out in the middle of a path.
pub(super) const DOTS: u32 = 1;

/// All nodes of a query, numbered in order of appearance.
#[derive(Debug)]
pub(super) struct Nodes {
    groupings: Vec<(Regex, String)>,
    excluded: Vec<String>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
    /// What the names take, in the map and in the list.
    text_bytes: usize,
}

impl Nodes {
    /// `groupings`: patterns with `*` that take the place of what they match. `excluded`: nodes that are left out.
    ///
    /// # Errors
    /// [`QueryError::Request`] when a grouping is too large to be searched for.
    pub(super) fn new(groupings: &[String], excluded: &[String]) -> Result<Self, QueryError> {
        let pattern = |grouping: &String| {
            let regex = Regex::new(&regex::escape(grouping).replace("\\*", ".*"));
            let regex =
                regex.map_err(|error| QueryError::Request { detail: format!("pathGroupings: {error}"), attr: Some("pathsFilter") })?;
            Ok::<_, QueryError>((regex, grouping.clone()))
        };
        let names = vec![String::new(), "...".to_owned()];
        let numbers = HashMap::from_iter([(names[0].clone(), EMPTY), (names[1].clone(), DOTS)]);
        Ok(Self {
            groupings: groupings.iter().map(pattern).collect::<Result<_, _>>()?,
            excluded: excluded.to_vec(),
            known: Mutex::new(Known { numbers, names, text_bytes: 0 }),
        })
    }

    /// The number of a node by its name, which may come up later.
    pub(super) fn intern(&self, name: &str) -> u32 {
        let mut known = self.known.lock();
        if let Some(number) = known.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(known.names.len()).unwrap_or(NO_NODE);
        known.numbers.insert(name.to_owned(), number);
        known.names.push(name.to_owned());
        known.text_bytes += 2 * (name.len() + size_of::<String>());
        number
    }

    /// Memory of all names, about.
    pub(super) fn bytes(&self) -> usize {
        self.known.lock().text_bytes
    }

    /// A node's name.
    pub(super) fn name(&self, number: u32) -> String {
        self.known.lock().names[number as usize].clone()
    }

    /// For each row its node by the text of its item; NULL is empty text. `trims`: a last `/` does not count, but where it is all.
    ///
    /// # Errors
    /// What reading the items as text answers.
    pub(super) fn of(&self, items: &ArrayRef, trims: bool) -> Result<Vec<u32>, QueryError> {
        let node = |text: &str| self.node(if trims { trimmed(text) } else { text });
        if let Some(dictionary) = items.as_dictionary_opt::<Int32Type>() {
            let values = cast(dictionary.values(), &DataType::Utf8)?;
            let values = values.as_string::<i32>();
            let empty = self.node("");
            let mut nodes: Vec<Option<u32>> = vec![None; values.len()];
            let mut of = |key: usize| {
                let known = &mut nodes[key];
                *known.get_or_insert_with(|| if values.is_valid(key) { node(values.value(key)) } else { empty })
            };
            let nodes = dictionary.keys().iter().map(|key| key.and_then(|key| usize::try_from(key).ok()).map_or(empty, &mut of));
            return Ok(nodes.collect());
        }
        let texts = cast(items, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        let mut seen: FxHashMap<&str, u32> = FxHashMap::default();
        Ok(texts.iter().map(|text| *seen.entry(text.unwrap_or_default()).or_insert_with_key(|text| node(text))).collect())
    }

    fn node(&self, text: &str) -> u32 {
        // Of several groupings the one whose match ends first, as a scanner for all of them at once would find it.
        let matching = self.groupings.iter().filter_map(|(regex, name)| regex.shortest_match(text).map(|end| (end, name)));
        let text = matching.min_by_key(|(end, _)| *end).map_or(text, |(_, name)| name);
        if self.excluded.iter().any(|excluded| excluded == text) { NO_NODE } else { self.intern(text) }
    }
}

/// The text without a last `/`, if anything but the end of a line is before it.
fn trimmed(text: &str) -> &str {
    text.strip_suffix('/').filter(|rest| !rest.is_empty() && !rest.ends_with('\n')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_last_sign_is_trimmed() {
        assert_eq!(["/a/", "/a", "/", "", "//", "x\n/"].map(trimmed), ["/a", "/a", "/", "", "/", "x\n/"]);
    }

    #[test]
    fn groupings_take_the_place_of_what_they_match() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let nodes = Nodes::new(&texts(&["/shop/*", "/a.b"]), &texts(&["/out"])).unwrap();
        assert_eq!(nodes.name(nodes.node("https://x/shop/1?q")), "/shop/*");
        assert_eq!(nodes.name(nodes.node("/a.b")), "/a.b");
        assert_eq!(nodes.name(nodes.node("/aXb")), "/aXb");
        assert_eq!(nodes.node("/out"), NO_NODE);
        assert_eq!(nodes.node(""), EMPTY);
    }
}
