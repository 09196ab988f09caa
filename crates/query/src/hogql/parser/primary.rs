//! Operands: constants, names, brackets and what is accessed in them.

use super::Parser;
use super::expr::plain_call;
use crate::hogql::ast::{Asterisk, Expr, ExprKind, Literal, Segment, Span};
use crate::hogql::error::SyntaxError;
use crate::hogql::lexer::Token;

/// Looking for `->` stops after so many names; long lists of columns would cost quadratic time otherwise.
const MAX_LAMBDA_PARAMS: usize = 16;

impl Parser {
    /// An operand without what may follow it.
    pub(super) fn primary(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.span();
        if let Some(literal) = self.signed_number(false) {
            return Ok(self.close(ExprKind::Literal(literal), start));
        }
        let kind = match self.peek() {
            Token::Text(text) => {
                let text = text.clone();
                self.advance();
                ExprKind::Literal(Literal::String(text))
            }
            Token::TemplateStart => self.template()?,
            Token::TagOpen => ExprKind::Tag(self.tag()?),
            Token::Quoted(_) => self.named()?,
            Token::Word(_) => self.word()?,
            Token::Sym("(") => self.parens()?,
            Token::Sym("[") => {
                self.advance();
                ExprKind::Array(self.list_until("]")?)
            }
            Token::Sym("{") => self.braces()?,
            Token::Sym("*") => {
                self.advance();
                self.asterisk(Vec::new())?
            }
            _ => return Err(self.unexpected("an expression")),
        };
        Ok(self.close(kind, start))
    }

    fn close(&self, kind: ExprKind, start: Span) -> Expr {
        Expr { kind, span: self.span_since(start) }
    }

    /// `.name`, `.1`, `[x]`, `?.x`, `::T` after an operand.
    pub(super) fn postfix(&mut self, mut operand: Expr, start: Span) -> Result<Expr, SyntaxError> {
        let mut links = 0;
        while let Token::Sym(symbol @ ("." | "?." | "[" | "::" | "(")) = *self.peek() {
            links += 1;
            if links > super::MAX_NESTING {
                return self.fail(format!("more than {} accesses in a row", super::MAX_NESTING), self.span());
            }
            let kind = match symbol {
                "." => self.dot(operand)?,
                "?." => self.nullish_access(operand)?,
                "[" => self.bracket(operand)?,
                "::" => {
                    self.advance();
                    let type_name = self.cast_type()?;
                    ExprKind::Cast { expr: Box::new(operand), type_name, try_cast: false }
                }
                _ => return self.fail("only functions can be called, by their name", operand.span),
            };
            operand = self.close(kind, start);
        }
        self.height += links;
        Ok(operand)
    }

    fn dot(&mut self, operand: Expr) -> Result<ExprKind, SyntaxError> {
        self.advance();
        if let Token::Int(index) = *self.peek() {
            let index = self.tuple_index(index)?;
            return Ok(ExprKind::TupleAccess { tuple: Box::new(operand), index, nullish: false });
        }
        if self.accept_sym("*") {
            return match operand.kind {
                ExprKind::Field(chain) => {
                    let qualifier = chain.iter().filter_map(|segment| segment.as_name().map(str::to_owned)).collect();
                    self.asterisk(qualifier)
                }
                _ => self.fail("`.*` needs the name of a table before it", operand.span),
            };
        }
        let name = self.name()?;
        Ok(match operand.kind {
            ExprKind::Field(mut chain) => {
                chain.push(Segment::Name(name));
                ExprKind::Field(chain)
            }
            kind => self.key_access(Expr { kind, span: operand.span }, name, false),
        })
    }

    fn key_access(&self, array: Expr, name: String, nullish: bool) -> ExprKind {
        let index = self.close(ExprKind::Literal(Literal::String(name)), self.span());
        ExprKind::ArrayAccess { array: Box::new(array), index: Box::new(index), nullish }
    }

    fn tuple_index(&mut self, index: u64) -> Result<u32, SyntaxError> {
        match u32::try_from(index) {
            Ok(index) if index > 0 => {
                self.advance();
                Ok(index)
            }
            _ => self.fail("SQL indexes start from one, not from zero. E.g: array.1", self.span()),
        }
    }

    fn nullish_access(&mut self, operand: Expr) -> Result<ExprKind, SyntaxError> {
        self.advance();
        if self.accept_sym("[") {
            let index = Box::new(self.expr()?);
            self.refuse_zero(&index)?;
            self.expect_sym("]")?;
            return Ok(ExprKind::ArrayAccess { array: Box::new(operand), index, nullish: true });
        }
        if let Token::Int(index) = *self.peek() {
            let index = self.tuple_index(index)?;
            return Ok(ExprKind::TupleAccess { tuple: Box::new(operand), index, nullish: true });
        }
        let name = self.name()?;
        Ok(self.key_access(operand, name, true))
    }

