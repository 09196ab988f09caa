//! Chains of names: `event`, `e.properties.$browser`, `person.properties.a.b`, `group_0.key`.

use super::expansion::of_program;
use super::person_expression::PersonExpression;
use super::relation::Source;
use super::scope::Scope;
use super::tables::{TableField, group_field, person_field, session_field};
use super::types::{Class, Note, Value};
use super::{KnownTable, PersonMode};
use crate::error::QueryError;
use crate::hogql::ast::{Expr, Segment};
use crate::scan::{GroupField, PersonField, PropertyKind, TableColumn, VirtualColumn};
use aqueduct_catalog::PropertyParent;
use aqueduct_store::EventColumn;

impl Scope<'_> {
    /// What a chain means here.
    pub(crate) fn field(&mut self, chain: &[Segment]) -> Result<Value, QueryError> {
        let unknown = || QueryError::resolve(format!("Unable to resolve field: {}", show(chain)));
        let Some(name) = chain.first().and_then(Segment::as_name) else { return Err(unknown()) };
        let rest = &chain[1..];
        if let Some(only) = self.only_relation {
            return self.relation_field(only, chain)?.ok_or_else(unknown);
        }
        if let Some(parameter) = self.parameters.iter().rev().find(|parameter| parameter.name == name) {
            let value = parameter.value.clone();
            return self.path(value, rest);
        }
        if let Some((_, value)) = self.array_joined.iter().find(|(known, _)| known == name) {
            let value = value.clone();
            return self.path(value, rest);
        }
        if let (Some(relation), Some(_)) = (self.relation(name), rest.first()) {
            return self.relation_field(relation, rest)?.ok_or_else(|| {
                QueryError::resolve(format!("Field \"{}\" not found on table \"{name}\"", rest.first().map(show_one).unwrap_or_default()))
            });
        }
        if let Some(value) = self.alias(name, true)? {
            return self.path(value, rest);
        }
        if let Some(value) = self.common_field(name)? {
            return self.path(value, rest);
        }
        let mut found: Option<Value> = None;
        for relation in 0..self.relations.len() {
            // what a table brings along is named through it alone
            if self.relations[relation].lazy_of.is_some() {
                continue;
            }
            if let Some(value) = self.relation_field(relation, chain)? {
                if found.is_some() {
                    return Err(QueryError::resolve(format!("Ambiguous query. Found multiple sources for field: {name}")));
                }
                found = Some(value);
            }
        }
        if let Some(value) = found {
            return Ok(value);
        }
        if let Some(expr) = self.ctes.value(name).cloned() {
            let value = self.expr(&expr)?;
            return self.path(value, rest);
        }
        match self.alias(name, false)? {
            Some(value) => self.path(value, rest),
            None => Err(unknown()),
        }
    }

    /// A column that a join has in common by USING.
    fn common_field(&mut self, name: &str) -> Result<Option<Value>, QueryError> {
        let Some((_, places)) = self.using.iter().find(|(known, _)| known == name) else { return Ok(None) };
        let (places, chain) = (places.clone(), [Segment::Name(name.to_owned())]);
        let [only] = places.as_slice() else {
            // of a full join either side may be missing
            let mut values = Vec::with_capacity(places.len());
            for place in places {
                let filled = std::mem::take(&mut self.relations[place].filled);
                let value = self.relation_field(place, &chain);
                self.relations[place].filled = filled;
                values.extend(value?);
            }
            return self.call_values("coalesce", values).map(Some);
        };
        self.relation_field(*only, &chain)
    }

    /// A chain inside one relation; `None` when the relation has no such column.
    pub(crate) fn relation_field(&mut self, relation: usize, chain: &[Segment]) -> Result<Option<Value>, QueryError> {
        let Some(name) = chain.first().and_then(Segment::as_name) else { return Ok(None) };
        let rest = &chain[1..];
        match &self.relations[relation].source {
            Source::Events(_) => self.event_field(relation, name, rest),
            Source::Table(table, _) => {
                let table = *table;
                match self.table_field(relation, table, name, rest)? {
                    Some(value) => Ok(Some(value)),
                    None => self.lazy_field(relation, name, rest),
                }
            }
            Source::Numbers { .. } => match (name, self.relations[relation].output(0)) {
                ("number", Some(value)) => self.path(value, rest).map(Some),
                _ => Ok(None),
            },
            Source::Query { outputs, .. } => {
                let Some(index) = outputs.iter().position(|output| output.name == name) else {
                    return self.lazy_field(relation, name, rest);
                };
                match self.relations[relation].output(index) {
                    Some(value) => self.path(value, rest).map(Some),
                    None => Ok(None),
                }
            }
        }
    }

    fn event_field(&mut self, relation: usize, name: &str, rest: &[Segment]) -> Result<Option<Value>, QueryError> {
        let base = |column| VirtualColumn::Base(column);
        let column = match name {
            "properties" => return self.event_properties(relation, rest).map(Some),
            "person" => return self.person(relation, rest).map(Some),
            "poe" => return self.person_on_event(relation, rest).map(Some),
            "pdi" => return self.pdi(relation, rest).map(Some),
            "session" => return self.session(relation, rest).map(Some),
            "uuid" => base(EventColumn::Uuid),
            "event" => base(EventColumn::Event),
            "timestamp" => base(EventColumn::Timestamp),
            "distinct_id" => base(EventColumn::DistinctId),
            "created_at" => base(EventColumn::CreatedAt),
            "elements_chain" => base(EventColumn::ElementsChain),
            "event_person_id" => base(EventColumn::PersonId),
            "person_created_at" => base(EventColumn::PersonCreatedAt),
            "person_id" => VirtualColumn::PersonId,
            "team_id" => VirtualColumn::TeamId,
            "person_mode" => VirtualColumn::PersonMode,
            "elements_chain_href" => VirtualColumn::ElementsHref,
            "elements_chain_texts" => VirtualColumn::ElementsTexts,
            "elements_chain_ids" => VirtualColumn::ElementsIds,
            "elements_chain_elements" => VirtualColumn::ElementsTags,
            "$session_id" | "$window_id" | "$group_0" | "$group_1" | "$group_2" | "$group_3" | "$group_4" => {
                VirtualColumn::Key(name.to_owned())
            }
            "issue_id" | "event_issue_id" => VirtualColumn::Property("$exception_issue_id".to_owned(), PropertyKind::Text),
            name => match (self.group_of_name(name), of_program(name)) {
                (Some(index), _) => return self.group(relation, index, rest).map(Some),
                (None, Some(field)) => return self.program_field(relation, &field).map(Some),
                (None, None) => return Ok(None),
            },
        };
        let value = self.relations[relation].event_column(column)?;
        self.path(value, rest).map(Some)
    }

    /// The group type index of `group_1`, `goe_1` or a group type's own name.
    fn group_of_name(&self, name: &str) -> Option<u8> {
        let numbered = name.strip_prefix("group_").or_else(|| name.strip_prefix("goe_"));
        if let Some(index) = numbered.and_then(|index| index.parse::<u8>().ok()).filter(|index| *index < 5) {
            return Some(index);
        }
        self.context.group_index(name)
    }

    fn event_properties(&mut self, relation: usize, rest: &[Segment]) -> Result<Value, QueryError> {
        let Some((key, rest)) = key_of(rest)? else {
            return Ok(as_json(self.relations[relation].event_column(VirtualColumn::PropertiesJson)?));
        };
        // ingestion takes the chain out of the properties; filters still name it so
        if key == "$elements_chain" && rest.is_empty() {
            return self.relations[relation].event_column(VirtualColumn::Base(EventColumn::ElementsChain));
        }
        if let Some(field) = of_program(&key) {
            return self.program_field(relation, &field);
        }
        let kind = self.kind(PropertyParent::Event, None, &key, rest);
        let value = self.relations[relation].event_column(VirtualColumn::Property(key, kind))?;
        self.path(as_property(value), rest)
    }

    /// A field of one relation's events that stands for an expression over them.
    fn program_field(&mut self, relation: usize, field: &Expr) -> Result<Value, QueryError> {
        let outer = self.only_relation.replace(relation);
        let value = self.expr(field);
        self.only_relation = outer;
        value
    }

    /// How the property is read: as its definition says, or as JSON text when the query reaches into it.
    fn kind(&self, parent: PropertyParent, group: Option<u8>, key: &str, rest: &[Segment]) -> PropertyKind {
        if rest.is_empty() { self.context.property_kind(parent, group, key) } else { PropertyKind::Text }
    }

    fn person(&mut self, relation: usize, rest: &[Segment]) -> Result<Value, QueryError> {
        let on_event = self.context.person_mode == PersonMode::OnEvent;
        match rest.first().and_then(Segment::as_name) {
            Some("id") => self.relations[relation].event_column(VirtualColumn::PersonId),
            Some("properties" | "created_at") if on_event => self.person_on_event(relation, rest),
            Some("properties") => {
                let Some((key, rest)) = key_of(&rest[1..])? else {
                    return Ok(as_json(self.relations[relation].event_column(VirtualColumn::Person(PersonField::PropertiesJson))?));
                };
                if let Some(field) = PersonExpression::named(&key) {
                    return self.expression_of_person(relation, field);
                }
                let kind = self.kind(PropertyParent::Person, None, &key, rest);
                let value = self.relations[relation].event_column(VirtualColumn::Person(PersonField::Property(key, kind)))?;
                self.path(as_property(value), rest)
            }
            Some(name) => match (person_field(name), PersonExpression::named(name)) {
                (Some(field), _) => self.relations[relation].event_column(VirtualColumn::Person(field)),
                (None, Some(field)) => self.expression_of_person(relation, field),
                (None, None) => Err(not_found(name, "persons")),
            },
            None => Err(QueryError::resolve("Can't access a lazy joined field without a field name: person")),
        }
    }

    /// A computed field of the person of an event.
    fn expression_of_person(&mut self, relation: usize, field: PersonExpression) -> Result<Value, QueryError> {
        self.person_expression(field, |scope, key| scope.person(relation, &property_chain(key)))
    }

    fn person_on_event(&mut self, relation: usize, rest: &[Segment]) -> Result<Value, QueryError> {
        match rest.first().and_then(Segment::as_name) {
            Some("id") => self.relations[relation].event_column(VirtualColumn::Base(EventColumn::PersonId)),
            Some("created_at") => self.relations[relation].event_column(VirtualColumn::Base(EventColumn::PersonCreatedAt)),
            Some("properties") => {
                let Some((key, rest)) = key_of(&rest[1..])? else {
                    return Ok(as_json(self.relations[relation].event_column(VirtualColumn::Base(EventColumn::PersonProperties))?));
                };
                if let Some(field) = PersonExpression::named(&key) {
                    return self.person_expression(field, |scope, key| scope.person_on_event(relation, &property_chain(key)));
                }
                let kind = self.kind(PropertyParent::Person, None, &key, rest);
                let value = self.relations[relation].event_column(VirtualColumn::PersonOnEvent(key, kind))?;
                self.path(as_property(value), rest)
            }
            other => match other.and_then(PersonExpression::named) {
                Some(field) => self.person_expression(field, |scope, key| scope.person_on_event(relation, &property_chain(key))),
                None => Err(not_found(other.unwrap_or_default(), "poe")),
            },
        }
    }

    fn pdi(&mut self, relation: usize, rest: &[Segment]) -> Result<Value, QueryError> {
        match rest.first().and_then(Segment::as_name) {
            Some("distinct_id") => self.relations[relation].event_column(VirtualColumn::Base(EventColumn::DistinctId)),
            Some("person_id") => self.relations[relation].event_column(VirtualColumn::PersonId),
            Some("person") => self.person(relation, &rest[1..]),
            other => Err(not_found(other.unwrap_or_default(), "person_distinct_ids")),
        }
    }

    fn session(&mut self, relation: usize, rest: &[Segment]) -> Result<Value, QueryError> {
        let name = rest.first().and_then(Segment::as_name).unwrap_or_default();
        match session_field(name) {
            Some(field) => self.relations[relation].event_column(VirtualColumn::Session(field)),
            None => Err(not_found(name, "sessions")),
        }
    }

    fn group(&mut self, relation: usize, index: u8, rest: &[Segment]) -> Result<Value, QueryError> {
        let name = rest.first().and_then(Segment::as_name).unwrap_or_default();
        if name == "properties" {
            let Some((key, rest)) = key_of(&rest[1..])? else {
                return Ok(as_json(self.relations[relation].event_column(VirtualColumn::Group(index, GroupField::PropertiesJson))?));
            };
            let kind = self.kind(PropertyParent::Group, Some(index), &key, rest);
            let value = self.relations[relation].event_column(VirtualColumn::Group(index, GroupField::Property(key, kind)))?;
            return self.path(as_property(value), rest);
        }
        match group_field(name) {
            Some(field) => self.relations[relation].event_column(VirtualColumn::Group(index, field)),
            None => Err(not_found(name, "groups")),
        }
    }

    fn table_field(&mut self, relation: usize, table: KnownTable, name: &str, rest: &[Segment]) -> Result<Option<Value>, QueryError> {
        let Some(field) = table.field(name) else { return Ok(None) };
        let value = match field {
            TableField::Expression(field) => self.expression_of_table(relation, table, field)?,
            TableField::Column(column) => {
                let value = self.relations[relation].table_column(column)?;
                return self.path(value, rest).map(Some);
            }
            TableField::Properties(parent) => {
                let column = |field: Option<(String, PropertyKind)>| match (parent, field) {
                    (PropertyParent::Group, None) => TableColumn::Group(GroupField::PropertiesJson),
                    (PropertyParent::Group, Some((key, kind))) => TableColumn::Group(GroupField::Property(key, kind)),
                    (_, None) => TableColumn::Person(PersonField::PropertiesJson),
                    (_, Some((key, kind))) => TableColumn::Person(PersonField::Property(key, kind)),
                };
                let Some((key, rest)) = key_of(rest)? else {
                    return Ok(Some(as_json(self.relations[relation].table_column(column(None))?)));
                };
                if let (PropertyParent::Person, Some(field)) = (parent, PersonExpression::named(&key)) {
                    return self.expression_of_table(relation, table, field).map(Some);
                }
                let kind = self.kind(parent, None, &key, rest);
                let value = self.relations[relation].table_column(column(Some((key, kind))))?;
                self.path(as_property(value), rest)?
            }
            TableField::Person => self.person_of_distinct_id(relation, rest)?,
            TableField::DistinctIds => return self.lazy_field(relation, name, rest),
        };
        Ok(Some(value))
    }

    /// A computed field of a row of `persons`.
    fn expression_of_table(&mut self, relation: usize, table: KnownTable, field: PersonExpression) -> Result<Value, QueryError> {
        self.person_expression(field, |scope, key| {
            let value = scope.table_field(relation, table, PROPERTIES, &property_chain(key)[1..])?;
            value.ok_or_else(|| not_found(PROPERTIES, "persons"))
        })
    }

    fn person_of_distinct_id(&mut self, relation: usize, rest: &[Segment]) -> Result<Value, QueryError> {
        let name = rest.first().and_then(Segment::as_name).unwrap_or_default();
        if name == "properties" {
            let Some((key, rest)) = key_of(&rest[1..])? else {
                let column = TableColumn::PersonOfDistinctId(PersonField::PropertiesJson);
                return Ok(as_json(self.relations[relation].table_column(column)?));
            };
            let kind = self.kind(PropertyParent::Person, None, &key, rest);
            let column = TableColumn::PersonOfDistinctId(PersonField::Property(key, kind));
            let value = self.relations[relation].table_column(column)?;
            return self.path(as_property(value), rest);
        }
        match (person_field(name), PersonExpression::named(name)) {
            (Some(field), _) => self.relations[relation].table_column(TableColumn::PersonOfDistinctId(field)),
            (None, Some(field)) => self.person_expression(field, |scope, key| scope.person_of_distinct_id(relation, &property_chain(key))),
            (None, None) => Err(not_found(name, "persons")),
        }
    }

    /// Follows the rest of a chain into a value: a tuple's element, a key of JSON.
    pub(crate) fn path(&mut self, mut value: Value, rest: &[Segment]) -> Result<Value, QueryError> {
        if rest.is_empty() {
            return Ok(value);
        }
        if value.class() == Class::Text {
            return self.json_path(value, rest);
        }
        for segment in rest {
            value = match segment {
                Segment::Index(index) => self.element(value, *index)?,
                Segment::Name(name) => self.named_element(value, name)?,
            };
        }
        Ok(value)
    }
}

