//! The spool: chapter texts on disk, so that memory follows the largest chapter and not the book.
//!
//! In: texts in any order. Out: the same texts by their spans. The file has no name and vanishes with the process.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

/// Where a text lies in the spool, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    at: u64,
    len: usize,
}

/// An unnamed temporary file of texts.
#[derive(Debug)]
pub(crate) struct Spool {
    file: BufWriter<File>,
    end: u64,
}

impl Spool {
    /// An empty spool in the system's folder for temporary files.
    pub(crate) fn new() -> io::Result<Spool> {
        Ok(Spool { file: BufWriter::new(tempfile::tempfile()?), end: 0 })
    }

    /// Appends a text.
    pub(crate) fn put(&mut self, text: &str) -> io::Result<Span> {
        let span = Span { at: self.end, len: text.len() };
        self.file.write_all(text.as_bytes())?;
        self.end += text.len() as u64;
        Ok(span)
    }

    /// Reads a text back.
    pub(crate) fn get(&mut self, span: Span) -> io::Result<String> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(span.at))?;
        let mut bytes = vec![0; span.len];
        file.read_exact(&mut bytes)?;
        file.seek(SeekFrom::End(0))?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_put() {
        let mut spool = Spool::new().unwrap();
        let first = spool.put("one").unwrap();
        let second = spool.put("zwei ü").unwrap();
        assert_eq!(spool.get(second).unwrap(), "zwei ü");
        let third = spool.put("").unwrap();
        assert_eq!(spool.get(first).unwrap(), "one");
        assert_eq!(spool.get(third).unwrap(), "");
    }
}
