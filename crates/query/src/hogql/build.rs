//! Short ways to write trees in Rust, for insights and for tests.

use super::ast::{
    ArithmeticOp, Call, CompareOp, Expr, ExprKind, FromExpr, Literal, OrderExpr, Query, Segment, SelectQuery, SelectSet, SetOp, Span,
    TableRef, TableSource,
};

impl From<ExprKind> for Expr {
    fn from(kind: ExprKind) -> Self {
        Expr { kind, span: Span::default() }
    }
}

impl From<Call> for Expr {
    fn from(call: Call) -> Self {
        ExprKind::Call(call).into()
    }
}

impl From<SelectQuery> for Query {
    fn from(select: SelectQuery) -> Self {
        Query::Select(Box::new(select))
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Literal::String(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Literal::String(text)
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Literal::Bool(value)
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Literal::Int(value)
    }
}

impl From<f64> for Literal {
    fn from(value: f64) -> Self {
        Literal::Float(value)
    }
}

impl From<&str> for Segment {
    fn from(name: &str) -> Self {
        Segment::Name(name.to_owned())
    }
}

impl From<String> for Segment {
    fn from(name: String) -> Self {
        Segment::Name(name)
    }
}

impl From<i64> for Segment {
    fn from(index: i64) -> Self {
        Segment::Index(index)
    }
}

impl Expr {
    /// `Expr::field(["properties", "$browser"])`.
    pub fn field<S: Into<Segment>>(chain: impl IntoIterator<Item = S>) -> Expr {
        ExprKind::Field(chain.into_iter().map(Into::into).collect()).into()
    }

    /// A constant: `Expr::lit("text")`, `Expr::lit(1)`.
    pub fn lit(value: impl Into<Literal>) -> Expr {
        ExprKind::Literal(value.into()).into()
    }

    /// `null`.
    pub fn null() -> Expr {
        ExprKind::Literal(Literal::Null).into()
    }

    /// `self AS alias`.
    pub fn alias(self, alias: impl Into<String>) -> Expr {
        ExprKind::Alias { expr: Box::new(self), alias: alias.into() }.into()
    }

    /// The constant, when it is one.
    pub fn as_literal(&self) -> Option<&Literal> {
        match &self.kind {
            ExprKind::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    /// The expression below any aliases.
    pub fn without_alias(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Alias { expr: inner, .. } = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// The segments, when it is a field of names alone.
    pub fn as_chain(&self) -> Option<Vec<&str>> {
        match &self.kind {
            ExprKind::Field(chain) => chain.iter().map(Segment::as_name).collect(),
            _ => None,
        }
    }
}

/// `name(args…)`.
pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    Call { name: name.to_owned(), args, ..Call::default() }.into()
}

/// `left <op> right`.
pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) }.into()
}

/// `left = right`, NULL being a value.
pub fn eq(left: Expr, right: Expr) -> Expr {
    compare(CompareOp::Eq, left, right)
}

/// `left != right`, NULL being a value.
pub fn not_eq(left: Expr, right: Expr) -> Expr {
    compare(CompareOp::NotEq, left, right)
}

/// `left <op> right` for arithmetic.
pub fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr) -> Expr {
    ExprKind::Arithmetic { op, left: Box::new(left), right: Box::new(right) }.into()
}

/// All of them; `true` when there are none.
pub fn and(mut exprs: Vec<Expr>) -> Expr {
    match exprs.len() {
        0 => Expr::lit(true),
        1 => exprs.swap_remove(0),
        _ => ExprKind::And(exprs).into(),
    }
}

/// Any of them; `false` when there are none.
pub fn or(mut exprs: Vec<Expr>) -> Expr {
    match exprs.len() {
        0 => Expr::lit(false),
        1 => exprs.swap_remove(0),
        _ => ExprKind::Or(exprs).into(),
    }
}

/// `NOT expr`.
pub fn not(expr: Expr) -> Expr {
    ExprKind::Not(Box::new(expr)).into()
}

/// `(a, b)`.
pub fn tuple(exprs: Vec<Expr>) -> Expr {
    ExprKind::Tuple(exprs).into()
}

/// `[a, b]`.
pub fn array(exprs: Vec<Expr>) -> Expr {
    ExprKind::Array(exprs).into()
}

/// `x -> body`.
pub fn lambda<S: Into<String>>(params: impl IntoIterator<Item = S>, body: Expr) -> Expr {
    ExprKind::Lambda { params: params.into_iter().map(Into::into).collect(), body: Box::new(body) }.into()
}

/// `(SELECT …)` as a value.
pub fn subquery(query: impl Into<Query>) -> Expr {
    ExprKind::Subquery(Box::new(query.into())).into()
}

/// `expr ASC`.
pub fn asc(expr: Expr) -> OrderExpr {
    OrderExpr { expr, descending: false, nulls: None, fill: None, span: Span::default() }
}

/// `expr DESC`.
pub fn desc(expr: Expr) -> OrderExpr {
    OrderExpr { descending: true, ..asc(expr) }
}

/// `FROM name`.
pub fn table(name: &str) -> FromExpr {
    from_source(TableSource::Name(vec![name.to_owned()]), None)
}

/// `FROM name AS alias`.
pub fn table_as(name: &str, alias: &str) -> FromExpr {
    from_source(TableSource::Name(vec![name.to_owned()]), Some(alias))
}

/// `FROM (SELECT …) AS alias`.
pub fn from_query(query: impl Into<Query>, alias: Option<&str>) -> FromExpr {
    from_source(TableSource::Query(Box::new(query.into())), alias)
}

fn from_source(source: TableSource, alias: Option<&str>) -> FromExpr {
    let table = TableRef {
        source,
        alias: alias.map(str::to_owned),
        column_aliases: Vec::new(),
        is_final: false,
        sample: None,
        span: Span::default(),
    };
    FromExpr::Table(Box::new(table))
}

/// `a UNION ALL b …`; one query stays itself, none is `None`.
pub fn union_all(queries: impl IntoIterator<Item = Query>) -> Option<Query> {
    let mut queries = queries.into_iter();
    let first = queries.next()?;
    let rest: Vec<_> = queries.map(|query| (SetOp::UnionAll, query)).collect();
    Some(if rest.is_empty() {
        first
    } else {
        Query::Set(Box::new(SelectSet { first, rest, order_by: Vec::new(), limit: None, offset: None, span: Span::default() }))
    })
}
