//! Texts: letters, parts, splitting and joining.
//!
//! As in ClickHouse, functions without `UTF8` in their name count bytes. Where a byte cut would fall inside a letter, the letter is replaced by U+FFFD.

use std::borrow::Cow;

use super::datum::Datum;
use super::format::show;
use super::registry::{ANY, RowDef, row};
use super::types::Returns::{Count, Flag, Int, Text, Texts};
use super::udf::Env;

/// An argument as text; other values as they print.
pub(super) fn t<'d>(args: &'d [Datum<'_>], place: usize) -> Cow<'d, str> {
    match args.get(place) {
        Some(Datum::Text(text)) => Cow::Borrowed(text),
        Some(other) => Cow::Owned(show(other)),
        None => Cow::Borrowed(""),
    }
}

/// An argument as a whole number.
pub(super) fn n(args: &[Datum<'_>], place: usize) -> Option<i64> {
    args.get(place).and_then(Datum::as_int)
}

pub(super) const ROWS: &[RowDef] = &[
    row("length", 1, 1, Count, |args, _| match &args[0] {
        Datum::List(items) => items.len().into(),
        Datum::Map(pairs) => pairs.len().into(),
        _ => t(args, 0).len().into(),
    })
    .also(&["OCTET_LENGTH"]),
    row("lengthUTF8", 1, 1, Count, |args, _| t(args, 0).chars().count().into()).also(&["char_length", "character_length"]),
    row("empty", 1, 1, Flag, |args, _| is_empty(args).into()).also(&["isEmpty"]),
    row("notEmpty", 1, 1, Flag, |args, _| (!is_empty(args)).into()).also(&["isNotEmpty"]),
    row("reverse", 1, 1, super::types::Returns::Same(0), reverse).also(&["reverseUTF8"]),
    row("lower", 1, 1, Text, |args, _| t(args, 0).to_ascii_lowercase().into()).also(&["lcase"]),
    row("upper", 1, 1, Text, |args, _| t(args, 0).to_ascii_uppercase().into()).also(&["ucase"]),
    row("lowerUTF8", 1, 1, Text, |args, _| t(args, 0).to_lowercase().into()),
    row("upperUTF8", 1, 1, Text, |args, _| t(args, 0).to_uppercase().into()),
    row("initcap", 1, 1, Text, |args, _| initcap(&t(args, 0)).into()).also(&["initcapUTF8"]),
    row("isValidUTF8", 1, 1, Flag, |_, _| true.into()),
    row("toValidUTF8", 1, 1, Text, |args, _| t(args, 0).into_owned().into()),
    row("repeat", 2, 2, Text, |args, _| repeat(&t(args, 0), n(args, 1).unwrap_or(0))),
    row("space", 1, 1, Text, |args, _| repeat(" ", n(args, 0).unwrap_or(0))),
    row("format", 1, ANY, Text, |args, _| format_pattern(args)),
    row("concat", 1, ANY, Text, |args, _| concat(args)).also(&["concatAssumeInjective"]).lenient(),
    row("concatWithSeparator", 1, ANY, Text, |args, _| {
        let parts: Vec<_> = (1..args.len()).map(|place| t(args, place)).collect();
        parts.join(&t(args, 0)).into()
    })
    .also(&["concatWithSeparatorAssumeInjective", "concat_ws"]),
    row("leftPad", 2, 3, Text, |args, _| pad(args, true)).also(&["leftPadUTF8", "lpad"]),
    row("rightPad", 2, 3, Text, |args, _| pad(args, false)).also(&["rightPadUTF8", "rpad"]),
    row("substring", 2, 3, Text, |args, _| bytes_part(&t(args, 0), n(args, 1), n(args, 2), args.len() > 2)).also(&[
        "substr",
        "mid",
        "byteSlice",
    ]),
    row("substringUTF8", 2, 3, Text, |args, _| chars_part(&t(args, 0), n(args, 1), n(args, 2), args.len() > 2)).also(&["substrUTF8"]),
    row("left", 2, 2, Text, |args, _| left(&t(args, 0), n(args, 1).unwrap_or(0))).also(&["leftUTF8"]),
    row("right", 2, 2, Text, |args, _| right(&t(args, 0), n(args, 1).unwrap_or(0))).also(&["rightUTF8"]),
    row("appendTrailingCharIfAbsent", 2, 2, Text, |args, _| {
        let (text, end) = (t(args, 0), t(args, 1));
        if text.is_empty() || text.ends_with(&*end) { text.into_owned().into() } else { format!("{text}{end}").into() }
    }),
    row("convertCharset", 3, 3, Text, |args, _| t(args, 0).into_owned().into()),
    row("startsWith", 2, 2, Flag, |args, _| t(args, 0).starts_with(&*t(args, 1)).into()).also(&["startsWithUTF8"]),
    row("endsWith", 2, 2, Flag, |args, _| t(args, 0).ends_with(&*t(args, 1)).into()).also(&["endsWithUTF8"]),
    row("trim", 1, 2, Text, |args, _| t(args, 0).trim_matches(trimmed(args)).to_owned().into()).also(&["trimBoth", "btrim"]),
    row("trimLeft", 1, 2, Text, |args, _| t(args, 0).trim_start_matches(trimmed(args)).to_owned().into()).also(&["ltrim"]),
    row("trimRight", 1, 2, Text, |args, _| t(args, 0).trim_end_matches(trimmed(args)).to_owned().into()).also(&["rtrim"]),
    row("ascii", 1, 1, Int, |args, _| i64::from(t(args, 0).bytes().next().unwrap_or(0)).into()),
    row("char", 1, ANY, Text, |args, _| {
        let bytes: Vec<u8> = (0..args.len()).filter_map(|place| n(args, place)).map(|code| code.to_le_bytes()[0]).collect();
        String::from_utf8_lossy(&bytes).into_owned().into()
    }),
    row("splitByChar", 2, 3, Texts, |args, _| split(args)).also(&["splitByString"]),
    row("split_part", 3, 3, Text, |args, _| {
        let (text, separator) = (t(args, 0), t(args, 1));
        let parts: Vec<&str> = if separator.is_empty() { vec![&text] } else { text.split(&*separator).collect() };
        let place = n(args, 2).and_then(|place| usize::try_from(place).ok()?.checked_sub(1));
        place.and_then(|place| parts.get(place)).copied().unwrap_or_default().to_owned().into()
    }),
    row("splitByWhitespace", 1, 2, Texts, |args, _| list(t(args, 0).split_whitespace().map(str::to_owned))),
    row("splitByNonAlpha", 1, 2, Texts, |args, _| words(&t(args, 0), |c| c.is_ascii_whitespace() || c.is_ascii_punctuation())),
    row("alphaTokens", 1, 2, Texts, |args, _| words(&t(args, 0), |c| !c.is_ascii_alphabetic())).also(&["splitByAlpha"]),
    row("tokens", 1, 1, Texts, |args, _| words(&t(args, 0), |c| c.is_ascii() && !c.is_ascii_alphanumeric())),
    row("ngrams", 2, 2, Texts, ngrams),
    row("arrayStringConcat", 1, 2, Text, join).also(&["groupConcatArray"]),
    row("replaceAll", 3, 3, Text, |args, _| replace(args, usize::MAX)).also(&["replace"]),
    row("replaceOne", 3, 3, Text, |args, _| replace(args, 1)),
    row("translate", 3, 3, Text, translate).also(&["translateUTF8"]),
    row("encodeXMLComponent", 1, 1, Text, |args, _| encode_xml(&t(args, 0)).into()),
    row("decodeXMLComponent", 1, 1, Text, |args, _| decode_xml(&t(args, 0)).into()),
    row("extractTextFromHTML", 1, 1, Text, |args, _| html_text(&t(args, 0)).into()),
];

fn is_empty(args: &[Datum<'_>]) -> bool {
    match &args[0] {
        Datum::List(items) => items.is_empty(),
        Datum::Map(pairs) => pairs.is_empty(),
        Datum::Text(text) => text.is_empty(),
        Datum::Uuid(uuid) => *uuid == 0,
        _ => false,
    }
}

fn reverse<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    match &args[0] {
        Datum::List(items) => Datum::List(items.iter().rev().cloned().collect()),
        _ => t(args, 0).chars().rev().collect::<String>().into(),
    }
}

fn initcap(text: &str) -> String {
    let mut starts = true;
    text.chars()
        .map(|c| {
            let shown = if starts { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            starts = !c.is_alphanumeric();
            shown
        })
        .collect()
}

/// Longest text that a function makes of a short one.
const MAX_TEXT: usize = 1 << 24;

fn repeat(text: &str, times: i64) -> Datum<'static> {
    let times = usize::try_from(times).unwrap_or(0);
    if text.len().saturating_mul(times) > MAX_TEXT { Datum::Null } else { text.repeat(times).into() }
}

/// `{}` takes the next argument, `{0}` the one of that number, `{{` is a brace.
fn format_pattern<'a>(args: &[Datum<'a>]) -> Datum<'a> {
    let pattern = t(args, 0);
    let (mut out, mut next) = (String::new(), 0);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                out.push(c);
            }
            '{' => {
                let number: String = std::iter::from_fn(|| chars.next().filter(|c| *c != '}')).collect();
                let place = number.trim().parse().unwrap_or(next);
                next = place + 1;
                out.push_str(&t(args, place + 1));
            }
            c => out.push(c),
        }
    }
    out.into()
}

