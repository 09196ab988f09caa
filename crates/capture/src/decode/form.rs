//! Query strings and forms: the fields of them that mean something here.

use super::{Hint, base64};
use crate::error::DecodeError;
use aqueduct_event::UnixMicros;
use std::borrow::Cow;

/// 2021-01-01T00:00:00Z in milliseconds: a smaller number was meant as seconds and is not a clock.
const SENT_AT_MILLIS_MIN: i64 = 1_609_459_200_000;
/// How many bytes are looked at before a payload is taken for a form.
const LOOK_BYTES: usize = 128;

/// The fields of a request's query string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    /// The payload itself, on GET.
    pub(crate) data: Option<Cow<'a, str>>,
    /// `compression`, when it is known.
    pub(crate) hint: Option<Hint>,
    /// `_` or `sent_at`: the sender's clock in milliseconds.
    pub(crate) sent_at: Option<UnixMicros>,
    /// `beacon=1`: the sender wants no body in the answer.
    pub(crate) beacon: bool,
}

impl<'a> Query<'a> {
    /// Reads the part after the question mark. Unknown and unreadable fields are ignored.
    pub(crate) fn read(query: &'a str) -> Self {
        let mut read = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "data" => read.data = Some(plus_restored(value)),
                "compression" => read.hint = Hint::named(&value),
                "_" | "sent_at" => {
                    let millis = value.parse().ok().filter(|millis| *millis >= SENT_AT_MILLIS_MIN);
                    read.sent_at = millis.map(UnixMicros::from_millis).or(read.sent_at);
                }
                "beacon" => read.beacon = matches!(&*value, "1" | "true"),
                _ => {}
            }
        }
        read
    }
}

/// The fields of a form in a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) data: Option<String>,
    pub(super) hint: Option<Hint>,
}

impl Form {
    pub(super) fn read(payload: &[u8]) -> Result<Self, DecodeError> {
        if !is_likely(payload) {
            return Err(DecodeError::NotForm);
        }
        let mut form = Self::default();
        for (key, value) in form_urlencoded::parse(payload) {
            match &*key {
                "data" => form.data = Some(plus_restored(value).into_owned()),
                "compression" => form.hint = Hint::named(&value),
                _ => {}
            }
        }
        Ok(form)
    }
}

/// Whether a payload begins like a form that an SDK makes, or has one of its fields near the beginning.
pub(super) fn is_likely(payload: &[u8]) -> bool {
    let look = &payload[..payload.len().min(LOOK_BYTES)];
    let fields = [&b"data="[..], b"ver=", b"_=", b"ip=", b"compression="];
    fields.iter().any(|field| look.starts_with(field) || look.split(|byte| *byte == b'&').skip(1).any(|part| part.starts_with(field)))
}

/// A plus sign that was not escaped reads as a space; base64 has no spaces.
fn plus_restored(data: Cow<'_, str>) -> Cow<'_, str> {
    if data.contains(' ') && base64::is_likely(data.as_bytes(), b" ") { Cow::Owned(data.replace(' ', "+")) } else { data }
}
