//! The server as a process: started on an empty directory, watched through `/proc`, stopped with SIGTERM.

use anyhow::{Context, bail};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Token of the first project of a server that this kit starts.
pub(crate) const TOKEN: &str = "phc_bench0000000000000000000000000000000000000";
/// Its personal API key.
pub(crate) const KEY: &str = "phx_bench0000000000000000000000000000000000000";
const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Host and port.
    pub(crate) address: String,
    /// Host and port of the operator's listener; empty when it did not say.
    pub(crate) ops_address: String,
    /// From the start of the process until it answered a request.
    pub(crate) start_time: Duration,
}

/// How a server is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) data_dir: &'a Path,
    pub(crate) token: &'a str,
    pub(crate) key: &'a str,
    /// Host and port to listen on; port 0 takes a free one.
    pub(crate) listen: &'a str,
    /// Settings as environment variables.
    pub(crate) settings: &'a [(&'a str, String)],
}

impl<'a> Launch<'a> {
    /// On a free port, with the defaults.
    pub(crate) fn new(binary: &'a Path, data_dir: &'a Path) -> Self {
        Self { binary, data_dir, token: TOKEN, key: KEY, listen: "127.0.0.1:0", settings: &[] }
    }
}

/// Starts a server and kills it after a while, whatever it has come to.
pub(crate) fn start_and_kill(launch: &Launch<'_>, after: Duration) -> anyhow::Result<()> {
    let mut child = spawn(launch)?;
    std::thread::sleep(after);
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn spawn(launch: &Launch<'_>) -> anyhow::Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(log_of(launch.data_dir))?;
    Command::new(launch.binary)
        .args(["serve", "--listen", launch.listen, "--ops-listen", "127.0.0.1:0", "--data-dir"])
        .arg(launch.data_dir)
        .envs(launch.settings.iter().map(|(name, value)| (name, value)))
        .env("AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN", launch.token)
        .env("AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY", launch.key)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", launch.binary.display()))
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) fn start(launch: &Launch<'_>) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut child = spawn(launch)?;
        let stdout = child.stdout.take().context("the server has no stdout")?;
        let mut server = Self { child, address: String::new(), ops_address: String::new(), start_time: Duration::ZERO };
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        server.address = address_in(&line).with_context(|| {
            let log = launch.data_dir.with_extension("log");
            format!(
                "an address was expected on the first line of stdout, {line:?} found; the log says: {}",
                fs::read_to_string(log).unwrap_or_default()
            )
        })?;
        line.clear();
        stdout.read_line(&mut line)?;
        server.ops_address = address_in(&line).unwrap_or_default();
        // Nobody reads the rest, but a full pipe would stop the server.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        server.wait_until_it_answers(started)?;
        server.start_time = started.elapsed();
        Ok(server)
    }

    fn wait_until_it_answers(&mut self, started: Instant) -> anyhow::Result<()> {
        loop {
            if answers(&self.address).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended while starting: {status}");
            }
            if started.elapsed() > START_PATIENCE {
                bail!("the server did not answer within {START_PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would for the process.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Stops it for a while, as a machine that stalls does.
    pub(crate) fn freeze(&self, time: Duration) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP)?;
        std::thread::sleep(time);
        rustix::process::kill_process(pid, rustix::process::Signal::CONT)?;
        Ok(())
    }

    /// Asks it to stop and waits. The answer is how long it took.
    pub(crate) fn stop(&mut self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(started.elapsed()),
                Some(status) => bail!("the server stopped with {status}"),
                None if started.elapsed() > STOP_PATIENCE => bail!("the server did not stop within {STOP_PATIENCE:?}"),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The log lies beside the data, so that it does not count as data.
fn log_of(data_dir: &Path) -> PathBuf {
    data_dir.with_extension("log")
}

/// Adds what the server's log ends with to the failure of a run.
pub(crate) fn with_log<T>(result: anyhow::Result<T>, data_dir: &Path) -> anyhow::Result<T> {
    result.map_err(|error| match log_tail(data_dir) {
        Some(log) => error.context(format!("the run failed; the server's log ends with\n{log}")),
        None => error,
    })
}

/// The last lines of the server's log; `None` when there is none.
fn log_tail(data_dir: &Path) -> Option<String> {
    const LINES: usize = 15;
    let text = fs::read_to_string(log_of(data_dir)).ok()?;
    let lines: Vec<_> = text.lines().collect();
    Some(lines[lines.len().saturating_sub(LINES)..].join("\n"))
}

/// A request that every server answers, over its own connection.
fn answers(address: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    stream.read_exact(&mut [0; 12])
}

/// The first `host:port` in a line.
fn address_in(line: &str) -> Option<String> {
    let candidates = line.split(|letter: char| letter.is_whitespace() || "/\"',;()".contains(letter));
    candidates.map(|word| word.trim_end_matches('.')).find(|word| word.parse::<std::net::SocketAddr>().is_ok()).map(str::to_owned)
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU of all its threads, in the kernel and outside.
    pub(crate) cpu_seconds: f64,
    /// Memory now.
    pub(crate) resident_bytes: u64,
    /// Most memory so far.
    pub(crate) resident_peak_bytes: u64,
}

impl Usage {
    /// Of a process, from `/proc`.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Ok(Self {
            cpu_seconds: cpu_ticks(&stat).context("/proc/<pid>/stat has another form than expected")? as f64 / ticks,
            resident_bytes: status_bytes(&status, "VmRSS:"),
            resident_peak_bytes: status_bytes(&status, "VmHWM:"),
        })
    }
}

/// User and system time: fields 14 and 15. The name before them may hold spaces and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn status_bytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_what_a_server_says() {
        assert_eq!(address_in("aqueduct listens on http://127.0.0.1:8123\n").as_deref(), Some("127.0.0.1:8123"));
        assert_eq!(address_in("listening on http://127.0.0.1:8123/.").as_deref(), Some("127.0.0.1:8123"));
        assert_eq!(address_in(r#"{"listen":"127.0.0.1:9"}"#).as_deref(), Some("127.0.0.1:9"));
        assert_eq!(address_in("no address"), None);
    }

    #[test]
    fn reads_its_own_usage() {
        let usage = Usage::of(std::process::id()).expect("/proc");
        assert!(usage.resident_bytes > 100_000 && usage.resident_peak_bytes >= usage.resident_bytes);
        assert_eq!(cpu_ticks("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0"), Some(42));
    }
}
