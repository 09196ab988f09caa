//! Metrics of this crate.

use metrics::{Unit, describe_counter};

/// Says what the metrics mean.
pub(crate) fn describe() {
    describe_counter!(DEFINITIONS_REFUSED, Unit::Count, "definitions not kept because a project has too many already");
    describe_counter!(WARNINGS_SUPPRESSED, Unit::Count, "ingestion warnings not kept because the same kind came too often");
}

/// Definitions not kept because a project has too many already.
pub(crate) const DEFINITIONS_REFUSED: &str = "aqueduct_catalog_definitions_refused_total";
/// Ingestion warnings not kept because the same kind came too often.
pub(crate) const WARNINGS_SUPPRESSED: &str = "aqueduct_catalog_warnings_suppressed_total";
