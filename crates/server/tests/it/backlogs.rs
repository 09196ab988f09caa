//! A backlog in the journal keeps nobody waiting: after a crash events are accepted at once, and a stop ends in time; nothing of it is lost.

use crate::process::{Server, ask};
use std::time::{Duration, Instant};

/// Debug builds process some thousands of events in a second.
const BATCHES: usize = if cfg!(debug_assertions) { 200 } else { 10_000 };
const BATCH: usize = 100;

/// Leaves a journal that nothing of is visible, by a server that only takes events and is killed. Its bytes.
fn backlog(directory: &std::path::Path) -> u64 {
    let server = Server::start_with(directory, |command| command.args(["--roles", "capture"]));
    for batch in 0..BATCHES {
        let ids: Vec<String> = (0..BATCH).map(|number| format!("old {batch} {number}")).collect();
        assert_eq!(server.batch("old", &ids), 200);
    }
    server.signal("KILL");
    let files = std::fs::read_dir(directory.join("journal")).expect("journal");
    files.map(|file| file.expect("a file").metadata().expect("its size").len()).sum()
}

/// Bytes that a process has read.
fn read_bytes(server: &Server) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/io", server.id())).expect("reads");
    text.lines().find_map(|line| line.strip_prefix("rchar: ")).and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn after_a_crash_events_are_accepted_before_old_ones_are_visible() {
    let directory = tempfile::tempdir().expect("directory");
    let bytes = backlog(directory.path());
    let begun = Instant::now();
    let server = Server::start(directory.path());
    assert_eq!(server.batch("new", &["ann".to_owned()]), 200);
    let accepted_after = begun.elapsed();
    assert!(accepted_after < Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 2 }), "{accepted_after:?}");
    server.wait_for_count("select count() from events where event = 'old'", (BATCHES * BATCH) as u64);
    server.wait_for_count("select count() from events where event = 'new'", 1);
    // Once to check every byte of the journal, once to process it; the rest is the program's own.
    let read = read_bytes(&server);
    assert!(read < 2 * bytes + 16 * 1024 * 1024, "{read} bytes read for a backlog of {bytes}");
}

#[test]
fn a_stop_leaves_what_takes_too_long_to_the_next_start() {
    let directory = tempfile::tempdir().expect("directory");
    backlog(directory.path());
    let server = Server::start_with(directory.path(), |command| command.env("AQUEDUCT_PROCESS_DRAIN_TIMEOUT_MS", "1"));
    server.signal("TERM");
    let begun = Instant::now();
    assert_eq!(server.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let server = Server::start(directory.path());
    server.wait_for_count("select count() from events where event = 'old'", (BATCHES * BATCH) as u64);
    assert_eq!(ask(&server.address, "GET", "/_readiness", None).0, 200);
}
