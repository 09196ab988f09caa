//! When more comes than can become visible: refused from the head alone, told when to come again, and the connection stays in use.

use crate::support::{Answer, Behaviour, Edge, batch, event, post};
use aqueduct_capture::CaptureConfig;
use axum::Router;
use http::StatusCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An edge whose window, of the smallest size, is full.
async fn full() -> Edge {
    full_with(CaptureConfig::default()).await
}

async fn full_with(config: CaptureConfig) -> Edge {
    let config = CaptureConfig { backlog_ms_max: 0, admit_wait_ms: 100, ..config };
    let edge = Edge::with(Behaviour::Works, config);
    edge.gate.follow(Arc::<crate::support::MemoryJournal>::clone(&edge.journal) as _);
    let large = format!(r#","properties":{{"a":"{}"}}"#, "x".repeat(355_000));
    for _ in 0..3 {
        assert_eq!(edge.post("/batch/", batch(&[&event(&large)])).await.status, StatusCode::OK);
    }
    edge
}

fn is_busy(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u32 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=30).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn both_protocols_are_told_when_to_come_again() {
    let edge = full().await;
    let answer = edge.post("/batch/", batch(&[&event("")])).await;
    is_busy(&answer);
    let unread = batch(&[&event("")]).len();
    assert_eq!(
        edge.told().last(),
        Some(&format!("refused:overloaded unread({unread}) \"\"")),
        "the ledger hears of a request, not of events"
    );
    assert!(answer.text().starts_with("too busy, please retry in "), "{}", answer.text());
    let headers = [
        ("authorization", "Bearer phc_known"),
        ("content-type", "application/json"),
        ("user-agent", "x/1"),
        ("posthog-sdk-info", "x/1"),
        ("posthog-attempt", "1"),
        ("posthog-request-id", "00000000-0000-4000-8000-000000000000"),
        ("posthog-request-timestamp", "2023-11-14T22:13:20Z"),
    ];
    let answer = edge.send(post("/i/v1/analytics/events", &headers, "{}")).await;
    is_busy(&answer);
    assert_eq!(answer.json()["error"], "service_unavailable");
    assert_eq!(edge.told().last().map(String::as_str), Some("refused:overloaded unread(2) \"phc_known\""));
    assert_eq!(edge.records().len(), 3, "nothing more was taken");
}

#[tokio::test]
async fn refusals_leave_at_their_rate() {
    let edge = full_with(CaptureConfig { refusals_per_second: 20, ..CaptureConfig::default() }).await;
    let begun = Instant::now();
    let refuse = || async {
        is_busy(&edge.post("/batch/", batch(&[&event("")])).await);
        begun.elapsed()
    };
    let mut left: Vec<_> = <[_; 5]>::from(tokio::join!(refuse(), refuse(), refuse(), refuse(), refuse())).into();
    left.sort();
    assert!(left[4] >= left[0] + Duration::from_millis(190), "four gaps of 50 ms: {left:?}");
}

#[tokio::test]
async fn what_becomes_visible_lets_the_next_in() {
    let edge = full().await;
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(edge.post("/batch/", batch(&[&event("")])), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        edge.gate.visible(0, 1_000_000, Duration::from_millis(100));
    });
    assert_eq!(answer.status, StatusCode::OK, "it waited for room");
    assert!(begun.elapsed() >= Duration::from_millis(30));
}

async fn listening(router: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut bytes)).await.expect("an answer in time").expect("readable");
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test]
async fn a_small_refused_request_leaves_its_connection_in_use_and_a_large_one_is_not_read() {
    let edge = full().await;
    let address = listening(edge.router.clone()).await;
    let mut stream = TcpStream::connect(address).await.expect("connects");
    // It says what it is only in a body that is no JSON: refused before anybody looks.
    let request = format!("POST /batch/ HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n{}", "x".repeat(100_000));
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.expect("writes");
        let answer = head(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && !answer.contains("connection: close"), "{answer}");
    }
    stream.write_all(b"POST /batch/ HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n").await.expect("writes");
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn bodies_beyond_the_memory_are_refused_and_memory_comes_back() {
    let edge = Edge::with(Behaviour::Works, CaptureConfig { memory_bytes_max: 100_000, ..CaptureConfig::default() });
    let large = batch(&[&event(&format!(r#","properties":{{"a":"{}"}}"#, "x".repeat(200_000)))]);
    let small = batch(&[&event(&format!(r#","properties":{{"a":"{}"}}"#, "x".repeat(90_000)))]);
    for _ in 0..3 {
        is_busy(&edge.post("/batch/", large.clone()).await);
        assert_eq!(edge.post("/batch/", small.clone()).await.status, StatusCode::OK);
    }
    edge.gate.memory_short(true);
    is_busy(&edge.post("/batch/", small.clone()).await);
    edge.gate.memory_short(false);
    assert_eq!(edge.post("/batch/", small).await.status, StatusCode::OK);
}
