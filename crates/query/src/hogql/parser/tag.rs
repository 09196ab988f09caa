//! Tags such as `<Sparkline data={[1, 2]} />`.

use super::Parser;
use crate::hogql::ast::{Expr, ExprKind, Literal, Tag};
use crate::hogql::error::SyntaxError;
use crate::hogql::lexer::Token;

impl Parser {
    pub(super) fn tag(&mut self) -> Result<Tag, SyntaxError> {
        self.nested(|parser| {
            parser.advance();
            let mut tag = Tag { name: parser.name()?, attributes: Vec::new() };
            while matches!(parser.peek(), Token::Word(_)) {
                let name = parser.name()?;
                let value = parser.attribute_value()?;
                tag.attributes.push((name, value));
            }
            if parser.accept_sym("/>") {
                return Ok(tag);
            }
            parser.expect_sym(">")?;
            let children = parser.children()?;
            let closing = parser.name()?;
            if closing != tag.name {
                return parser.fail(format!("the tag `{}` is closed by `{closing}`", tag.name), parser.span());
            }
            parser.expect_sym(">")?;
            if !children.is_empty() {
                tag.attributes.push(("children".to_owned(), ExprKind::Array(children).into()));
            }
            Ok(tag)
        })
    }

    fn attribute_value(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.span();
        if !self.accept_sym("=") {
            return Ok(Expr { kind: ExprKind::Literal(Literal::Bool(true)), span: start });
        }
        if self.accept_sym("{") {
            let value = self.expr()?;
            self.expect_sym("}")?;
            return Ok(value);
        }
        if matches!(self.peek(), Token::Text(_)) { self.primary() } else { Err(self.unexpected("a text or `{expression}`")) }
    }

    /// What stands between `<Name>` and `</Name>`, the latter's bracket included.
    fn children(&mut self) -> Result<Vec<Expr>, SyntaxError> {
        let mut children = Vec::new();
        loop {
            let start = self.span();
            match self.peek() {
                Token::Sym("</") => {
                    self.advance();
                    return Ok(children);
                }
                Token::Chunk(text) => {
                    let kind = ExprKind::Literal(Literal::String(text.trim().to_owned()));
                    self.advance();
                    children.push(Expr { kind, span: start });
                }
                Token::TagOpen => {
                    let kind = ExprKind::Tag(self.tag()?);
                    children.push(Expr { kind, span: self.span_since(start) });
                }
                _ => {
                    self.expect_sym("{")?;
                    children.push(self.expr()?);
                    self.expect_sym("}")?;
                }
            }
        }
    }
}
