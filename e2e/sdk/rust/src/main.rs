//! posthog-rs plays the common script; see ../../../README.md.

use chrono::{TimeZone, Utc};
use posthog_rs::{ClientOptionsBuilder, Event};
use serde_json::json;
use std::env::var;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = ClientOptionsBuilder::default().host(var("AQUEDUCT_URL")?).api_key(var("AQUEDUCT_TOKEN")?).build()?;
    let client = posthog_rs::client(options).await;
    let ann = "rust-ann";

    let mut landed = Event::new("landed", "rust-anon");
    landed.insert_prop("$process_person_profile", false)?;
    client.capture(landed);

    let mut chosen = Event::new("plan chosen", ann);
    chosen.set_uuid(uuid::Uuid::parse_str("0192d3a0-0000-7000-8000-00000000a004")?);
    chosen.set_timestamp(Utc.timestamp_millis_opt(1_709_294_400_123).single().ok_or("time")?)?;
    for (key, value) in [
        ("text", json!("grün 🌊 \"q\"")),
        ("whole", json!(42)),
        ("real", json!(1.5)),
        ("yes", json!(true)),
        ("none", json!(null)),
        ("list", json!([1, "two", {"three": 3}])),
        ("nested", json!({"a": {"b": []}})),
    ] {
        chosen.insert_prop(key, value)?;
    }
    client.capture(chosen);

    let mut identify = Event::new("$identify", ann);
    identify.insert_prop("$set", json!({"plan": "pro", "seats": 5}))?;
    identify.insert_prop("$set_once", json!({"first": "yes"}))?;
    client.capture(identify);
    client.alias("rust-anon", ann);
    client.group_identify("company", "acme", json!({"name": "Acme", "size": 12}))?;
    let mut invited = Event::new("invited", ann);
    invited.add_group("company", "acme");
    client.capture(invited);
    client.flush().await;
    client.shutdown().await;
    Ok(())
}
