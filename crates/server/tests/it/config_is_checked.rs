//! Wrong usage and config end with code 2 before anything starts, and name what is wrong and where.

use crate::process::{Server, aqueduct, ask};
use expect_test::expect;
use std::path::Path;

/// The last line on stderr and the exit code of a `serve` that must not start.
fn refusal(directory: &Path, config: Option<&str>, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = aqueduct();
    command.args(["serve", "--data-dir"]).arg(directory.join("data"));
    if let Some(text) = config {
        let path = directory.join("aqueduct.toml");
        std::fs::write(&path, text).expect("writes");
        command.arg("--config").arg(path);
    }
    let output = command.args(arguments).envs(variables.iter().copied()).output().expect("runs");
    assert_eq!(output.stdout, b"");
    assert!(!directory.join("data").exists(), "nothing was started");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().rfind(|line| line.starts_with("aqueduct: ")).unwrap_or(&text).to_owned();
    format!("{} {}", output.status.code().unwrap_or(-1), line.replace(&directory.display().to_string(), "DIR"))
}

#[test]
fn the_file_the_key_and_the_value_are_named() {
    let directory = tempfile::tempdir().expect("directory");
    let of = |config, arguments: &[&str], variables: &[(&str, &str)]| refusal(directory.path(), config, arguments, variables);
    let answers = [
        of(Some("listne = \"127.0.0.1:0\""), &[], &[]),
        of(Some("[journal]\nsegment_byte = 5"), &[], &[]),
        of(Some("[journal]\nsegment_bytes = \"many\""), &[], &[]),
        of(Some("listen = \"somewhere\""), &[], &[]),
        of(Some("listen = "), &[], &[]),
        of(None, &["--listen", "somewhere"], &[]),
        of(None, &["--roles", "capture,cook"], &[]),
        of(None, &["--config", "/nowhere.toml"], &[]),
        of(None, &[], &[("AQUEDUCT_JOURNAL_SEGMENT_BYTES", "-1")]),
        of(None, &[], &[("AQUEDUCT_LOG_FORMAT", "xml")]),
        of(None, &[], &[("AQUEDUCT_STORE_SHARDS", "0")]),
        of(None, &[], &[("AQUEDUCT_BOOTSTRAP_USER_EMAIL", "ann@example.com")]),
    ];
    expect![[r#"
        2 aqueduct: DIR/aqueduct.toml: listne: unknown key, expected one of data_dir, listen, ops_listen, roles, memory_max, log, http, capture, journal, process, store, query, trace
        2 aqueduct: DIR/aqueduct.toml: journal.segment_byte: unknown key, expected one of dir, segment_bytes, group_commit_wait_micros, bytes_max, retain_bytes, disk_free_min_bytes, disk_free_min_percent, read_cache_bytes, queue_bytes_max
        2 aqueduct: DIR/aqueduct.toml: journal.segment_bytes: found string "many", expected a whole number, not negative
        2 aqueduct: DIR/aqueduct.toml: listen: found "somewhere", expected an address and a port such as "127.0.0.1:8000"
        2 aqueduct: DIR/aqueduct.toml: TOML parse error at line 1, column 10
        2 aqueduct: option --listen: listen: found "somewhere", expected an address and a port such as "127.0.0.1:8000"
        2 aqueduct: option --roles: roles: found "cook", expected some of capture, process, api
        2 aqueduct: --config: found no file /nowhere.toml, expected a TOML file
        2 aqueduct: environment variable AQUEDUCT_JOURNAL_SEGMENT_BYTES: journal.segment_bytes: found signed int `-1`, expected a whole number, not negative
        2 aqueduct: environment variable AQUEDUCT_LOG_FORMAT: log.format: found "xml", expected one of auto, human, json
        2 aqueduct: store.shards: found 0, expected at least 1
        2 aqueduct: AQUEDUCT_BOOTSTRAP_USER_EMAIL: found without AQUEDUCT_BOOTSTRAP_USER_PASSWORD, expected both or none"#]].assert_eq(&answers.join("\n"));
}

#[test]
fn wrong_usage() {
    for arguments in [&[][..], &["serve", "--listen", "x"], &["fly"]] {
        let output = aqueduct().args(arguments).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn wrong_bootstrap_values_are_usage_too() {
    let directory = tempfile::tempdir().expect("directory");
    let mut command = aqueduct();
    command.args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data-dir"]).arg(directory.path().join("data"));
    let output = command.env("AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY", "secret").output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY: found 6 bytes") && !text.contains("secret"), "{text}");
}

#[test]
fn options_stand_above_variables_and_these_above_the_file() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("aqueduct.toml");
    std::fs::write(&path, "ops_listen = \"127.0.0.1:1\"\n[log]\nformat = \"json\"\n[http]\nconnections_max = 100\n").expect("writes");
    let server = Server::start_with(&directory.path().join("data"), |command| {
        command.arg("--config").arg(&path).env("AQUEDUCT_LISTEN", "not used").env("AQUEDUCT_HTTP_CONNECTIONS_MAX", "200")
    });
    assert_eq!(ask(&server.address, "GET", "/_liveness", None).0, 200);
}

#[test]
fn the_reference_is_a_config_file() {
    let output = aqueduct().arg("config").output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("aqueduct.toml");
    std::fs::write(&path, &output.stdout).expect("writes");
    let server = Server::start_with(&directory.path().join("data"), |command| command.arg("--config").arg(&path));
    assert_eq!(ask(&server.address, "GET", "/_liveness", None).0, 200);
}
