//! Forms with files: the parts of a `multipart/form-data` body.
//!
//! Bodies are small (they are read under the cap of every body), so the parts are slices of what is in memory already.

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part<'b> {
    /// The field's name.
    pub(crate) name: String,
    /// What was sent, as it is.
    pub(crate) data: &'b [u8],
}

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("multipart/form-data needs a boundary of 1 to 70 characters")]
    Boundary,
    #[error("the form ends before its closing boundary")]
    Unfinished,
    #[error("a part of the form has no name")]
    Nameless,
}

/// The parts of a body whose `Content-Type` this is; `None` for other types.
///
/// # Errors
/// [`FormError`].
pub(crate) fn parts<'b>(content_type: &str, body: &'b [u8]) -> Option<Result<Vec<Part<'b>>, FormError>> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("multipart/form-data").then(|| {
        let boundary = parameter(content_type, "boundary").filter(|boundary| (1..=70).contains(&boundary.len()));
        read(&boundary.ok_or(FormError::Boundary)?, body)
    })
}

fn read<'b>(boundary: &str, body: &'b [u8]) -> Result<Vec<Part<'b>>, FormError> {
    let first = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    let (_, mut rest) = split(body, first.as_bytes()).ok_or(FormError::Unfinished)?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        // After a boundary there may be blanks, then the part's header lines and an empty one.
        let (_, after) = split(rest, b"\r\n").ok_or(FormError::Unfinished)?;
        let (head, after) = match after.strip_prefix(b"\r\n") {
            Some(after) => (&after[..0], after),
            None => split(after, b"\r\n\r\n").ok_or(FormError::Unfinished)?,
        };
        let (data, after) = split(after, next.as_bytes()).ok_or(FormError::Unfinished)?;
        parts.push(Part { name: name_of(head).ok_or(FormError::Nameless)?, data });
        rest = after;
    }
    Ok(parts)
}

/// What lies before the first occurrence of `at`, and after it.
fn split<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..place], &bytes[place + at.len()..]))
}

fn name_of(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, disposition) = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))?;
    parameter(disposition, "name")
}

/// The value of `; name=value` or `; name="value"` in a header.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once(';') {
        let (name, value) = after.split_once('=')?;
        let (value, after) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// Text up to the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, letter)) = chars.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; charset=utf-8; boundary=\"e;dge\"";

    fn check(body: &str) -> Result<Vec<(String, String)>, FormError> {
        let parts = parts(TYPE, body.as_bytes()).expect("a form")?;
        Ok(parts.into_iter().map(|part| (part.name, String::from_utf8_lossy(part.data).into_owned())).collect())
    }

    #[test]
    fn fields_and_files() {
        let body = "preamble\r\n--e;dge\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nGuests\r\n--e;dge\r\n\
                    content-disposition: form-data; filename=\"a \\\"b\\\"; name=c.csv\"; name=csv\r\nContent-Type: text/csv\r\n\r\na\r\n--e;dg\r\n\r\n\r\n--e;dge--\r\nepilogue";
        let expected = [("name", "Guests"), ("csv", "a\r\n--e;dg\r\n\r\n")].map(|(name, data)| (name.to_owned(), data.to_owned()));
        assert_eq!(check(body), Ok(expected.to_vec()));
        assert_eq!(check("--e;dge--"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_form() {
        assert_eq!(check(""), Err(FormError::Unfinished));
        assert_eq!(check("--e;dge\r\nContent-Disposition: form-data; name=a\r\n\r\nx"), Err(FormError::Unfinished));
        assert_eq!(check("--e;dge\r\n\r\nx\r\n--e;dge--"), Err(FormError::Nameless));
        assert_eq!(parts("multipart/form-data", b""), Some(Err(FormError::Boundary)));
        assert_eq!(parts("application/json; boundary=x", b"{}"), None);
    }
}
