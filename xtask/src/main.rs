//! Housekeeping: what a reviewer should not have to look for. Links none of the product crates.
//!
//! `cargo xtask tidy` checks the tree; `cargo test -p xtask` runs the same checks.

mod tidy;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => {
            let findings = tidy::check(&tidy::root()?)?;
            for finding in &findings {
                eprintln!("{finding}");
            }
            if findings.is_empty() { Ok(()) } else { bail!("{} findings", findings.len()) }
        }
        _ => bail!("usage: cargo xtask tidy"),
    }
}
