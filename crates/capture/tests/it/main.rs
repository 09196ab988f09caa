//! What the edge claims, one file per claim. All tests speak HTTP to the router, in process or over loopback.

mod support;

mod encodings;
