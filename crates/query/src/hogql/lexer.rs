//! Text to tokens.
//!
//! Keywords are words: most of them are also good names (`timestamp`, `date`, `key`), so only the parser can tell.
//! Template strings and tags switch the rules inside them; a stack of modes keeps track, and their parts come out in the same flat list.

use super::ast::Span;
use super::error::SyntaxError;

/// A piece of text with a meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or keyword as written.
    Word(String),
    /// A name in backticks or double quotes, unescaped.
    Quoted(String),
    /// Text in single quotes, unescaped.
    Text(String),
    /// A whole number that fits.
    Int(u64),
    /// Any other number.
    Float(f64),
    /// An operator or bracket.
    Sym(&'static str),
    /// `f'`: parts follow, then [`Token::TemplateEnd`].
    TemplateStart,
    /// Literal text inside a template or between tags.
    Chunk(String),
    /// The closing quote of a template.
    TemplateEnd,
    /// `<` that begins a tag.
    TagOpen,
    /// The end of the text.
    End,
}

/// Longest first: the first that fits wins.
const SYMBOLS: [&str; 44] = [
    "=~*", "!~*", "->", "::", ":=", "||", "==", ">=", "~*", "=~", "<=", "!=", "<>", "!~", "?.", "??", "</", "/>", "*", ":", ",", "-", ".",
    "=", ">", "#", "{", "[", "(", "<", "%", "+", "?", "~", "}", "]", ")", ";", "/", "|", "&", "!", "^", "@",
];

/// What the lexer is inside of.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Code,
    Template,
    TagAttributes,
    TagContent,
    TagClose,
}

