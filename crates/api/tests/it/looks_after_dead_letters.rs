//! Dead letters are listed, shown, mended, replayed and discarded; only within their project.

use crate::world::World;
use aqueduct_event::verdict::DeadReason;
use aqueduct_event::{JournalPosition, LetterId, Minute, PartitionId, ProjectId, UnixMicros, Verdict};
use aqueduct_store::{Accounts, Commit, DeadLetter, LetterChange, Store};
use serde_json::json;
use uuid::Uuid;

fn letter(position: u64, project: u32) -> DeadLetter {
    DeadLetter {
        id: LetterId { partition: PartitionId(0), position: JournalPosition(position), index: 2 },
        project: ProjectId(project),
        received_at: UnixMicros(1_700_000_000_000_000),
        events: 1,
        reason: DeadReason::MalformedProperties,
        detail: "found \"{\", expected a JSON object".into(),
        uuid: Uuid::from_u128(7),
        event: "pay".into(),
        distinct_id: "ann".into(),
        payload: r#"{"token":"phc_first","events":[{"properties":"{"}]}"#.into(),
        replays: 0,
        is_amended: false,
    }
}

async fn world() -> World {
    let world = World::new().await;
    let mut commit = Commit::new(PartitionId(0), JournalPosition(9));
    for (position, project) in [(1, 1), (2, 1), (3, 2), (4, 0)] {
        let letter = letter(position, project);
        commit.verdicts.add(letter.tally_key(), 1);
        commit.dead_letters.push(LetterChange::Keep(letter));
    }
    world.store.commit(commit).expect("commits");
    world
}

#[tokio::test]
async fn listed_and_shown() {
    let world = world().await;
    let page = world.get("/api/projects/1/dead_letters/?limit=1").await;
    assert_eq!((page["count"].as_u64(), page["results"][0]["id"].as_str()), (Some(2), Some("0-1-2")));
    assert!(page["next"].as_str().is_some_and(|next| next.contains("offset=1")));
    let unassigned = world.get("/api/projects/1/dead_letters/?unassigned=true").await;
    assert_eq!((unassigned["results"][0]["id"].as_str(), &unassigned["results"][0]["is_unassigned"]), (Some("0-4-2"), &json!(true)));
    let one = world.get("/api/projects/1/dead_letters/0-2-2/").await;
    assert_eq!((one["reason"].as_str(), one["event"].as_str()), (Some("malformed_properties"), Some("pay")));
    assert_eq!(one["payload"]["events"][0]["properties"], "{");
    assert!(one["remedy"].as_str().is_some_and(|remedy| remedy.contains("replay")));
    for path in ["0-3-2", "0-9-9", "nonsense"] {
        assert_eq!(world.ask("GET", &format!("/api/projects/1/dead_letters/{path}/"), None).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn mended_and_replayed() {
    let world = world().await;
    let path = "/api/projects/1/dead_letters/0-1-2/";
    let mended = json!({"payload": {"token": "phc_first", "events": [{"properties": {"a": 1}}]}});
    let changed = world.ask("PATCH", path, Some(mended.clone())).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["is_amended"]), (200, &json!(true)));
    assert_eq!(world.get(path).await["payload"], mended["payload"]);
    assert_eq!(world.ask("POST", &format!("{path}replay/"), None).await.status, 202);
    assert_eq!(world.replays.0.lock().expect("not poisoned").len(), 1);
    // Not into another project, and nothing that cannot be a record.
    for payload in [json!({"token": "phc_other"}), json!({}), json!("text")] {
        assert_eq!(world.ask("PATCH", path, Some(json!({"payload": payload}))).await.status, 400);
    }
    assert_eq!(world.ask("PATCH", path, Some(json!({}))).await.status, 400);
}

#[tokio::test]
async fn discarded() {
    let world = world().await;
    let path = "/api/projects/1/dead_letters/0-1-2/";
    assert_eq!(world.ask("DELETE", path, None).await.status, 204);
    assert_eq!(world.ask("DELETE", path, None).await.status, 404);
    let totals = world.store.account(Minute(0)..=Minute(u32::MAX)).expect("read").totals;
    let discarded = Verdict::Dropped(aqueduct_event::verdict::DropReason::Discarded);
    assert_eq!(totals[&(ProjectId(1), discarded)], 1);
    assert_eq!(totals[&(ProjectId(1), Verdict::DeadLettered(DeadReason::MalformedProperties))], 1);
    let strange = world.ask_with("GET", path, &[], None).await;
    assert_eq!(strange.status, 401);
}
