//! Edits by byte range: what is not named stays byte for byte.
//!
//! In: ranges of a text that do not overlap, with what replaces them. Out: the text with all of them made.

use std::ops::Range;

/// Edits of one block, in any order.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Replaces a range.
    pub(crate) fn put(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.0.push((range, text.into()));
    }

    /// Whether anything inside a range is edited.
    pub(crate) fn touch(&self, range: &Range<usize>) -> bool {
        self.0.iter().any(|(edit, _)| edit.start >= range.start && edit.end <= range.end)
    }

    /// `text[range]` with all edits made.
    pub(crate) fn apply(mut self, text: &str, range: Range<usize>) -> String {
        self.0.sort_by_key(|(edit, _)| (edit.start, edit.end));
        let mut out = String::with_capacity(range.len() + 16);
        let mut at = range.start;
        for (edit, replacement) in self.0 {
            // Edits that overlap an earlier one lose: the outer construct was replaced as a whole.
            if edit.start < at || edit.end > range.end {
                continue;
            }
            out.push_str(&text[at..edit.start]);
            out.push_str(&replacement);
            at = edit.end;
        }
        out.push_str(&text[at..range.end]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_edits_in_order_and_keeps_the_rest() {
        let mut edits = Edits::default();
        edits.put(4..5, "X");
        edits.put(1..1, "+");
        edits.put(4..6, "lost");
        assert!(edits.touch(&(0..2)) && !edits.touch(&(2..4)));
        assert_eq!(edits.apply("abcdef", 0..6), "a+bcdXf");
    }
}
