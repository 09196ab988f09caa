//! Metrics of this crate.

/// Definitions not kept because a project has too many already.
pub(crate) const DEFINITIONS_REFUSED: &str = "aqueduct_catalog_definitions_refused_total";
/// Ingestion warnings not kept because the same kind came too often.
pub(crate) const WARNINGS_SUPPRESSED: &str = "aqueduct_catalog_warnings_suppressed_total";
