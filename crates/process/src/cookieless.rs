//! Cookieless mode (ingestion semantics, section 16), stateless: ids of a visitor made from what each of its requests says anyway, good for one day.
//!
//! In: an event that says `$cookieless_mode`. Out: the distinct id it is processed under, with its device and session ids set and what the hash was made from
//! removed; or why it is dropped.
//!
//! # Invariants
//! - Without the day's salt nobody can tell from an id whose it was; salts are deleted some days after.
//! - Nothing is remembered between events, so the same visitor has one id and one session a day, and merging is not possible.

use crate::draft::Draft;
use crate::json::Value;
use crate::keys::{Keys, Name};
use crate::outside::{CookielessMode, ProjectFacts, Projects};
use crate::warning::{Subject, WarningKind};
use aqueduct_event::UnixMicros;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};
use uuid::{Builder, Uuid};

/// Why an event was not taken: what its sender is told, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) Option<WarningKind>);

/// Characters of `$cookieless_extra` that count.
const EXTRA_CHARS_MAX: usize = 100;

/// Whether an event is to be taken so.
pub(crate) fn is_asked(draft: &Draft<'_>) -> bool {
    draft.get(Name::CookielessMode).is_some_and(|mode| mode.value.is_truthy())
}

/// Gives an event its ids. Answers its distinct id.
pub(crate) fn apply(
    draft: &mut Draft<'_>,
    keys: &Keys,
    projects: &dyn Projects,
    facts: &ProjectFacts,
    subject: Subject<'_>,
    received_at: UnixMicros,
) -> Result<String, Refusal> {
    if facts.cookieless == CookielessMode::Disabled || matches!(subject.event, "$identify" | "$create_alias" | "$merge_dangerously") {
        return Err(Refusal(None));
    }
    let user_agent_key = keys.find(keys.hash(USER_AGENT), USER_AGENT).ok_or(Refusal(None))?;
    let user_agent = draft.get(user_agent_key).and_then(|property| match &property.value {
        Value::Str(text) if !text.is_empty() => Some(text.as_ref()),
        _ => None,
    });
    let user_agent = user_agent.ok_or(Refusal(Some(WarningKind::CookielessMissingUserAgent)))?;
    let given = |name| draft.text(name).filter(|text| !text.is_empty());
    let ip = given(Name::Ip).ok_or(Refusal(Some(WarningKind::CookielessMissingIp)))?;
    let host = given(Name::Host).ok_or(Refusal(Some(WarningKind::CookielessMissingHost)))?;
    let zone = zone(draft.text(Name::Timezone), &facts.timezone);
    let out_of_range = Refusal(Some(WarningKind::CookielessTimestampOutOfRange));
    let day = day_of(subject.timestamp, &zone).filter(|day| is_in_range(*day, received_at)).ok_or(out_of_range)?;
    let salt = projects.cookieless_salt(&day.to_string()).ok_or(out_of_range)?;
    let extra: String = draft.text(Name::CookielessExtra).unwrap_or_default().chars().take(EXTRA_CHARS_MAX).collect();
    let hash = hash(salt, &format!("{}-{ip}-{}-{user_agent}-0-{extra}", facts.id, root_domain(host)));

    let text = STANDARD_NO_PAD.encode(hash);
    let distinct_id = format!("cookieless_{text}");
    let own = |text: String| Value::Str(Cow::Owned(text));
    draft.set(keys, Name::DistinctId.key(), own(distinct_id.clone()), "");
    draft.set(keys, Name::DeviceId.key(), own(format!("cookielessd_{text}")), "");
    draft.set(keys, Name::SessionId.key(), own(session_id(day, &zone, hash).to_string()), "");
    draft.remove(Name::Ip);
    draft.remove(user_agent_key);
    draft.remove(Name::CookielessExtra);
    Ok(distinct_id)
}

const USER_AGENT: &str = "$raw_user_agent";

