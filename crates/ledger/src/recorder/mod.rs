//! The recorder: keeps what a trace needs and nothing else has. Receipts of accepted requests, and remarks on what the edge refused, dropped or changed.
//!
//! In: notes from the edge, which only go into a queue. Out: the same, looked up. [`Recorder::work`] takes the queue and writes it, in the background.
//!
//! # Invariants
//! - Nothing waits for it: a queue that is full, or a disk that fails, loses notes, which is counted and logged, and never an event.
//! - Bounded: the queue by number, receipts by bytes on the disk, remarks by bytes in memory and on the disk.
//! - What was noted is found at once; a crash loses what was noted since the last round of [`Recorder::work`], a second as a rule.
//!
//! Read next: `log.rs` (the bytes), `receipts.rs`, `remarks.rs`.

mod config;
mod erase;
mod files;
mod limiter;
mod log;
mod metrics;
mod receipts;
mod remarks;
mod senders;
mod varint;

pub use config::{ClientAddress, RecorderConfig};
pub use erase::NotesOf;
pub use files::{DirLogFiles, LogFiles};
pub use log::check;
pub use receipts::Receipt;
pub use remarks::{Remark, What};
pub use senders::UnknownToken;

use aqueduct_event::{Clock, ProjectId, UnixMicros};
use limiter::Limiter;
use log::{Kind, RecordLog};
use parking_lot::Mutex;
use remarks::Remarks;
use senders::Senders;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Notes that wait to be written. A second's worth of requests of a busy server.
const QUEUE_MAX: usize = 65_536;
/// How long after its receipt a request may still be noted: the edge's own time-outs.
const LATE_MICROS: i64 = 60 * 1_000_000;
/// Characters of a token that are shown at its begin and at its end.
const TOKEN_SHOWN: (usize, usize) = (8, 4);
/// Characters of a remark's detail.
const DETAIL_CHARS_MAX: usize = 300;

/// Says which project has a token, and hears what its owners should know. Answered from memory; asked in the background.
pub trait Audience: Send + Sync + Debug {
    /// The project of a token.
    fn project_of(&self, token: &str) -> Option<ProjectId>;

    /// A remark on events of a project.
    fn remarked(&self, remark: &Remark);
}

/// Keeps receipts and remarks.
#[derive(Debug)]
pub struct Recorder {
    client_address: ClientAddress,
    limiter: Limiter,
    queue: Mutex<Queue>,
    kept: Mutex<Kept>,
    clock: Arc<dyn Clock>,
    audience: Arc<dyn Audience>,
}

#[derive(Debug, Default)]
struct Queue {
    receipts: Vec<Receipt>,
    remarks: Vec<Remark>,
}

#[derive(Debug)]
struct Kept {
    senders: Senders,
    receipts: RecordLog,
    remarks: Remarks,
    remarks_log: RecordLog,
    remarks_bytes_max: u64,
}

impl Kept {
    /// Writes all remarks that are in memory, and nothing else.
    fn write_remarks_anew(&mut self, now: i64) -> io::Result<()> {
        let all = self.remarks.all();
        self.remarks_log.begin(now)?;
        self.remarks_log.append(all.len() as u32, &remarks::encode(all.iter().map(|remark| &**remark)), now)?;
        self.remarks_log.forget_older()
    }
}

/// What was found, and what could not be read on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Receipts of that moment, nearly always one.
    pub receipts: Vec<Receipt>,
    /// Files that are damaged, with the place.
    pub damage: Vec<String>,
}

