//! What the simulator claims.

mod holds;