/// PostHog prints `concat` so that NULL arguments count as empty texts.
fn concat<'a>(args: &[Datum<'a>]) -> Datum<'a> {
    if let Some(Datum::List(_)) = args.iter().find(|arg| !arg.is_null()) {
        return Datum::List(args.iter().filter_map(Datum::as_list).flatten().cloned().collect());
    }
    let mut out = String::new();
    for (place, arg) in args.iter().enumerate() {
        if !arg.is_null() {
            out.push_str(&t(args, place));
        }
    }
    out.into()
}

fn pad<'a>(args: &[Datum<'a>], at_left: bool) -> Datum<'a> {
    let text = t(args, 0);
    let Some(length) = n(args, 1).and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= MAX_TEXT) else {
        return Datum::Null;
    };
    let fill = if args.len() > 2 { t(args, 2) } else { Cow::Borrowed("") };
    let fill = if fill.is_empty() { Cow::Borrowed(" ") } else { fill };
    let have = text.chars().count();
    if have >= length {
        return text.chars().take(length).collect::<String>().into();
    }
    let padding: String = fill.chars().cycle().take(length - have).collect();
    if at_left { format!("{padding}{text}").into() } else { format!("{text}{padding}").into() }
}

/// Where a part begins and ends, from positions that begin with 1 or count from the end.
pub(super) fn part_range(len: usize, offset: i64, length: Option<i64>) -> std::ops::Range<usize> {
    let total = i64::try_from(len).unwrap_or(i64::MAX);
    let start = match offset {
        0 => return 0..0,
        offset if offset > 0 => offset - 1,
        offset => total.saturating_add(offset),
    };
    let end = match length {
        None => total,
        Some(length) if length < 0 => total.saturating_add(length),
        Some(length) => start.saturating_add(length),
    };
    let clip = |at: i64| usize::try_from(at.clamp(0, total)).unwrap_or(0);
    clip(start)..clip(end).max(clip(start))
}

