//! A server process and a client for it.

use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub(crate) const TOKEN: &str = "phc_it";
pub(crate) const KEY: &str = "phx_it";

/// The binary, with nothing of this process's environment that it reads.
pub(crate) fn aqueduct() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aqueduct"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AQUEDUCT_")) {
        command.env_remove(name);
    }
    command
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) first_line: String,
    /// `HOST:PORT` of the main listener.
    pub(crate) address: String,
    pub(crate) ops: String,
    pub(crate) start_time: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, |command| command)
    }

    pub(crate) fn start_with(data_dir: &Path, more: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let mut command = aqueduct();
        command.args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        Self::start_by(more(&mut command))
    }

    /// A server that a command of any kind starts.
    pub(crate) fn start_by(command: &mut Command) -> Self {
        for (name, value) in [("AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN", TOKEN), ("AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY", KEY)] {
            // What a test has set or taken out stays so.
            if !command.get_envs().any(|(known, _)| known == name) {
                command.env(name, value);
            }
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn().expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut line = || {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("a line");
            line.trim_end().to_owned()
        };
        let (first_line, second_line) = (line(), line());
        let start_time = started.elapsed();
        let address = first_line.strip_prefix("listening on http://").expect("the first line").to_owned();
        let ops = second_line.strip_prefix("ops on http://").expect("the second line").to_owned();
        Self { child, stdout, first_line, address, ops, start_time }
    }

    /// The next line on stdout.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        for _ in 0..400 {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server did not end in time");
    }

    /// Sends a batch of one event for each distinct id; answers the status.
    pub(crate) fn batch(&self, event: &str, distinct_ids: &[String]) -> u16 {
        self.try_batch(event, distinct_ids).expect("an answer")
    }

    /// As [`Self::batch`], of a server that may be killed meanwhile.
    pub(crate) fn try_batch(&self, event: &str, distinct_ids: &[String]) -> io::Result<u16> {
        let one = |distinct_id: &String| json!({"event": event, "distinct_id": distinct_id, "properties": {"n": 1}});
        let body = json!({"api_key": TOKEN, "batch": distinct_ids.iter().map(one).collect::<Vec<_>>()});
        try_ask(&self.address, "POST", "/batch/", Some(&body)).map(|(status, _)| status)
    }

    /// The first row of a query.
    pub(crate) fn query(&self, hogql: &str) -> Value {
        let body = json!({"query": {"kind": "HogQLQuery", "query": hogql}, "refresh": "force_blocking"});
        let (status, text) = ask(&self.address, "POST", "/api/projects/1/query/", Some(&body));
        assert_eq!(status, 200, "{text}");
        let body: Value = serde_json::from_str(&text).expect("JSON");
        body["results"][0].clone()
    }

    /// Waits until a count is reached; answers how long it took.
    pub(crate) fn wait_for_count(&self, hogql: &str, expected: u64) -> Duration {
        let begun = Instant::now();
        loop {
            let found = self.query(hogql)[0].as_u64();
            if found == Some(expected) {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{hogql}: found {found:?}, expected {expected}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// One request on a connection of its own; answers status and body.
pub(crate) fn ask(address: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
    try_ask(address, method, path, body).expect("an answer")
}

/// The status of a probe, if it is answered.
pub(crate) fn try_status(address: &str) -> Option<u16> {
    try_ask(address, "GET", "/_liveness", None).ok().map(|(status, _)| status)
}

/// As [`ask`], of a server that may be killed meanwhile.
fn try_ask(address: &str, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, String)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n");
    write!(stream, "{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if chunked { unchunk(body) } else { body.to_owned() }))
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    whole
}
