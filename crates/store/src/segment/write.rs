//! Writes a segment from a planned merge, row group by row group and column by column: in memory are one column of one row group and the
//! encoded form of it.

use super::columns::{self, FIXED, Names, PROJECT};
use super::descriptor::{ChunkRef, Descriptor, file_name};
use super::layout::{ColumnOfProperty, METADATA_KEY, OverflowKey, SegmentLayout, VERSION};
use super::source::{KeyCount, Piece, Source, fixed_columns};
use crate::files::{Files, NewFile};
use crate::layout::gather::{Plan, Slice};
use crate::layout::merge::MergePlan;
use crate::layout::objects::objects_or_null;
use crate::layout::sparse::{KeyColumn, Kind};
use crate::layout::table::{ids_array, text_array, times_array};
use crate::read::EventColumn;
use crate::{CommitError, ReadError, StoreConfig};
use arrow::array::{ArrayRef, AsArray, UInt8Array, UInt32Array, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{BloomFilterPosition, EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

/// A segment with fewer rows is one row group, whatever its shards: small files have few column chunks.
const SHARDED_ROWS_MIN: usize = 64 * 1024;

/// What a segment is made from.
pub(crate) struct Job<'a> {
    pub(crate) id: u64,
    pub(crate) plan: &'a MergePlan,
    /// Rows of the plan that this segment takes.
    pub(crate) rows: Range<usize>,
    pub(crate) sources: &'a [Box<dyn Source>],
    pub(crate) config: &'a StoreConfig,
}

/// Writes and syncs the file; on failure it is removed again, as far as that can be done.
pub(crate) fn write(files: &dyn Files, job: &Job<'_>) -> Result<Descriptor, CommitError> {
    let name = file_name(job.id);
    let written = Writer::new(files, job, &name).and_then(|writer| writer.write());
    written.inspect_err(|_| {
        // The next start removes it if this does not: no manifest names it.
        let _ = files.remove(&name);
    })
}

struct Writer<'a> {
    files: &'a dyn Files,
    job: &'a Job<'a>,
    name: &'a str,
    properties: Vec<Property>,
    overflow: Vec<OverflowKey>,
    schema: SchemaRef,
    /// Bytes of the dictionaries of each column so far.
    text_bytes: Vec<u64>,
}

/// The columns of one key.
struct Property {
    key: Arc<str>,
    /// Name, type and rows per row group; adjacent in the file.
    columns: Vec<(String, Kind, Vec<u64>)>,
}

/// Bytes of the texts of a dictionary; of any other array 0.
fn dictionary_bytes(array: &ArrayRef) -> u64 {
    let texts = array.as_any_dictionary_opt().and_then(|dictionary| dictionary.values().as_string_opt::<i32>());
    texts.map_or(0, |texts| texts.value_data().len() as u64)
}

impl<'a> Writer<'a> {
    fn new(files: &'a dyn Files, job: &'a Job<'a>, name: &'a str) -> Result<Self, CommitError> {
        let (properties, overflow) = choose(job.sources, job.config.property_columns_max)?;
        let columns = properties.iter().flat_map(|property| property.columns.iter().map(|(name, kind, _)| (name.as_str(), *kind)));
        let schema = Arc::new(columns::arrow_schema(columns, !overflow.is_empty()));
        Ok(Self { files, job, name, properties, overflow, text_bytes: vec![0; schema.fields().len()], schema })
    }

    fn write(mut self) -> Result<Descriptor, CommitError> {
        let file = Checked { file: io::BufWriter::with_capacity(1 << 16, self.create()?), crc: 0 };
        let schema = columns::parquet_schema(&self.schema).map_err(|error| self.error(error))?;
        let properties = Arc::new(writer_properties(self.job.plan.runs.len() as u64));
        let mut out = SerializedFileWriter::new(file, Arc::new(schema), properties).map_err(|error| self.error(error))?;
        let groups = row_groups(self.job);
        let factory = ArrowRowGroupWriterFactory::new(&out, Arc::clone(&self.schema));
        for (place, rows) in groups.iter().enumerate() {
            let writers = factory.create_column_writers(place).map_err(|error| self.error(error))?;
            let mut group = out.next_row_group().map_err(|error| self.error(error))?;
            self.row_group(rows, writers.into_iter(), &mut group)?;
            group.close().map_err(|error| self.error(error))?;
        }
        let layout = self.layout();
        let document = serde_json::to_string(&layout).map_err(|error| self.io("write", io::Error::other(error)))?;
        out.append_key_value_metadata(KeyValue::new(METADATA_KEY.to_owned(), document));
        let metadata = out.finish().map_err(|error| self.error(error))?;
        let checked = out.inner_mut();
        checked.flush().map_err(|source| self.io("write", source))?;
        checked.file.get_mut().sync().map_err(|source| self.io("sync", source))?;
        let crc = checked.crc;
        self.describe(&metadata, &groups, crc)
    }

