//! Breakdown values as small numbers: texts are interned once per part's dictionary, rows carry codes.

use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{and, call, compare};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use hashbrown::HashMap;
use parking_lot::Mutex;
use smallvec::SmallVec;

/// The text that stands for "no value".
pub(crate) const NULL_LABEL: &str = "$$_posthog_breakdown_null_$$";
/// The text that stands for "all remaining values".
pub(crate) const OTHER_LABEL: &str = "$$_posthog_breakdown_other_$$";

/// Not numbered yet.
const NO_CODE: u32 = u32::MAX;

/// One value per breakdown.
pub(crate) type Label = SmallVec<[u32; 3]>;

/// Texts and combinations of texts, numbered in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    texts: HashMap<String, u32>,
    names: Vec<String>,
    combinations: HashMap<Label, u32>,
    list: Vec<Label>,
    /// What the texts take, in the map and in the list.
    text_bytes: usize,
}

/// Edges of bins: bin `i` holds values from `edges[i]` up to, not including, `edges[i + 1]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bins {
    edges: Vec<f64>,
}

impl Bins {
    /// `count` bins of equal width over what lies between `min` and `max`; a hundredth more at the end, so that the largest is inside.
    pub(crate) fn new(min: f64, max: f64, count: u32) -> Self {
        let count = count.max(1);
        let mut edges = vec![min];
        // Edges are the numbers that this order of operations gives, as their names tell them in full.
        let width = (max - min) / f64::from(count);
        if max > min {
            edges.extend((1..count).map(|at| width * f64::from(at) + min));
        }
        edges.push(width * f64::from(count) + min + 0.01);
        Self { edges }
    }

    /// The name of the bin of a number as an expression; NULL outside of all.
    pub(crate) fn expr(&self, number: &Expr) -> Expr {
        let mut args = Vec::new();
        for edges in self.edges.windows(2) {
            let inside = [(CompareOp::GtEq, edges[0]), (CompareOp::Lt, edges[1])];
            args.push(and(inside.map(|(op, edge)| compare(op, number.clone(), Expr::lit(edge))).into()));
            args.push(Expr::lit(self.name(edges[0]).unwrap_or_default()));
        }
        args.push(Expr::null());
        call("multiIf", args)
    }

    fn name(&self, value: f64) -> Option<String> {
        let at = self.edges.partition_point(|edge| *edge <= value);
        let (low, high) = (self.edges.get(at.checked_sub(1)?)?, self.edges.get(at)?);
        Some(format!("[{low},{high}]"))
    }
}

impl Labels {
    /// Number of combinations so far.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Memory of them, about.
    pub(crate) fn bytes(&self) -> usize {
        self.text_bytes + self.list.len() * 3 * size_of::<Label>()
    }

    /// The texts of a combination.
    pub(crate) fn texts(&self, code: u32) -> Vec<String> {
        self.list[code as usize].iter().map(|text| self.names[*text as usize].clone()).collect()
    }

    /// The code of a combination that another set of labels knows by its texts.
    pub(crate) fn intern(&mut self, texts: &[String]) -> u32 {
        let label: Label = texts.iter().map(|text| self.text(text)).collect();
        self.combination(label)
    }

    /// For each row the code of its combination of values.
    pub(crate) fn codes(&mut self, columns: &[ArrayRef], bins: &[Option<Bins>], rows: usize) -> Result<Vec<u32>, QueryError> {
        let mut per_column = Vec::with_capacity(columns.len());
        for (column, bins) in columns.iter().zip(bins) {
            per_column.push(self.texts_of(column, bins.as_ref())?);
        }
        if let [only] = per_column.as_slice() {
            let mut known: Vec<u32> = vec![NO_CODE; self.names.len()];
            let mut code = |text: u32| {
                let known = &mut known[text as usize];
                if *known == NO_CODE {
                    *known = self.combination(SmallVec::from_slice(&[text]));
                }
                *known
            };
            return Ok(only.iter().map(|text| code(*text)).collect());
        }
        Ok((0..rows).map(|row| self.combination(per_column.iter().map(|texts| texts[row]).collect())).collect())
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(code) = self.texts.get(text) {
            return *code;
        }
        let code = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.texts.insert(text.to_owned(), code);
        self.names.push(text.to_owned());
        self.text_bytes += 2 * (text.len() + size_of::<String>());
        code
    }

    fn combination(&mut self, label: Label) -> u32 {
        let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let list = &mut self.list;
        *self.combinations.entry_ref(&label).or_insert_with(|| {
            list.push(label.clone());
            next
        })
    }

