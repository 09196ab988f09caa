//! A client that sends its head slowly is cut; one that is idle between two requests is not; a stop waits for neither.

use crate::process::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

fn short(command: &mut Command) -> &mut Command {
    command.env("AQUEDUCT_CAPTURE_HEAD_TIMEOUT_MS", "500").env("AQUEDUCT_HTTP_KEEP_ALIVE_MS", "2500")
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("sets");
    stream
}

/// How long it takes until the server closes.
fn until_closed(mut stream: TcpStream) -> Duration {
    let begun = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("closes");
    begun.elapsed()
}

fn request(stream: &mut TcpStream) {
    stream.write_all(b"GET /_liveness HTTP/1.1\r\nhost: x\r\n\r\n").expect("writes");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).expect("reads");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // The rest of the answer.
    let mut buffer = [0; 4096];
    let _ = stream.read(&mut buffer).expect("reads");
}

#[test]
fn by_what_they_owe() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start_with(directory.path(), short);
    let silent = connect(&server);
    let took = until_closed(silent);
    assert!(took > Duration::from_millis(300) && took < Duration::from_millis(2_000), "silent: {took:?}");

    let mut slow = connect(&server);
    slow.write_all(b"GET /_live").expect("writes");
    let took = until_closed(slow);
    assert!(took < Duration::from_millis(2_000), "slow head: {took:?}");

    let mut idle = connect(&server);
    request(&mut idle);
    std::thread::sleep(Duration::from_millis(1_200));
    request(&mut idle);
    let took = until_closed(idle);
    assert!(took > Duration::from_millis(2_000) && took < Duration::from_millis(5_000), "idle: {took:?}");

    let mut second_slow = connect(&server);
    request(&mut second_slow);
    second_slow.write_all(b"GET /").expect("writes");
    let took = until_closed(second_slow);
    assert!(took < Duration::from_millis(2_000), "slow second head: {took:?}");
}

#[test]
fn a_stop_does_not_wait_for_idle_connections_and_live_streams() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    let mut idle = connect(&server);
    request(&mut idle);
    let mut live = connect(&server);
    let head = format!("GET /api/projects/1/live/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", crate::process::KEY);
    live.write_all(head.as_bytes()).expect("writes");
    let mut answer = [0; 15];
    live.read_exact(&mut answer).expect("reads");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let begun = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
