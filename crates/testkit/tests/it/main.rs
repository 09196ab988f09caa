//! What the simulator claims.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod holds;
