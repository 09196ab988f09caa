//! The binary: command line, config, wiring, order of start and stop.
//!
//! In: arguments, a config file, the environment. Out: a running server, and how it ended as an exit code:
//! 0 asked to stop, 2 wrong usage or config, 1 failure. Logs go to stderr; stdout is for what a caller reads.
//!
//! Read next: `wire.rs` (what is connected to what), `serve.rs` (start and stop), `config.rs`.

mod backup;
mod ballast;
mod bridge;
mod check;
mod cli;
mod client;
mod config;
mod data;
mod dead_letters;
mod demo;
mod error;
mod export;
mod front;
mod http;
mod import;
mod inspect;
mod ledger;
mod limits;
mod log;
mod memory;
mod metrics;
mod notify;
mod ops;
mod remote;
mod serve;
mod sockets;
mod takeover;
mod threads;
mod tls;
mod wire;

use crate::error::Fatal;
use clap::Parser;
use std::process::ExitCode;

// Of the allocators measured, the one that gives memory back soonest after bursts of large requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // clap answers wrong usage with code 2 by itself.
    let command = cli::Cli::parse().command;
    let outcome = match command {
        cli::Command::Serve(arguments) => serve::run(&arguments),
        cli::Command::Config => config::print_reference(),
        cli::Command::Demo(arguments) => demo::run(&arguments),
        cli::Command::Trace(arguments) => inspect::trace(&arguments),
        cli::Command::Audit(arguments) => inspect::audit(&arguments),
        cli::Command::DeadLetters(arguments) => dead_letters::run(&arguments),
        cli::Command::Import(arguments) => import::run(&arguments),
        cli::Command::Export(arguments) => export::run(&arguments),
        cli::Command::Check(arguments) => check::run(&arguments),
        cli::Command::Backup(arguments) => backup::take::run(&arguments),
        cli::Command::Restore(arguments) => backup::restore::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            fatal.report();
            fatal.code()
        }
    }
}

/// A runtime with a worker for each core, whose threads stand behind all others by `nice`: when there is not enough processor for all, what was accepted becomes
/// visible first, and a flood cannot stop that. What decodes many events stands furthest behind.
fn runtime(name: &str, nice: u8) -> Result<tokio::runtime::Runtime, Fatal> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().thread_name(name).on_thread_start(move || {
        threads::stand_behind(nice);
    });
    let runtime = builder.build();
    runtime.map_err(|source| Fatal::failure("cannot start threads", source, "raise the limit of processes (ulimit -u)"))
}
