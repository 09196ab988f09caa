//! The headers of protocol v1: who sends, when, and for the how manieth time.

use super::error::V1Error;
use crate::decode::Encoding;
use crate::request::header;
use crate::token;
use aqueduct_event::{UnixMicros, timestamp};
use http::request::Parts;
use uuid::Uuid;

pub(super) const REQUEST_ID: &str = "posthog-request-id";
const SDK_INFO: &str = "posthog-sdk-info";
const ATTEMPT: &str = "posthog-attempt";
const REQUEST_TIMESTAMP: &str = "posthog-request-timestamp";
const REQUIRED: [&str; 6] = ["content-type", "user-agent", SDK_INFO, ATTEMPT, REQUEST_ID, REQUEST_TIMESTAMP];
/// A longer `PostHog-Sdk-Info` names no SDK.
const SDK_INFO_BYTES_MAX: usize = 256;

/// What the headers say, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) token: String,
    pub(super) encoding: Option<Encoding>,
    /// The sender's clock when it sent this attempt.
    pub(super) sent_at: UnixMicros,
    /// Name and version of the SDK, when it said both.
    pub(super) sdk: Option<(String, String)>,
}

impl Head {
    /// Checks the headers in the protocol's order.
    pub(super) fn read(parts: &Parts) -> Result<Self, V1Error> {
        if !parts.headers.contains_key("authorization") {
            return Err(V1Error::MissingAuthorization);
        }
        let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !parts.headers.contains_key(*name)).collect();
        if !missing.is_empty() {
            return Err(V1Error::MissingHeaders(missing));
        }
        let token = bearer(text(parts, "authorization")?)
            .ok_or(V1Error::InvalidHeader { name: "authorization", expected: "Bearer and the project token" })?;
        let token = token::well_formed(token).map_err(V1Error::InvalidToken)?.to_owned();
        content_type(text(parts, "content-type")?)?;
        let encoding = if parts.headers.contains_key("content-encoding") { encoding(text(parts, "content-encoding")?)? } else { None };
        if Uuid::try_parse(text(parts, REQUEST_ID)?).is_err() {
            return Err(V1Error::InvalidHeader { name: REQUEST_ID, expected: "a UUID" });
        }
        if !text(parts, ATTEMPT)?.parse::<u32>().is_ok_and(|attempt| attempt >= 1) {
            return Err(V1Error::InvalidHeader { name: ATTEMPT, expected: "a whole number from 1" });
        }
        let sent_at = timestamp::rfc3339(text(parts, REQUEST_TIMESTAMP)?)
            .ok_or(V1Error::InvalidHeader { name: REQUEST_TIMESTAMP, expected: "a time by RFC 3339" })?;
        Ok(Self { token, encoding, sent_at, sdk: sdk(text(parts, SDK_INFO)?) })
    }
}

fn text<'p>(parts: &'p Parts, name: &'static str) -> Result<&'p str, V1Error> {
    header(parts, name).ok_or(V1Error::InvalidHeader { name, expected: "visible ASCII" })
}

fn content_type(found: &str) -> Result<(), V1Error> {
    let mime = found.split(';').next().unwrap_or_default().trim();
    if mime.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(V1Error::ContentType { found: found.chars().take(100).collect() })
    }
}

fn encoding(found: &str) -> Result<Option<Encoding>, V1Error> {
    if found.trim().eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    Encoding::named(found).map(Some).ok_or_else(|| V1Error::ContentEncoding { found: found.chars().take(100).collect() })
}

/// What follows `Bearer`, in any case, without the space around it.
pub(crate) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, secret) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// `name/version`, parted at the last slash: names have slashes of their own.
fn sdk(info: &str) -> Option<(String, String)> {
    let (name, version) = info.rsplit_once('/').filter(|_| info.len() <= SDK_INFO_BYTES_MAX)?;
    let (name, version) = (name.trim(), version.trim());
    (!name.is_empty() && !version.is_empty()).then(|| (name.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sdk_names() {
        let pair = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(sdk("posthog-rs/1.0.0"), pair("posthog-rs", "1.0.0"));
        assert_eq!(sdk("posthog/sub-sdk/2.3.4"), pair("posthog/sub-sdk", "2.3.4"));
        assert_eq!(sdk(" posthog-rs / 1.2.3 "), pair("posthog-rs", "1.2.3"));
        for nothing in ["posthog-rs", "/1.0.0", "posthog-rs/", "/", "", "  /  "] {
            assert_eq!(sdk(nothing), None, "{nothing:?}");
        }
        assert_eq!(sdk(&format!("posthog-rs/{}", "9".repeat(300))), None);
    }

    #[test]
    fn bearer_tokens() {
        for authorization in ["Bearer phc_x", "bearer phc_x", "BEARER   phc_x  "] {
            assert_eq!(bearer(authorization), Some("phc_x"), "{authorization}");
        }
        for nothing in ["Basic abc", "Bearer", "phc_x", ""] {
            assert_eq!(bearer(nothing), None, "{nothing}");
        }
    }
}