    fn create(&self) -> Result<Box<dyn NewFile>, CommitError> {
        self.files.create(self.name).map_err(|source| self.io("create", source))
    }

    fn io(&self, action: &'static str, source: io::Error) -> CommitError {
        CommitError::Io { action, path: self.files.path(self.name), source }
    }

    fn error(&self, error: ParquetError) -> CommitError {
        let source = match error {
            ParquetError::External(inner) => inner.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error),
            other => io::Error::other(other),
        };
        self.io("write", source)
    }

    fn layout(&self) -> SegmentLayout {
        let columns = self.properties.iter().flat_map(|property| {
            property.columns.iter().map(|(name, kind, rows)| ColumnOfProperty {
                name: name.clone(),
                key: property.key.to_string(),
                kind: (*kind).into(),
                rows: rows.clone(),
            })
        });
        SegmentLayout { version: VERSION, columns: columns.collect(), overflow: self.overflow.clone() }
    }

    fn row_group(
        &mut self,
        rows: &Range<usize>,
        mut writers: impl Iterator<Item = ArrowColumnWriter>,
        out: &mut SerializedRowGroupWriter<'_, Checked>,
    ) -> Result<(), CommitError> {
        let parts = Parts::of(&self.job.plan.plan, rows);
        let schema = Arc::clone(&self.schema);
        let mut place = 0;
        let mut put = |writer: &mut Self, array: &ArrayRef| -> Result<(), CommitError> {
            writer.text_bytes[place] += dictionary_bytes(array);
            let column = writers.next().ok_or_else(|| writer.io("write", io::Error::other("a column without a writer")))?;
            write_column(column, &schema, place, array, out).map_err(|error| writer.error(error))?;
            place += 1;
            Ok(())
        };
        put(self, &self.projects(rows))?;
        for column in fixed_columns() {
            let array = self.fixed(column, rows, &parts)?;
            put(self, &array)?;
        }
        for at in 0..self.properties.len() {
            let key = Arc::clone(&self.properties[at].key);
            let made = self.property(&key, &parts)?;
            let mut arrays = Vec::new();
            for (_, kind, counts) in &mut self.properties[at].columns {
                let typed = made.as_ref().and_then(|column| column.typed.iter().find(|typed| typed.kind() == *kind));
                counts.push(typed.map_or(0, |typed| typed.len() as u64));
                let dense = typed.and_then(|typed| typed.dense(&(0..rows.len())));
                arrays.push(dense.unwrap_or_else(|| new_null_array(&columns::kind_type(*kind), rows.len())));
            }
            for array in arrays {
                put(self, &array)?;
            }
        }
        if !self.overflow.is_empty() {
            let array = self.overflow_objects(&parts)?;
            put(self, &array)?;
        }
        Ok(())
    }

    fn projects(&self, rows: &Range<usize>) -> ArrayRef {
        let mut projects = Vec::with_capacity(rows.len());
        for range in &self.job.plan.ranges {
            let from = range.rows.start.max(rows.start);
            let to = range.rows.end.min(rows.end);
            projects.extend((from..to).map(|_| range.project.0));
        }
        Arc::new(UInt32Array::from(projects))
    }

    fn fixed(&self, column: EventColumn, rows: &Range<usize>, parts: &Parts) -> Result<ArrayRef, CommitError> {
        if column == EventColumn::PersonId {
            return Ok(ids_array(&self.job.plan.persons_of(rows)));
        }
        let mut pieces = Vec::with_capacity(parts.taken.len());
        for (source, rows) in &parts.taken {
            pieces.push(self.job.sources[*source].fixed(column, rows)?);
        }
        let plan = &parts.plan;
        Ok(match column {
            EventColumn::Uuid | EventColumn::PersonId => ids_array(&plan.ids(&pick(&pieces, |piece| match piece {
                Piece::Ids(ids) => Some(&ids[..]),
                _ => None,
            }))),
            EventColumn::Timestamp | EventColumn::CreatedAt | EventColumn::PersonCreatedAt => {
                times_array(&plan.values(&pick(&pieces, |piece| match piece {
                    Piece::Times(times) => Some(&times[..]),
                    _ => None,
                })))
            }
            EventColumn::PersonMode => {
                let modes = plan.values(&pick(&pieces, |piece| match piece {
                    Piece::Bytes(bytes) => Some(&bytes[..]),
                    _ => None,
                }));
                Arc::new(UInt8Array::new(modes, None))
            }
            EventColumn::Event | EventColumn::DistinctId | EventColumn::PersonProperties | EventColumn::ElementsChain => {
                let texts = plan.texts(&pick(&pieces, |piece| match piece {
                    Piece::Texts(text) => Some((&text.codes[..], &*text.dict)),
                    _ => None,
                }));
                text_array(&texts)
            }
        })
    }

    fn property(&self, key: &Arc<str>, parts: &Parts) -> Result<Option<KeyColumn>, ReadError> {
        let mut pieces = Vec::with_capacity(parts.taken.len());
        for (source, rows) in &parts.taken {
            pieces.push(self.job.sources[*source].property(key, rows)?);
        }
        Ok(parts.plan.key(key, &pieces.iter().map(Option::as_ref).collect::<Vec<_>>()))
    }

    fn overflow_objects(&self, parts: &Parts) -> Result<ArrayRef, ReadError> {
        let mut columns = Vec::new();
        for overflow in &self.overflow {
            columns.extend(self.property(&overflow.key.as_str().into(), parts)?);
        }
        Ok(objects_or_null(parts.plan.rows, &columns))
    }

    /// Reads the file back once: what will be served is what was summed.
    fn describe(&self, metadata: &ParquetMetaData, groups: &[Range<usize>], file_crc: u32) -> Result<Descriptor, CommitError> {
        let mut chunks = Vec::new();
        let mut end = 4;
        let mut crc = crc32c::crc32c(&self.read(0, 4)?);
        for group in metadata.row_groups() {
            for column in group.columns() {
                let (offset, len) = column.byte_range();
                let bytes = self.read(offset, len)?;
                crc = crc32c::crc32c_append(crc, &bytes);
                chunks.push(ChunkRef { offset, len, crc: crc32c::crc32c(&bytes) });
                end = offset + len;
            }
        }
        let bytes = self.files.len(self.name).map_err(|source| self.io("read", source))?;
        let tail = self.read(end, bytes - end)?;
        crc = crc32c::crc32c_append(crc, &tail);
        if crc != file_crc {
            let what = format!("checksum of what was written is {crc:08x} when read back, expected {file_crc:08x}");
            return Err(ReadError::Damaged { path: self.files.path(self.name), what }.into());
        }
        Ok(Descriptor {
            id: self.job.id,
            shard: only_shard(self.job),
            rows: self.job.rows.len() as u64,
            bytes,
            file_crc,
            tail_offset: end,
            tail_crc: crc32c::crc32c(&tail),
            text_bytes: self.text_bytes.iter().max().copied().unwrap_or_default(),
            row_groups: groups.iter().map(|rows| rows.len() as u64).collect(),
            columns: self.schema.fields().len() as u32,
            chunks,
            ranges: ranges(self.job),
        })
    }

    fn read(&self, offset: u64, len: u64) -> Result<bytes::Bytes, CommitError> {
        self.files.read(self.name, offset, len as usize).map_err(|source| self.io("read", source))
    }
}

