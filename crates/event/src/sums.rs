//! Sums of a file that is written in place: a checksum for each page, kept in a file beside it while nobody has it open.
//!
//! In: a file's bytes, page by page. Out: which pages are not what they were. For files whose own format does not check what it reads (redb, SQLite).
//!
//! # Sums file, version 1 (little-endian)
//!
//! | offset | field | type | why |
//! |---|---|---|---|
//! | 0 | magic `AQUEDSUM` | 8 bytes | no other file is taken for one |
//! | 8 | version = 1 | u32 | an old binary does without instead of guessing |
//! | 12 | page | u32 | bytes that share a checksum: 4096 |
//! | 16 | length | u64 | of the file that is summed |
//! | 24 | sums | u32 each | CRC-32C of each page, the last one may be short |
//! | end - 4 | checksum | u32 | CRC-32C of everything before |

use std::ops::Range;

/// Bytes that share a checksum.
pub const PAGE_BYTES: usize = 4096;
const MAGIC: [u8; 8] = *b"AQUEDSUM";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;

/// Checksums of the pages of a file; of some pages it may not be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSums {
    bytes: u64,
    pages: Vec<Option<u32>>,
}

impl PageSums {
    /// Sums of a file of `bytes` bytes of which nothing is known yet.
    #[must_use]
    pub fn unknown(bytes: u64) -> Self {
        let mut sums = Self::default();
        sums.resize(bytes);
        sums
    }

    /// Sums of a whole file.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let pages = content.chunks(PAGE_BYTES).map(|page| Some(crc32c::crc32c(page))).collect();
        Self { bytes: content.len() as u64, pages }
    }

    /// Length of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.bytes
    }

    /// The file has another length now. What is new is not known, nor is a page that was cut.
    pub fn resize(&mut self, bytes: u64) {
        let pages = usize::try_from(bytes.div_ceil(PAGE_BYTES as u64)).unwrap_or(usize::MAX);
        let shorter = bytes.min(self.bytes);
        if bytes != self.bytes && !shorter.is_multiple_of(PAGE_BYTES as u64) {
            let cut = (shorter / PAGE_BYTES as u64) as usize;
            self.pages[cut] = None;
        }
        self.pages.resize(pages, None);
        self.bytes = bytes;
    }

    /// Whether the sum of a page is known.
    #[must_use]
    pub fn knows(&self, page: usize) -> bool {
        self.pages.get(page).is_some_and(Option::is_some)
    }

    /// Number of pages.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Forgets the sums of the pages that `len` bytes from `offset` touch.
    pub fn forget(&mut self, offset: u64, len: usize) {
        let touched = offset / PAGE_BYTES as u64..(offset + len as u64).div_ceil(PAGE_BYTES as u64);
        for page in touched {
            if let Some(sum) = self.pages.get_mut(page as usize) {
                *sum = None;
            }
        }
    }

    /// Compares what was read at `offset`, as far as its pages are whole and known. Answers the first page that differs.
    ///
    /// # Errors
    /// The range in the file and the sums found and expected.
    pub fn verify(&self, offset: u64, content: &[u8]) -> Result<(), PageDamage> {
        let (page_bytes, end) = (PAGE_BYTES as u64, offset + content.len() as u64);
        let mut start = offset.next_multiple_of(page_bytes);
        while start < end {
            let stop = (start + page_bytes).min(self.bytes);
            if stop > end || stop <= start {
                break;
            }
            let found = crc32c::crc32c(&content[(start - offset) as usize..(stop - offset) as usize]);
            match self.pages.get((start / page_bytes) as usize) {
                Some(Some(expected)) if *expected != found => {
                    return Err(PageDamage { range: start..stop, found, expected: *expected });
                }
                _ => start += page_bytes,
            }
        }
        Ok(())
    }

    /// Notes what was written at `offset`: sums of whole pages are known, of others no longer.
    pub fn wrote(&mut self, offset: u64, content: &[u8]) {
        let end = offset + content.len() as u64;
        if end > self.bytes {
            self.resize(end);
        }
        self.each_page(offset, content, |sum, page| *sum = page.map(crc32c::crc32c));
    }

    /// As [`Self::verify`]; pages that are not known are learned.
    ///
    /// # Errors
    /// As for [`Self::verify`]; then nothing is learned.
    pub fn check(&mut self, offset: u64, content: &[u8]) -> Result<(), PageDamage> {
        self.verify(offset, content)?;
        self.each_page(offset, content, |sum, page| {
            if let (None, Some(page)) = (*sum, page) {
                *sum = Some(crc32c::crc32c(page));
            }
        });
        Ok(())
    }

    /// Whether all whole pages of a read at `offset` are known, so that [`Self::check`] has nothing to learn.
    #[must_use]
    pub fn knows_all(&self, offset: u64, len: usize) -> bool {
        let (first, end) = (offset.div_ceil(PAGE_BYTES as u64), (offset + len as u64) / PAGE_BYTES as u64);
        (first..end).all(|page| self.knows(page as usize))
    }

    /// Calls `act` with the place of each page that `content` touches, and with its bytes if all of it is there.
    fn each_page<'c>(&mut self, offset: u64, content: &'c [u8], mut act: impl FnMut(&mut Option<u32>, Option<&'c [u8]>)) {
        let (page_bytes, end) = (PAGE_BYTES as u64, offset + content.len() as u64);
        let mut start = offset / page_bytes * page_bytes;
        while start < end {
            let stop = (start + page_bytes).min(self.bytes);
            let whole = start >= offset && stop <= end;
            let page = whole.then(|| &content[(start - offset) as usize..(stop - offset) as usize]);
            if let Some(sum) = self.pages.get_mut((start / page_bytes) as usize) {
                act(sum, page);
            }
            start += page_bytes;
        }
    }

    /// The bytes of the sums file; `None` while a page is not known.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(HEADER_BYTES + 4 * self.pages.len() + 4);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(PAGE_BYTES as u32).to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        for sum in &self.pages {
            out.extend_from_slice(&(*sum)?.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        Some(out)
    }

    /// Sums from the bytes of a sums file; `None` when they are not one of this version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<4>()?;
        let (header, sums) = content.split_first_chunk::<HEADER_BYTES>()?;
        let (facts, length) = header.split_last_chunk::<8>()?;
        let expected = [&MAGIC[..], &VERSION.to_le_bytes(), &(PAGE_BYTES as u32).to_le_bytes()].concat();
        let file_bytes = u64::from_le_bytes(*length);
        let (sums, rest) = sums.as_chunks::<4>();
        let sound = crc32c::crc32c(content) == u32::from_le_bytes(*checksum)
            && facts == expected
            && rest.is_empty()
            && sums.len() as u64 == file_bytes.div_ceil(PAGE_BYTES as u64);
        let pages = || sums.iter().map(|sum| Some(u32::from_le_bytes(*sum))).collect();
        sound.then(|| Self { bytes: file_bytes, pages: pages() })
    }
}

