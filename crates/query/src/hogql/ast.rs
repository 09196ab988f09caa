//! The syntax tree of HogQL.
//!
//! A node is a `kind` and a [`Span`]; the span takes no part in equality, so trees from text and trees built in Rust compare equal.
//!
//! # What the parser has already rewritten
//! | text | tree |
//! |---|---|
//! | `a ?? b` | `ifNull(a, b)` |
//! | `c ? a : b` | `if(c, a, b)` |
//! | `CASE WHEN c THEN a ELSE b END` | `if(c, a, b)`, with more branches `multiIf(…)`; no `ELSE`: NULL |
//! | `CASE x WHEN k THEN v … ELSE d END` | `transform(x, [k, …], [v, …], d)` |
//! | `a \|\| b`, `f'a{b}'` | `concat(…)` |
//! | `x IS NULL`, `x IS NOT NULL`, `x IS NOT DISTINCT FROM y` | `x = NULL`, `x != NULL`, `x = y` (NULL is a value to `=` in HogQL) |
//! | `a[1:2]` | `arraySlice(a, …)` |
//! | `INTERVAL 7 DAY`, `INTERVAL '7 day'` | `toIntervalDay(7)` |
//! | `DATE '…'`, `TIMESTAMP '…'` | `toDate('…')`, `toDateTime('…')` |
//! | `SUBSTRING(x FROM a FOR b)`, `TRIM(BOTH 'x' FROM y)`, `EXTRACT(YEAR FROM x)`, `POSITION(x IN y)` | plain calls |
//! | `-x` | the negative constant, else `0 - x` |
//! | `a AND b AND c`, `OR` | one node with three operands |

/// Where in the source text a node came from, in bytes; `0..0` for nodes built in Rust. Always equal to any other span.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

/// An expression with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stood.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// `1`, `'text'`, `null`, `true`.
    Literal(Literal),
    /// `event`, `person.properties.$browser`: a chain of at least one segment.
    Field(Vec<Segment>),
    /// `*`, `e.*`, `* EXCLUDE (a)`, `COLUMNS('^a')`.
    Asterisk(Asterisk),
    /// A function, aggregate or window function call.
    Call(Call),
    /// `(x, y) -> body`.
    Lambda {
        /// Names of the parameters.
        params: Vec<String>,
        /// The expression over them.
        body: Box<Expr>,
    },
    /// `left <op> right`.
    Compare {
        /// The operator.
        op: CompareOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand; for `IN` also a tuple, an array or a subquery.
        right: Box<Expr>,
    },
    /// Two or more operands, none of which is itself an unparenthesised `And`.
    And(Vec<Expr>),
    /// Two or more operands.
    Or(Vec<Expr>),
    /// `NOT x`.
    Not(Box<Expr>),
    /// `left + right` and its like.
    Arithmetic {
        /// The operator.
        op: ArithmeticOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `x [NOT] BETWEEN low AND high`, both ends included.
    Between {
        /// The tested value.
        expr: Box<Expr>,
        /// Lower bound.
        low: Box<Expr>,
        /// Upper bound.
        high: Box<Expr>,
        /// `NOT BETWEEN`.
        negated: bool,
    },
    /// `[a, b]`.
    Array(Vec<Expr>),
    /// `(a, b)`, also `(a,)`.
    Tuple(Vec<Expr>),
    /// `{'a': 1}`.
    Dict(Vec<(Expr, Expr)>),
    /// `array[index]`, `properties['key']`; `nullish` for `?.[…]` and `?.name` (the name is then a text literal).
    ArrayAccess {
        /// The array, map or JSON value.
        array: Box<Expr>,
        /// Index (from 1; negative: from the end) or key.
        index: Box<Expr>,
        /// NULL in, NULL out.
        nullish: bool,
    },
    /// `tuple.1`, `tuple?.1`.
    TupleAccess {
        /// The tuple.
        tuple: Box<Expr>,
        /// Position, from 1.
        index: u32,
        /// NULL in, NULL out.
        nullish: bool,
    },
    /// `CAST(x AS T)`, `x::T`, `TRY_CAST(x AS T)`.
    Cast {
        /// The value.
        expr: Box<Expr>,
        /// The type as written, for example `Nullable(Int64)` or `int`.
        type_name: String,
        /// `TRY_CAST`: NULL where the value does not fit.
        try_cast: bool,
    },
    /// `{name}`, `{variables.x}`, `{filters}`: replaced before resolving.
    Placeholder(Box<Expr>),
    /// `(SELECT …)` as a value or as the right side of `IN`.
    Subquery(Box<Query>),
    /// `expr AS alias`.
    Alias {
        /// The named expression.
        expr: Box<Expr>,
        /// Its name.
        alias: String,
    },
    /// `<Sparkline data={[1, 2]} />`: an output cell.
    Tag(Tag),
}

