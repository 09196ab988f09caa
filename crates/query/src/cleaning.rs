//! Path cleaning: patterns whose matches become aliases, so that `/users/1` and `/users/2` are one.
//!
//! In: the rules of a project (`path_cleaning_filters`) or of a query. Out: an expression around a path.

use crate::error::QueryError;
use crate::hogql::ast::Expr;
use crate::hogql::build::call;
use serde::Deserialize;
use serde_json::Value;

/// One rule of path cleaning: what the pattern matches becomes the alias.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cleaning {
    alias: Option<String>,
    regex: Option<String>,
    order: Option<f64>,
}

/// Rules that can be applied, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct CleaningRules(Vec<(String, String)>);

impl CleaningRules {
    /// The rules of a project. What cannot be read as rules are none.
    ///
    /// # Errors
    /// [`QueryError::Request`] when a rule's pattern cannot be read.
    pub(crate) fn of_project(path_cleaning_filters: &Value) -> Result<Self, QueryError> {
        Self::new(serde_json::from_value(path_cleaning_filters.clone()).unwrap_or_default())
    }

    /// Rules in the order that they say.
    ///
    /// # Errors
    /// [`QueryError::Request`] when a rule's pattern cannot be read.
    pub(crate) fn new(mut rules: Vec<Cleaning>) -> Result<Self, QueryError> {
        rules.sort_by(|a, b| a.order.unwrap_or(0.0).total_cmp(&b.order.unwrap_or(0.0)));
        let mut all = Vec::with_capacity(rules.len());
        for rule in rules {
            let Some(regex) = rule.regex.filter(|regex| !regex.is_empty()) else { continue };
            regex::Regex::new(&regex)
                .map_err(|error| QueryError::Request { detail: format!("path cleaning: {error}"), attr: Some("pathsFilter") })?;
            all.push((regex, rule.alias.unwrap_or_default()));
        }
        Ok(Self(all))
    }

    /// These rules, then others.
    pub(crate) fn then(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A path as the rules leave it.
    pub(crate) fn clean(&self, path: Expr) -> Expr {
        self.0.iter().fold(path, |path, (regex, alias)| replaced(path, regex, alias))
    }
}

/// A text with what a pattern matches replaced.
pub(crate) fn replaced(text: Expr, regex: &str, alias: &str) -> Expr {
    call("replaceRegexpAll", vec![text, Expr::lit(regex), Expr::lit(alias)])
}
