//! The memory ceiling: how much there is, how it is shared out, and what happens near it.
//!
//! Every part has a budget of its own. Where their sum, with what the allocator and a flush need on top, is over the ceiling, all shrink in proportion.
//! A watch compares what the process really holds with the ceiling, and lets no request in while it is close.

use crate::config::Config;
use crate::error::Fatal;
use aqueduct_capture::Gate;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;
/// The program itself: code, threads, catalog, metrics.
const BASE_BYTES: u64 = 64 * MIB;
/// What the allocator holds on top of what is used, in hundredths.
const OVERHEAD_PERCENT: u64 = 125;
/// Part of the machine's memory that is the ceiling unless set, in hundredths. The rest is for the page cache and the kernel.
const AUTO_PERCENT: u64 = 75;
/// Part of the ceiling that decoded columns may take unless set, in hundredths.
const CACHE_PERCENT: u64 = 25;
/// Below this nothing works.
const CEILING_BYTES_MIN: u64 = 256 * MIB;
/// A request needs this much at least, so a budget for requests is never smaller.
const REQUESTS_BYTES_MIN: u64 = 16 * MIB;
const OTHER_BYTES_MIN: u64 = 8 * MIB;
/// Nothing is taken in from this part of the ceiling on, until less than the second is held; in hundredths.
const SHORT_PERCENT: u64 = 95;
const EASY_PERCENT: u64 = 90;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Makes the budgets of all parts fit the ceiling. The ceiling.
pub(crate) fn fit(config: &mut Config) -> Result<u64, Fatal> {
    let there = machine_bytes();
    let ceiling = match config.memory_max {
        0 => there.saturating_mul(AUTO_PERCENT) / 100,
        set => set,
    };
    if ceiling < CEILING_BYTES_MIN {
        let found = if config.memory_max == 0 { format!("{ceiling} ({AUTO_PERCENT} % of what there is)") } else { ceiling.to_string() };
        return Err(Fatal::Usage(format!("memory_max: found {found}, expected at least {CEILING_BYTES_MIN} bytes")));
    }
    config.store.cache_bytes.get_or_insert(ceiling / 100 * CACHE_PERCENT);
    let wanted = wanted_bytes(config);
    if wanted > ceiling {
        shrink(config, ceiling);
        tracing::info!(ceiling, wanted, given = wanted_bytes(config), "memory budgets shrink to fit memory_max");
    }
    Ok(ceiling)
}

fn budgets(config: &mut Config) -> [(&mut dyn Bytes, u64); 9] {
    [
        (&mut config.capture.memory_bytes_max, REQUESTS_BYTES_MIN),
        (&mut config.journal.queue_bytes_max, REQUESTS_BYTES_MIN),
        (&mut config.journal.read_cache_bytes, OTHER_BYTES_MIN),
        (&mut config.process.cache_bytes_max, OTHER_BYTES_MIN),
        (&mut config.store.memory_bytes_max, REQUESTS_BYTES_MIN),
        (&mut config.store.cache_bytes, OTHER_BYTES_MIN),
        (&mut config.store.manifest_cache_bytes, OTHER_BYTES_MIN),
        (&mut config.query.memory_bytes_max, REQUESTS_BYTES_MIN),
        (&mut config.query.cache_bytes_max, OTHER_BYTES_MIN),
    ]
}

/// A flush holds its rows once more while it writes them.
fn wanted_bytes(config: &mut Config) -> u64 {
    let flush = config.store.flush_bytes as u64;
    let sum: u64 = budgets(config).iter().map(|(budget, _)| budget.get()).sum();
    BASE_BYTES + (sum + flush) * OVERHEAD_PERCENT / 100
}

fn shrink(config: &mut Config, ceiling: u64) {
    let there = (ceiling - BASE_BYTES) * 100 / OVERHEAD_PERCENT;
    let flush_max = there / 10;
    let room = there - flush_max.min(config.store.flush_bytes as u64);
    let all = budgets(config);
    // Each part keeps what it cannot do without; the rest shrinks in proportion.
    let kept: u64 = all.iter().map(|(budget, least)| budget.get().min(*least)).sum();
    let over: u64 = all.iter().map(|(budget, least)| budget.get().saturating_sub(*least)).sum();
    for (budget, least) in all {
        let more = u128::from(budget.get().saturating_sub(least)) * u128::from(room.saturating_sub(kept)) / u128::from(over.max(1));
        budget.set(budget.get().min(least) + u64::try_from(more).unwrap_or(u64::MAX));
    }
    let store = config.store.memory_bytes_max;
    config.store.flush_bytes = config.store.flush_bytes.min(usize::try_from(flush_max).unwrap_or(usize::MAX)).min(store / 2);
    config.query.query_memory_bytes_max = config.query.query_memory_bytes_max.min(config.query.memory_bytes_max);
}

