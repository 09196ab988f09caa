//! Rows that were withdrawn from their persons and may still lie in files.
//!
//! A mark says: rows that carry this id and came before this commit are gone. The newest commit of the range that a row lies in ([`ProjectRange::seq`]) tells
//! on which side of the mark it is: rows in memory are taken out at once, so that a range which has newer rows has no older ones that the mark means.
//!
//! [`ProjectRange::seq`]: crate::layout::table::ProjectRange

use aqueduct_event::{PersonId, ProjectId, UnixMicros};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which rows of an id are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Those that came before this commit.
    pub(crate) before: u64,
    /// When it was asked for.
    pub(crate) at: UnixMicros,
}

/// Marks of one project at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Withdrawn {
    marks: BTreeMap<PersonId, Mark>,
}

pub(crate) type WithdrawnByProject = Arc<FxHashMap<ProjectId, Arc<Withdrawn>>>;

impl FromIterator<(PersonId, Mark)> for Withdrawn {
    fn from_iter<I: IntoIterator<Item = (PersonId, Mark)>>(marks: I) -> Self {
        Self { marks: marks.into_iter().collect() }
    }
}

impl Withdrawn {
    pub(crate) fn insert(&mut self, person: PersonId, mark: Mark) {
        self.marks.insert(person, mark);
    }

    /// Whether rows are gone that carry `person` and lie in a range whose newest commit is `seq`.
    pub(crate) fn hides(&self, person: PersonId, seq: u64) -> bool {
        self.marks.get(&person).is_some_and(|mark| mark.before > seq)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = PersonId> {
        self.marks.keys().copied()
    }

    pub(crate) fn marks(&self) -> &BTreeMap<PersonId, Mark> {
        &self.marks
    }

    /// The newest commit that a mark names.
    pub(crate) fn newest(&self) -> u64 {
        self.marks.values().map(|mark| mark.before).max().unwrap_or_default()
    }

    /// Forgets marks that no row needs, unless a newer one took their place.
    pub(crate) fn forget(&mut self, gone: &[(PersonId, Mark)]) {
        for (person, mark) in gone {
            if self.marks.get(person) == Some(mark) {
                self.marks.remove(person);
            }
        }
    }
}

/// Marks to write and (`None`) to take out.
pub(super) fn changed(before: &WithdrawnByProject, after: &WithdrawnByProject) -> Vec<(ProjectId, PersonId, Option<Mark>)> {
    let none = Arc::default();
    let mut changes = Vec::new();
    for (project, now) in after.iter() {
        let was: &Arc<Withdrawn> = before.get(project).unwrap_or(&none);
        if Arc::ptr_eq(was, now) {
            continue;
        }
        let new = now.marks.iter().filter(|(person, mark)| was.marks.get(person) != Some(mark));
        changes.extend(new.map(|(person, mark)| (*project, *person, Some(*mark))));
        let gone = was.marks.keys().filter(|person| !now.marks.contains_key(person));
        changes.extend(gone.map(|person| (*project, *person, None)));
    }
    changes
}
