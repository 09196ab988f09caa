//! A person's rows, wherever they lie: the parts of a shard are walked side by side, person by person.
//!
//! Within a part a person's rows are contiguous and parts are sorted by person, so this is a merge of sorted lists and needs no hash table.
//! Persons of the override map are left out of the walk of shards and come afterwards, each under the id it has now.

use super::{ScanContext, parallel};
use crate::error::QueryError;
use aqueduct_event::PersonId;
use aqueduct_store::{Part, PersonRuns, ProjectView};
use arrow::array::UInt32Array;
use hashbrown::HashMap;
use rustc_hash::FxHashSet;
use std::ops::Range;
use std::sync::Arc;

/// Actors between two looks at whether anybody still waits.
const CHECK_EVERY: u32 = 4_096;

/// Rows `rows` of part number `part`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) part: usize,
    pub(crate) rows: Range<usize>,
}

/// Which persons have rows under more than one id.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    present: HashMap<PersonId, PersonId>,
    involved: FxHashSet<PersonId>,
}

impl Merged {
    /// The merges of a project.
    pub(crate) fn of(view: &dyn ProjectView) -> Self {
        let present: HashMap<_, _> = view.overrides().iter().map(|(from, to)| (*from, *to)).collect();
        let involved = present.iter().flat_map(|(from, to)| [*from, *to]).collect();
        Self { present, involved }
    }

    fn is_involved(&self, person: PersonId) -> bool {
        !self.involved.is_empty() && self.involved.contains(&person)
    }

    fn present(&self, person: PersonId) -> PersonId {
        self.present.get(&person).copied().unwrap_or(person)
    }
}

/// The rows of a part that matter, and what an operator keeps of them, in the same order.
#[derive(Debug)]
pub(crate) struct Kept<R> {
    /// Ascending; `None` when they are all rows of the part.
    pub(crate) rows: Option<UInt32Array>,
    pub(crate) of: R,
    /// What that takes of the query's memory, about.
    pub(crate) bytes: usize,
}

/// Results of some actors, to which those of others can be added.
pub(crate) trait Absorb: Send {
    fn absorb(&mut self, other: Self);

    /// Memory that it holds beyond what the number of actors bounds, about.
    fn bytes(&self) -> usize {
        0
    }
}

/// All rows of one actor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActorRows<'a, R> {
    parts: &'a [&'a R],
    pieces: &'a [Piece],
}

impl<'a, R> ActorRows<'a, R> {
    pub(crate) fn new(parts: &'a [&'a R], pieces: &'a [Piece]) -> Self {
        Self { parts, pieces }
    }

    /// The rows, piece by piece: what the operator kept of the part, and the row's place in it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a R, usize)> + use<'a, R> {
        let parts = self.parts;
        self.pieces.iter().flat_map(move |piece| {
            let rows = parts[piece.part];
            piece.rows.clone().map(move |row| (rows, row))
        })
    }

    /// The rows of each piece: what the operator kept of the part, and their places in it.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (&'a R, Range<usize>)> + use<'a, R> {
        let parts = self.parts;
        self.pieces.iter().map(move |piece| (parts[piece.part], piece.rows.clone()))
    }

    /// In how many pieces the rows lie; each is in order of time.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.len()
    }
}

