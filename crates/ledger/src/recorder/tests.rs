//! What is noted is found again: before and after it is written, after a restart, and behind damage.

use super::*;
use aqueduct_event::ManualClock;
use aqueduct_event::verdict::{Refusal, Verdict};
use uuid::Uuid;

const NOW: i64 = 1_700_000_000_000_000;

#[derive(Debug, Default)]
struct Tokens(Mutex<Vec<u16>>);

impl Audience for Tokens {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        (token == "phc_the_token_of_project_one").then_some(ProjectId(1))
    }

    fn remarked(&self, remark: &Remark) {
        self.0.lock().push(remark.status);
    }
}

fn recorder(dir: &std::path::Path) -> (Recorder, Arc<Tokens>) {
    let files = Arc::new(DirLogFiles::open(dir).expect("opens"));
    let audience = Arc::new(Tokens::default());
    let clock = Arc::new(ManualClock::new(UnixMicros(NOW)));
    let recorder = Recorder::open(&RecorderConfig::default(), files, clock, Arc::<Tokens>::clone(&audience)).expect("opens");
    (recorder, audience)
}

fn remark(token: &str, number: u128) -> Remark {
    Remark {
        number: 0,
        at: UnixMicros(NOW),
        project: ProjectId(0),
        what: What::Verdict(Verdict::Refused(Refusal::MissingDistinctId)),
        status: 400,
        token: token.to_owned(),
        path: "/batch".to_owned(),
        agent: String::new(),
        client_address: "203.0.113.9".to_owned(),
        detail: "é".repeat(400),
        uuids: vec![Uuid::from_u128(number)],
        distinct_ids: Vec::new(),
        events: Vec::new(),
    }
}

#[test]
fn receipts_are_found_before_and_after_they_are_written_and_after_a_restart() {
    let directory = tempfile::tempdir().expect("directory");
    let (first, _) = recorder(directory.path());
    let receipt = Receipt { client_address: "203.0.113.9".into(), ..receipts::sample(5) };
    first.received(receipt.clone());
    first.received(receipts::sample(6));
    let kept = Receipt { client_address: "203.0.113.0/24".into(), ..receipt.clone() };
    let expected = Found { receipts: vec![kept], damage: Vec::new() };
    assert_eq!(first.receipts_at(receipt.received_at).expect("read"), expected);
    first.work().expect("written");
    assert_eq!(first.receipts_at(receipt.received_at).expect("read"), expected);
    drop(first);
    let (again, _) = recorder(directory.path());
    assert_eq!(again.receipts_at(receipt.received_at).expect("read"), expected);
    assert_eq!(again.receipts_at(UnixMicros(NOW - 1)).expect("read"), Found::default());
}

#[test]
fn remarks_belong_to_the_project_of_their_token_and_hide_it() {
    let directory = tempfile::tempdir().expect("directory");
    let (first, audience) = recorder(directory.path());
    first.remark(remark("phc_the_token_of_project_one", 1));
    first.remark(remark("phx_somebodys_secret", 2));
    let uuids = |recorder: &Recorder, project| -> Vec<u128> {
        recorder.remarks_of(ProjectId(project), |_| true).iter().map(|remark| remark.uuids[0].as_u128()).collect()
    };
    assert_eq!((uuids(&first, 1), uuids(&first, 0)), (vec![1], vec![2]));
    first.work().expect("written");
    assert_eq!((uuids(&first, 1), uuids(&first, 0), &audience.0.lock()[..]), (vec![1], vec![2], &[400][..]));
    drop(first);
    let (again, _) = recorder(directory.path());
    assert_eq!((uuids(&again, 1), uuids(&again, 0)), (vec![1], vec![2]));
    let kept = &again.remarks_of(ProjectId(0), |_| true)[0];
    assert_eq!((&*kept.token, &*kept.client_address, kept.detail.chars().count()), ("phx_some…cret", "203.0.113.0/24", 301));
}

#[test]
fn damage_is_told_and_what_is_before_it_is_read() {
    let directory = tempfile::tempdir().expect("directory");
    let (first, _) = recorder(directory.path());
    for number in [5, 6] {
        first.received(receipts::sample(number));
        first.work().expect("written");
    }
    let path = std::fs::read_dir(directory.path()).expect("lists").map(|entry| entry.expect("entry").path());
    let path = path.into_iter().find(|path| path.to_string_lossy().contains("receipts-")).expect("a file");
    let mut bytes = std::fs::read(&path).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let found = first.receipts_at(receipts::sample(5).received_at).expect("read");
    assert_eq!(found.receipts, [receipts::sample(5)]);
    assert!(found.damage[0].contains("checksum"), "{:?}", found.damage);
    assert!(first.receipts_at(receipts::sample(6).received_at).expect("read").receipts.is_empty());
}