const PROPERTIES: &str = "properties";

/// From a person to one of its properties.
fn property_chain(key: &str) -> [Segment; 2] {
    [PROPERTIES, key].map(|name| Segment::Name(name.to_owned()))
}

/// The property's key and what follows it; `None` at the end of the chain.
fn key_of(rest: &[Segment]) -> Result<Option<(String, &[Segment])>, QueryError> {
    match rest.split_first() {
        None => Ok(None),
        Some((Segment::Name(key), rest)) => Ok(Some((key.clone(), rest))),
        Some((Segment::Index(index), rest)) => Ok(Some((index.to_string(), rest))),
    }
}

fn as_json(mut value: Value) -> Value {
    value.ty.note = Note::Json;
    value
}

/// Text of a property may be JSON, so a query can reach into it.
fn as_property(value: Value) -> Value {
    if value.class() == Class::Text { as_json(value) } else { value }
}

fn not_found(name: &str, table: &str) -> QueryError {
    QueryError::resolve(format!("Field \"{name}\" not found on table \"{table}\""))
}

fn show(chain: &[Segment]) -> String {
    chain.iter().map(show_one).collect::<Vec<_>>().join(".")
}

fn show_one(segment: &Segment) -> String {
    match segment {
        Segment::Name(name) => name.clone(),
        Segment::Index(index) => index.to_string(),
    }
}
