//! Front matter: the chapter's own block is read and taken off, one valid block is written.
//!
//! In: a chapter's text; what the plan knows of its page. Out: the body's place, and the header as YAML.

mod merge;
mod split;
mod yaml;

pub(crate) use merge::{Facts, header};
pub(crate) use split::{Own, split};
pub(crate) use yaml::text_of;