fn pick<'p, T>(pieces: &'p [Piece], of: impl Fn(&'p Piece) -> Option<T>) -> Vec<T> {
    pieces.iter().filter_map(of).collect()
}

fn write_column(
    mut column: ArrowColumnWriter,
    schema: &Schema,
    place: usize,
    array: &ArrayRef,
    out: &mut SerializedRowGroupWriter<'_, Checked>,
) -> Result<(), ParquetError> {
    for leaf in compute_leaves(schema.field(place), array)? {
        column.write(&leaf)?;
    }
    column.close()?.append_to_row_group(out)
}

/// Which keys get columns, and of which types; the others overflow.
fn choose(sources: &[Box<dyn Source>], max: usize) -> Result<(Vec<Property>, Vec<OverflowKey>), ReadError> {
    let mut counts: HashMap<Arc<str>, [u64; 5]> = HashMap::new();
    for source in sources {
        for KeyCount { key, kinds } in source.keys()? {
            let sums = counts.entry(key).or_default();
            for (sum, count) in sums.iter_mut().zip(kinds) {
                *sum += count;
            }
        }
    }
    let mut keys: Vec<(Arc<str>, [u64; 5])> = counts.into_iter().collect();
    // Most frequent first; equal ones by text, so that the same rows give the same file.
    keys.sort_unstable_by(|(a, of_a), (b, of_b)| of_b.iter().sum::<u64>().cmp(&of_a.iter().sum()).then_with(|| a.cmp(b)));
    let rest = keys.split_off(keys.len().min(max));
    keys.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut names = Names::default();
    let mut properties = Vec::with_capacity(keys.len());
    for (key, kinds) in keys {
        let main = Kind::ALL.into_iter().max_by_key(|kind| (kinds[*kind as usize], std::cmp::Reverse(*kind)));
        let present = Kind::ALL.into_iter().filter(|kind| kinds[*kind as usize] > 0);
        let columns = present.map(|kind| (names.name(&key, kind, Some(kind) == main), kind, Vec::new())).collect();
        properties.push(Property { key, columns });
    }
    let mut overflow: Vec<OverflowKey> = rest.into_iter().map(|(key, kinds)| OverflowKey { key: key.to_string(), kinds }).collect();
    overflow.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok((properties, overflow))
}

