//! Groups: which of its groups an event belongs to, and what it says of one (ingestion semantics, section 10).
//!
//! In: `$groups` of any event; `$group_type`, `$group_key`, `$group_set` of `$groupidentify`. Out: `$group_0` to `$group_4`; changes of groups in the [`State`].

use crate::draft::Draft;
use crate::json::{self, Value, members};
use crate::keys::{GROUP_COLUMNS, Keys, Name};
use crate::properties::Change;
use crate::state::State;
use crate::warning::{Subject, Warning, WarningKind};
use aqueduct_event::limits::GROUP_KEY_CHARS_MAX;
use aqueduct_event::{ProjectId, UnixMicros};
use aqueduct_store::ReadError;
use serde_json::json;
use std::borrow::Cow;

/// JSON bytes of one group's properties. A change that would pass it is refused.
pub(crate) const GROUP_PROPERTIES_BYTES_MAX: usize = 1_000_000;

/// Whether `$group_key` is too long for a group.
pub(crate) fn key_is_too_long(draft: &Draft<'_>) -> bool {
    draft.get(Name::GroupKey).is_some_and(|key| key.value.to_text().chars().nth(GROUP_KEY_CHARS_MAX).is_some())
}

/// Adds the column of each group that the event names in `$groups`.
pub(crate) fn add_columns(draft: &mut Draft<'_>, keys: &Keys, state: &mut State, project: ProjectId) -> Result<(), ReadError> {
    let Some(groups) = draft.get(Name::Groups).map(|groups| groups.raw).filter(|raw| json::is_object(raw)) else {
        return Ok(());
    };
    for member in members(groups).map_while(Result::ok) {
        let Ok(value) = member.value() else { continue };
        // A group without a key is none.
        if member.raw == "null" {
            continue;
        }
        if let Some(index) = state.group_type(project, &member.key)? {
            let key = Cow::Owned(value.to_text().into_owned());
            draft.set(keys, GROUP_COLUMNS[usize::from(index)].1, Value::Str(key), "");
        }
    }
    Ok(())
}

/// A `$groupidentify` event, about to be applied.
#[derive(Debug)]
pub(crate) struct GroupIdentify<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) project: ProjectId,
    pub(crate) subject: Subject<'a>,
    pub(crate) received_at: UnixMicros,
}

impl GroupIdentify<'_> {
    /// Makes or changes the group. Answers the index of its type.
    pub(crate) fn apply(&self, draft: &Draft<'_>, state: &mut State, warnings: &mut Vec<Warning>) -> Result<Option<u8>, ReadError> {
        let named = |name| draft.get(name).map(|property| &property.value).filter(|value| value.is_truthy());
        let (Some(group_type), Some(key)) = (named(Name::GroupType), named(Name::GroupKey)) else {
            return Ok(None);
        };
        let Some(index) = state.group_type(self.project, &group_type.to_text())? else {
            return Ok(None);
        };
        let place = state.group(self.project, index, &key.to_text(), self.subject.timestamp)?;
        let group = state.group_at(place);
        let set = draft.get(Name::GroupSet).map(|set| set.raw).filter(|raw| json::is_object(raw)).unwrap_or_default();
        let members: Vec<_> = members(set).map_while(Result::ok).collect();
        let changes: Vec<_> = members
            .iter()
            .map(|member| Change { key: &member.key, hash: self.keys.hash(&member.key), value: Some(member.raw) })
            .filter(|change| {
                let stored = group.properties.get(change.hash, change.key);
                !stored.zip(change.value).is_some_and(|(old, new)| json::same_value(old, new))
            })
            .collect();
        if changes.is_empty() && !group.is_new {
            return Ok(Some(index));
        }
        let mut properties = group.properties.with(&changes);
        if properties.text().len() > GROUP_PROPERTIES_BYTES_MAX {
            let more = json!({"groupTypeIndex": index, "groupKey": key.to_text()});
            warnings.push(Warning::about(WarningKind::GroupUpsertMessageSizeTooLarge, self.received_at, &self.subject, more));
            properties = group.properties.clone();
        }
        group.properties = properties;
        group.updated_at = group.updated_at.max(self.received_at);
        state.group_changed(place);
        Ok(Some(index))
    }
}