impl Recorder {
    /// Opens the files, and reads back the remarks that are kept.
    ///
    /// # Errors
    /// The system's, when the directory cannot be listed or read.
    pub fn open(config: &RecorderConfig, files: Arc<dyn LogFiles>, clock: Arc<dyn Clock>, audience: Arc<dyn Audience>) -> io::Result<Self> {
        metrics::describe();
        let receipts = RecordLog::open(Arc::clone(&files), Kind::Receipts, config.receipts_bytes_max)?;
        let remarks_bytes_max = config.remarks_bytes_max as u64;
        // Twice the memory's budget, in pieces of a sixteenth: what is kept is written anew before the first piece would go.
        let remarks_log = RecordLog::open(files, Kind::Remarks, remarks_bytes_max.saturating_mul(4))?;
        let mut remarks = Remarks::new(config.remarks_bytes_max);
        for name in remarks_log.written_between(0, i64::MAX) {
            let blocks = remarks_log.read(&name)?;
            blocks
                .payloads
                .iter()
                .flat_map(|(_, payload)| remarks::decode(payload).unwrap_or_default())
                .for_each(|remark| remarks.restore(remark));
            if let Some(damage) = blocks.damage {
                tracing::warn!(damage, "remarks were lost, as after a crash");
            }
        }
        let kept = Kept { senders: Senders::default(), receipts, remarks, remarks_log, remarks_bytes_max };
        let (limiter, queue, kept) = (Limiter::default(), Mutex::default(), Mutex::new(kept));
        Ok(Self { client_address: config.client_address, limiter, queue, kept, clock, audience })
    }

    /// Notes an accepted request. Only takes a place in the queue.
    pub fn received(&self, receipt: Receipt) {
        let mut queue = self.queue.lock();
        if queue.receipts.len() >= QUEUE_MAX {
            drop(queue);
            return metrics::lost("receipt");
        }
        queue.receipts.push(receipt);
    }

    /// Whether a remark of this reason and origin (a client's address, say) would be kept now. Asked first, so that a flood costs no work.
    #[must_use]
    pub fn wants(&self, what: What, origin: &str) -> bool {
        let wanted = self.limiter.admits((what, origin), self.clock.now().0);
        if !wanted {
            metrics::left_out();
        }
        wanted
    }

    /// Notes a remark with the whole token that it came with, which decides over its project. Only takes a place in the queue.
    pub fn remark(&self, remark: Remark) {
        let mut queue = self.queue.lock();
        if queue.remarks.len() >= QUEUE_MAX {
            drop(queue);
            return metrics::lost("remark");
        }
        queue.remarks.push(remark);
    }

    /// Writes what is queued. Called about each second, by one thread.
    ///
    /// # Errors
    /// The system's; what could not be written is lost on the disk, and remarks stay in memory.
    pub fn work(&self) -> io::Result<()> {
        // Held over both, so that a look-up never misses what is on its way from one to the other.
        let mut kept = self.kept.lock();
        let Queue { receipts, remarks } = std::mem::take(&mut *self.queue.lock());
        let now = self.clock.now().0;
        let remarks: Vec<Arc<Remark>> = remarks.into_iter().map(|remark| kept.remarks.add(self.completed(remark))).collect();
        let written = self.write(&mut kept, receipts, &remarks, now);
        drop(kept);
        remarks.iter().filter(|remark| remark.project != ProjectId(0)).for_each(|remark| self.audience.remarked(remark));
        written.inspect_err(|_| metrics::lost("block"))
    }

    fn write(&self, kept: &mut Kept, mut receipts: Vec<Receipt>, remarks: &[Arc<Remark>], now: i64) -> io::Result<()> {
        let mut first_failure = Ok(());
        if !receipts.is_empty() {
            for receipt in &mut receipts {
                kept.senders.note(receipt, self.audience.project_of(&receipt.token));
                receipt.client_address = self.client_address.kept(&receipt.client_address).into();
            }
            first_failure = kept.receipts.append(receipts.len() as u32, &receipts::encode(&receipts), now);
        }
        if !remarks.is_empty() {
            let payload = remarks::encode(remarks.iter().map(|remark| &**remark));
            kept.remarks_log.append(remarks.len() as u32, &payload, now)?;
            if kept.remarks_log.bytes() > kept.remarks_bytes_max.saturating_mul(2) {
                kept.write_remarks_anew(now)?;
            }
        }
        metrics::stands(kept.receipts.bytes(), kept.remarks.bytes());
        first_failure
    }

