//! Request bodies and query strings: read under a cap, checked, with the field at fault in the error.

use crate::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header;
use http::request::Parts;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Bytes of a request body. Queries with long lists of values reach hundreds of kilobytes.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// A JSON body that says so in `Content-Type`. A form on somebody else's page cannot say so without asking first.
#[derive(Debug)]
pub(crate) struct StrictBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for StrictBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(ApiError::MediaType);
        }
        Body::from_request(request, state).await.map(|Body(value)| Self(value))
    }
}

/// Reads a body under the cap and before the time is over.
pub(crate) async fn read(body: axum::body::Body) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(ApiError::TooLarge { limit: BODY_BYTES_MAX }),
        Err(_) => Err(ApiError::SlowBody),
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request.into_body()).await?;
        // No body means an empty object, so that missing fields are named.
        let text: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { &bytes };
        parse(text).map(Self)
    }
}

/// The query string.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let detail = rejection.body_text();
                // axum says `Failed to deserialize query string: limit: invalid digit found in string`.
                let detail = detail.strip_prefix("Failed to deserialize query string: ").unwrap_or(&detail);
                let (attr, detail) = detail.split_once(": ").unwrap_or(("", detail));
                Err(ApiError::field(attr, "invalid_input", detail))
            }
        }
    }
}

/// A JSON body that is a list.
#[derive(Debug)]
pub(crate) struct ListBody<T>(pub(crate) Vec<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ListBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request.into_body()).await?;
        parse_as(&bytes, b'[', "Expected a list of items.").map(Self)
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    parse_as(text, b'{', "Expected an object.")
}

fn parse_as<T: DeserializeOwned>(text: &[u8], first: u8, otherwise: &'static str) -> Result<T, ApiError> {
    // serde would read a list as the fields of a struct in order.
    if text.trim_ascii_start().first() != Some(&first) {
        let other = serde_json::from_slice::<serde::de::IgnoredAny>(text);
        return Err(other.map_or_else(|error| ApiError::Parse(error.to_string()), |_| ApiError::field("", "invalid_input", otherwise)));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if !inner.is_data() {
            return ApiError::Parse(inner.to_string());
        }
        let detail = inner.to_string();
        let detail = detail.rsplit_once(" at line ").map_or(detail.as_str(), |(detail, _)| detail);
        match detail.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            Some(field) => ApiError::field(field, "required", "This field is required."),
            None => ApiError::field(&path, "invalid_input", detail),
        }
    })?;
    deserializer.end().map_err(|error| ApiError::Parse(error.to_string()))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the errors are looked at")]
    struct Sample {
        name: String,
        scopes: Option<Vec<String>>,
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let cases = ["{", "[]", "{}", r#"{"name":5}"#, r#"{"name":"a","scopes":["*",1]}"#, r#"{"name":"a"} x"#];
        let answers: Vec<String> = cases
            .iter()
            .map(|case| format!("{case} → {:?}", parse::<Sample>(case.as_bytes()).map_err(|error| format!("{error:?}"))))
            .collect();
        expect![[r#"
            { → Err("Parse(\"EOF while parsing an object at line 1 column 1\")")
            [] → Err("Field { attr: None, code: \"invalid_input\", detail: \"Expected an object.\" }")
            {} → Err("Field { attr: Some(\"name\"), code: \"required\", detail: \"This field is required.\" }")
            {"name":5} → Err("Field { attr: Some(\"name\"), code: \"invalid_input\", detail: \"invalid type: integer `5`, expected a string\" }")
            {"name":"a","scopes":["*",1]} → Err("Field { attr: Some(\"scopes[1]\"), code: \"invalid_input\", detail: \"invalid type: integer `1`, expected a string\" }")
            {"name":"a"} x → Err("Parse(\"trailing characters at line 1 column 14\")")"#]].assert_eq(&answers.join("\n"));
    }
}
