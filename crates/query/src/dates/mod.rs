//! Dates as insights mean them: which instants a range covers and where its buckets begin.
//!
//! In: the texts of a query (`-7d`, `2020-01-15`, `mStart`, `all`), the present time, the project's zone and week. Out: a [`QueryRange`].
//! All arithmetic is on the project's calendar, so a day has 23 or 25 hours when the clocks change.
//!
//! Source of the rules: query reference, section 4.

mod interval;
mod range;
mod relative;

pub(crate) use interval::Interval;
pub(crate) use range::{Calendar, QueryRange, RangeRequest};
pub(crate) use relative::parse_moment;
