//! Results as tables, and tables as files: CSV, JSON, Parquet.
//!
//! In: `results` of a query, and `columns` where it has them. Out: named columns and rows of JSON values.
//!
//! # Invariants
//! - A cell of a CSV file that a spreadsheet would take for a formula begins with an apostrophe.
//! - Every row has as many cells as there are columns.

use crate::error::ApiError;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Rows under named columns.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// The table of a query's results.
    pub(crate) fn of(results: Option<&Value>, columns: Option<&Value>) -> Self {
        let names: Vec<String> = columns.and_then(Value::as_array).into_iter().flatten().map(|name| text_of(name).into_owned()).collect();
        match results {
            Some(Value::Array(rows)) if rows.iter().all(Value::is_array) && !names.is_empty() => Self::plain(names, rows),
            // Funnels with a breakdown: a list of steps for each value.
            Some(Value::Array(groups)) if !groups.is_empty() && groups.iter().all(Value::is_array) => {
                Self::objects(groups.iter().filter_map(Value::as_array).flatten())
            }
            Some(Value::Array(items)) if items.first().is_some_and(is_series) => Self::series(items),
            Some(Value::Array(items)) => Self::objects(items.iter()),
            Some(Value::Object(_)) => Self::objects(results.into_iter()),
            _ => Self::default(),
        }
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(crate) fn rows(&self) -> &[Vec<Value>] {
        &self.rows
    }

    fn plain(columns: Vec<String>, rows: &[Value]) -> Self {
        let row = |row: &Value| {
            let mut cells = row.as_array().cloned().unwrap_or_default();
            cells.resize(columns.len(), Value::Null);
            cells
        };
        Self { rows: rows.iter().map(row).collect(), columns }
    }

    /// Series over time: a row for each, a column for each moment.
    fn series(items: &[Value]) -> Self {
        let moments = items.iter().find_map(|item| item.get("days").or_else(|| item.get("labels"))?.as_array());
        let moments: Vec<String> = moments.into_iter().flatten().map(|moment| text_of(moment).into_owned()).collect();
        let row = |item: &Value| {
            let name = ["label", "name"].iter().find_map(|field| item.get(*field).filter(|name| name.is_string()));
            let values = item.get("data").and_then(Value::as_array);
            let mut cells = vec![name.cloned().unwrap_or_default()];
            cells.extend(values.into_iter().flatten().cloned());
            cells.resize(moments.len() + 1, Value::Null);
            cells
        };
        let rows = items.iter().map(row).collect();
        Self { columns: std::iter::once("series".to_owned()).chain(moments).collect(), rows }
    }

    /// Objects: a column for each member, members of members under `a.b`.
    fn objects<'a>(items: impl Iterator<Item = &'a Value>) -> Self {
        let mut columns: Vec<String> = Vec::new();
        let mut flat: Vec<Map<String, Value>> = Vec::new();
        for item in items {
            let mut cells = Map::new();
            flatten("", item, &mut cells);
            for name in cells.keys() {
                if !columns.contains(name) {
                    columns.push(name.clone());
                }
            }
            flat.push(cells);
        }
        let rows = flat.into_iter().map(|mut cells| columns.iter().map(|name| cells.remove(name).unwrap_or_default()).collect()).collect();
        Self { columns, rows }
    }

    /// As CSV (RFC 4180).
    pub(crate) fn to_csv(&self) -> String {
        let mut out = String::new();
        line(&mut out, self.columns.iter().map(|name| guarded(Cow::Borrowed(name))));
        for row in &self.rows {
            // A number is no formula, whatever its sign.
            line(&mut out, row.iter().map(|cell| if cell.is_number() { text_of(cell) } else { guarded(text_of(cell)) }));
        }
        out
    }

    /// As a JSON list of objects.
    pub(crate) fn to_json(&self) -> Value {
        let object = |row: &Vec<Value>| Value::Object(self.columns.iter().cloned().zip(row.iter().cloned()).collect());
        self.rows.iter().map(object).collect()
    }

    /// As a Parquet file. A column is of one type: whole numbers, numbers, truth values, else text.
    pub(crate) fn to_parquet(&self) -> Result<Vec<u8>, ApiError> {
        const FAILED: ApiError = ApiError::Column("export");
        if self.columns.is_empty() {
            return Err(ApiError::field("export_format", "invalid_input", "The result has no columns, so it cannot be a Parquet file."));
        }
        let arrays = self.columns.iter().enumerate().map(|(place, name)| (unique(&self.columns, place, name), self.array(place)));
        let batch = RecordBatch::try_from_iter_with_nullable(arrays.map(|(name, array)| (name, array, true))).map_err(|_| FAILED)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build();
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).map_err(|_| FAILED)?;
        writer.write(&batch).map_err(|_| FAILED)?;
        writer.close().map_err(|_| FAILED)?;
        Ok(out)
    }

    fn array(&self, place: usize) -> ArrayRef {
        let cells = || self.rows.iter().map(move |row| row.get(place).filter(|cell| !cell.is_null()));
        let all = |is: fn(&Value) -> bool| cells().flatten().next().is_some() && cells().flatten().all(is);
        if all(Value::is_i64) {
            Arc::new(cells().map(|cell| cell.and_then(Value::as_i64)).collect::<Int64Array>())
        } else if all(Value::is_number) {
            Arc::new(cells().map(|cell| cell.and_then(Value::as_f64)).collect::<Float64Array>())
        } else if all(Value::is_boolean) {
            Arc::new(cells().map(|cell| cell.and_then(Value::as_bool)).collect::<BooleanArray>())
        } else {
            Arc::new(cells().map(|cell| cell.map(text_of)).collect::<StringArray>())
        }
    }
}