    fn refuse_zero(&self, index: &Expr) -> Result<(), SyntaxError> {
        match index.kind {
            ExprKind::Literal(Literal::Int(0)) => self.fail("SQL indexes start from one, not from zero. E.g: array[1]", index.span),
            _ => Ok(()),
        }
    }

    /// `[index]` or the slice `[from:to]`, both ends included.
    fn bracket(&mut self, operand: Expr) -> Result<ExprKind, SyntaxError> {
        self.advance();
        let start = self.span();
        let int = |value| Expr { kind: ExprKind::Literal(Literal::Int(value)), span: start };
        let from = if self.is_sym(":") { int(1) } else { self.expr()? };
        if !self.accept_sym(":") {
            self.refuse_zero(&from)?;
            self.expect_sym("]")?;
            return Ok(ExprKind::ArrayAccess { array: Box::new(operand), index: Box::new(from), nullish: false });
        }
        let mut args = vec![operand, from.clone()];
        if !self.is_sym("]") {
            let to = self.expr()?;
            let distance = plain_call("minus", vec![to, from]);
            let length = plain_call("plus", vec![self.close(distance, start), int(1)]);
            args.push(self.close(length, start));
        }
        self.expect_sym("]")?;
        Ok(plain_call("arraySlice", args))
    }

    /// Expressions up to a closing bracket; a comma may stand before it.
    pub(super) fn list_until(&mut self, close: &str) -> Result<Vec<Expr>, SyntaxError> {
        let mut exprs = Vec::new();
        while !self.is_sym(close) {
            exprs.push(self.expr()?);
            if !self.accept_sym(",") {
                break;
            }
        }
        self.expect_sym(close)?;
        Ok(exprs)
    }

    /// After `(`: a subquery, parameters of a lambda, a tuple, or plain parentheses, which leave no trace.
    fn parens(&mut self) -> Result<ExprKind, SyntaxError> {
        if let Some(params) = self.lambda_params_in_parens() {
            return self.lambda(params);
        }
        if self.query_follows_paren() {
            self.advance();
            let query = Box::new(self.query()?);
            self.expect_sym(")")?;
            return Ok(ExprKind::Subquery(query));
        }
        self.expect_sym("(")?;
        let first = self.expr()?;
        if self.accept_sym(")") {
            return Ok(first.kind);
        }
        self.expect_sym(",")?;
        let mut exprs = vec![first];
        exprs.extend(self.list_until(")")?);
        Ok(ExprKind::Tuple(exprs))
    }

    /// Whether the `(` here, or several of them, hold a query: SELECT or WITH follows, and what stands behind the innermost one up to
    /// the outermost `)` can only combine or end queries. `((SELECT 1) + 1)` begins like a query but is an expression.
    pub(super) fn query_follows_paren(&self) -> bool {
        let parens = (0..).take_while(|ahead| self.is_sym_at(*ahead, "(")).count();
        if parens == 0 || !(self.is_kw_at(parens, "select") || self.is_kw_at(parens, "with")) {
            return false;
        }
        let mut depth = parens;
        for ahead in parens.. {
            match self.peek_at(ahead) {
                Token::End => return true,
                Token::Sym("(") => depth += 1,
                Token::Sym(")") => {
                    depth -= 1;
                    if depth == 0 {
                        return true;
                    }
                }
                _ if depth >= parens => {}
                Token::Word(word) => return super::is_one_of(word, &["union", "intersect", "except", "order", "limit", "offset"]),
                _ => return false,
            }
        }
        true
    }

    /// `{expr}` is a placeholder, `{key: value}` a dictionary.
    fn braces(&mut self) -> Result<ExprKind, SyntaxError> {
        self.expect_sym("{")?;
        if self.accept_sym("}") {
            return Ok(ExprKind::Dict(Vec::new()));
        }
        let first = self.expr()?;
        if self.accept_sym("}") {
            return Ok(ExprKind::Placeholder(Box::new(first)));
        }
        self.expect_sym(":")?;
        let mut pairs = vec![(first, self.expr()?)];
        while self.accept_sym(",") && !self.is_sym("}") {
            let key = self.expr()?;
            self.expect_sym(":")?;
            pairs.push((key, self.expr()?));
        }
        self.expect_sym("}")?;
        Ok(ExprKind::Dict(pairs))
    }

