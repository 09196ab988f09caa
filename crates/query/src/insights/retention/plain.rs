//! Retention where all that counts of an actor is in which periods it began and returned: two words of bits, gathered in one pass over the rows where they
//! lie. Nothing is written down per row.

use super::cohort::{BEGINS, RETURNS};
use super::operator::{Grids, Operator};
use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::actors::{Actor, Kept, PartRows, pick};
use crate::scan::RowValues;
use aqueduct_store::Part;
use arrow::buffer::ScalarBuffer;
use std::ops::Range;
use std::sync::Arc;

const _: () = assert!(BEGINS == 1 && RETURNS.is_power_of_two(), "flags are bits, the first of them the lowest");

/// All rows of a part: when they were and what they are, [`BEGINS`] and [`RETURNS`].
struct Rows {
    times: ScalarBuffer<i64>,
    flags: RowValues<u8>,
}

impl PartRows for Rows {
    fn pick(&self, rows: &[u32]) -> Self {
        Self { times: pick(&self.times, rows).into(), flags: self.flags.pick(rows) }
    }
}

/// The periods in which an actor began and returned, as bits. Bit 63 says nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Periods {
    begins: u64,
    returns: u64,
}

/// The grids of actors, for rules that [are plain](super::cohort::Rules::are_plain).
///
/// # Errors
/// What reading and evaluating answers.
pub(super) fn run(operator: &Operator, context: &InsightContext<'_>) -> Result<Grids, QueryError> {
    context.over_actors(
        &operator.actor,
        operator.span(),
        || Grids::new(&operator.rules),
        |part| read(operator, part),
        |grids, (): &mut (), _, rows| {
            let mut periods = Periods::default();
            rows.ranges().for_each(|(part, range)| periods.add(operator, part, range));
            operator.rules.plain(periods.begins, periods.returns, grids);
            Ok(())
        },
    )
}

fn read(operator: &Operator, part: &Arc<dyn Part>) -> Result<Kept<Rows>, QueryError> {
    let mut program = operator.program.on(part);
    let conditions: &[_] = if operator.rules.is_same_entity { &[(0, BEGINS | RETURNS)] } else { &[(0, BEGINS), (1, RETURNS)] };
    let all = Rows { times: program.all_times()?, flags: program.marks(conditions, operator.span())? };
    if matches!(operator.actor, Actor::Person) {
        let bytes = all.flags.bytes();
        return Ok(Kept { rows: None, of: all, bytes });
    }
    // Rows of other actors are sorted, so only those that count are worth it.
    let (from, to) = operator.span();
    let counts = |row: &u32| all.flags.of(*row as usize) != 0 && (from..=to).contains(&all.times[*row as usize]);
    let rows: Vec<u32> = (0..u32::try_from(part.rows()).unwrap_or(u32::MAX)).filter(counts).collect();
    let of = all.pick(&rows);
    let bytes = rows.len() * (size_of::<u32>() + size_of::<i64>() + 1);
    Ok(Kept { rows: Some(rows.into()), of, bytes })
}

impl Periods {
    fn add(&mut self, operator: &Operator, part: &Rows, rows: Range<usize>) {
        let (buckets, mut begins, mut returns) = (&operator.buckets, self.begins, self.returns);
        part.flags.each_with(rows, &part.times, |time, flags| {
            // No bucket is a shift by 63, which is none of the periods.
            let period = buckets.of(time) & 63;
            begins |= u64::from(flags & BEGINS) << period;
            returns |= u64::from(flags >> RETURNS.trailing_zeros() & 1) << period;
        });
        (self.begins, self.returns) = (begins, returns);
    }
}
