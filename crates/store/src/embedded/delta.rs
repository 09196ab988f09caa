//! Changes of persons, distinct ids and groups that are not in the manifest yet, in layers.
//!
//! A commit adds one immutable layer, so a snapshot is a list of shared layers and never blocks a commit. Layers of similar size are merged, so
//! that a look-up probes few of them and each record is copied few times.

use crate::commit::{DistinctIdRecord, GroupRecord, PersonRecord};
use aqueduct_event::{PersonId, ProjectId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// Texts come from senders, so maps by text use a seeded hash.
type ByText<V> = HashMap<(ProjectId, Arc<str>), V, foldhash::fast::RandomState>;
type ByGroup<V> = HashMap<(ProjectId, u8, Arc<str>), V, foldhash::fast::RandomState>;

/// One layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delta {
    pub(crate) persons: HashMap<(ProjectId, PersonId), Arc<PersonRecord>, foldhash::fast::RandomState>,
    pub(crate) distinct_ids: ByText<DistinctIdRecord>,
    /// Distinct ids that this layer gave to a person; a later layer may have taken them away again.
    pub(crate) ids_of: HashMap<(ProjectId, PersonId), FxHashSet<Arc<str>>, foldhash::fast::RandomState>,
    pub(crate) groups: ByGroup<Arc<GroupRecord>>,
    /// Number of the newest commit in this layer that changed anything of the project.
    pub(crate) seqs: FxHashMap<ProjectId, u64>,
    pub(crate) bytes: usize,
}

impl Delta {
    pub(crate) fn new(persons: Vec<PersonRecord>, distinct_ids: Vec<DistinctIdRecord>, groups: Vec<GroupRecord>, seq: u64) -> Self {
        let mut delta = Self::default();
        for person in persons {
            delta.seqs.insert(person.project, seq);
            delta.bytes += person.properties.len() + 200;
            delta.persons.insert((person.project, person.id), Arc::new(person));
        }
        for id in distinct_ids {
            delta.seqs.insert(id.project, seq);
            delta.bytes += id.distinct_id.len() + 200;
            delta.ids_of.entry((id.project, id.person)).or_default().insert(Arc::clone(&id.distinct_id));
            delta.distinct_ids.insert((id.project, Arc::clone(&id.distinct_id)), id);
        }
        for group in groups {
            delta.seqs.insert(group.project, seq);
            delta.bytes += group.properties.len() + group.key.len() + 200;
            delta.groups.insert((group.project, group.type_index, Arc::clone(&group.key)), Arc::new(group));
        }
        delta
    }

    /// Records in it.
    pub(crate) fn len(&self) -> usize {
        self.persons.len() + self.distinct_ids.len() + self.groups.len()
    }

    /// Puts `newer` on top of this layer.
    pub(crate) fn absorb(&mut self, newer: &Self) {
        put_all(&mut self.persons, &newer.persons);
        put_all(&mut self.distinct_ids, &newer.distinct_ids);
        put_all(&mut self.groups, &newer.groups);
        for (person, ids) in &newer.ids_of {
            self.ids_of.entry(*person).or_default().extend(ids.iter().map(Arc::clone));
        }
        for (project, seq) in &newer.seqs {
            self.seqs.insert(*project, *seq);
        }
        self.bytes += newer.bytes;
    }
}

fn put_all<K: Clone + Eq + Hash, V: Clone, S: BuildHasher>(into: &mut HashMap<K, V, S>, from: &HashMap<K, V, S>) {
    into.reserve(from.len());
    for (key, value) in from {
        into.insert(key.clone(), value.clone());
    }
}

/// Layers, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers(pub(crate) Vec<Arc<Delta>>);

impl Layers {
    /// Adds a layer; layers that are not clearly larger than what follows them are merged.
    pub(crate) fn push(&mut self, delta: Delta) {
        if delta.len() == 0 && delta.seqs.is_empty() {
            return;
        }
        self.0.push(Arc::new(delta));
        // Sizes fall by a factor of 4 from layer to layer: few layers, and a record is copied a logarithmic number of times.
        while let [.., older, newer] = &self.0[..]
            && older.len() < newer.len() * 4
        {
            let mut merged = Delta::clone(older);
            merged.absorb(newer);
            self.0.truncate(self.0.len() - 2);
            self.0.push(Arc::new(merged));
        }
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Delta> {
        self.0.iter().rev().map(|delta| &**delta)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|delta| delta.bytes).sum()
    }
}
