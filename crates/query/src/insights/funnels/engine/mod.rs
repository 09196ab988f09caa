//! The funnel itself: what one actor's events, in order of time, come to.
//!
//! In: a [`Sequence`], the [`Rules`], and the breakdown value that counts ([`Pick`]). Out: the best [`Attempt`], or per bucket of entry whether the
//! actor converted. No text, no columns, no actors in here: events are bits, so a step more costs nothing until an event reaches it.
//!
//! The meaning is PostHog's (query reference, section 8), cases that are hard to guess included; the tests hold the same rules written out slowly.

mod ordered;
mod ordered_trend;
mod unordered;
mod unordered_trend;

pub(super) use ordered::Ordered;
pub(super) use ordered_trend::OrderedTrend;
pub(super) use unordered::Unordered;
pub(super) use unordered_trend::UnorderedTrend;

/// Bits of an event and of an attempt: a funnel has no more steps than this.
pub(in crate::insights) const STEPS_MAX: usize = 32;

/// What an event is to the funnel: low bit `i`, it is step `i`; high bit `i`, it is excluded between the step before `i` and step `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Mask(pub(super) u64);

impl Mask {
    pub(super) fn step(step: usize) -> Self {
        Self(1 << step)
    }

    pub(super) fn exclusion(step: usize) -> Self {
        Self(1 << (step + STEPS_MAX))
    }

    /// The steps that the event is.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub(super) fn steps(self) -> u32 {
        self.0 as u32
    }

    /// The steps before which it is excluded.
    pub(super) fn exclusions(self) -> u32 {
        Self(self.0 >> STEPS_MAX).steps()
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOr for Mask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Events of one actor in order of time. All slices are of one length, but `labels`, which is empty without a breakdown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence<'a> {
    /// µs.
    pub(super) times: &'a [i64],
    pub(super) masks: &'a [Mask],
    /// Codes of breakdown values.
    pub(super) labels: &'a [u32],
}

impl Sequence<'_> {
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    pub(super) fn label(&self, at: usize) -> u32 {
        self.labels.get(at).copied().unwrap_or(0)
    }

    /// Whether the event stands between two that are the same but for their times.
    pub(super) fn is_sandwiched(&self, at: usize) -> bool {
        let (Some(before), after) = (at.checked_sub(1), at + 1) else { return false };
        after < self.len()
            && self.masks[at].0.count_ones() <= 1
            && self.masks[at] == self.masks[before]
            && self.masks[at] == self.masks[after]
            && self.label(at) == self.label(before)
            && self.label(at) == self.label(after)
            && self.times[before] < self.times[at]
            && self.times[at] < self.times[after]
    }
}

/// What a funnel asks.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Number of steps, 1 to [`STEPS_MAX`].
    pub(super) steps: usize,
    /// How long after the entry events count, µs.
    pub(super) window_micros: i64,
    /// Bit `i`: step `i` may be skipped.
    pub(super) optional: u32,
    /// Any event between two steps ends the attempt.
    pub(super) is_strict: bool,
    /// Some events are excluded between steps.
    pub(super) has_exclusions: bool,
}

impl Rules {
    /// Whether all that counts is that one step comes after the other within the window.
    fn are_plain(&self) -> bool {
        self.optional == 0 && !self.is_strict && !self.has_exclusions
    }

    fn is_optional(&self, step: usize) -> bool {
        self.optional >> step & 1 == 1
    }
}

/// Which breakdown value an event must have to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// None in particular.
    Any,
    /// The events of one step must have this value.
    AtStep { step: usize, label: u32 },
}

/// One event of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    /// Place in the sequence.
    pub(super) at: usize,
    /// µs.
    pub(super) time: i64,
}

/// The furthest that an actor came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt<'a> {
    /// Bit `i`: step `i` was reached.
    pub(super) steps: u32,
    /// Place of the last step reached among the steps that are not optional, from 0.
    pub(super) last: usize,
    /// Events of the steps that are not optional, in order.
    pub(super) visits: &'a [Visit],
}

impl Attempt<'_> {
    /// Seconds from visit `from` to visit `to`; `None` when there are not so many.
    pub(super) fn seconds(&self, from: usize, to: usize) -> Option<f64> {
        let micros = self.visits.get(to)?.time - self.visits.get(from)?.time;
        #[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
        let micros = micros as f64;
        Some(micros / 1e6)
    }
}

/// The bits of `mask`, highest first.
fn bits_down(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.checked_ilog2()?;
        mask &= !(1 << bit);
        usize::try_from(bit).ok()
    })
}

/// The bits of `mask`, lowest first.
fn bits_up(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let bit = mask.trailing_zeros();
        mask &= mask - 1;
        usize::try_from(bit).ok()
    })
}
