//! Records of the manifest as bytes, version 1 (little-endian values, big-endian keys).
//!
//! | record | value |
//! |---|---|
//! | person | u8 version = 1, u8 flags (1 identified, 2 last seen known), i64 created µs, u64 version, i64 last seen µs, JSON text |
//! | distinct id | u8 version = 1, u8 flags (1 personless, 2 some person ids spent), 16 bytes person, u64 version, u32 person ids spent if there are any |
//! | group | u8 version = 1, i64 created µs, i64 updated µs, JSON text |
//! | withdrawn rows | u8 version = 1, u64 commit before which they came, i64 asked for µs |
//! | fate | u8 version = 1, i64 received µs, u16 verdict, texts: event, distinct id, detail |
//! | dead letter | u8 version = 1, u8 flags (1 amended), i64 received µs, u16 verdict, u32 events, u32 replays, 16 bytes uuid, texts: event, distinct id, detail, payload |
//!
//! Each text of a fate or a dead letter is its length as u32, then UTF-8.
//!
//! A person that was deleted or merged away has no record.

use crate::commit::{DistinctIdRecord, GroupRecord, PersonRecord};
use crate::embedded::withdrawn::Mark;
use crate::seen::Seen;
use aqueduct_event::{PersonId, ProjectId, UnixMicros};
use std::sync::Arc;
use uuid::Uuid;

const VERSION: u8 = 1;
const IDENTIFIED: u8 = 1;
const SEEN: u8 = 2;
const PERSONLESS: u8 = 1;
const SPENT: u8 = 2;

pub(crate) fn project_key(project: ProjectId) -> [u8; 4] {
    project.0.to_be_bytes()
}

/// The key of something of a project.
pub(crate) fn key(project: ProjectId, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = project_key(project).to_vec();
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn split_project(key: &[u8]) -> Option<(ProjectId, &[u8])> {
    let (project, rest) = key.split_first_chunk::<4>()?;
    Some((ProjectId(u32::from_be_bytes(*project)), rest))
}

pub(crate) fn encode_person(person: &PersonRecord) -> Vec<u8> {
    let seen = person.last_seen_at.map_or(0, |_| SEEN);
    let mut out = vec![VERSION, (u8::from(person.is_identified) * IDENTIFIED) | seen];
    out.extend_from_slice(&person.created_at.0.to_le_bytes());
    out.extend_from_slice(&person.version.to_le_bytes());
    out.extend_from_slice(&person.last_seen_at.unwrap_or_default().0.to_le_bytes());
    out.extend_from_slice(person.properties.as_bytes());
    out
}

/// A living person, its properties where they lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PersonRow<'a> {
    pub(crate) id: PersonId,
    pub(crate) created_at: UnixMicros,
    pub(crate) properties: &'a str,
    pub(crate) is_identified: bool,
    pub(crate) version: u64,
    pub(crate) last_seen_at: Option<UnixMicros>,
}

impl<'a> From<&'a PersonRecord> for PersonRow<'a> {
    fn from(person: &'a PersonRecord) -> Self {
        let PersonRecord { id, created_at, ref properties, is_identified, version, last_seen_at, .. } = *person;
        Self { id, created_at, properties, is_identified, version, last_seen_at }
    }
}

pub(crate) fn decode_person_row<'a>(key: &[u8], value: &'a [u8]) -> Option<PersonRow<'a>> {
    let (_, id) = split_project(key)?;
    let ([VERSION, flags], rest) = value.split_first_chunk::<2>()? else {
        return None;
    };
    let (created_at, rest) = number(rest)?;
    let (version, rest) = number(rest)?;
    let (seen, properties) = number(rest)?;
    Some(PersonRow {
        id: Uuid::from_slice(id).ok()?,
        created_at: UnixMicros(created_at.cast_signed()),
        properties: std::str::from_utf8(properties).ok()?,
        is_identified: flags & IDENTIFIED != 0,
        version,
        last_seen_at: (flags & SEEN != 0).then_some(UnixMicros(seen.cast_signed())),
    })
}

