//! `aqueduct import`: sends events from files to a running server, in the lane of imports, and proves that they are there.
//!
//! ```text
//! files ─ records ─ events ─▶ by distinct id ─▶ workers ─HTTP─▶ durable ─▶ looked for in the store ─▶ settled
//!   (input, records, event)                       (send)                      (verify)             (window, state)
//! ```
//!
//! # Invariants
//! - Memory is bounded: so many records are under way at most, each record is bounded, and whoever is behind makes those before wait.
//! - A restart goes on behind the last record before which all is settled. What is sent again is known by its id and stored once.
//! - Events of one distinct id arrive in the order of the input.

mod event;
mod input;
mod records;
mod send;
mod state;
mod verify;
mod window;

use crate::cli::ImportArgs;
use crate::client::{Call, CallError, Client, Server, segment};
use crate::error::Fatal;
use event::{Origin, Unfit, events_of, known_by};
use http::StatusCode;
use input::Input;
use parking_lot::Mutex;
use records::Records;
use send::{Batch, Worker};
use serde::Deserialize;
use serde_json::json;
use state::Notes;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use verify::Verifier;
use window::{Counts, Fate, Position, Window};

/// Records that are under way at most.
const RECORDS_MAX: usize = 100_000;
/// A batch that is not full goes after so long: the position must not wait for a distinct id that comes seldom.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
const SAVE_EVERY: Duration = Duration::from_secs(1);
const SHOW_EVERY: u32 = 2;
/// Batches that wait for a worker.
const BATCHES_MAX: usize = 2;
/// Requests whose events wait to be looked for.
const SENT_MAX: usize = 32;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Tells the server that the events are not those of whoever sends them.
const IMPORT_HEADER: (&str, &str) = ("aqueduct-import", "1");

/// Imports.
pub(crate) fn run(arguments: &ImportArgs) -> Result<(), Fatal> {
    crate::runtime("work", 0)?.block_on(import(arguments))
}

/// Everything that an import needs.
struct Import {
    inputs: Vec<Input>,
    server: Server,
    token: String,
    notes: Notes,
    window: Arc<Mutex<Window>>,
    /// Bytes read of the inputs as they lie there.
    read: Arc<AtomicU64>,
}

async fn import(arguments: &ImportArgs) -> Result<(), Fatal> {
    let server = Server::parse(&arguments.url)?;
    let inputs: Vec<Input> = match &*arguments.files {
        [] => vec![Input::Stdin],
        files => files.iter().map(|path| Input::named(path)).collect(),
    };
    let token = token(arguments, &server).await?;
    let has_stdin = inputs.contains(&Input::Stdin);
    let (state, rejects) = paths(arguments, &server, &token, &inputs);
    // What comes through a pipe may be another thing each time.
    let anew = arguments.restart || (has_stdin && arguments.state.is_none());
    let notes = Notes::open(&state, &rejects, (&server.url(), &token), &inputs, anew)?;
    if notes.state.position != Position::default() {
        eprintln!("goes on where {} says", state.display());
    }
    let window = Arc::new(Mutex::new(Window::new(notes.state.position, notes.state.counts)));
    let mut import = Import { inputs, server, token, notes, window, read: Arc::default() };
    let begun = Instant::now();
    import.run(arguments).await?;
    let counts = import.notes.state.counts;
    let said = format!("imported in {:.1} s", begun.elapsed().as_secs_f64());
    finish(arguments, counts, &said, &rejects)?;
    import.notes.finish()
}

impl Import {
    /// Starts all parts and notes how far they are, until they are done or one has failed.
    async fn run(&mut self, arguments: &ImportArgs) -> Result<(), Fatal> {
        let mut tasks: JoinSet<Result<(), Fatal>> = JoinSet::new();
        let patience = Duration::from_secs(arguments.patience);
        let verify = arguments.api_key.as_ref().map(|key| {
            let client = Client::new(self.server.clone(), Some(key.clone()));
            let verifier = Verifier::new(client, arguments.project.clone(), Arc::clone(&self.window), patience);
            let (sender, receiver) = mpsc::channel(SENT_MAX);
            tasks.spawn(verifier.run(receiver));
            sender
        });
        let mut lanes = Vec::new();
        for _ in 0..arguments.workers.max(1) {
            let client = Client::new(self.server.clone(), None).marked(IMPORT_HEADER.0, IMPORT_HEADER.1);
            let (token, window, verify) = (self.token.clone(), Arc::clone(&self.window), verify.clone());
            let (sender, receiver) = mpsc::channel(BATCHES_MAX);
            tasks.spawn(Worker { client, token, window, verify, patience }.run(receiver));
            lanes.push(sender);
        }
        drop(verify);
        let reader = Reader {
            batches: lanes.iter().map(|_| Batch::default()).collect(),
            lanes,
            window: Arc::clone(&self.window),
            read: Arc::clone(&self.read),
            from: self.notes.state.position,
            sets_person: arguments.person_properties,
            flushed: Instant::now(),
        };
        let inputs = self.inputs.clone();
        tasks.spawn(async move {
            let read = tokio::task::spawn_blocking(move || reader.run(&inputs)).await;
            read.map_err(|failure| Fatal::failure("reading broke off", failure, "report this"))?
        });
        let outcome = self.watch(&mut tasks).await;
        tasks.shutdown().await;
        // Also after a failure: what is settled needs not be sent again.
        self.note()?;
        outcome
    }

