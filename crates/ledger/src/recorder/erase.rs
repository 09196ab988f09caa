//! Notes on somebody who is erased: remarks go, receipts lose what tells who it was.
//!
//! In: distinct ids, and when the requests were received whose events they are. Out: nothing; it is done, on the disk too, when the call returns. Done again it changes nothing.

use super::receipts::{self, Receipt};
use super::{LATE_MICROS, Recorder};
use aqueduct_event::{ProjectId, UnixMicros};
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::Arc;

/// Whose notes are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotesOf {
    /// Their distinct ids.
    pub distinct_ids: BTreeSet<Arc<str>>,
    /// When requests with events of theirs were received.
    pub received_at: HashSet<UnixMicros>,
}

impl Recorder {
    /// Erases what is noted of somebody: remarks that name one of the distinct ids go; receipts of their requests lose the client's address and program, and keep
    /// the counts that an audit needs.
    ///
    /// # Errors
    /// The system's; what was erased until then is.
    pub fn erase(&self, project: ProjectId, of: &NotesOf) -> io::Result<()> {
        let mut kept = self.kept.lock();
        let is_meant = |names: &[String]| names.iter().any(|name| of.distinct_ids.contains(name.as_str()));
        let is_of = |at: UnixMicros, token: &str| of.received_at.contains(&at) && self.audience.project_of(token) == Some(project);
        {
            let mut queue = self.queue.lock();
            queue.remarks.retain(|remark| !(is_meant(&remark.distinct_ids) && self.audience.project_of(&remark.token) == Some(project)));
            queue.receipts.iter_mut().filter(|receipt| is_of(receipt.received_at, &receipt.token)).for_each(blank);
        }
        if kept.remarks.forget(project, |remark| is_meant(&remark.distinct_ids)) {
            kept.write_remarks_anew(self.clock.now().0)?;
        }
        let (Some(first), Some(last)) = (of.received_at.iter().min(), of.received_at.iter().max()) else { return Ok(()) };
        for name in kept.receipts.written_between(first.0.saturating_sub(LATE_MICROS), last.0.saturating_add(LATE_MICROS)) {
            let mut blocks = kept.receipts.read(&name)?;
            let mut is_changed = false;
            for (count, payload) in &mut blocks.payloads {
                let mut is_here = false;
                let all = receipts::decode(payload, *count, |at, token| {
                    is_here |= is_of(at, token);
                    true
                });
                if let Some(mut all) = all.filter(|_| is_here) {
                    all.iter_mut().filter(|receipt| is_of(receipt.received_at, &receipt.token)).for_each(blank);
                    *payload = receipts::encode(&all);
                    is_changed = true;
                }
            }
            if is_changed {
                kept.receipts.rewrite(&name, &blocks.payloads)?;
            }
        }
        Ok(())
    }
}

fn blank(receipt: &mut Receipt) {
    receipt.client_address = "".into();
    receipt.agent = "".into();
}
