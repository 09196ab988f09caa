//! JSON without trees: one strict pass over a text that hands out borrowed slices.
//!
//! In: UTF-8 text. Out: raw values (validated, still JSON) and, for the few that are needed, decoded texts.
//! Why our own: a request must be refused when its JSON is wrong *anywhere*, deep nesting must not use the stack, and the keys that matter
//! inside `properties` are found in the same pass; general parsers do one or two of the three.
//!
//! # Invariants
//! - A value that was handed out is valid JSON by RFC 8259, nested at most [`DEPTH_MAX`] deep together with what is around it.
//! - No recursion: the stack of open brackets is one `u128`.

mod text;

pub(crate) use text::{decode, lenient, mend_surrogates};

use std::borrow::Cow;
use thiserror::Error;

/// Open brackets at any place of a text: one fewer than where serde_json (whose reader takes what we store) gives up.
pub(crate) const DEPTH_MAX: u32 = 127;

/// Why a text is not JSON that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum JsonError {
    #[error("expected {expected} at byte {at}")]
    Unexpected { expected: &'static str, at: usize },
    #[error("unexpected end after byte {at}")]
    Ended { at: usize },
    #[error("nested deeper than {DEPTH_MAX} levels at byte {at}")]
    TooDeep { at: usize },
    #[error("more text after the value at byte {at}")]
    Trailing { at: usize },
    #[error("unknown escape at byte {at}")]
    Escape { at: usize },
    #[error("unescaped control character at byte {at}")]
    Control { at: usize },
    #[error("invalid number at byte {at}")]
    Number { at: usize },
}

/// What a value is, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    Number,
    Bool,
    Null,
}

/// A validated value: its JSON text without the space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a>(pub(crate) &'a str);

impl<'a> Raw<'a> {
    pub(crate) fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The characters of a text value; `None` for other kinds.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::Text).then(|| decode(&self.0[1..self.0.len() - 1]))
    }

    pub(crate) fn bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The value, unless it is `null`.
    pub(crate) fn non_null(self) -> Option<Self> {
        (self.kind() != Kind::Null).then_some(self)
    }
}

/// A reader that moves forward over one text.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    /// At the first value of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        let mut cursor = Self { text, bytes: text.as_bytes(), at: 0, depth: 0 };
        cursor.space();
        cursor
    }

    /// Where the cursor is, in bytes.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Refuses what follows the value.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(JsonError::Trailing { at: self.at }) }
    }

    /// Enters an object; [`Self::next_key`] follows.
    pub(crate) fn enter_object(&mut self) -> Result<(), JsonError> {
        self.enter(b'{', "an object")
    }

    /// Enters an array; [`Self::next_element`] follows.
    pub(crate) fn enter_array(&mut self) -> Result<(), JsonError> {
        self.enter(b'[', "an array")
    }

    /// The next key of the object that was entered, the cursor then being at its value; `None` at the end of the object, which is left.
    pub(crate) fn next_key(&mut self) -> Result<Option<Cow<'a, str>>, JsonError> {
        if !self.next_item(b'{', b'}')? {
            return Ok(None);
        }
        let (key, escaped) = self.key()?;
        Ok(Some(if escaped { decode(key) } else { Cow::Borrowed(key) }))
    }

    /// Whether the array that was entered has a further element, the cursor then being at it; otherwise the array is left.
    pub(crate) fn next_element(&mut self) -> Result<bool, JsonError> {
        self.next_item(b'[', b']')
    }

    /// Validates one value, moves past it, and hands it out.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Raw<'a>, JsonError> {
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') => self.nested()?,
            _ => self.scalar()?,
        }
        Ok(Raw(&self.text[start..self.at]))
    }

    /// The text from `start` to the cursor.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    fn enter(&mut self, open: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(open) {
            return Err(self.unexpected(expected));
        }
        if self.depth == DEPTH_MAX {
            return Err(JsonError::TooDeep { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Moves to the next item of a bracket, or out of it. Right after the opening bracket no comma is wanted.
    fn next_item(&mut self, open: u8, close: u8) -> Result<bool, JsonError> {
        // No value ends in an opening bracket, so the byte before tells whether the bracket was just entered.
        let first = self.bytes[self.at - 1] == open;
        self.space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => Err(self.unexpected("a comma or a closing bracket")),
        }
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        if self.at >= self.bytes.len() { JsonError::Ended { at: self.at } } else { JsonError::Unexpected { expected, at: self.at } }
    }

    /// A key and its colon: the key's text between the quotes, and whether it holds escapes. Leaves the cursor at the value.
    #[inline]
    fn key(&mut self) -> Result<(&'a str, bool), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in quotes"));
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let key = &self.text[start..self.at - 1];
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("a colon"));
        }
        self.at += 1;
        self.space();
        Ok((key, escaped))
    }

    #[inline]
    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected(word));
        }
        self.at += word.len();
        Ok(())
    }

    /// Validates an object or array with all that is in it. Bit 0 of `open` is the innermost bracket: 1 for an object.
    fn nested(&mut self) -> Result<(), JsonError> {
        let mut open: u128 = 0;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    if self.depth + depth == DEPTH_MAX {
                        return Err(JsonError::TooDeep { at: self.at });
                    }
                    let object = bracket == b'{';
                    (open, depth) = (open << 1 | u128::from(object), depth + 1);
                    self.at += 1;
                    self.space();
                    if self.peek() != Some(if object { b'}' } else { b']' }) {
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => {
                    self.scalar()?;
                    self.space();
                }
            }
            if self.close(&mut open, &mut depth)? {
                return Ok(());
            }
        }
    }

    /// After a value inside brackets: closes as many as end here, then moves to the next value. True when the outermost was closed.
    #[inline]
    fn close(&mut self, open: &mut u128, depth: &mut u32) -> Result<bool, JsonError> {
        loop {
            let object = *open & 1 == 1;
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    if object {
                        self.key()?;
                    }
                    return Ok(false);
                }
                Some(byte) if byte == (if object { b'}' } else { b']' }) => {
                    self.at += 1;
                    (*open, *depth) = (*open >> 1, *depth - 1);
                    if *depth == 0 {
                        return Ok(true);
                    }
                    self.space();
                }
                _ => return Err(self.unexpected("a comma or a closing bracket")),
            }
        }
    }

    /// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let whole = self.digits();
        let mut valid = whole == 1 || whole > 1 && self.bytes[self.at - whole] != b'0';
        if self.peek() == Some(b'.') {
            self.at += 1;
            valid &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            valid &= self.digits() > 0;
        }
        if valid { Ok(()) } else { Err(JsonError::Number { at: start }) }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    /// Validates a text in quotes and moves past it. Whether it holds escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, JsonError> {
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_bytes(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(JsonError::Control { at: self.at }),
                None => return Err(JsonError::Ended { at: self.at }),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let bytes = match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if self.bytes.get(self.at + 2..self.at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => 6,
            Some(_) => return Err(JsonError::Escape { at: self.at }),
            None => return Err(JsonError::Ended { at: self.at }),
        };
        self.at += bytes;
        Ok(())
    }
}

/// How many bytes from the start are neither a quote, a backslash nor a control character. Eight at a time: most of a request is text.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let (quote, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
        // A byte's high bit is set where the byte is the one sought (or, by a borrow, above such a byte: the first hit is always right).
        let found =
            (quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash | word.wrapping_sub(ONES * 0x20) & !word)
                & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