    async fn watch(&mut self, tasks: &mut JoinSet<Result<(), Fatal>>) -> Result<(), Fatal> {
        let mut tick = tokio::time::interval(SAVE_EVERY);
        let (mut ticks, total, begun) = (0, self.inputs.iter().map(Input::bytes).sum::<u64>(), Instant::now());
        let before = self.notes.state.counts;
        loop {
            tokio::select! {
                done = tasks.join_next() => match done {
                    None => return Ok(()),
                    Some(Ok(done)) => done?,
                    Some(Err(failure)) => return Err(Fatal::failure("the import broke off", failure, "report this")),
                },
                _ = tick.tick() => {
                    self.note()?;
                    ticks += 1;
                    if ticks % SHOW_EVERY == 0 {
                        self.show(before, total, begun.elapsed());
                    }
                }
            }
        }
    }

    /// Writes down what is settled, and names what was rejected.
    fn note(&mut self) -> Result<(), Fatal> {
        let (position, counts, rejects) = {
            let mut window = self.window.lock();
            (window.position, window.counts, std::mem::take(&mut window.rejects))
        };
        for reject in &rejects {
            eprintln!("{}:{}: {}", self.inputs[reject.input].shown(), reject.line, reject.unfit.why);
        }
        self.notes.save(position, counts, &rejects)
    }

    fn show(&self, before: Counts, total: u64, elapsed: Duration) {
        let counts = self.notes.state.counts;
        let rate = (counts.accepted - before.accepted) as f64 / elapsed.as_secs_f64();
        let share = match total {
            0 => String::new(),
            total => format!(" ({:.0} %)", (self.read.load(Ordering::Relaxed) as f64 / total as f64 * 100.0).min(100.0)),
        };
        eprintln!("{} events{share}, {rate:.0}/s, {} rejected", counts.accepted, counts.rejected);
    }
}

/// The token of the project: as named, or as the server says to whoever has a key.
async fn token(arguments: &ImportArgs, server: &Server) -> Result<String, Fatal> {
    let Some(key) = &arguments.api_key else {
        let missing = "--token: found none, expected the project's token, or --api-key with which the server tells it";
        let token = arguments.token.clone().ok_or_else(|| Fatal::Usage(missing.to_owned()))?;
        // Events of an unknown token are accepted, and dropped later: nobody knows then that it may not become known.
        let path = format!("/array/{}/config", segment(&token));
        return match Client::new(server.clone(), None).call(Call::get(&path, ANSWER_TIMEOUT)).await {
            Err(CallError::Status { status: StatusCode::NOT_FOUND, .. }) => {
                Err(Fatal::Usage(format!("--token: found one that {} does not know, expected that of a project", server.url())))
            }
            _ => Ok(token),
        };
    };
    #[derive(Deserialize)]
    struct Project {
        api_token: String,
    }
    let path = format!("/api/projects/{}/", segment(&arguments.project));
    let what = format!("cannot ask {} for project {}", server.url(), arguments.project);
    let answer = Client::new(server.clone(), Some(key.clone())).call(Call::get(&path, ANSWER_TIMEOUT)).await.map_err(|failure| {
        let remedy = failure.remedy();
        Fatal::failure(&what, failure, remedy)
    })?;
    let project: Project =
        serde_json::from_slice(&answer).map_err(|failure| Fatal::failure(&what, failure, "use the same version as the server"))?;
    match &arguments.token {
        Some(token) if *token != project.api_token => {
            Err(Fatal::Usage(format!("--token: found one that is not that of project {}, expected it, or --project", arguments.project)))
        }
        _ => Ok(project.api_token),
    }
}

/// Where state and rejects are, unless said: named by what is imported to where.
fn paths(arguments: &ImportArgs, server: &Server, token: &str, inputs: &[Input]) -> (PathBuf, PathBuf) {
    let names: Vec<String> = inputs.iter().map(Input::shown).collect();
    let name = format!("aqueduct-import-{:08x}", crc32c::crc32c(format!("{}\0{token}\0{}", server.url(), names.join("\0")).as_bytes()));
    let state = arguments.state.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.json")));
    let rejects = arguments.rejects.clone().unwrap_or_else(|| state.with_extension("rejects.ndjson"));
    (state, rejects)
}

