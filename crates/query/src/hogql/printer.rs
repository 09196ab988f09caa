//! Tree to text.
//!
//! Parsing the text gives the same tree, for every tree that the parser can give. Parentheses stand only where they must.

use std::fmt::{self, Display, Formatter, Write};

use super::ast::{
    ArithmeticOp, Asterisk, Call, CompareOp, Cte, CteBody, Expr, ExprKind, Fill, FrameBound, FrameUnit, FromExpr, GroupBy, Join,
    JoinConstraint, JoinKind, JoinStrictness, Literal, Nulls, OrderExpr, Over, Query, Ratio, Segment, SelectQuery, SelectSet, SetOp,
    TableRef, TableSource, Tag, Window,
};
use super::parser::RESERVED;
use super::parser::expr::{ADD, ALIAS, AND, COMPARE, LOWEST, MULTIPLY, NOT, OR, POSTFIX};

/// Words that mean something else than a name at the beginning of an operand, beside the reserved ones.
const SPECIAL: [&str; 21] = [
    "all", "both", "case", "cast", "columns", "distinct", "false", "final", "inf", "infinity", "interval", "lambda", "leading", "nan",
    "not", "null", "sample", "top", "trailing", "true", "try_cast",
];

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Query::Select(select) => select.fmt(f),
            Query::Set(set) => set.fmt(f),
            Query::Placeholder(inner) => write!(f, "{{{inner}}}"),
        }
    }
}

impl Display for SelectSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let whole_has_clauses = !self.order_by.is_empty() || self.limit.is_some() || self.offset.is_some();
        set_operand(f, &self.first, whole_has_clauses && self.rest.is_empty())?;
        for (place, (op, query)) in self.rest.iter().enumerate() {
            let op = match op {
                SetOp::UnionAll => "UNION ALL",
                SetOp::UnionDistinct => "UNION DISTINCT",
                SetOp::Intersect => "INTERSECT",
                SetOp::IntersectDistinct => "INTERSECT DISTINCT",
                SetOp::Except => "EXCEPT",
                SetOp::ExceptDistinct => "EXCEPT DISTINCT",
            };
            write!(f, " {op} ")?;
            set_operand(f, query, whole_has_clauses && place + 1 == self.rest.len())?;
        }
        clause(f, " ORDER BY ", &self.order_by)?;
        optional(f, " LIMIT ", self.limit.as_ref())?;
        optional(f, " OFFSET ", self.offset.as_ref())
    }
}

fn set_operand(f: &mut Formatter<'_>, query: &Query, parens: bool) -> fmt::Result {
    if parens || matches!(query, Query::Set(_)) { write!(f, "({query})") } else { query.fmt(f) }
}

impl Display for SelectQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.ctes.is_empty() {
            let recursive = if self.ctes.iter().any(|cte| cte.is_recursive) { "RECURSIVE " } else { "" };
            write!(f, "WITH {recursive}{}", List(&self.ctes))?;
            f.write_char(' ')?;
        }
        f.write_str("SELECT ")?;
        if self.distinct {
            f.write_str("DISTINCT ")?;
        }
        if !self.distinct_on.is_empty() {
            write!(f, "DISTINCT ON ({}) ", List(&self.distinct_on))?;
        }
        List(&self.select).fmt(f)?;
        optional(f, " FROM ", self.from.as_ref())?;
        if let Some(array_join) = &self.array_join {
            let left = if array_join.left { " LEFT" } else { "" };
            write!(f, "{left} ARRAY JOIN {}", List(&array_join.exprs))?;
        }
        optional(f, " PREWHERE ", self.prewhere.as_ref())?;
        optional(f, " WHERE ", self.filter.as_ref())?;
        optional(f, " GROUP BY ", self.group_by.as_ref())?;
        optional(f, " HAVING ", self.having.as_ref())?;
        for (place, (name, window)) in self.windows.iter().enumerate() {
            let lead = if place == 0 { " WINDOW " } else { ", " };
            write!(f, "{lead}{} AS ({window})", Name(name))?;
        }
        optional(f, " QUALIFY ", self.qualify.as_ref())?;
        clause(f, " ORDER BY ", &self.order_by)?;
        if let Some(limit_by) = &self.limit_by {
            write!(f, " LIMIT {}", limit_by.limit)?;
            optional(f, " OFFSET ", limit_by.offset.as_ref())?;
            clause(f, " BY ", &limit_by.exprs)?;
        }
        optional(f, " LIMIT ", self.limit.as_ref())?;
        if self.with_ties {
            f.write_str(" WITH TIES")?;
        }
        optional(f, " OFFSET ", self.offset.as_ref())
    }
}

