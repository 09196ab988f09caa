//! Housekeeping: tidy checks and generated pages. Links none of the product crates.
fn main() {}