/// Says what came of it.
fn finish(arguments: &ImportArgs, counts: Counts, said: &str, rejects: &std::path::Path) -> Result<(), Fatal> {
    let Counts { accepted, stored, dropped, missing, rejected } = counts;
    let is_verified = arguments.api_key.is_some() && stored + dropped == accepted;
    let text = if arguments.json {
        json!({"accepted": accepted, "stored": stored, "dropped": dropped, "missing": missing, "rejected": rejected, "verified": is_verified})
            .to_string()
    } else {
        let verified = match &arguments.api_key {
            Some(_) => format!("{stored} are stored, {dropped} were left out by a rule or are dead letters"),
            None => "durable; not verified further: that needs --api-key".to_owned(),
        };
        format!("{said}: {accepted} events, {verified}; {rejected} rejected")
    };
    // A reader that has gone is no failure.
    let _ = writeln!(std::io::stdout(), "{text}");
    if rejected > 0 {
        eprintln!("what was rejected is in {}", rejects.display());
    }
    if arguments.api_key.is_some() && !is_verified {
        let why = format!(
            "{accepted} events were acknowledged, {stored} are stored and {dropped} left out: {} are missing",
            accepted - stored - dropped
        );
        return Err(Fatal::failure("the import is not whole", why, "see above, and `aqueduct trace`"));
    }
    Ok(())
}

/// Reads inputs and gives events to the workers.
struct Reader {
    lanes: Vec<mpsc::Sender<Batch>>,
    batches: Vec<Batch>,
    window: Arc<Mutex<Window>>,
    read: Arc<AtomicU64>,
    /// All before is settled.
    from: Position,
    sets_person: bool,
    flushed: Instant,
}

/// Nobody takes events any more: a worker has failed, and says so.
struct Stopped;

impl Reader {
    fn run(mut self, inputs: &[Input]) -> Result<(), Fatal> {
        for (place, input) in inputs.iter().enumerate().skip(self.from.input) {
            match self.input(place, input) {
                Ok(Ok(())) => {}
                Ok(Err(Stopped)) => return Ok(()),
                Err(failure) => {
                    // What was read of it is good.
                    let _ = self.flush();
                    return Err(failure);
                }
            }
        }
        let _ = self.flush();
        Ok(())
    }

    fn input(&mut self, place: usize, input: &Input) -> Result<Result<(), Stopped>, Fatal> {
        let failed = |error: std::io::Error| input.failed(&error);
        let mut records = Records::new(input.open(&self.read)?).map_err(failed)?;
        let mut known = None;
        while let Some(record) = records.next().map_err(failed)? {
            let known = *known.get_or_insert_with(|| known_by(&record.text));
            if place == self.from.input && record.end <= self.from.byte {
                continue;
            }
            let origin = Origin { input: known, end: record.end, sets_person: self.sets_person };
            let text = || String::from_utf8_lossy(&record.text).into_owned();
            let events = match record.fault {
                Some(why) => vec![Err(Unfit { why: why.to_owned(), text: text() })],
                None => events_of(&record.text, origin),
            };
            let number = self.window.lock().enter(Position { input: place, byte: record.end }, record.line, events.len());
            for event in events {
                match event {
                    Err(unfit) => self.window.lock().settle(number, Fate::Rejected(unfit)),
                    Ok(event) => {
                        let hasher = BuildHasherDefault::<DefaultHasher>::default();
                        let lane = (hasher.hash_one(&event.distinct_id) % self.lanes.len() as u64) as usize;
                        self.batches[lane].push(number, event);
                        if self.batches[lane].is_full()
                            && let Err(stopped) = self.send(lane)
                        {
                            return Ok(Err(stopped));
                        }
                    }
                }
            }
            if let Err(stopped) = self.keep_pace() {
                return Ok(Err(stopped));
            }
        }
        Ok(Ok(()))
    }

    /// Sends what has waited for long, and waits while too much is under way.
    fn keep_pace(&mut self) -> Result<(), Stopped> {
        let is_much = |reader: &Self| reader.window.lock().len() >= RECORDS_MAX;
        if self.flushed.elapsed() > FLUSH_EVERY || is_much(self) {
            self.flush()?;
        }
        while is_much(self) {
            if self.lanes.iter().any(mpsc::Sender::is_closed) {
                return Err(Stopped);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        self.flushed = Instant::now();
        (0..self.lanes.len()).try_for_each(|lane| self.send(lane))
    }

    fn send(&mut self, lane: usize) -> Result<(), Stopped> {
        let batch = std::mem::take(&mut self.batches[lane]);
        if batch.events.is_empty() {
            return Ok(());
        }
        self.lanes[lane].blocking_send(batch).map_err(|_| Stopped)
    }
}