fn bytes_part(text: &str, offset: Option<i64>, length: Option<i64>, limited: bool) -> Datum<'static> {
    let (Some(offset), true) = (offset, length.is_some() || !limited) else { return Datum::Null };
    let range = part_range(text.len(), offset, length);
    String::from_utf8_lossy(&text.as_bytes()[range]).into_owned().into()
}

fn chars_part(text: &str, offset: Option<i64>, length: Option<i64>, limited: bool) -> Datum<'static> {
    let (Some(offset), true) = (offset, length.is_some() || !limited) else { return Datum::Null };
    let range = part_range(text.chars().count(), offset, length);
    text.chars().skip(range.start).take(range.len()).collect::<String>().into()
}

fn left(text: &str, count: i64) -> Datum<'static> {
    let total = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let take = if count < 0 { total.saturating_add(count) } else { count };
    text.chars().take(usize::try_from(take).unwrap_or(0)).collect::<String>().into()
}

fn right(text: &str, count: i64) -> Datum<'static> {
    let total = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let skip = if count < 0 { count.saturating_neg() } else { total.saturating_sub(count) };
    text.chars().skip(usize::try_from(skip).unwrap_or(0)).collect::<String>().into()
}

/// What `trim` takes away: blanks, or the letters of the second argument.
fn trimmed(args: &[Datum<'_>]) -> impl Fn(char) -> bool + Copy + use<> {
    let mut letters = [' '; 16];
    let mut count = 1;
    if args.len() > 1 {
        count = 0;
        for (slot, letter) in letters.iter_mut().zip(t(args, 1).chars()) {
            *slot = letter;
            count += 1;
        }
    }
    move |c| letters[..count].contains(&c)
}

pub(super) fn list<'a, T: Into<Datum<'a>>>(items: impl IntoIterator<Item = T>) -> Datum<'a> {
    Datum::List(items.into_iter().map(Into::into).collect())
}