    fn texts_of(&mut self, column: &ArrayRef, bins: Option<&Bins>) -> Result<Vec<u32>, QueryError> {
        if let Some(bins) = bins {
            let numbers = cast(column, &DataType::Float64)?;
            let names = numbers.as_primitive::<Float64Type>().iter().map(|value| value.and_then(|value| bins.name(value)));
            return Ok(names.map(|name| self.text(name.as_deref().unwrap_or(NULL_LABEL))).collect());
        }
        let null = self.text(NULL_LABEL);
        if let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() {
            let values = cast(dictionary.values(), &DataType::Utf8)?;
            let values = values.as_string::<i32>();
            // Only texts that rows have get a number: a dictionary may hold far more.
            let mut codes: Vec<u32> = vec![NO_CODE; values.len()];
            let mut code = |key: usize| {
                let code = &mut codes[key];
                if *code == NO_CODE {
                    *code = self.text(some_text(values.is_valid(key).then(|| values.value(key))));
                }
                *code
            };
            let of = |key: Option<i32>| key.and_then(|key| usize::try_from(key).ok()).map_or(null, &mut code);
            return Ok(dictionary.keys().iter().map(of).collect());
        }
        Ok(match column.data_type() {
            DataType::Boolean => {
                let (yes, no) = (self.text("true"), self.text("false"));
                column.as_boolean().iter().map(|value| value.map_or(null, |value| if value { yes } else { no })).collect()
            }
            DataType::Float64 => {
                column.as_primitive::<Float64Type>().iter().map(|value| value.map_or(null, |value| self.text(&value.to_string()))).collect()
            }
            DataType::Int64 => {
                column.as_primitive::<Int64Type>().iter().map(|value| value.map_or(null, |value| self.text(&value.to_string()))).collect()
            }
            _ => {
                let texts = cast(column, &DataType::Utf8)?;
                texts.as_string::<i32>().iter().map(|text| self.text(some_text(text))).collect()
            }
        })
    }
}

/// Labels that are numbered by several threads together: equal values have equal numbers everywhere.
#[derive(Debug, Default)]
pub(crate) struct SharedLabels(Mutex<Labels>);

impl SharedLabels {
    /// For each row the number of its combination of values.
    ///
    /// # Errors
    /// What reading the values as text answers.
    pub(crate) fn codes(&self, columns: &[ArrayRef], bins: &[Option<Bins>], rows: usize) -> Result<Vec<u32>, QueryError> {
        // Rows are numbered without the lock, then the few distinct values with it.
        let mut own = Labels::default();
        let mut codes = own.codes(columns, bins, rows)?;
        let mut shared = self.0.lock();
        let to: Vec<u32> = (0_u32..).take(own.len()).map(|code| shared.intern(&own.texts(code))).collect();
        drop(shared);
        codes.iter_mut().for_each(|code| *code = to[*code as usize]);
        Ok(codes)
    }

    /// Number of combinations so far.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Memory that they hold, about.
    pub(crate) fn bytes(&self) -> usize {
        self.0.lock().bytes()
    }

    /// The texts of a combination.
    pub(crate) fn texts(&self, code: u32) -> Vec<String> {
        self.0.lock().texts(code)
    }
}

fn some_text(text: Option<&str>) -> &str {
    text.filter(|text| !text.is_empty()).unwrap_or(NULL_LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_of_equal_width() {
        let bins = Bins::new(10.0, 40.0, 4);
        assert_eq!(bins.name(10.0).as_deref(), Some("[10,17.5]"));
        assert_eq!(bins.name(17.5).as_deref(), Some("[17.5,25]"));
        assert_eq!(bins.name(40.0).as_deref(), Some("[32.5,40.01]"));
        assert_eq!(bins.name(41.0), None);
        assert_eq!(Bins::new(1.0, 13.5, 3).name(2.0).as_deref(), Some("[1,5.166666666666667]"));
        assert_eq!(Bins::new(4.0, 4.0, 10).name(4.0).as_deref(), Some("[4,4.01]"));
    }

    #[test]
    fn combinations_are_numbered_once() {
        let mut labels = Labels::default();
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(labels.intern(&texts(&["a", "x"])), 0);
        assert_eq!(labels.intern(&texts(&["b", "x"])), 1);
        assert_eq!(labels.intern(&texts(&["a", "x"])), 0);
        assert_eq!(labels.texts(1), texts(&["b", "x"]));
    }
}
