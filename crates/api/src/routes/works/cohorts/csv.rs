//! Files of members: a column of ids of persons, of distinct ids or of addresses; without a heading the first column is any of them.

use crate::error::ApiError;

/// Whom a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// By id.
    Ids(Vec<String>),
    /// By distinct id.
    DistinctIds(Vec<String>),
    /// By the property `email`.
    Emails(Vec<String>),
    /// By distinct id or, where nobody has that, by the property `email`.
    Any(Vec<String>),
}

/// Reads a file.
///
/// # Errors
/// [`ApiError::Field`] when it is no CSV in UTF-8, or names nobody.
pub(super) fn names(bytes: &[u8]) -> Result<Names, ApiError> {
    let wrong = |detail: String| ApiError::field("csv", "invalid_input", detail);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    let heading = |cell: &str| match cell.to_lowercase().replace(['-', ' '], "_").as_str() {
        "person_id" | "uuid" | "person.uuid" => Some(0),
        "distinct_id" => Some(1),
        "email" | "e_mail" => Some(2),
        _ => None,
    };
    let headed = rows.first().into_iter().flatten().enumerate().filter_map(|(at, cell)| Some((heading(cell)?, at))).min();
    let (kind, column) = headed.map_or((3, 0), |(kind, column)| (kind, column));
    let cells = rows.iter().skip(usize::from(headed.is_some())).filter_map(|row| row.get(column));
    let found: Vec<String> = cells.filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
    if found.is_empty() {
        return Err(wrong("The file names nobody.".to_owned()));
    }
    Ok(match kind {
        0 => Names::Ids(found),
        1 => Names::DistinctIds(found),
        2 => Names::Emails(found),
        _ => Names::Any(found),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn headings_choose_the_column() {
        assert_eq!(names(b"ann\nbob,x\n\n").unwrap(), Names::Any(of(&["ann", "bob"])));
        assert_eq!(names(b"name,Distinct ID\nAnn,ann\nBob,\n").unwrap(), Names::DistinctIds(of(&["ann"])));
        assert_eq!(names(b"email,person_id\na@b.c,7\n").unwrap(), Names::Ids(of(&["7"])));
        assert_eq!(names(b"\xef\xbb\xbfE-Mail\r\n\"a,b@c.d\"\r\n").unwrap(), Names::Emails(of(&["a,b@c.d"])));
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for file in [&b""[..], b"distinct_id\n", b",\n", b"\xff\xfe"] {
            assert!(matches!(names(file), Err(ApiError::Field { attr: Some(attr), .. }) if attr == "csv"), "{file:?}");
        }
    }
}
