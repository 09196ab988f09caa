//! Whatever is wrong with a data directory or with the machine: a defined outcome, one line, exit code 1.

use crate::process::{Server, aqueduct, ask};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn refusal(data: &Path) -> String {
    let mut command = aqueduct();
    command.args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    let output = command.output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_file_in_its_place() {
    let root = tempfile::tempdir().expect("directory");
    let data = root.path().join("data");
    std::fs::write(&data, b"a file").expect("writes");
    let refused = refusal(&data);
    assert!(
        refused.contains("cannot make the data directory") && refused.contains("choose a directory that this user may write"),
        "{refused}"
    );
}

#[test]
fn a_read_only_file_system() {
    let root = tempfile::tempdir().expect("directory");
    let Some(_mounted) = Mount::tmpfs(root.path(), "ro") else { return };
    let refused = refusal(&root.path().join("data"));
    assert!(refused.contains("Read-only file system") && refused.contains("choose a directory that this user may write"), "{refused}");
}

#[test]
fn a_store_that_is_older_than_its_journal() {
    let root = tempfile::tempdir().expect("directory");
    let (data, old) = (root.path().join("data"), root.path().join("old"));
    let server = Server::start(&data);
    assert_eq!(server.batch("kept", &["ann".to_owned()]), 200);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(Command::new("cp").arg("-r").arg(data.join("store")).arg(&old).status().expect("runs").success());
    // Segments so small that the first ones are trimmed.
    let server = Server::start_with(&data, |command| {
        command
            .env("AQUEDUCT_JOURNAL_SEGMENT_BYTES", "4096")
            .env("AQUEDUCT_JOURNAL_RETAIN_BYTES", "0")
            .env("AQUEDUCT_STORE_FLUSH_AGE_MS", "100")
    });
    let oldest = || {
        let names = std::fs::read_dir(data.join("journal")).expect("lists").map(|entry| entry.expect("an entry").file_name());
        names.filter_map(|name| name.to_str()?.strip_suffix(".journal")?.parse::<u64>().ok()).min()
    };
    let begun = Instant::now();
    while oldest() < Some(10) {
        assert_eq!(server.batch("kept", &(0..40).map(|number| format!("person{number}")).collect::<Vec<_>>()), 200);
        assert!(begun.elapsed() < Duration::from_secs(30), "trimmed");
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    std::fs::remove_dir_all(data.join("store")).expect("removes");
    std::fs::rename(&old, data.join("store")).expect("renames");
    let refused = refusal(&data);
    assert!(refused.contains("was trimmed, the journal begins at") && refused.contains("of the same time"), "{refused}");
    let check = aqueduct().args(["check", "--data-dir"]).arg(&data).output().expect("runs");
    assert!(String::from_utf8_lossy(&check.stdout).contains("the store is older than the journal"), "{check:?}");
}

#[test]
fn few_open_files() {
    let root = tempfile::tempdir().expect("directory");
    let script = format!(
        "ulimit -n 96; exec {} serve --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0 --data-dir \"$0\"",
        env!("CARGO_BIN_EXE_aqueduct")
    );
    let server = Server::start_by(Command::new("sh").arg("-c").arg(script).arg(root.path().join("data")));
    let idle: Vec<_> = (0..60).map(|_| std::net::TcpStream::connect(&server.address)).collect();
    drop(idle);
    let begun = Instant::now();
    for number in 0..20 {
        // Those that are too many are closed at once, until the idle ones are seen to be gone.
        while !server.try_batch("kept", &[format!("person{number}")]).is_ok_and(|status| status == 200) {
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    server.wait_for_count("SELECT count() FROM events WHERE event = 'kept'", 20);
}

#[test]
fn frozen_for_half_a_minute() {
    let root = tempfile::tempdir().expect("directory");
    let server = Server::start(&root.path().join("data"));
    assert_eq!(server.batch("kept", &["before".to_owned()]), 200);
    server.signal("STOP");
    std::thread::sleep(Duration::from_secs(30));
    server.signal("CONT");
    assert_eq!(server.batch("kept", &["after".to_owned()]), 200);
    server.wait_for_count("SELECT count() FROM events WHERE event = 'kept'", 2);
    assert_eq!(ask(&server.ops, "GET", "/_readiness", None).0, 200);
}

/// A small file system of its own, where this user may mount one.
pub(crate) struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    pub(crate) fn tmpfs(at: &'a Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "aqueduct-test"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("SKIPPED: this user may not mount a tmpfs, which this test needs");
        None
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
