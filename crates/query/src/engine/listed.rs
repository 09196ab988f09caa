//! The body that queries for rows have in common: a page of rows, its columns, and how it was come by.

use super::{QueryResponse, Timings};
use serde_json::{Map, Value as Json};

/// A page of rows.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The rows, each a list of cells.
    pub(crate) results: Vec<Json>,
    /// What the cells are called.
    pub(crate) columns: Json,
    /// Their types.
    pub(crate) types: Json,
    /// The query as HogQL.
    pub(crate) hogql: String,
    /// Whether rows follow.
    pub(crate) has_more: bool,
    /// Rows of a page.
    pub(crate) limit: usize,
    /// Rows before this page.
    pub(crate) offset: usize,
}

impl Listed {
    /// The response, with what else its kind has.
    pub(crate) fn respond(self, more: impl IntoIterator<Item = (&'static str, Json)>, timings: Timings) -> QueryResponse {
        let common = [
            ("results", Json::Array(self.results)),
            ("columns", self.columns),
            ("types", self.types),
            ("hogql", Json::from(self.hogql)),
            ("hasMore", Json::from(self.has_more)),
            ("limit", Json::from(self.limit)),
            ("offset", Json::from(self.offset)),
        ];
        let fields = common.into_iter().chain(more).chain([("timings", timings.finish())]);
        QueryResponse { body: Map::from_iter(fields.map(|(name, value)| (name.to_owned(), value))) }
    }
}
