//! Which property lies in which column of a segment: the JSON document in the file's metadata under the key `aqueduct`.
//!
//! ```json
//! {"version":1,
//!  "columns":[{"name":"properties.$browser","key":"$browser","kind":"text","rows":[31250,31250]}, …],
//!  "overflow":[{"key":"rare","kinds":[3,0,0,0,0]}, …]}
//! ```
//! `columns` are the property columns in file order, `rows` how many rows of each row group have a value. `overflow` are the keys that share the
//! column `properties_overflow`.

use crate::layout::sparse::Kind;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Key of the document in the file's metadata.
pub(crate) const METADATA_KEY: &str = "aqueduct";
/// Version of the document that this program writes and reads.
pub(crate) const VERSION: u32 = 1;

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentLayout {
    pub(crate) version: u32,
    /// In order of key.
    pub(crate) columns: Vec<ColumnOfProperty>,
    /// In order of text.
    pub(crate) overflow: Vec<OverflowKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ColumnOfProperty {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) kind: KindName,
    pub(crate) rows: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OverflowKey {
    pub(crate) key: String,
    /// Rows with a value of each [`Kind`], in its order.
    pub(crate) kinds: [u64; 5],
}

/// A [`Kind`] by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KindName {
    Text,
    Int,
    Float,
    Bool,
    Json,
}

impl From<Kind> for KindName {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Int => Self::Int,
            Kind::Float => Self::Float,
            Kind::Bool => Self::Bool,
            Kind::Json => Self::Json,
        }
    }
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Text => Self::Text,
            KindName::Int => Self::Int,
            KindName::Float => Self::Float,
            KindName::Bool => Self::Bool,
            KindName::Json => Self::Json,
        }
    }
}

impl SegmentLayout {
    /// Places in `columns` of a key's columns.
    pub(crate) fn places(&self, key: &str) -> Range<usize> {
        let start = self.columns.partition_point(|column| column.key.as_str() < key);
        let len = self.columns[start..].iter().take_while(|column| column.key == key).count();
        start..start + len
    }

    pub(crate) fn overflows(&self, key: &str) -> bool {
        self.overflow.binary_search_by(|known| known.key.as_str().cmp(key)).is_ok()
    }
}