/// Visits every person that has rows within `span` (µs, both ends included), merges applied. `make` begins a result, `read` keeps what matters of a part,
/// `visit` adds a person to a result; the `S` that it is given is memory that serves for one person after the other.
///
/// # Errors
/// What `read`, `visit` and `check` answer; the last is asked now and then.
pub(crate) fn over_persons<R: Send + Sync, T: Absorb, S: Default>(
    context: &ScanContext,
    span: (i64, i64),
    check: impl Fn() -> Result<(), QueryError> + Sync,
    make: impl Fn() -> T + Sync,
    read: impl Fn(&Arc<dyn Part>) -> Result<Kept<R>, QueryError> + Sync,
    visit: impl Fn(&mut T, &mut S, PersonId, ActorRows<'_, R>) -> Result<(), QueryError> + Sync,
) -> Result<T, QueryError> {
    let view = context.view();
    let merged = Merged::of(view.as_ref());
    let halves = side_by_side(context, span, |parts| {
        check()?;
        let (mut result, mut memory, mut of_rows) = (make(), context.held(), 0);
        let (mut rows, mut runs): (Vec<R>, Vec<Arc<PersonRuns>>) = (Vec::new(), Vec::new());
        for part in parts {
            let kept = read(part)?;
            of_rows += kept.bytes;
            memory.is(of_rows)?;
            match kept.rows {
                Some(kept) if kept.is_empty() => continue,
                Some(kept) => runs.push(runs_among(&part.person_runs()?, kept.values())),
                None => runs.push(part.person_runs()?),
            }
            rows.push(kept.of);
        }
        let borrowed: Vec<&R> = rows.iter().collect();
        let (mut pace, mut scratch) = (Pace::new(&check), S::default());
        let left = walk_shard(&runs, &merged, |person, pieces| {
            if pace.step()? {
                memory.is(of_rows + result.bytes())?;
            }
            visit(&mut result, &mut scratch, person, ActorRows::new(&borrowed, pieces))
        })?;
        // Persons that merges involve may have rows in several shards.
        let rows = if left.is_empty() { Vec::new() } else { rows };
        memory.is(result.bytes() + if left.is_empty() { 0 } else { of_rows })?;
        // What it holds counts until it is part of the whole.
        Ok((result, rows, left, memory))
    })?;
    let (mut total, mut scratch, mut of_total) = (make(), S::default(), context.held());
    let (mut rows, mut left, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for (result, of_shard, left_there, memory) in halves {
        total.absorb(result);
        of_total.is(total.bytes())?;
        if !left_there.is_empty() {
            held.push(memory);
        }
        left.extend(left_there.into_iter().map(|owned| owned.after(rows.len())));
        rows.extend(of_shard);
    }
    let borrowed: Vec<&R> = rows.iter().collect();
    walk_merged(left, &merged, |person, pieces| visit(&mut total, &mut scratch, person, ActorRows::new(&borrowed, pieces)))?;
    Ok(total)
}

/// Runs `work` on the parts of each shard that hold times within `span` (µs, both ends included), shards side by side.
///
/// # Errors
/// What `work` answers.
pub(crate) fn side_by_side<T: Send>(
    context: &ScanContext,
    span: (i64, i64),
    work: impl Fn(&[&Arc<dyn Part>]) -> Result<T, QueryError> + Sync,
) -> Result<Vec<T>, QueryError> {
    let usage = context.usage();
    let within =
        |parts: &Vec<Arc<dyn Part>>| -> usize { parts.iter().filter(|part| is_within(part.as_ref(), span)).map(|part| part.rows()).sum() };
    context.view().shards().iter().for_each(|parts| usage.will_read(within(parts)));
    parallel::over(context.threads(), context.view().shards(), |parts| {
        let wanted: Vec<_> = parts.iter().filter(|part| is_within(part.as_ref(), span)).collect();
        let done = usage.at_work(|| work(&wanted));
        usage.read(within(parts));
        done
    })
}

/// Whether a part holds times within `span` (µs, both ends included).
pub(crate) fn is_within(part: &dyn Part, span: (i64, i64)) -> bool {
    let (earliest, latest) = part.time_range();
    earliest <= span.1 && latest >= span.0
}

/// Looks now and then whether anybody still waits for the answer, and says when it did: then is the time to look at other things too.
pub(crate) struct Pace<C> {
    check: C,
    steps: u32,
}

impl<C: Fn() -> Result<(), QueryError>> Pace<C> {
    pub(crate) fn new(check: C) -> Self {
        Self { check, steps: 0 }
    }

    #[inline]
    pub(crate) fn step(&mut self) -> Result<bool, QueryError> {
        self.steps += 1;
        let looks = self.steps.is_multiple_of(CHECK_EVERY);
        if looks {
            (self.check)()?;
        }
        Ok(looks)
    }
}

/// Stands for the next person of a part that has no more; no less than any.
const ENDED: u128 = u128::MAX;

/// A piece, and under which id its rows lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    person: PersonId,
    piece: Piece,
}

impl Owned {
    /// The same, where `parts` other parts come first.
    pub(crate) fn after(mut self, parts: usize) -> Self {
        self.piece.part += parts;
        self
    }
}

/// Walks the persons of one shard in order of id, all pieces of a person at once. Persons that merges involve are left out; the answer is their pieces,
/// for [`walk_merged`].
///
/// # Errors
/// What `each` answers.
pub(crate) fn walk_shard(
    runs: &[Arc<PersonRuns>],
    merged: &Merged,
    mut each: impl FnMut(PersonId, &[Piece]) -> Result<(), QueryError>,
) -> Result<Vec<Owned>, QueryError> {
    let mut left_out = Vec::new();
    let mut visit = |person: PersonId, pieces: &[Piece]| {
        if merged.is_involved(person) {
            left_out.extend(pieces.iter().map(|piece| Owned { person, piece: piece.clone() }));
            return Ok(());
        }
        each(person, pieces)
    };
    if let [only] = runs {
        for (person, rows) in only.persons.iter().zip(only.starts.windows(2)) {
            visit(*person, &[Piece { part: 0, rows: rows[0] as usize..rows[1] as usize }])?;
        }
        return Ok(left_out);
    }
    let mut heads: Vec<Head<'_>> = runs.iter().map(|runs| Head::new(runs)).collect();
    let mut left: usize = runs.iter().map(|runs| runs.persons.len()).sum();
    let mut pieces = vec![Piece { part: 0, rows: 0..0 }; runs.len()];
    while left > 0 {
        let least = heads.iter().map(|head| head.person).min().unwrap_or(ENDED);
        // A piece is written for each part and kept by a sum: whether a person has rows in a part is a coin toss, and a branch on it would be
        // mispredicted.
        let mut found = 0;
        for (part, head) in heads.iter_mut().enumerate() {
            pieces[found] = Piece { part, rows: head.rows() };
            found += head.pass(least);
        }
        left -= found;
        visit(PersonId::from_u128(least), &pieces[..found])?;
    }
    Ok(left_out)
}

/// Where the walk stands in a part.
struct Head<'r> {
    runs: &'r PersonRuns,
    at: usize,
    /// The person there.
    person: u128,
}

