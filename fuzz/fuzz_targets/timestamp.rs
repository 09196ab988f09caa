//! Any text as a time: unreadable, or within the years that are kept.

#![no_main]

use aqueduct_event::UnixMicros;
use aqueduct_event::timestamp::{self, TimeClaim};
use libfuzzer_sys::fuzz_target;

const NOW: UnixMicros = UnixMicros(1_700_000_000_000_000);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(strict) = timestamp::rfc3339(text) {
        assert_eq!(timestamp::parse(text), Some(strict), "the loose reader agrees with the strict one");
    }
    let sent_at = timestamp::parse(text);
    for claim in
        [TimeClaim { timestamp: Some(text), ..TimeClaim::default() }, TimeClaim { timestamp: Some(text), sent_at, ..TimeClaim::default() }]
    {
        let UnixMicros(micros) = claim.resolve(NOW);
        assert!((-62_167_219_200_000_000..253_402_300_800_000_000).contains(&micros));
        assert!(micros - NOW.0 <= 23 * 3_600_000_000);
    }
});
