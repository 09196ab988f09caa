//! Finding texts in texts: positions, patterns, regular expressions, likeness.

mod pattern;

use std::cell::RefCell;

use regex::{Regex, RegexBuilder};
use rustc_hash::FxHashMap;

use super::datum::Datum;
use super::registry::{RowDef, row};
use super::text::{list, n, t};
use super::types::Returns::{Count, Flag, Float, Ints, Of, Text, Texts};
use super::types::list_of;
use arrow::datatypes::DataType;

/// Compiled patterns kept by each thread.
const KEPT_PATTERNS: usize = 256;

thread_local! {
    static PATTERNS: RefCell<FxHashMap<String, Option<Regex>>> = RefCell::new(FxHashMap::default());
}

/// The regular expression of a text, compiled once; `None` when it is none. `.` matches line breaks, as in ClickHouse.
pub(crate) fn regex(pattern: &str) -> Option<Regex> {
    PATTERNS.with_borrow_mut(|patterns| {
        if let Some(known) = patterns.get(pattern) {
            return known.clone();
        }
        if patterns.len() >= KEPT_PATTERNS {
            patterns.clear();
        }
        let compiled = RegexBuilder::new(&pattern::as_written_here(pattern)).dot_matches_new_line(true).size_limit(1 << 22).build().ok();
        patterns.insert(pattern.to_owned(), compiled.clone());
        compiled
    })
}

/// `%` and `_` of LIKE as a regular expression.
pub(crate) fn like_regex(pattern: &str, ignore_case: bool) -> String {
    let mut out = String::from(if ignore_case { "(?i)^" } else { "^" });
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '\\' => out.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}

