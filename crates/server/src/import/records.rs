//! An input's records: its lines, or the values of a document that spans lines (`[…]`, or the list of `{"batch": […]}`).
//!
//! In: text. Out: [`Record`]s with the line that they begin on and the byte after them. One record is in memory at a time.
//!
//! # Invariants
//! - The same text gives the same records, so that a byte of it means the same after a restart.
//! - A line that is no JSON is a record like others: it is for the caller to refuse it.

use super::input::Source;
use serde::de::IgnoredAny;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// A longer record is passed over and named.
pub(super) const RECORD_BYTES_MAX: usize = 64 << 20;
/// Keys whose list has the events of a document: of an SDK's batch, and of a page of PostHog's API.
pub(super) const LISTS: [&str; 2] = ["batch", "results"];

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Line on which it begins, from 1.
    pub(super) line: u64,
    /// One past its last byte in the text.
    pub(super) end: u64,
    /// Its text; empty when it is too long.
    pub(super) text: Vec<u8>,
    /// Why it cannot be one.
    pub(super) fault: Option<&'static str>,
}

/// Reads records one after the other.
pub(super) struct Records {
    reader: Source,
    shape: Shape,
    /// Bytes taken so far.
    at: u64,
    /// Line of the next byte.
    line: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Lines,
    /// Between the values of a document.
    Document,
    /// In a list, so many objects deep.
    List {
        objects: usize,
    },
}

impl Records {
    /// Looks at the beginning and tells lines from a document.
    pub(super) fn new(mut reader: Source) -> io::Result<Self> {
        let mut head = Vec::new();
        let first = next_line(&mut reader, &mut head)?;
        let is_document = match serde_json::from_slice::<IgnoredAny>(&first) {
            Ok(_) => false,
            Err(error) if !error.is_eof() || first.is_empty() => false,
            Err(_) if first == b"[" || first == b"{" => true,
            // A first line that was cut off is not taken for a document when the next one stands alone.
            Err(_) => !next_line(&mut reader, &mut head)
                .map(|second| second.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(&second).is_ok())?,
        };
        let whole: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(reader));
        let shape = if is_document { Shape::Document } else { Shape::Lines };
        Ok(Self { reader: BufReader::with_capacity(256 * 1024, whole), shape, at: 0, line: 1 })
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        match self.shape {
            Shape::Lines => self.next_of_lines(),
            _ => self.next_of_document(),
        }
    }

    fn next_of_lines(&mut self) -> io::Result<Option<Record>> {
        loop {
            let (line, mut text) = (self.line, Vec::new());
            let mut is_long = false;
            loop {
                let buffer = self.reader.fill_buf()?;
                if buffer.is_empty() {
                    break;
                }
                let end = memchr::memchr(b'\n', buffer);
                let taken = end.map_or(buffer.len(), |end| end + 1);
                is_long |= text.len() + taken > RECORD_BYTES_MAX;
                if !is_long {
                    text.extend_from_slice(&buffer[..taken]);
                }
                self.reader.consume(taken);
                self.at += taken as u64;
                if end.is_some() {
                    self.line += 1;
                    break;
                }
            }
            if is_long {
                return Ok(Some(Record { line, end: self.at, text: Vec::new(), fault: Some("longer than 64 MiB") }));
            }
            if text.is_empty() {
                return Ok(None);
            }
            let trimmed = trimmed(&text);
            if !trimmed.is_empty() {
                return Ok(Some(Record { line, end: self.at, text: trimmed.to_vec(), fault: None }));
            }
        }
    }

    fn next_of_document(&mut self) -> io::Result<Option<Record>> {
        loop {
            let Some(byte) = self.peek()? else { return Ok(None) };
            match (byte, self.shape) {
                (b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xef | 0xbb | 0xbf, _) => self.skip(),
                (b'[', Shape::Document) => {
                    self.skip();
                    self.shape = Shape::List { objects: 0 };
                }
                (b']', Shape::List { objects }) => {
                    self.skip();
                    self.shape = Shape::Document;
                    if objects > 0 {
                        self.skip_rest_of_object()?;
                    }
                }
                (b'{', Shape::Document) => {
                    if let Some(record) = self.object()? {
                        return Ok(Some(record));
                    }
                }
                _ => return self.value().map(Some),
            }
        }
    }

    /// An object of the document: a record, or `None` when it has a list of records, which is entered.
    fn object(&mut self) -> io::Result<Option<Record>> {
        let mut value = Value::begin(self.line);
        while let Some(byte) = self.peek()? {
            if byte == b'[' && value.depth == 1 && value.opens_list() {
                self.skip();
                self.shape = Shape::List { objects: 1 };
                return Ok(None);
            }
            self.skip();
            if value.take(byte) {
                return Ok(Some(value.record(self.at)));
            }
        }
        Ok(Some(value.cut_off(self.at)))
    }

    /// A value of a list.
    fn value(&mut self) -> io::Result<Record> {
        let mut value = Value::begin(self.line);
        while let Some(byte) = self.peek()? {
            // A bare word or number ends before what follows it.
            let ends = value.depth == 0 && !value.in_string && matches!(byte, b',' | b']' | b'}' | b'\n');
            if ends && !value.text.is_empty() {
                return Ok(value.record(self.at));
            }
            self.skip();
            if value.take(byte) {
                return Ok(value.record(self.at));
            }
        }
        Ok(value.cut_off(self.at))
    }

    /// What follows the list in its object says nothing of events.
    fn skip_rest_of_object(&mut self) -> io::Result<()> {
        let mut value = Value { depth: 1, ..Value::begin(self.line) };
        while let Some(byte) = self.peek()? {
            self.skip();
            if value.take(byte) {
                break;
            }
        }
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn skip(&mut self) {
        self.line += u64::from(self.reader.buffer().first() == Some(&b'\n'));
        self.reader.consume(1);
        self.at += 1;
    }
}

