//! Time on the processor instead of time on the wall: what a neighbour does on the machine is not measured.
//!
//! Linux tells it per thread; elsewhere the wall has to do. Everything that the benches measure happens on the calling thread.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The measurement.
pub(crate) struct CpuTime;

static WALL: WallTime = WallTime;
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now() -> Duration {
    let of_thread = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = of_thread.and_then(|line| line.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        now()
    }

    fn end(&self, start: Duration) -> Duration {
        // The kernel counts in ticks of its own; nothing takes no time at all.
        (now().saturating_sub(start)).max(Duration::from_nanos(1))
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WALL.formatter()
    }
}

/// Rows per second, in every bench.
pub(crate) fn rows(count: usize) -> Throughput {
    Throughput::Elements(count as u64)
}
