//! What processing needs of the rest of the product, and what it tells it: small traits that `server` implements over the catalog and the edge.

use crate::definitions::Observed;
use crate::warning::Warning;
use aqueduct_event::ProjectId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What processing must know of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectFacts {
    /// The project.
    pub id: ProjectId,
    /// IANA name of its time zone.
    pub timezone: Arc<str>,
    /// Whether `$ip` is removed before storage.
    pub anonymize_ips: bool,
    /// What becomes of events in cookieless mode.
    pub cookieless: CookielessMode,
    /// Events that happened this many seconds or more before they were received are dropped; `None` keeps all.
    pub drop_events_older_than_seconds: Option<u32>,
}

/// What becomes of events that are sent with `$cookieless_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookielessMode {
    /// They are dropped.
    #[default]
    Disabled,
    /// Their ids are made from a hash with the day's salt; nothing is remembered between events.
    Stateless,
}

/// Finds projects. Answered from memory: it is asked once per record.
pub trait Projects: fmt::Debug + Send + Sync {
    /// The project that has a token; `None` drops the record's events.
    fn project_by_token(&self, token: &str) -> Option<ProjectFacts>;

    /// The random salt of a calendar day (`YYYY-MM-DD`) for cookieless ids: the same for all who ask, also after a restart, until it is deleted some days
    /// after the day. `None` drops the events that need it.
    fn cookieless_salt(&self, day: &str) -> Option<[u8; 16]>;
}

/// Is told what was seen. Calls come from the processing thread and must only take a note; after a crash some come again.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Events and properties that were not seen before, or not lately.
    fn definitions(&self, project: ProjectId, observed: &Observed);

    /// Something about an event that its sender should know.
    fn warning(&self, project: ProjectId, warning: Warning);
}

/// What a commit made visible, in bytes of journal records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VisibleBytes {
    /// Of records that the journal held when processing began.
    pub replayed: u64,
    /// Of records that came since.
    pub fresh: u64,
}

/// Takes the pace of processing, for those who decide how much is taken in.
pub trait Pace: fmt::Debug + Send + Sync {
    /// A commit became visible; making and storing it took `busy`.
    fn visible(&self, bytes: VisibleBytes, busy: Duration);

    /// A step failed. It is tried again for as long as it takes, and nothing becomes visible meanwhile.
    fn stalled(&self);
}
