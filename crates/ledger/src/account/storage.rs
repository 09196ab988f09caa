//! The storage under the account's database.
//!
//! # Invariants
//! - What is built upon is on the disk: a file that a process left without closing it is written once more before it is trusted, see [`trusted`].

use redb::StorageBackend;

/// Bytes that are read and written at once.
const STEP: u64 = 1 << 20;

/// redb wants a type of its own as storage.
#[derive(Debug)]
pub(super) struct Boxed(pub(super) Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.0.write(offset, data)
    }

    fn close(&self) -> Result<(), std::io::Error> {
        self.0.close()
    }

    fn try_lock_range(&self, start: std::ops::Bound<u64>, end: std::ops::Bound<u64>) -> Result<bool, redb::BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: std::ops::Bound<u64>, end: std::ops::Bound<u64>) -> Result<(), redb::BackendError> {
        self.0.unlock_range(start, end)
    }
}

/// Writes every byte once more and syncs. After a failed sync, of this process or of the one before, the system shows pages that it has given up on as if they
/// were on the disk, and no later sync writes them.
///
/// # Errors
/// Those of the storage.
pub(super) fn trusted(storage: Box<dyn StorageBackend>) -> std::io::Result<Boxed> {
    let len = storage.len()?;
    let mut buffer = Vec::new();
    let mut at = 0;
    while at < len {
        let bytes = STEP.min(len - at);
        buffer.resize(usize::try_from(bytes).unwrap_or_default(), 0);
        storage.read(at, &mut buffer)?;
        // Pages of zeros are reserved and were never filled: on a full disk there may be no room to fill them.
        if buffer.iter().any(|byte| *byte != 0) {
            storage.write(at, &buffer)?;
        }
        at += bytes;
    }
    if len > 0 {
        // The length becomes durable with the rest: the database refuses a file that is shorter than its header says.
        storage.set_len(len)?;
        storage.sync_data()?;
    }
    Ok(Boxed(storage))
}