fn writer_properties(persons: u64) -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("aqueduct ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_statistics_enabled(EnabledStatistics::None)
        // Text comes back with the dictionary it was written with, without hashing a value, as long as the dictionary is not given up.
        .set_dictionary_page_size_limit(256 << 20)
        .set_bloom_filter_position(BloomFilterPosition::End)
        .set_column_bloom_filter_enabled(column("person_id"), true)
        .set_column_bloom_filter_max_ndv(column("person_id"), persons.max(1))
        .set_column_statistics_enabled(column(PROJECT), EnabledStatistics::Chunk)
        .set_column_dictionary_enabled(column("uuid"), false);
    for (_, name) in FIXED {
        if !matches!(name, "person_properties" | "elements_chain") {
            builder = builder.set_column_statistics_enabled(column(name), EnabledStatistics::Chunk);
        }
    }
    for name in ["timestamp", "created_at"] {
        builder =
            builder.set_column_dictionary_enabled(column(name), false).set_column_encoding(column(name), Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// Row groups end where shards end, and when they are full.
fn row_groups(job: &Job<'_>) -> Vec<Range<usize>> {
    let mut ends = Vec::new();
    if job.rows.len() >= SHARDED_ROWS_MIN {
        let inside = job.plan.ranges.iter().filter(|range| range.rows.start > job.rows.start && range.rows.start < job.rows.end);
        let mut shard = shard_at(job, job.rows.start);
        for range in inside {
            if Some(range.shard) != shard {
                ends.push(range.rows.start);
                shard = Some(range.shard);
            }
        }
    }
    ends.push(job.rows.end);
    let mut groups = Vec::new();
    let mut start = job.rows.start;
    for end in ends {
        while start < end {
            let to = end.min(start + job.config.row_group_rows_max.max(1));
            groups.push(start..to);
            start = to;
        }
    }
    groups
}

fn shard_at(job: &Job<'_>, row: usize) -> Option<u16> {
    job.plan.ranges.iter().find(|range| range.rows.contains(&row)).map(|range| range.shard)
}

fn only_shard(job: &Job<'_>) -> Option<u16> {
    let first = shard_at(job, job.rows.start)?;
    (shard_at(job, job.rows.end - 1) == Some(first)).then_some(first)
}

/// The plan's ranges that lie in the job, counted from its first row. A job takes whole ranges.
fn ranges(job: &Job<'_>) -> Vec<crate::layout::table::ProjectRange> {
    let inside = job.plan.ranges.iter().filter(|range| range.rows.start >= job.rows.start && range.rows.end <= job.rows.end);
    inside
        .map(|range| {
            let mut range = range.clone();
            range.rows = range.rows.start - job.rows.start..range.rows.end - job.rows.start;
            range
        })
        .collect()
}

/// The part of a plan that makes some output rows, over just the source rows that it takes.
struct Parts {
    plan: Plan,
    /// Source and its rows from the first to the last one taken, in the order of the plan's sources.
    taken: Vec<(usize, Range<usize>)>,
}

impl Parts {
    fn of(plan: &Plan, rows: &Range<usize>) -> Self {
        let mut slices = plan.slices_of(rows);
        let mut bounds: Vec<Option<Range<u32>>> = vec![None; plan.source_rows.len()];
        for slice in &slices {
            let bound = bounds[slice.source as usize].get_or_insert(slice.from..slice.to);
            *bound = bound.start.min(slice.from)..bound.end.max(slice.to);
        }
        let mut renumbered = vec![0; bounds.len()];
        let mut taken = Vec::new();
        for (source, bound) in bounds.into_iter().enumerate() {
            if let Some(bound) = bound {
                renumbered[source] = taken.len();
                taken.push((source, bound.start as usize..bound.end as usize));
            }
        }
        for Slice { source, from, to } in &mut slices {
            let place = renumbered[*source as usize];
            let start = taken[place].1.start as u32;
            (*source, *from, *to) = (place as u32, *from - start, *to - start);
        }
        let source_rows = taken.iter().map(|(_, rows)| rows.len()).collect();
        Self { plan: Plan::new(slices, source_rows), taken }
    }
}

/// A file with the checksum of what went through.
struct Checked {
    file: io::BufWriter<Box<dyn NewFile>>,
    crc: u32,
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
