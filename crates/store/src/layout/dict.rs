//! Dictionaries of text: each distinct text of a column once, addressed by a 32-bit code.
//!
//! In: texts. Out: codes, and the dictionary as arrow `Utf8`. The hash of each text is kept beside it, so that dictionaries merge without
//! hashing any text again.
//!
//! # Invariants
//! - A code is the place of its text; texts of one dictionary are distinct.
//! - All dictionaries of a process hash alike (one random seed per process: a sender cannot aim at collisions).

use arrow::array::{ArrayRef, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, LazyLock};

static SEED: LazyLock<foldhash::fast::RandomState> = LazyLock::new(foldhash::fast::RandomState::default);

/// Texts before the first one is stored are hashed with this seed, the same for the life of the process.
pub(crate) fn hash_of(text: &[u8]) -> u64 {
    let mut hasher = SEED.build_hasher();
    hasher.write(text);
    hasher.finish()
}

/// A finished dictionary.
#[derive(Debug)]
pub(crate) struct Dict {
    texts: Arc<StringArray>,
    hashes: Vec<u64>,
}

impl Dict {
    /// A dictionary of texts that are known to be distinct and not null.
    pub(crate) fn from_array(texts: &StringArray) -> Self {
        let hashes = texts.iter().map(|text| hash_of(text.unwrap_or_default().as_bytes())).collect();
        Self { texts: Arc::new(texts.clone()), hashes }
    }

    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(crate) fn get(&self, code: i32) -> &str {
        self.texts.value(code as usize)
    }

    pub(crate) fn hash(&self, code: i32) -> u64 {
        self.hashes[code as usize]
    }

    /// Bytes held in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.value_data().len() + self.hashes.len() * 12
    }

    /// The texts as arrow `Utf8`.
    pub(crate) fn array(&self) -> ArrayRef {
        Arc::<StringArray>::clone(&self.texts)
    }
}

/// A dictionary that grows.
#[derive(Debug, Default)]
pub(crate) struct DictBuilder {
    text: String,
    offsets: Vec<i32>,
    hashes: Vec<u64>,
    codes: HashTable<i32>,
    /// The code given last: neighbouring rows mostly repeat a value.
    last: usize,
}

impl DictBuilder {
    /// The code of `text`, new or known.
    pub(crate) fn code(&mut self, text: &str) -> i32 {
        if self.last < self.hashes.len() && self.text_at(self.last) == text.as_bytes() {
            return self.last as i32;
        }
        let code = self.code_hashed(text, hash_of(text.as_bytes()));
        self.last = code as usize;
        code
    }

    /// The code of a text whose hash is known.
    pub(crate) fn code_hashed(&mut self, text: &str, hash: u64) -> i32 {
        let (all, offsets, hashes) = (&self.text, &self.offsets, &self.hashes);
        let known = self.codes.find(hash, |code| {
            let code = *code as usize;
            hashes[code] == hash && &all.as_bytes()[offsets[code] as usize..offsets[code + 1] as usize] == text.as_bytes()
        });
        if let Some(code) = known {
            return *code;
        }
        let code = self.append(text, hash);
        let hashes = &self.hashes;
        self.codes.insert_unique(hash, code, |code| hashes[*code as usize]);
        code
    }

    fn append(&mut self, text: &str, hash: u64) -> i32 {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        let code = self.hashes.len() as i32;
        self.text.push_str(text);
        let end = i32::try_from(self.text.len()).expect("INVARIANT: commits and merges are bounded far below 2 GiB of text per column");
        self.offsets.push(end);
        self.hashes.push(hash);
        code
    }

    fn text_at(&self, code: usize) -> &[u8] {
        &self.text.as_bytes()[self.offsets[code] as usize..self.offsets[code + 1] as usize]
    }

    /// Bytes held in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.hashes.len() * 20
    }

    pub(crate) fn finish(self) -> Dict {
        let offsets = if self.offsets.is_empty() { vec![0] } else { self.offsets };
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let texts = StringArray::new(offsets, Buffer::from_vec(self.text.into_bytes()), None);
        Dict { texts: Arc::new(texts), hashes: self.hashes }
    }
}

/// Maps the codes of one dictionary into another that is being built, each code once.
#[derive(Debug)]
pub(crate) struct Remap<'a> {
    from: &'a Dict,
    to: Vec<i32>,
}

impl<'a> Remap<'a> {
    pub(crate) fn new(from: &'a Dict) -> Self {
        Self { from, to: vec![-1; from.len()] }
    }

    pub(crate) fn code(&mut self, code: i32, into: &mut DictBuilder) -> i32 {
        let known = self.to[code as usize];
        if known >= 0 {
            return known;
        }
        let new = into.code_hashed(self.from.get(code), self.from.hash(code));
        self.to[code as usize] = new;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_a_code() {
        let mut builder = DictBuilder::default();
        let codes: Vec<i32> = ["a", "", "a", "ü", "", "b", "b"].into_iter().map(|text| builder.code(text)).collect();
        assert_eq!(codes, [0, 1, 0, 2, 1, 3, 3]);
        let dict = builder.finish();
        assert_eq!((dict.len(), dict.get(2), dict.get(1)), (4, "ü", ""));
        assert_eq!(dict.array().len(), 4);
    }

    #[test]
    fn remap_merges_dictionaries() {
        let mut first = DictBuilder::default();
        first.code("a");
        first.code("b");
        let first = first.finish();
        let mut out = DictBuilder::default();
        out.code("b");
        let mut remap = Remap::new(&first);
        assert_eq!([remap.code(0, &mut out), remap.code(1, &mut out), remap.code(0, &mut out)], [1, 0, 1]);
    }
}