    /// After `*`: which columns to leave out or to replace.
    fn asterisk(&mut self, qualifier: Vec<String>) -> Result<ExprKind, SyntaxError> {
        let mut asterisk = Asterisk { qualifier, ..Asterisk::default() };
        if qualifier_follows(self, &["exclude", "except"]) {
            self.advance();
            asterisk.exclude = self.names_in_parens()?;
        }
        if qualifier_follows(self, &["replace"]) {
            self.advance();
            self.expect_sym("(")?;
            for expr in self.list_until(")")? {
                match expr.kind {
                    ExprKind::Alias { expr, alias } => asterisk.replace.push((*expr, alias)),
                    _ => return self.fail("REPLACE needs `expression AS column`", expr.span),
                }
            }
        }
        Ok(ExprKind::Asterisk(asterisk))
    }

    /// `COLUMNS('regex')`, `COLUMNS(*)`, `COLUMNS(t.* EXCLUDE (a))`.
    pub(super) fn columns(&mut self) -> Result<ExprKind, SyntaxError> {
        let start = self.span();
        self.advance();
        self.expect_sym("(")?;
        let inner = self.expr()?;
        self.expect_sym(")")?;
        match inner.kind {
            ExprKind::Literal(Literal::String(regex)) => Ok(ExprKind::Asterisk(Asterisk { matching: Some(regex), ..Asterisk::default() })),
            kind @ ExprKind::Asterisk(_) => Ok(kind),
            _ => self.fail("COLUMNS takes a regular expression or `*`", self.span_since(start)),
        }
    }

    fn template(&mut self) -> Result<ExprKind, SyntaxError> {
        let start = self.span();
        self.advance();
        let mut parts = Vec::new();
        while self.peek() != &Token::TemplateEnd {
            let part_start = self.span();
            if let Token::Chunk(text) = self.peek() {
                let literal = ExprKind::Literal(Literal::String(text.clone()));
                self.advance();
                parts.push(self.close(literal, part_start));
            } else {
                self.expect_sym("{")?;
                parts.push(self.expr()?);
                self.expect_sym("}")?;
            }
        }
        self.advance();
        Ok(match parts.len() {
            0 => ExprKind::Literal(Literal::String(String::new())),
            1 => parts.swap_remove(0).kind,
            _ => self.close(plain_call("concat", parts), start).kind,
        })
    }

    /// `x -> …`, `x, y -> …` without parentheses.
    pub(super) fn lambda_params(&mut self) -> Option<Vec<String>> {
        self.params_until(0, |parser, ahead| parser.is_sym_at(ahead, "->").then_some(ahead + 1))
    }

    /// `(x, y) -> …`, `() -> …`.
    fn lambda_params_in_parens(&mut self) -> Option<Vec<String>> {
        if self.is_sym_at(1, ")") && self.is_sym_at(2, "->") {
            self.at += 3;
            return Some(Vec::new());
        }
        self.params_until(1, |parser, ahead| (parser.is_sym_at(ahead, ")") && parser.is_sym_at(ahead + 1, "->")).then_some(ahead + 2))
    }

    /// Names and commas from `ahead` on, if what `close` looks for follows them; takes all of it then.
    fn params_until(&mut self, mut ahead: usize, close: fn(&Self, usize) -> Option<usize>) -> Option<Vec<String>> {
        let mut params = Vec::new();
        while let Token::Word(name) | Token::Quoted(name) = self.peek_at(ahead) {
            params.push(name.clone());
            if params.len() > MAX_LAMBDA_PARAMS {
                return None;
            }
            ahead += 1;
            let comma = self.is_sym_at(ahead, ",");
            ahead += usize::from(comma);
            if let Some(end) = close(self, ahead) {
                self.at += end;
                return Some(params);
            }
            if !comma {
                return None;
            }
        }
        None
    }

    pub(super) fn lambda(&mut self, params: Vec<String>) -> Result<ExprKind, SyntaxError> {
        let body = Box::new(self.expr()?);
        Ok(ExprKind::Lambda { params, body })
    }
}

fn qualifier_follows(parser: &Parser, keywords: &[&str]) -> bool {
    let names_follow = match parser.peek_at(2) {
        Token::Word(word) => !super::is_one_of(word, &["select", "with"]),
        Token::Quoted(_) => true,
        // `REPLACE (1 + a AS a)`
        _ => keywords.contains(&"replace"),
    };
    parser.is_any_kw(keywords) && parser.is_sym_at(1, "(") && names_follow
}
