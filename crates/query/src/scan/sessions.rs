//! Sessions, computed from events: one row per `$session_id` that is a UUIDv7.
//!
//! Entry fields are those of the earliest page or screen view (a stray earlier event without a page does not win); end fields those of the
//! latest event that has a URL.

use super::column::{text_type, texts_type, time_type, uuid_type};
use super::persons::uuids;
use super::{Held, PartColumns, PropertyKind, ScanContext, VirtualColumn};
use crate::channel::Origin;
use crate::error::QueryError;
use aqueduct_event::PersonId;
use aqueduct_store::{EventColumn, Part, ReadError};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, Int64Array, ListBuilder, StringArray, StringBuilder,
    StringDictionaryBuilder, TimestampMicrosecondArray,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType};
use hashbrown::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// A column of `sessions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SessionField {
    Id,
    IdV7,
    DistinctId,
    PersonId,
    Start,
    End,
    Urls,
    UrlCount,
    /// A property of the entry event.
    Entry(&'static str),
    /// Whether the entry event has a property.
    EntryHas(&'static str),
    /// Path or host of the entry URL.
    EntryPathname,
    EntryHostname,
    EndUrl,
    EndPathname,
    EndHostname,
    LastExternalClickUrl,
    Pageviews,
    Autocaptures,
    Screens,
    /// Page views, screens and autocaptures together, counted up to 2.
    Interactions,
    DurationSeconds,
    IsBounce,
    /// Where the visit came from, in one of PostHog's words.
    ChannelType,
}

use SessionField as F;

/// Names of HogQL's `sessions` and what they mean.
pub(crate) const SESSION_FIELDS: &[(&str, SessionField)] = &[
    ("id", F::Id),
    ("session_id", F::Id),
    ("session_id_v7", F::IdV7),
    ("distinct_id", F::DistinctId),
    ("person_id", F::PersonId),
    ("session_timestamp", F::Start),
    ("$start_timestamp", F::Start),
    ("$end_timestamp", F::End),
    ("max_inserted_at", F::End),
    ("$urls", F::Urls),
    ("$num_uniq_urls", F::UrlCount),
    ("$entry_current_url", F::Entry("$current_url")),
    ("$entry_pathname", F::EntryPathname),
    ("$entry_hostname", F::EntryHostname),
    ("$end_current_url", F::EndUrl),
    ("$exit_current_url", F::EndUrl),
    ("$end_pathname", F::EndPathname),
    ("$exit_pathname", F::EndPathname),
    ("$end_hostname", F::EndHostname),
    ("$entry_referrer", F::Entry("$referrer")),
    ("$entry_referring_domain", F::Entry("$referring_domain")),
    ("$last_external_click_url", F::LastExternalClickUrl),
    ("$entry_utm_source", F::Entry("utm_source")),
    ("$entry_utm_campaign", F::Entry("utm_campaign")),
    ("$entry_utm_medium", F::Entry("utm_medium")),
    ("$entry_utm_term", F::Entry("utm_term")),
    ("$entry_utm_content", F::Entry("utm_content")),
    ("$entry_gclid", F::Entry("gclid")),
    ("$entry_gad_source", F::Entry("gad_source")),
    ("$entry_fbclid", F::Entry("fbclid")),
    ("$entry_gclsrc", F::Entry("gclsrc")),
    ("$entry_dclid", F::Entry("dclid")),
    ("$entry_gbraid", F::Entry("gbraid")),
    ("$entry_wbraid", F::Entry("wbraid")),
    ("$entry_msclkid", F::Entry("msclkid")),
    ("$entry_twclid", F::Entry("twclid")),
    ("$entry_li_fat_id", F::Entry("li_fat_id")),
    ("$entry_mc_cid", F::Entry("mc_cid")),
    ("$entry_igshid", F::Entry("igshid")),
    ("$entry_ttclid", F::Entry("ttclid")),
    ("$entry_has_gclid", F::EntryHas("gclid")),
    ("$entry_has_fbclid", F::EntryHas("fbclid")),
    ("$entry_has_gclsrc", F::EntryHas("gclsrc")),
    ("$entry_has_dclid", F::EntryHas("dclid")),
    ("$entry_has_gbraid", F::EntryHas("gbraid")),
    ("$entry_has_wbraid", F::EntryHas("wbraid")),
    ("$entry_has_msclkid", F::EntryHas("msclkid")),
    ("$entry_has_twclid", F::EntryHas("twclid")),
    ("$entry_has_li_fat_id", F::EntryHas("li_fat_id")),
    ("$entry_has_mc_cid", F::EntryHas("mc_cid")),
    ("$entry_has_igshid", F::EntryHas("igshid")),
    ("$entry_has_ttclid", F::EntryHas("ttclid")),
    ("$channel_type", F::ChannelType),
    ("$pageview_count", F::Pageviews),
    ("$autocapture_count", F::Autocaptures),
    ("$screen_count", F::Screens),
    ("$page_screen_autocapture_count_up_to", F::Interactions),
    ("$session_duration", F::DurationSeconds),
    ("duration", F::DurationSeconds),
    ("$is_bounce", F::IsBounce),
];

/// A session is a bounce when it is shorter than this and has at most one interaction.
const BOUNCE_SECONDS: i64 = 10;

impl SessionField {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            F::IdV7 | F::PersonId => uuid_type(),
            F::Start | F::End => time_type(),
            F::Urls => texts_type(),
            F::UrlCount | F::Pageviews | F::Autocaptures | F::Screens | F::Interactions | F::DurationSeconds => DataType::Int64,
            F::EntryHas(_) | F::IsBounce => DataType::Boolean,
            _ => text_type(),
        }
    }
}

