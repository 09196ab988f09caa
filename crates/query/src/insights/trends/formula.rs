//! Formulas over series: `A + 2*B`, `A/B*100`, `(A - B) ** 2`. Letters name series by position.
//!
//! In: a text. Out: a number for each bucket. The arithmetic is Python's, as in PostHog: `**` binds to the right and before a sign in front of it,
//! `%` has the sign of what it divides by, and division by zero gives 0.

use crate::error::QueryError;

/// Parentheses and signs within each other.
const DEPTH_MAX: usize = 64;

/// A formula, parsed.
#[derive(Debug)]
pub(super) struct Formula {
    root: Node,
}

#[derive(Debug)]
enum Node {
    Number(f64),
    /// Series number, from 0.
    Series(usize),
    Negative(Box<Node>),
    Binary(Op, Box<Node>, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

impl Formula {
    /// Reads a formula over `series` series.
    ///
    /// # Errors
    /// [`QueryError::Request`] when it is no arithmetic over the letters of the series.
    pub(super) fn parse(text: &str, series: usize) -> Result<Self, QueryError> {
        let bad =
            |what: String| QueryError::Request { detail: format!("formula '{text}' cannot be computed: {what}"), attr: Some("formula") };
        let mut parser = Parser { rest: text.trim(), series, depth: 0 };
        let root = parser.sum().map_err(bad)?;
        match parser.rest.chars().next() {
            None => Ok(Self { root }),
            Some(found) => Err(bad(format!("unexpected '{found}': only + - * / % ** between series are understood"))),
        }
    }

    /// The value for one value of each series.
    pub(super) fn value(&self, series: &[f64]) -> f64 {
        self.root.value(series)
    }
}

impl Node {
    fn value(&self, series: &[f64]) -> f64 {
        match self {
            Node::Number(number) => *number,
            Node::Series(at) => series.get(*at).copied().unwrap_or(0.0),
            Node::Negative(node) => -node.value(series),
            Node::Binary(op, left, right) => op.apply(left.value(series), right.value(series)),
        }
    }
}

impl Op {
    fn apply(self, left: f64, right: f64) -> f64 {
        let value = match self {
            Op::Add => left + right,
            Op::Sub => left - right,
            Op::Mul => left * right,
            Op::Div | Op::Mod if right == 0.0 => 0.0,
            Op::Div => left / right,
            Op::Mod => left - (left / right).floor() * right,
            Op::Pow => left.powf(right),
        };
        // A root of a negative number, or zero to the power of one, is nothing.
        if value.is_finite() { value } else { 0.0 }
    }
}

struct Parser<'t> {
    rest: &'t str,
    series: usize,
    depth: usize,
}

impl Parser<'_> {
    /// Terms with `+` and `-` between them.
    fn sum(&mut self) -> Result<Node, String> {
        let mut left = self.product()?;
        loop {
            let op = if self.takes("+") {
                Op::Add
            } else if self.takes("-") {
                Op::Sub
            } else {
                return Ok(left);
            };
            left = Node::Binary(op, Box::new(left), Box::new(self.product()?));
        }
    }

    /// Factors with `*`, `/` and `%` between them.
    fn product(&mut self) -> Result<Node, String> {
        let mut left = self.signed()?;
        loop {
            let op = if !self.rest.starts_with("//") && self.takes("/") {
                Op::Div
            } else if self.takes("*") {
                Op::Mul
            } else if self.takes("%") {
                Op::Mod
            } else {
                return Ok(left);
            };
            left = Node::Binary(op, Box::new(left), Box::new(self.signed()?));
        }
    }

