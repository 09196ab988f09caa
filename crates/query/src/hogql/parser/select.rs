//! SELECT and its clauses, and queries combined with UNION and its like.

use super::{NO_IMPLICIT_ALIAS, Parser, RESERVED, is_one_of};
use crate::hogql::ast::{
    ArrayJoin, Cte, CteBody, Expr, ExprKind, Fill, GroupBy, LimitBy, Nulls, OrderExpr, Query, SelectQuery, SelectSet, SetOp,
};
use crate::hogql::error::SyntaxError;
use crate::hogql::lexer::Token;

impl Parser {
    /// One query or several combined.
    pub(super) fn query(&mut self) -> Result<Query, SyntaxError> {
        let start = self.span();
        let first = self.query_operand()?;
        let mut rest = Vec::new();
        while let Some(op) = self.set_op()? {
            rest.push((op, self.query_operand()?));
        }
        let mut set = SelectSet { first, rest, order_by: Vec::new(), limit: None, offset: None, span: self.span_since(start) };
        if self.accept_kws(&["order", "by"]) {
            set.order_by = self.order_list()?;
        }
        if self.accept_kw("limit") {
            set.limit = Some(self.expr()?);
            if self.accept_sym(",") {
                set.offset = Some(self.expr()?);
            }
        }
        if self.accept_kw("offset") {
            set.offset = Some(self.expr()?);
        }
        let is_bare = set.rest.is_empty() && set.order_by.is_empty() && set.limit.is_none() && set.offset.is_none();
        Ok(if is_bare { set.first } else { Query::Set(Box::new(set)) })
    }

    fn set_op(&mut self) -> Result<Option<SetOp>, SyntaxError> {
        let op = if self.accept_kw("union") {
            if self.accept_kw("all") {
                SetOp::UnionAll
            } else if self.accept_kw("distinct") {
                SetOp::UnionDistinct
            } else {
                return Err(self.unexpected("ALL or DISTINCT after UNION"));
            }
        } else if self.accept_kw("intersect") {
            if self.accept_kw("distinct") { SetOp::IntersectDistinct } else { SetOp::Intersect }
        } else if self.accept_kw("except") {
            if self.accept_kw("distinct") { SetOp::ExceptDistinct } else { SetOp::Except }
        } else {
            return Ok(None);
        };
        Ok(Some(op))
    }

    fn query_operand(&mut self) -> Result<Query, SyntaxError> {
        if self.is_sym("{") {
            self.advance();
            let inner = Box::new(self.expr()?);
            self.expect_sym("}")?;
            return Ok(Query::Placeholder(inner));
        }
        self.nested(|parser| {
            if parser.accept_sym("(") {
                let query = parser.query()?;
                parser.expect_sym(")")?;
                return Ok(query);
            }
            if !parser.is_kw("select") && !parser.is_kw("with") {
                return Err(parser.unexpected("SELECT or WITH"));
            }
            parser.select().map(Query::from)
        })
    }

    fn select(&mut self) -> Result<SelectQuery, SyntaxError> {
        let start = self.span();
        let mut select = SelectQuery::default();
        if self.accept_kw("with") {
            select.ctes = self.ctes()?;
        }
        self.expect_kw("select")?;
        self.distinct_and_top(&mut select)?;
        select.select = self.select_list()?;
        self.sources(&mut select)?;
        self.filters_and_groups(&mut select)?;
        if self.accept_kws(&["order", "by"]) {
            select.order_by = self.order_list()?;
        }
        self.limits(&mut select)?;
        for clause in ["settings", "format", "into"] {
            if self.is_kw(clause) {
                return self.fail(format!("{} is not supported", clause.to_ascii_uppercase()), self.span());
            }
        }
        select.span = self.span_since(start);
        Ok(select)
    }

