//! Operators by precedence.
//!
//! From tightest to loosest: access and `::`; unary minus; `* / %`; `+ - ||`; comparisons, `IN`, `LIKE`, `BETWEEN`;
//! `IS [NOT] NULL`; `??`; `NOT`; `AND`; `OR`; `? :`; `AS`.

use super::Parser;
use crate::hogql::ast::{ArithmeticOp, Call, CompareOp, Expr, ExprKind, Literal, Span};
use crate::hogql::error::SyntaxError;
use crate::hogql::lexer::Token;

pub(in crate::hogql) const LOWEST: u8 = 0;
pub(in crate::hogql) const ALIAS: u8 = 1;
const TERNARY: u8 = 2;
pub(in crate::hogql) const OR: u8 = 4;
pub(in crate::hogql) const AND: u8 = 5;
pub(in crate::hogql) const NOT: u8 = 6;
const NULLISH: u8 = 7;
const IS: u8 = 8;
pub(in crate::hogql) const COMPARE: u8 = 9;
pub(in crate::hogql) const ADD: u8 = 10;
pub(in crate::hogql) const MULTIPLY: u8 = 11;
const NEGATE: u8 = 12;
pub(in crate::hogql) const POSTFIX: u8 = 13;

/// What may follow an operand.
enum Infix {
    Alias,
    Ternary,
    And,
    Or,
    Nullish,
    Is,
    Compare(CompareOp),
    Between { negated: bool },
    Arithmetic(ArithmeticOp),
    Concat,
}

impl Infix {
    fn precedence(&self) -> u8 {
        match self {
            Infix::Alias => ALIAS,
            Infix::Ternary => TERNARY,
            Infix::Or => OR,
            Infix::And => AND,
            Infix::Nullish => NULLISH,
            Infix::Is => IS,
            Infix::Compare(_) | Infix::Between { .. } => COMPARE,
            Infix::Arithmetic(ArithmeticOp::Add | ArithmeticOp::Sub) | Infix::Concat => ADD,
            Infix::Arithmetic(_) => MULTIPLY,
        }
    }
}

impl Parser {
    /// Any expression, with `AS` if it has one.
    pub(super) fn expr(&mut self) -> Result<Expr, SyntaxError> {
        self.expr_above(LOWEST)
    }

    /// An expression of operators that bind at least as tightly as `precedence`.
    pub(super) fn expr_above(&mut self, precedence: u8) -> Result<Expr, SyntaxError> {
        self.nested(|parser| {
            let siblings = std::mem::take(&mut parser.height);
            let start = parser.span();
            let mut left = parser.prefix()?;
            let mut height = parser.height + 1;
            while let Some((infix, tokens)) = parser.infix() {
                if infix.precedence() < precedence {
                    break;
                }
                parser.at += tokens;
                parser.height = 0;
                let kind = parser.apply(infix, left)?;
                left = Expr { kind, span: parser.span_since(start) };
                let flat = matches!(left.kind, ExprKind::And(_) | ExprKind::Or(_));
                height = height.max(parser.height) + usize::from(!flat);
                if height > super::MAX_HEIGHT {
                    return parser.fail(format!("more than {} operators in a row", super::MAX_HEIGHT), left.span);
                }
            }
            parser.height = siblings.max(height);
            Ok(left)
        })
    }

    fn prefix(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.span();
        if self.is_kw("not") && !self.is_sym_at(1, ".") {
            self.advance();
            let operand = self.expr_above(NOT)?;
            return Ok(Expr { kind: ExprKind::Not(Box::new(operand)), span: self.span_since(start) });
        }
        if self.is_sym("-") || self.is_sym("+") {
            let negative = self.is_sym("-");
            self.advance();
            return self.signed(negative, start);
        }
        let operand = self.primary()?;
        self.postfix(operand, start)
    }

