//! Metrics of this crate.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram};
use std::time::Instant;

const REQUESTS: &str = "aqueduct_api_requests_total";
const REQUEST_SECONDS: &str = "aqueduct_api_request_seconds";
/// Live streams that are open.
pub(crate) const STREAMS: &str = "aqueduct_api_live_streams";

/// Says what the metrics mean.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "requests answered, by route, method and status");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "from the head of a request to the head of its answer, by route");
    describe_gauge!(STREAMS, Unit::Count, "live streams that are open");
}

/// Counts a request under its route: paths themselves are without number.
pub(crate) async fn count(path: MatchedPath, request: Request, next: Next) -> Response {
    let route = path.as_str().trim_end_matches('/').to_owned();
    let method = request.method().to_string();
    let begun = Instant::now();
    let response = next.run(request).await;
    histogram!(REQUEST_SECONDS, "route" => route.clone()).record(begun.elapsed());
    counter!(REQUESTS, "route" => route, "method" => method, "status" => response.status().as_u16().to_string()).increment(1);
    response
}
