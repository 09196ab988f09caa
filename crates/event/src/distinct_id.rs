//! Distinct ids: which of them name nobody.

/// Whether an id is one that broken clients share, so that merging by it would melt strangers into one person.
#[must_use]
pub fn is_illegal(id: &str) -> bool {
    const ANY_CASE: [&str; 10] =
        ["anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined", "true", "false"];
    const THIS_CASE: [&str; 7] = ["[object Object]", "NaN", "None", "none", "null", "0", "undefined"];
    if id.trim().is_empty() {
        return true;
    }
    let quoted = |quote: char| id.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let bare = quoted('"').or_else(|| quoted('\'')).unwrap_or(id);
    THIS_CASE.contains(&bare) || ANY_CASE.contains(&bare.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_ids_are_known_in_all_their_forms() {
        for id in [
            "",
            " \t",
            "anonymous",
            "Anonymous",
            "GUEST",
            "'guest'",
            "\"Undefined\"",
            "NaN",
            "'NaN'",
            "0",
            "\"0\"",
            "null",
            "true",
            "[object Object]",
        ] {
            assert!(is_illegal(id), "{id}");
        }
        for id in ["ann", "nan", "NULL", "00", "'ann'", "\"guest", "guest'", "''guest''", "[object object]", "1"] {
            assert!(!is_illegal(id), "{id}");
        }
    }
}
