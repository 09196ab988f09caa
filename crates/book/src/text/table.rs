//! Tables: rows that Parsedown splits into the same cells.
//!
//! In: the rows of a table, pipes within cells already written as entities. Out: the same rows, each with a pipe first and
//! no cell empty between two pipes.

/// A row, changed only where Parsedown would count its cells otherwise.
pub(crate) fn row(line: &str) -> String {
    let text = line.trim_matches([' ', '\t']);
    if text.starts_with('|') && !text.contains("||") {
        return text.to_owned();
    }
    let inner = text.strip_prefix('|').unwrap_or(text);
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_in_their_columns() {
        assert_eq!(row("| a | b |"), "| a | b |");
        assert_eq!(row("a | b"), "| a | b |");
        assert_eq!(row("a"), "| a |");
        assert_eq!(row("|| b ||"), "|  | b |  |");
    }
}