#[test]
fn the_files_of_remarks_stay_bounded() {
    let directory = tempfile::tempdir().expect("directory");
    let files = Arc::new(DirLogFiles::open(directory.path()).expect("opens"));
    let clock = Arc::new(ManualClock::new(UnixMicros(NOW)));
    let config = RecorderConfig { remarks_bytes_max: 20_000, ..RecorderConfig::default() };
    let recorder = Recorder::open(&config, files, clock, Arc::new(Tokens::default())).expect("opens");
    for number in 0..500 {
        recorder.remark(remark("phc_the_token_of_project_one", number));
        recorder.work().expect("written");
    }
    let bytes: u64 =
        std::fs::read_dir(directory.path()).expect("lists").map(|entry| entry.expect("entry").metadata().expect("size").len()).sum();
    assert!(bytes < 70_000, "{bytes}");
    assert!(!recorder.remarks_of(ProjectId(1), |remark| remark.uuids[0] == Uuid::from_u128(499)).is_empty());
}

#[test]
fn tokens_lose_their_middle() {
    assert_eq!(["", "short", "exactly12chr", "phc_0123456789abcdef"].map(shown), ["", "short", "exactly1…", "phc_0123…cdef"]);
}

#[test]
fn what_is_noted_of_somebody_is_erased_on_the_disk_too() {
    const TOKEN: &str = "phc_the_token_of_project_one";
    let directory = tempfile::tempdir().expect("directory");
    let (first, _) = recorder(directory.path());
    let on = |number, who: &str| Remark { distinct_ids: vec![who.to_owned()], ..remark(TOKEN, number) };
    let of = |number| Receipt {
        token: TOKEN.into(),
        client_address: "203.0.113.9".into(),
        agent: "safari-of-ann".into(),
        ..receipts::sample(number)
    };
    let foreign = Receipt { token: "phc_of_another".into(), ..of(1) };
    for round in 0..2 {
        // Once behind the queue, once in it.
        first.received(of(1 + 10 * round));
        first.received(Receipt { agent: "safari-of-bob".into(), ..of(2 + 10 * round) });
        first.received(foreign.clone());
        first.remark(on(1, "ann"));
        first.remark(on(2, "bob"));
        first.remark(Remark { distinct_ids: vec!["ann".to_owned()], ..remark("phc_of_another", 3) });
        if round == 0 {
            first.work().expect("written");
        }
    }
    let received_at = [1, 11].map(|number| of(number).received_at).into_iter().collect();
    let of_ann = NotesOf { distinct_ids: ["ann".into()].into_iter().collect(), received_at };
    first.erase(ProjectId(1), &of_ann).expect("erases");
    first.work().expect("written");
    drop(first);
    let (again, _) = recorder(directory.path());
    let uuids =
        |project| -> Vec<u128> { again.remarks_of(ProjectId(project), |_| true).iter().map(|remark| remark.uuids[0].as_u128()).collect() };
    assert_eq!((uuids(1), uuids(0)), (vec![2, 2], vec![3, 3]), "only those of the project");
    for number in [1, 11] {
        let found = again.receipts_at(of(number).received_at).expect("reads").receipts;
        let own = found.iter().find(|receipt| &*receipt.token == TOKEN).expect("the receipt stays");
        assert_eq!((&*own.agent, &*own.client_address, own.events), ("", "", 100));
        let bob = &again.receipts_at(of(number + 1).received_at).expect("reads").receipts[0];
        assert_eq!((&*bob.agent, &*bob.client_address), ("safari-of-bob", "203.0.113.0/24"));
    }
    assert!(
        again.receipts_at(of(1).received_at).expect("reads").receipts.iter().any(|receipt| &*receipt.agent == "safari-of-ann"),
        "another's"
    );
    let files =
        std::fs::read_dir(directory.path()).expect("lists").map(|entry| std::fs::read(entry.expect("entry").path()).expect("reads"));
    let text = String::from_utf8_lossy(&files.collect::<Vec<_>>().concat()).into_owned();
    assert_eq!(text.matches("\"ann\"").count(), 2, "those of the unknown project");
    again.erase(ProjectId(1), &of_ann).expect("again");
}