/// A value that is being read.
#[derive(Default)]
struct Value {
    line: u64,
    text: Vec<u8>,
    is_long: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Value {
    fn begin(line: u64) -> Self {
        Self { line, ..Self::default() }
    }

    /// Takes a byte; true when it was the last one of an object, a list or a text.
    fn take(&mut self, byte: u8) -> bool {
        if self.text.len() < RECORD_BYTES_MAX {
            self.text.push(byte);
        } else {
            self.is_long = true;
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    return self.depth == 0;
                }
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }

    /// Whether what was read last is the key of a list of records.
    fn opens_list(&self) -> bool {
        let text = self.text.trim_ascii_end();
        let Some(text) = text.strip_suffix(b":") else { return false };
        let text = text.trim_ascii_end();
        LISTS.iter().any(|key| text.ends_with(format!("\"{key}\"").as_bytes()))
    }

    fn record(self, end: u64) -> Record {
        let fault = self.is_long.then_some("longer than 64 MiB");
        let text = if self.is_long { Vec::new() } else { trimmed(&self.text).to_vec() };
        Record { line: self.line, end, text, fault }
    }

    fn cut_off(self, end: u64) -> Record {
        Record { fault: Some("the input ends within it"), ..self.record(end) }
    }
}

/// Reads the next line that is not blank, if it is not too long, and keeps everything that was read in `head`.
fn next_line(reader: &mut Source, head: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        let from = head.len();
        let read = reader.by_ref().take(RECORD_BYTES_MAX as u64).read_until(b'\n', head)?;
        let line = trimmed(&head[from..]);
        if read == 0 || !line.is_empty() {
            return Ok(line.to_vec());
        }
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use std::fmt::Write;

    fn check(text: &str, expected: Expect) {
        let source: Box<dyn Read + Send> = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let mut records = Records::new(BufReader::with_capacity(3, source)).expect("reads");
        let mut found = String::new();
        while let Some(record) = records.next().expect("reads") {
            let text = String::from_utf8_lossy(&record.text).into_owned();
            let _ = writeln!(found, "{}..{} {text} {}", record.line, record.end, record.fault.unwrap_or_default());
        }
        expected.assert_eq(&found);
    }

    #[test]
    fn lines() {
        check(
            "\u{feff}{\"a\":1}\r\n\nno json\n{\"b\":2}",
            expect![[r#"
                1..12 {"a":1} 
                3..21 no json 
                4..28 {"b":2} 
            "#]],
        );
        check("", expect![[""]]);
        check(
            "{\"cut\":\"o\n{\"b\":2}\n",
            expect![[r#"
                1..10 {"cut":"o 
                2..18 {"b":2} 
            "#]],
        );
    }

    #[test]
    fn documents() {
        check(
            "[\n  {\"a\": \"]},\\\"\"},\n  {\"b\":\n 2}\n]\n",
            expect![[r#"
                2..18 {"a": "]},\""} 
                3..31 {"b":
                 2} 
            "#]],
        );
        check(
            "{\n \"api_key\": \"[\", \"batch\" : [\n {\"a\":[1]},\n{\"b\":2}], \"sent_at\": \"x\"\n}\n{\n\"c\": 3}",
            expect![[r#"
                3..41 {"a":[1]} 
                4..50 {"b":2} 
                6..79 {
                "c": 3} 
            "#]],
        );
        check(
            "[\n{\"a\":1},\n{\"b\":",
            expect![[r#"
                2..9 {"a":1} 
                3..16 {"b": the input ends within it
            "#]],
        );
    }
}