    /// What follows a sign: a constant takes it in, anything else is subtracted from zero.
    fn signed(&mut self, negative: bool, start: Span) -> Result<Expr, SyntaxError> {
        if let Some(literal) = self.signed_number(negative) {
            let literal = Expr { kind: ExprKind::Literal(literal), span: self.span_since(start) };
            return self.postfix(literal, start);
        }
        if !negative {
            return Err(self.unexpected("a number after `+`"));
        }
        let right = Box::new(self.expr_above(NEGATE)?);
        let zero = Expr { kind: ExprKind::Literal(Literal::Int(0)), span: start };
        Ok(Expr { kind: ExprKind::Arithmetic { op: ArithmeticOp::Sub, left: Box::new(zero), right }, span: self.span_since(start) })
    }

    pub(super) fn signed_number(&mut self, negative: bool) -> Option<Literal> {
        let literal = match self.peek() {
            Token::Int(value) => match (i64::try_from(*value), negative) {
                (Ok(value), false) => Literal::Int(value),
                (Ok(value), true) => Literal::Int(-value),
                (Err(_), false) => Literal::UInt(*value),
                (Err(_), true) if *value == i64::MIN.unsigned_abs() => Literal::Int(i64::MIN),
                (Err(_), true) => Literal::Float(-(*value as f64)),
            },
            Token::Float(value) => Literal::Float(if negative { -value } else { *value }),
            Token::Word(word) if !self.is_sym_at(1, ".") && !self.is_sym_at(1, "(") => {
                let value = match word.to_ascii_lowercase().as_str() {
                    "inf" | "infinity" => f64::INFINITY,
                    "nan" => f64::NAN,
                    _ => return None,
                };
                Literal::Float(if negative { -value } else { value })
            }
            _ => return None,
        };
        self.advance();
        Some(literal)
    }