/// A constant.
#[derive(Clone, Debug)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`; smaller ones are always [`Literal::Int`].
    UInt(u64),
    /// Any other number, also `inf` and `nan`.
    Float(f64),
    /// Text without quotes and escapes.
    String(String),
}

impl PartialEq for Literal {
    /// Floats are equal when their bits are, so a tree with `nan` equals itself.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Literal::Null, Literal::Null) => true,
            (Literal::Bool(a), Literal::Bool(b)) => a == b,
            (Literal::Int(a), Literal::Int(b)) => a == b,
            (Literal::UInt(a), Literal::UInt(b)) => a == b,
            (Literal::Float(a), Literal::Float(b)) => a.to_bits() == b.to_bits(),
            (Literal::String(a), Literal::String(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Literal {}

/// One link of a field chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A name, without quotes.
    Name(String),
    /// A position in an array or tuple, from 1 (built in Rust; text gives [`ExprKind::TupleAccess`]).
    Index(i64),
}

impl Segment {
    /// The name, when it is one.
    pub fn as_name(&self) -> Option<&str> {
        match self {
            Segment::Name(name) => Some(name),
            Segment::Index(_) => None,
        }
    }
}

/// All columns of a table, or those that match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asterisk {
    /// `a.b` of `a.b.*`; empty for a bare `*`.
    pub qualifier: Vec<String>,
    /// `COLUMNS('regex')`: only columns whose name matches.
    pub matching: Option<String>,
    /// `EXCLUDE (a, b)` or `EXCEPT (a, b)`.
    pub exclude: Vec<String>,
    /// `REPLACE (expr AS name)`.
    pub replace: Vec<(Expr, String)>,
}

/// A call of a function by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The name as written.
    pub name: String,
    /// `quantile(0.5)(x)`: `Some([0.5])`.
    pub params: Option<Vec<Expr>>,
    /// The arguments.
    pub args: Vec<Expr>,
    /// `f(DISTINCT x)`.
    pub distinct: bool,
    /// `f(x ORDER BY y)`.
    pub order_by: Vec<OrderExpr>,
    /// `f(x) FILTER (WHERE c)`.
    pub filter: Option<Box<Expr>>,
    /// `f(x) OVER …`.
    pub over: Option<Box<Over>>,
}

/// The window of a window function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// `OVER w`.
    Named(String),
    /// `OVER (…)`.
    Window(Window),
}

/// `PARTITION BY … ORDER BY … ROWS …`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Rows with equal values form a partition.
    pub partition_by: Vec<Expr>,
    /// Order inside a partition.
    pub order_by: Vec<OrderExpr>,
    /// Which rows of the partition a value is computed from.
    pub frame: Option<WindowFrame>,
}

/// `ROWS BETWEEN start AND end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowFrame {
    /// Unit of the bounds.
    pub unit: FrameUnit,
    /// First row.
    pub start: FrameBound,
    /// Last row; `None`: the current row.
    pub end: Option<FrameBound>,
}

/// Unit of frame bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameUnit {
    /// `ROWS`.
    Rows,
    /// `RANGE`.
    Range,
}

/// One end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameBound {
    /// `CURRENT ROW`.
    CurrentRow,
    /// `n PRECEDING`; `None`: unbounded.
    Preceding(Option<u64>),
    /// `n FOLLOWING`; `None`: unbounded.
    Following(Option<u64>),
}