/// `splitByChar(separator, text[, most parts])`. An empty separator splits into letters.
fn split<'a>(args: &[Datum<'a>]) -> Datum<'a> {
    let (separator, text) = (t(args, 0), t(args, 1));
    let most = n(args, 2).and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0).unwrap_or(usize::MAX);
    if separator.is_empty() {
        return list(text.chars().map(String::from).take(most));
    }
    list(text.split(&*separator).map(str::to_owned).take(most))
}

fn words(text: &str, separates: fn(char) -> bool) -> Datum<'static> {
    list(text.split(separates).filter(|word| !word.is_empty()).map(str::to_owned))
}

fn ngrams<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let letters: Vec<char> = t(args, 0).chars().collect();
    let Some(size) = n(args, 1).and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0) else { return Datum::Null };
    list(letters.windows(size).map(|gram| gram.iter().collect::<String>()))
}

/// NULL items are passed over.
fn join<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let items = args[0].as_list().unwrap_or_default();
    let texts: Vec<String> = items.iter().filter(|item| !item.is_null()).map(show).collect();
    texts.join(if args.len() > 1 { args[1].as_text().unwrap_or_default() } else { "" }).into()
}

fn replace<'a>(args: &[Datum<'a>], times: usize) -> Datum<'a> {
    let (text, from, to) = (t(args, 0), t(args, 1), t(args, 2));
    if from.is_empty() { text.into_owned().into() } else { text.replacen(&*from, &to, times).into() }
}

/// Letters of the second argument become those of the third at the same place; without one they go.
fn translate<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    let (from, to): (Vec<char>, Vec<char>) = (t(args, 1).chars().collect(), t(args, 2).chars().collect());
    let letter = |c: char| match from.iter().position(|known| *known == c) {
        Some(place) => to.get(place).copied(),
        None => Some(c),
    };
    t(args, 0).chars().filter_map(letter).collect::<String>().into()
}

const XML: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&apos;")];

fn encode_xml(text: &str) -> String {
    XML.iter().fold(text.to_owned(), |text, (plain, entity)| text.replace(plain, entity))
}

fn decode_xml(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.find(';').map(|end| &rest[..=end]);
        let decoded = entity.and_then(|entity| {
            let named = XML.iter().find(|(_, known)| *known == entity).and_then(|(plain, _)| plain.chars().next());
            let number = entity.strip_prefix("&#").and_then(|rest| rest.strip_suffix(';'));
            named.or_else(|| {
                let number = number?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            })
        });
        match (decoded, entity) {
            (Some(c), Some(entity)) => {
                out.push(c);
                rest = &rest[entity.len()..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The text outside of tags, comments, scripts and styles, with single blanks.
fn html_text(html: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        words.extend(rest[..open].split_whitespace().map(str::to_owned));
        rest = &rest[open..];
        let lower = rest.get(..8).unwrap_or(rest).to_ascii_lowercase();
        let close = if lower.starts_with("<!--") {
            "-->"
        } else if lower.starts_with("<script") {
            "</script>"
        } else if lower.starts_with("<style") {
            "</style>"
        } else {
            ">"
        };
        rest = rest.find(close).map_or("", |end| &rest[end + close.len()..]);
    }
    words.extend(rest.split_whitespace().map(str::to_owned));
    words.join(" ")
}