/// A number of bytes of either type that settings use.
trait Bytes {
    fn get(&self) -> u64;
    fn set(&mut self, bytes: u64);
}

impl Bytes for u64 {
    fn get(&self) -> u64 {
        *self
    }

    fn set(&mut self, bytes: u64) {
        *self = bytes;
    }
}

impl Bytes for Option<u64> {
    fn get(&self) -> u64 {
        self.unwrap_or_default()
    }

    fn set(&mut self, bytes: u64) {
        *self = Some(bytes);
    }
}

impl Bytes for usize {
    fn get(&self) -> u64 {
        *self as u64
    }

    fn set(&mut self, bytes: u64) {
        *self = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
}

/// Keeps requests out while the process holds nearly all that it may.
pub(crate) async fn watch(gate: Arc<Gate>, ceiling: u64) {
    let mut short = false;
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        let Some(held) = held_bytes() else { return };
        let percent = if short { EASY_PERCENT } else { SHORT_PERCENT };
        let now = held > ceiling / 100 * percent;
        if now != short {
            short = now;
            tracing::warn!(held, ceiling, short, "memory near memory_max: requests are refused while it is short");
            gate.memory_short(short);
        }
    }
}

/// Memory of this process that is no file of the page cache.
fn held_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').skip(1).map_while(|field| field.parse::<u64>().ok());
    let (resident, shared) = (pages.next()?, pages.next()?);
    Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}

/// What this process may use: the machine's memory, or less if a control group says so.
fn machine_bytes() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = total_of(&meminfo).unwrap_or(u64::MAX / 100);
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    machine.min(group_limit(&own, Path::new("/sys/fs/cgroup")).unwrap_or(u64::MAX))
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The least limit of the group (version 2) and those above it.
fn group_limit(own: &str, root: &Path) -> Option<u64> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = root.join(path);
    let groups = group.ancestors().take_while(|group| group.starts_with(root));
    // "max" is no number, and the root has no such file.
    let limit = |group: &Path| std::fs::read_to_string(group.join("memory.max")).ok()?.trim().parse::<u64>().ok();
    groups.filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_budgets_shrink_together_and_fit() {
        for mib in [256, 400, 512, 1024, 2048, 3000] {
            let mut config = Config { memory_max: mib * MIB, ..Config::default() };
            let ceiling = fit(&mut config).expect("fits");
            assert_eq!(ceiling, mib * MIB);
            assert!(wanted_bytes(&mut config) <= ceiling, "{mib} MiB: {} MiB wanted", wanted_bytes(&mut config) / MIB);
            assert!(config.store.flush_bytes <= config.store.memory_bytes_max && config.query.query_memory_bytes_max > 0);
        }
        let mut roomy = Config { memory_max: 64 * 1024 * MIB, ..Config::default() };
        fit(&mut roomy).expect("fits");
        assert_eq!(roomy.capture, Config::default().capture);
        assert_eq!(roomy.store.cache_bytes.map(|bytes| bytes / MIB), Some(16 * 1024 - 1), "decoded columns grow with the machine");
        let mut told = Config { memory_max: 64 * 1024 * MIB, ..Config::default() };
        told.store.cache_bytes = Some(MIB);
        fit(&mut told).expect("fits");
        assert_eq!(told.store.cache_bytes, Some(MIB));
        let mut tiny = Config { memory_max: 100 * MIB, ..Config::default() };
        assert!(matches!(fit(&mut tiny), Err(Fatal::Usage(text)) if text.contains("memory_max: found 104857600, expected at least")));
    }

    #[test]
    fn the_least_limit_of_the_groups_counts() {
        let root = tempfile::tempdir().expect("directory");
        let inner = root.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("made");
        let limit = || group_limit("0::/a/b\n", root.path());
        assert_eq!(limit(), None);
        std::fs::write(inner.join("memory.max"), "max\n").expect("written");
        assert_eq!(limit(), None);
        std::fs::write(root.path().join("a/memory.max"), "1073741824\n").expect("written");
        assert_eq!(limit(), Some(1 << 30));
        std::fs::write(inner.join("memory.max"), "4294967296\n").expect("written");
        assert_eq!(limit(), Some(1 << 30));
        assert_eq!(group_limit("1:name=systemd:/\n", root.path()), None, "version 1 is not read");
        assert!(total_of("MemTotal:       16 kB\n") == Some(16384) && held_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
