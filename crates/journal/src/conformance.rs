//! What every journal does, as one suite. A backend's test is `conformance::run(|| my_journal())`.
//!
//! In: a function that makes an empty journal, called once per claim. Out: a panic that names the claim which does not hold.

use crate::error::{AppendError, ReadError};
use crate::{Entry, Journal, JournalReader};
use aqueduct_event::limits::RECORD_BYTES_MAX;
use aqueduct_event::{JournalPosition, PartitionId};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

const PARTITION: PartitionId = PartitionId(0);
/// Longer than any wait that is not a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs all claims, each on a new journal.
///
/// # Panics
/// When a claim does not hold.
pub fn run<J: Journal + 'static>(make: impl Fn() -> J) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let check = |claim: &str, future: &mut dyn FnMut(Arc<dyn Journal>) -> std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        let journal: Arc<dyn Journal> = Arc::new(make());
        let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, future(journal)).await });
        assert!(done.is_ok(), "{claim}: still waiting after {PATIENCE:?}");
    };
    check("starts empty", &mut |journal| Box::pin(starts_empty(journal)));
    check("gives back what was appended", &mut |journal| Box::pin(gives_back_what_was_appended(journal)));
    check("counts positions up", &mut |journal| Box::pin(counts_positions_up(journal)));
    check("keeps the order of each caller", &mut |journal| Box::pin(keeps_the_order_of_each_caller(journal)));
    check("reads from the middle", &mut |journal| Box::pin(reads_from_the_middle(journal)));
    check("reads pieces", &mut |journal| Box::pin(reads_pieces(journal)));
    check("wakes a waiting reader", &mut |journal| Box::pin(wakes_a_waiting_reader(journal)));
    check("refuses too large", &mut |journal| Box::pin(refuses_too_large(journal)));
    check("refuses readers of nowhere", &mut |journal| Box::pin(refuses_readers_of_nowhere(journal)));
    check("trims only what was confirmed", &mut |journal| Box::pin(trims_only_what_was_confirmed(journal)));
    check("closes", &mut |journal| Box::pin(closes(journal)));
    check("is sound", &mut |journal| Box::pin(is_sound(journal)));
}

fn record(number: usize) -> Bytes {
    // Sizes vary, so that frames begin anywhere in a block; some are empty.
    let size = (number * 37) % 700;
    Bytes::from(format!("{number:>size$}").into_bytes().into_iter().take(size.max(number % 2 * 8)).collect::<Vec<_>>())
}

async fn append(journal: &dyn Journal, payload: Bytes) -> JournalPosition {
    let receipt = journal.append(0, payload).await.expect("append");
    assert_eq!(receipt.partition, PARTITION);
    receipt.position
}

/// Reads `count` records.
///
/// # Panics
/// When reading fails or ends before.
pub async fn read(reader: &mut dyn JournalReader, count: usize, bytes_max: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let more = reader.next(bytes_max).await.expect("read");
        assert!(!more.is_empty(), "the journal ended after {} of {count} records", entries.len());
        entries.extend(more);
    }
    entries
}

async fn starts_empty(journal: Arc<dyn Journal>) {
    assert_eq!(journal.partitions(), [PARTITION]);
    assert_eq!(journal.end(PARTITION), JournalPosition(0));
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).expect("reader");
    let waited = tokio::time::timeout(Duration::from_millis(20), reader.next(1000)).await;
    assert!(waited.is_err(), "a reader of an empty journal waits");
}

async fn gives_back_what_was_appended(journal: Arc<dyn Journal>) {
    let mut expected = Vec::new();
    for number in 0..200 {
        let position = append(journal.as_ref(), record(number)).await;
        assert_eq!(journal.end(PARTITION), position.next(), "an acknowledged record can be read at once");
        expected.push(Entry { position, payload: record(number) });
    }
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).expect("reader");
    assert_eq!(read(reader.as_mut(), 200, 10_000).await, expected);
    let mut again = journal.reader(PARTITION, JournalPosition(0)).expect("reader");
    assert_eq!(read(again.as_mut(), 200, usize::MAX).await, expected, "a second reader sees the same");
}

async fn counts_positions_up(journal: Arc<dyn Journal>) {
    for number in 0..20 {
        assert_eq!(append(journal.as_ref(), record(number as usize)).await, JournalPosition(number));
    }
}

async fn keeps_the_order_of_each_caller(journal: Arc<dyn Journal>) {
    const CALLERS: usize = 8;
    const RECORDS: usize = 50;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move {
                for number in 0..RECORDS {
                    append(journal.as_ref(), Bytes::from(format!("{caller} {number}"))).await;
                }
            })
        })
        .collect();
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).expect("reader");
    // Read while they append.
    let entries = read(reader.as_mut(), CALLERS * RECORDS, 100).await;
    for caller in callers {
        caller.await.expect("caller");
    }
    assert!(entries.windows(2).all(|pair| pair[0].position < pair[1].position), "positions rise");
    for caller in 0..CALLERS {
        let prefix = format!("{caller} ");
        let of_caller =
            entries.iter().filter_map(|entry| std::str::from_utf8(&entry.payload).ok()?.strip_prefix(prefix.as_str()).map(str::to_owned));
        let expected = (0..RECORDS).map(|number| number.to_string());
        assert!(of_caller.eq(expected), "records of caller {caller} in order, each once");
    }
}

