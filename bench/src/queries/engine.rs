//! Another engine, as a process that answers one line of JSON with one line of JSON (`bench/queries/engine.py`).

use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running engine. It ends when its input is closed, which is when this is dropped.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) kind: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Engine {
    /// Starts an engine on a directory of its own, on as many threads as the server has.
    pub(super) fn start(kind: &'static str, python: &Path, dir: &Path) -> anyhow::Result<Self> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("queries/engine.py");
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut child = Command::new(python)
            .arg(script)
            .arg(kind)
            .arg(dir.join(kind))
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("the engine has no stdout")?);
        Ok(Self { kind, child, input, output })
    }

    fn call(&mut self, request: &Value) -> anyhow::Result<Value> {
        let input = self.input.as_mut().context("the engine has no stdin")?;
        writeln!(input, "{request}")?;
        input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("{} ended: {:?}", self.kind, self.child.try_wait()?);
        }
        let reply: Value = serde_json::from_str(&line).with_context(|| format!("{}: JSON expected, found {line:?}", self.kind))?;
        match reply["error"].as_str() {
            Some(error) => bail!("{}: {error}", self.kind),
            None => Ok(reply),
        }
    }

    /// Loads files of NDJSON; the answer is how many seconds that took.
    pub(super) fn load(&mut self, files: &[PathBuf]) -> anyhow::Result<f64> {
        self.call(&json!({ "load": files }))?["seconds"].as_f64().context("seconds expected")
    }

    /// Opens what was loaded before.
    pub(super) fn open(&mut self) -> anyhow::Result<()> {
        self.call(&json!({"open": true})).map(drop)
    }

    /// Milliseconds that a question took, on the clock and of all threads together, and its rows.
    pub(super) fn ask(&mut self, sql: &str) -> anyhow::Result<(f64, f64, Vec<Value>)> {
        let reply = self.call(&json!({ "ask": sql }))?;
        let rows = reply["rows"].as_array().cloned().context("rows expected")?;
        let number = |name: &str| reply[name].as_f64().context("milliseconds expected");
        Ok((number("ms")?, number("cpu_ms")?, rows))
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&mut self) -> anyhow::Result<u64> {
        self.call(&json!({"bytes": true}))?["bytes"].as_u64().context("bytes expected")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.input = None;
        // It has nothing left to say; how it ends does not matter.
        let _ = self.child.wait();
    }
}
