//! Who did it: the person of an event, made, found, merged and updated (ingestion semantics, sections 5 to 9).
//!
//! In: an event with its wishes. Out: the person its row carries, with its changes noted in the [`State`].
//!
//! # Invariants
//! - A person's id is made from one of its distinct ids ([`State::own_id`]) and never changes. Rows written personless carry the same id.
//! - Rows are never rewritten: whoever loses its id to another person leaves an override behind.
//! - A person that was identified is never merged away, but by `$merge_dangerously`.

use crate::cache::Place;
use crate::json::Value;
use crate::keys::Keys;
use crate::person::{Plan, Wishes, first_properties};
use crate::properties::Properties;
use crate::state::{Owner, Person, State};
use crate::warning::{Subject, Warning, WarningKind};
use aqueduct_event::distinct_id::is_illegal;
use aqueduct_event::{PersonId, ProjectId, UnixMicros, limits::DISTINCT_ID_CHARS_MAX};
use aqueduct_store::{PersonMode, ReadError};
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;

/// JSON bytes of one person's properties. A change that would pass it is refused.
pub(crate) const PERSON_PROPERTIES_BYTES_MAX: usize = 512 * 1024;

/// When a person that does not exist was created, for rows of personless events: 5 s after the epoch, as PostHog marks them.
const NO_PERSON_CREATED_AT: UnixMicros = UnixMicros(5_000_000);

/// How long after a person's creation events sent before it may still arrive personless.
const FORCE_UPGRADE_AFTER_MICROS: i64 = 60_000_000;

/// The person as the event's row shows it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: PersonId,
    pub(crate) created_at: UnixMicros,
    pub(crate) properties: Arc<str>,
    pub(crate) mode: PersonMode,
}

/// What a merge asks for.
#[derive(Debug)]
pub(crate) enum Claim<'a> {
    /// The event is about one id only.
    None,
    /// `$identify` of an id alone.
    Identified,
    /// This id is the same person as the event's.
    Same(Cow<'a, str>),
}

impl<'a> Claim<'a> {
    /// The claim of an event, given its `$anon_distinct_id` and `alias`.
    pub(crate) fn new(event: &str, anon_distinct_id: Option<&'a Value<'a>>, alias: Option<&'a Value<'a>>) -> Self {
        match event {
            "$identify" => anon_distinct_id.map_or(Self::Identified, |id| Self::Same(clean_id(id))),
            "$create_alias" | "$merge_dangerously" => alias.filter(|id| id.is_truthy()).map_or(Self::None, |id| Self::Same(clean_id(id))),
            _ => Self::None,
        }
    }
}

/// A distinct id from a property, brought into the form that `capture` gives those of events.
fn clean_id<'a>(id: &'a Value<'a>) -> Cow<'a, str> {
    let text = id.to_text();
    if !text.contains('\0') && text.chars().count() <= DISTINCT_ID_CHARS_MAX {
        return text;
    }
    Cow::Owned(text.chars().take(DISTINCT_ID_CHARS_MAX).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect())
}

/// One event's work on persons.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) state: &'a mut State,
    pub(crate) warnings: &'a mut Vec<Warning>,
    pub(crate) project: ProjectId,
    pub(crate) subject: Subject<'a>,
    pub(crate) received_at: UnixMicros,
    pub(crate) wishes: &'a Wishes<'a>,
    /// `$update_person_last_seen_at` is true.
    pub(crate) refreshes_last_seen: bool,
}