async fn reads_from_the_middle(journal: Arc<dyn Journal>) {
    for number in 0..100 {
        append(journal.as_ref(), record(number)).await;
    }
    for from in [0, 1, 50, 98, 99] {
        let mut reader = journal.reader(PARTITION, JournalPosition(from)).expect("reader");
        let entries = read(reader.as_mut(), 100 - from as usize, 5_000).await;
        let expected = (from..100).map(|number| Entry { position: JournalPosition(number), payload: record(number as usize) });
        assert!(entries.into_iter().eq(expected), "from {from}");
    }
}

async fn reads_pieces(journal: Arc<dyn Journal>) {
    for _ in 0..10 {
        append(journal.as_ref(), Bytes::from_static(&[7; 100])).await;
    }
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).expect("reader");
    assert_eq!(reader.next(0).await.expect("read").len(), 1, "at least one, even when it is larger than asked for");
    assert_eq!(reader.next(350).await.expect("read").len(), 3, "not more than asked for");
    assert_eq!(reader.next(usize::MAX).await.expect("read").len(), 6);
}

async fn wakes_a_waiting_reader(journal: Arc<dyn Journal>) {
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).expect("reader");
    let waiting = tokio::spawn(async move { reader.next(1000).await.expect("read") });
    tokio::time::sleep(Duration::from_millis(10)).await;
    append(journal.as_ref(), Bytes::from_static(b"here")).await;
    assert_eq!(waiting.await.expect("reader"), [Entry { position: JournalPosition(0), payload: Bytes::from_static(b"here") }]);
}

async fn refuses_too_large(journal: Arc<dyn Journal>) {
    let result = journal.append(0, Bytes::from(vec![0; RECORD_BYTES_MAX + 1])).await;
    assert!(matches!(result, Err(AppendError::TooLarge { found, limit: RECORD_BYTES_MAX }) if found == RECORD_BYTES_MAX + 1), "{result:?}");
    let largest = Bytes::from(vec![3; RECORD_BYTES_MAX]);
    append(journal.as_ref(), largest.clone()).await;
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).expect("reader");
    assert_eq!(read(reader.as_mut(), 1, 1).await[0].payload, largest);
}

async fn refuses_readers_of_nowhere(journal: Arc<dyn Journal>) {
    append(journal.as_ref(), record(1)).await;
    let beyond = journal.reader(PARTITION, JournalPosition(2)).map(|_| ());
    assert!(matches!(beyond, Err(ReadError::Beyond { wanted: JournalPosition(2), next: JournalPosition(1) })), "{beyond:?}");
    let unknown = journal.reader(PartitionId(9), JournalPosition(0)).map(|_| ());
    assert!(matches!(unknown, Err(ReadError::UnknownPartition { wanted: PartitionId(9) })), "{unknown:?}");
    assert!(journal.reader(PARTITION, JournalPosition(1)).is_ok(), "at the end is fine");
}

async fn trims_only_what_was_confirmed(journal: Arc<dyn Journal>) {
    for _ in 0..100 {
        append(journal.as_ref(), Bytes::from_static(&[1; 1000])).await;
    }
    journal.trim(PARTITION, JournalPosition(60)).expect("trim");
    let mut reader = journal.reader(PARTITION, JournalPosition(60)).expect("what was not confirmed is there");
    let entries = read(reader.as_mut(), 40, 3_000).await;
    assert_eq!(entries[0].position, JournalPosition(60));
    // A journal frees in pieces of its own choosing; whatever it freed is refused, not skipped.
    match journal.reader(PARTITION, JournalPosition(0)) {
        Ok(mut reader) => assert_eq!(read(reader.as_mut(), 1, 1).await[0].position, JournalPosition(0)),
        Err(ReadError::Trimmed { wanted, first }) => {
            assert!(wanted == JournalPosition(0) && first <= JournalPosition(60), "first is {first}")
        }
        Err(other) => panic!("{other}"),
    }
    journal.trim(PARTITION, JournalPosition(100)).expect("trim");
    assert_eq!(append(journal.as_ref(), record(1)).await, JournalPosition(100), "trimming does not move positions");
    assert_eq!(read(reader.as_mut(), 1, 1).await[0].position, JournalPosition(100));
}

async fn closes(journal: Arc<dyn Journal>) {
    append(journal.as_ref(), record(1)).await;
    append(journal.as_ref(), record(2)).await;
    let mut reader = journal.reader(PARTITION, JournalPosition(0)).expect("reader");
    let mut waiting = journal.reader(PARTITION, JournalPosition(2)).expect("reader");
    let waiting = tokio::spawn(async move { waiting.next(1).await.expect("read") });
    journal.close().await;
    journal.close().await;
    assert!(matches!(journal.append(0, record(3)).await, Err(AppendError::Closed)));
    assert_eq!(waiting.await.expect("reader"), [], "a waiting reader learns that nothing comes");
    assert_eq!(read(reader.as_mut(), 2, 1).await.len(), 2, "what was there can still be read");
    assert_eq!(reader.next(1).await.expect("read"), []);
}

async fn is_sound(journal: Arc<dyn Journal>) {
    append(journal.as_ref(), record(1)).await;
    assert_eq!(journal.poisoned(), None);
    let waited = tokio::time::timeout(Duration::from_millis(5), journal.until_poisoned()).await;
    assert!(waited.is_err(), "a sound journal does not say that it is poisoned");
}
