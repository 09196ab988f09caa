//! Claims of the store, one file each.

mod backs_up;
mod checks;
mod concurrent;
mod conforms;
mod crashes;
mod damage;
mod disk;
mod erases;
mod exact;
mod exactly_once;
mod generations;
mod rests;
mod world;