/// Comparisons. NULL is a value to `=` and `!=` (see query reference, section 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`, `==`.
    Eq,
    /// `!=`, `<>`.
    NotEq,
    /// `<`.
    Lt,
    /// `<=`.
    LtEq,
    /// `>`.
    Gt,
    /// `>=`.
    GtEq,
    /// `LIKE`.
    Like,
    /// `NOT LIKE`.
    NotLike,
    /// `ILIKE`.
    ILike,
    /// `NOT ILIKE`.
    NotILike,
    /// `IN`, `GLOBAL IN`.
    In,
    /// `NOT IN`, `GLOBAL NOT IN`.
    NotIn,
    /// `IN COHORT`.
    InCohort,
    /// `NOT IN COHORT`.
    NotInCohort,
    /// `=~`, `~`: matches a regular expression.
    Regex,
    /// `!~`.
    NotRegex,
    /// `=~*`, `~*`: without regard to case.
    IRegex,
    /// `!~*`.
    NotIRegex,
}

/// Arithmetic of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`.
    Add,
    /// `-`.
    Sub,
    /// `*`.
    Mul,
    /// `/`: always a float.
    Div,
    /// `%`.
    Mod,
}

/// An output cell written as a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// `Sparkline`.
    pub name: String,
    /// Attributes in order; one without a value is `true`. What stands between the tags is the attribute `children`, an array.
    pub attributes: Vec<(String, Expr)>,
}

/// A query: one SELECT, several combined, or a placeholder for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// One SELECT.
    Select(Box<SelectQuery>),
    /// SELECTs combined.
    Set(Box<SelectSet>),
    /// `{query}`: replaced before resolving.
    Placeholder(Box<Expr>),
}

/// `first UNION ALL second …`, evaluated from left to right (INTERSECT does not bind tighter).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectSet {
    /// The leftmost query.
    pub first: Query,
    /// At least one more.
    pub rest: Vec<(SetOp, Query)>,
    /// `ORDER BY` of the whole, after a last query in parentheses.
    pub order_by: Vec<OrderExpr>,
    /// `LIMIT` of the whole.
    pub limit: Option<Expr>,
    /// `OFFSET` of the whole.
    pub offset: Option<Expr>,
    /// Where it stood.
    pub span: Span,
}

/// How the rows of two queries are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetOp {
    /// All rows of both.
    UnionAll,
    /// All rows of both, each once.
    UnionDistinct,
    /// Rows that are in both.
    Intersect,
    /// Rows that are in both, each once.
    IntersectDistinct,
    /// Rows of the first that are not in the second.
    Except,
    /// The same, each once.
    ExceptDistinct,
}

/// One SELECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectQuery {
    /// `WITH …`, in order.
    pub ctes: Vec<Cte>,
    /// `SELECT DISTINCT`.
    pub distinct: bool,
    /// `SELECT DISTINCT ON (…)`; empty for none.
    pub distinct_on: Vec<Expr>,
    /// The columns.
    pub select: Vec<Expr>,
    /// `FROM` with its joins.
    pub from: Option<FromExpr>,
    /// `ARRAY JOIN`.
    pub array_join: Option<ArrayJoin>,
    /// `PREWHERE`; means the same as `WHERE`.
    pub prewhere: Option<Expr>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `GROUP BY`.
    pub group_by: Option<GroupBy>,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// `WINDOW name AS (…)`.
    pub windows: Vec<(String, Window)>,
    /// `QUALIFY`: a filter after the window functions.
    pub qualify: Option<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderExpr>,
    /// `LIMIT n BY …`.
    pub limit_by: Option<LimitBy>,
    /// `LIMIT n`.
    pub limit: Option<Expr>,
    /// `LIMIT n WITH TIES`.
    pub with_ties: bool,
    /// `OFFSET n`.
    pub offset: Option<Expr>,
    /// Where it stood.
    pub span: Span,
}

/// A named part of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cte {
    /// Its name.
    pub name: String,
    /// `name(a, b) AS …`: new names for the columns; empty for none.
    pub columns: Vec<String>,
    /// `WITH RECURSIVE`: the query may read its own rows.
    pub is_recursive: bool,
    /// What it stands for.
    pub body: CteBody,
    /// Where it stood.
    pub span: Span,
}

/// What a common table expression stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CteBody {
    /// `name AS (SELECT …)`: a table.
    Query(Box<Query>),
    /// `expr AS name`: a value.
    Expr(Box<Expr>),
}

