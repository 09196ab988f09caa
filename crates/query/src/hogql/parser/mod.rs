//! Tokens to tree: recursive descent for clauses, precedence climbing for operators.
//!
//! Nesting and the height of trees are bounded, so neither parsing nor any later walk over the tree can exhaust the stack.
//! `AND` and `OR` lists are flat and may be as long as the text.
//!
//! Read next: `expr.rs` (operators), `primary.rs` (operands), `call.rs`, `select.rs` (clauses), `from.rs` (tables and joins), `tag.rs`.

mod call;
pub(super) mod expr;
mod from;
mod primary;
mod select;
mod tag;
#[cfg(test)]
mod tests;

use super::ast::{Expr, OrderExpr, Query, Span};
use super::error::SyntaxError;
use super::lexer::{Token, tokenize};

/// How deep constructs may nest in the text.
const MAX_NESTING: usize = 120;
/// How high a tree may grow, counting chains such as `1 + 1 + …`.
const MAX_HEIGHT: usize = 500;

/// Parses a query.
///
/// # Errors
/// The text is not one query.
pub fn parse_select(source: &str) -> Result<Query, SyntaxError> {
    parse_all(source, Parser::query)
}

/// Parses one expression.
///
/// # Errors
/// The text is not one expression.
pub fn parse_expr(source: &str) -> Result<Expr, SyntaxError> {
    parse_all(source, Parser::expr)
}

/// Parses what may stand in `ORDER BY`: an expression and a direction.
///
/// # Errors
/// The text is not one such expression.
pub fn parse_order_expr(source: &str) -> Result<OrderExpr, SyntaxError> {
    parse_all(source, Parser::order_expr)
}

fn parse_all<T>(source: &str, rule: fn(&mut Parser) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
    let mut parser = Parser { tokens: tokenize(source)?, at: 0, nesting: 0, height: 0 };
    if parser.peek() == &Token::End {
        return Err(SyntaxError::new("the query is empty", Span::default()));
    }
    let node = rule(&mut parser)?;
    parser.accept_sym(";");
    if parser.peek() != &Token::End {
        return Err(parser.unexpected("the end of the query"));
    }
    Ok(node)
}

/// Words that end a list or begin the next clause, so they are no names unless quoted.
pub(super) const RESERVED: [&str; 40] = [
    "select",
    "from",
    "where",
    "prewhere",
    "group",
    "having",
    "order",
    "limit",
    "offset",
    "union",
    "intersect",
    "except",
    "settings",
    "qualify",
    "window",
    "join",
    "on",
    "using",
    "as",
    "and",
    "or",
    "then",
    "when",
    "else",
    "end",
    "between",
    "in",
    "is",
    "like",
    "ilike",
    "by",
    "with",
    "inner",
    "cross",
    "full",
    "left",
    "right",
    "into",
    "format",
    "array",
];

