//! Decoded columns of segments, kept while they are wanted, within a budget of bytes.
//!
//! # Invariants
//! - A key names immutable data: segments do not change and ids are not used again. So nothing is ever wrong here: it falls out for want of room, or goes
//!   with its segment.

use crate::ReadError;
use crate::layout::living::KeptRows;
use crate::layout::sparse::KeyColumn;
use crate::read::PersonRuns;
use crate::segment::read::SegmentMeta;
use arrow::array::ArrayRef;
use moka::sync::Cache;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum What {
    Meta,
    /// A file column over row groups.
    Column(usize, Range<usize>),
    /// The keys of the overflow column over row groups.
    Overflow(Range<usize>),
    /// Person runs of some rows.
    Runs(Range<usize>),
    /// Which of some rows were not withdrawn by this commit and those before it.
    Living(Range<usize>, u64),
}

#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Meta(Arc<SegmentMeta>),
    Array(ArrayRef),
    Overflow(Arc<Vec<KeyColumn>>),
    Runs(Arc<PersonRuns>),
    Living(Option<Arc<KeptRows>>),
}

impl Kept {
    fn bytes(&self) -> usize {
        128 + match self {
            Self::Meta(meta) => meta.bytes,
            Self::Array(array) => array.get_array_memory_size(),
            Self::Overflow(keys) => keys.iter().map(KeyColumn::bytes).sum(),
            Self::Runs(runs) => runs.persons.len() * 20,
            Self::Living(kept) => kept.as_ref().map_or(0, |kept| kept.bytes()),
        }
    }
}

/// The cache.
pub(crate) struct ColumnCache(Cache<(u64, What), Kept, foldhash::fast::RandomState>);

impl fmt::Debug for ColumnCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnCache").field("entries", &self.0.entry_count()).field("kib", &self.0.weighted_size()).finish()
    }
}

impl ColumnCache {
    pub(crate) fn new(bytes: u64) -> Self {
        // Weights are 32 bits wide: KiB keep a column of any size countable.
        let weigh = |_: &(u64, What), kept: &Kept| u32::try_from(kept.bytes().div_ceil(1024)).unwrap_or(u32::MAX);
        let cache = Cache::builder().max_capacity(bytes / 1024).weigher(weigh);
        Self(cache.build_with_hasher(foldhash::fast::RandomState::default()))
    }

    /// What is kept under the key, or what `load` gives. Readers that want the same thing at once load it once.
    pub(crate) fn get(&self, segment: u64, what: What, load: impl FnOnce() -> Result<Kept, ReadError>) -> Result<Kept, ReadError> {
        self.0.try_get_with((segment, what), load).map_err(|error| ReadError::of_shared(&error))
    }

    /// What is kept under the key, if anything is.
    pub(crate) fn peek(&self, segment: u64, what: What) -> Option<Kept> {
        self.0.get(&(segment, what))
    }

    /// What of a segment is kept.
    pub(crate) fn of(&self, segment: u64) -> Vec<What> {
        self.0.iter().filter(|(key, _)| key.0 == segment).map(|(key, _)| key.1.clone()).collect()
    }

    /// Gives back what a segment takes that nobody reads any more.
    pub(crate) fn forget(&self, segment: u64) {
        self.of(segment).into_iter().for_each(|what| self.0.invalidate(&(segment, what)));
    }

    /// Bytes kept, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weighted_size() * 1024
    }
}
