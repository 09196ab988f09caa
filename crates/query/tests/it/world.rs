//! A store with a few events, and an engine over it.

use aqueduct_catalog::{
    Action, ActionDocument, ActionKind, Cohort, CohortDocument, CohortKind, CohortMember, Kind, PropertyParent, PropertyType, Work,
    WorkKind,
};
use aqueduct_event::{JournalPosition, ManualClock, PartitionId, PersonId, ProjectId, PropertyValue, UnixMicros, person_id_of};
use aqueduct_query::{Definitions, ProjectFacts, QueryConfig, QueryEngine, QueryError, QueryRequest};
use aqueduct_store::{
    Commit, DistinctIdRecord, EmbeddedStore, EventRow, EventRows, GroupRecord, PersonMode, PersonOverride, PersonRecord, Store, StoreConfig,
};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// 2020-01-20 12:00 UTC.
pub(crate) const NOW: UnixMicros = UnixMicros(1_579_521_600_000_000);

/// How rows lie in the store. No answer may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One commit, in memory.
    Memory,
    /// A commit per event.
    Scattered,
    /// On disk.
    Flushed,
    /// The first half on disk, the rest in memory.
    Mixed,
    /// Written to disk a few at a time, then compacted.
    Compacted,
}

pub(crate) const LAYOUTS: [Layout; 5] = [Layout::Memory, Layout::Scattered, Layout::Flushed, Layout::Mixed, Layout::Compacted];

/// Segments that a compaction in a test reads.
const FANOUT: usize = 2;

/// What the project's people defined.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) types: Mutex<HashMap<String, PropertyType>>,
    actions: Vec<Arc<Action>>,
    cohorts: Vec<Arc<Cohort>>,
    pub(crate) works: Mutex<Vec<Arc<Work>>>,
    members: HashMap<i64, Arc<[CohortMember]>>,
}

impl Definitions for Known {
    fn property_type(&self, _: ProjectId, _: PropertyParent, _: Option<u8>, name: &str) -> Option<PropertyType> {
        self.types.lock().expect("not poisoned").get(name).copied()
    }

    fn actions(&self, project: ProjectId) -> Vec<Arc<Action>> {
        of_project(&self.actions, project)
    }

    fn cohorts(&self, project: ProjectId) -> Vec<Arc<Cohort>> {
        of_project(&self.cohorts, project)
    }

    fn works(&self, project: ProjectId, kind: WorkKind) -> Vec<Arc<Work>> {
        let mut works = of_project(&self.works.lock().expect("not poisoned"), project);
        works.retain(|work| work.kind == kind);
        works
    }

    fn cohort_members(&self, cohort: i64) -> Arc<[CohortMember]> {
        self.members.get(&cohort).map_or_else(|| Arc::from(Vec::new()), Arc::clone)
    }
}

fn of_project<K: Kind>(works: &[Arc<Work<K>>], project: ProjectId) -> Vec<Arc<Work<K>>> {
    works.iter().filter(|work| work.project == project).map(Arc::clone).collect()
}

fn given_to<K: Kind>(works: &[Work<K>], project: ProjectId) -> impl Iterator<Item = Arc<Work<K>>> {
    works.iter().map(move |work| Arc::new(Work { project, ..work.clone() }))
}

/// A saved work that holds these fields.
pub(crate) fn work(kind: WorkKind, id: i64, fields: &Json) -> Work {
    saved(kind, id, fields.as_object().cloned().unwrap_or_default())
}

/// An action with nothing but steps.
pub(crate) fn action(id: i64, name: &str, steps: Json) -> Action {
    let steps = serde_json::from_value(steps).expect("steps");
    saved(ActionKind, id, ActionDocument { name: name.to_owned(), steps, ..ActionDocument::default() })
}

/// A dynamic cohort with nothing but criteria.
pub(crate) fn cohort(id: i64, name: &str, criteria: &Json) -> Cohort {
    let filters = json!({"properties": criteria});
    saved(CohortKind, id, CohortDocument { name: name.to_owned(), filters, ..CohortDocument::default() })
}

fn saved<K: Kind>(kind: K, id: i64, document: K::Document) -> Work<K> {
    Work {
        kind,
        id,
        project: ProjectId(1),
        short_id: String::new(),
        document,
        is_deleted: false,
        created_by: None,
        last_modified_by: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) distinct_id: String,
    pub(crate) at: UnixMicros,
    pub(crate) name: String,
    pub(crate) properties: Json,
    pub(crate) elements_chain: String,
}