/// A page that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {} to byte {}: checksum {found:08x}, expected {expected:08x}", range.start, range.end)]
pub struct PageDamage {
    /// Bytes of the file.
    pub range: Range<u64>,
    /// The sum of what was read.
    pub found: u32,
    /// The sum of what was written.
    pub expected: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Vec<u8> {
        (0..10_000_u32).map(|number| (number * 7 % 251) as u8).collect()
    }

    #[test]
    fn comes_back_and_every_flipped_bit_is_noticed() {
        let sums = PageSums::of(&content());
        let bytes = sums.encode().expect("all known");
        assert_eq!(PageSums::decode(&bytes), Some(sums));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(PageSums::decode(&bytes), None, "bit {bit}");
        }
    }

    #[test]
    fn names_the_page_that_differs() {
        let mut sums = PageSums::of(&content());
        let mut bad = content();
        assert_eq!(sums.check(0, &bad), Ok(()));
        bad[9_999] ^= 1;
        assert_eq!(sums.check(0, &bad).map_err(|damage| damage.range), Err(8192..10_000));
        assert_eq!(sums.check(0, &bad[..8192]), Ok(()));
        assert_eq!(sums.check(8192, &bad[8192..]).map_err(|damage| damage.range), Err(8192..10_000));
    }

    #[test]
    fn learns_writes_and_forgets() {
        let mut sums = PageSums::unknown(8192);
        assert_eq!(sums.encode(), None);
        sums.check(0, &[1; 8192]).expect("learned");
        assert!(sums.knows_all(0, 8192) && sums.check(4096, &[2; 4096]).is_err());
        sums.wrote(4096, &[2; 4096]);
        sums.check(4096, &[2; 4096]).expect("as written");
        sums.wrote(10, &[3; 5]);
        assert!(!sums.knows(0) && sums.knows(1));
        sums.wrote(8192, &[4; 100]);
        assert_eq!(sums.file_bytes(), 8292);
        sums.check(8192, &[4; 100]).expect("a short last page");
        sums.resize(9000);
        assert!(!sums.knows(2), "it is another page now");
        sums.resize(5000);
        assert!(!sums.knows(1) && sums.pages() == 2);
    }
}