pub(crate) fn decode_person(key: &[u8], value: &[u8]) -> Option<PersonRecord> {
    let (project, _) = split_project(key)?;
    let PersonRow { id, created_at, properties, is_identified, version, last_seen_at } = decode_person_row(key, value)?;
    Some(PersonRecord { project, id, created_at, properties: properties.into(), is_identified, version, is_deleted: false, last_seen_at })
}

pub(crate) fn encode_distinct_id(id: &DistinctIdRecord) -> Vec<u8> {
    let is_spent = id.spent > 0;
    let mut out = vec![VERSION, (u8::from(id.is_personless) * PERSONLESS) | (u8::from(is_spent) * SPENT)];
    out.extend_from_slice(id.person.as_bytes());
    out.extend_from_slice(&id.version.to_le_bytes());
    if is_spent {
        out.extend_from_slice(&id.spent.to_le_bytes());
    }
    out
}

/// A distinct id where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DistinctIdRow<'a> {
    pub(crate) distinct_id: &'a str,
    pub(crate) person: PersonId,
    pub(crate) version: u64,
    pub(crate) is_personless: bool,
    pub(crate) spent: u32,
}

pub(crate) fn decode_distinct_id_row<'a>(key: &'a [u8], value: &[u8]) -> Option<DistinctIdRow<'a>> {
    let (_, distinct_id) = split_project(key)?;
    let ([VERSION, flags], rest) = value.split_first_chunk::<2>()? else {
        return None;
    };
    let (person, rest) = rest.split_first_chunk::<16>()?;
    let (version, rest) = number(rest)?;
    let spent = if flags & SPENT == 0 { 0 } else { u32::from_le_bytes(*rest.first_chunk::<4>()?) };
    let (person, is_personless) = (Uuid::from_bytes(*person), flags & PERSONLESS != 0);
    Some(DistinctIdRow { distinct_id: std::str::from_utf8(distinct_id).ok()?, person, version, is_personless, spent })
}

pub(crate) fn decode_distinct_id(key: &[u8], value: &[u8]) -> Option<DistinctIdRecord> {
    let (project, _) = split_project(key)?;
    let DistinctIdRow { distinct_id, person, version, is_personless, spent } = decode_distinct_id_row(key, value)?;
    Some(DistinctIdRecord { project, distinct_id: distinct_id.into(), person, version, is_personless, spent })
}

pub(crate) fn encode_group(group: &GroupRecord) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&group.created_at.0.to_le_bytes());
    out.extend_from_slice(&group.updated_at.0.to_le_bytes());
    out.extend_from_slice(group.properties.as_bytes());
    out
}

pub(crate) fn decode_group(key: &[u8], value: &[u8]) -> Option<GroupRecord> {
    let (project, rest) = split_project(key)?;
    let (type_index, group_key) = rest.split_first()?;
    let (VERSION, rest) = value.split_first().map(|(version, rest)| (*version, rest))? else {
        return None;
    };
    let (created_at, rest) = number(rest)?;
    let (updated_at, properties) = number(rest)?;
    Some(GroupRecord {
        project,
        type_index: *type_index,
        key: text(group_key)?,
        properties: text(properties)?,
        created_at: UnixMicros(created_at.cast_signed()),
        updated_at: UnixMicros(updated_at.cast_signed()),
    })
}

pub(crate) fn decode_override(key: &[u8], value: &[u8]) -> Option<(ProjectId, PersonId, PersonId)> {
    let (project, from) = split_project(key)?;
    Some((project, Uuid::from_slice(from).ok()?, Uuid::from_slice(value).ok()?))
}

