//! Records of accounts as bytes; the table of all records is in [`super::records`].

use super::records::{key, split_project};
use crate::account::{DeadLetter, Fate};
use aqueduct_event::{JournalPosition, LetterId, Minute, PartitionId, ProjectId, TallyKey, UnixMicros, Verdict};
use std::sync::Arc;
use uuid::Uuid;

const VERSION: u8 = 1;
const AMENDED: u8 = 1;
/// Parts a distinct id from what follows it in a key; cleaned texts do not have it.
const END: u8 = 0;

pub(crate) fn tally_key(row: TallyKey) -> [u8; 10] {
    let mut key = [0; 10];
    key[..4].copy_from_slice(&row.minute.0.to_be_bytes());
    key[4..8].copy_from_slice(&row.project.0.to_be_bytes());
    key[8..].copy_from_slice(&row.verdict.number().to_be_bytes());
    key
}

/// `None` for verdicts of a newer program.
pub(crate) fn decode_tally_key(key: &[u8]) -> Option<TallyKey> {
    let (minute, rest) = key.split_first_chunk::<4>()?;
    let (project, verdict) = split_project(rest)?;
    let verdict = Verdict::of_number(u16::from_be_bytes(verdict.try_into().ok()?))?;
    Some(TallyKey { minute: Minute(u32::from_be_bytes(*minute)), project, verdict })
}

pub(crate) fn total_key(project: ProjectId, verdict: Verdict) -> [u8; 6] {
    let mut key = [0; 6];
    key[..4].copy_from_slice(&project.0.to_be_bytes());
    key[4..].copy_from_slice(&verdict.number().to_be_bytes());
    key
}

pub(crate) fn decode_total_key(key: &[u8]) -> Option<(ProjectId, Verdict)> {
    let (project, verdict) = split_project(key)?;
    Some((project, Verdict::of_number(u16::from_be_bytes(verdict.try_into().ok()?))?))
}

pub(crate) fn letter_key(project: ProjectId, id: LetterId) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&project.0.to_be_bytes());
    key[4..8].copy_from_slice(&id.partition.0.to_be_bytes());
    key[8..16].copy_from_slice(&id.position.0.to_be_bytes());
    key[16..].copy_from_slice(&id.index.to_be_bytes());
    key
}

pub(crate) fn encode_letter(letter: &DeadLetter) -> Vec<u8> {
    let mut out = vec![VERSION, u8::from(letter.is_amended) * AMENDED];
    out.extend_from_slice(&letter.received_at.0.to_le_bytes());
    out.extend_from_slice(&letter.reason.number().to_le_bytes());
    out.extend_from_slice(&letter.events.to_le_bytes());
    out.extend_from_slice(&letter.replays.to_le_bytes());
    out.extend_from_slice(letter.uuid.as_bytes());
    for text in [&letter.event, &letter.distinct_id, &letter.detail, &letter.payload] {
        put_text(&mut out, text);
    }
    out
}

pub(crate) fn decode_letter(key: &[u8], value: &[u8]) -> Option<DeadLetter> {
    let (project, id) = split_project(key)?;
    let mut key = Reader(id);
    let partition = PartitionId(u32::from_be_bytes(key.take()?));
    let position = JournalPosition(u64::from_be_bytes(key.take()?));
    let id = LetterId { partition, position, index: u32::from_be_bytes(key.take()?) };
    let mut value = Reader(value);
    let [VERSION, flags] = value.take::<2>()? else {
        return None;
    };
    let received_at = UnixMicros(i64::from_le_bytes(value.take()?));
    let Verdict::DeadLettered(reason) = Verdict::of_number(u16::from_le_bytes(value.take()?))? else {
        return None;
    };
    let (events, replays) = (u32::from_le_bytes(value.take()?), u32::from_le_bytes(value.take()?));
    let uuid = Uuid::from_bytes(value.take()?);
    let (event, distinct_id, detail, payload) = (value.text()?, value.text()?, value.text()?, value.text()?);
    let is_amended = flags & AMENDED != 0;
    Some(DeadLetter { id, project, received_at, events, reason, detail, uuid, event, distinct_id, payload, replays, is_amended })
}

/// Project, uuid, position, place in the record.
pub(crate) fn fate_key(fate: &Fate) -> Vec<u8> {
    key(fate.project, &[fate.uuid.as_bytes(), &fate.position.0.to_be_bytes(), &fate.index.to_be_bytes()])
}