    /// The operator that comes next, and how many tokens it has.
    fn infix(&self) -> Option<(Infix, usize)> {
        let one = |infix| Some((infix, 1));
        match self.peek() {
            Token::Sym(symbol) => match *symbol {
                "?" => one(Infix::Ternary),
                "??" => one(Infix::Nullish),
                "*" => one(Infix::Arithmetic(ArithmeticOp::Mul)),
                "/" => one(Infix::Arithmetic(ArithmeticOp::Div)),
                "%" => one(Infix::Arithmetic(ArithmeticOp::Mod)),
                "+" => one(Infix::Arithmetic(ArithmeticOp::Add)),
                "-" => one(Infix::Arithmetic(ArithmeticOp::Sub)),
                "||" => one(Infix::Concat),
                "=" | "==" => one(Infix::Compare(CompareOp::Eq)),
                "!=" | "<>" => one(Infix::Compare(CompareOp::NotEq)),
                "<" => one(Infix::Compare(CompareOp::Lt)),
                "<=" => one(Infix::Compare(CompareOp::LtEq)),
                ">" => one(Infix::Compare(CompareOp::Gt)),
                ">=" => one(Infix::Compare(CompareOp::GtEq)),
                "~" | "=~" => one(Infix::Compare(CompareOp::Regex)),
                "!~" => one(Infix::Compare(CompareOp::NotRegex)),
                "~*" | "=~*" => one(Infix::Compare(CompareOp::IRegex)),
                "!~*" => one(Infix::Compare(CompareOp::NotIRegex)),
                _ => None,
            },
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "as" => one(Infix::Alias),
                "and" => one(Infix::And),
                "or" => one(Infix::Or),
                "is" => one(Infix::Is),
                "not" => self.word_operator(1, true),
                "global" => {
                    let negated = self.is_kw_at(1, "not");
                    let ahead = 1 + usize::from(negated);
                    if self.is_kw_at(ahead, "in") { self.word_operator(ahead, negated) } else { None }
                }
                _ => self.word_operator(0, false),
            },
            _ => None,
        }
    }

    /// `IN`, `LIKE`, `ILIKE`, `BETWEEN`, after `ahead` words before them.
    fn word_operator(&self, ahead: usize, negated: bool) -> Option<(Infix, usize)> {
        let Token::Word(word) = self.peek_at(ahead) else { return None };
        let either = |no, yes| Infix::Compare(if negated { no } else { yes });
        let found = match word.to_ascii_lowercase().as_str() {
            "in" if self.is_kw_at(ahead + 1, "cohort") => {
                return Some((either(CompareOp::NotInCohort, CompareOp::InCohort), ahead + 2));
            }
            "in" => either(CompareOp::NotIn, CompareOp::In),
            "like" => either(CompareOp::NotLike, CompareOp::Like),
            "ilike" => either(CompareOp::NotILike, CompareOp::ILike),
            "between" => Infix::Between { negated },
            _ => return None,
        };
        Some((found, ahead + 1))
    }

    fn apply(&mut self, infix: Infix, left: Expr) -> Result<ExprKind, SyntaxError> {
        Ok(match infix {
            Infix::Alias => {
                let alias = self.alias()?;
                ExprKind::Alias { expr: Box::new(left), alias }
            }
            Infix::Ternary => {
                let then = self.expr_above(TERNARY)?;
                self.expect_sym(":")?;
                let otherwise = self.expr_above(TERNARY)?;
                plain_call("if", vec![left, then, otherwise])
            }
            Infix::And => self.list_of(AND, left, |infix| matches!(infix, Infix::And)).map(ExprKind::And)?,
            Infix::Or => self.list_of(OR, left, |infix| matches!(infix, Infix::Or)).map(ExprKind::Or)?,
            Infix::Nullish => {
                let right = self.expr_above(NULLISH + 1)?;
                plain_call("ifNull", vec![left, right])
            }
            Infix::Is => self.is(left)?,
            Infix::Compare(op) => {
                let right = Box::new(self.expr_above(COMPARE + 1)?);
                ExprKind::Compare { op, left: Box::new(left), right }
            }
            Infix::Between { negated } => {
                let low = Box::new(self.expr_above(COMPARE + 1)?);
                self.expect_kw("and")?;
                let high = Box::new(self.expr_above(COMPARE + 1)?);
                ExprKind::Between { expr: Box::new(left), low, high, negated }
            }
            Infix::Arithmetic(op) => {
                let right =
                    Box::new(self.expr_above(if matches!(op, ArithmeticOp::Add | ArithmeticOp::Sub) { ADD } else { MULTIPLY } + 1)?);
                ExprKind::Arithmetic { op, left: Box::new(left), right }
            }
            Infix::Concat => {
                let mut args = vec![left, self.expr_above(ADD + 1)?];
                while self.accept_sym("||") {
                    args.push(self.expr_above(ADD + 1)?);
                }
                plain_call("concat", args)
            }
        })
    }

    /// The operands of a chain of one operator, the first being `left`.
    fn list_of(&mut self, precedence: u8, left: Expr, same: fn(&Infix) -> bool) -> Result<Vec<Expr>, SyntaxError> {
        let mut operands = vec![left, self.expr_above(precedence + 1)?];
        while let Some((_, tokens)) = self.infix().filter(|(infix, _)| same(infix)) {
            self.at += tokens;
            operands.push(self.expr_above(precedence + 1)?);
        }
        Ok(operands)
    }

    /// `IS [NOT] NULL`, `IS [NOT] DISTINCT FROM x`.
    fn is(&mut self, left: Expr) -> Result<ExprKind, SyntaxError> {
        let negated = self.accept_kw("not");
        let start = self.span();
        let (right, differs) = if self.accept_kw("null") {
            (Expr { kind: ExprKind::Literal(Literal::Null), span: start }, negated)
        } else if self.accept_kws(&["distinct", "from"]) {
            (self.expr_above(IS + 1)?, !negated)
        } else {
            return Err(self.unexpected("NULL or DISTINCT FROM"));
        };
        let op = if differs { CompareOp::NotEq } else { CompareOp::Eq };
        Ok(ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) })
    }
}

pub(super) fn plain_call(name: &str, args: Vec<Expr>) -> ExprKind {
    ExprKind::Call(Call { name: name.to_owned(), args, ..Call::default() })
}
