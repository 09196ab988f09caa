//! A full disk refuses with 503 and `Retry-After` and recovers by itself; a sync that fails ends the server. Nothing acknowledged is lost.

use crate::process::{Server, TOKEN, ask};
use crate::starts_over_faults::Mount;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const COUNT: &str = "SELECT count(DISTINCT uuid) FROM events WHERE event = 'kept'";

/// One event with 20 kB that do not compress; answers the whole response.
fn send(server: &Server, number: u64) -> String {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = String::new();
    while noise.len() < 20_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise += &format!("{state:016x}");
    }
    let uuid = format!("018f0000-0000-4000-8000-{number:012x}");
    let event = json!({"event": "kept", "uuid": uuid, "distinct_id": "ann", "properties": {"noise": noise}});
    let body = json!({"api_key": TOKEN, "batch": [event]}).to_string();
    let mut stream = TcpStream::connect(&server.address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("sets");
    write!(
        stream,
        "POST /batch/ HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("writes");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_disk_that_fills_up() {
    let root = tempfile::tempdir().expect("directory");
    let Some(_mounted) = Mount::tmpfs(root.path(), "size=64m") else { return };
    let data = root.path().join("data");
    let server = Server::start(&data);
    assert_eq!(ask(&server.ops, "GET", "/_readiness", None).0, 200);
    // Somebody else fills the disk, but for what the journal keeps free.
    std::fs::write(root.path().join("filler"), vec![7; 48 << 20]).expect("writes");
    let mut acknowledged = 0;
    let refusal = loop {
        let answer = send(&server, acknowledged);
        if !answer.starts_with("HTTP/1.1 200") {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 3000, "never full");
    };
    assert!(refusal.starts_with("HTTP/1.1 503") && refusal.to_ascii_lowercase().contains("retry-after: "), "{refusal}");
    // What is fresh is written out, which may make room again; with a little more of the filler it does not.
    // How much of it fits plays no part.
    let _ = std::fs::write(root.path().join("filler2"), vec![7; 6 << 20]);
    until("readiness says it", || {
        let (status, why) = ask(&server.ops, "GET", "/_readiness", None);
        status == 503 && why.starts_with("not ready: journal is full: ")
    });
    let metrics = ask(&server.ops, "GET", "/metrics", None).1;
    assert!(metrics.contains("aqueduct_journal_full 1") && metrics.contains("aqueduct_journal_disk_free_bytes"), "metrics");
    server.wait_for_count(COUNT, acknowledged);
    std::fs::remove_file(root.path().join("filler")).expect("removes");
    std::fs::remove_file(root.path().join("filler2")).expect("removes");
    until("room that comes back is used", || send(&server, acknowledged).starts_with("HTTP/1.1 200"));
    assert_eq!(ask(&server.ops, "GET", "/_readiness", None).0, 200);
    server.signal("KILL");
    drop(server);
    let server = Server::start(&data);
    server.wait_for_count(COUNT, acknowledged + 1);
}

/// Writes to a file until not one byte more fits.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).expect("creates");
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

#[test]
fn a_disk_without_one_free_byte() {
    let root = tempfile::tempdir().expect("directory");
    let Some(_mounted) = Mount::tmpfs(root.path(), "size=128m") else { return };
    let (data, filler) = (root.path().join("data"), root.path().join("filler"));
    let server = Server::start(&data);
    let mut acknowledged = 0;
    while acknowledged < 200 {
        assert!(send(&server, acknowledged).starts_with("HTTP/1.1 200"));
        acknowledged += 1;
    }
    until("room is kept for a start", || data.join("ballast").exists());
    fill(&filler);
    let refusal = send(&server, acknowledged);
    assert!(refusal.starts_with("HTTP/1.1 503") && refusal.to_ascii_lowercase().contains("retry-after: "), "{refusal}");
    server.wait_for_count(COUNT, acknowledged);
    server.signal("KILL");
    drop(server);

    // It starts with what was kept for that: reads are served, writes refused.
    let server = Server::start(&data);
    server.wait_for_count(COUNT, acknowledged);
    assert!(send(&server, acknowledged).starts_with("HTTP/1.1 503"));
    server.signal("KILL");
    drop(server);

    // A start that needs more waits, and goes on by itself: one with nothing there yet has all of its files to make.
    let fresh = root.path().join("fresh");
    std::fs::create_dir(&fresh).expect("makes");
    let _ = std::fs::remove_file(data.join("ballast"));
    let more = root.path().join("more");
    fill(&more);
    let waited = Instant::now();
    let free = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        std::fs::remove_file(filler).and_then(|()| std::fs::remove_file(more)).expect("removes");
    });
    let server = Server::start(&fresh);
    assert!(waited.elapsed() >= Duration::from_secs(3), "it waited for room");
    free.join().expect("freed");
    drop(server);
    let server = Server::start(&data);
    server.wait_for_count(COUNT, acknowledged);
    until("room that comes back is used", || send(&server, acknowledged).starts_with("HTTP/1.1 200"));
    server.wait_for_count(COUNT, acknowledged + 1);
    until("room is kept again", || data.join("ballast").exists());
    until("the ledger balances", || ask(&server.ops, "GET", "/_readiness", None).1.contains("ledger: balanced"));
}