/// Names of columns may repeat in SQL, but not in a file.
fn unique(names: &[String], place: usize, name: &str) -> String {
    match names[..place].iter().filter(|earlier| *earlier == name).count() {
        0 => name.to_owned(),
        before => format!("{name}_{}", before + 1),
    }
}

fn is_series(item: &Value) -> bool {
    item.get("data").is_some_and(Value::is_array) && (item.get("days").is_some() || item.get("labels").is_some())
}

fn flatten(prefix: &str, value: &Value, into: &mut Map<String, Value>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&path, member, into);
            }
        }
        other => {
            let name = if prefix.is_empty() { "value" } else { prefix };
            into.insert(name.to_owned(), other.clone());
        }
    }
}

/// A cell as text: texts as they are, nothing for null, everything else as JSON.
pub(crate) fn text_of(cell: &Value) -> Cow<'_, str> {
    match cell {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Text that no spreadsheet takes for a formula.
fn guarded(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '|', '%']) { Cow::Owned(format!("'{text}")) } else { text }
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = Cow<'a, str>>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&cell);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn csv_is_quoted_and_guarded() {
        let results = json!([["=1+1", -3, "a,\"b\""], ["@cmd", null, {"k": 1}], ["-2", 1.5, true]]);
        let table = Table::of(Some(&results), Some(&json!(["a", "+b", "c"])));
        expect![[r#"
            a,'+b,c
            '=1+1,-3,"a,""b"""
            '@cmd,,"{""k"":1}"
            '-2,1.5,true
        "#]]
        .assert_eq(&table.to_csv().replace("\r\n", "\n"));
    }

    #[test]
    fn series_have_a_column_for_each_moment() {
        let results = json!([{"label": "$pageview", "data": [1, 2], "days": ["2026-01-01", "2026-01-02"]}, {"label": "b", "data": [3]}]);
        let table = Table::of(Some(&results), None);
        assert_eq!(table.to_csv(), "series,2026-01-01,2026-01-02\r\n$pageview,1,2\r\nb,3,\r\n");
    }

    #[test]
    fn objects_have_a_column_for_each_member() {
        let steps = json!([[{"name": "a", "count": 1, "more": {"x": 2}}], [{"name": "b", "other": []}]]);
        assert_eq!(Table::of(Some(&steps), None).to_csv(), "name,count,more.x,other\r\na,1,2,\r\nb,,,[]\r\n");
        assert_eq!(Table::of(Some(&json!([])), None), Table::default());
    }

    #[test]
    fn parquet_has_types() {
        use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
        let results = json!([[1, 1, "x", true, null], [2, 2.5, 3, false, null]]);
        let table = Table::of(Some(&results), Some(&json!(["i", "f", "t", "b", "i"])));
        let bytes = table.to_parquet().expect("a file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(axum::body::Bytes::from(bytes)).expect("Parquet");
        let types: Vec<String> = reader.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        assert_eq!(types, ["i Int64", "f Float64", "t Utf8", "b Boolean", "i_2 Utf8"]);
    }
}
