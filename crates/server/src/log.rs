//! Logs: to stderr, for people on a terminal, as JSON lines elsewhere.

use crate::config::{LogConfig, LogFormat};
use crate::error::Fatal;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging. Once per process.
pub(crate) fn start(config: &LogConfig) -> Result<(), Fatal> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| {
        Fatal::Usage(format!(
            "log.level: found {:?}, expected a level such as \"info\" or \"aqueduct_store=debug,warn\" ({error})",
            config.level
        ))
    })?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    let human = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    // A second start (the demo beside the server) keeps the first one's settings.
    let _ = if human { builder.try_init() } else { builder.json().flatten_event(true).try_init() };
    Ok(())
}
