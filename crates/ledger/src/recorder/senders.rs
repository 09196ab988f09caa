//! Who sent lately: when each project received events last, and which tokens were used that no project has. In memory, since the start.

use super::receipts::Receipt;
use super::shown;
use aqueduct_event::{ProjectId, UnixMicros};
use std::collections::HashMap;

/// Unknown tokens that are remembered; the one that was used the longest ago goes first.
const UNKNOWN_MAX: usize = 100;

/// A token that no project has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownToken {
    /// Its begin and its end.
    pub token: String,
    /// Requests that came with it since it was first seen.
    pub requests: u64,
    /// When it was used last.
    pub last_at: UnixMicros,
    /// Who used it last.
    pub agent: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Senders {
    last: HashMap<ProjectId, UnixMicros>,
    unknown: HashMap<Box<str>, UnknownToken>,
}

impl Senders {
    /// Notes a request of a project, or of none.
    pub(super) fn note(&mut self, receipt: &Receipt, project: Option<ProjectId>) {
        if let Some(project) = project {
            let last = self.last.entry(project).or_default();
            *last = receipt.received_at.max(*last);
            return;
        }
        if !self.unknown.contains_key(&receipt.token)
            && self.unknown.len() >= UNKNOWN_MAX
            && let Some(oldest) = self.unknown.iter().min_by_key(|(_, unknown)| unknown.last_at).map(|(token, _)| token.clone())
        {
            self.unknown.remove(&oldest);
        }
        let first = || UnknownToken { token: shown(&receipt.token), requests: 0, last_at: receipt.received_at, agent: String::new() };
        let unknown = self.unknown.entry(receipt.token.clone()).or_insert_with(first);
        unknown.requests += 1;
        unknown.last_at = receipt.received_at.max(unknown.last_at);
        unknown.agent = receipt.agent.to_string();
    }

    pub(super) fn last_received(&self, project: ProjectId) -> Option<UnixMicros> {
        self.last.get(&project).copied()
    }

    pub(super) fn unknown_since(&self, since: UnixMicros) -> Vec<UnknownToken> {
        let mut unknown: Vec<UnknownToken> = self.unknown.values().filter(|unknown| unknown.last_at >= since).cloned().collect();
        unknown.sort_by_key(|unknown| std::cmp::Reverse(unknown.last_at));
        unknown
    }
}

#[cfg(test)]
mod tests {
    use super::super::receipts::sample;
    use super::*;

    #[test]
    fn unknown_tokens_are_bounded_and_the_newest_come_first() {
        let mut senders = Senders::default();
        for number in 0..150 {
            senders.note(&Receipt { token: format!("phc_unknown_token_{number}").into(), ..sample(number) }, None);
        }
        senders.note(&sample(500), Some(ProjectId(7)));
        senders.note(&sample(400), Some(ProjectId(7)));
        let unknown = senders.unknown_since(UnixMicros(0));
        assert_eq!((unknown.len(), &*unknown[0].token), (100, "phc_unkn…_149"));
        assert_eq!(senders.unknown_since(sample(148).received_at).len(), 2);
        assert_eq!((senders.last_received(ProjectId(7)), senders.last_received(ProjectId(1))), (Some(sample(500).received_at), None));
    }
}