    fn ctes(&mut self) -> Result<Vec<Cte>, SyntaxError> {
        let names_follow = matches!(self.peek_at(1), Token::Word(_) | Token::Quoted(_)) && !self.is_kw_at(1, "as");
        let is_recursive = names_follow && self.accept_kw("recursive");
        let mut ctes = Vec::new();
        loop {
            ctes.push(Cte { is_recursive, ..self.cte()? });
            if !self.accept_sym(",") || self.is_kw("select") {
                return Ok(ctes);
            }
        }
    }

    /// `name [(columns)] AS [[NOT] MATERIALIZED] (SELECT …)` or `expr AS name`.
    fn cte(&mut self) -> Result<Cte, SyntaxError> {
        let start = self.span();
        let columns_end = self.names_in_parens_end(1);
        let named = matches!(self.peek(), Token::Word(_) | Token::Quoted(_));
        if named && self.is_kw_at(columns_end, "as") && !matches!(self.peek_at(columns_end + 1), Token::End) {
            let mut body = columns_end + 1;
            body += usize::from(self.is_kw_at(body, "not") && self.is_kw_at(body + 1, "materialized"));
            body += usize::from(self.is_kw_at(body, "materialized"));
            if self.is_sym_at(body, "(") {
                let name = self.name()?;
                let columns = if self.is_sym("(") { self.names_in_parens()? } else { Vec::new() };
                self.at += body - columns_end;
                self.expect_sym("(")?;
                let query = self.nested(Parser::query)?;
                self.expect_sym(")")?;
                return Ok(Cte { name, columns, is_recursive: false, body: CteBody::Query(Box::new(query)), span: self.span_since(start) });
            }
        }
        let expr = self.expr()?;
        match expr.kind {
            ExprKind::Alias { expr, alias } => {
                Ok(Cte { name: alias, columns: Vec::new(), is_recursive: false, body: CteBody::Expr(expr), span: self.span_since(start) })
            }
            _ => self.fail("WITH needs `name AS (SELECT …)` or `expression AS name`", expr.span),
        }
    }

    /// Where a list of names in parentheses that starts `ahead` ends, or `ahead` itself if there is none.
    fn names_in_parens_end(&self, ahead: usize) -> usize {
        let mut end = ahead + 1;
        if !self.is_sym_at(ahead, "(") {
            return ahead;
        }
        while matches!(self.peek_at(end), Token::Word(_) | Token::Quoted(_)) {
            end += 1;
            if self.is_sym_at(end, ")") {
                return end + 1;
            }
            if !self.is_sym_at(end, ",") {
                return ahead;
            }
            end += 1;
        }
        ahead
    }

    fn distinct_and_top(&mut self, select: &mut SelectQuery) -> Result<(), SyntaxError> {
        if self.is_kw("distinct") {
            self.advance();
            if self.is_kw("on") && self.is_sym_at(1, "(") {
                self.at += 2;
                select.distinct_on = self.list_until(")")?;
            } else {
                select.distinct = true;
            }
        }
        if self.is_kw("top") && matches!(self.peek_at(1), Token::Int(_)) {
            self.advance();
            select.limit = Some(self.primary()?);
            select.with_ties = self.accept_kws(&["with", "ties"]);
        }
        Ok(())
    }

    fn select_list(&mut self) -> Result<Vec<Expr>, SyntaxError> {
        let mut exprs = Vec::new();
        loop {
            exprs.push(self.select_item()?);
            if !self.accept_sym(",") || self.list_ends() {
                return Ok(exprs);
            }
        }
    }

    /// An expression; its name may follow without `AS` or come before a colon.
    fn select_item(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.span();
        if matches!(self.peek(), Token::Word(_) | Token::Quoted(_)) && self.is_sym_at(1, ":") {
            let alias = self.alias()?;
            self.advance();
            let expr = Box::new(self.expr()?);
            return Ok(Expr { kind: ExprKind::Alias { expr, alias }, span: self.span_since(start) });
        }
        let expr = self.expr()?;
        let alias_span = self.span();
        Ok(match self.implicit_alias() {
            Some(alias) => {
                self.refuse_reserved(&alias, alias_span)?;
                Expr { kind: ExprKind::Alias { expr: Box::new(expr), alias }, span: self.span_since(start) }
            }
            None => expr,
        })
    }

