//! A person's steps as paths: cut into sessions, repeated nodes together, cut to begin and end where the query says.

use super::nodes::{DOTS, EMPTY};

/// A step: when, and to which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) time: i64,
    pub(super) node: u32,
}

/// How steps become paths.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// A pause of this length or more ends a session, µs.
    pub(super) pause: i64,
    /// Most steps of a path.
    pub(super) limit: usize,
    pub(super) ends: Ends,
}

/// Where paths begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Free,
    /// At the first step to this node.
    From(u32),
    /// At the first step to this node.
    To(u32),
    /// From the first step to one node to the first step after it to another.
    Between(u32, u32),
}

impl Cut {
    /// Gives each path that is left of a person's steps (in order of time) to `each`.
    pub(super) fn paths(&self, steps: &[Step], path: &mut Vec<Step>, mut each: impl FnMut(&[Step])) {
        for session in steps.chunk_by(|before, step| step.time - before.time < self.pause) {
            compact(session, path);
            if self.cut(path) {
                each(path);
            }
        }
    }

    /// Cuts a path to what the query asks for; whether there is such a path in it.
    fn cut(&self, path: &mut Vec<Step>) -> bool {
        let place = |path: &[Step], node: u32| path.iter().position(|step| step.node == node);
        match self.ends {
            Ends::Free => path.truncate(self.limit),
            Ends::From(node) => {
                let Some(start) = place(path, node) else { return false };
                path.drain(..start);
                path.truncate(self.limit);
            }
            Ends::To(node) => {
                let Some(end) = place(path, node) else { return false };
                path.truncate(end + 1);
                path.drain(..path.len().saturating_sub(self.limit));
            }
            Ends::Between(from, to) => {
                let Some(start) = place(path, from) else { return false };
                path.drain(..start);
                let Some(end) = place(path, to) else { return false };
                path.truncate(end + 1);
                self.leave_out_middle(path);
            }
        }
        true
    }

    /// Of a path that is too long both ends stay; one step stands for all between.
    fn leave_out_middle(&self, path: &mut Vec<Step>) {
        if path.len() > self.limit {
            let half = self.limit / 2;
            let middle = path.len() - half;
            path[half].node = DOTS;
            path.drain(half + 1..middle.max(half + 1));
        }
    }
}

/// Of steps to the same node one after the other the last stays; what has no name ends no path.
fn compact(session: &[Step], path: &mut Vec<Step>) {
    path.clear();
    for (at, step) in session.iter().enumerate() {
        let next = session.get(at + 1).map_or(EMPTY, |next| next.node);
        if step.node != next {
            path.push(*step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(cut: &Cut, steps: &[(i64, u32)]) -> Vec<String> {
        let steps: Vec<Step> = steps.iter().map(|(time, node)| Step { time: *time, node: *node }).collect();
        let mut all = Vec::new();
        cut.paths(&steps, &mut Vec::new(), |path| {
            all.push(path.iter().map(|step| format!("{}@{}", step.node, step.time)).collect::<Vec<_>>().join(" "));
        });
        all
    }

    #[test]
    fn pauses_end_sessions_and_repeats_are_one() {
        let cut = Cut { pause: 10, limit: 3, ends: Ends::Free };
        assert_eq!(paths(&cut, &[(0, 5), (1, 5), (9, 6), (19, 7), (28, 0), (29, 8), (30, 9), (31, 0)]), ["5@1 6@9", "7@19 0@28 8@29"]);
    }

    #[test]
    fn ends_are_where_they_are_asked_for() {
        let steps = [(0, 5), (1, 6), (2, 7), (3, 8), (4, 9), (5, 6)];
        let of = |ends, limit| paths(&Cut { pause: 10, limit, ends }, &steps);
        assert_eq!(of(Ends::From(6), 2), ["6@1 7@2"]);
        assert_eq!(of(Ends::To(8), 3), ["6@1 7@2 8@3"]);
        assert_eq!(of(Ends::To(4), 3), Vec::<String>::new());
        assert_eq!(of(Ends::Between(5, 9), 9), ["5@0 6@1 7@2 8@3 9@4"]);
        assert_eq!(of(Ends::Between(5, 9), 4), ["5@0 6@1 1@2 8@3 9@4"]);
        assert_eq!(of(Ends::Between(5, 9), 3), ["5@0 1@1 9@4"]);
        assert_eq!(of(Ends::Between(9, 5), 3), Vec::<String>::new());
    }
}
