//! Operands that begin with a word: names, calls and the SQL forms that look like calls.

use super::expr::plain_call;
use super::{Parser, RESERVED, is_one_of};
use crate::hogql::ast::{Call, CompareOp, Expr, ExprKind, FrameBound, FrameUnit, Literal, Over, Segment, Window, WindowFrame};
use crate::hogql::error::SyntaxError;
use crate::hogql::lexer::Token;

impl Parser {
    pub(super) fn word(&mut self) -> Result<ExprKind, SyntaxError> {
        let Token::Word(word) = self.peek() else { return Err(self.unexpected("a name")) };
        let lower = word.to_ascii_lowercase();
        let called = self.is_sym_at(1, "(");
        let text_follows = matches!(self.peek_at(1), Token::Text(_));
        match lower.as_str() {
            "null" if !self.is_sym_at(1, ".") => self.constant(Literal::Null),
            "true" if !self.is_sym_at(1, ".") => self.constant(Literal::Bool(true)),
            "false" if !self.is_sym_at(1, ".") => self.constant(Literal::Bool(false)),
            "case" if !self.is_sym_at(1, ".") => self.case(),
            "cast" | "try_cast" if called => self.cast(lower == "try_cast"),
            "date" if text_follows => self.text_call("toDate"),
            "timestamp" if text_follows => self.text_call("toDateTime"),
            "interval" => self.interval(),
            "substring" if called => self.substring(),
            "trim" if called => self.trim(),
            "extract" if called => self.extract(),
            "position" if called => self.position(),
            "columns" if called => self.columns(),
            "array" if self.is_sym_at(1, "[") => {
                self.at += 2;
                Ok(ExprKind::Array(self.list_until("]")?))
            }
            "lambda" if matches!(self.peek_at(1), Token::Word(_)) => self.colon_lambda(),
            "from" => Err(self.unexpected("an expression")),
            _ if is_one_of(&lower, &RESERVED) && !called && !self.is_sym_at(1, ".") => Err(self.unexpected("an expression")),
            _ => self.named(),
        }
    }

    fn constant(&mut self, literal: Literal) -> Result<ExprKind, SyntaxError> {
        self.advance();
        Ok(ExprKind::Literal(literal))
    }

    /// `DATE 'text'`.
    fn text_call(&mut self, function: &str) -> Result<ExprKind, SyntaxError> {
        self.advance();
        let text = self.primary()?;
        Ok(plain_call(function, vec![text]))
    }

    /// A lambda, a call, or the first segment of a field.
    pub(super) fn named(&mut self) -> Result<ExprKind, SyntaxError> {
        if let Some(params) = self.lambda_params() {
            return self.lambda(params);
        }
        let name = self.name()?;
        if self.is_sym("(") { self.call(name) } else { Ok(ExprKind::Field(vec![Segment::Name(name)])) }
    }

    /// `LAMBDA x, y: body`.
    fn colon_lambda(&mut self) -> Result<ExprKind, SyntaxError> {
        self.advance();
        let mut params = vec![self.name()?];
        while self.accept_sym(",") && !self.is_sym(":") {
            params.push(self.name()?);
        }
        self.expect_sym(":")?;
        self.lambda(params)
    }

    /// After a function's name: parameters, arguments, filter, window.
    fn call(&mut self, name: String) -> Result<ExprKind, SyntaxError> {
        self.expect_sym("(")?;
        let mut call = Call { name, ..Call::default() };
        self.arguments(&mut call)?;
        if self.is_sym("(") && !call.distinct && call.order_by.is_empty() {
            self.advance();
            call.params = Some(std::mem::take(&mut call.args));
            self.arguments(&mut call)?;
        }
        if self.accept_kws(&["within", "group"]) {
            self.within_group(&mut call)?;
        }
        if self.is_kw("filter") && self.is_sym_at(1, "(") {
            self.at += 2;
            self.expect_kw("where")?;
            call.filter = Some(Box::new(self.expr()?));
            self.expect_sym(")")?;
        }
        if self.accept_kw("over") {
            let over = if self.accept_sym("(") {
                let window = self.window()?;
                self.expect_sym(")")?;
                Over::Window(window)
            } else {
                Over::Named(self.name()?)
            };
            call.over = Some(Box::new(over));
        }
        Ok(ExprKind::Call(call))
    }

