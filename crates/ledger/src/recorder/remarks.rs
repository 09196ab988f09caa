//! Remarks: a sample of what the edge refused, dropped or changed, for each project.
//!
//! In: remarks as they come. Out: those that are kept, by project.
//!
//! # Invariants
//! - Each project and reason has a ring of its own, so that neither a loud project nor a loud reason pushes out what others left.
//! - All rings together keep their budget of bytes: the project that takes most gives first.
//!
//! # Payload of a block, version 1
//! Per remark a length (variable) and a JSON object with the fields of [`Remark`]; unknown fields are ignored, absent ones are empty.

use super::varint::{put, take};
use aqueduct_event::timestamp::TimeFault;
use aqueduct_event::verdict::{Refusal, Verdict};
use aqueduct_event::{ProjectId, UnixMicros};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use uuid::Uuid;

/// Remarks of one project and reason.
const OF_A_REASON_MAX: usize = 200;
/// Bytes that a remark takes besides its texts, about.
const FIXED_BYTES: usize = 256;

/// What the edge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// It refused or dropped.
    Verdict(Verdict),
    /// It accepted, but gave the event another time than its sender said.
    Moved(TimeFault),
}

impl What {
    /// The stable code of the reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.reason(),
            Self::Moved(fault) => fault.code(),
        }
    }

    /// What happened, in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.words(),
            Self::Moved(fault) => fault.words(),
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.remedy(),
            Self::Moved(fault) => fault.remedy(),
        }
    }

    /// The ingestion warning that the owners of the project get; `None` where there is none.
    #[must_use]
    pub fn warning(self) -> Option<&'static str> {
        let Self::Verdict(verdict) = self else { return Some("ignored_invalid_timestamp") };
        let Verdict::Refused(refusal) = verdict else { return None };
        Some(match refusal {
            Refusal::EventTooLarge => "message_size_too_large",
            Refusal::NotAi => "invalid_ai_event",
            Refusal::MissingEventName => "missing_event_name",
            Refusal::EventNameTooLong => "event_name_too_long",
            Refusal::MissingDistinctId => "missing_distinct_id",
            Refusal::DistinctIdTooLong => "distinct_id_too_large",
            Refusal::NobodysDistinctId => "skipping_event_invalid_distinct_id",
            Refusal::InvalidTimestamp => "invalid_event_timestamp",
            Refusal::MalformedProperties => "malformed_event_properties",
            Refusal::InvalidOptions => "invalid_options",
            Refusal::EmptyBatch => "empty_batch",
            Refusal::InvalidBatch => "invalid_batch",
            Refusal::MissingUuid => "missing_event_uuid",
            Refusal::InvalidUuid => "invalid_event_uuid",
            Refusal::RepeatedUuid => "duplicate_event_uuid",
            _ => return None,
        })
    }

    fn number(self) -> u16 {
        match self {
            Self::Verdict(verdict) => verdict.number(),
            Self::Moved(fault) => fault as u16,
        }
    }

    fn of_number(number: u16) -> Option<Self> {
        let moved = TimeFault::ALL.into_iter().find(|fault| *fault as u16 == number).map(Self::Moved);
        moved.or_else(|| Verdict::of_number(number).map(Self::Verdict))
    }
}

impl Serialize for What {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(deserializer)?;
        Self::of_number(number).ok_or_else(|| serde::de::Error::custom(format!("found reason {number}, which this program does not know")))
    }
}

/// Something that the edge refused, dropped or changed: a whole request, or events of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Counts up; a remark that is read twice is known by it.
    #[serde(default)]
    pub number: u64,
    /// When.
    pub at: UnixMicros,
    /// The project that has the token; 0 when none has it or none could be read.
    #[serde(default = "no_project")]
    pub project: ProjectId,
    /// What was done, and why.
    pub what: What,
    /// The status of the answer; 0 for events of a request that was accepted.
    #[serde(default)]
    pub status: u16,
    /// The token as far as it may be shown: its begin and its end.
    #[serde(default)]
    pub token: String,
    /// The route.
    #[serde(default)]
    pub path: String,
    /// `User-Agent`, and the name that the SDK gave itself where the protocol has one.
    #[serde(default)]
    pub agent: String,
    /// Address of the client, cut as configured.
    #[serde(default)]
    pub client_address: String,
    /// What exactly was wrong: the words of the answer, or the value.
    #[serde(default)]
    pub detail: String,
    /// Uuids of the events concerned, as far as they could be read; the first ones of many.
    #[serde(default)]
    pub uuids: Vec<Uuid>,
    /// Their distinct ids.
    #[serde(default)]
    pub distinct_ids: Vec<String>,
    /// Their names.
    #[serde(default)]
    pub events: Vec<String>,
}