fn matches(args: &[Datum<'_>], pattern: &str) -> Datum<'static> {
    regex(pattern).map(|regex| regex.is_match(&t(args, 0))).into()
}

fn like(args: &[Datum<'_>], ignore_case: bool, negated: bool) -> Datum<'static> {
    let pattern = like_regex(&t(args, 1), ignore_case);
    regex(&pattern).map(|regex| regex.is_match(&t(args, 0)) != negated).into()
}

fn texts_of_groups(_: &[DataType]) -> DataType {
    list_of(list_of(DataType::Utf8))
}

pub(super) const ROWS: &[RowDef] = &[
    row("position", 2, 3, Count, |args, _| position(&t(args, 0), &t(args, 1), n(args, 2)).into()).also(&["strpos"]),
    row("positionUTF8", 2, 3, Count, |args, _| letter_position(&t(args, 0), &t(args, 1), n(args, 2)).into()),
    row("locate", 2, 3, Count, |args, _| position(&t(args, 1), &t(args, 0), n(args, 2)).into()),
    row("positionCaseInsensitive", 2, 3, Count, |args, _| position(&lower(args, 0), &lower(args, 1), n(args, 2)).into()),
    row("positionCaseInsensitiveUTF8", 2, 3, Count, |args, _| letter_position(&lower(args, 0), &lower(args, 1), n(args, 2)).into()),
    row("match", 2, 2, Flag, |args, _| matches(args, &t(args, 1))),
    row("notMatch", 2, 2, Flag, |args, _| regex(&t(args, 1)).map(|regex| !regex.is_match(&t(args, 0))).into()),
    row("imatch", 2, 2, Flag, |args, _| matches(args, &format!("(?i){}", t(args, 1)))),
    row("like", 2, 2, Flag, |args, _| like(args, false, false)),
    row("ilike", 2, 2, Flag, |args, _| like(args, true, false)),
    row("notLike", 2, 2, Flag, |args, _| like(args, false, true)),
    row("notILike", 2, 2, Flag, |args, _| like(args, true, true)),
    row("extract", 2, 2, Text, |args, _| first_group(&t(args, 0), &t(args, 1))),
    row("regexpExtract", 2, 3, Text, |args, _| numbered_group(args)).also(&["REGEXP_EXTRACT", "regexp_extract"]),
    row("extractAll", 2, 2, Texts, |args, _| {
        let text = t(args, 0);
        let pattern = regex(&t(args, 1));
        pattern.map_or(Datum::Null, |regex| list(until_empty(&regex, &text).map(|found| chosen_group(&found).to_owned())))
    }),
    row("extractAllGroupsVertical", 2, 2, Of(texts_of_groups), |args, _| Datum::List(groups(args))).also(&["extractAllGroups"]),
    row("extractAllGroupsHorizontal", 2, 2, Of(texts_of_groups), |args, _| transposed(groups(args), group_count(args))),
    row("extractGroups", 2, 2, Texts, |args, _| groups(args).into_iter().next().unwrap_or(Datum::List(Vec::new()))),
    row("replaceRegexpAll", 3, 3, Text, |args, _| replace(args, 0)).also(&["regexp_replace"]),
    row("replaceRegexpOne", 3, 3, Text, |args, _| replace(args, 1)),
    row("regexpQuoteMeta", 1, 1, Text, |args, _| regex::escape(&t(args, 0)).into()),
    row("splitByRegexp", 2, 3, Texts, |args, _| {
        let text = t(args, 1);
        if args[0].as_text() == Some("") {
            return list(text.chars().map(String::from));
        }
        regex(&t(args, 0)).map_or(Datum::Null, |regex| list(regex.split(&text).map(str::to_owned)))
    }),
    row("countSubstrings", 2, 3, Count, |args, _| count(&t(args, 0), &t(args, 1), n(args, 2)).into()),
    row("countSubstringsCaseInsensitive", 2, 3, Count, |args, _| count(&lower(args, 0), &lower(args, 1), n(args, 2)).into())
        .also(&["countSubstringsCaseInsensitiveUTF8"]),
    row("countMatches", 2, 2, Count, |args, _| count_matches(&t(args, 0), &t(args, 1)).into()),
    row("countMatchesCaseInsensitive", 2, 2, Count, |args, _| count_matches(&t(args, 0), &format!("(?i){}", t(args, 1))).into()),
    row("multiSearchAny", 2, 2, Flag, |args, _| positions(args, false).iter().any(|at| *at > 0).into()).also(&["multiSearchAnyUTF8"]),
    row("multiSearchAnyCaseInsensitive", 2, 2, Flag, |args, _| positions(args, true).iter().any(|at| *at > 0).into())
        .also(&["multiSearchAnyCaseInsensitiveUTF8"]),
    row("multiSearchAllPositions", 2, 2, Ints, |args, _| list(positions(args, false))).also(&["multiSearchAllPositionsUTF8"]),
    row("multiSearchAllPositionsCaseInsensitive", 2, 2, Ints, |args, _| list(positions(args, true)))
        .also(&["multiSearchAllPositionsCaseInsensitiveUTF8"]),
    row("multiSearchFirstPosition", 2, 2, Count, |args, _| first_position(args, false)).also(&["multiSearchFirstPositionUTF8"]),
    row("multiSearchFirstPositionCaseInsensitive", 2, 2, Count, |args, _| first_position(args, true))
        .also(&["multiSearchFirstPositionCaseInsensitiveUTF8"]),
    row("multiSearchFirstIndex", 2, 2, Count, |args, _| first_index(args, false)).also(&["multiSearchFirstIndexUTF8"]),
    row("multiSearchFirstIndexCaseInsensitive", 2, 2, Count, |args, _| first_index(args, true))
        .also(&["multiSearchFirstIndexCaseInsensitiveUTF8"]),
    row("multiMatchAny", 2, 2, Flag, |args, _| (!matching(args).is_empty()).into()),
    row("multiMatchAnyIndex", 2, 2, Count, |args, _| matching(args).first().copied().unwrap_or(0).into()),
    row("multiMatchAllIndices", 2, 2, Ints, |args, _| list(matching(args))),
    row("ngramDistance", 2, 2, Float, |args, _| ngram_distance(&t(args, 0), &t(args, 1)).into()).also(&["ngramDistanceUTF8"]),
    row("ngramDistanceCaseInsensitive", 2, 2, Float, |args, _| ngram_distance(&lower(args, 0), &lower(args, 1)).into())
        .also(&["ngramDistanceCaseInsensitiveUTF8"]),
    row("ngramSearch", 2, 2, Float, |args, _| ngram_search(&t(args, 0), &t(args, 1)).into()).also(&["ngramSearchUTF8"]),
    row("ngramSearchCaseInsensitive", 2, 2, Float, |args, _| ngram_search(&lower(args, 0), &lower(args, 1)).into())
        .also(&["ngramSearchCaseInsensitiveUTF8"]),
    row("hasToken", 2, 2, Flag, |args, _| has_token(&t(args, 0), &t(args, 1)).into()).also(&["hasTokenOrNull"]),
    row("hasTokenCaseInsensitive", 2, 2, Flag, |args, _| has_token(&lower(args, 0), &lower(args, 1)).into())
        .also(&["hasTokenCaseInsensitiveOrNull"]),
    row("editDistance", 2, 2, Count, |args, _| edit_distance(&t(args, 0), &t(args, 1)).into())
        .also(&["levenshteinDistance", "editDistanceUTF8"]),
    row("hasSubsequence", 2, 2, Flag, |args, _| is_subsequence(&t(args, 0), &t(args, 1)).into()).also(&["hasSubsequenceUTF8"]),
    row("hasSubsequenceCaseInsensitive", 2, 2, Flag, |args, _| is_subsequence(&lower(args, 0), &lower(args, 1)).into())
        .also(&["hasSubsequenceCaseInsensitiveUTF8"]),
    row("hasAnyTokens", 2, 2, Flag, |args, _| tokens(args).iter().any(|token| has_token(&lower(args, 0), token)).into()),
    row("hasAllTokens", 2, 2, Flag, |args, _| tokens(args).iter().all(|token| has_token(&lower(args, 0), token)).into()),
];

fn lower(args: &[Datum<'_>], place: usize) -> String {
    t(args, place).to_lowercase()
}

/// In bytes, from 1; 0 when it is not there.
fn position(text: &str, wanted: &str, from: Option<i64>) -> usize {
    let from = from.and_then(|from| usize::try_from(from).ok()).unwrap_or(1).max(1) - 1;
    text.get(from..).and_then(|rest| rest.find(wanted)).map_or(0, |at| from + at + 1)
}

/// In letters, from 1; 0 when it is not there.
fn letter_position(text: &str, wanted: &str, from: Option<i64>) -> usize {
    let from = from.and_then(|from| usize::try_from(from).ok()).unwrap_or(1).max(1) - 1;
    let skipped = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
    let rest = &text[skipped..];
    rest.find(wanted).map_or(0, |at| from + rest[..at].chars().count() + 1)
}

fn count(text: &str, wanted: &str, from: Option<i64>) -> usize {
    let from = from.and_then(|from| usize::try_from(from).ok()).unwrap_or(1).max(1) - 1;
    if wanted.is_empty() { 0 } else { text.get(from..).unwrap_or_default().matches(wanted).count() }
}

/// The matches up to the first that is empty, which ends the search.
fn until_empty<'t>(regex: &'t Regex, text: &'t str) -> impl Iterator<Item = regex::Captures<'t>> {
    regex.captures_iter(text).take_while(|found| !found[0].is_empty())
}

fn count_matches(text: &str, pattern: &str) -> Option<usize> {
    regex(pattern).map(|regex| regex.find_iter(text).take_while(|found| !found.is_empty()).count())
}

/// The first group, or the whole match where there are no groups.
fn chosen_group<'t>(found: &regex::Captures<'t>) -> &'t str {
    let group = if found.len() > 1 { found.get(1) } else { found.get(0) };
    group.map_or("", |group| group.as_str())
}

fn first_group(text: &str, pattern: &str) -> Datum<'static> {
    let Some(regex) = regex(pattern) else { return Datum::Null };
    regex.captures(text).map_or(String::new(), |found| chosen_group(&found).to_owned()).into()
}

fn numbered_group<'a>(args: &[Datum<'a>]) -> Datum<'a> {
    let (text, group) = (t(args, 0), n(args, 2).unwrap_or(1));
    let Some(regex) = regex(&t(args, 1)) else { return Datum::Null };
    let Ok(group) = usize::try_from(group.min(i64::try_from(regex.captures_len()).unwrap_or(1) - 1)) else { return Datum::Null };
    let found = regex.captures(&text).and_then(|found| found.get(group).map(|group| group.as_str().to_owned()));
    found.unwrap_or_default().into()
}

