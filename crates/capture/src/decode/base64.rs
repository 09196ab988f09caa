//! Base64 as SDKs sent it before they knew gzip: often without saying so.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// How many bytes are looked at before a payload is taken for base64.
const LOOK_BYTES: usize = 128;
/// Padding is optional: some clients leave it out.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// Whether `payload` looks like base64: the alphabet (and the bytes in `also`) at its start, and a length of fours.
pub(super) fn is_likely(payload: &[u8], also: &[u8]) -> bool {
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') || also.contains(byte);
    !payload.is_empty() && payload.len().is_multiple_of(4) && payload.iter().take(LOOK_BYTES).all(in_alphabet)
}

/// The bytes, or `None` when it is no base64 after all.
pub(super) fn decode(payload: &[u8]) -> Option<Vec<u8>> {
    ENGINE.decode(payload.trim_ascii()).ok()
}
