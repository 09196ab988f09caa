//! What ends the process, in one line that says what and what to do.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Why the process ends with a failure.
#[derive(Debug)]
pub(crate) enum Fatal {
    /// Wrong usage or config: nothing was started. Code 2.
    Usage(String),
    /// Something failed. Code 1.
    Failure(String),
}

impl Display for Fatal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Usage(text) | Self::Failure(text)) = self;
        f.write_str(text)
    }
}

impl Fatal {
    /// A failure: what could not be done, why, and what to do.
    pub(crate) fn failure(what: &str, why: impl Display, remedy: &str) -> Self {
        Self::Failure(format!("{what}: {why}; {remedy}"))
    }

    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failure(_) => ExitCode::from(1),
        }
    }

    /// Writes the line to stderr. Nobody may be reading any more, so a failed write is left alone.
    pub(crate) fn report(&self) {
        let _ = writeln!(std::io::stderr(), "aqueduct: {self}");
    }
}
