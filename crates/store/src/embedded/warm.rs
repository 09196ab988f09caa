//! Columns of a merged segment, decoded before queries see it: those that were decoded of the segments that it replaces. Without that, each merge
//! would make the next question of everybody read files.

use super::EmbeddedStore;
use crate::ReadError;
use crate::cache::{Kept, What};
use crate::read::Part;
use crate::segment::columns::{FIXED, PROPERTIES_FROM};
use crate::segment::part::SegmentPart;
use crate::segment::{Descriptor, Segment};
use aqueduct_event::ProjectId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What queries read of some segments.
#[derive(Debug, Default)]
struct Wanted {
    columns: BTreeSet<usize>,
    keys: BTreeSet<String>,
    /// Projects whose persons were walked.
    runs: BTreeSet<ProjectId>,
}

impl EmbeddedStore {
    /// Decodes of `added` what is decoded of `replaced`.
    pub(super) fn warm(&self, replaced: &[Arc<Segment>], added: &[Descriptor]) {
        let mut wanted = Wanted::default();
        replaced.iter().for_each(|segment| self.note_wanted(segment, &mut wanted));
        for descriptor in added {
            let segment = Arc::new(Segment::new(descriptor.clone(), Arc::clone(&self.files)));
            for (place, range) in descriptor.ranges.iter().enumerate() {
                // A query that reads it again says what is wrong with it.
                if let Err(error) = wanted.read(&SegmentPart::new(&segment, &self.cache, place), range.project) {
                    tracing::debug!(segment = descriptor.id, %error, "a merged segment could not be read beforehand");
                }
            }
        }
    }

    fn note_wanted(&self, segment: &Segment, wanted: &mut Wanted) {
        let id = segment.descriptor.id;
        let Some(Kept::Meta(meta)) = self.cache.peek(id, What::Meta) else { return };
        for what in self.cache.of(id) {
            match what {
                What::Column(place, _) => match place.checked_sub(PROPERTIES_FROM) {
                    None => wanted.columns.extend(place.checked_sub(1)),
                    Some(place) => wanted.keys.extend(meta.layout.columns.get(place).map(|column| column.key.clone())),
                },
                What::Runs(rows) => {
                    wanted.runs.extend(segment.descriptor.ranges.iter().find(|range| range.rows == rows).map(|range| range.project));
                }
                // Few ask for them, or they come of themselves.
                What::Meta | What::Overflow(_) | What::Living(..) => {}
            }
        }
    }
}

impl Wanted {
    fn read(&self, part: &dyn Part, project: ProjectId) -> Result<(), ReadError> {
        for place in &self.columns {
            if let Some((column, _)) = FIXED.get(*place) {
                part.column(*column)?;
            }
        }
        for key in &self.keys {
            part.property(key)?;
        }
        if self.runs.contains(&project) {
            part.person_runs()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{Event, commit_of};
    use crate::read::EventColumn;
    use crate::{Store, StoreConfig};
    use aqueduct_event::{SystemClock, UnixMicros};
    use uuid::Uuid;

    #[test]
    fn what_was_read_of_the_old_segments_is_decoded_of_the_new_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let config =
            StoreConfig { dir: dir.path().join("store"), shards: 1, rest_after_ms: 0, background: false, ..StoreConfig::default() };
        let store = EmbeddedStore::open(config, Arc::new(SystemClock)).expect("opens");
        for number in 0..2_u8 {
            let event = |row: u8| Event {
                uuid: Uuid::from_u128(u128::from(number) * 100 + u128::from(row)),
                timestamp: UnixMicros(i64::from(row)),
                ..Event::default()
            };
            store.commit(commit_of(&[event(1), event(2)], u64::from(number) + 1)).expect("commits");
            store.flush().expect("flushes");
        }
        let ids = || store.state.load().base.segments.iter().map(|segment| segment.descriptor.id).collect::<Vec<_>>();
        let old = ids();
        assert_eq!(old.len(), 2);
        for part in store.snapshot().project(ProjectId(1)).expect("a view").shards().iter().flatten() {
            part.column(EventColumn::Timestamp).expect("times");
            part.person_runs().expect("runs");
        }
        while store.work().expect("works") {}
        let new = ids();
        assert_eq!(new.len(), 1);
        let mut kept: Vec<_> = store.cache.of(new[0]).into_iter().map(|what| format!("{what:?}")).collect();
        kept.sort();
        assert_eq!(kept, ["Column(2, 0..1)", "Meta", "Runs(0..4)"]);
        assert!(old.iter().all(|id| store.cache.of(*id).is_empty()), "nobody reads them any more");
    }
}