/// The groups of each match.
fn groups<'a>(args: &[Datum<'a>]) -> Vec<Datum<'a>> {
    let text = t(args, 0);
    let Some(regex) = regex(&t(args, 1)) else { return Vec::new() };
    let of_match =
        |found: regex::Captures<'_>| list(found.iter().skip(1).map(|group| group.map_or(String::new(), |group| group.as_str().to_owned())));
    regex.captures_iter(&text).map(of_match).collect()
}

/// How many groups the pattern has.
fn group_count(args: &[Datum<'_>]) -> usize {
    regex(&t(args, 1)).map_or(0, |regex| regex.captures_len() - 1)
}

fn transposed(rows: Vec<Datum<'_>>, width: usize) -> Datum<'_> {
    let column = |place: usize| Datum::List(rows.iter().filter_map(|row| row.as_list()?.get(place).cloned()).collect());
    Datum::List((0..width).map(column).collect())
}

/// In the replacement `\0` is the match and `\1` … `\9` its groups.
fn replace<'a>(args: &[Datum<'a>], limit: usize) -> Datum<'a> {
    let (text, replacement) = (t(args, 0), t(args, 2));
    if args[1].as_text() == Some("") {
        return text.into_owned().into();
    }
    let Some(regex) = regex(&t(args, 1)) else { return Datum::Null };
    let expand = |found: &regex::Captures<'_>| {
        let mut out = String::new();
        let mut chars = replacement.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some(digit @ '0'..='9') => {
                        let group = digit.to_digit(10).and_then(|group| usize::try_from(group).ok()).unwrap_or(0);
                        out.push_str(found.get(group).map_or("", |group| group.as_str()));
                    }
                    Some(other) => out.push(other),
                    None => out.push('\\'),
                },
                c => out.push(c),
            }
        }
        out
    };
    regex.replacen(&text, limit, expand).into_owned().into()
}