impl Identity<'_> {
    /// The person of an event with full processing.
    pub(crate) fn full(mut self, claim: &Claim<'_>) -> Result<Seen, ReadError> {
        let distinct_id = self.subject.distinct_id;
        let (merged, identifies) = match claim {
            Claim::Same(other) if self.may_merge(other) => (Some(self.merge(other)?), true),
            Claim::Same(_) | Claim::None => (None, false),
            Claim::Identified => (None, true),
        };
        let place = match merged {
            Some(Merged::Made(place)) => return Ok(self.seen_as(place, None)),
            Some(Merged::Found(place)) => Some(place),
            None => self.state.person_of(self.project, distinct_id)?,
        };
        match place {
            Some(place) => Ok(self.update(place, identifies)),
            None => {
                let place = self.create(distinct_id, identifies)?;
                Ok(self.seen_as(place, None))
            }
        }
    }

    /// The person of a personless event.
    pub(crate) fn personless(self) -> Result<Seen, ReadError> {
        let Subject { distinct_id, timestamp, .. } = self.subject;
        let properties = Arc::clone(Properties::none());
        let Some(place) = self.state.person_of(self.project, distinct_id)? else {
            let id = self.state.use_personless(self.project, distinct_id)?;
            return Ok(Seen { id, created_at: NO_PERSON_CREATED_AT, properties, mode: PersonMode::Propertyless });
        };
        let person = self.state.person(place);
        let is_late = timestamp.0 > person.created_at.0.saturating_add(FORCE_UPGRADE_AFTER_MICROS);
        let mode = if is_late { PersonMode::ForceUpgrade } else { PersonMode::Propertyless };
        Ok(Seen { id: person.id, created_at: person.created_at, properties, mode })
    }

    /// Makes the person of a distinct id that has none.
    fn create(&mut self, distinct_id: &str, is_identified: bool) -> Result<Place, ReadError> {
        let id = self.state.own_id(self.project, distinct_id)?;
        let creator = format!("\"{}\"", self.subject.uuid);
        let mut properties = first_properties(self.keys, self.wishes, &creator);
        if properties.text().len() > PERSON_PROPERTIES_BYTES_MAX {
            self.warn_of_size(id);
            properties = first_properties(self.keys, &Wishes::default(), &creator);
        }
        if self.state.give(self.project, distinct_id, id)? != Owner::Nobody {
            self.state.revive_person(self.project, id);
        }
        let last_seen_at = self.refreshes_last_seen.then(|| start_of_hour(self.subject.timestamp));
        Ok(self.state.add_person(Person {
            project: self.project,
            id,
            created_at: self.subject.timestamp,
            properties,
            is_identified,
            version: 0,
            last_seen_at,
            is_deleted: false,
            snapshot: None,
            is_dirty: false,
        }))
    }

    /// Applies the event's wishes to a person that exists.
    fn update(&mut self, place: Place, identifies: bool) -> Seen {
        let person = self.state.person(place);
        let plan = Plan::new(self.keys, self.wishes, &person.properties);
        let mut changed = identifies && !person.is_identified;
        person.is_identified |= identifies;
        if self.refreshes_last_seen {
            let hour = start_of_hour(self.subject.timestamp);
            changed |= person.last_seen_at < Some(hour);
            person.last_seen_at = person.last_seen_at.max(Some(hour));
        }
        let mut oversized = None;
        if plan.writes {
            let properties = plan.applied(&person.properties);
            if properties.text().len() > PERSON_PROPERTIES_BYTES_MAX {
                oversized = Some(person.id);
            } else {
                person.properties = properties;
                changed = true;
            }
        }
        if changed {
            person.version += 1;
            self.state.person_changed(place);
        }
        if let Some(id) = oversized {
            self.warn_of_size(id);
        }
        self.seen_as(place, Some(&plan))
    }

    /// The person as the row shows it. A text equal to that of the person's last row is the same text, so that the store keeps it once.
    fn seen_as(&mut self, place: Place, plan: Option<&Plan<'_>>) -> Seen {
        let person = self.state.person(place);
        let mut properties = match plan {
            Some(plan) => plan.view(&person.properties),
            None => Arc::clone(person.properties.text()),
        };
        if !Arc::ptr_eq(&properties, person.properties.text()) {
            match &person.snapshot {
                Some(last) if *last == properties => properties = Arc::clone(last),
                _ => person.snapshot = Some(Arc::clone(&properties)),
            }
        }
        Seen { id: person.id, created_at: person.created_at, properties, mode: PersonMode::Full }
    }

    fn may_merge(&mut self, other: &str) -> bool {
        let target = self.subject.distinct_id;
        if other == target {
            return false;
        }
        for (illegal, legal) in [(target, other), (other, target)] {
            if is_illegal(illegal) {
                self.warn(WarningKind::CannotMergeWithIllegalDistinctId, json!({"illegalDistinctId": illegal, "otherDistinctId": legal}));
                return false;
            }
        }
        true
    }

    fn merge(&mut self, other: &str) -> Result<Merged, ReadError> {
        let (project, target) = (self.project, self.subject.distinct_id);
        let other_person = self.state.person_of(project, other)?;
        let target_person = self.state.person_of(project, target)?;
        // Loading the target may have moved the other.
        let other_person = other_person.map(|_| self.state.person_of(project, other)).transpose()?.flatten();
        match (other_person, target_person) {
            (None, None) => self.create_for_both(other).map(Merged::Made),
            (Some(person), None) => self.attach(target, person),
            (None, Some(person)) => self.attach(other, person),
            // One place, one person.
            (Some(from), Some(into)) if from == into => Ok(Merged::Found(into)),
            (Some(from), Some(into)) => self.merge_persons(other, from, into),
        }
    }

    /// Neither id has a person: one person has both. It takes its id from the target, or from the other if rows of that one exist already.
    fn create_for_both(&mut self, other: &str) -> Result<Place, ReadError> {
        let (project, target) = (self.project, self.subject.distinct_id);
        let target_was_used = self.state.owner(project, target)? == Owner::Personless;
        let other_was_used = self.state.owner(project, other)? == Owner::Personless;
        let (first, second) = if other_was_used && !target_was_used { (other, target) } else { (target, other) };
        let person = self.state.own_id(project, first)?;
        if other_was_used && target_was_used {
            let own = self.state.own_id(project, second)?;
            self.state.override_person(project, own, person);
        }
        self.state.give(project, second, person)?;
        self.create(first, true)
    }

    /// Gives an id without a person to a person.
    fn attach(&mut self, distinct_id: &str, place: Place) -> Result<Merged, ReadError> {
        let person = self.state.person(place).id;
        if self.state.give(self.project, distinct_id, person)? == Owner::Personless {
            let own = self.state.own_id(self.project, distinct_id)?;
            self.state.override_person(self.project, own, person);
        }
        Ok(Merged::Found(place))
    }

    fn merge_persons(&mut self, other: &str, from: Place, into: Place) -> Result<Merged, ReadError> {
        let (project, target) = (self.project, self.subject.distinct_id);
        if self.state.person(from).is_identified && self.subject.event != "$merge_dangerously" {
            let more = json!({"sourcePersonDistinctId": other, "targetPersonDistinctId": target});
            self.warn(WarningKind::CannotMergeAlreadyIdentified, more);
            return Ok(Merged::Found(into));
        }
        let gone = self.state.person(from);
        gone.is_deleted = true;
        let (gone_id, gone_version, created_at, last_seen_at) = (gone.id, gone.version, gone.created_at, gone.last_seen_at);
        gone.version += DELETED_VERSION_STEP;
        let gone_properties = gone.properties.clone();
        self.state.person_changed(from);
        let kept_id = self.state.person(into).id;
        for distinct_id in self.state.ids_of(project, gone_id)? {
            self.state.give(project, &distinct_id, kept_id)?;
        }
        self.state.override_person(project, gone_id, kept_id);
        let kept = self.state.person(into);
        let both = gone_properties.overlaid_by(self.keys, &kept.properties);
        let properties = Plan::new(self.keys, self.wishes, &both).applied(&both);
        let is_oversized = properties.text().len() > PERSON_PROPERTIES_BYTES_MAX;
        if !is_oversized {
            kept.properties = properties;
        }
        kept.created_at = kept.created_at.min(created_at);
        kept.last_seen_at = kept.last_seen_at.max(last_seen_at);
        kept.version = kept.version.max(gone_version) + 1;
        kept.is_identified = true;
        self.state.person_changed(into);
        if is_oversized {
            self.warn_of_size(kept_id);
        }
        Ok(Merged::Found(into))
    }

    fn warn_of_size(&mut self, person: PersonId) {
        let more = json!({"personId": person, "message": "person properties exceed the size limit, the change was refused"});
        self.warn(WarningKind::PersonPropertiesSizeViolation, more);
    }

    fn warn(&mut self, kind: WarningKind, more: serde_json::Value) {
        self.warnings.push(Warning::about(kind, self.received_at, &self.subject, more));
    }
}

/// The version that a person merged away gets is this much higher, so that it wins over changes under way elsewhere.
pub(crate) const DELETED_VERSION_STEP: u64 = 100;

/// The person after a merge.
#[derive(Clone, Copy, Debug)]
enum Merged {
    /// Made just now, with the event's wishes.
    Made(Place),
    /// Existed; the event's wishes are still to be applied.
    Found(Place),
}

fn start_of_hour(time: UnixMicros) -> UnixMicros {
    const HOUR_MICROS: i64 = 3_600_000_000;
    UnixMicros(time.0.div_euclid(HOUR_MICROS) * HOUR_MICROS)
}
