//! Blocks put together again: prefixes of lists and quotes in the one form that both engines read alike.
//!
//! In: lines of leaf blocks, each with the containers that it stands in. Out: the page's text.
//!
//! What lies within a list item is indented by four, whatever its marker: Parsedown takes up to four blanks off each line.
//! After a list or a quote an empty line is written, since Parsedown would draw the next block into it; two neighbours of
//! one sort are kept apart by an empty comment.

/// A container that is open.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) id: usize,
    pub(crate) kind: FrameKind,
    /// Whether its first line was written.
    pub(crate) opened: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameKind {
    List,
    Item {
        marker: String,
    },
    Quote {
        sign: &'static str,
    },
    /// Between the two lines of a shortcode, which need no marks on the lines within.
    Box,
    Note {
        label: String,
    },
    Terms,
    Meaning,
}

/// What a leaf is, as far as its neighbours care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Text,
    Table,
    Definition,
    /// A line that has to stand alone.
    Alone,
    Other,
}

#[derive(Debug, Default)]
pub(crate) struct Assembler {
    out: String,
    previous: Option<(Vec<Frame>, Leaf)>,
}

impl Frame {
    fn first(&self) -> String {
        match &self.kind {
            FrameKind::List | FrameKind::Terms | FrameKind::Box => String::new(),
            FrameKind::Item { marker } => format!("{marker} "),
            FrameKind::Quote { sign } => format!("{sign} "),
            FrameKind::Note { label } => format!("[^{label}]: "),
            FrameKind::Meaning => ":   ".into(),
        }
    }

    fn next(&self) -> String {
        match &self.kind {
            FrameKind::List | FrameKind::Terms | FrameKind::Box => String::new(),
            FrameKind::Quote { sign } => format!("{sign} "),
            _ => "    ".into(),
        }
    }
}

fn next_prefix(stack: &[Frame]) -> String {
    stack.iter().map(Frame::next).collect()
}

impl Assembler {
    /// Adds a leaf, after `gap` empty lines or as many as its neighbour needs.
    pub(crate) fn add(&mut self, stack: &mut [Frame], leaf: Leaf, gap: usize, lines: &[String]) {
        self.separate(stack, leaf, gap);
        for (at, line) in lines.iter().enumerate() {
            let mut prefix = String::new();
            for frame in stack.iter_mut() {
                if at == 0 && !frame.opened {
                    prefix.push_str(&frame.first());
                    frame.opened = true;
                } else {
                    prefix.push_str(&frame.next());
                }
            }
            let prefix = if line.is_empty() && at > 0 { prefix.trim_end() } else { prefix.as_str() };
            self.out.push_str(prefix);
            self.out.push_str(line);
            self.out.push('\n');
        }
        self.previous = Some((stack.to_vec(), leaf));
    }

    fn separate(&mut self, stack: &[Frame], leaf: Leaf, gap: usize) {
        let Some((before, before_leaf)) = &self.previous else { return };
        let common = before.iter().zip(stack).take_while(|(one, two)| one.id == two.id).count();
        let left = before.get(common).map(|frame| &frame.kind);
        let entered = stack.get(common).map(|frame| &frame.kind);
        let (forced, apart) = match (left, entered) {
            (Some(FrameKind::Item { .. }), Some(FrameKind::Item { .. }))
            | (Some(FrameKind::Note { .. }), Some(FrameKind::Note { .. }))
            | (Some(FrameKind::Meaning), Some(FrameKind::Meaning))
            | (None, Some(FrameKind::Meaning)) => (false, false),
            (Some(FrameKind::List), Some(FrameKind::List)) | (Some(FrameKind::Quote { .. }), Some(FrameKind::Quote { .. })) => (true, true),
            (Some(_), _) | (None, Some(FrameKind::Note { .. } | FrameKind::Box)) => (true, false),
            (None, Some(_)) => (matches!(before_leaf, Leaf::Table | Leaf::Alone), false),
            (None, None) => {
                (matches!(before_leaf, Leaf::Table | Leaf::Alone) || (*before_leaf == Leaf::Text && leaf != Leaf::Other), false)
            }
        };
        let prefix = next_prefix(&stack[..common]);
        let empty = format!("{}\n", prefix.trim_end());
        let count = gap.max(usize::from(forced));
        self.out.push_str(&empty.repeat(count));
        if apart {
            self.out.push_str(&prefix);
            self.out.push_str("<!-- -->\n");
            self.out.push_str(&empty);
        }
    }

    /// The whole text.
    pub(crate) fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: usize, kind: FrameKind) -> Frame {
        Frame { id, kind, opened: false }
    }

    #[test]
    fn prefixes_are_four_wide_and_lists_are_closed() {
        let mut out = Assembler::default();
        let mut stack =
            vec![frame(1, FrameKind::List), frame(2, FrameKind::Item { marker: "-".into() }), frame(3, FrameKind::Quote { sign: ">" })];
        out.add(&mut stack, Leaf::Text, 0, &["a".into(), String::new(), "b".into()]);
        out.add(&mut stack[..2], Leaf::Text, 0, &["c".into()]);
        out.add(&mut [], Leaf::Other, 0, &["# d".into()]);
        assert_eq!(out.finish(), "- > a\n    >\n    > b\n\n    c\n\n# d\n");
    }

    #[test]
    fn neighbours_of_one_sort_stay_apart() {
        let mut out = Assembler::default();
        out.add(&mut [frame(1, FrameKind::Quote { sign: ">" })], Leaf::Text, 0, &["a".into()]);
        out.add(&mut [frame(2, FrameKind::Quote { sign: ">" })], Leaf::Text, 1, &["b".into()]);
        assert_eq!(out.finish(), "> a\n\n<!-- -->\n\n> b\n");
    }
}
