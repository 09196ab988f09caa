//! Nodes as small numbers: the text of an item is grouped, tested and numbered once per distinct value, not once per row.

use crate::error::QueryError;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::Mutex;
use regex::Regex;
use rustc_hash::FxHashMap;
use std::hash::BuildHasher;

/// The node of a row that is none.
pub(super) const NO_NODE: u32 = u32::MAX;
/// The node without a name.
pub(super) const EMPTY: u32 = 0;
/// The node that stands for those left out in the middle of a path.
pub(super) const DOTS: u32 = 1;

/// Stands for a node that nobody asked for yet.
const NOT_ASKED: u32 = u32::MAX - 1;

/// All nodes of a query, numbered in order of appearance.
#[derive(Debug)]
pub(super) struct Nodes {
    groupings: Vec<(Regex, String)>,
    excluded: Vec<String>,
    hasher: DefaultHashBuilder,
    known: Mutex<Known>,
}

/// Names one after the other in one text: a query may know hundreds of thousands.
#[derive(Debug, Default)]
struct Known {
    /// For each name its hash, so that no text is read again when the table grows, and its number.
    numbers: HashTable<(u64, u32)>,
    text: String,
    /// Where each name ends in the text.
    ends: Vec<usize>,
}

impl Known {
    fn name(&self, number: u32) -> &str {
        let start = (number as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[number as usize]]
    }

    fn intern(&mut self, name: &str, hash: u64) -> u32 {
        if let Some((_, number)) = self.numbers.find(hash, |(other, number)| *other == hash && self.name(*number) == name) {
            return *number;
        }
        let number = u32::try_from(self.ends.len()).unwrap_or(NO_NODE);
        self.numbers.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        self.text.push_str(name);
        self.ends.push(self.text.len());
        number
    }
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
        let nodes = Self {
            groupings: groupings.iter().map(pattern).collect::<Result<_, _>>()?,
            excluded: excluded.to_vec(),
            hasher: DefaultHashBuilder::default(),
            known: Mutex::default(),
        };
        for (name, number) in [("", EMPTY), ("...", DOTS)] {
            let given = nodes.intern(name);
            debug_assert_eq!(given, number, "the first nodes have known numbers");
        }
        Ok(nodes)
    }

    /// The number of a node by its name, which may come up later.
    pub(super) fn intern(&self, name: &str) -> u32 {
        let hash = self.hasher.hash_one(name);
        self.known.lock().intern(name, hash)
    }

    /// Memory of all names, about.
    pub(super) fn bytes(&self) -> usize {
        let known = self.known.lock();
        known.text.capacity() + known.ends.capacity() * size_of::<usize>() + known.numbers.capacity() * size_of::<(u64, u32)>()
    }

    /// A node's name.
    pub(super) fn name(&self, number: u32) -> String {
        self.known.lock().name(number).to_owned()
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
            let mut nodes = vec![NOT_ASKED; values.len()];
            let mut of = |key: usize| {
                if nodes[key] == NOT_ASKED {
                    nodes[key] = if values.is_valid(key) { node(values.value(key)) } else { empty };
                }
                nodes[key]
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