    /// Whether a list is over after a comma.
    fn list_ends(&self) -> bool {
        match self.peek() {
            Token::End | Token::Sym(")" | "]" | "}" | ";") => true,
            Token::Word(word) => {
                is_one_of(word, &RESERVED) && !self.is_sym_at(1, ".") && (!self.is_sym_at(1, "(") || word.eq_ignore_ascii_case("from"))
            }
            _ => false,
        }
    }

    /// The expressions of a clause.
    pub(super) fn clause_list(&mut self) -> Result<Vec<Expr>, SyntaxError> {
        let mut exprs = vec![self.expr()?];
        while self.accept_sym(",") && !self.list_ends() {
            exprs.push(self.expr()?);
        }
        Ok(exprs)
    }

    fn sources(&mut self, select: &mut SelectQuery) -> Result<(), SyntaxError> {
        if self.accept_kw("from") {
            select.from = Some(self.tables()?);
        }
        let left = self.is_kw("left");
        if self.accept_kws(&["array", "join"])
            || self.accept_kws(&["left", "array", "join"])
            || self.accept_kws(&["inner", "array", "join"])
        {
            let exprs = self.clause_list()?;
            if let Some(nameless) = exprs.iter().find(|expr| !matches!(expr.kind, ExprKind::Alias { .. } | ExprKind::Field(_))) {
                return self.fail("ARRAY JOIN arrays must have an alias", nameless.span);
            }
            select.array_join = Some(ArrayJoin { left, exprs });
        }
        if self.accept_kw("prewhere") {
            select.prewhere = Some(self.expr()?);
        }
        if self.accept_kw("where") {
            select.filter = Some(self.expr()?);
        }
        Ok(())
    }

    fn filters_and_groups(&mut self, select: &mut SelectQuery) -> Result<(), SyntaxError> {
        if self.accept_kws(&["group", "by"]) {
            select.group_by = Some(self.group_by()?);
        }
        if self.is_kw("with") && self.is_kw_at(1, "totals") {
            return self.fail("WITH TOTALS is not supported: use ROLLUP", self.span());
        }
        if self.accept_kw("having") {
            select.having = Some(self.expr()?);
        }
        if self.accept_kw("qualify") {
            select.qualify = Some(self.expr()?);
        }
        if self.accept_kw("window") {
            loop {
                let name = self.name()?;
                self.expect_kw("as")?;
                self.expect_sym("(")?;
                let window = self.window()?;
                self.expect_sym(")")?;
                select.windows.push((name, window));
                if !self.accept_sym(",") {
                    break;
                }
            }
        }
        if select.qualify.is_none() && self.accept_kw("qualify") {
            select.qualify = Some(self.expr()?);
        }
        Ok(())
    }

    fn group_by(&mut self) -> Result<GroupBy, SyntaxError> {
        if self.is_kw("all") && !self.is_sym_at(1, "(") && !self.is_sym_at(1, ".") {
            self.advance();
            return Ok(GroupBy::All);
        }
        if self.accept_kws(&["grouping", "sets"]) {
            self.expect_sym("(")?;
            let mut sets = Vec::new();
            while self.accept_sym("(") {
                sets.push(self.list_until(")")?);
                if !self.accept_sym(",") {
                    break;
                }
            }
            self.expect_sym(")")?;
            return Ok(GroupBy::Sets(sets));
        }
        for (keyword, grouping) in [("rollup", GroupBy::Rollup as fn(_) -> _), ("cube", GroupBy::Cube)] {
            if self.is_kw(keyword) && self.is_sym_at(1, "(") {
                self.at += 2;
                return Ok(grouping(self.list_until(")")?));
            }
        }
        let exprs = self.clause_list()?;
        Ok(if self.accept_kws(&["with", "rollup"]) {
            GroupBy::Rollup(exprs)
        } else if self.accept_kws(&["with", "cube"]) {
            GroupBy::Cube(exprs)
        } else {
            GroupBy::Exprs(exprs)
        })
    }