fn no_project() -> ProjectId {
    ProjectId(0)
}

impl Remark {
    fn bytes(&self) -> usize {
        let texts = [&self.token, &self.path, &self.agent, &self.client_address, &self.detail];
        let lists = self.distinct_ids.iter().chain(&self.events).map(|text| text.len() + 24);
        FIXED_BYTES + texts.iter().map(|text| text.len()).sum::<usize>() + lists.sum::<usize>() + self.uuids.len() * 16
    }
}

#[derive(Debug, Default)]
struct OfProject {
    rings: BTreeMap<What, VecDeque<Arc<Remark>>>,
    bytes: usize,
}

impl OfProject {
    fn push(&mut self, remark: Arc<Remark>) -> usize {
        let bytes = remark.bytes();
        let ring = self.rings.entry(remark.what).or_default();
        ring.push_back(remark);
        let gone = if ring.len() > OF_A_REASON_MAX { ring.pop_front().map_or(0, |gone| gone.bytes()) } else { 0 };
        self.bytes = self.bytes + bytes - gone;
        self.bytes
    }

    /// Gives up the oldest remark of the longest ring.
    fn give(&mut self) {
        let longest = self.rings.iter_mut().max_by_key(|(_, ring)| ring.len());
        if let Some((what, ring)) = longest {
            let (what, gone) = (*what, ring.pop_front());
            self.bytes -= gone.map_or(0, |gone| gone.bytes());
            if self.rings.get(&what).is_some_and(VecDeque::is_empty) {
                self.rings.remove(&what);
            }
        }
    }
}

/// The remarks that are kept.
#[derive(Debug)]
pub(super) struct Remarks {
    projects: HashMap<ProjectId, OfProject>,
    bytes: usize,
    bytes_max: usize,
    next_number: u64,
}

