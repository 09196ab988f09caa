//! Requests that are ready to be sent: 100 events each, as JSON, compressed, with their head. They are made before the clock runs, so that the driver
//! takes little of the machine that the server has to share with it.

use crate::generator::{self, Generator, Plan};
use crate::http;
use anyhow::Context;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// As SDKs send them: their default is 100, or near it.
pub(crate) const EVENTS_PER_BATCH: u64 = 100;
/// Threads that make batches, while the server rests.
const MAKERS: u64 = 2;

/// The streams that `count` requests are made of, each with its number of requests.
pub(crate) fn streams(plan: Plan, count: u64) -> impl Iterator<Item = (Plan, u64)> {
    (0..MAKERS).map(move |maker| {
        let share = count / MAKERS + u64::from(maker < count % MAKERS);
        (Plan { stream: plan.stream * MAKERS + maker, events: share * EVENTS_PER_BATCH, ..plan }, share)
    })
}

/// Makes `count` requests. The times of the events fill the plan's span.
pub(crate) fn make(plan: Plan, count: u64, token: &str) -> anyhow::Result<Vec<Bytes>> {
    let made = std::thread::scope(|scope| {
        let makers: Vec<_> = streams(plan, count).map(|(plan, share)| scope.spawn(move || make_some(plan, share, token))).collect();
        makers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut streams = Vec::new();
    for batches in made {
        streams.push(batches.ok().context("a thread that makes batches panicked")??.into_iter());
    }
    // By turns, so that time goes forward over all of them together.
    let mut batches = Vec::with_capacity(usize::try_from(count)?);
    loop {
        let before = batches.len();
        batches.extend(streams.iter_mut().filter_map(Iterator::next));
        if batches.len() == before {
            return Ok(batches);
        }
    }
}

fn make_some(plan: Plan, count: u64, token: &str) -> anyhow::Result<Vec<Bytes>> {
    let mut events = Generator::new(plan);
    let mut text = String::new();
    (0..count)
        .map(|_| {
            text.clear();
            text.push_str(r#"{"api_key":""#);
            text.push_str(token);
            text.push_str(r#"","batch":["#);
            for (index, event) in events.by_ref().take(EVENTS_PER_BATCH as usize).enumerate() {
                if index > 0 {
                    text.push(',');
                }
                generator::write_http(&event, &mut text);
            }
            text.push_str("]}");
            batch_request(text.as_bytes())
        })
        .collect()
}

/// `POST /batch/` with a compressed body.
pub(crate) fn batch_request(body: &[u8]) -> anyhow::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    let body = encoder.finish()?;
    let headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip"), ("User-Agent", "aqueduct-bench")];
    Ok(http::request("POST", "/batch/", &headers, &body).into())
}
