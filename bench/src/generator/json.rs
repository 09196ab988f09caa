//! Events as JSON, in the form of an SDK's batch and in the flat form that other engines load.

use super::Event;
use super::catalog::write_path;
use super::traits::Traits;
use std::fmt::Write;

/// One element of the `batch` array of `POST /batch/`. The first event of a session of somebody known carries `$set`.
pub(crate) fn write_http(event: &Event, out: &mut String) {
    let person = Traits::of(event.person);
    let _ = write!(out, r#"{{"uuid":"{}","event":"{}","distinct_id":""#, event.uuid, event.name);
    person.write_distinct_id(out);
    out.push_str(r#"","timestamp":""#);
    write_time(event.time_millis, out);
    out.push_str(r#"","properties":"#);
    write_properties(event, person, out);
    if event.step == 0 && person.is_identified() {
        out.pop();
        out.push_str(r#","$set":"#);
        person.write_person_properties(out);
        out.push('}');
    }
    out.push('}');
}

/// One line without its end: the event and its person, for engines that have neither persons nor SDKs. Who is not known by name has no properties,
/// as over HTTP.
pub(crate) fn write_ndjson(event: &Event, out: &mut String) {
    let person = Traits::of(event.person);
    let _ = write!(out, r#"{{"project_id":1,"uuid":"{}","event":"{}","distinct_id":""#, event.uuid, event.name);
    person.write_distinct_id(out);
    let _ = write!(out, r#"","person":{},"timestamp":""#, event.person);
    write_time(event.time_millis, out);
    out.push_str(r#"","properties":"#);
    write_properties(event, person, out);
    out.push_str(r#","person_properties":"#);
    if person.is_identified() {
        person.write_person_properties(out);
    } else {
        out.push_str("{}");
    }
    out.push('}');
}

fn write_time(millis: i64, out: &mut String) {
    // INVARIANT: the plan's times lie in this century.
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    let _ = write!(out, "{time:.3}");
}

/// 24 keys always; three of a campaign, one of a button, two of a purchase or one of a search sometimes.
fn write_properties(event: &Event, person: Traits, out: &mut String) {
    let ((browser, version), (system, system_version), (width, height)) = (person.browser(), person.system(), person.screen());
    let device = if width < 500 { "Mobile" } else { "Desktop" };
    out.push_str(r#"{"$current_url":"https://app.example.com"#);
    write_path(event.page, out);
    out.push_str(r#"","$pathname":""#);
    write_path(event.page, out);
    let referrer = person.referrer();
    let slash = if referrer.starts_with('$') { "" } else { "https://" };
    let _ = write!(out, r#"","$host":"app.example.com","$referrer":"{slash}{referrer}","$referring_domain":"{referrer}""#);
    let _ = write!(
        out,
        r#","$browser":"{browser}","$browser_version":{version},"$os":"{system}","$os_version":"{system_version}","$device_type":"{device}""#
    );
    let _ = write!(
        out,
        r#","$screen_width":{width},"$screen_height":{height},"$viewport_width":{},"$viewport_height":{}"#,
        width - 16,
        height - 130
    );
    let _ = write!(out, r#","$lib":"web","$lib_version":"1.150.{}","$session_id":"{}","$device_id":""#, event.person % 7, event.session);
    person.write_device_id(out);
    let _ = write!(out, r#"","$window_id":"{:032x}""#, event.session.as_u128() ^ 1);
    let _ = write!(
        out,
        r#","plan":"{}","step":{},"load_ms":{}.{}"#,
        person.plan(),
        event.step,
        event.uuid.as_u128() % 900 + 40,
        event.uuid.as_u128() % 10
    );
    let variant = person.flag_variant();
    let _ = write!(out, r#","$feature/new-checkout":"{variant}","$active_feature_flags":["new-checkout"]"#);
    if let Some(campaign) = person.campaign() {
        let _ = write!(out, r#","utm_source":"ads","utm_medium":"cpc","utm_campaign":"{campaign}""#);
    }
    match event.name {
        "$autocapture" | "button_clicked" => {
            let _ = write!(out, r#","$el_text":"Button {}""#, event.page % 50);
        }
        "search_performed" => {
            let _ = write!(out, r#","query":"how to {}""#, event.page % 900);
        }
        _ => {}
    }
    if let Some(cents) = event.amount_cents {
        let _ = write!(out, r#","amount":{}.{:02},"currency":"USD""#, cents / 100, cents % 100);
    }
    out.push('}');
}