    /// `percentile_cont(0.5) WITHIN GROUP (ORDER BY x)` is `quantile(0.5)(x)`, `percentile_disc` is `quantileExact`.
    fn within_group(&mut self, call: &mut Call) -> Result<(), SyntaxError> {
        let function = match call.name.to_ascii_lowercase().as_str() {
            "percentile_cont" => "quantile",
            "percentile_disc" => "quantileExact",
            _ => return self.fail(format!("'{}' does not take WITHIN GROUP", call.name), self.span()),
        };
        self.expect_sym("(")?;
        self.expect_kw("order")?;
        self.expect_kw("by")?;
        let order = self.order_expr()?;
        self.expect_sym(")")?;
        if order.descending {
            return self.fail("WITHIN GROUP needs an ascending order", order.span);
        }
        function.clone_into(&mut call.name);
        call.params = Some(std::mem::replace(&mut call.args, vec![order.expr]));
        Ok(())
    }

    /// Arguments up to the closing parenthesis.
    fn arguments(&mut self, call: &mut Call) -> Result<(), SyntaxError> {
        // `f(SELECT …)` needs no second pair of parentheses.
        let is_query = self.is_kw("select") || (self.is_kw("with") && !self.is_sym_at(1, ",") && !self.is_sym_at(1, ")"));
        if is_query {
            let start = self.span();
            let query = Box::new(self.query()?);
            call.args.push(Expr { kind: ExprKind::Subquery(query), span: self.span_since(start) });
            return self.expect_sym(")");
        }
        if self.is_kw("distinct") && !self.is_sym_at(1, ",") && !self.is_sym_at(1, ")") {
            self.advance();
            call.distinct = true;
        }
        while !(self.is_sym(")") || self.is_kw("order") && self.is_kw_at(1, "by")) {
            call.args.push(self.expr()?);
            if !self.accept_sym(",") {
                break;
            }
        }
        if self.accept_kws(&["order", "by"]) {
            call.order_by = self.order_list()?;
        }
        self.expect_sym(")")
    }

    /// `PARTITION BY … ORDER BY … ROWS …`, without the parentheses.
    pub(super) fn window(&mut self) -> Result<Window, SyntaxError> {
        let mut window = Window::default();
        if self.accept_kws(&["partition", "by"]) {
            window.partition_by = self.clause_list()?;
        }
        if self.accept_kws(&["order", "by"]) {
            window.order_by = self.order_list()?;
        }
        let unit = match (self.accept_kw("rows"), self.accept_kw("range")) {
            (true, _) => FrameUnit::Rows,
            (_, true) => FrameUnit::Range,
            _ => return Ok(window),
        };
        let frame = if self.accept_kw("between") {
            let start = self.frame_bound()?;
            self.expect_kw("and")?;
            WindowFrame { unit, start, end: Some(self.frame_bound()?) }
        } else {
            WindowFrame { unit, start: self.frame_bound()?, end: None }
        };
        window.frame = Some(frame);
        Ok(window)
    }

    fn frame_bound(&mut self) -> Result<FrameBound, SyntaxError> {
        if self.accept_kws(&["current", "row"]) {
            return Ok(FrameBound::CurrentRow);
        }
        let rows = if self.accept_kw("unbounded") {
            None
        } else if let Token::Int(rows) = *self.peek() {
            self.advance();
            Some(rows)
        } else {
            return Err(self.unexpected("CURRENT ROW, UNBOUNDED or a whole number"));
        };
        if self.accept_kw("preceding") {
            Ok(FrameBound::Preceding(rows))
        } else if self.accept_kw("following") {
            Ok(FrameBound::Following(rows))
        } else {
            Err(self.unexpected("PRECEDING or FOLLOWING"))
        }
    }

