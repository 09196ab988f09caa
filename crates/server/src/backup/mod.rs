//! Backup and restore of the embedded deployment.
//!
//! ```text
//! aqueduct backup DIR     running: the server pins a copy (`pin.rs`); stopped: its directory is read. Checked, then copied (`take.rs`).
//! aqueduct restore DIR    verified against the list, into an empty directory, then checked and counted (`restore.rs`)
//! ```
//!
//! # A backup's directory, version 1
//!
//! | file | what |
//! |---|---|
//! | `backup.json` | the list (`list.rs`); written last, by renaming: a backup is the old one or the new one |
//! | `segments/<id>-<crc>.parquet` | segments of events; shared by backups into the same directory |
//! | `state-<n>/store/…` | the manifest and the runs of arrivals |
//! | `state-<n>/journal/…` | the journal from before the store's position on |
//! | `state-<n>/catalog.sqlite`, `state-<n>/ledger.redb`, `state-<n>/trace/…` | the catalog, the account of events, what traces need |

mod list;
pub(crate) mod pin;
pub(crate) mod restore;
pub(crate) mod take;

use crate::error::Fatal;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

const LIST: &str = "backup.json";
const STEP_BYTES: usize = 1 << 20;

/// Copies a file durably; answers its length and CRC-32C.
fn copy(from: &Path, to: &Path) -> Result<(u64, u32), Fatal> {
    let failed = |source: io::Error| {
        let what = format!("cannot copy {} to {}", from.display(), to.display());
        Fatal::failure(&what, source, "check the room and the rights there")
    };
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(failed)?;
    }
    let (mut source, mut target) = (File::open(from).map_err(failed)?, File::create(to).map_err(failed)?);
    let (mut buffer, mut bytes, mut crc) = (vec![0; STEP_BYTES], 0, 0);
    loop {
        let read = source.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        crc = crc32c::crc32c_append(crc, &buffer[..read]);
        bytes += read as u64;
        target.write_all(&buffer[..read]).map_err(failed)?;
    }
    target.sync_all().map_err(failed)?;
    Ok((bytes, crc))
}

/// Makes the names in a directory and in those below it durable.
fn sync_dirs(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_dirs(&path)?;
        }
    }
    File::open(dir)?.sync_all()
}

/// Names of the files of a directory, sorted; none when it is not there.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}
