//! What the edge claims, one file per claim. All tests speak HTTP to the router, in process or over loopback.

mod support;

mod accounts;
mod cors;
mod distinct_ids;
mod documents;
mod durability;
mod encodings;
mod errors;
mod flags;
mod overload;
mod sdk_fixtures;
mod shapes;
mod sizes;
mod slashes;
mod stalls;
mod statics;
mod times;
mod tokens;
mod unkept;
mod v1;
