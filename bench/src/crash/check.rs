//! Compares what clients were told with what the server answers, through the public API alone.
//!
//! - Acknowledged: there, once, as it was sent.
//! - Sent and not acknowledged: there once, or not there.
//! - Anything else of these clients: invented.
//! - A person's property `last` is the number of its newest event: events of one id were processed in the order in which they were sent.
//! - A person has one id, however often its identification was sent.
//! - The ledger balances: received is the sum of all fates, and no record that was acknowledged is missing in it.

use super::client::Told;
use super::story::{PERSONS, Story};
use crate::http::{Connection, request};
use crate::probe::Target;
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Numbers that are read at once.
const PAGE: u32 = 5_000;
/// How long acknowledged events may take to become visible.
const VISIBLE_PATIENCE: Duration = Duration::from_secs(60);

/// Figures of a check that found nothing wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Acknowledged and there.
    pub(crate) acknowledged: u64,
    /// Not acknowledged and there.
    pub(crate) unacknowledged: u64,
}

/// Asks how many of the acknowledged events can be seen until it is all of them. For the time while clients go on.
pub(crate) async fn quick(target: &Target, clients: &[(Story, u32)]) -> anyhow::Result<()> {
    let mut connection = Connection::open(&target.address).await?;
    let started = Instant::now();
    for (story, acknowledged) in clients {
        let query = format!(
            "SELECT count(), count(DISTINCT uuid) FROM events WHERE properties.client = {} AND properties.n < {acknowledged}",
            story.client
        );
        loop {
            let row = target.rows(&mut connection, &query).await?.into_iter().next().context("a count has one row")?;
            let (found, ids) = (row[0].as_u64().unwrap_or(0), row[1].as_u64().unwrap_or(0));
            ensure!(found == ids, "client {}: {found} rows with {ids} ids: something is there twice", story.client);
            if found == u64::from(*acknowledged) {
                break;
            }
            if started.elapsed() > VISIBLE_PATIENCE {
                bail!("client {}: {acknowledged} events were acknowledged, {found} are there after {VISIBLE_PATIENCE:?}", story.client);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Reads everything back. For the time when clients have stopped.
pub(crate) async fn whole(target: &Target, clients: &[(Story, Arc<Told>)]) -> anyhow::Result<Checked> {
    let acknowledged: Vec<_> = clients.iter().map(|(story, told)| (*story, told.acknowledged.load(Ordering::SeqCst))).collect();
    quick(target, &acknowledged).await?;
    let mut connection = Connection::open(&target.address).await?;
    let mut checked = Checked::default();
    for (story, told) in clients {
        let sent = told.sent.load(Ordering::SeqCst);
        let upto = told.acknowledged.load(Ordering::SeqCst);
        let there = numbers(target, &mut connection, *story, sent).await?;
        if let Some(lost) = (0..upto).find(|number| !there.contains(number)) {
            bail!("client {}: event {lost} ({}) was acknowledged and is lost", story.client, story.identity(lost).uuid);
        }
        checked.acknowledged += u64::from(upto);
        checked.unacknowledged += (there.len() as u64).saturating_sub(u64::from(upto));
        persons(target, &mut connection, *story, &there).await?;
    }
    Ok(checked)
}

/// Waits until the ledger has counted everything; its residue has to be 0.
pub(crate) async fn ledger(ops_address: &str) -> anyhow::Result<()> {
    let mut connection = Connection::open(ops_address).await?;
    let started = Instant::now();
    loop {
        let answer = connection.send(&request("GET", "/ledger", &[], b"")).await?;
        let ledger: Value = serde_json::from_slice(&answer.body).context("/ledger: JSON expected")?;
        let health = &ledger["health"];
        ensure!(health["state"] != "alarm", "the ledger alarms: {health}");
        if health["state"] == "balanced" && ledger["total"]["in_flight"] == 0 {
            ensure!(ledger["total"]["residue"] == 0 && health["missing"] == 0, "the ledger does not balance: {ledger}");
            return Ok(());
        }
        ensure!(started.elapsed() < VISIBLE_PATIENCE, "the ledger has not come to rest after {VISIBLE_PATIENCE:?}: {health}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The numbers of a client's events that are there, each checked.
async fn numbers(target: &Target, connection: &mut Connection, story: Story, sent: u32) -> anyhow::Result<HashSet<u32>> {
    let mut there = HashSet::new();
    for first in (0..sent).step_by(PAGE as usize) {
        let query = format!(
            "SELECT properties.n, toString(uuid), event, distinct_id, properties.filling FROM events \
             WHERE properties.client = {} AND properties.n >= {first} AND properties.n < {} LIMIT 50000",
            story.client,
            first + PAGE
        );
        for row in target.rows(connection, &query).await? {
            let number = number_of(&row[0]).with_context(|| format!("client {}: a number expected, {row:?} found", story.client))?;
            ensure!(number < sent, "client {}: event {number} is there and was never sent", story.client);
            ensure!(there.insert(number), "client {}: event {number} is there twice", story.client);
            let expected = story.identity(number);
            let uuid = row[1].as_str().and_then(|text| text.parse::<Uuid>().ok());
            ensure!(
                uuid == Some(expected.uuid) && row[2] == expected.event && row[3] == expected.distinct_id.as_str(),
                "client {}: event {number} is {row:?}, sent was {expected:?}",
                story.client
            );
            ensure!(row[4] == story.filling(number).as_str(), "client {}: event {number} came back with other properties", story.client);
        }
    }
    let all = format!("SELECT count() FROM events WHERE properties.client = {}", story.client);
    let all = target.count(connection, &all).await?;
    ensure!(all == there.len() as u64, "client {}: {all} events are there, {} of them were sent", story.client, there.len());
    Ok(there)
}

async fn persons(target: &Target, connection: &mut Connection, story: Story, there: &HashSet<u32>) -> anyhow::Result<()> {
    for person in 0..PERSONS {
        let Some(newest) = there.iter().copied().filter(|number| number % PERSONS == person).max() else { continue };
        let distinct_id = story.identity(newest).distinct_id;
        let query = format!(
            "SELECT count(DISTINCT person_id) FROM events WHERE properties.client = {} AND modulo(toInt(properties.n), {PERSONS}) = {person}",
            story.client
        );
        let persons = target.count(connection, &query).await?;
        ensure!(persons == 1, "client {}: person {person} is {persons} persons", story.client);
        let path = format!("/api/projects/{}/persons/?distinct_id={distinct_id}", target.project);
        let found = target.ask(connection, "GET", &path, b"").await?;
        let last = &found["results"][0]["properties"]["last"];
        ensure!(
            number_of(last) == Some(newest),
            "client {}: person {person} says that its last event was {last}, it was {newest}",
            story.client
        );
    }
    Ok(())
}

/// A number may come as JSON number or as text, as properties do in HogQL.
fn number_of(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as u32),
    }
}
