//! Files to import, or stdin: plain, gzip or zstd, told by their first bytes.

use crate::error::Fatal;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const BUFFER_BYTES: usize = 256 * 1024;
/// Bytes by which a file is known again.
const HEAD_BYTES: usize = 4096;

/// Text that is read forward.
pub(super) type Source = BufReader<Box<dyn Read + Send>>;

/// What is to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Stdin,
    File(PathBuf),
}

impl Input {
    pub(super) fn named(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_owned()) }
    }

    /// As it is named in messages and in the state.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Length in bytes as it lies there; 0 where that is not known.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Stdin => 0,
            Self::File(path) => std::fs::metadata(path).map_or(0, |found| found.len()),
        }
    }

    /// A checksum of its beginning, by which it is known again; `None` for stdin.
    pub(super) fn head(&self) -> Result<Option<u32>, Fatal> {
        let Self::File(path) = self else { return Ok(None) };
        let read = || -> io::Result<u32> {
            let mut head = Vec::new();
            File::open(path)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
            Ok(crc32c::crc32c(&head))
        };
        read().map(Some).map_err(|error| self.failed(&error))
    }

    /// Opens it; `read` counts the bytes that are taken from it as it lies there.
    pub(super) fn open(&self, read: &Arc<AtomicU64>) -> Result<Source, Fatal> {
        let raw: Box<dyn Read + Send> = match self {
            Self::Stdin => Box::new(io::stdin()),
            Self::File(path) => Box::new(File::open(path).map_err(|error| self.failed(&error))?),
        };
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, Counted { inner: raw, read: Arc::clone(read) });
        let head = raw.fill_buf().map_err(|error| self.failed(&error))?;
        let plain: Box<dyn Read + Send> = if head.starts_with(&[0x1f, 0x8b]) {
            Box::new(flate2::bufread::MultiGzDecoder::new(raw))
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Box::new(zstd::stream::read::Decoder::with_buffer(raw).map_err(|error| self.failed(&error))?)
        } else {
            Box::new(raw)
        };
        Ok(BufReader::with_capacity(BUFFER_BYTES, plain))
    }

    pub(super) fn failed(&self, why: &io::Error) -> Fatal {
        Fatal::failure(&format!("cannot read {}", self.shown()), why, "check the file; what was imported stays noted")
    }
}

struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn packed_files_are_known_by_their_bytes() {
        let dir = tempfile::tempdir().expect("directory");
        let text = b"{\"event\":\"a\"}\n".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).expect("packs");
        let gzip = gzip.finish().expect("packs");
        let zstd = zstd::encode_all(&text[..], 1).expect("packs");
        // Two members after each other are one text, as `cat a.gz b.gz` makes them.
        for (bytes, times) in [(text.clone(), 1), (gzip.repeat(2), 2), (zstd.repeat(2), 2)] {
            let path = dir.path().join("input");
            std::fs::write(&path, &bytes).expect("writes");
            let read = Arc::default();
            let mut found = Vec::new();
            Input::named(&path).open(&read).expect("opens").read_to_end(&mut found).expect("reads");
            assert_eq!(found, text.repeat(times));
            assert_eq!(read.load(Ordering::Relaxed), bytes.len() as u64);
        }
    }
}
