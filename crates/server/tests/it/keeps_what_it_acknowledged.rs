//! An acknowledged event survives `kill -9`, and a clean stop too; each is there once.

use crate::process::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const COUNT: &str = "SELECT count() FROM events WHERE event = 'kept'";
const BOTH: &str = "SELECT count(), count(DISTINCT distinct_id) FROM events WHERE event = 'kept'";

#[test]
fn over_kills_under_load() {
    let directory = tempfile::tempdir().expect("directory");
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..3 {
        let server = Arc::new(Server::start(directory.path()));
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let mut sent = Vec::new();
                    for number in 0.. {
                        let ids: Vec<String> = (0..5).map(|event| format!("{round}-{sender}-{number}-{event}")).collect();
                        // What the kill left without an answer was not acknowledged.
                        if server.try_batch("kept", &ids).is_ok_and(|status| status == 200) {
                            sent.extend(ids);
                        }
                        if stop.load(Ordering::SeqCst) {
                            return sent;
                        }
                    }
                    sent
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(1_500));
        server.signal("KILL");
        stop.store(true, Ordering::SeqCst);
        for sender in senders {
            acknowledged.extend(sender.join().expect("ends"));
        }
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    let server = Server::start(directory.path());
    let begun = Instant::now();
    loop {
        // Unanswered events may be there as well, but none twice.
        let both = server.query(BOTH);
        let (count, distinct) = (both[0].as_u64().unwrap_or(0), both[1].as_u64().unwrap_or(0));
        assert_eq!(count, distinct);
        if distinct >= acknowledged.len() as u64 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "found {distinct}, acknowledged {}", acknowledged.len());
        std::thread::sleep(Duration::from_millis(50));
    }
    let last = acknowledged.last().expect("some");
    assert_eq!(server.query(&format!("SELECT count() FROM events WHERE distinct_id = '{last}'"))[0], 1);
}

#[test]
fn over_a_clean_stop() {
    let directory = tempfile::tempdir().expect("directory");
    for round in 1..=2_u64 {
        let server = Server::start(directory.path());
        let ids: Vec<String> = (0..100).map(|number| format!("{round}-{number}")).collect();
        assert_eq!(server.batch("kept", &ids), 200);
        // At once: what is not visible yet must be after the restart.
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
        let server = Server::start(directory.path());
        server.wait_for_count(COUNT, round * 100);
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
    }
}
