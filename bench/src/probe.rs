//! Asks the server what it can see: how many events, and how long after its acknowledgement a marked event is there.

use crate::batches::batch_request;
use crate::http::{Connection, request};
use crate::process::{KEY, Server, TOKEN};
use crate::stats::Durations;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two looks for a marked event; also how exact the figure is.
const LOOK_PAUSE: Duration = Duration::from_millis(1);
/// Before a refused marked event is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// A marked event that is not there by then has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where and as whom to ask.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Host and port.
    pub(crate) address: String,
    /// Project token.
    pub(crate) token: String,
    /// Personal API key.
    pub(crate) key: String,
    /// Number of the project.
    pub(crate) project: u32,
}

impl Target {
    /// The first project of a server that this kit started.
    pub(crate) fn of(server: &Server) -> Self {
        Self { address: server.address.clone(), token: TOKEN.to_owned(), key: KEY.to_owned(), project: 1 }
    }

    /// A new project of the same server.
    pub(crate) async fn new_project(&self, name: &str) -> anyhow::Result<Self> {
        let mut connection = Connection::open(&self.address).await?;
        let made = self.ask(&mut connection, "POST", "/api/projects/", json!({ "name": name }).to_string().as_bytes()).await?;
        let token = made["api_token"].as_str().context("a project with api_token expected")?.to_owned();
        let project = made["id"].as_u64().and_then(|id| u32::try_from(id).ok()).context("a project with id expected")?;
        Ok(Self { token, project, ..self.clone() })
    }

    /// The JSON that the API answers with.
    pub(crate) async fn ask(&self, connection: &mut Connection, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Value> {
        let authorization = format!("Bearer {}", self.key);
        let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
        let answer = connection.send(&request(method, path, &headers, body)).await?;
        let text = String::from_utf8_lossy(&answer.body);
        if !matches!(answer.status, 200 | 201) {
            bail!("{path}: status {}: {}", answer.status, text.chars().take(500).collect::<String>());
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{path}: JSON expected, found {text}"))
    }

    /// The rows that a HogQL query answers with.
    pub(crate) async fn rows(&self, connection: &mut Connection, hogql: &str) -> anyhow::Result<Vec<Vec<Value>>> {
        let query = json!({ "query": { "kind": "HogQLQuery", "query": hogql }, "refresh": "force_blocking" });
        let path = format!("/api/projects/{}/query/", self.project);
        let answer = self.ask(connection, "POST", &path, query.to_string().as_bytes()).await.with_context(|| hogql.to_owned())?;
        serde_json::from_value(answer["results"].clone()).with_context(|| format!("{hogql}: rows expected, found {answer}"))
    }

    /// The number that a HogQL query answers with.
    pub(crate) async fn count(&self, connection: &mut Connection, hogql: &str) -> anyhow::Result<u64> {
        let rows = self.rows(connection, hogql).await?;
        let number = rows.first().and_then(|row| row.first()).and_then(Value::as_u64);
        number.with_context(|| format!("{hogql}: one number expected, found {rows:?}"))
    }

    /// Events that can be queried, without the marked ones.
    pub(crate) async fn count_events(&self, connection: &mut Connection) -> anyhow::Result<u64> {
        self.count(connection, "SELECT count() FROM events WHERE event != 'bench_probe'").await
    }
}

/// What probing found.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    /// From the acknowledgement until the event was in an answer.
    pub(crate) visible: Durations,
    /// From sending until the acknowledgement of the marked event, which is sent again while it is refused.
    pub(crate) acknowledged: Durations,
    /// Both together: how old an event is when it is first seen.
    pub(crate) whole: Durations,
}

/// Marks events one after the other until `stop` or until `count` were seen.
pub(crate) async fn run(
    target: Target,
    numbers: Arc<AtomicU64>,
    count: u64,
    pause: Duration,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Probes> {
    let mut connection = Connection::open(&target.address).await?;
    let mut probes = Probes::default();
    for _ in 0..count {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        probe(&target, &mut connection, numbers.fetch_add(1, Ordering::Relaxed), &mut probes).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(probes)
}

async fn probe(target: &Target, connection: &mut Connection, number: u64, probes: &mut Probes) -> anyhow::Result<()> {
    // One name for all of them: a name per probe would grow the list of event names, which no product does.
    let marked = json!({ "api_key": target.token, "batch": [
        { "event": "bench_probe", "distinct_id": format!("probe-{number}"), "properties": { "probe": number } },
    ]});
    let request = batch_request(marked.to_string().as_bytes())?;
    let sent = Instant::now();
    loop {
        let answer = connection.send(&request).await?;
        match answer.status {
            200 => break,
            429 | 503 if sent.elapsed() < PATIENCE => tokio::time::sleep(RETRY_PAUSE).await,
            status => bail!("marked event: status {status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
    let acknowledged = Instant::now();
    probes.acknowledged.push(acknowledged - sent);
    let query = format!("SELECT count() FROM events WHERE event = 'bench_probe' AND distinct_id = 'probe-{number}'");
    while target.count(connection, &query).await? == 0 {
        if acknowledged.elapsed() > PATIENCE {
            bail!("marked event {number} is not visible {PATIENCE:?} after its acknowledgement");
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    probes.visible.push(acknowledged.elapsed());
    probes.whole.push(sent.elapsed());
    Ok(())
}

/// Waits until the count of events is `expected`, and says how long that took. It must not go past it.
pub(crate) async fn wait_for_count(target: &Target, expected: u64, patience: Duration) -> anyhow::Result<Duration> {
    let mut connection = Connection::open(&target.address).await?;
    let started = Instant::now();
    loop {
        let found = target.count_events(&mut connection).await?;
        if found == expected {
            return Ok(started.elapsed());
        }
        if found > expected || started.elapsed() > patience {
            bail!("{expected} events were acknowledged, {found} can be queried after {:.1} s", started.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