/// Project, distinct id and an end, position, place in the record, uuid.
pub(crate) fn fate_by_key(fate: &Fate) -> Vec<u8> {
    let place = [&fate.position.0.to_be_bytes()[..], &fate.index.to_be_bytes()].concat();
    key(fate.project, &[fate.distinct_id.as_bytes(), &[END], &place, fate.uuid.as_bytes()])
}

/// How the keys of all fates of a distinct id begin.
pub(crate) fn fates_by_prefix(project: ProjectId, distinct_id: &str) -> Vec<u8> {
    key(project, &[distinct_id.as_bytes(), &[END]])
}

/// The key of a fate from its key by distinct id, of which `prefix` bytes are project and distinct id.
pub(crate) fn fate_key_of(by_key: &[u8], prefix: usize) -> Option<Vec<u8>> {
    let (place, uuid) = by_key.get(prefix..)?.split_at_checked(12)?;
    Some([by_key.get(..4)?, uuid, place].concat())
}

pub(crate) fn encode_fate(fate: &Fate) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&fate.received_at.0.to_le_bytes());
    out.extend_from_slice(&fate.verdict.number().to_le_bytes());
    for text in [&fate.event, &fate.distinct_id, &fate.detail] {
        put_text(&mut out, text);
    }
    out
}

pub(crate) fn decode_fate(key: &[u8], value: &[u8]) -> Option<Fate> {
    let (project, rest) = split_project(key)?;
    let mut key = Reader(rest);
    let uuid = Uuid::from_bytes(key.take()?);
    let position = JournalPosition(u64::from_be_bytes(key.take()?));
    let index = u32::from_be_bytes(key.take()?);
    let mut value = Reader(value);
    let [VERSION] = value.take::<1>()? else {
        return None;
    };
    let received_at = UnixMicros(i64::from_le_bytes(value.take()?));
    let verdict = Verdict::of_number(u16::from_le_bytes(value.take()?))?;
    let (event, distinct_id, detail) = (value.boxed()?, value.boxed()?, value.boxed()?);
    Some(Fate { project, uuid, event, distinct_id, received_at, position, index, verdict, detail })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // INVARIANT: a text comes out of one journal record, far below 4 GiB (limits::RECORD_BYTES_MAX).
    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn str(&mut self) -> Option<&'a str> {
        let len = u32::from_le_bytes(self.take()?) as usize;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn text(&mut self) -> Option<Arc<str>> {
        self.str().map(Arc::from)
    }

    fn boxed(&mut self) -> Option<Box<str>> {
        self.str().map(Box::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aqueduct_event::verdict::{DeadReason, DropReason};

    #[test]
    fn records_come_back_as_they_went_in() {
        let id = LetterId { partition: PartitionId(1), position: JournalPosition(9), index: 2 };
        let letter = DeadLetter {
            id,
            project: ProjectId(7),
            received_at: UnixMicros(-5),
            events: 3,
            reason: DeadReason::Panicked,
            detail: "why".into(),
            uuid: Uuid::from_u128(4),
            event: "e".into(),
            distinct_id: "ann".into(),
            payload: r#"{"a":"ü"}"#.into(),
            replays: 1,
            is_amended: true,
        };
        assert_eq!(decode_letter(&letter_key(letter.project, id), &encode_letter(&letter)), Some(letter));
        let fate = Fate {
            project: ProjectId(7),
            uuid: Uuid::from_u128(5),
            event: "e".into(),
            distinct_id: "ann".into(),
            received_at: UnixMicros(6),
            position: JournalPosition(8),
            index: 1,
            verdict: Verdict::Dropped(DropReason::TooOld),
            detail: "".into(),
        };
        assert_eq!(decode_fate(&fate_key(&fate), &encode_fate(&fate)), Some(fate.clone()));
        let prefix = fates_by_prefix(fate.project, &fate.distinct_id);
        let by_key = fate_by_key(&fate);
        assert!(by_key.starts_with(&prefix));
        assert_eq!(fate_key_of(&by_key, prefix.len()), Some(fate_key(&fate)));
        let row = TallyKey { minute: Minute(70_000), project: ProjectId(3), verdict: Verdict::Duplicate };
        assert_eq!(decode_tally_key(&tally_key(row)), Some(row));
        assert_eq!(decode_total_key(&total_key(row.project, row.verdict)), Some((row.project, row.verdict)));
    }
}
