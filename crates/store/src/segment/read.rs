//! Reads columns of a segment back as arrow, one at a time.
//!
//! # Invariants
//! - Only bytes whose checksum was checked are decoded.
//! - A text column has one dictionary, whatever the number of row groups.

use super::columns::{self, OVERFLOW};
use super::descriptor::Descriptor;
use super::layout::{METADATA_KEY, SegmentLayout, VERSION};
use crate::ReadError;
use crate::files::Files;
use crate::layout::dict::{Dict, DictBuilder, Remap};
use crate::layout::sparse::dictionary_array;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Int32Type};
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A segment that the manifest names.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) descriptor: Descriptor,
    files: Arc<dyn Files>,
    persons: OnceLock<Vec<Sbbf>>,
}

/// What the tail of a segment says, decoded.
#[derive(Debug)]
pub(crate) struct SegmentMeta {
    pub(crate) layout: SegmentLayout,
    reader: ArrowReaderMetadata,
    pub(crate) bytes: usize,
}

/// Row groups that are read together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) groups: Range<usize>,
}

impl Segment {
    pub(crate) fn new(descriptor: Descriptor, files: Arc<dyn Files>) -> Self {
        Self { descriptor, files, persons: OnceLock::new() }
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> ReadError {
        ReadError::Damaged { path: self.files.path(&self.descriptor.file()), what: what.into() }
    }

    fn parquet(&self, error: &ParquetError) -> ReadError {
        self.damaged(error.to_string())
    }

    fn read(&self, offset: u64, len: u64) -> Result<Bytes, ReadError> {
        let file = self.descriptor.file();
        let len = usize::try_from(len).map_err(|_| self.damaged("a length does not fit memory"))?;
        self.files.read(&file, offset, len).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged(format!("ends before byte {}", offset + len as u64)),
            _ => ReadError::Io { path: self.files.path(&file), source },
        })
    }

    /// Reads the whole file and compares its checksum.
    pub(crate) fn verify(&self) -> Result<(), ReadError> {
        const STEP: u64 = 1 << 20;
        let (mut at, mut crc) = (0, 0);
        while at < self.descriptor.bytes {
            let len = STEP.min(self.descriptor.bytes - at);
            crc = crc32c::crc32c_append(crc, &self.read(at, len)?);
            at += len;
        }
        self.check("the file", crc, self.descriptor.file_crc)
    }

    /// All byte ranges that are not what was written. The file has its length.
    pub(crate) fn damages(&self) -> Result<Vec<(Range<u64>, String)>, ReadError> {
        let mut damages = Vec::new();
        let mut compare = |range: Range<u64>, expected: u32, what: String| -> Result<(), ReadError> {
            let found = crc32c::crc32c(&self.read(range.start, range.end - range.start)?);
            if found != expected {
                damages.push((range, format!("checksum of {what} is {found:08x}, expected {expected:08x}")));
            }
            Ok(())
        };
        let columns = self.descriptor.columns.max(1) as usize;
        for (at, chunk) in self.descriptor.chunks.iter().enumerate() {
            compare(chunk.offset..chunk.offset + chunk.len, chunk.crc, format!("column {} of row group {}", at % columns, at / columns))?;
        }
        let tail = self.descriptor.tail_offset..self.descriptor.bytes;
        compare(tail, self.descriptor.tail_crc, "the tail".to_owned())?;
        if damages.is_empty()
            && let Err(ReadError::Damaged { what, .. }) = self.verify()
        {
            // Between the columns: nobody reads that, but it is not what was written.
            damages.push((0..self.descriptor.bytes, what));
        }
        Ok(damages)
    }

    fn check(&self, what: &str, found: u32, expected: u32) -> Result<(), ReadError> {
        if found == expected {
            return Ok(());
        }
        Err(self.damaged(format!("checksum of {what} is {found:08x}, expected {expected:08x}")))
    }

    fn tail(&self) -> Result<FileBytes, ReadError> {
        let offset = self.descriptor.tail_offset;
        let bytes = self.read(offset, self.descriptor.bytes - offset)?;
        self.check("the tail", crc32c::crc32c(&bytes), self.descriptor.tail_crc)?;
        Ok(FileBytes { len: self.descriptor.bytes, pieces: vec![(offset, bytes)] })
    }

    /// Decodes the tail.
    pub(crate) fn load_meta(&self) -> Result<Arc<SegmentMeta>, ReadError> {
        let tail = self.tail()?;
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Skip)
            .parse_and_finish(&tail)
            .map_err(|error| self.parquet(&error))?;
        let entries = metadata.file_metadata().key_value_metadata();
        let document = entries.and_then(|entries| entries.iter().find(|entry| entry.key == METADATA_KEY)?.value.as_deref());
        let document = document.ok_or_else(|| self.damaged(format!("no metadata under {METADATA_KEY}")))?;
        let layout: SegmentLayout = serde_json::from_str(document).map_err(|error| self.damaged(error.to_string()))?;
        if layout.version != VERSION {
            return Err(self.damaged(format!("layout version {}, expected {VERSION}", layout.version)));
        }
        let properties = layout.columns.iter().map(|column| (column.name.as_str(), column.kind.into()));
        let schema = columns::arrow_schema(properties, !layout.overflow.is_empty());
        let groups = metadata.num_row_groups();
        if schema.fields().len() != self.descriptor.columns as usize || groups != self.descriptor.row_groups.len() {
            let found = schema.fields().len();
            return Err(self.damaged(format!("{found} columns in {groups} row groups, expected {}", self.descriptor.columns)));
        }
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        let bytes = metadata.memory_size() + document.len();
        let reader = ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(|error| self.parquet(&error))?;
        Ok(Arc::new(SegmentMeta { layout, reader, bytes }))
    }

    /// A column of the file over some row groups.
    pub(crate) fn decode(&self, meta: &SegmentMeta, column: usize, span: &Span) -> Result<ArrayRef, ReadError> {
        let mut arrays = Vec::with_capacity(span.groups.len());
        for group in span.groups.clone() {
            arrays.push(self.decode_group(meta, column, group)?);
        }
        match &arrays[..] {
            [only] => Ok(Arc::clone(only)),
            many if matches!(many.first().map(|array| array.data_type()), Some(DataType::Dictionary(..))) => Ok(one_dictionary(many)),
            many => {
                let arrays: Vec<&dyn Array> = many.iter().map(|array| &**array).collect();
                concat(&arrays).map_err(|error| self.damaged(error.to_string()))
            }
        }
    }

    fn decode_group(&self, meta: &SegmentMeta, column: usize, group: usize) -> Result<ArrayRef, ReadError> {
        let chunk = self.descriptor.chunk(group, column).ok_or_else(|| self.damaged(format!("no column {column} in row group {group}")))?;
        let bytes = self.read(chunk.offset, chunk.len)?;
        self.check("a column", crc32c::crc32c(&bytes), chunk.crc)?;
        let input = FileBytes { len: self.descriptor.bytes, pieces: vec![(chunk.offset, bytes)] };
        let rows = self.descriptor.row_groups[group] as usize;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, meta.reader.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
        let reader = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(rows).build();
        let mut batches = reader.map_err(|error| self.parquet(&error))?;
        let batch: RecordBatch = match batches.next() {
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return Err(self.damaged(error.to_string())),
            None => return Err(self.damaged(format!("row group {group} is empty, expected {rows} rows"))),
        };
        if batch.num_rows() != rows {
            return Err(self.damaged(format!("row group {group} has {} rows, expected {rows}", batch.num_rows())));
        }
        Ok(Arc::clone(batch.column(0)))
    }

    /// Whether rows of a person may be in it; `false` is certain.
    pub(crate) fn may_hold(&self, person: &[u8; 16]) -> Result<bool, ReadError> {
        let filters = match self.persons.get() {
            Some(filters) => filters,
            None => {
                let made = self.load_persons()?;
                self.persons.get_or_init(|| made)
            }
        };
        Ok(filters.iter().any(|filter| filter.check(&person[..])))
    }

    fn load_persons(&self) -> Result<Vec<Sbbf>, ReadError> {
        let meta = self.load_meta()?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.tail()?, meta.reader.clone());
        let place = columns::fixed_place(crate::read::EventColumn::PersonId);
        let mut filters = Vec::with_capacity(self.descriptor.row_groups.len());
        for group in 0..self.descriptor.row_groups.len() {
            let filter = builder.get_row_group_column_bloom_filter(group, place).map_err(|error| self.parquet(&error))?;
            filters.push(filter.ok_or_else(|| self.damaged("no bloom filter of persons"))?);
        }
        Ok(filters)
    }

    /// The overflow column's place, when there is one.
    pub(crate) fn overflow_place(meta: &SegmentMeta) -> Option<usize> {
        (!meta.layout.overflow.is_empty()).then(|| columns::PROPERTIES_FROM + meta.layout.columns.len())
    }

    /// Name of a column, for messages.
    pub(crate) fn column_name(meta: &SegmentMeta, place: usize) -> &str {
        meta.reader.schema().fields().get(place).map_or(OVERFLOW, |field| field.name())
    }
}

