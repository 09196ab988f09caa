//! The program `mdbook-grav`. In: arguments and standard input. Out: see `cli.rs` of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mdbook_grav::cli::main()
}
