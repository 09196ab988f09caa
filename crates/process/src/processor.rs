//! The core: journal records in, one commit out. One named step after the other, each event alone, in order.
//!
//! ```text
//! record ─▶ batch ─▶ project ─▶ event ─▶ duplicate? ─▶ parse ─▶ tidy ─▶ admit ─▶ person ─▶ groups ─▶ elements ─▶ definitions ─▶ row
//! ```
//!
//! # Invariants
//! - A function of (state of the store, records): the clock is not asked, and maps are never walked in an order that matters. Splitting the same records over
//!   other commits gives the same rows and the same state.
//! - A bad record or event becomes a dead letter; only a state that cannot be read stops it, and then nothing has happened.
//! - An event on which our own code panics does so too: its records are applied again without it, from the store's state.
//! - Each event of the records gets one verdict in the commit.
//! - A command has a commit of its own.

use crate::commands;
use crate::config::ProcessConfig;
use crate::cookieless;
use crate::definitions::{Definitions, Sighting};
use crate::draft::{Draft, DraftBuffer};
use crate::duplicates::Duplicates;
use crate::elements;
use crate::error::ProcessError;
use crate::groups::{self, GroupIdentify};
use crate::identity::{Claim, Identity, Seen};
use crate::json::Value;
use crate::keys::{GROUP_COLUMNS, Keys, Name};
use crate::metrics;
use crate::outcome::{Origin, Outcome, Postings};
use crate::outside::{Observer, ProjectFacts, Projects};
use crate::payloads;
use crate::person::Wishes;
use crate::sanitise::{self, Sender, Texts};
use crate::state::State;
use crate::warning::{Subject, Warning, WarningKind};
use aqueduct_event::limits::MIB;
use aqueduct_event::record::{Receipt, Replay};
use aqueduct_event::verdict::{DeadReason, DropReason};
use aqueduct_event::{Command, JournalPosition, LetterId, PartitionId, ProjectId, RawBatch, RawBatchError, RawEvent, UnixMicros};
use aqueduct_journal::Entry;
use aqueduct_store::{Commit, EventRow, EventRows, ReadError, Store};
use serde_json::{Value as Json, json};
use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Memory that the rows of a commit take, about; the record that passes it is the commit's last.
const COMMIT_ROWS_BYTES_MAX: usize = 64 * MIB;

/// Turns journal records into commits. Keeps the state it needs at hand between them.
#[derive(Debug)]
pub struct Processor {
    partition: PartitionId,
    keys: Arc<Keys>,
    state: State,
    projects: Arc<dyn Projects>,
    observer: Arc<dyn Observer>,
    definitions: Definitions,
    warnings: Vec<Warning>,
    buffer: DraftBuffer,
    duplicates: Duplicates,
    /// When the requests applied since the last call of [`Processor::take_received`] were received.
    received: Vec<UnixMicros>,
    /// The event under way: its record and its place there.
    current: Option<EventPlace>,
    /// Events on which a panic was caught, with what it said.
    poison: HashMap<EventPlace, String>,
}

/// Position of a record, and the place of an event in it.
type EventPlace = (JournalPosition, usize);

/// A record that can be read, or why not.
#[derive(Debug)]
enum Record<'a> {
    Unreadable(RawBatchError),
    /// No project has its token.
    Unknown(RawBatch<'a>),
    Of(Known<'a>),
    Command(Command<'a>),
}

/// A record of a project.
#[derive(Debug)]
struct Known<'a> {
    facts: ProjectFacts,
    batch: RawBatch<'a>,
    /// The place of its first event among the duplicates.
    first: usize,
    /// The dead letter that it replays.
    replays: Option<(ProjectId, LetterId)>,
}

/// No project.
const NOBODY: ProjectId = ProjectId(0);
/// Characters of what a panic said that are kept.
const PANIC_CHARS_MAX: usize = 500;

/// What holds for all events of a record.
#[derive(Debug)]
struct Request<'a> {
    facts: &'a ProjectFacts,
    received_at: UnixMicros,
    sender: Sender<'a>,
}

/// How an event's person is processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Full,
    Personless,
}