/// Dictionary arrays as one with one dictionary.
fn one_dictionary(arrays: &[ArrayRef]) -> ArrayRef {
    let mut dict = DictBuilder::default();
    let rows = arrays.iter().map(|array| array.len()).sum();
    let mut codes: Vec<i32> = Vec::with_capacity(rows);
    let mut valid: Vec<bool> = Vec::with_capacity(rows);
    for array in arrays {
        let array = array.as_dictionary::<Int32Type>();
        let from = Dict::from_array(array.values().as_string::<i32>());
        let mut remap = Remap::new(&from);
        for (row, code) in array.keys().values().iter().enumerate() {
            let is_valid = array.is_valid(row);
            codes.push(if is_valid { remap.code(*code, &mut dict) } else { 0 });
            valid.push(is_valid);
        }
    }
    let nulls = NullBuffer::from(valid);
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    dictionary_array(ScalarBuffer::from(codes), nulls, &dict.finish())
}

/// Checked bytes of a file that is otherwise not there.
struct FileBytes {
    len: u64,
    pieces: Vec<(u64, Bytes)>,
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        self.len
    }
}

impl FileBytes {
    fn from(&self, start: u64) -> parquet::errors::Result<Bytes> {
        let found = self.pieces.iter().find(|(offset, bytes)| *offset <= start && start <= offset + bytes.len() as u64);
        let (offset, bytes) = found.ok_or_else(|| ParquetError::EOF(format!("byte {start} lies outside what was asked for")))?;
        Ok(bytes.slice((start - offset) as usize..))
    }
}

impl ChunkReader for FileBytes {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes from {start}, found {}", bytes.len())));
        }
        Ok(bytes.slice(..length))
    }
}