/// What is in the store.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) events: Vec<Event>,
    /// Distinct ids and properties.
    pub(crate) persons: Vec<(Vec<String>, Json)>,
    /// Type, key, properties.
    pub(crate) groups: Vec<(String, String, Json)>,
    /// Distinct ids whose persons were merged after their events: from, to.
    pub(crate) merges: Vec<(String, String)>,
    pub(crate) types: HashMap<String, PropertyType>,
    pub(crate) timezone: Option<String>,
    /// When persons came to be, by distinct id, and groups, by key; others in time for every case.
    pub(crate) created: HashMap<String, UnixMicros>,
    pub(crate) weeks_start_on_monday: bool,
    pub(crate) test_account_filters: Option<Json>,
    pub(crate) path_cleaning_filters: Option<Json>,
    pub(crate) actions: Vec<Action>,
    pub(crate) cohorts: Vec<Cohort>,
    pub(crate) works: Vec<Work>,
    /// Members of static cohorts: cohort, who it was then, one of the distinct ids that it had.
    pub(crate) members: Vec<(i64, String, String)>,
}

/// An engine over a store, alive as long as the store's folder is.
pub(crate) struct Running {
    pub(crate) engine: Arc<QueryEngine>,
    pub(crate) facts: ProjectFacts,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) known: Arc<Known>,
    feed: Arc<Feed>,
    _dir: Arc<tempfile::TempDir>,
}

impl World {
    /// Puts everything into a store laid out as asked.
    pub(crate) fn start(&self, project: ProjectId, layout: Layout, config: QueryConfig) -> Running {
        Self::start_all(&[(project, self)], layout, config).swap_remove(0)
    }

    /// Puts several projects into one store, under one engine.
    pub(crate) fn start_all(worlds: &[(ProjectId, &World)], layout: Layout, config: QueryConfig) -> Vec<Running> {
        let dir = Arc::new(tempfile::tempdir().expect("a folder"));
        let clock = Arc::new(ManualClock::new(NOW));
        let settings =
            StoreConfig { dir: dir.path().join("store"), background: false, compaction_fanout: FANOUT, ..StoreConfig::default() };
        let store = Arc::new(EmbeddedStore::open(settings, Arc::clone(&clock) as _).expect("a store"));
        let mut known = Known::default();
        let feed = Arc::new(Feed { store: Arc::clone(&store), position: Mutex::default() });
        for (project, world) in worlds {
            world.fill(&feed, *project, layout);
            world.tell(*project, &mut known);
        }
        let known = Arc::new(known);
        let engine = QueryEngine::new(config, store, Arc::clone(&known) as _, Arc::clone(&clock) as _).expect("an engine");
        let engine = Arc::new(engine);
        let running = |(project, world): &(ProjectId, &World)| Running {
            engine: Arc::clone(&engine),
            facts: world.facts(*project),
            clock: Arc::clone(&clock),
            known: Arc::clone(&known),
            feed: Arc::clone(&feed),
            _dir: Arc::clone(&dir),
        };
        worlds.iter().map(running).collect()
    }

    fn facts(&self, project: ProjectId) -> ProjectFacts {
        ProjectFacts {
            id: project,
            timezone: self.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
            week_start_day: u8::from(self.weeks_start_on_monday),
            test_account_filters: self.test_account_filters.clone().unwrap_or_else(|| json!([])),
            path_cleaning_filters: self.path_cleaning_filters.clone().unwrap_or_else(|| json!([])),
        }
    }

    fn fill(&self, feed: &Feed, project: ProjectId, layout: Layout) {
        let (store, send) = (&feed.store, |commit: Commit| feed.send(commit));
        send(self.state(project));
        let chunks: Vec<&[Event]> = match layout {
            Layout::Scattered => self.events.chunks(1).collect(),
            Layout::Mixed => self.events.chunks(self.events.len().div_ceil(2).max(1)).collect(),
            Layout::Compacted => self.events.chunks(self.events.len().div_ceil(4).max(1)).collect(),
            Layout::Memory | Layout::Flushed => vec![&self.events],
        };
        for (at, chunk) in chunks.into_iter().enumerate() {
            send(Commit { events: self.rows(project, chunk), ..empty() });
            if matches!(layout, Layout::Flushed | Layout::Compacted) || (layout == Layout::Mixed && at == 0) {
                store.flush().expect("a flush");
            }
        }
        let overrides = self.merges.iter().map(|(from, to)| PersonOverride {
            project,
            from: person_id_of(project, from),
            to: self.person(project, to),
        });
        send(Commit { overrides: overrides.collect(), ..empty() });
        if layout == Layout::Compacted {
            store.flush().expect("a flush");
            while store.work().expect("a compaction") {}
        }
    }

    /// Adds what the project's people defined.
    fn tell(&self, project: ProjectId, known: &mut Known) {
        known.types.get_mut().expect("not poisoned").extend(self.types.clone());
        known.actions.extend(given_to(&self.actions, project));
        known.cohorts.extend(given_to(&self.cohorts, project));
        known.works.get_mut().expect("not poisoned").extend(given_to(&self.works, project));
        let mut members: HashMap<i64, Vec<CohortMember>> = HashMap::new();
        for (cohort, person, distinct_id) in &self.members {
            let member = CohortMember { person: self.person(project, person), distinct_id: distinct_id.as_str().into() };
            members.entry(*cohort).or_default().push(member);
        }
        known.members.extend(members.into_iter().map(|(cohort, members)| (cohort, members.into())));
    }

