//! `aqueduct check` names what is damaged, and a server over damaged files does not start, or answers as before.

use crate::process::{Server, aqueduct};
use std::path::{Path, PathBuf};
use std::process::Output;

fn check(data: &Path, more: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = aqueduct().args(["check", "--data-dir"]).arg(data).args(more).output().expect("runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The message of a start that is refused; `None` when it starts.
fn refusal(data: &Path) -> Option<String> {
    let mut command = aqueduct();
    command.args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("stdout"));
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("reads");
    if !line.is_empty() {
        child.kill().expect("kills");
    }
    let output = child.wait_with_output().expect("ends");
    line.is_empty().then(|| String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_byte_of_each_file() {
    let root = tempfile::tempdir().expect("directory");
    let data = root.path().join("data");
    let server = Server::start(&data);
    assert_eq!(server.batch("kept", &(0..50).map(|number| format!("person{number}")).collect::<Vec<_>>()), 200);
    server.wait_for_count("SELECT count() FROM events WHERE event = 'kept'", 50);
    let (code, text) = check(&data, &[]);
    assert!(code == Some(1) && text.contains("a server uses it; stop it first"), "{text}");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let (code, text) = check(&data, &[]);
    assert!(code == Some(0) && text.contains(" 0 damaged; 50 rows in 1 segments"), "{text}");

    let wanted = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        ["parquet", "redb", "sqlite", "journal", "seen", "sums"].iter().any(|ending| name.ends_with(ending))
    };
    let all: Vec<PathBuf> = files(&data).into_iter().filter(wanted).collect();
    assert!(all.len() >= 6, "{all:?}");
    for path in all {
        let good = std::fs::read(&path).expect("reads");
        let mut bad = good.clone();
        match path.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
            // The account begins anew when it is lost; its free pages are of no account.
            "ledger.redb" => bad[4096..].iter_mut().step_by(512).for_each(|byte| *byte ^= 4),
            name if name.ends_with(".journal") => bad[40] ^= 4,
            _ => bad[good.len() / 2] ^= 4,
        }
        std::fs::write(&path, &bad).expect("writes");
        let (code, text) = check(&data, &[]);
        let damaged = text.lines().any(|line| line.starts_with("DAMAGED") && line.contains(&path.display().to_string()));
        assert!(code == Some(1) && damaged, "{}: {text}", path.display());
        std::fs::write(&path, &good).expect("writes");
    }
    assert_eq!(check(&data, &[]).0, Some(0));
}

#[test]
fn what_a_start_says_of_damage() {
    let root = tempfile::tempdir().expect("directory");
    let data = root.path().join("data");
    let server = Server::start(&data);
    assert_eq!(server.batch("kept", &["ann".to_owned()]), 200);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    for (name, expected) in [("catalog.sqlite", "catalog.sqlite is damaged: byte "), ("store/manifest.redb", "is damaged")] {
        let path = data.join(name);
        let good = std::fs::read(&path).expect("reads");
        let mut bad = good.clone();
        bad[70] ^= 1;
        std::fs::write(&path, &bad).expect("writes");
        let refused = refusal(&data).expect("refused");
        assert!(refused.starts_with("aqueduct: cannot open the ") && refused.contains(expected), "{refused}");
        std::fs::write(&path, &good).expect("writes");
    }
    std::fs::rename(data.join("store/manifest.redb"), root.path().join("manifest")).expect("renames");
    let refused = refusal(&data).expect("refused");
    assert!(refused.contains("is missing, yet there are 1 segments"), "{refused}");
    std::fs::rename(root.path().join("manifest"), data.join("store/manifest.redb")).expect("renames");

    std::fs::rename(data.join("journal"), root.path().join("journal")).expect("renames");
    let refused = refusal(&data).expect("refused");
    assert!(
        refused.contains("yet the store has confirmed all before 1") && refused.contains("put the journal of this store back"),
        "{refused}"
    );
    let (code, text) = check(&data, &["--repair"]);
    assert!(code == Some(1) && text.contains("nowhere else"), "{text}");
    let (code, text) = check(&data, &["--repair", "--accept-loss"]);
    assert!(code == Some(0) && text.contains("LOST    journal records from position 1 to the end"), "{text}");
    let server = Server::start(&data);
    server.wait_for_count("SELECT count() FROM events WHERE event = 'kept'", 1);
}
