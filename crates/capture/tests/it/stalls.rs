//! Clients that stop sending are answered and let go.

use crate::support::{Behaviour, Edge, batch, event};
use aqueduct_capture::CaptureConfig;
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{Request, StatusCode};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn impatient(body_gap_timeout_ms: u64, request_timeout_ms: u64) -> Edge {
    Edge::with(Behaviour::Works, CaptureConfig { body_gap_timeout_ms, request_timeout_ms, ..CaptureConfig::default() })
}

fn stalling(first: &'static str) -> Body {
    let start = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(first.as_bytes()))]);
    Body::from_stream(start.chain(futures::stream::pending()))
}

#[tokio::test]
async fn a_gap_between_parts_is_a_408() {
    let edge = impatient(50, 30_000);
    for first in ["", r#"{"api_key":"phc_known","batch":["#] {
        let answer = edge.send(Request::post("/batch/").body(stalling(first)).expect("a request")).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::REQUEST_TIMEOUT, "client stopped sending data"));
    }
    assert!(edge.records().is_empty());
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    let edge = impatient(200, 300);
    let drip = futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
    });
    let answer = edge.send(Request::post("/batch/").body(Body::from_stream(drip)).expect("a request")).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::GATEWAY_TIMEOUT, "Request timeout"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_400() {
    let parts = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("reset"))];
    let body = Body::from_stream(futures::stream::iter(parts));
    let answer = Edge::new().send(Request::post("/batch/").body(body).expect("a request")).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::BAD_REQUEST, "failed to decode request: the body broke off"));
}

async fn listening(edge: &Edge) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = edge.router.clone().into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut bytes)).await.expect("an answer in time").expect("readable");
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test]
async fn over_a_socket_too() {
    let edge = impatient(100, 30_000);
    let mut stream = TcpStream::connect(listening(&edge).await).await.expect("connects");
    stream.write_all(b"POST /batch/ HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"api_key\"").await.expect("writes");
    let started = Instant::now();
    let answer = answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_sends_too_much_still_gets_the_413() {
    let config = CaptureConfig { body_wire_bytes_max: 100_000, ..CaptureConfig::default() };
    let edge = Edge::with(Behaviour::Works, config);
    let mut stream = TcpStream::connect(listening(&edge).await).await.expect("connects");
    stream.write_all(b"POST /batch/ HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n").await.expect("writes");
    // The client writes all of it before it reads, as most do.
    stream.write_all(&vec![b'x'; 300_000]).await.expect("is read to its end");
    let answer = answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn the_peer_is_the_client_without_a_proxy() {
    let edge = Edge::new();
    let mut stream = TcpStream::connect(listening(&edge).await).await.expect("connects");
    let body = batch(&[&event("")]);
    let head = format!("POST /batch/ HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.expect("writes");
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
    let records = edge.records();
    assert_eq!(aqueduct_event::RawBatch::decode(&records[0]).expect("a batch").client_ip, "127.0.0.1");
}
