//! Any bytes as a record of the journal: refused, or a batch that encodes to the same meaning.

#![no_main]

use aqueduct_event::RawBatch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(batch) = RawBatch::decode(data) {
        let again = batch.encode();
        assert_eq!(RawBatch::decode(&again), Ok(batch));
    }
});
