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
        Self::of(&CaptureConfig { backlog_ms_max: 0, lead_ms_max: 0, admit_wait_ms: 100, ..CaptureConfig::default() })
    }

    fn of(config: &CaptureConfig) -> Self {
        let (gate, journal) = (Arc::new(Gate::new(config)), MemoryJournal::new());
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

/// A request of a project from its head to its records, as the handlers take it.
async fn read(world: &World, token: &'static str, bytes: u64) -> Ticket {
    let mut ticket = world.enter(token, bytes).await.expect("room");
    let found = Found {
        token: Some(token),
        historical: false,
        one_sender: None,
        events: 100,
        wire_bytes: (bytes as f64 / EXPANSION_ASSUMED) as usize,
        record_bytes: bytes,
    };
    ticket.settle(Origin { address: token, peer: None }, found);
    ticket
}

/// All of the way of a request: read, in turn, durable.
async fn take(world: &World, token: &'static str, bytes: u64) {
    let turn = read(world, token, bytes).await.turn().await;
    world.journal.append(0, Bytes::from(vec![0; bytes as usize])).await.expect("appends");
    turn.kept();
}

async fn settle_down() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// The claim of fair shares, in bytes: however much a noisy project offers, between the sending of a quiet project's event and the commit that shows it no more
/// than the lead becomes visible of others, though ten times that was accepted. Each commit takes all that is durable, as processing does.
#[tokio::test]
async fn what_a_quiet_project_waits_for_is_the_lead_whatever_a_noisy_one_offers() {
    const LEAD: u64 = pressure::LEAD_BYTES_MIN;
    const NOISY: u64 = 40 * KIB;
    let config = CaptureConfig { backlog_ms_max: 0, lead_ms_max: 0, admit_wait_ms: 600_000, ..CaptureConfig::default() };
    let world = Arc::new(World::of(&config));
    let seen = Arc::new(Mutex::new(Vec::new()));
    // Both are known: before, one that is alone has the whole window.
    take(&world, "quiet", KIB).await;
    take(&world, "noisy", KIB).await;
    world.visible(2 * KIB);
    for _ in 0..256 {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            loop {
                take(&world, "noisy", NOISY).await;
            }
        });
    }
    let mut waited = Vec::new();
    let mut visible = 2 * KIB;
    for commit in 0..200 {
        let now = world.journal.appended_bytes();
        // While the commit is made: requests come.
        if commit % 5 == 4 {
            let (world, seen) = (Arc::clone(&world), Arc::clone(&seen));
            let size = if commit % 2 == 0 { KIB } else { 64 * KIB };
            tokio::spawn(async move {
                take(&world, "quiet", size).await;
                seen.lock().push((visible, world.journal.appended_bytes()));
            });
        }
        settle_down().await;
        world.visible(now - visible);
        visible = now;
        settle_down().await;
        // Of those that are visible by now: what became visible meanwhile, without themselves.
        seen.lock().retain(|(sent, position)| {
            let is_visible = *position <= visible;
            if is_visible {
                waited.push(visible - sent);
            }
            !is_visible
        });
    }
    assert!(visible > 200 * NOISY, "the noisy project is served: {visible}");
    assert!(waited.len() >= 38, "{}", waited.len());
    let longest = waited.iter().max().copied().unwrap_or_default();
    // The commit under way when it was sent, and its own.
    assert!(longest <= 2 * (LEAD + NOISY) + 64 * KIB, "{longest}");
}

#[tokio::test]
async fn a_small_request_of_a_quiet_project_goes_first() {
    let world = World::new();
    take(&world, "quiet", KIB).await;
    for _ in 0..4 {
        take(&world, "noisy", 32 * KIB).await;
    }
    let ticket = read(&world, "noisy", 32 * KIB).await;
    assert!(tokio::time::timeout(Duration::from_millis(10), ticket.turn()).await.is_err(), "the lead is full");
    let ticket = read(&world, "other", KIB).await;
    ticket.turn().await.kept();
    let ticket = read(&world, "other", KIB).await;
    assert!(tokio::time::timeout(Duration::from_millis(10), ticket.turn()).await.is_err(), "once between two commits");
    world.visible(4 * 32 * KIB + KIB);
    read(&world, "other", KIB).await.turn().await.kept();
}

#[tokio::test]
async fn alone_nobody_waits_for_a_turn() {
    let world = World::new();
    for _ in 0..16 {
        take(&world, "noisy", WINDOW / 16).await;
    }
    assert_eq!(world.journal.appended_bytes(), WINDOW);
}

#[tokio::test]
async fn a_turn_that_comes_to_nothing_or_too_late_leaves_no_trace() {
    let world = World::new();
    take(&world, "quiet", KIB).await;
    let turn = read(&world, "noisy", 300 * KIB).await.turn().await;
    let waiting = read(&world, "noisy", 200 * KIB).await;
    let gone = read(&world, "noisy", 100 * KIB).await;
    assert!(tokio::time::timeout(Duration::from_millis(1), gone.turn()).await.is_err(), "the client left while it waited");
    // Longer than the test's wait: it goes on without its turn.
    let late = waiting.turn().await;
    assert_eq!(world.gate.state.lock().turned, 501 * KIB);
    drop((turn, late));
    world.visible(KIB);
    let state = world.gate.state.lock();
    assert_eq!((state.reserved, state.turned, state.turns.len()), (0, KIB, 0));
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
