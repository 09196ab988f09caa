//! Addresses of old clients: PostHog's resources without a project, in the singular.
//!
//! In: `/api/insight/7/`. Out: the same request for `/api/projects/@current/insights/7/`, before any route is looked for. Addresses of next pages stay those that the
//! client knows.

use axum::extract::Request;
use http::Uri;

/// What old clients call a resource of the project that `@current` means.
const RESOURCES: &[(&str, &str)] = &[
    ("action", "actions"),
    ("annotation", "annotations"),
    ("cohort", "cohorts"),
    ("dashboard", "dashboards"),
    ("dashboard_item", "insights"),
    ("event", "events"),
    ("feature_flag", "feature_flags"),
    ("insight", "insights"),
    ("person", "persons"),
];

/// Gives a request of an old client the address of today.
pub(crate) async fn rewrite(mut request: Request) -> Request {
    if let Some(today) = today(request.uri()) {
        *request.uri_mut() = today;
    }
    request
}

fn today(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_prefix("/api/")?;
    let (name, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    let (_, resource) = RESOURCES.iter().find(|(old, _)| *old == name)?;
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("/api/projects/@current/{resource}{rest}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_get_their_project() {
        let check = |uri: &str| today(&uri.parse().expect("an address")).map(|uri| uri.to_string());
        for (old, new) in [
            ("/api/insight", "/api/projects/@current/insights"),
            ("/api/dashboard_item/7/?refresh=true&a=%2F", "/api/projects/@current/insights/7/?refresh=true&a=%2F"),
            ("http://h:1/api/person/a%2Fb/split/", "http://h:1/api/projects/@current/persons/a%2Fb/split/"),
        ] {
            assert_eq!(check(old).as_deref(), Some(new));
        }
        for other in ["/api/insights/", "/api/projects/1/insights/", "/api/", "/insight/", "/api/event_definitions/"] {
            assert_eq!(check(other), None, "{other}");
        }
    }
}
