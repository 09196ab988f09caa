//! `aqueduct dead-letters`: events that could not be processed, of a running server.

use crate::cli::{DeadLettersArgs, LetterAction};
use crate::client::segment;
use crate::error::Fatal;
use crate::remote::Remote;
use http::Method;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;

/// Letters that are asked for at once.
const PAGE: usize = 500;

/// Does what is asked and prints what came of it.
pub(crate) fn run(arguments: &DeadLettersArgs) -> Result<(), Fatal> {
    let letters = Letters { remote: Remote::parse(&arguments.url, arguments.api_key.as_deref())?, project: &arguments.project };
    match &arguments.action {
        LetterAction::List { unassigned, limit } => letters.list(*unassigned, *limit),
        LetterAction::Show { id } => print(&pretty(&letters.ask(Method::GET, &path(id)?, None)?)),
        LetterAction::Fix { id, file } => {
            let payload = read(file)?;
            letters.ask(Method::PATCH, &path(id)?, Some(&json!({"payload": payload})))?;
            print(&format!("{id}: the payload is replaced; replay it with `aqueduct dead-letters replay {id}`"))
        }
        LetterAction::Replay { id: Some(id), .. } => letters.replay(id),
        LetterAction::Replay { id: None, .. } => letters.replay_all(),
        LetterAction::Discard { id } => {
            letters.ask(Method::DELETE, &path(id)?, None)?;
            print(&format!("{id}: discarded"))
        }
    }
}

/// What follows `/dead_letters` in the address of one.
fn path(id: &str) -> Result<String, Fatal> {
    let known: Result<aqueduct_event::LetterId, _> = id.parse();
    known.map(|id| format!("/{id}/")).map_err(|error| Fatal::Usage(error.to_string()))
}

/// The dead letters of a project.
struct Letters<'a> {
    remote: Remote,
    project: &'a str,
}

impl Letters<'_> {
    /// `Value::Null` for an answer without a body.
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Fatal> {
        let path = format!("/api/projects/{}/dead_letters{path}", segment(self.project));
        let text = self.remote.ask(method, &path, body.map(Value::to_string))?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    fn list(&self, unassigned: bool, limit: u32) -> Result<(), Fatal> {
        let page = self.ask(Method::GET, &format!("/?limit={limit}&unassigned={unassigned}"), None)?;
        let letters = page["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        for letter in letters {
            let text = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
            let (id, at, reason) = (text("id"), text("received_at"), text("reason"));
            print(&format!("{id}\t{at}\t{reason}\t{}\t{}\t{}", text("event"), text("distinct_id"), text("detail")))?;
        }
        let count = page["count"].as_u64().unwrap_or_default();
        if count > letters.len() as u64 {
            print(&format!("{} of {count} dead letters; --limit shows more", letters.len()))?;
        }
        Ok(())
    }

    fn replay(&self, id: &str) -> Result<(), Fatal> {
        self.ask(Method::POST, &format!("{}replay/", path(id)?), None)?;
        print(&format!("{id}: goes through processing again"))
    }

    fn replay_all(&self) -> Result<(), Fatal> {
        // The list first: what dies again has the same id, and must not be replayed for ever.
        let mut ids: Vec<String> = Vec::new();
        loop {
            let page = self.ask(Method::GET, &format!("/?limit={PAGE}&offset={}", ids.len()), None)?;
            let letters = page["results"].as_array().cloned().unwrap_or_default();
            ids.extend(letters.iter().filter_map(|letter| letter["id"].as_str().map(str::to_owned)));
            if letters.len() < PAGE {
                break;
            }
        }
        for id in &ids {
            self.replay(id)?;
        }
        print(&format!("{} dead letters replayed", ids.len()))
    }
}

fn read(file: &Path) -> Result<Value, Fatal> {
    let mut text = String::new();
    let shown = file.display();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text),
        _ => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|failure| Fatal::failure(&format!("cannot read {shown}"), failure, "check the path"))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| Fatal::Usage(format!("{shown}: expected JSON, {error}")))?;
    // What `show` prints is a letter; its payload is what can be mended.
    Ok(match value.get("payload") {
        Some(payload) => payload.clone(),
        None => value,
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A reader that is gone, as of `… | head`, ends it quietly.
fn print(line: &str) -> Result<(), Fatal> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Fatal::failure("cannot print", error, "check stdout")),
        _ => Ok(()),
    }
}
