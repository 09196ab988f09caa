//! The cases of the suite.

use super::rows::{Event, commit_of, logical_rows};
use crate::Store;
use crate::read::Snapshot;
use aqueduct_event::{ProjectId, UnixMicros};
use std::sync::Arc;
use uuid::Uuid;

/// A store under test.
pub trait Backend: Store {
    /// The store as it is now.
    fn snapshot(&self) -> Arc<dyn Snapshot>;
}

impl Backend for crate::EmbeddedStore {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Self::snapshot(self)
    }
}

/// Runs every case, each on a store of its own.
///
/// # Panics
/// When the backend does not conform.
pub fn run(make: &dyn Fn() -> Box<dyn Backend>) {
    a_commit_is_visible_at_once(&*make());
}

fn a_commit_is_visible_at_once(store: &dyn Backend) {
    let before = store.snapshot();
    let events: Vec<Event> = (0..100u32)
        .map(|number| Event {
            project: ProjectId(1 + number % 3),
            person: Uuid::from_u128(u128::from(number % 7) << 64),
            timestamp: UnixMicros(1_700_000_000_000_000 - i64::from(number * 37 % 11)),
            uuid: Uuid::from_u128(u128::from(number)),
            properties: vec![("n".to_owned(), number.to_string()), ("path".to_owned(), format!("\"/p/{}\"", number % 5))],
            ..Event::default()
        })
        .collect();
    store.commit(commit_of(&events, 1)).expect("INVARIANT: the suite commits to a store that works");
    for project in 1..=3 {
        let view = store.snapshot().project(ProjectId(project)).expect("INVARIANT: the suite reads a store that works");
        let mut expected: Vec<_> = events.iter().filter(|event| event.project.0 == project).map(Event::expected).collect();
        expected.sort();
        assert_eq!(logical_rows(&*view), expected);
        let view = before.project(ProjectId(project)).expect("INVARIANT: the suite reads a store that works");
        assert!(logical_rows(&*view).is_empty(), "a snapshot does not change");
    }
}
