//! From the bytes of a request of protocol v0 to its JSON text: form, base64, compression, in the order in which PostHog unwraps them.
//!
//! | step | |
//! |---|---|
//! | 1 source | `data` of the query when not empty, else the body; nothing is an error |
//! | 2 base64 | unless it looks like a form or is lz64: when it looks like base64 and decodes, it was |
//! | 3 form | only when the content type says so: `data`, `compression`; spaces in base64 were plus signs |
//! | 4 hint | `compression` of the query, of the form, then `Content-Encoding`; unknown ones are ignored |
//! | 5 inflate | gzip by hint or by its first bytes; lz64 by hint; base64 by hint |
//! | 6 text | UTF-8, checked once; half surrogate pairs mended |
//! | 7 base64 again | on the legacy routes only |
//!
//! # Invariants
//! - No step holds more than the cap; the cap is kept *while* inflating.
//! - Buffers are reused by the thread: a request of usual size allocates nothing here.

mod base64;
mod form;
mod inflate;
mod lz64;

pub(crate) use form::Query;
pub(crate) use inflate::{Encoding, inflate, with_buffer as inflate_buffer};

use crate::error::{CaptureError, DecodeError};
use crate::json::mend_surrogates;
use crate::request::Arrival;
use form::Form;
use std::borrow::Cow;

const FORM_MIME: &str = "application/x-www-form-urlencoded";

/// How the payload says that it is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Gzip,
    Lz64,
    Base64,
}

impl Hint {
    /// The hint of this name, in any case; unknown names are none.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let is = |names: [&str; 2]| names.iter().any(|known| name.trim().eq_ignore_ascii_case(known));
        if is(["gzip", "gzip-js"]) {
            Some(Self::Gzip)
        } else if is(["lz64", "lz-string"]) {
            Some(Self::Lz64)
        } else if is(["base64", "b64"]) {
            Some(Self::Base64)
        } else {
            None
        }
    }
}

/// What the steps need besides the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping<'a> {
    query: &'a Query<'a>,
    content_type: Option<&'a str>,
    content_encoding: Option<&'a str>,
    /// The route decodes base64 that is left after inflating.
    legacy_base64: bool,
    /// The most bytes that the text may have.
    bytes_max: usize,
}

impl<'a> Wrapping<'a> {
    /// What a request's headers and query say.
    pub(crate) fn of(arrival: &'a Arrival, query: &'a Query<'a>, legacy_base64: bool, bytes_max: usize) -> Self {
        let (content_type, content_encoding) = (arrival.header("content-type"), arrival.header("content-encoding"));
        Self { query, content_type, content_encoding, legacy_base64, bytes_max }
    }
}

/// Unwraps a payload and hands its text to `then`. The text lives in a buffer of the thread, hence the closure.
///
/// # Errors
/// [`CaptureError::EmptyPayload`], [`CaptureError::DecodedTooLarge`], or a [`DecodeError`]; else what `then` returns.
pub(crate) fn with_text<T>(
    body: &[u8],
    wrapping: &Wrapping<'_>,
    then: impl FnOnce(&str) -> Result<T, CaptureError>,
) -> Result<T, CaptureError> {
    let payload = match wrapping.query.data.as_deref() {
        Some(data) if !data.is_empty() => Cow::Borrowed(data.as_bytes()),
        _ if body.is_empty() => return Err(CaptureError::EmptyPayload),
        _ => Cow::Borrowed(body),
    };
    let header_hint = || wrapping.content_encoding.and_then(Hint::named);
    // LZ-String comes as base64 of its own, which its decoder reads.
    let lz64 = wrapping.query.hint.or_else(header_hint) == Some(Hint::Lz64);
    let payload = match if lz64 { None } else { optimistic_base64(&payload) } {
        Some(decoded) => Cow::Owned(decoded),
        None => payload,
    };
    let form = match wrapping.content_type {
        Some(FORM_MIME) => Form::read(&payload)?,
        // With parameters (a charset) it is a form when it looks like one; PostHog takes it for JSON, and so is anything else.
        Some(mime) if mime.starts_with(FORM_MIME) && form::is_likely(&payload) => Form::read(&payload)?,
        _ => Form::default(),
    };
    let hint = wrapping.query.hint.or(form.hint).or_else(header_hint);
    let payload = form.data.map_or(payload, |data| Cow::Owned(data.into_bytes()));
    inflate::with_buffer(|buffer| {
        unpack(&payload, hint, wrapping.bytes_max, buffer)?;
        drop(payload);
        let left = (wrapping.legacy_base64 && base64::is_likely(buffer, b"")).then(|| base64::decode(buffer)).flatten();
        if let Some(decoded) = left.filter(|decoded| std::str::from_utf8(decoded).is_ok()) {
            *buffer = decoded;
        }
        mend_surrogates(buffer);
        let text = std::str::from_utf8(buffer).map_err(|error| DecodeError::Utf8 { at: error.valid_up_to() })?;
        then(text)
    })
}

fn optimistic_base64(payload: &[u8]) -> Option<Vec<u8>> {
    if form::is_likely(payload) || !base64::is_likely(payload, b"") {
        return None;
    }
    base64::decode(payload)
}

/// Step 5: what is packed by `hint`, or by the look of it, becomes plain bytes in `buffer`.
fn unpack(payload: &[u8], hint: Option<Hint>, bytes_max: usize, buffer: &mut Vec<u8>) -> Result<(), CaptureError> {
    if hint == Some(Hint::Gzip) || Encoding::is_gzip(payload) {
        return inflate(Encoding::Gzip, payload, bytes_max, buffer);
    }
    if hint == Some(Hint::Lz64) {
        return lz64::decode(payload, bytes_max, buffer);
    }
    if payload.len() > bytes_max {
        return Err(CaptureError::DecodedTooLarge { limit: bytes_max });
    }
    match (hint == Some(Hint::Base64)).then(|| base64::decode(payload)).flatten() {
        Some(decoded) if Encoding::is_gzip(&decoded) => inflate(Encoding::Gzip, &decoded, bytes_max, buffer),
        Some(decoded) => {
            *buffer = decoded;
            Ok(())
        }
        None => {
            buffer.extend_from_slice(payload);
            Ok(())
        }
    }
}
