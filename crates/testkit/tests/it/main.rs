//! What the simulator claims.

mod holds;
mod seeds;