/// Where an event lies: which part, which row.
type Place = (u32, u32);

#[derive(Debug)]
struct Session {
    id: Uuid,
    start: i64,
    end: i64,
    first: Place,
    last: Place,
    entry: Option<(i64, Place)>,
    end_url: Option<(i64, Place)>,
    external: Option<(i64, Place)>,
    urls: Vec<Arc<str>>,
    pageviews: i64,
    autocaptures: i64,
    screens: i64,
}

/// All sessions of a project, in order of their ids.
#[derive(Debug)]
pub(crate) struct SessionsTable {
    parts: Vec<Arc<dyn Part>>,
    sessions: Vec<Session>,
    by_id: HashMap<String, i32>,
    _memory: Held,
}

impl SessionsTable {
    /// Reads all events of the view once. What the table holds counts against the query's memory as long as it is there.
    ///
    /// # Errors
    /// What reading answers, [`QueryError::Memory`] when there are too many sessions, [`QueryError::Cancelled`] when nobody waits any more.
    pub(crate) fn build(context: &Arc<ScanContext>) -> Result<Arc<Self>, QueryError> {
        let parts: Vec<Arc<dyn Part>> = context.view().shards().iter().flatten().cloned().collect();
        let mut sessions: HashMap<Uuid, Session> = HashMap::new();
        let (mut memory, mut urls) = (context.held(), 0);
        for (at, part) in parts.iter().enumerate() {
            context.check()?;
            urls += collect(u32::try_from(at).unwrap_or(u32::MAX), part, context, &mut sessions)?;
            memory.is(sessions.len() * SESSION_BYTES + urls)?;
        }
        let mut sessions: Vec<Session> = sessions.into_values().collect();
        sessions.sort_unstable_by_key(|session| session.id);
        let by_id = sessions.iter().enumerate().filter_map(|(at, session)| Some((session.id.to_string(), i32::try_from(at).ok()?)));
        let by_id = by_id.collect();
        Ok(Arc::new(Self { parts, sessions, by_id, _memory: memory }))
    }

    /// Number of sessions.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// For each row its session's place, by the `$session_id` that rows carry.
    pub(crate) fn places(&self, ids: &ArrayRef) -> Result<Int32Array, QueryError> {
        let ids = ids.as_dictionary::<Int32Type>();
        let places: Int32Array = ids.values().as_string::<i32>().iter().map(|id| self.by_id.get(id?).copied()).collect();
        Ok(take(&places, ids.keys(), None)?.as_primitive::<Int32Type>().clone())
    }

    /// A column over all sessions.
    pub(crate) fn column(&self, field: &SessionField, context: &Arc<ScanContext>) -> Result<ArrayRef, QueryError> {
        let ints = |f: fn(&Session) -> i64| Arc::new(self.sessions.iter().map(f).collect::<Int64Array>()) as ArrayRef;
        let times = |f: fn(&Session) -> i64| {
            let times: TimestampMicrosecondArray = self.sessions.iter().map(f).map(Some).collect();
            Arc::new(times.with_timezone("UTC")) as ArrayRef
        };
        Ok(match field {
            F::Id => dictionary(self.sessions.iter().map(|session| Some(session.id.to_string()))),
            F::IdV7 => uuids(&self.sessions.iter().map(|session| session.id).collect::<Vec<_>>())?,
            F::DistinctId => self.stored(&VirtualColumn::Base(EventColumn::DistinctId), |session| Some(session.last), context)?,
            F::PersonId => self.persons(context)?,
            F::Start => times(|session| session.start),
            F::End => times(|session| session.end),
            F::Urls => self.urls(),
            F::UrlCount => ints(|session| i64::try_from(session.urls.len()).unwrap_or(i64::MAX)),
            F::Entry(key) => self.entry(key, context)?,
            F::EntryHas(key) => {
                let entry = self.entry(key, context)?;
                Arc::new((0..entry.len()).map(|row| Some(entry.is_valid(row))).collect::<BooleanArray>())
            }
            F::EntryPathname => map_text(&self.entry("$current_url", context)?, pathname),
            F::EntryHostname => map_text(&self.entry("$current_url", context)?, hostname),
            F::EndUrl => self.end_url(context)?,
            F::EndPathname => map_text(&self.end_url(context)?, pathname),
            F::EndHostname => map_text(&self.end_url(context)?, hostname),
            F::LastExternalClickUrl => {
                self.stored(&text_property("$external_click_url"), |session| session.external.map(|(_, place)| place), context)?
            }
            F::Pageviews => ints(|session| session.pageviews),
            F::Autocaptures => ints(|session| session.autocaptures),
            F::Screens => ints(|session| session.screens),
            F::Interactions => ints(|session| session.interactions().min(2)),
            F::DurationSeconds => ints(Session::seconds),
            F::ChannelType => self.channels(context)?,
            F::IsBounce => Arc::new(self.sessions.iter().map(Session::is_bounce).collect::<BooleanArray>()),
        })
    }