/// Keywords that PostHog's grammar does not take as an alias without `AS`.
const NO_IMPLICIT_ALIAS: [&str; 74] = [
    "all",
    "anti",
    "any",
    "asc",
    "ascending",
    "asof",
    "both",
    "case",
    "cast",
    "collate",
    "columns",
    "cube",
    "current",
    "desc",
    "distinct",
    "exclude",
    "extract",
    "fill",
    "filter",
    "first",
    "following",
    "for",
    "global",
    "grouping",
    "if",
    "ignore",
    "include",
    "interpolate",
    "interval",
    "key",
    "lambda",
    "last",
    "leading",
    "materialized",
    "name",
    "natural",
    "not",
    "null",
    "nulls",
    "outer",
    "over",
    "partition",
    "pivot",
    "positional",
    "preceding",
    "range",
    "recursive",
    "replace",
    "rollup",
    "row",
    "rows",
    "sample",
    "semi",
    "sets",
    "step",
    "substring",
    "ties",
    "time",
    "timestamp",
    "trailing",
    "trim",
    "truncate",
    "try_cast",
    "unbounded",
    "unpivot",
    "values",
    "within",
    "second",
    "minute",
    "hour",
    "inf",
    "nan",
    "zone",
    "to",
];

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    nesting: usize,
    /// Greatest height of the expressions parsed since this was last set to zero.
    height: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    /// The token `ahead` of the next one; the end marker beyond the end.
    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or_else(Span::default, |(_, span)| *span)
    }

    /// From the start of `start` to the end of the last token taken.
    fn span_since(&self, start: Span) -> Span {
        let end = self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start.end, |(_, span)| span.end);
        Span { start: start.start, end }
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    fn is_sym(&self, symbol: &str) -> bool {
        self.is_sym_at(0, symbol)
    }

    fn is_sym_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Sym(found) if *found == symbol)
    }

    fn accept_sym(&mut self, symbol: &str) -> bool {
        let found = self.is_sym(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect_sym(&mut self, symbol: &str) -> Result<(), SyntaxError> {
        if self.accept_sym(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    fn is_kw(&self, keyword: &str) -> bool {
        self.is_kw_at(0, keyword)
    }

    fn is_kw_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn is_any_kw(&self, keywords: &[&str]) -> bool {
        matches!(self.peek(), Token::Word(word) if keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)))
    }

    fn accept_kw(&mut self, keyword: &str) -> bool {
        let found = self.is_kw(keyword);
        self.at += usize::from(found);
        found
    }

    /// All of the keywords in a row, or nothing.
    fn accept_kws(&mut self, keywords: &[&str]) -> bool {
        let found = keywords.iter().enumerate().all(|(ahead, keyword)| self.is_kw_at(ahead, keyword));
        if found {
            self.at += keywords.len();
        }
        found
    }

    fn expect_kw(&mut self, keyword: &str) -> Result<(), SyntaxError> {
        if self.accept_kw(keyword) { Ok(()) } else { Err(self.unexpected(&keyword.to_ascii_uppercase())) }
    }

    /// A name, quoted or not; keywords are names here.
    fn name(&mut self) -> Result<String, SyntaxError> {
        let name = match self.peek() {
            Token::Word(name) | Token::Quoted(name) => name.clone(),
            _ => return Err(self.unexpected("a name")),
        };
        self.advance();
        Ok(name)
    }

    /// `(a, b)` of names.
    fn names_in_parens(&mut self) -> Result<Vec<String>, SyntaxError> {
        self.expect_sym("(")?;
        let mut names = Vec::new();
        while !self.is_sym(")") {
            names.push(self.name()?);
            if !self.accept_sym(",") {
                break;
            }
        }
        self.expect_sym(")")?;
        Ok(names)
    }

    /// A name after `AS`; some names must keep their meaning.
    fn alias(&mut self) -> Result<String, SyntaxError> {
        let span = self.span();
        let alias = match self.peek() {
            Token::Text(text) => {
                let text = text.clone();
                self.advance();
                text
            }
            _ => self.name()?,
        };
        self.refuse_reserved(&alias, span)?;
        Ok(alias)
    }

    fn refuse_reserved(&self, alias: &str, span: Span) -> Result<(), SyntaxError> {
        if is_one_of(alias, &["true", "false", "null", "team_id"]) {
            return self.fail(format!("\"{alias}\" cannot be an alias or identifier, as it's a reserved keyword"), span);
        }
        Ok(())
    }

    /// A name that can follow an expression or a table without `AS`.
    fn implicit_alias(&mut self) -> Option<String> {
        let alias = match self.peek() {
            Token::Quoted(name) => name.clone(),
            Token::Word(word) if !is_one_of(word, &RESERVED) && !is_one_of(word, &NO_IMPLICIT_ALIAS) => word.clone(),
            _ => return None,
        };
        self.advance();
        Some(alias)
    }

    fn fail<T>(&self, message: impl Into<String>, span: Span) -> Result<T, SyntaxError> {
        Err(SyntaxError::new(message, span))
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        let found = match self.peek() {
            Token::End => "the end of the query".to_owned(),
            Token::Word(word) => format!("`{word}`"),
            Token::Quoted(name) => format!("the name `{name}`"),
            Token::Text(text) => format!("the text '{text}'"),
            Token::Int(number) => format!("the number {number}"),
            Token::Float(number) => format!("the number {number}"),
            Token::Sym(symbol) => format!("`{symbol}`"),
            Token::TemplateStart | Token::Chunk(_) | Token::TemplateEnd => "a template string".to_owned(),
            Token::TagOpen => "a tag".to_owned(),
        };
        SyntaxError::new(format!("unexpected {found}, expected {expected}"), self.span())
    }

    /// Runs a rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
        if self.nesting == MAX_NESTING {
            return self.fail(format!("the query nests more than {MAX_NESTING} levels deep"), self.span());
        }
        self.nesting += 1;
        let result = rule(self);
        self.nesting -= 1;
        result
    }
}

fn is_one_of(word: &str, keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}
