//! The ledger in this process: its file, the thread that keeps the books, the operator's view, and the way of dead letters back into the journal.

use crate::bridge::Bridge;
use crate::error::Fatal;
use crate::threads::{Alarm, spawn};
use aqueduct_api::{Replayable, Replays};
use aqueduct_event::{Clock, JournalPosition, Minute, PartitionId, ProjectId, UnixMicros, timestamp};
use aqueduct_journal::Journal;
use aqueduct_ledger::Account;
use aqueduct_ledger::account::{Interval, Ledger};
use aqueduct_process::{Books, BooksArgs, letter};
use aqueduct_store::{DeadLetter, EmbeddedStore};
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::StatusCode;
use redb::StorageBackend;
use redb::backends::FileBackend;
use serde::Deserialize;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Name of the account's file in the data directory.
pub(crate) const FILE: &str = "ledger.redb";
/// How often the sides are compared; the account is written at every second comparison.
const KEEP_EVERY: Duration = Duration::from_millis(500);
const SAVE_EVERY: u32 = 2;
/// Minutes that `/ledger` shows unless asked otherwise.
const SHOWN_MINUTES: u32 = 60;

/// Opens the account, or makes it.
pub(crate) fn open_account(data_dir: &Path, bridge: Bridge) -> Result<Arc<Account>, Fatal> {
    let path = data_dir.join(FILE);
    let shown = path.display().to_string();
    let dir = data_dir.to_owned();
    let open = move || -> std::io::Result<Box<dyn StorageBackend>> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        // The journal is trimmed by what the file says: its name must be as durable as what is in it.
        File::open(&dir)?.sync_all()?;
        Ok(Box::new(FileBackend::new(file).map_err(std::io::Error::other)?))
    };
    let account = Account::open(Box::new(open), Arc::new(bridge));
    let remedy = "check the disk, or move the file away: the ledger then begins anew with what the store says";
    account.map(Arc::new).map_err(|failure| Fatal::failure(&format!("cannot open {shown}"), failure, remedy))
}

/// Connects both sides.
pub(crate) fn open_books(
    journal: &Arc<dyn Journal>,
    store: &Arc<EmbeddedStore>,
    account: &Arc<Account>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Books>, Fatal> {
    let accounts: Arc<EmbeddedStore> = Arc::clone(store);
    let args = BooksArgs { journal: Arc::clone(journal), accounts, account: Arc::clone(account), clock: Arc::clone(clock) };
    let remedy = "check the disk, or restore a backup";
    Books::open(args).map(Arc::new).map_err(|failure| Fatal::failure("cannot open the ledger", failure, remedy))
}

/// The thread that keeps the books.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// Dropped to stop it: nothing is ever sent.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeping {
    pub(crate) fn start(books: &Arc<Books>, fatal: &mpsc::UnboundedSender<Fatal>) -> Result<Self, Fatal> {
        let (stop, heard) = channel::<()>();
        let (books, alarm) = (Arc::clone(books), Alarm::new(fatal, "the ledger"));
        let work = move || {
            let _alarm = alarm;
            for step in 1_u32.. {
                let stopping = heard.recv_timeout(KEEP_EVERY) == Err(RecvTimeoutError::Disconnected);
                let kept = books.step().and_then(|_| if stopping || step % SAVE_EVERY == 0 { books.save() } else { Ok(()) });
                if let Err(failure) = kept {
                    // What was not counted or saved is so next time; until then the journal is not trimmed.
                    tracing::error!(%failure, "the ledger could not be kept; it is tried again");
                }
                if stopping {
                    return;
                }
            }
        };
        Ok(Self { stop, thread: spawn("ledger", work)? })
    }

    /// Counts and saves a last time, then ends the thread. Blocks.
    pub(crate) fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

/// What `/ledger` is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// Begin, RFC 3339; an hour ago unless said.
    from: Option<String>,
    /// End; now unless said.
    to: Option<String>,
    /// One project; all unless said.
    project: Option<u32>,
    /// `minute`, `hour` or `day`.
    interval: Option<String>,
}

/// `/ledger` of the operator's listener: the account of all projects as JSON.
pub(crate) async fn show(State(ledger): State<Option<Arc<dyn Ledger>>>, Query(asked): Query<Asked>) -> Response {
    let Some(ledger) = ledger else { return (StatusCode::NOT_FOUND, "this process does not process events").into_response() };
    let now = aqueduct_event::SystemClock.now();
    let time = |text: Option<&str>, default: UnixMicros| text.map_or(Some(default), timestamp::parse);
    let (Some(to), interval) = (time(asked.to.as_deref(), now), asked.interval.as_deref()) else { return wrong("to") };
    let hour_before = UnixMicros(to.0 - i64::from(SHOWN_MINUTES) * 60_000_000);
    let Some(from) = time(asked.from.as_deref(), hour_before) else { return wrong("from") };
    let interval = match interval {
        None | Some("minute") => Interval::Minute,
        Some("hour") => Interval::Hour,
        Some("day") => Interval::Day,
        Some(_) => return (StatusCode::BAD_REQUEST, "interval: expected minute, hour or day").into_response(),
    };
    let minutes = Minute::of(from)..=Minute::of(to);
    let report = tokio::task::spawn_blocking(move || ledger.report(minutes, interval, asked.project.map(ProjectId))).await;
    match report {
        Ok(Ok(report)) => Json(report).into_response(),
        Ok(Err(failure)) => (StatusCode::SERVICE_UNAVAILABLE, failure.to_string()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn wrong(field: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{field}: expected a time by RFC 3339")).into_response()
}

/// Dead letters go back into the journal; commands and events of the API go there too.
#[derive(Debug)]
pub(crate) struct Replaying(pub(crate) Arc<dyn Journal>);

impl Replays for Replaying {
    fn record_of(&self, letter: &DeadLetter) -> Result<Replayable, String> {
        let record = letter::replay(letter).map_err(|error| error.to_string())?;
        let token = letter::token_of(&record).ok_or("found no record, expected one that can be read")?;
        Ok(Replayable { token, record })
    }

    fn append(&self, record: Vec<u8>) -> BoxFuture<'_, Result<(PartitionId, JournalPosition), String>> {
        // All of them share a key: they keep the order in which they were asked for.
        Box::pin(async move {
            let appended = self.0.append(0, record.into()).await;
            appended.map(|receipt| (receipt.partition, receipt.position)).map_err(|error| error.to_string())
        })
    }
}
