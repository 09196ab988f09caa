//! Files on disk: only ours, only when their bytes differ, whole or not at all.
//!
//! In: what the tree shall hold. Out: the tree, and a manifest that says which files are ours.

mod files;
mod manifest;

pub(crate) use files::{Content, Tree, Written};
pub(crate) use manifest::{Manifest, hash_bytes, hash_file};
