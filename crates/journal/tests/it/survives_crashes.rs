//! Power cuts and kills at any point: everything acknowledged is there, in order, once; nothing is invented; no position is used twice.
//!
//! Method: a model remembers which payload each position was seen with, by acknowledgement or by a reader. Rounds of concurrent appends run against a
//! disk whose power fails after a random number of changes; then the disk keeps what chance decides, and the journal is opened again.

use crate::{DIR, PARTITION, join_all, open, read_all, small};
use aqueduct_event::JournalPosition;
use aqueduct_journal::{FaultyDisk, Journal, OpenError, WalJournal};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one life of the process does.
#[derive(Clone, Debug)]
struct Life {
    /// Changes of the disk until the power fails; none: the process is killed, or closes.
    crash_after: Option<u64>,
    closes: bool,
    /// Appends at once, then the next such group; sizes in bytes.
    rounds: Vec<Vec<usize>>,
    /// How much of what was read is confirmed, in percent.
    confirms: u64,
}

fn life() -> impl Strategy<Value = Life> {
    let size = prop_oneof![0_usize..40, 200_usize..1500, 3000_usize..9000];
    let rounds = prop::collection::vec(prop::collection::vec(size, 1..6), 0..8);
    (prop::option::weighted(0.8, 0_u64..60), any::<bool>(), rounds, 0_u64..100).prop_map(|(crash_after, closes, rounds, confirms)| Life {
        crash_after,
        closes,
        rounds,
        confirms,
    })
}

#[derive(Debug, Default)]
struct Model {
    /// Position to payload: acknowledged, or seen by a reader. Must be there until it is trimmed.
    known: BTreeMap<u64, Vec<u8>>,
    /// Every payload ever sent; all differ.
    sent: u64,
    trimmed: u64,
}

impl Model {
    fn payload(&mut self, size: usize) -> Vec<u8> {
        self.sent += 1;
        let mut payload = self.sent.to_le_bytes().to_vec();
        payload.resize(payload.len() + size, self.sent as u8);
        payload
    }

    fn learn(&mut self, position: u64, payload: Vec<u8>) {
        let known = self.known.entry(position).or_insert_with(|| payload.clone());
        assert_eq!(*known, payload, "position {position} has another record now");
    }

    /// Compares with a journal that was just opened.
    fn check(&mut self, journal: &WalJournal) {
        let records = read_all(journal, self.trimmed);
        let found: BTreeMap<_, _> = records.iter().cloned().collect();
        assert_eq!(found.len(), records.len(), "a position came twice");
        for (position, payload) in self.known.range(self.trimmed..) {
            assert_eq!(found.get(position), Some(payload), "record {position} is lost");
        }
        let mut numbers: Vec<_> = records.iter().map(|(_, payload)| payload[..8].to_vec()).collect();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), records.len(), "a record is there twice");
        for (position, payload) in records {
            let number = u64::from_le_bytes(payload[..8].try_into().unwrap());
            assert!((1..=self.sent).contains(&number), "record {position} was never sent");
            assert!(payload[8..].iter().all(|byte| *byte == number as u8), "record {position} is not what was sent");
            self.learn(position, payload);
        }
    }

    fn live(&mut self, journal: &WalJournal, life: &Life) {
        for round in &life.rounds {
            let payloads: Vec<_> = round.iter().map(|size| self.payload(*size)).collect();
            let results = crate::block_on(async {
                join_all(payloads.iter().map(|payload| journal.append(0, Bytes::from(payload.clone()))).collect()).await
            });
            for (result, payload) in results.into_iter().zip(payloads) {
                if let Ok(receipt) = result {
                    self.learn(receipt.position.0, payload);
                }
            }
            let end = journal.end(PARTITION).0;
            let confirmed = self.trimmed + end.saturating_sub(self.trimmed) * life.confirms / 100;
            self.trimmed = self.trimmed.max(confirmed);
            // After the power failed nothing can be removed.
            let _ = journal.trim(PARTITION, JournalPosition(confirmed));
        }
    }
}

fn run_lives(seed: u64, lives: &[Life]) {
    let disk = FaultyDisk::new(seed);
    let mut model = Model::default();
    for life in lives {
        if let Some(changes) = life.crash_after {
            disk.crash_after(changes);
        }
        match WalJournal::open(small(), Arc::new(disk.clone())) {
            Ok(journal) => {
                model.check(&journal);
                model.live(&journal, life);
                if life.crash_after.is_none() && !life.closes {
                    disk.kill_process();
                }
            }
            // The power failed while opening.
            Err(OpenError::Io { .. }) if life.crash_after.is_some() => {}
            Err(error) => panic!("{error}"),
        }
        if life.crash_after.is_some() {
            disk.restart();
        }
    }
    model.check(&open(&disk));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(seed in any::<u64>(), lives in prop::collection::vec(life(), 1..7)) {
        run_lives(seed, &lives);
    }
}

#[test]
fn a_crash_at_every_single_change_of_one_history() {
    let life = |crash_after| Life { crash_after, closes: false, rounds: vec![vec![100, 5000, 10], vec![700], vec![4000, 0]], confirms: 50 };
    for changes in 0..45 {
        for seed in 0..12 {
            run_lives(seed, &[life(None), life(Some(changes)), life(Some(3)), life(None)]);
        }
    }
}

#[test]
fn positions_skip_ahead_after_an_end_that_is_not_proven_and_only_then() {
    let disk = FaultyDisk::new(3);
    let journal = open(&disk);
    assert_eq!(crate::append_all(&journal, [vec![1], vec![2]]), [0, 1]);
    drop(journal);
    let journal = open(&disk);
    assert_eq!(crate::append_all(&journal, [vec![3]]), [2], "closed in order: positions go on");
    // The seal is written when the writer has nothing to do, which is soon.
    while disk.read(&crate::segments(&disk).pop().unwrap()).unwrap().len() < 64 + 41 + 24 {
        std::thread::yield_now();
    }
    disk.kill_process();
    drop(journal);
    let journal = open(&disk);
    assert_eq!(crate::append_all(&journal, [vec![4]]), [3], "killed at rest: positions go on");
    drop(journal);

    // Take the seal away: as if the power had failed before it reached the disk.
    let last = crate::segments(&disk).pop().unwrap();
    let bytes = disk.read(&last).unwrap();
    disk.put(&last, &bytes[..bytes.len() - 24]);
    let journal = open(&disk);
    assert_eq!(journal.end(PARTITION), JournalPosition(4), "all that there is can be read");
    assert_eq!(crate::append_all(&journal, [vec![5]]), [4 + 65_536]);
    assert_eq!(read_all(&journal, 0), [(0, vec![1]), (1, vec![2]), (2, vec![3]), (3, vec![4]), (65_540, vec![5])]);
    assert!(last.starts_with(DIR));
}
