//! What a request of either protocol left after its checks: the records to make durable, and what the ledger and the recorder are told of it.

use crate::records::{self, Admitted, Envelope, Records};
use crate::remark::Notes;
use aqueduct_event::{UnixMicros, Verdict};
use aqueduct_ledger::recorder::{Receipt, Remark};

/// A request that was taken, before it is durable.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) records: Records,
    /// Bytes of the text after unwrapping.
    pub(crate) decoded_bytes: usize,
    /// Empty when no event is left.
    pub(crate) token: String,
    pub(crate) received_at: UnixMicros,
    /// What became of events that are not in the records.
    pub(crate) left_out: Vec<(Verdict, u32)>,
    /// Kept once the records are durable; `None` when there are none.
    pub(crate) receipt: Option<Receipt>,
    /// On events that were left out or got another time.
    pub(crate) remarks: Vec<Remark>,
}

impl Accepted {
    /// Encodes the good events of a request of `decoded_bytes`.
    pub(crate) fn encode(
        envelope: &Envelope<'_>,
        admitted: &[Admitted<'_>],
        left_out: Vec<(Verdict, u32)>,
        notes: Notes<'_>,
        decoded_bytes: usize,
    ) -> Self {
        let records = records::encode(envelope, admitted);
        let (receipt, remarks) = notes.finish(&records, left_out.iter().map(|(_, events)| events).sum());
        let (token, received_at) = (envelope.token.to_owned(), envelope.received_at);
        Self { records, decoded_bytes, token, received_at, left_out, receipt, remarks }
    }
}
