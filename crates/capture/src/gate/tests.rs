//! The gate with a journal in memory: what is let in, in which order, and what those are told that are not.

use super::*;
use aqueduct_journal::MemoryJournal;
use bytes::Bytes;

const KIB: u64 = 1024;
/// The window of every test: the smallest one.
const WINDOW: u64 = pressure::WINDOW_BYTES_MIN;

struct World {
    gate: Arc<Gate>,
    journal: MemoryJournal,
}

impl World {
    /// A window of [`WINDOW`], and waits of 100 ms.
    fn new() -> Self {
        let config = CaptureConfig { backlog_ms_max: 0, admit_wait_ms: 100, ..CaptureConfig::default() };
        let (gate, journal) = (Arc::new(Gate::new(&config)), MemoryJournal::new());
        gate.follow(Arc::new(journal.clone()));
        Self { gate, journal }
    }

    /// A request of known cost from a project.
    async fn enter(&self, token: &str, cost: u64) -> Result<Ticket, Busy> {
        let wire = (cost as f64 / EXPANSION_ASSUMED) as u64;
        self.gate.enter(Origin { address: "", peer: None }, Some(token), Some(wire)).await
    }

    /// Makes the records of a request durable.
    async fn append(&self, ticket: Ticket, bytes: u64) {
        self.journal.append(0, Bytes::from(vec![0; bytes as usize])).await.expect("appends");
        drop(ticket);
    }

    fn visible(&self, bytes: u64) {
        self.gate.visible(0, bytes, Duration::from_secs(1));
    }
}

#[tokio::test]
async fn what_becomes_visible_makes_room_for_as_much() {
    let world = World::new();
    for _ in 0..4 {
        let ticket = world.enter("a", WINDOW / 4).await.expect("room");
        world.append(ticket, WINDOW / 4).await;
    }
    let busy = world.enter("a", 100 * KIB).await.expect_err("full");
    assert!((1..=30).contains(&busy.retry_after) && !busy.memory);
    world.visible(100 * KIB);
    let ticket = world.enter("a", 100 * KIB).await.expect("room again");
    world.enter("a", 100 * KIB).await.expect_err("no more than that");
    drop(ticket);
    world.enter("a", 100 * KIB).await.expect("a request that comes to nothing gives its room back");
}

#[tokio::test]
async fn who_waits_is_let_in_by_progress() {
    let world = World::new();
    let ticket = world.enter("a", WINDOW).await.expect("room");
    world.append(ticket, WINDOW).await;
    let (entered, ()) = tokio::join!(world.enter("a", 64 * KIB), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.visible(64 * KIB);
    });
    entered.expect("let in while it waited");
}

#[tokio::test]
async fn a_project_with_a_hundred_times_the_demand_does_not_displace_another() {
    let world = Arc::new(World::new());
    let ticket = world.enter("noisy", WINDOW).await.expect("room");
    world.append(ticket, WINDOW).await;
    let spawn = |token: &'static str| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.enter(token, 64 * KIB).await.map(std::mem::forget) })
    };
    let noisy: Vec<_> = (0..100).map(|_| spawn("noisy")).collect();
    tokio::task::yield_now().await;
    let quiet = spawn("quiet");
    tokio::task::yield_now().await;
    // Room for eight of a hundred and one.
    world.visible(512 * KIB);
    quiet.await.expect("runs").expect("let in");
    let mut in_time = 0;
    for request in noisy {
        in_time += usize::from(request.await.expect("runs").is_ok());
    }
    assert_eq!(in_time, 7);
}

#[tokio::test]
async fn imports_are_refused_first_and_hot_ids_have_a_lane() {
    let world = World::new();
    let origin = Origin { address: "10.0.0.1", peer: None };
    let found = Found { token: Some("a"), historical: true, one_sender: Some(7), events: 100, wire_bytes: 1000, record_bytes: 4000 };
    let mut ticket = world.gate.enter(origin, None, Some(1000)).await.expect("room");
    ticket.settle(origin, found);
    assert_eq!(world.gate.hints.lane("10.0.0.1", 0).class, Class::Import);
    drop(ticket);
    let ticket = world.enter("a", WINDOW / 4).await.expect("room");
    world.append(ticket, WINDOW / 2).await;
    world.gate.enter(origin, None, Some(1000)).await.expect_err("half is taken");
    drop(world.enter("a", 1000).await.expect("live events still come in"));
    for _ in 0..20 {
        let mut ticket = world.enter("a", 4000).await.expect("room");
        ticket.settle(Origin { address: "10.0.0.2", peer: None }, Found { historical: false, ..found });
    }
    assert_eq!(world.gate.hints.lane("10.0.0.2", 0).class, Class::Overflow);
}

#[tokio::test]
async fn a_slow_body_keeps_no_room_and_an_outage_fills_the_journal() {
    let world = World::new();
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(world.enter("a", WINDOW / 4).await.expect("room"));
    }
    world.enter("a", 1000).await.expect_err("full");
    slow.iter_mut().for_each(Ticket::release);
    let ticket = world.enter("a", 1000).await.expect("room");
    world.append(ticket, 10 * WINDOW).await;
    world.enter("a", 1000).await.expect_err("full");
    world.gate.stalled();
    drop(world.enter("a", 1000).await.expect("kept until processing works again"));
    world.visible(WINDOW);
    drop(world.enter("a", 1000).await.expect("old and new work share"));
}

#[tokio::test]
async fn those_who_left_take_no_room() {
    let world = Arc::new(World::new());
    let ticket = world.enter("a", WINDOW).await.expect("room");
    world.append(ticket, WINDOW).await;
    for _ in 0..50 {
        let gone = tokio::time::timeout(Duration::from_millis(1), world.enter("a", 32 * KIB)).await;
        assert!(gone.is_err(), "the client left while it waited");
    }
    world.visible(WINDOW);
    let state = world.gate.state.lock();
    assert_eq!((state.reserved, state.lanes.len()), (0, 0));
}

#[tokio::test]
async fn advice_is_spread_over_the_time_that_all_need() {
    let world = World::new();
    let ticket = world.enter("a", WINDOW).await.expect("room");
    world.append(ticket, WINDOW).await;
    let mut advice = Vec::new();
    for _ in 0..200 {
        let busy = world.gate.refuse(&mut world.gate.state.lock(), WINDOW / 10, false);
        advice.push(busy.retry_after);
    }
    assert!(advice[..5].iter().all(|seconds| *seconds <= 3), "{advice:?}");
    let late = &advice[150..];
    assert!(late.iter().all(|seconds| (1..=30).contains(seconds)) && late.iter().any(|seconds| *seconds > 10), "{late:?}");
    assert!(late.iter().any(|seconds| *seconds < 5), "jittered: {late:?}");
}

#[tokio::test]
async fn without_a_journal_to_follow_only_memory_counts() {
    let gate = Arc::new(Gate::new(&CaptureConfig { backlog_bytes_max: 1, ..CaptureConfig::default() }));
    let origin = Origin { address: "", peer: None };
    for _ in 0..100 {
        std::mem::forget(gate.enter(origin, None, Some(1 << 30)).await.expect("taken"));
    }
    gate.memory_short(true);
    assert!(gate.enter(origin, None, Some(1)).await.expect_err("no memory").memory);
}
