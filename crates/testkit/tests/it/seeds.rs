//! Seeds that once broke a promise, kept so that they are run each time. A seed stands for a history only as long as plans are drawn in the same way;
//! what each of them found has a test or a rule of its own where it was mended, so that the find outlives the number.
//!
//! | seeds | what broke | why | what mended it |
//! |---|---|---|---|
//! | 9 | nothing was accepted any more after a restart with a full journal | what the store had confirmed before the crash was taken for trimmed | `Pipeline::open` trims from the start on |
//! | 16 | the store did not open after a power cut | a failed sync of the manifest left pages that could be read and were on no disk; later commits were built upon them | the manifest is written again before it is trusted |
//! | 45 | a sound journal was damaged by its own recovery | the last group was read wrong when it was written again | it is checked before it is written; nothing is cut on the word of one read |

use aqueduct_testkit::run;

#[test]
fn seeds_that_once_broke_a_promise() {
    for seed in [9, 16, 45] {
        if let Some(failure) = run(seed).failure {
            panic!("{failure}");
        }
    }
}
