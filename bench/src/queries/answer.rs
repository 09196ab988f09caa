//! Answers as rows of (key, number), so that those of different engines can be compared.

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// Rows in order of key.
pub(super) type Rows = Vec<(String, f64)>;

/// What the server's answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Trend,
    Funnel,
    Retention,
    Paths,
    Lifecycle,
    Stickiness,
    /// Rows whose first cell is the key.
    Ids,
    /// Rows of name, count, persons.
    Table,
}

/// How answers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Exact,
    /// Keys exact, numbers within [`ABOUT`].
    About,
    /// Those with the largest numbers, of which ties at the end may differ, and edges that nothing leads to are left out by the server.
    Top,
    /// They are not the same question.
    None,
}

/// What approximate counts may be off, as a share.
const ABOUT: f64 = 0.1;

impl Shape {
    /// The server's answer as rows.
    pub(super) fn rows(self, answer: &Value) -> anyhow::Result<Rows> {
        let results = answer["results"].as_array().context("results expected")?;
        let mut rows = Vec::new();
        match self {
            Shape::Trend => {
                for item in results {
                    let value = item["breakdown_value"].as_str().map(|value| format!("{value}|")).unwrap_or_default();
                    rows.extend(series(item, &value));
                }
            }
            Shape::Lifecycle => {
                for item in results {
                    let status = match item["status"].as_str().unwrap_or_default() {
                        // When a person came to be is not in the other engines' data.
                        "new" | "resurrecting" => "active again",
                        status => status,
                    };
                    rows.extend(series(item, &format!("{status}|")).map(|(key, number)| (key, number.abs())));
                }
                rows = summed(rows);
            }
            Shape::Stickiness => results.iter().for_each(|item| rows.extend(series(item, ""))),
            Shape::Funnel => results.iter().for_each(|item| match item.as_array() {
                Some(steps) => rows.extend(steps.iter().map(step)),
                None => rows.push(step(item)),
            }),
            Shape::Retention => {
                for (start, row) in results.iter().enumerate() {
                    let values = row["values"].as_array().into_iter().flatten().enumerate();
                    rows.extend(values.map(|(after, value)| (format!("{start}|{after}"), number(&value["count"]))));
                }
            }
            Shape::Paths => rows.extend(results.iter().map(|edge| {
                let end = |name: &str| edge[name].as_str().unwrap_or_default();
                (format!("{} > {}", end("source"), end("target")), number(&edge["value"]))
            })),
            Shape::Ids => rows.extend(results.iter().map(|row| (text(&row[0]), 1.0))),
            Shape::Table => rows.extend(results.iter().map(|row| (format!("{}|{}", text(&row[0]), text(&row[1])), number(&row[2])))),
        }
        Ok(ordered(rows))
    }
}

/// The days of a series with their numbers.
fn series<'a>(item: &'a Value, prefix: &'a str) -> impl Iterator<Item = (String, f64)> + 'a {
    let list = |name: &str| item[name].as_array().into_iter().flatten();
    list("days").zip(list("data")).map(move |(day, value)| (format!("{prefix}{}", text(day)), number(value)))
}

fn step(step: &Value) -> (String, f64) {
    let value = match &step["breakdown_value"] {
        Value::Array(values) => values.first().map(|value| format!("{}|", text(value))).unwrap_or_default(),
        Value::String(value) => format!("{value}|"),
        _ => String::new(),
    };
    (format!("{value}{}", step["order"].as_u64().unwrap_or_default() + 1), number(&step["count"]))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(f64::NAN)
}

fn summed(rows: Rows) -> Rows {
    let mut sums: Rows = Vec::new();
    for (key, number) in ordered(rows) {
        match sums.last_mut().filter(|(last, _)| *last == key) {
            Some((_, sum)) => *sum += number,
            None => sums.push((key, number)),
        }
    }
    sums
}

/// In order of key. What is zero says nothing.
fn ordered(mut rows: Rows) -> Rows {
    rows.retain(|(_, number)| *number != 0.0);
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

/// Rows of (key, number) as another engine gives them.
pub(super) fn theirs(rows: &[Value]) -> Rows {
    ordered(rows.iter().map(|row| (text(&row[0]), number(&row[1]))).collect())
}

/// Whether two answers agree.
///
/// # Errors
/// The first difference.
pub(super) fn agree(ours: &Rows, theirs: &Rows, check: Check) -> anyhow::Result<()> {
    match check {
        Check::None => Ok(()),
        Check::Top => {
            ensure!(!ours.is_empty(), "nothing found");
            let least = theirs.iter().map(|(_, number)| *number).fold(f64::INFINITY, f64::min);
            for (key, number) in ours.iter().filter(|(_, number)| *number > least) {
                let found = theirs.iter().find(|(other, _)| other == key).map(|(_, number)| *number);
                ensure!(found == Some(*number), "{key}: {number} here, {found:?} there");
            }
            for (key, number) in theirs.iter().filter(|(key, number)| *number > least && key.starts_with("1_")) {
                ensure!(ours.iter().any(|(other, _)| other == key), "{key}: {number} there, not found here");
            }
            Ok(())
        }
        Check::Exact | Check::About => {
            for (mine, other) in ours.iter().zip(theirs) {
                let is_near = check == Check::About && (mine.1 - other.1).abs() <= other.1.abs() * ABOUT;
                if mine.0 != other.0 || (mine.1 != other.1 && !is_near) {
                    bail!("{mine:?} here, {other:?} there");
                }
            }
            ensure!(ours.len() == theirs.len(), "{} rows here, {} there", ours.len(), theirs.len());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(list: &[(&str, f64)]) -> Rows {
        list.iter().map(|(key, number)| ((*key).to_owned(), *number)).collect()
    }

    #[test]
    fn series_become_rows() {
        let answer = json!({"results": [
            {"breakdown_value": "b", "days": ["2026-01-01", "2026-01-02"], "data": [2.0, 0.0]},
            {"breakdown_value": "a", "days": ["2026-01-01"], "data": [3]},
        ]});
        assert_eq!(Shape::Trend.rows(&answer).expect("rows"), rows(&[("a|2026-01-01", 3.0), ("b|2026-01-01", 2.0)]));
        let answer = json!({"results": [
            {"status": "new", "days": ["d"], "data": [2]}, {"status": "resurrecting", "days": ["d"], "data": [3]},
            {"status": "dormant", "days": ["d"], "data": [-4]},
        ]});
        assert_eq!(Shape::Lifecycle.rows(&answer).expect("rows"), rows(&[("active again|d", 5.0), ("dormant|d", 4.0)]));
    }

    #[test]
    fn differences_are_found() {
        let ours = rows(&[("a", 100.0), ("b", 2.0)]);
        assert!(agree(&ours, &ours, Check::Exact).is_ok());
        for other in [rows(&[("a", 101.0), ("b", 2.0)]), rows(&[("a", 100.0)]), rows(&[("a", 100.0), ("c", 2.0)])] {
            assert!(agree(&ours, &other, Check::Exact).is_err(), "{other:?}");
        }
        assert!(agree(&ours, &rows(&[("a", 109.0), ("b", 2.0)]), Check::About).is_ok());
        assert!(agree(&ours, &rows(&[("a", 120.0), ("b", 2.0)]), Check::About).is_err());
        assert!(agree(&ours, &rows(&[("a", 100.0), ("c", 2.0)]), Check::Top).is_ok());
        assert!(agree(&ours, &rows(&[("a", 99.0), ("c", 2.0)]), Check::Top).is_err());
    }
}