    /// A power with signs before it.
    fn signed(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("parentheses and signs are at most {DEPTH_MAX} within each other"));
        }
        let node = if self.takes("-") {
            Node::Negative(Box::new(self.signed()?))
        } else if self.takes("+") {
            self.signed()?
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn power(&mut self) -> Result<Node, String> {
        let base = self.atom()?;
        if !self.takes("**") {
            return Ok(base);
        }
        Ok(Node::Binary(Op::Pow, Box::new(base), Box::new(self.signed()?)))
    }

    /// A number, a letter, or a sum in parentheses.
    fn atom(&mut self) -> Result<Node, String> {
        if self.takes("(") {
            let inner = self.sum()?;
            return if self.takes(")") { Ok(inner) } else { Err("a parenthesis is not closed".to_owned()) };
        }
        if let Some(number) = self.number()? {
            return Ok(Node::Number(number));
        }
        let word = self.take_while(|letter| letter.is_alphanumeric() || letter == '_');
        let mut letters = word.chars();
        match (letters.next(), letters.next()) {
            (None, _) => Err(self.rest.chars().next().map_or_else(
                || "unexpected end, expected a series or a number".to_owned(),
                |found| format!("unexpected '{found}', expected a series or a number"),
            )),
            (Some(letter), None) if letter.is_ascii_alphabetic() => {
                let at = usize::from(letter.to_ascii_uppercase() as u8 - b'A');
                let missing = || format!("there is no series {letter}, there are {}", self.series);
                (at < self.series).then_some(Node::Series(at)).ok_or_else(missing)
            }
            _ => Err(format!("'{word}' is not the letter of a series")),
        }
    }

    /// `12`, `0.5`, `.5`, `1e3`.
    fn number(&mut self) -> Result<Option<f64>, String> {
        if !self.rest.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
            return Ok(None);
        }
        let bytes = self.rest.as_bytes();
        let mut end = 0;
        while let Some(byte) = bytes.get(end) {
            let is_sign_of_exponent = matches!(byte, b'+' | b'-') && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || is_sign_of_exponent) {
                break;
            }
            end += 1;
        }
        let (text, rest) = self.rest.split_at(end);
        let number = text.replace('_', "").parse().map_err(|_| format!("'{text}' is not a number"))?;
        self.rest = rest.trim_start();
        Ok(Some(number))
    }

    /// Whether this sign comes next, which is then passed. `*` is not half of `**`.
    fn takes(&mut self, sign: &str) -> bool {
        if sign == "*" && self.rest.starts_with("**") {
            return false;
        }
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn take_while(&mut self, passes: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|letter| !passes(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, series: &[f64], want: f64) {
        assert_eq!(Formula::parse(text, series.len()).unwrap().value(series), want, "{text}");
    }

    #[test]
    fn arithmetic() {
        check("A+2*B", &[1.0, 3.0], 7.0);
        check("(a + b) / 2", &[1.0, 3.0], 2.0);
        check("A/B*100", &[1.0, 0.0], 0.0);
        check("A - 0.5", &[1.0], 0.5);
        check(" -A ", &[1.0], -1.0);
        check("+A - -A", &[1.0], 2.0);
        check("A - 1 - 1", &[5.0], 3.0);
        check("100/A/B", &[5.0, 2.0], 10.0);
        check("1_000 * 1e3 + .5 + 1E-1", &[], 1_000_000.6);
    }

    #[test]
    fn powers_bind_to_the_right_and_before_signs() {
        check("A**2", &[3.0], 9.0);
        check("2 ** 3 ** 2", &[], 512.0);
        check("-A**2", &[3.0], -9.0);
        check("2**-A", &[1.0], 0.5);
        check("2*A**2", &[3.0], 18.0);
        check("(A - 1)**0.5", &[0.0], 0.0);
        check("A**-1", &[0.0], 0.0);
    }

    #[test]
    fn remainders_have_the_sign_of_the_divisor() {
        check("A % 3", &[7.0], 1.0);
        check("-A % 3", &[7.0], 2.0);
        check("A % -3", &[7.0], -2.0);
        check("A % 0", &[7.0], 0.0);
    }

    #[test]
    fn what_is_no_formula_is_named() {
        let deep = "(".repeat(1_000);
        for text in ["A+C", "sleep(1)", "A +", "AB", "event", "A//2", "A > 1", "A B", "", "(A", "A)", "1.2.3", "2A", "A^2", "ä", &deep] {
            assert!(Formula::parse(text, 2).is_err(), "{text}");
        }
    }
}
