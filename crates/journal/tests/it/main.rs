//! What the journal claims, one file per claim.
