//! One strict pass over JSON text that hands out slices; no trees, no recursion.
//!
//! In: UTF-8 text. Out: where keys and values begin and end. A value that was passed is valid JSON by RFC 8259, nested at most [`DEPTH_MAX`] deep.

/// Open brackets at any place of a value. `capture` takes no deeper ones, and strict readers give up one further on.
pub(crate) const DEPTH_MAX: u32 = 127;

/// A place in a text. Methods answer `None` when the text is not as it should be; the scanner is of no use then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A string as it stands in the text, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawString<'a> {
    pub(crate) text: &'a str,
    pub(crate) has_escapes: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes one byte, with the space around it.
    pub(crate) fn byte(&mut self, wanted: u8) -> Option<()> {
        self.space();
        if self.peek()? != wanted {
            return None;
        }
        self.at += 1;
        self.space();
        Some(())
    }

    /// Whether the text ends here.
    pub(crate) fn is_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Passes a key with its colon.
    pub(crate) fn key(&mut self) -> Option<RawString<'a>> {
        let key = self.string()?;
        if self.peek() == Some(b':') {
            self.at += 1;
        } else {
            self.byte(b':')?;
        }
        self.space();
        Some(key)
    }

    /// Passes a string.
    fn string(&mut self) -> Option<RawString<'a>> {
        let bytes = self.text.as_bytes();
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        let (start, mut has_escapes) = (self.at, false);
        loop {
            while let Some(chunk) = bytes[self.at..].first_chunk::<8>() {
                let ends = ends_of_plain_text(u64::from_le_bytes(*chunk));
                self.at += (ends.trailing_zeros() / 8) as usize;
                if ends != 0 {
                    break;
                }
            }
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    self.at += self.escape_len()?;
                }
                byte if byte < 0x20 => return None,
                _ => self.at += 1,
            }
        }
        let text = &self.text[start..self.at];
        self.at += 1;
        Some(RawString { text, has_escapes })
    }

    fn escape_len(&self) -> Option<usize> {
        let bytes = &self.text.as_bytes()[self.at..];
        match bytes.get(1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
            b'u' => bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
            _ => None,
        }
    }

    /// Passes one value and answers its text.
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'{' | b'[' => self.nested()?,
            _ => self.scalar()?,
        }
        Some(&self.text[start..self.at])
    }

    /// As [`Self::value`]; of a string it also says what stands between the quotes.
    pub(crate) fn value_or_string(&mut self) -> Option<(&'a str, Option<RawString<'a>>)> {
        if self.peek()? != b'"' {
            return self.value().map(|raw| (raw, None));
        }
        let start = self.at;
        let string = self.string()?;
        Some((&self.text[start..self.at], Some(string)))
    }

    fn scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Passes an array or object. The open brackets are bits: 1 for an object.
    fn nested(&mut self) -> Option<()> {
        let (mut objects, mut depth) = (0_u128, 0_u32);
        loop {
            // At the beginning of a value.
            match self.peek()? {
                open @ (b'{' | b'[') => {
                    if depth == DEPTH_MAX {
                        return None;
                    }
                    depth += 1;
                    objects = objects << 1 | u128::from(open == b'{');
                    self.at += 1;
                    self.space();
                    // INVARIANT: in ASCII both closing brackets are two after their opening ones.
                    if self.peek()? == open + 2 {
                        // Empty: closed below.
                    } else {
                        if open == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            // After a value, or at the closing bracket of an empty one.
            loop {
                self.space();
                let close = if objects & 1 == 1 { b'}' } else { b']' };
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        self.space();
                        if objects & 1 == 1 {
                            self.key()?;
                        }
                        break;
                    }
                    byte if byte == close => {
                        self.at += 1;
                        objects >>= 1;
                        depth -= 1;
                        if depth == 0 {
                            return Some(());
                        }
                    }
                    _ => return None,
                }
            }
        }
    }
}

/// The high bit of the first byte (in memory) that ends a run of plain text: a quote, a backslash or a control character. Bits further on may be wrong.
fn ends_of_plain_text(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    zeros(word ^ (ONES * b'"' as u64)) | zeros(word ^ (ONES * b'\\' as u64)) | controls
}
