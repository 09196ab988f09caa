//! A manifest's storage that is read and never written: what redb writes while it opens and repairs stays in memory.

use crate::files::{Files, MANIFEST};
use aqueduct_event::PageSums;
use aqueduct_event::sums::PAGE_BYTES;
use parking_lot::Mutex;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

/// The file below, changed pages above.
#[derive(Debug)]
pub(super) struct Overlay {
    files: Arc<dyn Files>,
    /// Of the file below, if it was closed in order.
    sums: Option<PageSums>,
    above: Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    len: u64,
    /// Bytes of the file below that still count.
    below: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(super) fn new(files: &Arc<dyn Files>, sums: Option<PageSums>) -> io::Result<Self> {
        let len = files.len(MANIFEST)?;
        Ok(Self { files: Arc::clone(files), sums, above: Mutex::new(Above { len, below: len, pages: BTreeMap::new() }) })
    }

    fn page(&self, above: &Above, page: u64) -> io::Result<Vec<u8>> {
        if let Some(changed) = above.pages.get(&page) {
            return Ok(changed.clone());
        }
        let at = page * PAGE_BYTES as u64;
        let len = above.below.saturating_sub(at).min(PAGE_BYTES as u64) as usize;
        let mut bytes = if len == 0 { Vec::new() } else { self.files.read(MANIFEST, at, len)?.to_vec() };
        if let Some(Err(damage)) = self.sums.as_ref().map(|sums| sums.verify(at, &bytes)) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{MANIFEST} is damaged, {damage}")));
        }
        bytes.resize(PAGE_BYTES, 0);
        Ok(bytes)
    }
}

/// Pages that `len` bytes from `offset` touch: number, range within the page, range within the bytes.
fn touched(offset: u64, len: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let (page_bytes, end) = (PAGE_BYTES as u64, offset + len as u64);
    (offset / page_bytes..end.div_ceil(page_bytes)).map(move |page| {
        let (from, to) = (offset.max(page * page_bytes), end.min((page + 1) * page_bytes));
        let within = (from - page * page_bytes) as usize..(to - page * page_bytes) as usize;
        (page, within, (from - offset) as usize..(to - offset) as usize)
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.above.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let above = self.above.lock();
        if offset + out.len() as u64 > above.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, within, place) in touched(offset, out.len()) {
            out[place].copy_from_slice(&self.page(&above, page)?[within]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut above = self.above.lock();
        above.below = above.below.min(len);
        above.pages.retain(|page, _| page * (PAGE_BYTES as u64) < len);
        above.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut above = self.above.lock();
        for (page, within, place) in touched(offset, data.len()) {
            let mut bytes = self.page(&above, page)?;
            bytes[within].copy_from_slice(&data[place]);
            above.pages.insert(page, bytes);
        }
        above.len = above.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, redb::BackendError> {
        // Nobody else sees what is above.
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), redb::BackendError> {
        Ok(())
    }
}