/// Splits a text; the last token is always [`Token::End`].
pub(super) fn tokenize(source: &str) -> Result<Vec<(Token, Span)>, SyntaxError> {
    if u32::try_from(source.len()).is_err() {
        return Err(SyntaxError::new("the query is longer than 4 GB", Span::default()));
    }
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new(), modes: vec![Mode::Code] };
    while lexer.step()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<(Token, Span)>,
    modes: Vec<Mode>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.source.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn span_from(&self, start: usize) -> Span {
        Span { start: start as u32, end: self.at as u32 }
    }

    fn push(&mut self, token: Token, start: usize) {
        let span = self.span_from(start);
        self.tokens.push((token, span));
    }

    fn error<T>(&self, message: &str, start: usize) -> Result<T, SyntaxError> {
        let span = Span { start: start as u32, end: self.at.max(start + 1).min(self.source.len()) as u32 };
        Err(SyntaxError::new(message, span))
    }

    /// One token or gap; false at the end.
    fn step(&mut self) -> Result<bool, SyntaxError> {
        match self.modes.last().copied().unwrap_or(Mode::Code) {
            Mode::Code => self.code(),
            Mode::Template => self.template(),
            Mode::TagAttributes | Mode::TagClose => self.tag(),
            Mode::TagContent => self.tag_content(),
        }
    }

    fn code(&mut self) -> Result<bool, SyntaxError> {
        self.skip_gap()?;
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            self.push(Token::End, start);
            return Ok(false);
        };
        match first {
            '\'' => {
                let text = self.quoted('\'')?;
                self.push(Token::Text(text), start);
            }
            '`' | '"' => {
                let name = self.quoted(first)?;
                self.push(Token::Quoted(name), start);
            }
            'f' | 'F' if self.byte(1) == b'\'' => {
                self.at += 2;
                self.push(Token::TemplateStart, start);
                self.modes.push(Mode::Template);
            }
            'a'..='z' | 'A'..='Z' | '_' | '$' => self.word(),
            '0'..='9' => self.number()?,
            '.' if self.byte(1).is_ascii_digit() && !self.after_operand() => self.number()?,
            '<' if self.opens_tag() => {
                self.at += 1;
                self.push(Token::TagOpen, start);
                self.modes.push(Mode::TagAttributes);
            }
            _ => self.symbol(first)?,
        }
        Ok(true)
    }

    /// Whitespace (every Unicode space, for pasted text) and comments.
    fn skip_gap(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("--") || trimmed.starts_with("//") {
                self.at += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                match trimmed.find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return self.error("this comment is not closed: expected `*/`", self.at),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
        let word = rest[..len].to_owned();
        self.at += len;
        self.push(Token::Word(word), start);
    }

    /// Whether the last token can stand before an operator; tells `a.1` from `.1`, and `a <b` from a tag.
    fn after_operand(&self) -> bool {
        match self.tokens.last() {
            Some((Token::Word(_) | Token::Quoted(_) | Token::Int(_) | Token::Float(_) | Token::Text(_) | Token::TemplateEnd, _)) => true,
            Some((Token::Sym(symbol), _)) => matches!(*symbol, ")" | "]" | "}"),
            _ => false,
        }
    }

    /// `<Name` where an operand is expected, so it is no comparison.
    fn opens_tag(&self) -> bool {
        let introduces = match self.tokens.last() {
            Some((Token::Word(word), _)) => ["select", "from", "return", "distinct"].iter().any(|k| word.eq_ignore_ascii_case(k)),
            _ => !self.after_operand(),
        };
        introduces && self.byte(1).is_ascii_alphabetic()
    }

    fn digits(&mut self, radix: u32) -> String {
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_digit(radix)).unwrap_or(rest.len());
        let digits = rest[..len].to_owned();
        self.at += len;
        digits
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        let second = self.byte(1).to_ascii_lowercase();
        if self.byte(0) == b'0' && (second == b'x' || second == b'b') {
            return self.prefixed_number(if second == b'x' { 16 } else { 2 });
        }
        let mut text = self.digits(10);
        // `t.1.2` is a tuple in a tuple: after a dot only digits belong to the number.
        let after_dot = matches!(self.tokens.last(), Some((Token::Sym("." | "?."), _)));
        let mut whole = true;
        if !after_dot {
            if self.byte(0) == b'.' && !self.byte(1).is_ascii_alphabetic() && self.byte(1) != b'_' {
                whole = false;
                self.at += 1;
                text = format!("{text}.{}", self.digits(10));
            }
            let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
            if self.byte(0).eq_ignore_ascii_case(&b'e') && self.byte(1 + sign).is_ascii_digit() {
                whole = false;
                let exponent_sign = if self.byte(1) == b'-' { "-" } else { "" };
                self.at += 1 + sign;
                text = format!("{text}e{exponent_sign}{}", self.digits(10));
            }
        }
        let token = match text.parse::<u64>() {
            Ok(value) if whole => Token::Int(value),
            _ => match text.trim_end_matches('.').parse::<f64>() {
                Ok(value) => Token::Float(value),
                Err(_) => return self.error("this is not a number", start),
            },
        };
        if self.byte(0).is_ascii_alphabetic() || self.byte(0) == b'_' {
            return self.error("a name cannot begin with a digit; put it in backticks", start);
        }
        self.push(token, start);
        Ok(())
    }

    /// `0x1F`, `0b101`, and C's hexadecimal floats such as `0x1.8p3`.
    fn prefixed_number(&mut self, radix: u32) -> Result<(), SyntaxError> {
        let start = self.at;
        self.at += 2;
        let mut digits = self.digits(radix);
        let mut shift: i32 = 0;
        let mut is_float = false;
        if radix == 16 && self.byte(0) == b'.' && self.byte(1).is_ascii_hexdigit() {
            self.at += 1;
            let fraction = self.digits(16);
            shift = -4 * fraction.len() as i32;
            digits.push_str(&fraction);
            is_float = true;
        }
        if radix == 16 && self.byte(0).eq_ignore_ascii_case(&b'p') {
            let negative = self.byte(1) == b'-';
            self.at += 1 + usize::from(matches!(self.byte(1), b'+' | b'-'));
            let Ok(exponent) = self.digits(10).parse::<i16>() else {
                return self.error("expected digits after `p`", start);
            };
            shift += if negative { -i32::from(exponent) } else { i32::from(exponent) };
            is_float = true;
        }
        let Ok(value) = u64::from_str_radix(&digits, radix) else {
            return self.error("this is not a number that fits into 64 bits", start);
        };
        let token = if is_float { Token::Float(value as f64 * f64::from(shift).exp2()) } else { Token::Int(value) };
        self.push(token, start);
        Ok(())
    }

    /// Text between quotes, which may be doubled or escaped inside.
    fn quoted(&mut self, quote: char) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += quote.len_utf8();
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return self.error(&format!("this text is not closed: expected {quote}"), start);
            };
            self.at += c.len_utf8();
            if c == '\\' {
                self.escape(&mut text, &[quote])?;
            } else if c == quote {
                if !self.rest().starts_with(quote) {
                    return Ok(text);
                }
                self.at += quote.len_utf8();
                text.push(quote);
            } else {
                text.push(c);
            }
        }
    }

    /// What follows a backslash. Unknown escapes keep the backslash, so patterns such as `'\d+'` mean what they say.
    fn escape(&mut self, text: &mut String, plain: &[char]) -> Result<(), SyntaxError> {
        let start = self.at - 1;
        let Some(c) = self.rest().chars().next() else {
            return self.error("the text ends after a backslash", start);
        };
        self.at += c.len_utf8();
        match c {
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'r' => text.push('\r'),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'a' => text.push('\u{7}'),
            'v' => text.push('\u{b}'),
            // PostHog drops NUL characters.
            '0' => {}
            '\\' | '\'' | '"' | '`' => text.push(c),
            'x' => {
                let code = self.rest().get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                let Some(code) = code else {
                    return self.error("expected two hexadecimal digits after `\\x`", start);
                };
                self.at += 2;
                text.push(char::from(code));
            }
            c if plain.contains(&c) => text.push(c),
            c => text.extend(['\\', c]),
        }
        Ok(())
    }

    fn template(&mut self) -> Result<bool, SyntaxError> {
        let start = self.at;
        let mut text = String::new();
        loop {
            let part = self.at;
            let Some(c) = self.rest().chars().next() else {
                return self.error("this template is not closed: expected '", start);
            };
            self.at += c.len_utf8();
            let token = match c {
                '\\' => {
                    self.escape(&mut text, &['{', '}'])?;
                    continue;
                }
                '\'' if self.byte(0) == b'\'' => {
                    self.at += 1;
                    text.push('\'');
                    continue;
                }
                '\'' => Token::TemplateEnd,
                '{' => Token::Sym("{"),
                _ => {
                    text.push(c);
                    continue;
                }
            };
            if !text.is_empty() {
                self.tokens.push((Token::Chunk(text), Span { start: start as u32, end: part as u32 }));
            }
            if token == Token::TemplateEnd {
                self.modes.pop();
            } else {
                self.modes.push(Mode::Code);
            }
            self.push(token, part);
            return Ok(true);
        }
    }

    /// Inside `<Name …>` or `</Name>`.
    fn tag(&mut self) -> Result<bool, SyntaxError> {
        let rest = self.rest();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let start = self.at;
        match self.byte(0) {
            b'{' => {
                self.at += 1;
                self.push(Token::Sym("{"), start);
                self.modes.push(Mode::Code);
            }
            b'=' => {
                self.at += 1;
                self.push(Token::Sym("="), start);
            }
            b'\'' | b'"' => {
                let quote = char::from(self.byte(0));
                let text = self.quoted(quote)?;
                self.push(Token::Text(text), start);
            }
            b'/' if self.byte(1) == b'>' => {
                self.at += 2;
                self.push(Token::Sym("/>"), start);
                self.modes.pop();
            }
            b'>' => {
                self.at += 1;
                self.push(Token::Sym(">"), start);
                if self.modes.pop() == Some(Mode::TagAttributes) {
                    self.modes.push(Mode::TagContent);
                }
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let rest = self.rest();
                let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
                let word = rest[..len].to_owned();
                self.at += len;
                self.push(Token::Word(word), start);
            }
            _ => return self.error("unexpected text inside a tag", start),
        }
        Ok(true)
    }

    /// Between `<Name>` and `</Name>`.
    fn tag_content(&mut self) -> Result<bool, SyntaxError> {
        let start = self.at;
        let len = self.rest().find(['<', '{']);
        let Some(len) = len else {
            return self.error("this tag is not closed", start);
        };
        if len > 0 {
            let chunk = self.rest()[..len].to_owned();
            self.at += len;
            if !chunk.trim().is_empty() {
                self.push(Token::Chunk(chunk), start);
            }
            return Ok(true);
        }
        if self.byte(0) == b'{' {
            self.at += 1;
            self.push(Token::Sym("{"), start);
            self.modes.push(Mode::Code);
        } else if self.byte(1) == b'/' {
            self.at += 2;
            self.push(Token::Sym("</"), start);
            self.modes.pop();
            self.modes.push(Mode::TagClose);
        } else {
            self.at += 1;
            self.push(Token::TagOpen, start);
            self.modes.push(Mode::TagAttributes);
        }
        Ok(true)
    }

    fn symbol(&mut self, first: char) -> Result<(), SyntaxError> {
        let start = self.at;
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest().starts_with(symbol)) else {
            return self.error(&format!("unexpected character `{first}`"), start);
        };
        // `</` and `/>` mean something inside tags only; here `a</*x*/b` and `a/>b` fall apart.
        let symbol = match symbol {
            "</" => "<",
            "/>" => "/",
            symbol => symbol,
        };
        self.at += symbol.len();
        match symbol {
            "{" => self.modes.push(Mode::Code),
            "}" if self.modes.len() == 1 => return self.error("this `}` has no `{`", start),
            "}" => {
                self.modes.pop();
            }
            _ => {}
        }
        self.push(Token::Sym(symbol), start);
        Ok(())
    }
}