    /// The remark as it is kept: with its project, without what must not be shown.
    fn completed(&self, mut remark: Remark) -> Remark {
        remark.project = self.audience.project_of(&remark.token).unwrap_or(ProjectId(0));
        remark.token = shown(&remark.token);
        remark.client_address = self.client_address.kept(&remark.client_address);
        if let Some((end, _)) = remark.detail.char_indices().nth(DETAIL_CHARS_MAX) {
            remark.detail.truncate(end);
            remark.detail.push('…');
        }
        remark
    }

    /// When a project received events last; `None` when it received none since the start.
    pub fn last_received(&self, project: ProjectId) -> Option<UnixMicros> {
        let kept = self.kept.lock();
        let waiting = self.queue.lock().receipts.clone();
        let waiting = waiting.iter().filter(|receipt| self.audience.project_of(&receipt.token) == Some(project));
        waiting.map(|receipt| receipt.received_at).max().max(kept.senders.last_received(project))
    }

    /// Tokens that no project has, used since a moment, the newest first. A sample: only so many are remembered.
    pub fn unknown_tokens(&self, since: UnixMicros) -> Vec<UnknownToken> {
        let kept = self.kept.lock();
        let mut senders = kept.senders.clone();
        for receipt in &self.queue.lock().receipts {
            senders.note(receipt, self.audience.project_of(&receipt.token));
        }
        drop(kept);
        senders.unknown_since(since)
    }

    /// Receipts of requests that arrived at this very moment.
    ///
    /// # Errors
    /// The system's, when the files cannot be read.
    pub fn receipts_at(&self, at: UnixMicros) -> io::Result<Found> {
        let kept = self.kept.lock();
        let mut found = Found::default();
        for name in kept.receipts.written_between(at.0.saturating_sub(LATE_MICROS), at.0.saturating_add(LATE_MICROS)) {
            let blocks = kept.receipts.read(&name)?;
            for (count, payload) in &blocks.payloads {
                found.receipts.extend(receipts::decode(payload, *count, |time, _| time == at).unwrap_or_default());
            }
            found.damage.extend(blocks.damage);
        }
        let waiting = self.queue.lock().receipts.iter().filter(|receipt| receipt.received_at == at).cloned().collect::<Vec<_>>();
        found.receipts.extend(waiting.into_iter().map(|receipt| {
            let client_address = self.client_address.kept(&receipt.client_address).into();
            Receipt { client_address, ..receipt }
        }));
        Ok(found)
    }

    /// Remarks on events of a project (0: of no project) for which `wanted` holds, newest first.
    pub fn remarks_of(&self, project: ProjectId, mut wanted: impl FnMut(&Remark) -> bool) -> Vec<Arc<Remark>> {
        let kept = self.kept.lock();
        let waiting: Vec<Remark> = self.queue.lock().remarks.clone();
        let mut found: Vec<Arc<Remark>> = kept.remarks.of(project).filter(|remark| wanted(remark)).map(Arc::clone).collect();
        drop(kept);
        let waiting = waiting.into_iter().map(|remark| self.completed(remark));
        found.extend(waiting.filter(|remark| remark.project == project && wanted(remark)).map(Arc::new));
        found.sort_by_key(|remark| std::cmp::Reverse(remark.at));
        found
    }
}

/// A token without its middle: enough to know it again, not enough to use it. What is sent as a token may be somebody's secret.
fn shown(token: &str) -> String {
    let chars = token.chars().count();
    let (begin, end) = TOKEN_SHOWN;
    if chars <= begin + end {
        return if chars > begin { token.chars().take(begin).chain(['…']).collect() } else { token.to_owned() };
    }
    token.chars().take(begin).chain(['…']).chain(token.chars().skip(chars - end)).collect()
}

#[cfg(test)]
mod tests;
