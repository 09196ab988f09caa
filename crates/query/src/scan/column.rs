//! The columns that `events` has for a query.

use aqueduct_store::EventColumn;
use arrow::datatypes::{DataType, Field, TimeUnit};
use std::fmt;

use super::SessionField;

/// How a property's values are read, from its definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PropertyKind {
    /// `Dictionary(Int32, Utf8)`: numbers and booleans as JSON writes them, arrays and objects as JSON text, `null` and absent as NULL.
    Text,
    /// `Float64`: numbers, and text that reads as one.
    Numeric,
    /// `Boolean`: `true`, `false`, and the same as text.
    Boolean,
    /// `Timestamp(Microsecond, "UTC")`: text that reads as a time, Unix seconds.
    DateTime,
}

/// What a query may ask of a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PersonField {
    /// The id; NULL when there is no such person.
    Id,
    /// Earliest known time.
    CreatedAt,
    /// When it was seen last, to the hour; NULL where its events do not say that this is to be kept.
    LastSeenAt,
    /// Whether an identify named it.
    IsIdentified,
    /// All properties as JSON.
    PropertiesJson,
    /// One property.
    Property(String, PropertyKind),
}

/// What a query may ask of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GroupField {
    /// The key; NULL when there is no such group.
    Key,
    /// Time of the event that made it.
    CreatedAt,
    /// Time of the newest change.
    UpdatedAt,
    /// All properties as JSON.
    PropertiesJson,
    /// One property.
    Property(String, PropertyKind),
}

/// A column of `events`, stored or computed from stored ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum VirtualColumn {
    /// As stored. `Base(PersonId)` is the id that the row carries.
    Base(EventColumn),
    /// The project's number.
    TeamId,
    /// How the person was processed, in words: `full`, `propertyless`, `force_upgrade`.
    PersonMode,
    /// The person that the row belongs to, merges applied.
    PersonId,
    /// A property of the event.
    Property(String, PropertyKind),
    /// A property that names what the event belongs to (its session, window or group) as text; empty text without one.
    Key(String),
    /// All properties of the event as JSON, `Utf8`.
    PropertiesJson,
    /// The person as it is now.
    Person(PersonField),
    /// A property of the person at the time of the event.
    PersonOnEvent(String, PropertyKind),
    /// The group of a type index that the event carries.
    Group(u8, GroupField),
    /// The session that the event belongs to.
    Session(SessionField),
    /// `href` of the first link in the elements chain.
    ElementsHref,
    /// Texts of the elements, `List(Utf8)`.
    ElementsTexts,
    /// Ids of the elements, `List(Utf8)`.
    ElementsIds,
    /// Names of the useful elements, `List(Utf8)`.
    ElementsTags,
}

/// `Dictionary(Int32, Utf8)`.
pub(crate) fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// `Timestamp(Microsecond, "UTC")`.
pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// `FixedSizeBinary(16)`.
pub(crate) fn uuid_type() -> DataType {
    DataType::FixedSizeBinary(16)
}

/// `List(Utf8)`.
pub(crate) fn texts_type() -> DataType {
    DataType::List(Field::new("item", DataType::Utf8, true).into())
}

impl PropertyKind {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            PropertyKind::Text => text_type(),
            PropertyKind::Numeric => DataType::Float64,
            PropertyKind::Boolean => DataType::Boolean,
            PropertyKind::DateTime => time_type(),
        }
    }
}

impl PersonField {
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            PersonField::Id => uuid_type(),
            PersonField::CreatedAt | PersonField::LastSeenAt => time_type(),
            PersonField::IsIdentified => DataType::Boolean,
            PersonField::PropertiesJson => text_type(),
            PersonField::Property(_, kind) => kind.data_type(),
        }
    }
}

impl GroupField {
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            GroupField::Key | GroupField::PropertiesJson => text_type(),
            GroupField::CreatedAt | GroupField::UpdatedAt => time_type(),
            GroupField::Property(_, kind) => kind.data_type(),
        }
    }
}

impl VirtualColumn {
    /// Arrow type of the column.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            VirtualColumn::Base(EventColumn::Uuid | EventColumn::PersonId) | VirtualColumn::PersonId => uuid_type(),
            VirtualColumn::Base(EventColumn::Timestamp | EventColumn::CreatedAt | EventColumn::PersonCreatedAt) => time_type(),
            VirtualColumn::Base(EventColumn::PersonMode) => DataType::UInt8,
            VirtualColumn::Base(_) | VirtualColumn::PersonMode | VirtualColumn::Key(_) | VirtualColumn::ElementsHref => text_type(),
            VirtualColumn::TeamId => DataType::Int64,
            VirtualColumn::Property(_, kind) | VirtualColumn::PersonOnEvent(_, kind) => kind.data_type(),
            VirtualColumn::PropertiesJson => DataType::Utf8,
            VirtualColumn::Person(field) => field.data_type(),
            VirtualColumn::Group(_, field) => field.data_type(),
            VirtualColumn::Session(field) => field.data_type(),
            VirtualColumn::ElementsTexts | VirtualColumn::ElementsIds | VirtualColumn::ElementsTags => texts_type(),
        }
    }

    /// Whether a row may have none.
    pub(crate) fn nullable(&self) -> bool {
        !matches!(
            self,
            VirtualColumn::Base(_)
                | VirtualColumn::Key(_)
                | VirtualColumn::TeamId
                | VirtualColumn::PersonMode
                | VirtualColumn::PersonId
                | VirtualColumn::PropertiesJson
                | VirtualColumn::ElementsHref
                | VirtualColumn::ElementsTexts
                | VirtualColumn::ElementsIds
                | VirtualColumn::ElementsTags
        )
    }

    /// The arrow field; its name is unique among virtual columns.
    pub(crate) fn field(&self) -> Field {
        Field::new(self.to_string(), self.data_type(), self.nullable())
    }

    /// Whether making it for all rows of a part costs more than making it for the rows that are left after filters.
    pub(crate) fn is_late(&self) -> bool {
        matches!(self, VirtualColumn::PropertiesJson)
    }
}

impl fmt::Display for VirtualColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VirtualColumn::Base(column) => write!(f, "{column:?}"),
            VirtualColumn::Property(key, kind) => write!(f, "properties.{key}:{kind:?}"),
            VirtualColumn::PersonOnEvent(key, kind) => write!(f, "poe.properties.{key}:{kind:?}"),
            VirtualColumn::Person(PersonField::Property(key, kind)) => write!(f, "person.properties.{key}:{kind:?}"),
            VirtualColumn::Person(field) => write!(f, "person.{field:?}"),
            VirtualColumn::Group(index, GroupField::Property(key, kind)) => write!(f, "group_{index}.properties.{key}:{kind:?}"),
            VirtualColumn::Group(index, field) => write!(f, "group_{index}.{field:?}"),
            VirtualColumn::Session(field) => write!(f, "session.{field:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}
