//! Bits of whole numbers, and sets of small numbers as arrays (`bitmap…`).

use super::datum::Datum;
use super::registry::{RowDef, row};
use super::text::{list, n};
use super::types::Returns::{Count, Flag, Int, Ints};
use super::udf::Env;

fn two(args: &[Datum<'_>], operation: fn(i64, i64) -> i64) -> Datum<'static> {
    n(args, 0).zip(n(args, 1)).map(|(a, b)| operation(a, b)).into()
}

fn shift(args: &[Datum<'_>], left: bool) -> Datum<'static> {
    let (Some(value), Some(by)) = (n(args, 0), n(args, 1).and_then(|by| u32::try_from(by).ok())) else { return Datum::Null };
    let value = value.cast_unsigned();
    let shifted = if left { value.checked_shl(by) } else { value.checked_shr(by) };
    shifted.unwrap_or(0).cast_signed().into()
}

fn has_bit(args: &[Datum<'_>], place: usize) -> bool {
    let position = n(args, place).and_then(|position| u32::try_from(position).ok());
    position.and_then(|position| n(args, 0)?.cast_unsigned().checked_shr(position)).is_some_and(|rest| rest & 1 == 1)
}

pub(super) const ROWS: &[RowDef] = &[
    row("bitAnd", 2, 2, Int, |args, _| two(args, |a, b| a & b)),
    row("bitOr", 2, 2, Int, |args, _| two(args, |a, b| a | b)),
    row("bitXor", 2, 2, Int, |args, _| two(args, |a, b| a ^ b)),
    row("bitNot", 1, 1, Int, |args, _| n(args, 0).map(|value| !value).into()),
    row("bitShiftLeft", 2, 2, Int, |args, _| shift(args, true)),
    row("bitShiftRight", 2, 2, Int, |args, _| shift(args, false)),
    row("bitRotateLeft", 2, 2, Int, |args, _| two(args, |a, b| a.rotate_left(u32::try_from(b.rem_euclid(64)).unwrap_or(0)))),
    row("bitRotateRight", 2, 2, Int, |args, _| two(args, |a, b| a.rotate_right(u32::try_from(b.rem_euclid(64)).unwrap_or(0)))),
    row("bitTest", 2, 2, Flag, |args, _| has_bit(args, 1).into()),
    row("bitTestAll", 2, 255, Flag, |args, _| (1..args.len()).all(|place| has_bit(args, place)).into()),
    row("bitTestAny", 2, 255, Flag, |args, _| (1..args.len()).any(|place| has_bit(args, place)).into()),
    row("bitCount", 1, 1, Count, |args, _| n(args, 0).map(|value| i64::from(value.count_ones())).into()),
    row("bitHammingDistance", 2, 2, Count, |args, _| two(args, |a, b| i64::from((a ^ b).count_ones()))),
    row("bitSlice", 2, 3, super::types::Returns::Text, |args, _| {
        let text = super::text::t(args, 0);
        let range = super::text::part_range(text.len(), n(args, 1).unwrap_or(1), n(args, 2));
        String::from_utf8_lossy(&text.as_bytes()[range]).into_owned().into()
    }),
    row("bitmapBuild", 1, 1, Ints, |args, _| list(set(args, 0))),
    row("bitmapToArray", 1, 1, Ints, |args, _| list(set(args, 0))),
    row("bitmapSubsetInRange", 3, 3, Ints, |args, _| {
        let (from, to) = (n(args, 1).unwrap_or(0), n(args, 2).unwrap_or(0));
        list(set(args, 0).into_iter().filter(|item| (from..to).contains(item)))
    }),
    row("bitmapSubsetLimit", 3, 3, Ints, |args, _| {
        let (from, count) = (n(args, 1).unwrap_or(0), n(args, 2).and_then(|count| usize::try_from(count).ok()).unwrap_or(0));
        list(set(args, 0).into_iter().filter(|item| *item >= from).take(count))
    }),
    row("bitmapContains", 2, 2, Flag, |args, _| n(args, 1).is_some_and(|item| set(args, 0).contains(&item)).into()),
    row("bitmapHasAny", 2, 2, Flag, |args, _| (!meet(args).is_empty()).into()),
    row("bitmapHasAll", 2, 2, Flag, |args, _| (meet(args).len() == set(args, 1).len()).into()),
    row("bitmapCardinality", 1, 1, Count, |args, _| set(args, 0).len().into()),
    row("bitmapMin", 1, 1, Count, |args, _| set(args, 0).first().copied().into()),
    row("bitmapMax", 1, 1, Count, |args, _| set(args, 0).last().copied().into()),
    row("bitmapAnd", 2, 2, Ints, |args, _| list(meet(args))),
    row("bitmapOr", 2, 2, Ints, |args, _| list(join(args))),
    row("bitmapXor", 2, 2, Ints, |args, _| {
        let both = meet(args);
        list(join(args).into_iter().filter(|item| !both.contains(item)))
    }),
    row("bitmapAndnot", 2, 2, Ints, |args, _| {
        let other = set(args, 1);
        list(set(args, 0).into_iter().filter(|item| !other.contains(item)))
    }),
    row("bitmapAndCardinality", 2, 2, Count, |args, _| meet(args).len().into()),
    row("bitmapOrCardinality", 2, 2, Count, |args, _| join(args).len().into()),
    row("bitmapXorCardinality", 2, 2, Count, |args, _| (join(args).len() - meet(args).len()).into()),
    row("bitmapAndnotCardinality", 2, 2, Count, andnot_count),
];

fn andnot_count<'a>(args: &[Datum<'a>], _: &Env) -> Datum<'a> {
    (set(args, 0).len() - meet(args).len()).into()
}

/// The items in order, each once.
fn set(args: &[Datum<'_>], place: usize) -> Vec<i64> {
    let mut items: Vec<i64> = args[place].as_list().unwrap_or_default().iter().filter_map(Datum::as_int).collect();
    items.sort_unstable();
    items.dedup();
    items
}

fn meet(args: &[Datum<'_>]) -> Vec<i64> {
    let other = set(args, 1);
    set(args, 0).into_iter().filter(|item| other.binary_search(item).is_ok()).collect()
}

fn join(args: &[Datum<'_>]) -> Vec<i64> {
    let mut items = set(args, 0);
    items.extend(set(args, 1));
    items.sort_unstable();
    items.dedup();
    items
}
