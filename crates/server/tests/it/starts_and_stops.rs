//! The first line says where; the first start makes what is needed; stopping is clean; a directory has one server.

use crate::process::{Server, aqueduct, ask};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn first_start_prints_what_it_made_and_the_next_does_not() {
    let directory = tempfile::tempdir().expect("directory");
    let mut server = Server::start_with(directory.path(), |command| {
        command.env_remove("AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN").env_remove("AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY")
    });
    assert!(server.first_line.starts_with("listening on http://127.0.0.1:") && !server.first_line.ends_with(":0"));
    let (token, key, setup) = (server.line(), server.line(), server.line());
    assert!(token.starts_with("project 1: token phc_"), "{token}");
    assert!(key.starts_with("personal API key (shown this once): phx_"), "{key}");
    assert!(setup.starts_with(&format!("make the first user at http://{}/setup?token=", server.address)), "{setup}");
    // Debug builds are slow; the bound is for release builds, where it is measured too.
    assert!(server.start_time < Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 }), "{:?}", server.start_time);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));

    let mut again = Server::start(directory.path());
    assert!(again.line().starts_with("make the first user at"), "nothing is made a second time, and there is no user yet");
    again.signal("INT");
    assert_eq!(again.wait().code(), Some(0));
}

#[test]
fn automation_may_make_the_first_user() {
    let directory = tempfile::tempdir().expect("directory");
    let user = [("AQUEDUCT_BOOTSTRAP_USER_EMAIL", "ann@example.com"), ("AQUEDUCT_BOOTSTRAP_USER_PASSWORD", "open sesame")];
    let mut server = Server::start_with(directory.path(), |command| command.envs(user));
    assert_eq!(server.line(), format!("project 1: token {}", crate::process::TOKEN));
    assert_eq!(server.line(), format!("sign in at http://{}/", server.address));
    let (status, body) = ask(&server.address, "POST", "/api/login/", Some(&json!({"email": "ann@example.com", "password": "open sesame"})));
    assert_eq!(status, 200, "{body}");
}

#[test]
fn a_second_server_on_a_directory_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let _first = Server::start(directory.path());
    let mut second = aqueduct();
    second.args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data-dir"]).arg(directory.path());
    let second = second.stdin(Stdio::null()).output().expect("runs");
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(second.stdout, b"");
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    let last = text.lines().last().expect("a line");
    assert!(last.contains("another server uses it; stop that one, or choose another with --data-dir"), "{text}");
}

#[test]
fn a_taken_port_is_a_failure_with_advice() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("address").to_string();
    let directory = tempfile::tempdir().expect("directory");
    let output =
        aqueduct().args(["serve", "--listen", &address, "--ops-listen", "127.0.0.1:0", "--data-dir"]).arg(directory.path()).output();
    let output = output.expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(&format!("cannot listen on {address}")) && text.contains("choose another address with listen"), "{text}");
}

#[test]
fn probes_and_metrics_answer() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    for address in [&server.address, &server.ops] {
        for path in ["/_liveness", "/_readiness"] {
            // The operator's readiness has more lines.
            let (status, text) = ask(address, "GET", path, None);
            assert_eq!((status, text.lines().next()), (200, Some("ok")), "{address}{path}");
        }
    }
    assert_eq!(server.batch("counted", &["ann".to_owned()]), 200);
    let (status, metrics) = ask(&server.ops, "GET", "/metrics", None);
    assert_eq!(status, 200);
    for name in ["aqueduct_server_connections_total", "aqueduct_journal_append_seconds_bucket"] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    assert_ne!(ask(&server.address, "GET", "/metrics", None).1, metrics, "metrics are the operator's");
    let me: Value = serde_json::from_str(&ask(&server.address, "GET", "/api/users/@me/", None).1).expect("JSON");
    assert_eq!(me["team"]["api_token"], crate::process::TOKEN);
}

#[test]
fn an_idle_server_is_small() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start(directory.path());
    std::thread::sleep(Duration::from_secs(1));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("reads");
    // Memory of its own: pages of the binary count for nothing that would be missed, and a debug binary has many.
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    let kilobytes: u64 = own.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes < 60 * 1024, "{kilobytes} kB of its own");
}

#[test]
fn roles_leave_out_what_they_do_not_name() {
    let directory = tempfile::tempdir().expect("directory");
    let server = Server::start_with(directory.path(), |command| command.args(["--roles", "capture"]));
    assert_eq!(server.batch("kept", &["ann".to_owned()]), 200);
    assert_eq!(ask(&server.address, "GET", "/api/projects/", None).0, 404);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    // What the edge took is understood by the next process that may.
    let server = Server::start(directory.path());
    server.wait_for_count("SELECT count() FROM events WHERE event = 'kept'", 1);
}
