//! Claims of the store, one file each.

mod backs_up;
mod checks;
mod concurrent;
mod conforms;
mod crashes;
mod damage;
mod disk;
mod exact;
mod exactly_once;
mod world;
