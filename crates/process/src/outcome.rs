//! What became of an event in processing.

/// The fate of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is a row of the commit.
    Stored,
    /// It is not: it was stored before.
    Duplicate,
    /// It is not, for this reason.
    Dropped(DropReason),
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $text:literal),* $(,)?) => {
        /// Why an event has no row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum DropReason { $($(#[$doc])* $reason),* }

        impl DropReason {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$reason),*];

            /// The label of the metric.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$reason => $text),* }
            }
        }
    };
}

reasons! {
    /// No project has its token.
    UnknownToken = "unknown_token",
    /// Its properties are no JSON object, or nested beyond reason.
    Malformed = "malformed",
    /// It is a report of an SDK, which became a warning.
    ClientWarning = "client_warning",
    /// It carries heatmap data only, which is no event.
    Heatmap = "heatmap",
    /// It is about a person or a group and says that it wants neither.
    PersonlessNotAllowed = "personless_not_allowed",
    /// Its group key is too long.
    GroupKeyTooLong = "group_key_too_long",
    /// It is older than its project takes.
    TooOld = "too_old",
    /// It is cookieless and cannot be taken so.
    Cookieless = "cookieless",
    /// Processing it failed in a way that nobody foresaw.
    Poison = "poison",
}

/// Fates of the events of one commit.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) dropped: [u64; DropReason::ALL.len()],
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.stored += 1,
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Dropped(reason) => self.dropped[reason as usize] += 1,
        }
    }
}
