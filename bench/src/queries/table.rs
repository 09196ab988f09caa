//! The table of a comparison, as Markdown.

use super::questions::Question;
use super::{Loaded, OURS, Outcome};
use crate::process::Usage;
use std::fmt::Write;

/// Everything that was found.
pub(super) fn table(loaded: &Loaded, questions: &[Question], outcomes: &[Outcome], memory: Usage) -> String {
    let mut out = String::new();
    // INVARIANT: writing to a string cannot fail.
    let _ = writeln!(out, "{} events; medians in ms; the server over HTTP, the others in process\n", loaded.events);
    let _ = writeln!(
        out,
        "| | asks | aqueduct | chdb | duckdb | chdb / ours | target | duckdb / ours | CPU ms: ours, chdb, duckdb | CPU: chdb / ours | first | load | untidy |"
    );
    let _ = writeln!(out, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (question, outcome) in questions.iter().zip(outcomes) {
        let median = |engine: &str| outcome.times.get(engine).and_then(super::Times::median);
        let ours = median(OURS);
        let cpu = |engine: &str| outcome.cpu.get(engine).copied();
        let ratio = |engine: &str| Some(median(engine)? / ours?);
        let number = |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
        let theirs = |engine: &str| {
            let mark = if outcome.differs.contains_key(engine) { " !" } else { "" };
            number(median(engine), 1) + mark
        };
        let state = |name: &str| number(outcome.states.get(name).copied(), 1);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {}, {}, {} | {} | {} | {} | {} |",
            question.name,
            question.asks,
            number(ours, 1),
            theirs("chdb"),
            theirs("duckdb"),
            number(ratio("chdb"), 1),
            number(question.target, 0),
            number(ratio("duckdb"), 1),
            number(cpu(OURS), 0),
            number(cpu("chdb"), 0),
            number(cpu("duckdb"), 0),
            number(cpu("chdb").zip(cpu(OURS)).map(|(theirs, ours)| theirs / ours.max(1.0)), 1),
            state("first"),
            state("load"),
            state("untidy"),
        );
    }
    let _ = writeln!(out);
    for (question, outcome) in questions.iter().zip(outcomes) {
        for (engine, why) in &outcome.differs {
            let _ = writeln!(out, "! {}: {engine}: {why}", question.name);
        }
    }
    for (name, bytes) in &loaded.bytes {
        let _ = writeln!(out, "bytes per event, {name}: {:.1}", *bytes as f64 / loaded.events.max(1) as f64);
    }
    let _ = writeln!(out, "loaded over HTTP: {:.0} events/s", loaded.events_per_second);
    for (name, seconds) in &loaded.seconds {
        let _ = writeln!(out, "loaded from NDJSON, {name}: {:.0} events/s", loaded.events as f64 / seconds.max(1e-9));
    }
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let _ = writeln!(
        out,
        "memory of the server after the questions: {:.0} MiB, most {:.0} MiB",
        mebibytes(memory.resident_bytes),
        mebibytes(memory.resident_peak_bytes)
    );
    out
}