impl Remarks {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { projects: HashMap::new(), bytes: 0, bytes_max, next_number: 1 }
    }

    /// Gives a new remark its number and keeps it.
    pub(super) fn add(&mut self, mut remark: Remark) -> Arc<Remark> {
        remark.number = self.next_number;
        let remark = Arc::new(remark);
        self.keep(Arc::clone(&remark));
        remark
    }

    /// Keeps a remark that was read back.
    pub(super) fn restore(&mut self, remark: Remark) {
        if remark.number >= self.next_number {
            self.keep(Arc::new(remark));
        }
    }

    fn keep(&mut self, remark: Arc<Remark>) {
        self.next_number = remark.number + 1;
        let of_project = self.projects.entry(remark.project).or_default();
        let before = of_project.bytes;
        let after = of_project.push(remark);
        self.bytes = self.bytes + after - before;
        while self.bytes > self.bytes_max {
            let Some((project, largest)) = self.projects.iter_mut().max_by_key(|(_, of_project)| of_project.bytes) else { return };
            let (project, before) = (*project, largest.bytes);
            largest.give();
            let left = largest.bytes;
            self.bytes -= before - left;
            if left == 0 {
                self.projects.remove(&project);
            }
        }
    }

    /// Remarks of a project, in no order.
    pub(super) fn of(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Remark>> {
        self.projects.get(&project).into_iter().flat_map(|of_project| of_project.rings.values().flatten())
    }

    /// All remarks in the order in which they came.
    pub(super) fn all(&self) -> Vec<Arc<Remark>> {
        let mut all: Vec<Arc<Remark>> =
            self.projects.values().flat_map(|of_project| of_project.rings.values().flatten()).map(Arc::clone).collect();
        all.sort_unstable_by_key(|remark| remark.number);
        all
    }

    /// Forgets remarks of a project; whether there were any.
    pub(super) fn forget(&mut self, project: ProjectId, is_meant: impl Fn(&Remark) -> bool) -> bool {
        let Some(of_project) = self.projects.get_mut(&project) else { return false };
        let before = of_project.bytes;
        for ring in of_project.rings.values_mut() {
            ring.retain(|remark| {
                let is_kept = !is_meant(remark);
                of_project.bytes -= if is_kept { 0 } else { remark.bytes() };
                is_kept
            });
        }
        of_project.rings.retain(|_, ring| !ring.is_empty());
        let after = of_project.bytes;
        self.bytes -= before - after;
        if after == 0 {
            self.projects.remove(&project);
        }
        after < before
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The payload of a block.
pub(super) fn encode<'a>(remarks: impl Iterator<Item = &'a Remark>) -> Vec<u8> {
    let mut out = Vec::new();
    for remark in remarks {
        // INVARIANT: a remark has no map with other keys than text, so it is always JSON.
        let json = serde_json::to_vec(remark).unwrap_or_default();
        put(&mut out, json.len() as u64);
        out.extend_from_slice(&json);
    }
    out
}

/// The remarks of a payload. One that this program cannot read, since a newer one wrote it, is left out; `None` when the payload is not one.
pub(super) fn decode(payload: &[u8]) -> Option<Vec<Remark>> {
    let (mut rest, mut remarks) = (payload, Vec::new());
    while !rest.is_empty() {
        let len = usize::try_from(take(&mut rest)?).ok()?;
        let (json, after) = rest.split_at_checked(len)?;
        rest = after;
        remarks.extend(serde_json::from_slice(json).ok());
    }
    Some(remarks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(project: u32, refusal: Refusal, at: i64) -> Remark {
        Remark {
            number: 0,
            at: UnixMicros(at),
            project: ProjectId(project),
            what: What::Verdict(Verdict::Refused(refusal)),
            status: 400,
            token: "phc_…".to_owned(),
            path: "/batch".to_owned(),
            agent: "posthog-python/7".to_owned(),
            client_address: String::new(),
            detail: "x".repeat(100),
            uuids: vec![Uuid::from_u128(at.unsigned_abs().into())],
            distinct_ids: vec!["ann".to_owned()],
            events: Vec::new(),
        }
    }

    #[test]
    fn come_back_as_they_went_in() {
        let moved = Remark { what: What::Moved(TimeFault::Future), ..remark(1, Refusal::Unparsable, 4) };
        let remarks = [remark(1, Refusal::MissingToken, 3), moved];
        assert_eq!(decode(&encode(remarks.iter())), Some(remarks.to_vec()));
        let unknown = br#"{"number":1,"at":5,"what":9999}"#;
        let mut payload = vec![unknown.len() as u8];
        payload.extend_from_slice(unknown);
        payload.extend_from_slice(&encode(remarks.iter()));
        assert_eq!(decode(&payload).map(|remarks| remarks.len()), Some(2));
        assert_eq!(decode(&payload[..10]), None);
    }

    #[test]
    fn a_loud_project_does_not_push_out_the_others() {
        let mut remarks = Remarks::new(100_000);
        remarks.add(remark(2, Refusal::Unparsable, 1));
        remarks.add(remark(1, Refusal::MissingDistinctId, 1));
        for at in 0..10_000 {
            let refusal = Refusal::ALL[at as usize % Refusal::ALL.len()];
            remarks.add(remark(1, refusal, at));
        }
        assert!(remarks.bytes() <= 100_000, "{}", remarks.bytes());
        assert_eq!(remarks.of(ProjectId(2)).count(), 1);
        let of_one: Vec<What> = remarks.of(ProjectId(1)).map(|remark| remark.what).collect();
        assert!(of_one.len() > 100, "{}", of_one.len());
        assert_eq!(remarks.all().iter().map(|remark| remark.bytes()).sum::<usize>(), remarks.bytes());
        for at in 0..1_000 {
            remarks.add(remark(3, Refusal::Unparsable, at));
        }
        assert!(remarks.of(ProjectId(1)).count() > 30 && remarks.of(ProjectId(2)).count() == 1);
        assert!(remarks.of(ProjectId(3)).count() <= OF_A_REASON_MAX);
    }

    #[test]
    fn what_was_read_twice_is_kept_once() {
        let mut remarks = Remarks::new(100_000);
        let first = Remark::clone(&remarks.add(remark(1, Refusal::Unparsable, 1)));
        remarks.restore(first);
        assert_eq!(remarks.all().len(), 1);
        assert_eq!(remarks.add(remark(1, Refusal::Unparsable, 2)).number, 2);
    }
}