impl Processor {
    /// A processor for one partition over the state of `store`.
    #[must_use]
    pub fn new(
        partition: PartitionId,
        store: Arc<dyn Store>,
        projects: Arc<dyn Projects>,
        observer: Arc<dyn Observer>,
        config: &ProcessConfig,
    ) -> Self {
        let keys = Arc::new(Keys::new());
        let duplicates = Duplicates::new(store.seen_rule());
        let state = State::new(store, Arc::clone(&keys), config.cache_bytes_max);
        Self {
            partition,
            keys,
            state,
            projects,
            observer,
            definitions: Definitions::default(),
            warnings: Vec::new(),
            buffer: DraftBuffer::default(),
            duplicates,
            received: Vec::new(),
            current: None,
            poison: HashMap::new(),
        }
    }

    /// Turns records, which follow those of the last commit, into the next commit. Nearly always all of them; where their rows would take too much memory
    /// only the first ones: `Commit::upto` says how far it came.
    ///
    /// The processor counts on the commit being made: if the store does not take it, call [`Processor::forget`] before applying the same records again.
    ///
    /// # Errors
    /// [`ProcessError`] when the state that they need cannot be read; nothing has happened then.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<Commit, ProcessError> {
        loop {
            // What a panic left half done is forgotten before anything else is read from it.
            match catch_unwind(AssertUnwindSafe(|| self.apply_once(entries))) {
                Ok(applied) => return applied,
                Err(panic) => {
                    self.forget();
                    let Some(place) = self.current.take().filter(|place| !self.poison.contains_key(place)) else { resume_unwind(panic) };
                    let said = words_of(&*panic);
                    tracing::error!(
                        position = place.0.0,
                        event = place.1,
                        said,
                        "an event could not be processed; it becomes a dead letter"
                    );
                    self.poison.insert(place, said);
                }
            }
        }
    }

    fn apply_once(&mut self, entries: &[Entry]) -> Result<Commit, ProcessError> {
        let first = entries.first().ok_or(ProcessError::NoRecords)?.position;
        let mut commit = Commit::new(self.partition, first);
        let mut postings = Postings::new(self.partition);
        let records = self.read(entries)?;
        let mut applied = Ok(());
        for (at, (entry, record)) in entries.iter().zip(&records).enumerate() {
            let is_command = matches!(record, Record::Command(_));
            // A command is about the rows of earlier commits.
            if is_command && at > 0 {
                break;
            }
            applied = match record {
                Record::Command(command) => commands::apply(command, &self.keys, &mut self.state, &mut commit.withdrawals),
                _ => self.record(entry, record, &mut commit.events, &mut postings),
            };
            commit.upto = entry.position.next();
            if is_command || applied.is_err() || commit.events.bytes() > COMMIT_ROWS_BYTES_MAX {
                break;
            }
        }
        if let Err(error) = applied.and_then(|()| self.state.take_changes(&mut commit)) {
            self.forget();
            return Err(error.into());
        }
        commit.seen = self.duplicates.take_rows();
        metrics::tally(&postings.hand_over(&mut commit));
        Ok(commit)
    }

    /// Decodes records, finds their projects, and looks up which of their events are stored already: all at once, since a look-up waits for memory.
    fn read<'a>(&mut self, entries: &'a [Entry]) -> Result<Vec<Record<'a>>, ReadError> {
        self.duplicates.clear();
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let (batch, replays) = match aqueduct_event::Record::decode(&entry.payload) {
                Err(error) => {
                    records.push(Record::Unreadable(error));
                    continue;
                }
                Ok(aqueduct_event::Record::Batch(batch)) => (batch, None),
                Ok(aqueduct_event::Record::Command(command)) => {
                    records.push(Record::Command(command));
                    continue;
                }
                Ok(aqueduct_event::Record::Replay(Replay { project, letter, batch })) => (batch, Some((project, letter))),
            };
            records.push(match self.projects.project_by_token(batch.token) {
                None => Record::Unknown(batch),
                Some(facts) => {
                    let first = self.duplicates.add(facts.id, &batch);
                    Record::Of(Known { facts, batch, first, replays })
                }
            });
        }
        self.duplicates.look_up(self.state.store())?;
        Ok(records)
    }

    /// Goes back to what the store has.
    pub fn forget(&mut self) {
        self.state.forget();
        self.definitions.forget();
        self.warnings.clear();
        self.received.clear();
    }

    /// When the requests of the last commit were received.
    pub(crate) fn take_received(&mut self) -> Vec<UnixMicros> {
        std::mem::take(&mut self.received)
    }

    fn record(&mut self, entry: &Entry, record: &Record<'_>, rows: &mut EventRows, postings: &mut Postings) -> Result<(), ReadError> {
        let position = entry.position;
        match record {
            Record::Of(known) => self.known(position, known, rows, postings),
            // It has no rows and no verdicts.
            Record::Command(_) => Ok(()),
            Record::Unreadable(error) => {
                metrics::unreadable_record();
                tracing::error!(position = position.0, %error, "a journal record is no batch of events; it becomes a dead letter");
                postings.bury_record(position, &entry.payload, &error.to_string());
                Ok(())
            }
            // A letter whose project nobody knows now stays as it is.
            Record::Unknown(_) if matches!(Receipt::read(&entry.payload), Receipt::Replay) => Ok(()),
            Record::Unknown(batch) => {
                for (index, raw) in batch.events.iter().enumerate() {
                    let origin = Origin { project: NOBODY, batch, position, index, replayed: None };
                    postings.post(&origin, raw, &Outcome::Dropped(DropReason::UnknownToken, ""));
                }
                Ok(())
            }
        }
    }

    fn known(
        &mut self,
        position: JournalPosition,
        known: &Known<'_>,
        rows: &mut EventRows,
        postings: &mut Postings,
    ) -> Result<(), ReadError> {
        let Known { facts, batch, first, replays } = known;
        let letter = match replays {
            None => None,
            Some((project, id)) => {
                let letter = postings.letter(self.state.store(), *project, *id)?;
                // Replayed or discarded meanwhile: its events have their verdict.
                let Some(letter) = letter.filter(|letter| letter.events as usize == batch.events.len()) else { return Ok(()) };
                postings.exhume(&letter);
                Some(letter)
            }
        };
        if letter.is_none() {
            self.received.push(batch.received_at);
        }
        let sent_at = batch.sent_at.map(UnixMicros::to_rfc3339).unwrap_or_default();
        let sender = Sender { client_ip: batch.client_ip, sent_at: &sent_at };
        let request = Request { facts, received_at: batch.received_at, sender };
        for (index, raw) in batch.events.iter().enumerate() {
            let origin = Origin { project: facts.id, batch, position, index, replayed: letter.as_ref() };
            let outcome = self.outcome(&request, &origin, first + index, raw, rows)?;
            postings.post(&origin, raw, &outcome);
        }
        Ok(())
    }

    fn outcome(
        &mut self,
        request: &Request<'_>,
        origin: &Origin<'_>,
        place: usize,
        raw: &RawEvent<'_>,
        rows: &mut EventRows,
    ) -> Result<Outcome, ReadError> {
        let event = (origin.position, origin.index);
        if let Some(said) = self.poison.get(&event) {
            return Ok(Outcome::Dead(DeadReason::Panicked, said.clone()));
        }
        if self.duplicates.original(place).is_some() {
            return Ok(Outcome::Duplicate);
        }
        self.current = Some(event);
        let outcome = self.event(request, raw, rows)?;
        self.current = None;
        match &outcome {
            Outcome::Stored => self.duplicates.is_row(place),
            Outcome::Dead(_, detail) => {
                tracing::warn!(position = origin.position.0, uuid = %raw.uuid, event = raw.event, detail, "an event becomes a dead letter");
            }
            Outcome::Duplicate | Outcome::Dropped(..) => {}
        }
        Ok(outcome)
    }

    fn event(&mut self, request: &Request<'_>, raw: &RawEvent<'_>, rows: &mut EventRows) -> Result<Outcome, ReadError> {
        let texts = Texts::new(raw);
        let mut draft = Draft::new(std::mem::take(&mut self.buffer));
        let outcome = match draft.parse(&self.keys, &texts.properties) {
            Ok(()) => self.parsed(request, raw, &texts, &mut draft, rows)?,
            Err(malformed) => Outcome::Dead(DeadReason::MalformedProperties, malformed.to_string()),
        };
        self.buffer = draft.into_buffer();
        for warning in self.warnings.drain(..) {
            self.observer.warning(request.facts.id, warning);
        }
        Ok(outcome)
    }

    fn parsed<'a>(
        &mut self,
        request: &Request<'a>,
        raw: &RawEvent<'_>,
        texts: &'a Texts<'_>,
        draft: &mut Draft<'a>,
        rows: &mut EventRows,
    ) -> Result<Outcome, ReadError> {
        let mut subject = Subject { uuid: raw.uuid, event: raw.event, distinct_id: raw.distinct_id, timestamp: raw.timestamp };
        sanitise::tidy(draft, &self.keys, request.sender);
        let cookieless_id;
        if raw.cookieless || cookieless::is_asked(draft) {
            match cookieless::apply(draft, &self.keys, &*self.projects, request.facts, subject, request.received_at) {
                Ok(id) => cookieless_id = id,
                Err(refusal) => {
                    let warning = refusal.0.map(|kind| Warning::about(kind, request.received_at, &subject, json!({})));
                    self.warnings.extend(warning);
                    return Ok(Outcome::Dropped(DropReason::Cookieless, refusal.0.map_or("", WarningKind::as_str)));
                }
            }
            subject.distinct_id = &cookieless_id;
        }
        let profile = match self.admit(request, subject, draft) {
            Ok(profile) => profile,
            Err(reason) => return Ok(Outcome::Dropped(reason, "")),
        };
        if request.facts.anonymize_ips {
            draft.remove(Name::Ip);
        }
        let keys = Arc::clone(&self.keys);
        let wishes = match profile {
            Profile::Full if subject.event != "$groupidentify" => sanitise::take_wishes(draft, &keys, texts, subject.event),
            Profile::Full | Profile::Personless => {
                sanitise::strip_person(draft);
                Wishes::new(subject.event)
            }
        };
        let seen = self.person(request, subject, draft, &wishes, profile)?;
        let group_type = self.groups(request, subject, draft, profile)?;
        let chain = elements::take_chain(draft);
        let sighting = Sighting {
            keys: &keys,
            project: request.facts.id,
            event: subject.event,
            received_at: request.received_at,
            draft,
            wishes: (profile == Profile::Full).then_some(&wishes),
            group_type,
        };
        self.definitions.observe(&sighting, &*self.observer);
        let row = EventRow {
            project: request.facts.id,
            uuid: subject.uuid,
            event: subject.event,
            distinct_id: subject.distinct_id,
            person: seen.id,
            timestamp: subject.timestamp,
            created_at: request.received_at,
            person_created_at: seen.created_at,
            person_properties: &seen.properties,
            person_mode: seen.mode,
            elements_chain: &chain,
        };
        rows.push(&row, draft.stored());
        Ok(Outcome::Stored)
    }

    /// Decides whether an event is taken, and how its person is processed.
    fn admit(&mut self, request: &Request<'_>, subject: Subject<'_>, draft: &mut Draft<'_>) -> Result<Profile, DropReason> {
        let mut warn = |kind, more| self.warnings.push(Warning::about(kind, request.received_at, &subject, more));
        match subject.event {
            "$$client_ingestion_warning" => {
                warn(WarningKind::ClientIngestionWarning, json!({"message": draft.text(Name::ClientWarning)}));
                return Err(DropReason::ClientWarning);
            }
            "$$heatmap" => {
                payloads::take_heatmap(draft).into_iter().for_each(|(kind, more)| warn(kind, more));
                return Err(DropReason::Heatmap);
            }
            _ => {}
        }
        if groups::key_is_too_long(draft) {
            warn(WarningKind::GroupKeyTooLong, json!({}));
            return Err(DropReason::GroupKeyTooLong);
        }
        let age_micros = request.received_at.0.saturating_sub(subject.timestamp.0);
        if request.facts.drop_events_older_than_seconds.is_some_and(|limit| age_micros >= i64::from(limit) * 1_000_000) {
            warn(WarningKind::EventDroppedTooOld, json!({"ageInSeconds": age_micros / 1_000_000}));
            return Err(DropReason::TooOld);
        }
        if let Some(made_at) = divergent_uuid_time(subject) {
            warn(
                WarningKind::EventUuidTimestampDivergent,
                json!({"uuidTimestamp": made_at.to_rfc3339(), "eventTimestamp": subject.timestamp.to_rfc3339()}),
            );
        }
        let faults = payloads::take_heatmap(draft).into_iter().chain(payloads::check_token_counts(draft, &self.keys, subject.event));
        faults.for_each(|(kind, more)| warn(kind, more));
        let asked = draft.get(Name::ProcessPersonProfile).map(|property| (property.value.clone(), property.raw));
        let profile = match asked {
            Some((Value::Bool(false), _)) => Profile::Personless,
            None | Some((Value::Bool(true), _)) => Profile::Full,
            Some((_, raw)) => {
                let more =
                    json!({"$process_person_profile": serde_json::from_str::<Json>(raw).ok(), "message": "only true and false are valid"});
                warn(WarningKind::InvalidProcessPersonProfile, more);
                Profile::Full
            }
        };
        if profile == Profile::Full {
            draft.remove(Name::ProcessPersonProfile);
        } else if matches!(subject.event, "$identify" | "$create_alias" | "$merge_dangerously" | "$groupidentify") {
            warn(WarningKind::InvalidEventWhenProcessPersonProfileIsFalse, json!({}));
            return Err(DropReason::PersonlessNotAllowed);
        }
        Ok(profile)
    }

    fn person(
        &mut self,
        request: &Request<'_>,
        subject: Subject<'_>,
        draft: &Draft<'_>,
        wishes: &Wishes<'_>,
        profile: Profile,
    ) -> Result<Seen, ReadError> {
        let identity = Identity {
            keys: &self.keys,
            state: &mut self.state,
            warnings: &mut self.warnings,
            project: request.facts.id,
            subject,
            received_at: request.received_at,
            wishes,
            refreshes_last_seen: draft.is_true(Name::UpdateLastSeen),
        };
        match profile {
            Profile::Personless => identity.personless(),
            Profile::Full => {
                let value = |name| draft.get(name).map(|property| &property.value);
                identity.full(&Claim::new(subject.event, value(Name::AnonDistinctId), value(Name::Alias)))
            }
        }
    }

    /// Answers the index of the group type that a `$groupidentify` is about.
    fn groups(
        &mut self,
        request: &Request<'_>,
        subject: Subject<'_>,
        draft: &mut Draft<'_>,
        profile: Profile,
    ) -> Result<Option<u8>, ReadError> {
        if profile == Profile::Personless {
            for (column, _) in GROUP_COLUMNS {
                draft.remove(column);
            }
            return Ok(None);
        }
        let mut group_type = None;
        if subject.event == "$groupidentify" {
            let identify = GroupIdentify { keys: &self.keys, project: request.facts.id, subject, received_at: request.received_at };
            group_type = identify.apply(draft, &mut self.state, &mut self.warnings)?;
        }
        groups::add_columns(draft, &self.keys, &mut self.state, request.facts.id)?;
        Ok(group_type)
    }
}

/// The time inside a version 7 id, if it is far from the event's.
fn divergent_uuid_time(subject: Subject<'_>) -> Option<UnixMicros> {
    const FAR_MICROS: u64 = 3 * 24 * 3_600_000_000;
    if subject.uuid.get_version_num() != 7 {
        return None;
    }
    let millis = i64::try_from(subject.uuid.as_u128() >> 80).ok()?;
    let made_at = UnixMicros::from_millis(millis);
    (made_at.0.abs_diff(subject.timestamp.0) > FAR_MICROS).then_some(made_at)
}

/// What a panic said.
fn words_of(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    said.unwrap_or("a panic without words").chars().take(PANIC_CHARS_MAX).collect()
}