/// A tree of tables and joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromExpr {
    /// A leaf.
    Table(Box<TableRef>),
    /// Two sides.
    Join(Box<Join>),
}

/// A table, a table function or a subquery in FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRef {
    /// What it is.
    pub source: TableSource,
    /// `AS alias`.
    pub alias: Option<String>,
    /// `AS alias(a, b)`: new names for the columns.
    pub column_aliases: Vec<String>,
    /// `FINAL`: the newest version of each row, which is all that can be seen here.
    pub is_final: bool,
    /// `SAMPLE 1/10`.
    pub sample: Option<Sample>,
    /// Where it stood.
    pub span: Span,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableSource {
    /// `events`, `system.tables`.
    Name(Vec<String>),
    /// `numbers(10)`.
    Function {
        /// Its name.
        name: String,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// `(SELECT …)`.
    Query(Box<Query>),
    /// `(VALUES (1, 'a'), (2, 'b'))`.
    Values(Vec<Vec<Expr>>),
    /// `{table}`: replaced before resolving.
    Placeholder(Box<Expr>),
}

/// `left JOIN right ON …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Left side.
    pub left: FromExpr,
    /// Right side.
    pub right: FromExpr,
    /// Which unmatched rows stay.
    pub kind: JoinKind,
    /// Which matches count.
    pub strictness: Option<JoinStrictness>,
    /// `ON` or `USING`; none for `CROSS JOIN`.
    pub constraint: Option<JoinConstraint>,
    /// Where it stood.
    pub span: Span,
}

/// Which unmatched rows of a join stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// None.
    Inner,
    /// Those of the left.
    Left,
    /// Those of the right.
    Right,
    /// Both.
    Full,
    /// Every pair.
    Cross,
}

/// Which matches of a join count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinStrictness {
    /// Every one (the default).
    All,
    /// One at most per row.
    Any,
    /// Rows that have a match, without the other side's columns.
    Semi,
    /// Rows that have none.
    Anti,
    /// The nearest by an inequality.
    Asof,
}

/// What joins two rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinConstraint {
    /// `ON expr`; several expressions mean all of them.
    On(Expr),
    /// `USING (a, b)`.
    Using(Vec<String>),
}

/// `SAMPLE 1/10 OFFSET 1/2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Part of the rows.
    pub ratio: Ratio,
    /// Where to begin.
    pub offset: Option<Ratio>,
}

/// `0.1` or `1/10`; constants or placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Above the slash.
    pub numerator: Box<Expr>,
    /// Below it.
    pub denominator: Option<Box<Expr>>,
}

/// `ARRAY JOIN a AS b, …`: one row for each element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayJoin {
    /// `LEFT ARRAY JOIN`: a row with an empty array stays.
    pub left: bool,
    /// The arrays, usually with an alias.
    pub exprs: Vec<Expr>,
}

/// How rows are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// `GROUP BY a, b`.
    Exprs(Vec<Expr>),
    /// `GROUP BY ALL`: by every selected expression without an aggregate.
    All,
    /// `ROLLUP(a, b)` or `a, b WITH ROLLUP`.
    Rollup(Vec<Expr>),
    /// `CUBE(a, b)` or `a, b WITH CUBE`.
    Cube(Vec<Expr>),
    /// `GROUPING SETS ((a), (b), ())`.
    Sets(Vec<Vec<Expr>>),
}

/// An expression to order by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderExpr {
    /// The expression; a whole number is a column's position, from 1.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`, `NULLS LAST`; none: last, in either direction.
    pub nulls: Option<Nulls>,
    /// `WITH FILL …`: rows for the gaps.
    pub fill: Option<Fill>,
    /// Where it stood.
    pub span: Span,
}

/// Where NULLs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nulls {
    /// Before everything.
    First,
    /// After everything.
    Last,
}

/// `WITH FILL FROM a TO b STEP c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// First value.
    pub from: Option<Expr>,
    /// One past the last value.
    pub to: Option<Expr>,
    /// Distance.
    pub step: Option<Expr>,
}

/// `LIMIT n OFFSET m BY a, b`: so many rows of each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitBy {
    /// Rows of each group.
    pub limit: Expr,
    /// Rows of each group to pass over.
    pub offset: Option<Expr>,
    /// What makes a group.
    pub exprs: Vec<Expr>,
}
