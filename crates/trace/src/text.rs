//! A trace for people.

use crate::model::{Hint, Trace, TracedEvent};
use std::fmt::{self, Display, Formatter};

impl Display for Trace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        writeln!(f, "{}: {}{reason}", self.asked, self.verdict)?;
        writeln!(f, "  {}", self.words)?;
        writeln!(f, "  What to do: {}", self.remedy)?;
        for event in &self.events {
            event.tell(f)?;
        }
        for hint in &self.hints {
            hint.tell(f)?;
        }
        let limits = if self.searched.complete { "" } else { ", and not everything" };
        writeln!(
            f,
            "\nlooked at {} rows in {} parts, {} bytes of the journal{limits}",
            self.searched.rows, self.searched.parts, self.searched.journal_bytes
        )
    }
}

/// A line of a fact, unless there is none.
fn fact(f: &mut Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    if value.is_empty() { Ok(()) } else { writeln!(f, "  {name:<10} {value}") }
}

impl TracedEvent {
    fn tell(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let id = self.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
        let name = if self.event.is_empty() { "an event" } else { &self.event };
        writeln!(f, "\n{name} {id}")?;
        fact(f, "sender", &self.distinct_id)?;
        fact(f, "time", self.timestamp.as_deref().unwrap_or_default())?;
        if let Some(moved) = &self.time_moved {
            let said = if moved.said.is_empty() { String::new() } else { format!(" The sender said {}.", moved.said) };
            fact(f, "", &format!("{}{said}", moved.words))?;
        }
        if let Some(received) = &self.received {
            let parts = [&received.at, &received.path, &received.sdk, &received.client_address, &received.token];
            let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            fact(f, "received", &parts.join("  "))?;
            if received.events > 0 {
                fact(f, "", &format!("with {} events accepted, {} left out", received.events, received.left_out))?;
            }
        }
        for stage in &self.stages {
            let mark = if stage.passed { "✓" } else { "✗" };
            fact(f, &format!("{:?}", stage.stage).to_lowercase(), &format!("{mark} {}", stage.words))?;
        }
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        fact(f, "verdict", &format!("{}{reason}: {}", self.verdict, self.words))?;
        fact(f, "detail", &self.detail)?;
        fact(f, "to do", &self.remedy)?;
        if let Some(person) = &self.person {
            let merged = person.merged_into.map(|into| format!(", merged into {into} since")).unwrap_or_default();
            let exists = if person.exists { "" } else { ", no person exists" };
            fact(f, "person", &format!("{} ({}{exists}){merged}", person.id, person.mode))?;
        }
        if let Some(journal) = &self.journal {
            let words = format!("position {}; processed up to {}, written up to {}", journal.position, journal.processed_upto, journal.end);
            fact(f, "lies at", &words)?;
        }
        fact(f, "letter", self.dead_letter.as_deref().unwrap_or_default())?;
        for warning in &self.warnings {
            fact(f, "warning", &format!("{} {}", warning.kind, warning.details))?;
        }
        Ok(())
    }
}

impl Hint {
    fn tell(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        let times = if self.count > 1 { format!(", {} times", self.count) } else { String::new() };
        let last = self.last_at.as_ref().map(|at| format!(", last {at}")).unwrap_or_default();
        writeln!(f, "\nhint{reason}: {}{times}{last}", self.words)?;
        fact(f, "example", &self.example)?;
        fact(f, "to do", &self.remedy)
    }
}
