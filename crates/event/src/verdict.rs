//! Verdicts: what becomes of an event. Each event that is received gets exactly one.
//!
//! In: nothing. Out: [`Verdict`] with, for each, a stable code (metrics, files, answers), a stable number (files), plain words for people and what to do about it;
//! and [`Tally`], counts of verdicts per project and minute of receipt.
//!
//! # Invariants
//! - Codes and numbers never change their meaning and are never used again.
//! - An event that is accepted and has no verdict yet is *in flight*; that is no verdict.

mod reasons;
mod tally;

pub use reasons::{DeadReason, DropReason, Refusal};
pub use tally::{Minute, Tally, TallyKey};

use std::fmt;

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is stored and every query sees it.
    Visible,
    /// The same event (project, uuid, name, distinct id) was stored before.
    Duplicate,
    /// Its sender was told no.
    Refused(Refusal),
    /// A rule keeps it out; its sender was told yes.
    Dropped(DropReason),
    /// It could not be processed; its whole payload is kept for people to look at.
    DeadLettered(DeadReason),
}

impl Verdict {
    const VISIBLE: u16 = 1;
    const DUPLICATE: u16 = 2;

    /// Every verdict there is, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        let refused = Refusal::ALL.iter().copied().map(Self::Refused);
        let dropped = DropReason::ALL.iter().copied().map(Self::Dropped);
        let dead = DeadReason::ALL.iter().copied().map(Self::DeadLettered);
        [Self::Visible, Self::Duplicate].into_iter().chain(refused).chain(dropped).chain(dead)
    }

    /// `visible`, `duplicate`, `refused`, `dropped` or `dead_lettered`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Visible => "visible",
            Self::Duplicate => "duplicate",
            Self::Refused(_) => "refused",
            Self::Dropped(_) => "dropped",
            Self::DeadLettered(_) => "dead_lettered",
        }
    }

    /// The code of the reason; empty for verdicts that have none.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Visible | Self::Duplicate => "",
            Self::Refused(reason) => reason.code(),
            Self::Dropped(reason) => reason.code(),
            Self::DeadLettered(reason) => reason.code(),
        }
    }

    /// What happened, in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Visible => "The event is stored and can be queried.",
            Self::Duplicate => "The event was received before with the same uuid, name and distinct id, so this copy was left out.",
            Self::Refused(reason) => reason.words(),
            Self::Dropped(reason) => reason.words(),
            Self::DeadLettered(reason) => reason.words(),
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Visible => "Nothing.",
            Self::Duplicate => {
                "Nothing: SDKs send an event again when they did not hear the answer. Events that are not the same need uuids of their own."
            }
            Self::Refused(reason) => reason.remedy(),
            Self::Dropped(reason) => reason.remedy(),
            Self::DeadLettered(reason) => reason.remedy(),
        }
    }

    /// The number that files hold.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Visible => Self::VISIBLE,
            Self::Duplicate => Self::DUPLICATE,
            Self::Refused(reason) => reason.number(),
            Self::Dropped(reason) => reason.number(),
            Self::DeadLettered(reason) => reason.number(),
        }
    }

    /// The verdict of a number; `None` for numbers that this program does not know.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        match number {
            Self::VISIBLE => Some(Self::Visible),
            Self::DUPLICATE => Some(Self::Duplicate),
            _ => (Refusal::of_number(number).map(Self::Refused))
                .or_else(|| DropReason::of_number(number).map(Self::Dropped))
                .or_else(|| DeadReason::of_number(number).map(Self::DeadLettered)),
        }
    }
}

/// `kind` or `kind:reason`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self.reason() {
            "" => Ok(()),
            reason => write!(f, ":{reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_and_codes_are_unique_and_come_back() {
        let (mut numbers, mut codes) = (HashSet::new(), HashSet::new());
        for verdict in Verdict::all() {
            assert!(numbers.insert(verdict.number()), "{verdict} has the number of another verdict");
            assert!(codes.insert(verdict.to_string()), "{verdict} has the code of another verdict");
            assert_eq!(Verdict::of_number(verdict.number()), Some(verdict));
        }
        assert_eq!(Verdict::of_number(0), None);
    }

    #[test]
    fn everything_is_said_in_sentences() {
        for verdict in Verdict::all() {
            for text in [verdict.words(), verdict.remedy()] {
                assert!(text.ends_with('.') && text.len() > 7, "{verdict}: {text:?}");
            }
        }
    }
}