impl Display for Cte {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.body {
            CteBody::Query(query) => {
                Name(&self.name).fmt(f)?;
                names_in_parens(f, &self.columns)?;
                write!(f, " AS ({query})")
            }
            CteBody::Expr(expr) => write!(f, "{} AS {}", Above(ALIAS + 1, expr), Name(&self.name)),
        }
    }
}

impl Display for GroupBy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            GroupBy::Exprs(exprs) => List(exprs).fmt(f),
            GroupBy::All => f.write_str("ALL"),
            GroupBy::Rollup(exprs) => write!(f, "ROLLUP({})", List(exprs)),
            GroupBy::Cube(exprs) => write!(f, "CUBE({})", List(exprs)),
            GroupBy::Sets(sets) => {
                f.write_str("GROUPING SETS (")?;
                for (place, set) in sets.iter().enumerate() {
                    write!(f, "{}({})", if place == 0 { "" } else { ", " }, List(set))?;
                }
                f.write_char(')')
            }
        }
    }
}

impl Display for FromExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FromExpr::Table(table) => table.fmt(f),
            FromExpr::Join(join) => join.fmt(f),
        }
    }
}

impl Display for Join {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let strictness = match self.strictness {
            None => "",
            Some(JoinStrictness::All) => "ALL ",
            Some(JoinStrictness::Any) => "ANY ",
            Some(JoinStrictness::Semi) => "SEMI ",
            Some(JoinStrictness::Anti) => "ANTI ",
            Some(JoinStrictness::Asof) => "ASOF ",
        };
        let kind = match self.kind {
            JoinKind::Inner => "INNER",
            JoinKind::Left => "LEFT",
            JoinKind::Right => "RIGHT",
            JoinKind::Full => "FULL",
            JoinKind::Cross => "CROSS",
        };
        write!(f, "{} {strictness}{kind} JOIN ", self.left)?;
        match &self.right {
            FromExpr::Table(table) => table.fmt(f)?,
            FromExpr::Join(join) => write!(f, "({join})")?,
        }
        match &self.constraint {
            None => Ok(()),
            Some(JoinConstraint::On(expr)) => write!(f, " ON {expr}"),
            Some(JoinConstraint::Using(names)) => {
                f.write_str(" USING ")?;
                names_in_parens(f, names)
            }
        }
    }
}

impl Display for TableRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.source {
            TableSource::Name(name) => {
                for (place, part) in name.iter().enumerate() {
                    write!(f, "{}{}", if place == 0 { "" } else { "." }, Name(part))?;
                }
            }
            TableSource::Function { name, args } => write!(f, "{}({})", Name(name), List(args))?,
            TableSource::Query(query) => write!(f, "({query})")?,
            TableSource::Values(rows) => {
                for (place, row) in rows.iter().enumerate() {
                    write!(f, "{}({})", if place == 0 { "(VALUES " } else { ", " }, List(row))?;
                }
                f.write_char(')')?;
            }
            TableSource::Placeholder(inner) => write!(f, "{{{inner}}}")?,
        }
        if let Some(alias) = &self.alias {
            write!(f, " AS {}", Name(alias))?;
            names_in_parens(f, &self.column_aliases)?;
        }
        if self.is_final {
            f.write_str(" FINAL")?;
        }
        if let Some(sample) = &self.sample {
            write!(f, " SAMPLE {}", sample.ratio)?;
            optional(f, " OFFSET ", sample.offset.as_ref())?;
        }
        Ok(())
    }
}

