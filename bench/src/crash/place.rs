//! Places with little room: a disk that fills up, a control group with little memory. Both need rights that not every machine gives.

use anyhow::{Context, ensure};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: usize = 1 << 20;

/// A file system in memory of a given size. Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    pub(crate) fn mount(path: &Path, bytes: u64) -> anyhow::Result<Self> {
        fs::create_dir_all(path)?;
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(path).output();
        let output = output.context("cannot run mount")?;
        ensure!(output.status.success(), "cannot mount a small file system: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Self { path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a ballast until nothing more fits.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let mut file = fs::File::create(self.ballast())?;
        let block = vec![0xA5; MIB];
        while file.write_all(&block).is_ok() {}
        Ok(())
    }

    /// Takes the ballast away.
    pub(crate) fn free(&self) -> anyhow::Result<()> {
        fs::remove_file(self.ballast()).context("cannot remove the ballast")
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that hangs must not keep it for ever.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

/// A control group (version 2, or the memory controller of version 1) with a limit. Removed when dropped.
#[derive(Debug)]
pub(crate) struct MemoryGroup {
    path: PathBuf,
    limit: PathBuf,
}

impl MemoryGroup {
    pub(crate) fn make(bytes: u64) -> anyhow::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let (parent, limit) = if root.join("memory/memory.limit_in_bytes").exists() {
            (root.join("memory"), "memory.limit_in_bytes")
        } else {
            (root.to_owned(), "memory.max")
        };
        let path = parent.join(format!("aqueduct-crash-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make the control group {}", path.display()))?;
        let group = Self { limit: path.join(limit), path };
        fs::write(&group.limit, bytes.to_string()).context("cannot limit the memory of a control group")?;
        group.takes_processes()?;
        Ok(group)
    }

    /// Some machines let groups be made, and no process be put into them.
    fn takes_processes(&self) -> anyhow::Result<()> {
        let mut child = Command::new("sleep").arg("60").spawn().context("cannot run sleep")?;
        let added = self.add(child.id());
        child.kill()?;
        child.wait()?;
        added
    }

    /// Puts a process under the limit.
    pub(crate) fn add(&self, pid: u32) -> anyhow::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string()).context("cannot put the server into the control group")
    }

    /// Ends the limit.
    pub(crate) fn lift(&self) -> anyhow::Result<()> {
        let none = if self.limit.ends_with("memory.max") { "max" } else { "-1" };
        fs::write(&self.limit, none).context("cannot lift the limit")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}
