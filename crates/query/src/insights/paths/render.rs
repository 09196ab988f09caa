//! Edges as PostHog's result items.

use super::edges::{Edges, Traffic};
use super::model::PathsFilter;
use super::nodes::Nodes;
use crate::error::QueryError;
use hashbrown::HashSet;
use serde_json::{Value, json};

const EDGE_LIMIT_DEFAULT: usize = 50;

struct Item {
    source: String,
    target: String,
    traffic: Traffic,
}

/// The edges in order of use, as many as asked for; those that no path from a beginning leads to are left out then. Counted on
/// up to `threads` threads.
///
/// # Errors
/// What counting answers.
pub(super) fn items(threads: usize, filter: Option<&PathsFilter>, edges: Edges, nodes: &Nodes) -> Result<Vec<Value>, QueryError> {
    let weight = |of: fn(&PathsFilter) -> Option<u64>| filter.and_then(of).filter(|weight| *weight > 0);
    let (min, max) = (weight(|filter| filter.min_edge_weight), weight(|filter| filter.max_edge_weight));
    let fits = |count: u64| min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max);
    let limit = filter.and_then(|filter| filter.edge_limit).filter(|limit| *limit > 0).unwrap_or(EDGE_LIMIT_DEFAULT);
    let mut items: Vec<Item> = edges
        .most_used(threads, limit, fits)?
        .iter()
        .map(|(edge, traffic)| Item {
            source: format!("{}_{}", edge.place, nodes.name(edge.source)),
            target: format!("{}_{}", edge.place + 1, nodes.name(edge.target)),
            traffic: *traffic,
        })
        .collect();
    items.sort_by(|a, b| b.traffic.count.cmp(&a.traffic.count).then_with(|| a.source.cmp(&b.source)).then_with(|| a.target.cmp(&b.target)));
    items.truncate(limit);
    let reached = reached(&items);
    Ok(items.iter().filter(|item| reached.contains(item.source.as_str())).map(shown).collect())
}

/// The nodes that are first of a path, and those that edges lead to from them.
fn reached(items: &[Item]) -> HashSet<&str> {
    let mut reached: HashSet<&str> = HashSet::new();
    let mut next: Vec<&str> = items.iter().map(|item| item.source.as_str()).filter(|source| source.starts_with("1_")).collect();
    while let Some(node) = next.pop() {
        if reached.insert(node) {
            next.extend(items.iter().filter(|item| item.source == node).map(|item| item.target.as_str()));
        }
    }
    reached
}

fn shown(item: &Item) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "a mean of durations")]
    let mean = item.traffic.micros as f64 / 1_000.0 / item.traffic.count as f64;
    json!({"source": item.source, "target": item.target, "value": item.traffic.count, "average_conversion_time": mean})
}
