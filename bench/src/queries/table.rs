//! The table of a comparison, as Markdown.

use super::questions::Question;
use super::{Loaded, OURS, Outcome};
use crate::process::Usage;

/// Everything that was found.
pub(super) fn table(loaded: &Loaded, questions: &[Question], outcomes: &[Outcome], memory: Usage) -> String {
    let mut lines = vec![
        format!("{} events; medians in ms; the server over HTTP, the others in process", loaded.events),
        String::new(),
        "| | asks | aqueduct | chdb | duckdb | chdb / ours | target | duckdb / ours | CPU ms: ours, chdb, duckdb | CPU: chdb / ours | first | load | untidy |"
            .to_owned(),
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|".to_owned(),
    ];
    lines.extend(questions.iter().zip(outcomes).map(|(question, outcome)| row(question, outcome)));
    lines.push(String::new());
    let differs = questions
        .iter()
        .zip(outcomes)
        .flat_map(|(question, outcome)| outcome.differs.iter().map(move |(engine, why)| format!("! {}: {engine}: {why}", question.name)));
    lines.extend(differs);
    let events = loaded.events.max(1) as f64;
    lines.extend(loaded.bytes.iter().map(|(name, bytes)| format!("bytes per event, {name}: {:.1}", *bytes as f64 / events)));
    lines.push(format!("loaded over HTTP: {:.0} events/s", loaded.events_per_second));
    let rate = |seconds: f64| loaded.events as f64 / seconds.max(1e-9);
    lines.extend(loaded.seconds.iter().map(|(name, seconds)| format!("loaded from NDJSON, {name}: {:.0} events/s", rate(*seconds))));
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    lines.push(format!(
        "memory of the server after the questions: {:.0} MiB, most {:.0} MiB",
        mebibytes(memory.resident_bytes),
        mebibytes(memory.resident_peak_bytes)
    ));
    lines.into_iter().map(|line| line + "\n").collect()
}

fn row(question: &Question, outcome: &Outcome) -> String {
    let number = |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
    let median = |engine: &str| outcome.times.get(engine).and_then(super::Times::median);
    let cpu = |engine: &str| outcome.cpu.get(engine).copied();
    let ours = median(OURS);
    let ratio = |engine: &str| number(median(engine).zip(ours).map(|(theirs, ours)| theirs / ours), 1);
    let theirs = |engine: &str| {
        let mark = if outcome.differs.contains_key(engine) { " !" } else { "" };
        number(median(engine), 1) + mark
    };
    let state = |name: &str| number(outcome.states.get(name).copied(), 1);
    let cells = [
        question.name.to_owned(),
        question.asks.to_owned(),
        number(ours, 1),
        theirs("chdb"),
        theirs("duckdb"),
        ratio("chdb"),
        number(question.target, 0),
        ratio("duckdb"),
        [OURS, "chdb", "duckdb"].map(|engine| number(cpu(engine), 0)).join(", "),
        number(cpu("chdb").zip(cpu(OURS)).map(|(theirs, ours)| theirs / ours.max(1.0)), 1),
        state("first"),
        state("load"),
        state("untidy"),
    ];
    format!("| {} |", cells.join(" | "))
}