/// A library that makes the system fail and jump as files in `dir` say. `None`, said aloud, where no C compiler is.
fn shim(dir: &Path) -> Option<PathBuf> {
    let source = format!(
        r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int fdatasync(int fd) {{
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    if (access("{0}/fail", F_OK) == 0) {{ errno = EIO; return -1; }}
    return real(fd);
}}
int clock_gettime(clockid_t id, struct timespec *at) {{
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(id, at);
    if (id == CLOCK_REALTIME) {{
        FILE *file = fopen("{0}/jump", "r");
        long seconds = 0;
        if (file) {{ if (fscanf(file, "%ld", &seconds) == 1) at->tv_sec += seconds; fclose(file); }}
    }}
    return answer;
}}
"#,
        dir.display()
    );
    let (from, to) = (dir.join("shim.c"), dir.join("shim.so"));
    std::fs::write(&from, source).expect("writes");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&to).arg(&from).arg("-ldl").status();
    if made.is_ok_and(|status| status.success()) {
        return Some(to);
    }
    eprintln!("SKIPPED: there is no C compiler (cc), which this test needs");
    None
}

#[test]
fn a_sync_that_fails() {
    let root = tempfile::tempdir().expect("directory");
    let Some(shim) = shim(root.path()) else { return };
    let data = root.path().join("data");
    let server = Server::start_with(&data, |command| command.env("LD_PRELOAD", &shim));
    for number in 0..20 {
        assert!(send(&server, number).starts_with("HTTP/1.1 200"));
    }
    std::fs::write(root.path().join("fail"), b"").expect("writes");
    let refusal = send(&server, 20);
    assert!(!refusal.starts_with("HTTP/1.1 200"), "{refusal}");
    assert_eq!(server.wait().code(), Some(1), "it ends by itself");
    std::fs::remove_file(root.path().join("fail")).expect("removes");
    let server = Server::start(&data);
    until("all that was acknowledged is there", || server.query(COUNT)[0].as_u64() >= Some(20));
    assert!(send(&server, 21).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_clock_that_jumps() {
    let root = tempfile::tempdir().expect("directory");
    let Some(shim) = shim(root.path()) else { return };
    let server = Server::start_with(&root.path().join("data"), |command| command.env("LD_PRELOAD", &shim));
    let mut sent = 0;
    for jump in ["0", "18000", "-18000", "3600", "0"] {
        std::fs::write(root.path().join("jump.new"), jump).expect("writes");
        std::fs::rename(root.path().join("jump.new"), root.path().join("jump")).expect("renames");
        for _ in 0..3 {
            assert!(send(&server, sent).starts_with("HTTP/1.1 200"));
            // The same again, under another clock soon: it stays one.
            assert!(send(&server, sent / 2).starts_with("HTTP/1.1 200"));
            sent += 1;
        }
        server.wait_for_count("SELECT count() FROM events WHERE event = 'kept'", sent);
    }
    assert_eq!(ask(&server.ops, "GET", "/_readiness", None).0, 200);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
