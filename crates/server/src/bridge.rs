//! The catalog as the other crates want to see it: small traits of theirs, answered from its memory.

use aqueduct_capture::{Gate, ProjectLookup};
use aqueduct_catalog::{Catalog, EventSeen, Project, PropertyParent, PropertySeen, PropertyType};
use aqueduct_event::ProjectId;
use aqueduct_ledger::Tokens;
use aqueduct_ledger::recorder::{Audience, Remark};
use aqueduct_process::{CookielessMode, Observed, Observer, Pace, Projects, PropertyKind, PropertyOwner, VisibleBytes, Warning};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What may be asked for a key to read feature flags.
const FLAGS: &str = "feature_flag";

/// The catalog behind the traits of `capture` and `process`.
#[derive(Clone, Debug)]
pub(crate) struct Bridge(pub(crate) Arc<Catalog>);

impl ProjectLookup for Bridge {
    fn project_by_token(&self, token: &str) -> Option<aqueduct_capture::ProjectFacts> {
        let project = self.0.project_by_token(token)?;
        Some(aqueduct_capture::ProjectFacts { autocapture_opt_out: flag(&project, "autocapture_opt_out") })
    }

    fn key_may_read_flags(&self, bearer: &str) -> bool {
        if bearer.starts_with("phs_") {
            return self.0.projects().iter().any(|project| project.secret_api_token == bearer);
        }
        self.0.key_by_secret(bearer).is_some_and(|key| key.allows(FLAGS, "read"))
    }
}

impl Projects for Bridge {
    fn project_by_token(&self, token: &str) -> Option<aqueduct_process::ProjectFacts> {
        let project = self.0.project_by_token(token)?;
        // PostHog's numbers: 0 disabled, 1 stateless, 2 stateful.
        let cookieless = match project.settings.get("cookieless_server_hash_mode").and_then(Value::as_u64) {
            None | Some(0) => CookielessMode::Disabled,
            Some(_) => CookielessMode::Stateless,
        };
        let too_old = project.settings.get("drop_events_older_than_seconds").and_then(Value::as_u64);
        Some(aqueduct_process::ProjectFacts {
            id: project.id,
            timezone: project.timezone.as_str().into(),
            anonymize_ips: project.anonymize_ips,
            cookieless,
            drop_events_older_than_seconds: too_old.and_then(|seconds| u32::try_from(seconds).ok()),
        })
    }

    fn cookieless_salt(&self, day: &str) -> Option<[u8; 16]> {
        self.0.salt(day)
    }
}

impl Tokens for Bridge {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        self.0.project_by_token(token).map(|project| project.id)
    }
}

impl Audience for Bridge {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        self.0.project_by_token(token.trim()).map(|project| project.id)
    }

    fn remarked(&self, remark: &Remark) {
        let Some(kind) = remark.what.warning() else { return };
        let first = |texts: &[String]| texts.first().cloned();
        let details = json!({
            "eventUuid": remark.uuids.first(), "event": first(&remark.events), "distinctId": first(&remark.distinct_ids),
            "message": remark.detail, "path": remark.path, "userAgent": remark.agent, "status": remark.status,
        });
        self.0.warn(remark.project, kind, details);
    }
}

impl aqueduct_trace::Projects for Bridge {
    fn project_of(&self, token: &str) -> Option<ProjectId> {
        Audience::project_of(self, token)
    }
}

impl Observer for Bridge {
    fn definitions(&self, project: ProjectId, observed: &Observed) {
        self.0.note_ingested(project);
        let event = observed.seen_at.map(|at| EventSeen { name: &observed.event, at });
        let property = |property: &'_ aqueduct_process::ObservedProperty| (parent_of(property.owner), property.kind.map(type_of));
        let properties = observed.properties.iter().map(|seen| {
            let ((parent, group_type_index), property_type) = property(seen);
            PropertySeen { parent, group_type_index, key: &seen.key, property_type, event: None }
        });
        let links = observed.event_properties.iter().map(|key| PropertySeen {
            parent: PropertyParent::Event,
            group_type_index: None,
            key,
            property_type: None,
            event: Some(&observed.event),
        });
        let properties: Vec<PropertySeen<'_>> = properties.chain(links).collect();
        self.0.observe(project, event.as_slice(), &properties);
    }

    fn warning(&self, project: ProjectId, warning: Warning) {
        self.0.warn(project, warning.kind.as_str(), warning.details);
    }
}

/// What processing tells the edge: how much became visible.
#[derive(Clone, Debug)]
pub(crate) struct Throttle(pub(crate) Arc<Gate>);

impl Pace for Throttle {
    fn visible(&self, bytes: VisibleBytes, busy: Duration) {
        self.0.visible(bytes.replayed, bytes.fresh, busy);
    }

    fn stalled(&self) {
        self.0.stalled();
    }
}

fn parent_of(owner: PropertyOwner) -> (PropertyParent, Option<u8>) {
    match owner {
        PropertyOwner::Event => (PropertyParent::Event, None),
        PropertyOwner::Person => (PropertyParent::Person, None),
        PropertyOwner::Group(index) => (PropertyParent::Group, Some(index)),
    }
}

fn type_of(kind: PropertyKind) -> PropertyType {
    match kind {
        PropertyKind::String => PropertyType::String,
        PropertyKind::Numeric => PropertyType::Numeric,
        PropertyKind::Boolean => PropertyType::Boolean,
        PropertyKind::DateTime => PropertyType::DateTime,
    }
}

fn flag(project: &Project, name: &str) -> bool {
    project.settings.get(name).and_then(Value::as_bool).unwrap_or(false)
}