    fn entry(&self, key: &str, context: &Arc<ScanContext>) -> Result<ArrayRef, QueryError> {
        self.stored(&text_property(key), |session| Some(session.entry.map_or(session.first, |(_, place)| place)), context)
    }

    fn end_url(&self, context: &Arc<ScanContext>) -> Result<ArrayRef, QueryError> {
        self.stored(&text_property("$current_url"), |session| session.end_url.map(|(_, place)| place), context)
    }

    /// A text column of events, at one event of each session.
    fn stored(
        &self,
        column: &VirtualColumn,
        place: impl Fn(&Session) -> Option<Place>,
        context: &Arc<ScanContext>,
    ) -> Result<ArrayRef, QueryError> {
        let arrays = self.parts.iter().map(|part| PartColumns::new(context, part).get(column)).collect::<Result<Vec<_>, QueryError>>()?;
        Ok(dictionary(self.sessions.iter().map(|session| {
            let (part, row) = place(session)?;
            text_at(arrays.get(part as usize)?, row as usize).map(str::to_owned)
        })))
    }

    fn persons(&self, context: &Arc<ScanContext>) -> Result<ArrayRef, QueryError> {
        let column = VirtualColumn::PersonId;
        let arrays = self.parts.iter().map(|part| PartColumns::new(context, part).get(&column)).collect::<Result<Vec<_>, QueryError>>()?;
        let ids: Vec<PersonId> = self
            .sessions
            .iter()
            .map(|session| {
                let ids = arrays[session.last.0 as usize].as_fixed_size_binary();
                Uuid::from_slice(ids.value(session.last.1 as usize)).unwrap_or_default()
            })
            .collect();
        uuids(&ids)
    }

    fn channels(&self, context: &Arc<ScanContext>) -> Result<ArrayRef, QueryError> {
        let entry = |key| self.entry(key, context);
        let (campaign, medium, source) = (entry("utm_campaign")?, entry("utm_medium")?, entry("utm_source")?);
        let (domain, gclid, fbclid, gad) = (entry("$referring_domain")?, entry("gclid")?, entry("fbclid")?, entry("gad_source")?);
        let is_given = |array, row| text_at(array, row).is_some_and(|text| !text.is_empty());
        let channels = (0..self.len()).map(|row| {
            let origin = Origin {
                campaign: text_at(&campaign, row),
                medium: text_at(&medium, row),
                source: text_at(&source, row),
                referring_domain: text_at(&domain, row),
                has_gclid: is_given(&gclid, row),
                has_fbclid: is_given(&fbclid, row),
                gad_source: text_at(&gad, row),
            };
            Some(origin.channel().to_owned())
        });
        Ok(dictionary(channels))
    }

    fn urls(&self) -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for session in &self.sessions {
            for url in &session.urls {
                lists.values().append_value(url);
            }
            lists.append(true);
        }
        Arc::new(lists.finish())
    }
}

impl Session {
    fn interactions(&self) -> i64 {
        self.pageviews + self.autocaptures + self.screens
    }

    fn seconds(&self) -> i64 {
        self.end.div_euclid(1_000_000) - self.start.div_euclid(1_000_000)
    }

    /// `None` when nothing in the session tells.
    fn is_bounce(&self) -> Option<bool> {
        (self.interactions() > 0).then(|| self.interactions() <= 1 && self.seconds() < BOUNCE_SECONDS)
    }
}

fn text_property(key: &str) -> VirtualColumn {
    VirtualColumn::Property(key.to_owned(), PropertyKind::Text)
}

fn dictionary(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for value in values {
        builder.append_option(value);
    }
    Arc::new(builder.finish())
}

