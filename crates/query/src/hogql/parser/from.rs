//! FROM: tables, table functions, subqueries and joins.

use super::Parser;
use crate::hogql::ast::{
    Expr, ExprKind, FromExpr, Join, JoinConstraint, JoinKind, JoinStrictness, Ratio, Sample, Segment, TableRef, TableSource,
};
use crate::hogql::build;
use crate::hogql::error::SyntaxError;
use crate::hogql::lexer::Token;

/// How deep a chain of joins may grow, the tree leaning to the left.
const MAX_JOINS: usize = 100;

impl Parser {
    pub(super) fn tables(&mut self) -> Result<FromExpr, SyntaxError> {
        self.nested(|parser| {
            let start = parser.span();
            let mut left = parser.table_or_parens()?;
            for joins in 0.. {
                let (kind, strictness) = match parser.join_op()? {
                    Some(op) => op,
                    None => return Ok(left),
                };
                if joins == MAX_JOINS {
                    return parser.fail(format!("more than {MAX_JOINS} joins"), parser.span());
                }
                let right = parser.table_or_parens()?;
                let constraint = if kind == JoinKind::Cross { None } else { parser.constraint()? };
                if kind != JoinKind::Cross && constraint.is_none() {
                    return Err(parser.unexpected("ON or USING"));
                }
                left = FromExpr::Join(Box::new(Join { left, right, kind, strictness, constraint, span: parser.span_since(start) }));
            }
            Ok(left)
        })
    }

    fn table_or_parens(&mut self) -> Result<FromExpr, SyntaxError> {
        let start = self.span();
        if self.is_sym("(") && !(self.query_follows_paren() || self.is_kw_at(1, "values") || self.is_sym_at(1, "{")) {
            self.advance();
            let inner = self.tables()?;
            self.expect_sym(")")?;
            return Ok(inner);
        }
        let source = self.table_source()?;
        let mut table = TableRef { source, alias: None, column_aliases: Vec::new(), is_final: false, sample: None, span: start };
        for unsupported in ["pivot", "unpivot", "natural", "positional"] {
            if self.is_kw(unsupported) {
                return self.fail(format!("{} is not supported", unsupported.to_ascii_uppercase()), self.span());
            }
        }
        table.alias = if self.accept_kw("as") { Some(self.alias()?) } else { self.table_alias() };
        if table.alias.is_some() && self.is_sym("(") {
            table.column_aliases = self.names_in_parens()?;
        }
        table.is_final = self.accept_kw("final");
        if self.accept_kw("sample") {
            table.sample = Some(self.sample()?);
        }
        table.span = self.span_since(start);
        Ok(FromExpr::Table(Box::new(table)))
    }

    fn table_source(&mut self) -> Result<TableSource, SyntaxError> {
        match self.peek() {
            Token::Sym("(") => {
                self.advance();
                if self.accept_kw("values") {
                    return self.values();
                }
                let query = self.query()?;
                self.expect_sym(")")?;
                Ok(TableSource::Query(Box::new(query)))
            }
            Token::Sym("{") => {
                self.advance();
                let inner = Box::new(self.expr()?);
                self.expect_sym("}")?;
                Ok(TableSource::Placeholder(inner))
            }
            Token::TagOpen => self.fail("a tag is no table", self.span()),
            _ => {
                let mut name = vec![self.name()?];
                if self.accept_sym("(") {
                    let args = self.list_until(")")?;
                    return Ok(TableSource::Function { name: name.swap_remove(0), args });
                }
                while self.accept_sym(".") {
                    name.push(self.name()?);
                }
                Ok(TableSource::Name(name))
            }
        }
    }

    fn values(&mut self) -> Result<TableSource, SyntaxError> {
        let mut rows = Vec::new();
        loop {
            self.expect_sym("(")?;
            rows.push(self.list_until(")")?);
            if !self.accept_sym(",") {
                break;
            }
        }
        self.expect_sym(")")?;
        Ok(TableSource::Values(rows))
    }

    /// `,`, `CROSS JOIN`, `[ANY] LEFT [OUTER] JOIN` with its words in either order; nothing when no join follows.
    fn join_op(&mut self) -> Result<Option<(JoinKind, Option<JoinStrictness>)>, SyntaxError> {
        if self.accept_sym(",") || self.accept_kws(&["cross", "join"]) {
            return Ok(Some((JoinKind::Cross, None)));
        }
        let start = self.at;
        self.accept_kw("global");
        let (mut kind, mut strictness) = (None, None);
        while let Token::Word(word) = self.peek() {
            match word.to_ascii_lowercase().as_str() {
                "inner" => kind = Some(JoinKind::Inner),
                "left" => kind = Some(JoinKind::Left),
                "right" => kind = Some(JoinKind::Right),
                "full" => kind = Some(JoinKind::Full),
                "outer" => {}
                "all" => strictness = Some(JoinStrictness::All),
                "any" => strictness = Some(JoinStrictness::Any),
                "semi" => strictness = Some(JoinStrictness::Semi),
                "anti" => strictness = Some(JoinStrictness::Anti),
                "asof" => strictness = Some(JoinStrictness::Asof),
                "join" => {
                    self.advance();
                    return Ok(Some((kind.unwrap_or(JoinKind::Inner), strictness)));
                }
                // `LEFT ARRAY JOIN` is a clause of its own.
                _ => break,
            }
            self.advance();
        }
        if self.at > start && !self.is_kw("array") {
            return Err(self.unexpected("JOIN"));
        }
        self.at = start;
        Ok(None)
    }

    fn constraint(&mut self) -> Result<Option<JoinConstraint>, SyntaxError> {
        if self.accept_kw("on") {
            return Ok(Some(JoinConstraint::On(build::and(self.clause_list()?))));
        }
        if !self.accept_kw("using") {
            return Ok(None);
        }
        let exprs = if self.accept_sym("(") { self.list_until(")")? } else { self.clause_list()? };
        let names = exprs.into_iter().map(|expr| self.using_column(expr)).collect::<Result<_, _>>()?;
        Ok(Some(JoinConstraint::Using(names)))
    }

    fn using_column(&self, expr: Expr) -> Result<String, SyntaxError> {
        match expr.kind {
            ExprKind::Field(chain) => match chain.as_slice() {
                [Segment::Name(name)] => Ok(name.clone()),
                _ => self.fail("USING takes names of columns", expr.span),
            },
            _ => self.fail("USING takes names of columns", expr.span),
        }
    }

    fn sample(&mut self) -> Result<Sample, SyntaxError> {
        let ratio = self.ratio()?;
        let offset = if self.accept_kw("offset") { Some(self.ratio()?) } else { None };
        Ok(Sample { ratio, offset })
    }

    fn ratio(&mut self) -> Result<Ratio, SyntaxError> {
        let numerator = Box::new(self.ratio_part()?);
        let denominator = if self.accept_sym("/") { Some(Box::new(self.ratio_part()?)) } else { None };
        Ok(Ratio { numerator, denominator })
    }

    fn ratio_part(&mut self) -> Result<Expr, SyntaxError> {
        let part = self.primary()?;
        match part.kind {
            ExprKind::Literal(_) | ExprKind::Placeholder(_) => Ok(part),
            _ => self.fail("SAMPLE takes a number or a ratio such as 1/10", part.span),
        }
    }
}
