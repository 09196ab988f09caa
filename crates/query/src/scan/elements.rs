//! What HogQL reads out of an elements chain: `elements_chain_href`, `_texts`, `_ids`, `_elements`.

use arrow::array::{ArrayRef, AsArray, DictionaryArray, ListBuilder, StringArray, StringBuilder};
use arrow::compute::take;
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use regex::Regex;
use std::sync::{Arc, LazyLock};

static HREF: LazyLock<Regex> = LazyLock::new(|| compile(r#"(?::|")href="(.*?)""#));
static TEXTS: LazyLock<Regex> = LazyLock::new(|| compile(r#"(?::|")text="(.*?)""#));
static IDS: LazyLock<Regex> = LazyLock::new(|| compile(r#"(?::|")attr_id="(.*?)""#));
static TAGS: LazyLock<Regex> = LazyLock::new(|| compile(r"(?:^|;)(a|button|form|input|select|textarea|label)(?:\.|$|:)"));

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("INVARIANT: the pattern is a constant that compiles")
}

/// The first `href` in each chain, empty text for none. The dictionary's values are looked at, not the rows.
pub(super) fn href(chains: &ArrayRef) -> ArrayRef {
    let chains = chains.as_dictionary::<Int32Type>();
    let found: StringArray = chains
        .values()
        .as_string::<i32>()
        .iter()
        .map(|chain| chain.map(|chain| HREF.captures(chain).and_then(|found| found.get(1)).map_or("", |found| found.as_str())))
        .collect();
    Arc::new(DictionaryArray::<Int32Type>::new(chains.keys().clone(), Arc::new(found)))
}

/// Texts of all elements of each chain.
pub(super) fn texts(chains: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    distinct(chains, &TEXTS)
}

/// Ids of all elements of each chain.
pub(super) fn ids(chains: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    distinct(chains, &IDS)
}

/// Names of the useful elements of each chain.
pub(super) fn tags(chains: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    distinct(chains, &TAGS)
}

fn distinct(chains: &ArrayRef, pattern: &Regex) -> Result<ArrayRef, ArrowError> {
    let chains = chains.as_dictionary::<Int32Type>();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for chain in chains.values().as_string::<i32>() {
        let mut seen: Vec<&str> = Vec::new();
        for found in pattern.captures_iter(chain.unwrap_or_default()).filter_map(|found| found.get(1)) {
            if !seen.contains(&found.as_str()) {
                seen.push(found.as_str());
                lists.values().append_value(found.as_str());
            }
        }
        lists.append(true);
    }
    take(&lists.finish(), chains.keys(), None)
}