fn positions(args: &[Datum<'_>], ignore_case: bool) -> Vec<i64> {
    let text = if ignore_case { lower(args, 0) } else { t(args, 0).into_owned() };
    let wanted = args[1].as_list().unwrap_or_default();
    let find = |wanted: &Datum<'_>| {
        let wanted = wanted.as_text().unwrap_or_default();
        let at = if ignore_case { position(&text, &wanted.to_lowercase(), None) } else { position(&text, wanted, None) };
        i64::try_from(at).unwrap_or(0)
    };
    wanted.iter().map(find).collect()
}

fn first_position<'a>(args: &[Datum<'a>], ignore_case: bool) -> Datum<'a> {
    positions(args, ignore_case).into_iter().filter(|at| *at > 0).min().unwrap_or(0).into()
}

fn first_index<'a>(args: &[Datum<'a>], ignore_case: bool) -> Datum<'a> {
    positions(args, ignore_case).iter().position(|at| *at > 0).map_or(0, |index| index + 1).into()
}

/// Indices, from 1, of the patterns that match.
fn matching(args: &[Datum<'_>]) -> Vec<i64> {
    let text = t(args, 0);
    let patterns = args[1].as_list().unwrap_or_default();
    let hit = |pattern: &Datum<'_>| pattern.as_text().and_then(regex).is_some_and(|regex| regex.is_match(&text));
    (1..).zip(patterns).filter(|(_, pattern)| hit(pattern)).map(|(index, _)| index).collect()
}

/// Letters in a gram.
const GRAM: usize = 4;

fn gram_counts(text: &str) -> FxHashMap<Vec<char>, usize> {
    let letters: Vec<char> = text.chars().collect();
    let mut counts = FxHashMap::default();
    for gram in letters.windows(GRAM) {
        *counts.entry(gram.to_vec()).or_insert(0) += 1;
    }
    counts
}

/// 0 for equal texts, 1 for texts that share nothing.
fn ngram_distance(a: &str, b: &str) -> f64 {
    let (a, b) = (gram_counts(a), gram_counts(b));
    let total: usize = a.values().chain(b.values()).sum();
    let shared: usize = a.iter().map(|(gram, count)| count.min(b.get(gram).unwrap_or(&0))).sum();
    ratio(total - 2 * shared, total)
}

/// The part of the needle's grams that the text has; all of them when it has none itself.
fn ngram_search(text: &str, needle: &str) -> f64 {
    let (text, needle) = (gram_counts(text), gram_counts(needle));
    if needle.is_empty() {
        return 1.0;
    }
    let shared: usize = needle.iter().map(|(gram, count)| count.min(text.get(gram).unwrap_or(&0))).sum();
    ratio(shared, needle.values().sum())
}

#[expect(clippy::cast_precision_loss, reason = "counts of letters in a text")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Whether the letters of the second text occur in the first, in their order.
fn is_subsequence(text: &str, wanted: &str) -> bool {
    let mut letters = text.chars();
    wanted.chars().all(|wanted| letters.any(|letter| letter == wanted))
}

/// The tokens to look for: an array, or the words of a text.
fn tokens(args: &[Datum<'_>]) -> Vec<String> {
    match &args[1] {
        Datum::List(items) => items.iter().filter_map(Datum::as_text).map(str::to_lowercase).collect(),
        _ => lower(args, 1).split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    }
}

fn has_token(text: &str, token: &str) -> bool {
    text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).any(|word| word == token)
}

/// Letters to add, drop or change to get from one text to the other.
pub(crate) fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, x) in a.chars().enumerate() {
        let mut diagonal = row;
        last[0] = row + 1;
        for (column, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = last[column + 1];
            last[column + 1] = change.min(diagonal + 1).min(last[column] + 1);
        }
    }
    last[b.len()]
}