    pub(super) fn order_list(&mut self) -> Result<Vec<OrderExpr>, SyntaxError> {
        let mut exprs = vec![self.order_expr()?];
        while self.accept_sym(",") && !self.list_ends() {
            exprs.push(self.order_expr()?);
        }
        if self.is_kw("interpolate") {
            return self.fail("INTERPOLATE is not supported", self.span());
        }
        Ok(exprs)
    }

    pub(super) fn order_expr(&mut self) -> Result<OrderExpr, SyntaxError> {
        let start = self.span();
        let expr = self.expr()?;
        let descending = self.accept_kw("desc") || self.accept_kw("descending");
        if !descending && !self.accept_kw("asc") {
            self.accept_kw("ascending");
        }
        let nulls = match (self.accept_kws(&["nulls", "first"]), self.accept_kws(&["nulls", "last"])) {
            (true, _) => Some(Nulls::First),
            (_, true) => Some(Nulls::Last),
            _ => None,
        };
        if self.is_kw("collate") {
            return self.fail("COLLATE is not supported", self.span());
        }
        let fill = if self.accept_kws(&["with", "fill"]) { Some(self.fill()?) } else { None };
        Ok(OrderExpr { expr, descending, nulls, fill, span: self.span_since(start) })
    }

    fn fill(&mut self) -> Result<Fill, SyntaxError> {
        let mut fill = Fill::default();
        if self.accept_kw("from") {
            fill.from = Some(self.expr()?);
        }
        if self.accept_kw("to") {
            fill.to = Some(self.expr()?);
        }
        if self.accept_kw("step") {
            fill.step = Some(self.expr()?);
        }
        Ok(fill)
    }

    /// `LIMIT n [, m | OFFSET m] BY …`, then `LIMIT n [, m] [WITH TIES] [OFFSET m]`. In either form `m` is the offset, as in PostHog.
    fn limits(&mut self, select: &mut SelectQuery) -> Result<(), SyntaxError> {
        while self.accept_kw("limit") {
            let limit = self.expr()?;
            if self.is_sym("%") || self.is_kw("percent") {
                return self.fail("LIMIT takes a number of rows", self.span());
            }
            let mut offset = if self.accept_sym(",") { Some(self.expr()?) } else { None };
            select.with_ties |= self.accept_kws(&["with", "ties"]);
            if offset.is_none() && self.accept_kw("offset") {
                offset = Some(self.expr()?);
            }
            if select.limit_by.is_none() && self.accept_kw("by") {
                select.limit_by = Some(LimitBy { limit, offset, exprs: self.clause_list()? });
                continue;
            }
            select.limit = Some(limit);
            select.offset = offset;
            return Ok(());
        }
        if self.accept_kw("offset") {
            select.offset = Some(self.expr()?);
        }
        Ok(())
    }

    /// Whether a word can name a table without `AS`.
    pub(super) fn table_alias(&mut self) -> Option<String> {
        let word_allowed = match self.peek() {
            Token::Word(word) => {
                !is_one_of(word, &["final", "array", "sample", "any", "all", "asof", "semi", "anti"])
                    && (is_one_of(word, &["first", "key"]) || !is_one_of(word, &NO_IMPLICIT_ALIAS))
            }
            _ => true,
        };
        if word_allowed { self.implicit_or_keyword_alias() } else { None }
    }

    fn implicit_or_keyword_alias(&mut self) -> Option<String> {
        if self.is_any_kw(&["first", "key"]) { self.name().ok() } else { self.implicit_alias() }
    }
}
