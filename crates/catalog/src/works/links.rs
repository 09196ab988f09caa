//! Links by which anybody may see one work.

use super::{Kind, WorkKind, disk};
use crate::{Catalog, CatalogError, secret};
use aqueduct_event::{ProjectId, UnixMicros};
use std::collections::HashMap;

/// A link to a work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedLink {
    /// What stands in the address. Who knows it may see the work.
    pub token: String,
    /// The work's project.
    pub project: ProjectId,
    /// Its kind.
    pub kind: WorkKind,
    /// Its number.
    pub id: i64,
    /// Whether it works.
    pub is_enabled: bool,
    /// When the token was made.
    pub created_at: UnixMicros,
}

/// All links in memory.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_work: HashMap<(WorkKind, i64), SharedLink>,
    by_token: HashMap<String, (WorkKind, i64)>,
}

impl Links {
    pub(super) fn put(&mut self, link: SharedLink) {
        let work = (link.kind, link.id);
        self.by_token.insert(link.token.clone(), work);
        if let Some(old) = self.by_work.insert(work, link.clone())
            && old.token != link.token
        {
            self.by_token.remove(&old.token);
        }
    }
}

impl Catalog {
    /// The link to a work, if one was ever made.
    #[must_use]
    pub fn shared_link(&self, kind: WorkKind, id: i64) -> Option<SharedLink> {
        self.works.read().links.by_work.get(&(kind, id)).cloned()
    }

    /// The enabled link with this token.
    #[must_use]
    pub fn link_by_token(&self, token: &str) -> Option<SharedLink> {
        let works = self.works.read();
        let link = works.links.by_work.get(works.links.by_token.get(token)?)?;
        Some(link.clone()).filter(|link| link.is_enabled)
    }

    /// Turns the link to a work on or off; makes it when there is none, and anew when `renews`.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is no such work.
    pub async fn share(
        &self,
        project: ProjectId,
        kind: WorkKind,
        id: i64,
        is_enabled: bool,
        renews: bool,
    ) -> Result<SharedLink, CatalogError> {
        let _one = self.changing.lock().await;
        if self.work(project, kind, id).is_none() {
            return Err(CatalogError::NotFound { what: kind.name(), id: id.to_string() });
        }
        let kept = self.shared_link(kind, id).filter(|_| !renews);
        let fresh = || SharedLink { token: secret::fresh(""), project, kind, id, is_enabled, created_at: self.now() };
        let link = kept.map_or_else(fresh, |link| SharedLink { is_enabled, ..link });
        disk::put_link(&self.pool, &link).await?;
        self.works.write().links.put(link.clone());
        Ok(link)
    }
}