    fn created(&self, name: &str) -> UnixMicros {
        self.created.get(name).copied().unwrap_or(UnixMicros(1_578_000_000_000_000))
    }

    fn person(&self, project: ProjectId, distinct_id: &str) -> PersonId {
        let owner = self.persons.iter().find(|(ids, _)| ids.iter().any(|id| id == distinct_id));
        person_id_of(project, owner.map_or(distinct_id, |(ids, _)| &ids[0]))
    }

    fn state(&self, project: ProjectId) -> Commit {
        let mut commit = empty();
        for (ids, properties) in &self.persons {
            let id = person_id_of(project, &ids[0]);
            let created_at = self.created(&ids[0]);
            commit.persons.push(PersonRecord {
                project,
                id,
                created_at,
                properties: properties.to_string().into(),
                is_identified: true,
                version: 0,
                is_deleted: false,
                last_seen_at: properties.get("seen").and_then(Json::as_i64).map(UnixMicros),
            });
            for distinct_id in ids {
                let distinct_id = distinct_id.as_str().into();
                commit.distinct_ids.push(DistinctIdRecord { project, distinct_id, person: id, version: 0, is_personless: false, spent: 0 });
            }
        }
        let mut names: Vec<&str> = Vec::new();
        for (name, key, properties) in &self.groups {
            if !names.contains(&name.as_str()) {
                names.push(name);
                commit.group_types.push((project, name.as_str().into()));
            }
            let type_index = u8::try_from(names.iter().position(|known| known == name).unwrap_or(0)).unwrap_or(0);
            let created_at = self.created(key);
            commit.groups.push(GroupRecord {
                project,
                type_index,
                key: key.as_str().into(),
                properties: properties.to_string().into(),
                created_at,
                updated_at: created_at,
            });
        }
        commit
    }

    fn rows(&self, project: ProjectId, events: &[Event]) -> EventRows {
        let mut rows = EventRows::default();
        for event in events {
            let person = self.person(project, &event.distinct_id);
            let owner = self.persons.iter().find(|(ids, _)| ids.contains(&event.distinct_id));
            let person_properties: Arc<str> = owner.map_or_else(|| "{}".into(), |(_, properties)| properties.to_string().into());
            let row = EventRow {
                project,
                uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{event:?}").as_bytes()),
                event: &event.name,
                distinct_id: &event.distinct_id,
                person,
                timestamp: event.at,
                created_at: event.at,
                person_created_at: event.at,
                person_properties: &person_properties,
                person_mode: PersonMode::Full,
                elements_chain: &event.elements_chain,
            };
            let object = event.properties.as_object().cloned().unwrap_or_default();
            let texts: Vec<(String, String)> = object.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
            let values = object.iter().zip(&texts).map(|((key, value), (_, text))| (key.as_str(), property(value, text)));
            rows.push(&row, values);
        }
        rows
    }
}

fn property<'p>(value: &'p Json, text: &'p str) -> PropertyValue<'p> {
    match value {
        Json::String(text) => PropertyValue::Str(text),
        Json::Bool(value) => PropertyValue::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => PropertyValue::Int(value),
            (None, Some(value)) => PropertyValue::Float(value),
            (None, None) => PropertyValue::Json(text),
        },
        _ => PropertyValue::Json(text),
    }
}

/// Puts commits behind each other.
struct Feed {
    store: Arc<EmbeddedStore>,
    position: Mutex<JournalPosition>,
}

impl Feed {
    fn send(&self, commit: Commit) {
        let mut position = self.position.lock().expect("not poisoned");
        *position = position.next();
        self.store.commit(Commit { upto: *position, ..commit }).expect("a commit");
    }
}

fn empty() -> Commit {
    Commit::new(PartitionId(0), JournalPosition::default())
}

impl Running {
    /// Stores further events.
    pub(crate) fn add(&self, world: &World, events: &[Event]) {
        self.feed.send(Commit { events: world.rows(self.facts.id, events), ..empty() });
    }

    /// A query of this project.
    pub(crate) fn request(&self, query: Json) -> QueryRequest {
        QueryRequest { project: self.facts.clone(), query, query_id: None }
    }

    /// Asks one query.
    pub(crate) async fn ask(&self, query: Json) -> Result<serde_json::Map<String, Json>, QueryError> {
        let request = QueryRequest { project: self.facts.clone(), query, query_id: None };
        Ok(self.engine.run(request).await?.body)
    }

    /// The rows of a HogQL query.
    pub(crate) async fn hogql(&self, text: &str) -> Result<Vec<Json>, QueryError> {
        let body = self.ask(json!({"kind": "HogQLQuery", "query": text})).await?;
        Ok(body["results"].as_array().cloned().unwrap_or_default())
    }
}
