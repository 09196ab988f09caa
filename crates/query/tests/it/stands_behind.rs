//! A project's query runs in front, and one beside it behind: on threads of their own, as long as the first one works.

use crate::world::NOW;
use aqueduct_catalog::{Action, Cohort, CohortMember, PropertyParent, PropertyType};
use aqueduct_event::{ManualClock, ProjectId};
use aqueduct_query::{Definitions, ProjectFacts, QueryConfig, QueryEngine, QueryRequest};
use aqueduct_store::{EmbeddedStore, StoreConfig};
use serde_json::json;
use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

thread_local! {
    /// Whether the thread was told to stand behind.
    static IS_BEHIND: Cell<bool> = const { Cell::new(false) };
}

/// Notes on which threads properties are asked for. Whoever asks for `held` waits.
#[derive(Debug, Default)]
struct Watching {
    asked: Mutex<Vec<(String, bool)>>,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Watching {
    fn was_behind(&self, name: &str) -> Option<bool> {
        self.asked.lock().expect("not poisoned").iter().find(|(asked, _)| asked == name).map(|(_, behind)| *behind)
    }
}

impl Definitions for Watching {
    fn property_type(&self, _: ProjectId, _: PropertyParent, _: Option<u8>, name: &str) -> Option<PropertyType> {
        self.asked.lock().expect("not poisoned").push((name.to_owned(), IS_BEHIND.get()));
        if name == "held" {
            let is_over = self.is_over.lock().expect("not poisoned");
            let _held = self.over.wait_timeout_while(is_over, Duration::from_secs(30), |over| !*over).expect("not poisoned");
        }
        None
    }

    fn actions(&self, _: ProjectId) -> Vec<Arc<Action>> {
        Vec::new()
    }

    fn cohorts(&self, _: ProjectId) -> Vec<Arc<Cohort>> {
        Vec::new()
    }

    fn cohort_members(&self, _: i64) -> Arc<[CohortMember]> {
        Arc::new([])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_query_of_a_project_while_the_first_works() {
    let dir = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(NOW));
    let settings = StoreConfig { dir: dir.path().join("store"), background: false, ..StoreConfig::default() };
    let store = Arc::new(EmbeddedStore::open(settings, Arc::clone(&clock) as _).expect("a store"));
    let watching = Arc::new(Watching::default());
    let config = QueryConfig { threads: 2, ..QueryConfig::default() };
    let engine = QueryEngine::with_levels(config, store, Arc::clone(&watching) as _, clock, || IS_BEHIND.set(true)).expect("an engine");
    let engine = Arc::new(engine);
    let ask = |project: u32, property: &'static str| {
        let engine = Arc::clone(&engine);
        async move {
            let (id, timezone, nothing) = (ProjectId(project), "UTC".to_owned(), json!([]));
            let (test_account_filters, path_cleaning_filters) = (nothing.clone(), nothing);
            let project = ProjectFacts { id, timezone, week_start_day: 0, test_account_filters, path_cleaning_filters };
            let query = json!({"kind": "HogQLQuery", "query": format!("select properties.{property} from events")});
            engine.run(QueryRequest { project, query, query_id: None }).await.expect("an answer");
        }
    };
    let first = tokio::spawn(ask(1, "held"));
    let begun = Instant::now();
    while watching.was_behind("held").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the first query never began");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    ask(1, "second").await;
    ask(2, "other").await;
    *watching.is_over.lock().expect("not poisoned") = true;
    watching.over.notify_all();
    first.await.expect("ends");
    let behind = ["held", "second", "other"].map(|name| watching.was_behind(name));
    assert_eq!(behind, [Some(false), Some(true), Some(false)]);
}
