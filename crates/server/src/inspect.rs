//! `aqueduct trace` and `aqueduct audit`: where an event is, and whether any is missing.

use crate::cli::{AuditArgs, ServeArgs, TraceArgs};
use crate::client::segment;
use crate::config::Config;
use crate::error::Fatal;
use crate::remote::Remote;
use crate::wire;
use aqueduct_event::{UnixMicros, timestamp};
use aqueduct_trace::Trace;
use aqueduct_trace::audit::{Audit, Period};
use http::Method;
use serde::de::DeserializeOwned;
use std::io::Write;

/// Events of the set proof that are in memory at once, in a process of its own.
const EVENTS_AT_ONCE: usize = 4 << 20;

/// Asks a running server where an event is.
pub(crate) fn trace(arguments: &TraceArgs) -> Result<(), Fatal> {
    let remote = Remote::parse(&arguments.url, arguments.api_key.as_deref())?;
    let path = format!("/api/projects/{}/trace/{}/", segment(&arguments.project), segment(&arguments.id));
    let answer = remote.ask(Method::GET, &path, None)?;
    if arguments.json {
        return print(&answer);
    }
    print(&read::<Trace>(&answer)?.to_string())
}

/// Audits a running server, or the data of one that is stopped.
pub(crate) fn audit(arguments: &AuditArgs) -> Result<(), Fatal> {
    let period = Period {
        from: time("--from", arguments.from.as_deref())?.unwrap_or(UnixMicros(i64::MIN)),
        to: time("--to", arguments.to.as_deref())?.unwrap_or(UnixMicros(i64::MAX)),
    };
    let audit = match &arguments.url {
        Some(url) => {
            let remote = Remote::parse(url, arguments.api_key.as_deref())?;
            let bound = |name: &str, text: &Option<String>| text.as_ref().map(|text| format!("{name}={}", segment(text)));
            let bounds: Vec<String> = [bound("from", &arguments.from), bound("to", &arguments.to)].into_iter().flatten().collect();
            read(&remote.ask(Method::GET, &format!("/api/audit/?{}", bounds.join("&")), None)?)?
        }
        None => of_stopped(arguments, period)?,
    };
    print(&if arguments.json { serde_json::to_string(&audit).unwrap_or_default() } else { audit.to_string() })?;
    if audit.is_sound() {
        return Ok(());
    }
    Err(Fatal::failure(
        "the audit",
        "not everything that was accepted is accounted for",
        "keep the data directory as it is, and report what stands above",
    ))
}

fn of_stopped(arguments: &AuditArgs, period: Period) -> Result<Audit, Fatal> {
    let serve = ServeArgs { config: arguments.config.clone(), data_dir: arguments.data_dir.clone(), ..ServeArgs::default() };
    let config = Config::load(&serve)?;
    crate::runtime("work", 0)?.block_on(async {
        let stopped = wire::open_stopped(&config).await?;
        let auditor = stopped.auditor();
        let audited = tokio::task::spawn_blocking(move || auditor.audit(period, EVENTS_AT_ONCE)).await;
        let audited = audited.map_err(|failure| Fatal::failure("the audit broke off", failure, "report this"));
        stopped.close().await?;
        audited?.map_err(|failure| Fatal::failure("cannot audit", failure, "check the disk, or restore a backup"))
    })
}

fn time(option: &str, text: Option<&str>) -> Result<Option<UnixMicros>, Fatal> {
    let read = |text: &str| {
        timestamp::parse(text)
            .ok_or_else(|| Fatal::Usage(format!("{option}: found {text:?}, expected a time such as 2026-03-01T12:00:00Z")))
    };
    text.map(read).transpose()
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, Fatal> {
    serde_json::from_str(answer).map_err(|failure| Fatal::failure("cannot read the answer", failure, "use the same version as the server"))
}

fn print(text: &str) -> Result<(), Fatal> {
    // A reader that has gone (`| head`) is no failure.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    Ok(())
}