impl<'r> Head<'r> {
    fn new(runs: &'r PersonRuns) -> Self {
        let mut head = Self { runs, at: 0, person: ENDED };
        head.look();
        head
    }

    fn look(&mut self) {
        self.person = self.runs.persons.get(self.at).map_or(ENDED, |person| person.as_u128());
    }

    /// The rows of the person there; none at the end.
    #[inline]
    fn rows(&self) -> Range<usize> {
        let start = |at: usize| self.runs.starts.get(at).map_or(0, |start| *start as usize);
        start(self.at)..start(self.at + 1)
    }

    /// Goes on if `person` is the one here. Answers 1 then, else 0.
    #[inline]
    fn pass(&mut self, person: u128) -> usize {
        let passed = usize::from((self.person == person) & (self.at < self.runs.persons.len()));
        self.at += passed;
        self.look();
        passed
    }
}

/// Walks the persons that merges involve, over what the walks of all shards left out: all pieces of a person under all its ids.
///
/// # Errors
/// What `each` answers.
pub(crate) fn walk_merged(
    left_out: Vec<Owned>,
    merged: &Merged,
    mut each: impl FnMut(PersonId, &[Piece]) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let mut owned: Vec<(PersonId, Piece)> = left_out.into_iter().map(|Owned { person, piece }| (merged.present(person), piece)).collect();
    // In order of id, so that the same state gives the same answer to the last bit.
    owned.sort_by_key(|(person, _)| *person);
    let mut pieces = Vec::new();
    for of_one in owned.chunk_by(|(a, _), (b, _)| a == b) {
        pieces.clear();
        pieces.extend(of_one.iter().map(|(_, piece)| piece.clone()));
        each(of_one[0].0, &pieces)?;
    }
    Ok(())
}

