//! A copy taken while records come in and segments are trimmed holds everything that was acknowledged before, and is a journal.

use crate::{PARTITION, append_all, read_all};
use aqueduct_event::JournalPosition;
use aqueduct_journal::{Journal, RealDisk, WalConfig, WalJournal, check};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn under_appends_and_trims() {
    let dir = tempfile::tempdir().unwrap();
    let config = |name: &str| WalConfig { segment_bytes: 4096, retain_bytes: 0, ..WalConfig::in_dir(dir.path().join(name)) };
    let journal = WalJournal::open_local(config("journal")).unwrap();
    append_all(&journal, (0..100).map(|number| vec![number; 100]));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                append_all(&journal, [vec![7; 100]]);
                // The store confirms all but the last records at once.
                journal.trim(PARTITION, JournalPosition(journal.end(PARTITION).0 - 5)).unwrap();
            }
        });
        for round in 0..5 {
            let hold = journal.hold_trim();
            let (first, acknowledged) = (journal.end(PARTITION).0 - 5, journal.end(PARTITION).0);
            std::thread::sleep(std::time::Duration::from_millis(20));
            let name = format!("copy{round}");
            std::fs::create_dir(dir.path().join(&name)).unwrap();
            hold.copy_into(&dir.path().join(&name)).unwrap();
            drop(hold);
            let found = check(&RealDisk, &dir.path().join(&name), JournalPosition(0)).unwrap();
            assert!(found.is_sound() && found.first.0 <= first && found.end.0 >= acknowledged, "{found:?}");
            let copy = WalJournal::open_local(config(&name)).unwrap();
            assert!(read_all(&copy, first).len() as u64 >= acknowledged - first);
        }
        stop.store(true, Ordering::SeqCst);
    });
}
