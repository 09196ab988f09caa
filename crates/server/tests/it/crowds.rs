//! Clients that mean no good, or too well: floods of connections, heads without end, requests ahead of their answers, bodies that never come.

use crate::process::{Server, ask};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("sets");
    stream
}

/// What comes until the server closes.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    // A reset is an end as well.
    while let Ok(read @ 1..) = stream.read(&mut part) {
        bytes.extend_from_slice(&part[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn silent_connections_do_not_keep_clients_out() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start_with(directory.path(), |command| {
        command.env("AQUEDUCT_HTTP_CONNECTIONS_MAX", "40").env("AQUEDUCT_HTTP_CONNECTIONS_PER_ADDRESS_MAX", "40")
    });
    // More than there is room for: half say nothing, half have sent a part of a head. Their time-out is ten seconds where there is room.
    let mut flood: Vec<TcpStream> = (0..80).map(|_| connect(&server)).collect();
    flood.iter_mut().step_by(2).for_each(|stream| stream.write_all(b"POST /batch/ HT").expect("writes"));
    let begun = Instant::now();
    assert_eq!(ask(&server.address, "GET", "/_liveness", None).0, 200);
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[test]
fn idle_connections_make_room_when_there_is_little() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start_with(directory.path(), |command| {
        command.env("AQUEDUCT_HTTP_CONNECTIONS_MAX", "20").env("AQUEDUCT_HTTP_CONNECTIONS_PER_ADDRESS_MAX", "20")
    });
    let mut kept = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&server);
        stream.write_all(b"GET /_liveness HTTP/1.1\r\nhost: x\r\n\r\n").expect("writes");
        let mut bytes = [0; 512];
        assert!(stream.read(&mut bytes).expect("an answer") > 0);
        kept.push(stream);
    }
    let begun = Instant::now();
    assert_eq!(ask(&server.address, "GET", "/_liveness", None).0, 200);
    assert!(begun.elapsed() < Duration::from_secs(15), "keep-alive is 75 s, but not now: {:?}", begun.elapsed());
}

#[test]
fn an_address_has_its_part_of_the_connections() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start_with(directory.path(), |command| command.env("AQUEDUCT_HTTP_CONNECTIONS_PER_ADDRESS_MAX", "5"));
    let first: Vec<TcpStream> = (0..5).map(|_| connect(&server)).collect();
    let begun = Instant::now();
    assert_eq!(rest(connect(&server)), "");
    assert!(begun.elapsed() < Duration::from_secs(5), "closed at once: {:?}", begun.elapsed());
    drop(first);
    let begun = Instant::now();
    while TcpStream::connect(&server.address).map(drop).is_err() || crate::process::try_status(&server.address) != Some(200) {
        assert!(begun.elapsed() < Duration::from_secs(10), "places come back");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_head_without_end_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    let mut stream = connect(&server);
    let head = format!("GET /_liveness HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(200_000));
    // The server may close while the client writes.
    let _ = stream.write_all(head.as_bytes());
    let answer = rest(stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut stream = connect(&server);
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    stream.write_all(format!("GET /_liveness HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).expect("writes");
    assert!(rest(stream).starts_with("HTTP/1.1 431 "));
    assert_eq!(ask(&server.address, "GET", "/_liveness", None).0, 200);
}

#[test]
fn requests_ahead_of_their_answers_are_answered_in_order() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    let mut stream = connect(&server);
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut all: String = (0..100).map(|number| request(if number % 2 == 0 { "/_liveness" } else { "/nothing/here/" })).collect();
    all.push_str("GET /_liveness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(all.as_bytes()).expect("writes");
    let answers = rest(stream);
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses.len(), 101);
    let (even, odd): (Vec<_>, Vec<_>) = statuses.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    assert!(even.iter().all(|(_, status)| **status == "200") && odd.iter().all(|(_, status)| *status == odd[0].1), "{statuses:?}");
}

#[test]
fn a_stop_does_not_wait_for_a_body_that_never_comes() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start_with(directory.path(), |command| command.env("AQUEDUCT_HTTP_DRAIN_TIMEOUT_MS", "500"));
    let mut stuck = connect(&server);
    stuck.write_all(b"POST /batch/ HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"api_key\"").expect("writes");
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