fn text_at(array: &ArrayRef, row: usize) -> Option<&str> {
    let array = array.as_dictionary::<Int32Type>();
    let key = array.keys().is_valid(row).then(|| array.keys().value(row))?;
    Some(array.values().as_string::<i32>().value(usize::try_from(key).ok()?))
}

fn map_text(array: &ArrayRef, f: impl Fn(&str) -> &str) -> ArrayRef {
    let array = array.as_dictionary::<Int32Type>();
    let values: StringArray = array.values().as_string::<i32>().iter().map(|value| value.map(&f)).collect();
    Arc::new(DictionaryArray::<Int32Type>::new(array.keys().clone(), Arc::new(values)))
}

fn after_scheme(url: &str) -> &str {
    url.find("://").map_or(url, |at| &url[at + 3..])
}

fn hostname(url: &str) -> &str {
    let rest = after_scheme(url);
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    host.rsplit_once('@').map_or(host, |(_, host)| host).split(':').next().unwrap_or_default()
}

fn pathname(url: &str) -> &str {
    let rest = after_scheme(url);
    let Some(start) = rest.find('/') else { return "" };
    let path = &rest[start..];
    &path[..path.find(['?', '#']).unwrap_or(path.len())]
}

/// Memory of a session, about: itself, twice over while it is put in order, and its id as text in the index.
const SESSION_BYTES: usize = 2 * size_of::<(Uuid, Session)>() + size_of::<(String, i32)>() + 36;

/// Adds the events of a part; answers what the texts that sessions keep of it take of memory.
fn collect(at: u32, part: &Arc<dyn Part>, context: &Arc<ScanContext>, sessions: &mut HashMap<Uuid, Session>) -> Result<usize, ReadError> {
    let Some(ids) = part.property("$session_id")?.and_then(|column| column.text) else { return Ok(0) };
    let ids = ids.as_dictionary::<Int32Type>();
    // a session id is read once per distinct value
    let known: Vec<Option<Uuid>> = ids
        .values()
        .as_string::<i32>()
        .iter()
        .map(|id| id.and_then(|id| Uuid::parse_str(id).ok()).filter(|id| id.get_version_num() == 7))
        .collect();
    let times = part.column(EventColumn::Timestamp)?;
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let events = part.column(EventColumn::Event)?;
    let rows = part.rows();
    let texts = |key: &str| -> Result<ArrayRef, ReadError> {
        Ok(super::property::property_array(part.property(key)?.as_ref(), PropertyKind::Text, rows, context.zone()))
    };
    let (urls, externals) = (texts("$current_url")?, texts("$external_click_url")?);
    let mut kept = 0;
    for row in 0..rows {
        let Some(id) = ids.keys().is_valid(row).then(|| ids.keys().value(row)).and_then(|key| known[usize::try_from(key).ok()?]) else {
            continue;
        };
        let (time, place) = (times.value(row), (at, u32::try_from(row).unwrap_or(u32::MAX)));
        let session = sessions.entry(id).or_insert_with(|| Session::new(id, time, place));
        let known = session.urls.len();
        session.add(time, place, text_at(&events, row).unwrap_or_default(), text_at(&urls, row), text_at(&externals, row).is_some());
        kept += session.urls[known..].iter().map(|url| size_of::<Arc<str>>() + url.len()).sum::<usize>();
    }
    Ok(kept)
}

impl Session {
    fn new(id: Uuid, time: i64, place: Place) -> Self {
        Self {
            id,
            start: time,
            end: time,
            first: place,
            last: place,
            entry: None,
            end_url: None,
            external: None,
            urls: Vec::new(),
            pageviews: 0,
            autocaptures: 0,
            screens: 0,
        }
    }

    fn add(&mut self, time: i64, place: Place, event: &str, url: Option<&str>, external: bool) {
        if time < self.start {
            (self.start, self.first) = (time, place);
        }
        if time >= self.end {
            (self.end, self.last) = (time, place);
        }
        match event {
            "$pageview" => self.pageviews += 1,
            "$autocapture" => self.autocaptures += 1,
            "$screen" => self.screens += 1,
            _ => {}
        }
        if matches!(event, "$pageview" | "$screen") && self.entry.is_none_or(|(first, _)| time < first) {
            self.entry = Some((time, place));
        }
        if let Some(url) = url {
            if self.end_url.is_none_or(|(last, _)| time >= last) {
                self.end_url = Some((time, place));
            }
            if !self.urls.iter().any(|known| &**known == url) {
                self.urls.push(url.into());
            }
        }
        if external && self.external.is_none_or(|(last, _)| time >= last) {
            self.external = Some((time, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_apart() {
        for (url, host, path) in [
            ("https://a.example:8080/b/c?d#e", "a.example", "/b/c"),
            ("https://a.example", "a.example", ""),
            ("https://u:p@a.example/?x", "a.example", "/"),
        ] {
            assert_eq!((hostname(url), pathname(url)), (host, path));
        }
    }
}
