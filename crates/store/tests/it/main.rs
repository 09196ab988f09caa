//! Claims of the store, one file each.

mod conforms;
mod world;
