//! The file that is written: lines as they are, or columns.

use crate::cli::{ExportFormat, ExportWhat};
use crate::error::Fatal;
use aqueduct_api::bulk::{EventLine, PersonLine};
use aqueduct_event::timestamp;
use arrow::array::{ArrayRef, BooleanBuilder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are made into columns at once.
const BATCH_ROWS: usize = 4096;
/// A row group is closed when it takes so much memory.
const GROUP_BYTES: usize = 64 << 20;

/// Where lines go.
pub(super) struct Output {
    path: PathBuf,
    /// Renamed to `path` at the end; `None` for stdout.
    unfinished: Option<PathBuf>,
    spill_dir: PathBuf,
    sink: Sink,
}

enum Sink {
    Lines(Box<dyn Write>),
    Columns { writer: Box<ArrowWriter<File>>, columns: Box<Columns> },
}

impl Output {
    pub(super) fn create(path: &Path, what: ExportWhat, format: ExportFormat) -> Result<Self, Fatal> {
        if path == Path::new("-") {
            let sink = Sink::Lines(Box::new(BufWriter::new(io::stdout())));
            return Ok(Self { path: path.to_owned(), unfinished: None, spill_dir: std::env::temp_dir(), sink });
        }
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".unfinished");
        let unfinished = path.with_file_name(name);
        let spill_dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
        let failed = |why: &dyn std::fmt::Display| cannot_write(path, why);
        let file = File::create(&unfinished).map_err(|error| failed(&error))?;
        let sink = match format {
            ExportFormat::Ndjson => Sink::Lines(Box::new(BufWriter::new(file))),
            ExportFormat::Parquet => {
                let columns = Columns::of(what);
                let level = ZstdLevel::try_new(3).map_err(|error| failed(&error))?;
                let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
                let writer = ArrowWriter::try_new(file, Arc::clone(&columns.schema), Some(properties)).map_err(|error| failed(&error))?;
                Sink::Columns { writer: Box::new(writer), columns: Box::new(columns) }
            }
        };
        Ok(Self { path: path.to_owned(), unfinished: Some(unfinished), spill_dir, sink })
    }

    /// A directory with room like that of the output.
    pub(super) fn spill_dir(&self) -> &Path {
        &self.spill_dir
    }

    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), Fatal> {
        let failed = |why: &dyn std::fmt::Display| cannot_write(&self.path, why);
        match &mut self.sink {
            Sink::Lines(out) => out.write_all(line).and_then(|()| out.write_all(b"\n")).map_err(|error| failed(&error)),
            Sink::Columns { writer, columns } => {
                columns.push(line).map_err(|why| failed(&why))?;
                if columns.rows >= BATCH_ROWS {
                    write_batch(writer, columns).map_err(|error| failed(&error))?;
                }
                Ok(())
            }
        }
    }

    /// Makes the file whole and gives it its name.
    pub(super) fn finish(mut self) -> Result<(), Fatal> {
        let path = self.path.clone();
        let failed = |why: &dyn std::fmt::Display| cannot_write(&path, why);
        match &mut self.sink {
            Sink::Lines(out) => out.flush().map_err(|error| failed(&error))?,
            Sink::Columns { writer, columns } => {
                write_batch(writer, columns).map_err(|error| failed(&error))?;
                writer.finish().map_err(|error| failed(&error))?;
            }
        }
        if let Some(unfinished) = self.unfinished.take() {
            let named = File::open(&unfinished).and_then(|file| file.sync_all()).and_then(|()| fs::rename(&unfinished, &path));
            named.map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            let _ = fs::remove_file(unfinished);
        }
    }
}

fn cannot_write(path: &Path, why: &dyn std::fmt::Display) -> Fatal {
    Fatal::failure(&format!("cannot write {}", path.display()), why, "check the room and the rights there")
}

fn write_batch(writer: &mut ArrowWriter<File>, columns: &mut Columns) -> parquet::errors::Result<()> {
    if columns.rows > 0 {
        writer.write(&columns.take()?)?;
    }
    if writer.in_progress_size() > GROUP_BYTES { writer.flush() } else { Ok(()) }
}

/// Rows that become a batch.
struct Columns {
    schema: Arc<Schema>,
    what: ExportWhat,
    rows: usize,
    texts: Vec<StringBuilder>,
    times: Vec<TimestampMicrosecondBuilder>,
    distinct_ids: ListBuilder<StringBuilder>,
    identified: BooleanBuilder,
}

impl Columns {
    fn of(what: ExportWhat) -> Self {
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        let time = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
        let (fields, texts, times) = match what {
            ExportWhat::Events => {
                let texts = ["uuid", "event", "distinct_id", "properties", "person_id", "person_properties", "elements_chain"];
                (texts.map(text).into_iter().chain(["timestamp", "created_at"].map(time)).collect::<Vec<_>>(), texts.len(), 2)
            }
            ExportWhat::Persons => {
                let ids = Field::new("distinct_ids", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), false);
                let identified = Field::new("is_identified", DataType::Boolean, false);
                (vec![text("id"), text("properties"), time("created_at"), ids, identified], 2, 1)
            }
        };
        Self {
            schema: Arc::new(Schema::new(fields)),
            what,
            rows: 0,
            texts: std::iter::repeat_with(StringBuilder::new).take(texts).collect(),
            times: std::iter::repeat_with(|| TimestampMicrosecondBuilder::new().with_timezone("UTC")).take(times).collect(),
            distinct_ids: ListBuilder::new(StringBuilder::new()),
            identified: BooleanBuilder::new(),
        }
    }

    fn push(&mut self, line: &[u8]) -> Result<(), String> {
        let wrong = |error: serde_json::Error| format!("a line cannot be read: {error}");
        match self.what {
            ExportWhat::Events => {
                let row: EventLine<'_> = serde_json::from_slice(line).map_err(wrong)?;
                let EventLine { uuid, event, distinct_id, properties, person_id, person_properties, elements_chain, .. } = &row;
                self.push_texts([uuid, event, distinct_id, properties, person_id, person_properties, elements_chain]);
                self.push_times([&row.timestamp, &row.created_at])?;
            }
            ExportWhat::Persons => {
                let row: PersonLine<'_> = serde_json::from_slice(line).map_err(wrong)?;
                self.push_texts([&row.id, row.properties]);
                self.push_times([&row.created_at])?;
                row.distinct_ids.iter().for_each(|id| self.distinct_ids.values().append_value(id));
                self.distinct_ids.append(true);
                self.identified.append_value(row.is_identified);
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn push_texts<const N: usize>(&mut self, texts: [&str; N]) {
        self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.append_value(text));
    }

    fn push_times<const N: usize>(&mut self, texts: [&str; N]) -> Result<(), String> {
        for (column, text) in self.times.iter_mut().zip(texts) {
            column.append_value(timestamp::parse(text).ok_or_else(|| format!("{text:?} is no time"))?.0);
        }
        Ok(())
    }

    fn take(&mut self) -> Result<RecordBatch, arrow::error::ArrowError> {
        self.rows = 0;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        arrays.extend(self.texts.iter_mut().map(|column| -> ArrayRef { Arc::new(column.finish()) }));
        arrays.extend(self.times.iter_mut().map(|column| -> ArrayRef { Arc::new(column.finish()) }));
        if self.what == ExportWhat::Persons {
            arrays.push(Arc::new(self.distinct_ids.finish()));
            arrays.push(Arc::new(self.identified.finish()));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}