impl Display for Ratio {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.numerator.fmt(f)?;
        optional(f, "/", self.denominator.as_ref())
    }
}

impl Display for OrderExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.expr, if self.descending { "DESC" } else { "ASC" })?;
        match self.nulls {
            None => {}
            Some(Nulls::First) => f.write_str(" NULLS FIRST")?,
            Some(Nulls::Last) => f.write_str(" NULLS LAST")?,
        }
        match &self.fill {
            None => Ok(()),
            Some(Fill { from, to, step }) => {
                f.write_str(" WITH FILL")?;
                optional(f, " FROM ", from.as_ref())?;
                optional(f, " TO ", to.as_ref())?;
                optional(f, " STEP ", step.as_ref())
            }
        }
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        clause(f, "PARTITION BY ", &self.partition_by)?;
        let gap = if self.partition_by.is_empty() { "" } else { " " };
        clause(f, &format!("{gap}ORDER BY "), &self.order_by)?;
        let Some(frame) = &self.frame else { return Ok(()) };
        let gap = if self.partition_by.is_empty() && self.order_by.is_empty() { "" } else { " " };
        let unit = match frame.unit {
            FrameUnit::Rows => "ROWS",
            FrameUnit::Range => "RANGE",
        };
        match &frame.end {
            Some(end) => write!(f, "{gap}{unit} BETWEEN {} AND {end}", frame.start),
            None => write!(f, "{gap}{unit} {}", frame.start),
        }
    }
}

impl Display for FrameBound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FrameBound::CurrentRow => f.write_str("CURRENT ROW"),
            FrameBound::Preceding(None) => f.write_str("UNBOUNDED PRECEDING"),
            FrameBound::Preceding(Some(rows)) => write!(f, "{rows} PRECEDING"),
            FrameBound::Following(None) => f.write_str("UNBOUNDED FOLLOWING"),
            FrameBound::Following(Some(rows)) => write!(f, "{rows} FOLLOWING"),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Above(LOWEST, self).fmt(f)
    }
}

/// An expression in parentheses, if its operator binds less tightly than the number says.
struct Above<'a>(u8, &'a Expr);

impl Display for Above<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Above(precedence, expr) = self;
        if binding(&expr.kind) < *precedence {
            f.write_char('(')?;
            kind(f, &expr.kind)?;
            f.write_char(')')
        } else {
            kind(f, &expr.kind)
        }
    }
}

/// How tightly the outermost operator binds.
fn binding(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Lambda { .. } => LOWEST,
        ExprKind::Alias { .. } => ALIAS,
        ExprKind::Or(_) => OR,
        ExprKind::And(_) => AND,
        ExprKind::Not(_) => NOT,
        ExprKind::Compare { .. } | ExprKind::Between { .. } => COMPARE,
        ExprKind::Arithmetic { op: ArithmeticOp::Add | ArithmeticOp::Sub, .. } => ADD,
        ExprKind::Arithmetic { .. } => MULTIPLY,
        // `1.2` would be another number and `null.x` a field.
        ExprKind::Literal(literal) if !matches!(literal, Literal::String(_)) => POSTFIX - 1,
        _ => POSTFIX,
    }
}

