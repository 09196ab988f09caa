//! A new process takes the place of the one that runs: no request fails, no event is lost or twice, whatever connections clients use.

use crate::process::{Server, TOKEN, aqueduct, ask};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Clients that send one event after the other; half of them keep their connection as long as the server lets them.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Duration>>,
}

impl Load {
    fn start(address: &str) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |number: u64| {
            let (stop, sent, address) = (Arc::clone(&stop), Arc::clone(&sent), address.to_owned());
            std::thread::spawn(move || client(&address, number.is_multiple_of(2), &stop, &sent))
        };
        Self { clients: (0..6).map(client).collect(), stop, sent }
    }

    /// The number of events, and the longest that a request took.
    fn finish(self) -> (u64, Duration) {
        self.stop.store(true, Ordering::SeqCst);
        let slowest = self.clients.into_iter().map(|client| client.join().expect("no request failed")).max();
        (self.sent.load(Ordering::SeqCst), slowest.expect("clients"))
    }
}

fn client(address: &str, keep: bool, stop: &AtomicBool, sent: &AtomicU64) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut kept = None;
    while !stop.load(Ordering::SeqCst) {
        let number = sent.fetch_add(1, Ordering::SeqCst);
        let begun = Instant::now();
        let mut stream = kept.take().unwrap_or_else(|| TcpStream::connect(address).expect("connects"));
        let (status, closes) = send(&mut stream, number, keep);
        assert_eq!(status, 200, "request {number}");
        slowest = slowest.max(begun.elapsed());
        kept = (keep && !closes).then_some(stream);
        std::thread::sleep(Duration::from_millis(5));
    }
    slowest
}

/// The status, and whether the server closes the connection.
fn send(stream: &mut TcpStream, number: u64, keep: bool) -> (u16, bool) {
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("sets");
    let event = json!({"event": "load", "distinct_id": format!("client {number}"), "properties": {"number": number}});
    let body = json!({"api_key": TOKEN, "batch": [event]}).to_string();
    let connection = if keep { "keep-alive" } else { "close" };
    let head = format!("POST /batch/ HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).expect("writes");
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"status":"Ok"}"#) {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).expect("an answer");
        assert!(read > 0, "request {number}: the connection ended in the middle of {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..read]);
    }
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, text.contains("connection: close"))
}

fn check(server: &Server, sent: u64) {
    server.wait_for_count("select count() from events where event = 'load'", sent);
    assert_eq!(server.query("select count(distinct properties.number) from events where event = 'load'")[0].as_u64(), Some(sent));
}

#[test]
fn under_load_several_times_without_one_failed_request() {
    let directory = tempfile::tempdir().expect("directory");
    let mut server = Server::start(directory.path());
    let address = server.address.clone();
    let load = Load::start(&address);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(400));
        let successor = Server::start_with(directory.path(), |command| command.arg("--takeover"));
        assert_eq!(successor.address, address, "the same sockets");
        assert_eq!(server.wait().code(), Some(0));
        server = successor;
    }
    std::thread::sleep(Duration::from_millis(400));
    let (sent, slowest) = load.finish();
    assert!(sent > 50 && slowest < Duration::from_secs(15), "{sent} requests, the slowest took {slowest:?}");
    check(&server, sent);
    assert_eq!(ask(&server.ops, "GET", "/_readiness", None).0, 200);
}

#[test]
fn by_a_signal_and_systemd_hears_of_it() {
    let directory = tempfile::tempdir().expect("directory");
    let notify = directory.path().join("notify");
    let heard = UnixDatagram::bind(&notify).expect("binds");
    heard.set_read_timeout(Some(Duration::from_secs(60))).expect("sets");
    let hear = || {
        let mut bytes = [0; 512];
        let read = heard.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    let data_dir = directory.path().join("data");
    let server = Server::start_with(&data_dir, |command| command.env("NOTIFY_SOCKET", &notify));
    let message = hear();
    assert!(message.contains("READY=1") && message.contains(&format!("MAINPID={}\n", server.id())), "{message}");
    let load = Load::start(&server.address);
    server.signal("HUP");
    assert!(hear().contains("RELOADING=1\nMONOTONIC_USEC="));
    let message = hear();
    let successor = message.lines().find_map(|line| line.strip_prefix("MAINPID=")).expect("a new process").to_owned();
    assert!(message.contains("READY=1") && successor != server.id().to_string(), "{message}");
    std::thread::sleep(Duration::from_millis(300));
    let (sent, _) = load.finish();
    assert_eq!(ask(&server.address, "GET", "/_readiness", None).0, 200);
    check(&server, sent);
    let stopped = Command::new("kill").args(["-TERM", &successor]).status().expect("kill runs");
    assert!(stopped.success() && hear().contains("STOPPING=1"));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_takeover_of_nobody_is_a_start() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start_with(directory.path(), |command| command.arg("--takeover"));
    assert_eq!(server.batch("one", &["ann".to_owned()]), 200);
}

/// Starts the binary as systemd does, with a listening socket as file 3 and this environment.
fn activated(data_dir: &Path, socket: OwnedFd, environment: &str) -> Command {
    let script = format!(r#"exec 3<&0 </dev/null; export {environment}; exec "$0" "$@""#);
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_aqueduct"), "serve", "--ops-listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    command.env("AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN", TOKEN).stdin(Stdio::from(socket)).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn systemd_may_hold_the_socket() {
    let directory = tempfile::tempdir().expect("directory");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = socket.local_addr().expect("address").to_string();
    // Sent before there is any server.
    let early = {
        let address = address.clone();
        std::thread::spawn(move || send(&mut TcpStream::connect(address).expect("connects"), 1, false))
    };
    let start = || activated(directory.path(), socket.try_clone().expect("clones").into(), "LISTEN_PID=$$ LISTEN_FDS=1");
    let mut child = start().spawn().expect("starts");
    assert_eq!(early.join().expect("is answered").0, 200);
    assert_eq!(ask(&address, "GET", "/_readiness", None).0, 200);
    child.kill().expect("killed");
    child.wait().expect("ended");
    // Between two servers nothing is refused either.
    let between = {
        let address = address.clone();
        std::thread::spawn(move || send(&mut TcpStream::connect(address).expect("connects"), 2, false))
    };
    let mut child = start().spawn().expect("starts");
    assert_eq!(between.join().expect("is answered").0, 200);
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn sockets_that_are_not_what_they_should_be_are_named() {
    let directory = tempfile::tempdir().expect("directory");
    let file = std::fs::File::open("/dev/null").expect("opens");
    let output = activated(directory.path(), file.into(), "LISTEN_PID=$$ LISTEN_FDS=1").output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("LISTEN_FDS: socket 0: "), "{text}");
    let mut of_another = aqueduct();
    of_another.env("LISTEN_PID", "1").env("LISTEN_FDS", "1").args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
    let mut child =
        of_another.arg("--data-dir").arg(directory.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let mut first = [0; 12];
    child.stdout.take().expect("stdout").read_exact(&mut first).expect("a line");
    assert_eq!(&first, b"listening on", "sockets of another process are left alone");
    child.kill().expect("killed");
    child.wait().expect("ended");
}
