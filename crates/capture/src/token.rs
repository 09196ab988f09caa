//! Project tokens: what a well-formed one looks like. Whether a project has it is found out later.

use aqueduct_event::limits::TOKEN_CHARS_MAX;
use thiserror::Error;

/// Why a text is not a project token. The words are PostHog's; SDKs show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum TokenError {
    #[error("empty")]
    Empty,
    #[error("too_long")]
    TooLong,
    #[error("not_ascii")]
    NotAscii,
    #[error("personal_api_key")]
    PersonalApiKey,
    #[error("null_byte")]
    NullByte,
}

/// The token without the space around it.
pub(crate) fn well_formed(token: &str) -> Result<&str, TokenError> {
    let token = token.trim();
    if token.is_empty() {
        return Err(TokenError::Empty);
    }
    if token.chars().nth(TOKEN_CHARS_MAX).is_some() {
        return Err(TokenError::TooLong);
    }
    if !token.is_ascii() {
        return Err(TokenError::NotAscii);
    }
    if token.starts_with("phx_") {
        return Err(TokenError::PersonalApiKey);
    }
    if token.contains('\0') {
        return Err(TokenError::NullByte);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let (longest, longer) = ("a".repeat(64), "a".repeat(65));
        let table = [
            ("phc_abc", Ok("phc_abc")),
            ("  phc_abc\n", Ok("phc_abc")),
            (&longest, Ok(&*longest)),
            ("", Err(TokenError::Empty)),
            ("   ", Err(TokenError::Empty)),
            (&longer, Err(TokenError::TooLong)),
            ("phc_ü", Err(TokenError::NotAscii)),
            ("phx_secret", Err(TokenError::PersonalApiKey)),
            ("phc_\0abc", Err(TokenError::NullByte)),
        ];
        for (token, expected) in table {
            assert_eq!(well_formed(token), expected, "{token:?}");
        }
    }
}
