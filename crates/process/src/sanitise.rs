//! An event's own properties, brought into the form that is stored (ingestion semantics, section 2).
//!
//! In: a draft as sent. Out: the draft with what the server knows added and what has no place in storage removed.

use crate::draft::Draft;
use crate::json::{self, Value};
use crate::keys::{BLOAT, Keys, Name};
use crate::person::{Item, Wishes};
use aqueduct_event::RawEvent;
use std::borrow::Cow;
use uuid::Uuid;

/// An event's JSON texts, readable by a strict reader. What is wrong at the root of the event counts as absent; the properties are looked at later.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    pub(crate) properties: Cow<'a, str>,
    pub(crate) set: Cow<'a, str>,
    pub(crate) set_once: Cow<'a, str>,
    pub(crate) unset: Cow<'a, str>,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(raw: &RawEvent<'a>) -> Self {
        let [properties, set, set_once, unset] = [raw.properties, raw.set, raw.set_once, raw.unset].map(json::repair_surrogates);
        let [set, set_once, unset] = [set, set_once, unset].map(|text| if json::is_valid(&text) { text } else { Cow::Borrowed("") });
        Self { properties, set, set_once, unset }
    }
}

/// What the request says about all its events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// Address of the client; empty when unknown.
    pub(crate) client_ip: &'a str,
    /// The sender's clock at sending as RFC 3339; empty when not told.
    pub(crate) sent_at: &'a str,
}

/// Adds what the server knows, tidies what SDKs are known to get wrong.
pub(crate) fn tidy<'a>(draft: &mut Draft<'a>, keys: &Keys, sender: Sender<'a>) {
    for name in BLOAT {
        draft.remove(name);
    }
    if !draft.get(Name::Ip).is_some_and(|ip| ip.value.is_truthy()) && !sender.client_ip.is_empty() {
        let ip = if draft.get(Name::CaptureInternal).is_some() { "127.0.0.1" } else { sender.client_ip };
        draft.set(keys, Name::Ip.key(), Value::Str(Cow::Borrowed(ip)), "");
    }
    if !sender.sent_at.is_empty() {
        draft.set(keys, Name::SentAt.key(), Value::Str(Cow::Borrowed(sender.sent_at)), "");
    }
    // Some mobile apps send session ids in capitals; queries take them for UUIDs and back.
    let capital = |id: &&str| id.bytes().any(|byte| byte.is_ascii_uppercase()) && id.len() == 36 && Uuid::try_parse(id).is_ok();
    if let Some(id) = draft.text(Name::SessionId).filter(capital).map(str::to_ascii_lowercase) {
        draft.replace(Name::SessionId, Value::Str(Cow::Owned(id)));
    }
    name_os(draft, keys);
}

/// Some SDKs say `$os_name` for `$os`.
fn name_os(draft: &mut Draft<'_>, keys: &Keys) {
    let key = |name: &str| keys.find(keys.hash(name), name);
    let (Some(os), Some(os_name)) = (key("$os"), key("$os_name")) else { return };
    if draft.get(os).is_some() {
        return;
    }
    if let Some((value, raw)) = draft.get(os_name).map(|property| (property.value.clone(), property.raw)) {
        draft.set(keys, "$os", value, raw);
    }
}

/// Reads what the event asks of its person, and puts `$set`, `$set_once` and `$unset` from the root of the event into its properties (the root wins).
pub(crate) fn take_wishes<'a>(draft: &mut Draft<'a>, keys: &Keys, texts: &'a Texts<'_>, event: &str) -> Wishes<'a> {
    let mut wishes = Wishes::new(event);
    let own = |draft: &Draft<'a>, name| draft.get(name).map_or("", |property| property.raw);
    let has_own = wishes.add_set(keys, own(draft, Name::Set));
    if wishes.add_set(keys, &texts.set) {
        put_merged(draft, keys, Name::Set, has_own.then_some(&wishes.set), &texts.set);
    }
    let has_own = wishes.add_once(keys, own(draft, Name::SetOnce));
    if wishes.add_once(keys, &texts.set_once) {
        put_merged(draft, keys, Name::SetOnce, has_own.then_some(&wishes.once), &texts.set_once);
    }
    wishes.add_unset(own(draft, Name::Unset));
    if !texts.unset.is_empty() {
        wishes.add_unset(&texts.unset);
        if draft.get(Name::Unset).is_none() {
            draft.set(keys, Name::Unset.key(), Value::Json(Cow::Borrowed(&texts.unset)), &texts.unset);
        }
    }
    // Replays of sessions describe a page, not a person.
    if !matches!(event, "$snapshot" | "$performance_event") {
        wishes.add_automatic(keys, draft);
    }
    wishes
}

fn put_merged<'a>(draft: &mut Draft<'a>, keys: &Keys, name: Name, merged: Option<&Vec<Item<'a>>>, root: &'a str) {
    let Some(items) = merged else {
        return draft.set(keys, name.key(), Value::Json(Cow::Borrowed(root)), root);
    };
    let mut text = String::from("{");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        json::write_string(&item.key, &mut text);
        text.push(':');
        text.push_str(item.raw);
    }
    text.push('}');
    draft.set(keys, name.key(), Value::Json(Cow::Owned(text)), "");
}

/// Takes out of an event without person processing what only that would read.
pub(crate) fn strip_person(draft: &mut Draft<'_>) {
    for name in [Name::Set, Name::SetOnce, Name::Unset] {
        draft.remove(name);
    }
}