    fn case(&mut self) -> Result<ExprKind, SyntaxError> {
        let start = self.span();
        self.advance();
        let subject = if self.is_kw("when") { None } else { Some(self.expr()?) };
        let mut branches = Vec::new();
        while self.accept_kw("when") {
            let when = self.expr()?;
            self.expect_kw("then")?;
            branches.push((when, self.expr()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected("WHEN"));
        }
        let otherwise =
            if self.accept_kw("else") { self.expr()? } else { Expr { kind: ExprKind::Literal(Literal::Null), span: self.span() } };
        self.expect_kw("end")?;
        Ok(match subject {
            Some(subject) => {
                let span = self.span_since(start);
                let (keys, values): (Vec<_>, Vec<_>) = branches.into_iter().unzip();
                let array = |exprs| Expr { kind: ExprKind::Array(exprs), span };
                plain_call("transform", vec![subject, array(keys), array(values), otherwise])
            }
            None => {
                let name = if branches.len() == 1 { "if" } else { "multiIf" };
                let mut args: Vec<Expr> = branches.into_iter().flat_map(|(when, then)| [when, then]).collect();
                args.push(otherwise);
                plain_call(name, args)
            }
        })
    }

    /// `CAST(x AS T)`, or ClickHouse's `CAST(x, 'T')`.
    fn cast(&mut self, try_cast: bool) -> Result<ExprKind, SyntaxError> {
        self.at += 2;
        // Above `AS`, which belongs to the cast here.
        let expr = Box::new(self.expr_above(super::expr::LOWEST + 2)?);
        let type_name = if self.accept_sym(",") {
            match self.peek() {
                Token::Text(name) => {
                    let name = name.clone();
                    self.advance();
                    name
                }
                _ => return Err(self.unexpected("the name of a type in quotes")),
            }
        } else {
            self.expect_kw("as")?;
            self.type_name(false)?
        };
        self.expect_sym(")")?;
        Ok(ExprKind::Cast { expr, type_name, try_cast })
    }

    /// The type after `::`.
    pub(super) fn cast_type(&mut self) -> Result<String, SyntaxError> {
        self.type_name(true)
    }

    /// `Nullable(Int64)`, `Array(String)`, `int[]`, `timestamp with time zone`; written back with single spaces.
    fn type_name(&mut self, single_word: bool) -> Result<String, SyntaxError> {
        let mut name = self.name()?;
        while !single_word && matches!(self.peek(), Token::Word(_)) {
            name.push(' ');
            name.push_str(&self.name()?);
        }
        if single_word && self.is_kw("with") && (self.is_kw_at(1, "time") || self.is_kw_at(1, "local")) {
            while self.is_any_kw(&["with", "local", "time", "zone"]) {
                name.push(' ');
                name.push_str(&self.name()?);
            }
        }
        if self.accept_sym("(") {
            name.push('(');
            let mut args = Vec::new();
            while !self.is_sym(")") {
                args.push(self.type_argument()?);
                if !self.accept_sym(",") {
                    break;
                }
            }
            self.expect_sym(")")?;
            name.push_str(&args.join(", "));
            name.push(')');
        }
        while self.is_sym("[") && self.is_sym_at(1, "]") {
            self.at += 2;
            name.push_str("[]");
        }
        Ok(name)
    }

    fn type_argument(&mut self) -> Result<String, SyntaxError> {
        match self.peek() {
            Token::Int(number) => {
                let number = number.to_string();
                self.advance();
                Ok(number)
            }
            Token::Text(text) => {
                let text = format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
                self.advance();
                Ok(text)
            }
            _ => self.nested(|parser| parser.type_name(false)),
        }
    }

    /// `INTERVAL 7 DAY`, `INTERVAL '7 day'`; a field named `interval` otherwise.
    fn interval(&mut self) -> Result<ExprKind, SyntaxError> {
        let start = self.span();
        if let Token::Text(text) = self.peek_at(1)
            && let Some((count, unit)) = text.trim().split_once(' ')
            && let (Ok(count), Some(function)) = (count.parse::<i64>(), interval_function(unit.trim()))
        {
            self.at += 2;
            let count = Expr { kind: ExprKind::Literal(Literal::Int(count)), span: self.span_since(start) };
            return Ok(plain_call(function, vec![count]));
        }
        if !self.interval_count_follows() {
            return self.named();
        }
        self.advance();
        let count = self.expr()?;
        let function = match self.peek() {
            Token::Word(unit) => interval_function(unit),
            _ => None,
        };
        let Some(function) = function else {
            return Err(self.unexpected("SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"));
        };
        self.advance();
        Ok(plain_call(function, vec![count]))
    }

    /// Whether the word `interval` begins an interval. Decided by looking only: parsing twice would cost exponential time in nested texts.
    fn interval_count_follows(&self) -> bool {
        match self.peek_at(1) {
            Token::Int(_) | Token::Float(_) | Token::Text(_) | Token::Sym("(" | "{") => true,
            Token::Sym("-") => {
                matches!((self.peek_at(2), self.peek_at(3)), (Token::Int(_), Token::Word(unit)) if interval_function(unit).is_some())
            }
            Token::Word(_) | Token::Quoted(_) => {
                let mut ahead = 2;
                while self.is_sym_at(ahead, ".") {
                    ahead += 2;
                }
                match self.peek_at(ahead) {
                    Token::Sym("(") => true,
                    Token::Word(unit) => interval_function(unit).is_some(),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// `SUBSTRING(x FROM a FOR b)` or the plain call.
    fn substring(&mut self) -> Result<ExprKind, SyntaxError> {
        let name = self.name()?;
        self.expect_sym("(")?;
        let mut args = vec![self.expr()?];
        if self.accept_kw("from") {
            args.push(self.expr()?);
            if self.accept_kw("for") {
                args.push(self.expr()?);
            }
            self.expect_sym(")")?;
            return Ok(plain_call("substring", args));
        }
        if self.accept_sym(",") {
            args.extend(self.list_until(")")?);
        } else {
            self.expect_sym(")")?;
        }
        Ok(plain_call(&name, args))
    }

    /// `TRIM([BOTH | LEADING | TRAILING] 'chars' FROM x)` or the plain call.
    fn trim(&mut self) -> Result<ExprKind, SyntaxError> {
        let function = match self.peek_at(2) {
            Token::Word(word) if word.eq_ignore_ascii_case("both") => "trim",
            Token::Word(word) if word.eq_ignore_ascii_case("leading") => "trimLeft",
            Token::Word(word) if word.eq_ignore_ascii_case("trailing") => "trimRight",
            _ => return self.named(),
        };
        self.at += 3;
        let chars = if self.is_kw("from") { None } else { Some(self.expr()?) };
        self.expect_kw("from")?;
        let mut args = vec![self.expr()?];
        args.extend(chars);
        self.expect_sym(")")?;
        Ok(plain_call(function, args))
    }

    /// `EXTRACT(YEAR FROM x)` or ClickHouse's `extract(text, pattern)`.
    fn extract(&mut self) -> Result<ExprKind, SyntaxError> {
        if !self.is_kw_at(3, "from") {
            return self.named();
        }
        let Token::Word(part) = self.peek_at(2) else { return self.named() };
        let function = match part.to_ascii_lowercase().as_str() {
            "year" => "toYear",
            "quarter" => "toQuarter",
            "month" => "toMonth",
            "week" => "toISOWeek",
            "day" => "toDayOfMonth",
            "dow" => "toDayOfWeek",
            "doy" => "toDayOfYear",
            "hour" => "toHour",
            "minute" => "toMinute",
            "second" => "toSecond",
            "epoch" => "toUnixTimestamp",
            _ => return self.fail(format!("EXTRACT does not know `{part}`"), self.span()),
        };
        self.at += 4;
        let value = self.expr()?;
        self.expect_sym(")")?;
        Ok(plain_call(function, vec![value]))
    }

    /// `POSITION(needle IN haystack)` or the plain call.
    fn position(&mut self) -> Result<ExprKind, SyntaxError> {
        match self.named()? {
            ExprKind::Call(mut call) if call.args.len() == 1 => match call.args.remove(0) {
                Expr { kind: ExprKind::Compare { op: CompareOp::In, left, right }, .. } => {
                    call.args = vec![*right, *left];
                    Ok(ExprKind::Call(call))
                }
                only => {
                    call.args.push(only);
                    Ok(ExprKind::Call(call))
                }
            },
            kind => Ok(kind),
        }
    }
}

/// `day`, `days`, `DAY` → `toIntervalDay`.
fn interval_function(unit: &str) -> Option<&'static str> {
    let unit = unit.to_ascii_lowercase();
    Some(match unit.strip_suffix('s').unwrap_or(&unit) {
        "second" => "toIntervalSecond",
        "minute" => "toIntervalMinute",
        "hour" => "toIntervalHour",
        "day" => "toIntervalDay",
        "week" => "toIntervalWeek",
        "month" => "toIntervalMonth",
        "quarter" => "toIntervalQuarter",
        "year" | "yyyy" => "toIntervalYear",
        _ => return None,
    })
}