fn kind(f: &mut Formatter<'_>, kind: &ExprKind) -> fmt::Result {
    match kind {
        ExprKind::Literal(literal) => literal.fmt(f),
        ExprKind::Field(chain) => field(f, chain),
        ExprKind::Asterisk(asterisk) => asterisk.fmt(f),
        ExprKind::Call(call) => call.fmt(f),
        // The parentheses matter: `f(a, x -> x)` would be one lambda of two parameters.
        ExprKind::Lambda { params, body } => {
            f.write_char('(')?;
            names(f, params)?;
            write!(f, ") -> {body}")
        }
        ExprKind::Compare { op, left, right } => {
            write!(f, "{} {} {}", Above(COMPARE, left), compare_op(*op), Above(COMPARE + 1, right))
        }
        ExprKind::And(exprs) => chain(f, " AND ", AND + 1, exprs),
        ExprKind::Or(exprs) => chain(f, " OR ", OR + 1, exprs),
        ExprKind::Not(expr) => write!(f, "NOT {}", Above(NOT, expr)),
        ExprKind::Arithmetic { op, left, right } => {
            let (symbol, precedence) = match op {
                ArithmeticOp::Add => ("+", ADD),
                ArithmeticOp::Sub => ("-", ADD),
                ArithmeticOp::Mul => ("*", MULTIPLY),
                ArithmeticOp::Div => ("/", MULTIPLY),
                ArithmeticOp::Mod => ("%", MULTIPLY),
            };
            write!(f, "{} {symbol} {}", Above(precedence, left), Above(precedence + 1, right))
        }
        ExprKind::Between { expr, low, high, negated } => {
            let not = if *negated { " NOT" } else { "" };
            let (low, high) = (Above(COMPARE + 1, low), Above(COMPARE + 1, high));
            write!(f, "{}{not} BETWEEN {low} AND {high}", Above(COMPARE, expr))
        }
        ExprKind::Array(exprs) => write!(f, "[{}]", List(exprs)),
        ExprKind::Tuple(exprs) if exprs.len() == 1 => write!(f, "({},)", List(exprs)),
        ExprKind::Tuple(exprs) => write!(f, "({})", List(exprs)),
        ExprKind::Dict(pairs) => {
            f.write_char('{')?;
            for (place, (key, value)) in pairs.iter().enumerate() {
                write!(f, "{}{key}: {value}", if place == 0 { "" } else { ", " })?;
            }
            f.write_char('}')
        }
        ExprKind::ArrayAccess { array, index, nullish } => {
            write!(f, "{}{}[{index}]", Above(POSTFIX, array), if *nullish { "?." } else { "" })
        }
        ExprKind::TupleAccess { tuple, index, nullish } => {
            write!(f, "{}{}{index}", Above(POSTFIX, tuple), if *nullish { "?." } else { "." })
        }
        ExprKind::Cast { expr, type_name, try_cast } => {
            let function = if *try_cast { "TRY_CAST" } else { "CAST" };
            write!(f, "{function}({} AS {type_name})", Above(ALIAS + 1, expr))
        }
        ExprKind::Placeholder(inner) => write!(f, "{{{inner}}}"),
        ExprKind::Subquery(query) => write!(f, "({query})"),
        ExprKind::Alias { expr, alias } => write!(f, "{} AS {}", Above(ALIAS, expr), Name(alias)),
        ExprKind::Tag(tag) => tag.fmt(f),
    }
}

fn compare_op(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "!=",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
        CompareOp::Like => "LIKE",
        CompareOp::NotLike => "NOT LIKE",
        CompareOp::ILike => "ILIKE",
        CompareOp::NotILike => "NOT ILIKE",
        CompareOp::In => "IN",
        CompareOp::NotIn => "NOT IN",
        CompareOp::InCohort => "IN COHORT",
        CompareOp::NotInCohort => "NOT IN COHORT",
        CompareOp::Regex => "=~",
        CompareOp::NotRegex => "!~",
        CompareOp::IRegex => "=~*",
        CompareOp::NotIRegex => "!~*",
    }
}

fn field(f: &mut Formatter<'_>, chain: &[Segment]) -> fmt::Result {
    for (place, segment) in chain.iter().enumerate() {
        let dot = if place == 0 { "" } else { "." };
        match segment {
            Segment::Name(name) => write!(f, "{dot}{}", Name(name))?,
            Segment::Index(index) => write!(f, "{dot}{index}")?,
        }
    }
    Ok(())
}