/// A withdrawal: u8 version = 1, u64 commit, i64 asked for at µs.
pub(crate) fn encode_mark(mark: Mark) -> [u8; 17] {
    let mut out = [VERSION; 17];
    out[1..9].copy_from_slice(&mark.before.to_le_bytes());
    out[9..].copy_from_slice(&mark.at.0.to_le_bytes());
    out
}

pub(crate) fn decode_mark(key: &[u8], value: &[u8]) -> Option<(ProjectId, PersonId, Mark)> {
    let (project, person) = split_project(key)?;
    let (VERSION, rest) = value.split_first().map(|(version, rest)| (*version, rest))? else {
        return None;
    };
    let (before, rest) = number(rest)?;
    let (at, _) = number(rest)?;
    Some((project, Uuid::from_slice(person).ok()?, Mark { before, at: UnixMicros(at.cast_signed()) }))
}

/// Keys of arrivals received at a time begin with this: in order of time, also before the epoch.
pub(crate) fn erased_bound(received_at: i64) -> [u8; 8] {
    (received_at.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

pub(crate) fn erased_key(seen: &Seen) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&erased_bound(seen.received_at.0));
    key[8..].copy_from_slice(&seen.key.to_be_bytes());
    key
}

pub(crate) fn decode_erased(key: &[u8]) -> Option<Seen> {
    let (at, key) = key.split_first_chunk::<8>()?;
    let received_at = UnixMicros((u64::from_be_bytes(*at) ^ (1 << 63)).cast_signed());
    Some(Seen { key: u128::from_be_bytes(key.try_into().ok()?), received_at })
}

/// The text behind the project and person of a key of `person_distinct_ids`.
pub(crate) fn decode_id_of_person(key: &[u8]) -> Option<Arc<str>> {
    text(key.get(20..)?)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*number), rest))
}

fn text(bytes: &[u8]) -> Option<Arc<str>> {
    std::str::from_utf8(bytes).ok().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_went_in() {
        let project = ProjectId(7);
        let person = PersonRecord {
            project,
            id: Uuid::from_u128(9),
            created_at: UnixMicros(-3),
            properties: "{\"a\":\"ü\"}".into(),
            is_identified: true,
            version: 12,
            is_deleted: false,
            last_seen_at: None,
        };
        let stored = encode_person(&person);
        assert_eq!(decode_person(&key(project, &[person.id.as_bytes()]), &stored), Some(person.clone()));
        let seen = PersonRecord { last_seen_at: Some(UnixMicros(5)), is_identified: false, ..person };
        assert_eq!(decode_person(&key(project, &[seen.id.as_bytes()]), &encode_person(&seen)), Some(seen.clone()));
        for spent in [0, 7] {
            let id = DistinctIdRecord { project, distinct_id: "ann".into(), person: seen.id, version: 3, is_personless: spent == 0, spent };
            assert_eq!(decode_distinct_id(&key(project, &[b"ann"]), &encode_distinct_id(&id)), Some(id));
        }
        let group = GroupRecord {
            project,
            type_index: 4,
            key: "acme".into(),
            properties: "{}".into(),
            created_at: UnixMicros(1),
            updated_at: UnixMicros(2),
        };
        assert_eq!(decode_group(&key(project, &[&[4], b"acme"]), &encode_group(&group)), Some(group));
        assert_eq!(decode_person(&key(project, &[&[0; 16]]), &[2, 0]), None);
    }

    #[test]
    fn erased_arrivals_lie_in_order_of_time() {
        let seen = |at| Seen { key: u128::MAX - 7, received_at: UnixMicros(at) };
        let keys = [i64::MIN, -5, 0, 5, i64::MAX].map(|at| erased_key(&seen(at)));
        assert!(keys.is_sorted());
        assert_eq!(decode_erased(&keys[1]), Some(seen(-5)));
        assert!(keys[1][..] < erased_bound(-4)[..] && keys[1][..] > erased_bound(-5)[..]);
        assert_eq!(decode_erased(&keys[1][..23]), None);
    }
}