/// The event's zone, or its project's, or UTC: the first that exists.
fn zone(of_event: Option<&str>, of_project: &str) -> TimeZone {
    [of_event, Some(of_project)].into_iter().flatten().find_map(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

fn day_of(time: UnixMicros, zone: &TimeZone) -> Option<Date> {
    Some(zone.to_datetime(jiff::Timestamp::from_microsecond(time.0).ok()?).date())
}

/// Whether it is that day somewhere, or was up to three days ago.
fn is_in_range(day: Date, now: UnixMicros) -> bool {
    const HOUR_MICROS: i64 = 3_600_000_000;
    let Ok(midnight) = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)) else { return false };
    let since = now.0.saturating_sub(midnight.as_microsecond());
    (-12 * HOUR_MICROS..(14 + 72) * HOUR_MICROS).contains(&since)
}

/// PostHog takes a SipHash here. Under a secret salt nobody can see the difference, and nobody can run this one backwards.
fn hash(salt: [u8; 16], text: &str) -> [u8; 16] {
    let digest = Sha256::new().chain_update(salt).chain_update(text).finalize();
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// One session a day: a UUID version 7 that began with the day.
fn session_id(day: Date, zone: &TimeZone, hash: [u8; 16]) -> Uuid {
    let millis = zone.to_timestamp(day.at(0, 0, 0, 0)).map_or(0, |time| time.as_millisecond());
    let mut random = [0; 10];
    random.copy_from_slice(&hash[..10]);
    Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or_default(), &random).into_uuid()
}

/// The part of a host that its owner registered, with its port: `a.b.example.co.uk:80` → `example.co.uk:80`. Addresses stay as they are.
/// Registries below a country are told by their short, general names; the few that are not so named count as one level.
fn root_domain(host: &str) -> String {
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return format!("[{address}]");
    }
    let host = host.split_once("://").map_or(host, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, rest)| rest).to_lowercase();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, format!(":{port}")),
        _ => (host.as_str(), String::new()),
    };
    if name == "localhost" {
        return format!("127.0.0.1{port}");
    }
    if name.starts_with('[') || name.parse::<IpAddr>().is_ok() {
        return format!("{name}{port}");
    }
    let labels: Vec<&str> = name.split('.').filter(|label| !label.is_empty()).collect();
    let is_registry = |second: &str, top: &str| {
        top.len() == 2 && matches!(second, "co" | "com" | "org" | "net" | "gov" | "edu" | "ac" | "or" | "ne" | "go")
    };
    let kept = match labels[..] {
        [.., second, top] if is_registry(second, top) => 3,
        _ => 2,
    };
    format!("{}{port}", labels[labels.len().saturating_sub(kept)..].join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_roots() {
        for (host, root) in [
            ("example.com", "example.com"),
            ("a.b.Example.com:8080", "example.com:8080"),
            ("https://shop.example.co.uk/x?y", "example.co.uk"),
            ("localhost:8000", "127.0.0.1:8000"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("::1", "[::1]"),
            ("[::1]:80", "[::1]:80"),
            ("intranet", "intranet"),
            ("", ""),
        ] {
            assert_eq!(root_domain(host), root, "{host}");
        }
    }

    #[test]
    fn days_are_taken_while_they_are_somewhere_and_some_days_after() {
        let day = Date::constant(2024, 3, 10);
        let at = |text: &str| UnixMicros(text.parse::<jiff::Timestamp>().expect("valid").as_microsecond());
        for (now, expected) in [
            ("2024-03-09T11:59:59Z", false),
            ("2024-03-09T12:00:00Z", true),
            ("2024-03-13T13:59:59Z", true),
            ("2024-03-13T14:00:00Z", false),
        ] {
            assert_eq!(is_in_range(day, at(now)), expected, "{now}");
        }
        assert_eq!(day_of(at("2024-03-10T23:30:00Z"), &zone(Some("Europe/Berlin"), "UTC")), Some(Date::constant(2024, 3, 11)));
        assert_eq!(day_of(at("2024-03-10T23:30:00Z"), &zone(Some("Nowhere/X"), "Also/Wrong")), Some(day));
    }
}