/// The runs of persons over some rows of a part, which are ascending. Persons without any are left out.
pub(crate) fn runs_among(runs: &Arc<PersonRuns>, rows: &[u32]) -> Arc<PersonRuns> {
    if runs.starts.last().is_some_and(|all| *all as usize == rows.len()) {
        return Arc::clone(runs);
    }
    // The rows as bits, and before each word how many there were: where a person's rows begin among them is a sum then. Going along both lists would
    // mispredict a branch for every other person.
    let all = runs.starts.last().map_or(0, |all| *all as usize);
    let mut words = vec![(0_u64, 0_u32); all / 64 + 1];
    for row in rows {
        words[*row as usize / 64].0 |= 1 << (row % 64);
    }
    let mut before = 0;
    for (bits, sum) in &mut words {
        *sum = before;
        before += bits.count_ones();
    }
    let rank = |row: u32| {
        let (bits, sum) = words[row as usize / 64];
        sum + (bits & ((1 << (row % 64)) - 1)).count_ones()
    };
    let mut among = PersonRuns { persons: vec![PersonId::nil(); runs.persons.len()], starts: vec![0; runs.persons.len() + 1] };
    let (mut kept, mut start) = (0, 0);
    for (person, end) in runs.persons.iter().zip(runs.starts.iter().skip(1)) {
        let end = rank(*end);
        among.persons[kept] = *person;
        among.starts[kept] = start;
        kept += usize::from(end > start);
        start = end;
    }
    among.persons.truncate(kept);
    among.starts.truncate(kept + 1);
    among.starts[kept] = start;
    Arc::new(among)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn runs(persons: &[(u128, u32)]) -> Arc<PersonRuns> {
        let mut starts = vec![0];
        for (_, rows) in persons {
            starts.push(starts[starts.len() - 1] + rows);
        }
        Arc::new(PersonRuns { persons: persons.iter().map(|(id, _)| Uuid::from_u128(*id)).collect(), starts })
    }

    fn show(person: PersonId, pieces: &[Piece]) -> String {
        let pieces: Vec<_> = pieces.iter().map(|piece| format!("{}:{:?}", piece.part, piece.rows)).collect();
        format!("{} {}", person.as_u128(), pieces.join(" "))
    }

    #[test]
    fn pieces_of_a_person_come_together() {
        let parts = [runs(&[(1, 2), (3, 1)]), runs(&[(2, 1), (3, 4)])];
        let mut seen = Vec::new();
        walk_shard(&parts, &Merged::default(), |person, pieces| {
            seen.push(show(person, pieces));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, ["1 0:0..2", "2 1:0..1", "3 0:2..3 1:1..5"]);
    }

    #[test]
    fn runs_of_what_is_left() {
        let all = runs(&[(1, 2), (2, 3), (3, 4)]);
        assert_eq!(
            runs_among(&all, &[0, 1, 6, 8]),
            Arc::new(PersonRuns { persons: vec![Uuid::from_u128(1), Uuid::from_u128(3)], starts: vec![0, 2, 4] })
        );
        assert_eq!(*runs_among(&all, &[]), PersonRuns { persons: vec![], starts: vec![0] });
        assert!(Arc::ptr_eq(&runs_among(&all, &[0, 1, 2, 3, 4, 5, 6, 7, 8]), &all));
    }

    #[test]
    fn the_last_of_all_ids_is_a_person_too() {
        let parts = [runs(&[(1, 2), (u128::MAX, 1)]), runs(&[(2, 1)])];
        let mut seen = Vec::new();
        walk_shard(&parts, &Merged::default(), |person, pieces| {
            seen.push((person.as_u128(), pieces.len()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(1, 1), (2, 1), (u128::MAX, 1)]);
    }

    #[test]
    fn merged_persons_come_last_and_once() {
        let parts = [runs(&[(1, 2), (3, 1)]), runs(&[(2, 1), (3, 4)])];
        let (one, three) = (Uuid::from_u128(1), Uuid::from_u128(3));
        let merged = Merged { present: [(one, three)].into_iter().collect(), involved: [one, three].into_iter().collect() };
        let mut seen = Vec::new();
        let mut note = |person: PersonId, pieces: &[Piece]| {
            let mut pieces = pieces.to_vec();
            pieces.sort_by_key(|piece| (piece.part, piece.rows.start));
            seen.push(show(person, &pieces));
            Ok(())
        };
        let left_out = walk_shard(&parts, &merged, &mut note).unwrap();
        walk_merged(left_out, &merged, &mut note).unwrap();
        assert_eq!(seen, ["2 1:0..1", "3 0:0..2 0:2..3 1:1..5"]);
    }
}