impl Display for Asterisk {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(regex) = &self.matching {
            return write!(f, "COLUMNS({})", Quoted(regex));
        }
        for part in &self.qualifier {
            write!(f, "{}.", Name(part))?;
        }
        f.write_char('*')?;
        if !self.exclude.is_empty() {
            f.write_str(" EXCLUDE ")?;
            names_in_parens(f, &self.exclude)?;
        }
        for (place, (expr, name)) in self.replace.iter().enumerate() {
            let lead = if place == 0 { " REPLACE (" } else { ", " };
            write!(f, "{lead}{} AS {}", Above(ALIAS, expr), Name(name))?;
        }
        if self.replace.is_empty() { Ok(()) } else { f.write_char(')') }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Reserved words are functions before a parenthesis, but for those that begin something else.
        let name = &self.name;
        let special = ["select", "with", "from"].iter().chain(&SPECIAL).any(|word| name.eq_ignore_ascii_case(word));
        if special || !is_plain(name) {
            backticks(f, name)?
        } else {
            f.write_str(name)?
        }
        if let Some(params) = &self.params {
            write!(f, "({})", List(params))?;
        }
        write!(f, "({}{}", if self.distinct { "DISTINCT " } else { "" }, List(&self.args))?;
        clause(f, " ORDER BY ", &self.order_by)?;
        f.write_char(')')?;
        if let Some(filter) = &self.filter {
            write!(f, " FILTER (WHERE {filter})")?;
        }
        match self.over.as_deref() {
            None => Ok(()),
            Some(Over::Named(name)) => write!(f, " OVER {}", Name(name)),
            Some(Over::Window(window)) => write!(f, " OVER ({window})"),
        }
    }
}

impl Display for Tag {
    /// In parentheses, so that `<` is never taken for a comparison.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "(<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}={{{value}}}")?;
        }
        f.write_str(" />)")
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("NULL"),
            Literal::Bool(value) => value.fmt(f),
            Literal::Int(value) => value.fmt(f),
            Literal::UInt(value) => value.fmt(f),
            Literal::Float(value) if value.is_nan() => f.write_str("nan"),
            // `Debug` always shows that it is a float.
            Literal::Float(value) => write!(f, "{value:?}"),
            Literal::String(text) => Quoted(text).fmt(f),
        }
    }
}

/// Text in single quotes.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        escaped(f, self.0, '\'')?;
        f.write_char('\'')
    }
}

fn escaped(f: &mut Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\0' => f.write_str("\\x00")?,
            c if c == quote => write!(f, "\\{c}")?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

/// A name, in backticks where it would not be one without.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.0;
        let keyword = RESERVED.iter().chain(&SPECIAL).any(|word| name.eq_ignore_ascii_case(word));
        if keyword || !is_plain(name) { backticks(f, name) } else { f.write_str(name) }
    }
}

fn is_plain(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

fn backticks(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    f.write_char('`')?;
    escaped(f, name, '`')?;
    f.write_char('`')
}

/// Separated by commas.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

fn names(f: &mut Formatter<'_>, names: &[String]) -> fmt::Result {
    for (place, name) in names.iter().enumerate() {
        write!(f, "{}{}", if place == 0 { "" } else { ", " }, Name(name))?;
    }
    Ok(())
}

/// ` (a, b)`, or nothing for no names.
fn names_in_parens(f: &mut Formatter<'_>, list: &[String]) -> fmt::Result {
    if list.is_empty() {
        return Ok(());
    }
    f.write_char('(')?;
    names(f, list)?;
    f.write_char(')')
}

fn chain(f: &mut Formatter<'_>, operator: &str, precedence: u8, exprs: &[Expr]) -> fmt::Result {
    for (place, expr) in exprs.iter().enumerate() {
        write!(f, "{}{}", if place == 0 { "" } else { operator }, Above(precedence, expr))?;
    }
    Ok(())
}

fn clause<T: Display>(f: &mut Formatter<'_>, lead: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() { Ok(()) } else { write!(f, "{lead}{}", List(items)) }
}

fn optional<T: Display>(f: &mut Formatter<'_>, lead: &str, item: Option<&T>) -> fmt::Result {
    item.map_or(Ok(()), |item| write!(f, "{lead}{item}"))
}
