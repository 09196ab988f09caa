//! The whole driver against a small server that counts: what it sends is what a server has to understand, and what it reports is what happened.

use super::*;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Instant;

/// What the small server knows.
#[derive(Debug, Default)]
struct Counts {
    uuids: HashSet<String>,
    probes: HashMap<String, Instant>,
    /// Batches that are refused once, before they are taken.
    refusals: u32,
}

/// Marked events can be seen this long after they were taken.
const DELAY: Duration = Duration::from_millis(30);

fn small_server(refusals: u32) -> (String, Arc<Mutex<Counts>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let counts = Arc::new(Mutex::new(Counts { refusals, ..Counts::default() }));
    let shared = Arc::clone(&counts);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, counts) = (stream.unwrap(), Arc::clone(&shared));
            std::thread::spawn(move || serve(stream, &counts));
        }
    });
    (address, counts)
}

/// Answers requests until the connection ends.
fn serve(stream: TcpStream, counts: &Mutex<Counts>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let (mut length, mut gzip, mut key) = (0, false, false);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap());
            gzip |= line == "content-encoding: gzip";
            key |= line == "authorization: bearer phx_test";
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, answer) = answer(&first, &body, gzip, key, counts);
        let reply = if first.starts_with("POST /api") {
            // Queries are answered in chunks, captures with a length: the client understands both.
            let (head, tail) = answer.split_at(answer.len() / 2);
            let (first, second) = (head.len(), tail.len());
            format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n{first:x}\r\n{head}\r\n{second:x}\r\n{tail}\r\n0\r\n\r\n")
        } else {
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())
        };
        (&stream).write_all(reply.as_bytes()).ok()?;
    }
}

fn answer(first: &str, body: &[u8], gzip: bool, key: bool, counts: &Mutex<Counts>) -> (u16, String) {
    let mut counts = counts.lock().unwrap();
    if first.starts_with("POST /batch/ ") && gzip {
        if counts.refusals > 0 {
            counts.refusals -= 1;
            return (503, r#"{"error":"full"}"#.to_owned());
        }
        let mut text = String::new();
        GzDecoder::new(body).read_to_string(&mut text).unwrap();
        let batch: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(batch["api_key"], "phc_test");
        for event in batch["batch"].as_array().unwrap() {
            if event["event"] == "bench_probe" {
                counts.probes.insert(event["distinct_id"].as_str().unwrap().to_owned(), Instant::now());
            } else {
                counts.uuids.insert(event["uuid"].as_str().unwrap().to_owned());
            }
        }
        return (200, r#"{"status":"Ok"}"#.to_owned());
    }
    if first.starts_with("POST /api/projects/1/query/ ") && key {
        let query: Value = serde_json::from_slice(body).unwrap();
        let hogql = query["query"]["query"].as_str().unwrap();
        let count = match hogql.split_once("distinct_id = '") {
            Some((_, id)) => usize::from(counts.probes.get(id.trim_end_matches('\'')).is_some_and(|taken| taken.elapsed() >= DELAY)),
            None => counts.uuids.len(),
        };
        return (200, json!({ "results": [[count]] }).to_string());
    }
    (404, String::new())
}

fn args(address: &str) -> IngestArgs {
    IngestArgs {
        server: PathBuf::new(),
        address: Some(address.to_owned()),
        pid: Some(std::process::id()),
        token: Some("phc_test".to_owned()),
        key: Some("phx_test".to_owned()),
        project: 1,
        seconds: 20,
        rate: Rate::Max,
        events: 3_000,
        half_seconds: 0,
        connections: 4,
        seed: 1,
        dir: None,
        json: false,
    }
}

fn run(args: &IngestArgs) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    measure(args, &runtime)
}

#[test]
fn sends_all_and_reports_what_happened() {
    let (address, counts) = small_server(0);
    let report = run(&args(&address)).unwrap();
    assert_eq!(counts.lock().unwrap().uuids.len(), 3_000);
    let (name, phase) = &report.phases[0];
    assert_eq!((*name, phase.events, phase.refused, phase.failed), ("load", 3_000, 0, 0));
    assert_eq!(phase.acknowledged.unwrap().count, 30);
    let visible = report.rest_visible.unwrap();
    assert!(visible.count == 20 && (30.0..60.0).contains(&visible.p50_ms), "{visible:?}");
    let table = report.table();
    assert!(table.contains("load: accepted, durable") && table.contains("(3000 in "), "{table}");
    assert!(serde_json::to_value(&report).unwrap()["phases"][0][1]["events"] == 3_000);
}

#[test]
fn a_refused_batch_is_sent_again_and_counted() {
    // The first marked events go to a server that rests, so the refusals have to come later.
    let (address, counts) = small_server(0);
    let batches = batches::make(
        Plan { seed: 1, stream: 0, events: 500, persons: 10, start_millis: 1_700_000_000_000, span_millis: DAY_MILLIS },
        5,
        "phc_test",
    );
    counts.lock().unwrap().refusals = 3;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let outcome = runtime.block_on(load::run(&address, Arc::new(batches.unwrap()), 2, Rate::Max, Duration::from_secs(10))).unwrap();
    assert_eq!((outcome.events, outcome.refused, outcome.failed), (500, 3, 0));
    assert_eq!(outcome.failure.as_deref(), Some(r#"503: {"error":"full"}"#));
    assert_eq!(counts.lock().unwrap().uuids.len(), 500);
}

#[test]
fn a_given_rate_is_kept() {
    let (address, _) = small_server(0);
    let report = run(&IngestArgs { rate: Rate::Events(2_000.0), seconds: 1, events: 10_000, ..args(&address) }).unwrap();
    let phase = &report.phases[0].1;
    assert!((1_800..=2_000).contains(&phase.events), "{} events in a second at 2,000 per second", phase.events);
}

#[test]
fn a_server_that_lost_an_event_fails_the_run() {
    let (address, counts) = small_server(0);
    counts.lock().unwrap().uuids.insert("not sent by this run".to_owned());
    let error = run(&args(&address)).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("3000 events were acknowledged, 3001 can be queried"), "{error}");
}

#[test]
fn starts_and_stops_a_process() {
    let (address, _) = small_server(0);
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join("server");
    let script = format!(
        "#!/bin/sh\n[ \"$AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN\" = phc_x ] || exit 3\necho \"listening on http://{address}\"\necho \"ops on http://{address}\"\ntrap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n"
    );
    std::fs::write(&binary, script).unwrap();
    std::fs::set_permissions(&binary, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let data_dir = dir.path().join("data");
    let mut server = Server::start(&Launch { token: "phc_x", ..Launch::new(&binary, &data_dir) }).unwrap();
    assert_eq!(server.address, address);
    assert!(Usage::of(server.pid()).unwrap().resident_bytes > 0);
    assert!(server.stop().unwrap() < Duration::from_secs(5));
    let refused = Server::start(&Launch { token: "wrong", ..Launch::new(&binary, &data_dir) }).map(|_| ());
    assert!(refused.unwrap_err().to_string().starts_with("an address was expected"));
}

#[test]
fn rates() {
    assert_eq!(parse_rate("max"), Ok(Rate::Max));
    assert_eq!(parse_rate("40000"), Ok(Rate::Events(40_000.0)));
    assert!(parse_rate("-1").is_err() && parse_rate("fast").is_err());
}
