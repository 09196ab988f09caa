//! Expressions: what each kind of node means.

use super::scope::Scope;
use super::types::{Class, Note, Type, Value};
use crate::error::QueryError;
use crate::hogql::ast::{self, CompareOp, ExprKind, Literal, Segment};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator, binary_expr, cast, lit};

/// Calls `f` with every node of an expression, outside in; subqueries are not entered.
pub(super) fn visit(expr: &ast::Expr, f: &mut impl FnMut(&ast::Expr) -> Result<(), QueryError>) -> Result<(), QueryError> {
    f(expr)?;
    for child in children(expr) {
        visit(child, f)?;
    }
    Ok(())
}

fn children(expr: &ast::Expr) -> Vec<&ast::Expr> {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Field(_) | ExprKind::Asterisk(_) | ExprKind::Subquery(_) | ExprKind::Placeholder(_) => Vec::new(),
        ExprKind::Call(call) => {
            let mut all: Vec<&ast::Expr> = call.args.iter().chain(call.params.iter().flatten()).collect();
            all.extend(call.order_by.iter().map(|order| &order.expr));
            all.extend(call.filter.as_deref());
            if let Some(ast::Over::Window(window)) = call.over.as_deref() {
                all.extend(window.partition_by.iter().chain(window.order_by.iter().map(|order| &order.expr)));
            }
            all
        }
        ExprKind::Lambda { body, .. } => vec![body],
        ExprKind::Compare { left, right, .. } | ExprKind::Arithmetic { left, right, .. } => vec![left, right],
        ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Array(items) | ExprKind::Tuple(items) => items.iter().collect(),
        ExprKind::Not(inner) => vec![inner],
        ExprKind::Between { expr, low, high, .. } => vec![expr, low, high],
        ExprKind::Dict(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        ExprKind::ArrayAccess { array, index, .. } => vec![array, index],
        ExprKind::TupleAccess { tuple, .. } => vec![tuple],
        ExprKind::Cast { expr, .. } | ExprKind::Alias { expr, .. } => vec![expr],
        ExprKind::Tag(tag) => tag.attributes.iter().map(|(_, value)| value).collect(),
    }
}

impl Scope<'_> {
    /// Resolves one expression.
    ///
    /// # Errors
    /// [`QueryError::Resolve`] in PostHog's words where something does not exist or does not fit.
    pub(crate) fn expr(&mut self, expr: &ast::Expr) -> Result<Value, QueryError> {
        let value = self.node(expr);
        if self.context.is_check {
            self.context.notes.take(expr, &value);
        }
        value
    }

    fn node(&mut self, expr: &ast::Expr) -> Result<Value, QueryError> {
        match &expr.kind {
            ExprKind::Literal(literal) => Ok(literal_value(literal)),
            ExprKind::Field(chain) => self.field(chain),
            ExprKind::Asterisk(_) => Err(QueryError::resolve("Cannot use '*' here")),
            ExprKind::Call(call) => self.call(call),
            ExprKind::Lambda { .. } => Err(QueryError::resolve("A lambda can only be an argument of a function")),
            ExprKind::Compare { op, left, right } => self.compare(*op, left, right),
            ExprKind::And(items) => self.junction(Operator::And, items),
            ExprKind::Or(items) => self.junction(Operator::Or, items),
            ExprKind::Not(inner) => {
                let value = self.expr(inner)?;
                let value = truth(value)?;
                Ok(Value::flag(Expr::Not(Box::new(value.expr)), value.ty.nullable))
            }
            ExprKind::Arithmetic { op, left, right } => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.arithmetic(*op, left, right)
            }
            ExprKind::Between { expr, low, high, negated } => self.between(expr, low, high, *negated),
            ExprKind::Array(items) => self.call_named("array", items),
            ExprKind::Tuple(items) => self.call_named("tuple", items),
            ExprKind::Dict(entries) => {
                let items: Vec<ast::Expr> = entries.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
                self.call_named("map", &items)
            }
            ExprKind::ArrayAccess { array, index, .. } => self.array_access(array, index),
            ExprKind::TupleAccess { tuple, index, .. } => self.tuple_access(tuple, i64::from(*index)),
            ExprKind::Cast { expr, type_name, try_cast } => self.cast(expr, type_name, *try_cast),
            ExprKind::Placeholder(inner) => Err(QueryError::resolve(match inner.as_chain() {
                Some(chain) => format!("Unresolved placeholder: {{{}}}", chain.join(".")),
                None => "Unresolved placeholder".to_owned(),
            })),
            ExprKind::Subquery(query) => self.scalar_subquery(query),
            ExprKind::Alias { expr: inner, alias } => match self.alias(alias, false)? {
                // the same name given twice to different things: the first one is the name's, this one is itself
                Some(value) if self.is_first(alias, inner) => Ok(value),
                _ => self.expr(inner),
            },
            ExprKind::Tag(tag) => self.tag(tag),
        }
    }

    fn junction(&mut self, op: Operator, items: &[ast::Expr]) -> Result<Value, QueryError> {
        let mut joined: Option<Value> = None;
        for item in items {
            let value = self.expr(item)?;
            let value = truth(value)?;
            joined = Some(match joined {
                None => value,
                Some(left) => Value::flag(binary_expr(left.expr, op, value.expr), left.ty.nullable || value.ty.nullable),
            });
        }
        Ok(joined.unwrap_or_else(|| Value::flag_literal(op == Operator::And)))
    }

    fn between(&mut self, expr: &ast::Expr, low: &ast::Expr, high: &ast::Expr, negated: bool) -> Result<Value, QueryError> {
        let (value, low, high) = (self.expr(expr)?, self.expr(low)?, self.expr(high)?);
        let above = self.compare_values(CompareOp::GtEq, value.clone(), low.clone())?;
        let below = self.compare_values(CompareOp::LtEq, value.clone(), high.clone())?;
        let inside = binary_expr(above.expr, Operator::And, below.expr);
        if !negated {
            return Ok(Value::flag(inside, false));
        }
        // a NULL operand makes both BETWEEN and NOT BETWEEN false
        let known =
            [value, low, high].into_iter().filter(|operand| operand.ty.nullable).map(|operand| Expr::IsNotNull(Box::new(operand.expr)));
        let outside = known.fold(Expr::Not(Box::new(inside)), |all, known| binary_expr(known, Operator::And, all));
        Ok(Value::flag(outside, false))
    }

    fn array_access(&mut self, array: &ast::Expr, index: &ast::Expr) -> Result<Value, QueryError> {
        let place = self.expr(index)?;
        if let Some(field) = self.extended_chain(array, &place)? {
            return Ok(field);
        }
        let value = self.expr(array)?;
        if value.class() == Class::Text {
            let segment = match (place.text_literal(), place.int_literal()) {
                (Some(key), _) => Segment::Name(key.to_owned()),
                (None, Some(index)) => Segment::Index(index),
                (None, None) => return Err(QueryError::resolve("Only constants can be used to reach into JSON")),
            };
            return self.json_path(value, &[segment]);
        }
        if place.int_literal() == Some(0) {
            return Err(QueryError::resolve("SQL indexes start from one, not from zero. E.g: array[1]"));
        }
        if value.class() == Class::Tuple {
            return match (place.int_literal(), place.text_literal()) {
                (Some(index), _) => self.element(value, index),
                (None, Some(name)) => {
                    let name = name.to_owned();
                    self.named_element(value, &name)
                }
                (None, None) => Err(QueryError::resolve("A tuple's index has to be a constant")),
            };
        }
        self.call_values("arrayElement", vec![value, place])
    }

    /// `properties['key']` is `properties.key`: one column, not JSON read per row.
    fn extended_chain(&mut self, array: &ast::Expr, place: &Value) -> Result<Option<Value>, QueryError> {
        let (ExprKind::Field(chain), Some(key)) = (&array.kind, place.text_literal()) else { return Ok(None) };
        if chain.last().and_then(Segment::as_name) != Some("properties") {
            return Ok(None);
        }
        let mut chain = chain.clone();
        chain.push(Segment::Name(key.to_owned()));
        self.field(&chain).map(Some)
    }

    fn tuple_access(&mut self, tuple: &ast::Expr, index: i64) -> Result<Value, QueryError> {
        if index == 0 {
            return Err(QueryError::resolve("SQL indexes start from one, not from zero. E.g: array.1"));
        }
        if let ExprKind::Tuple(items) = &tuple.kind {
            let at = usize::try_from(index - 1).ok().and_then(|at| items.get(at));
            return self.expr(at.ok_or_else(|| no_element(index))?);
        }
        let value = self.expr(tuple)?;
        match value.class() {
            Class::Text => self.json_path(value, &[Segment::Index(index)]),
            _ => self.element(value, index),
        }
    }

    /// Element `index` (from 1) of a tuple, of an array, or of each tuple in an array.
    pub(crate) fn element(&mut self, value: Value, index: i64) -> Result<Value, QueryError> {
        match value.class() {
            Class::Tuple | Class::List => {
                let name = if value.class() == Class::Tuple || holds_tuples(&value) { "tupleElement" } else { "arrayElement" };
                self.call_values(name, vec![value, Value::literal(ScalarValue::Int64(Some(index)))])
            }
            Class::Text => self.json_path(value, &[Segment::Index(index)]),
            _ => Err(no_element(index)),
        }
    }

    /// The element of that name of a tuple, or the value of a map's key.
    pub(crate) fn named_element(&mut self, value: Value, name: &str) -> Result<Value, QueryError> {
        let key = Value::literal(ScalarValue::Utf8(Some(name.to_owned())));
        match (value.class(), &value.ty.data) {
            (Class::Tuple, _) => self.call_values("tupleElement", vec![value, key]),
            (Class::List, _) if holds_tuples(&value) => self.call_values("tupleElement", vec![value, key]),
            (_, DataType::Map(..)) => self.call_values("arrayElement", vec![value, key]),
            (Class::Text, _) => self.json_path(value, &[Segment::Name(name.to_owned())]),
            _ => Err(QueryError::resolve(format!("Can not access property \"{name}\" on a value of type {}", value.ty.name("UTC")))),
        }
    }

    fn cast(&mut self, expr: &ast::Expr, type_name: &str, try_cast: bool) -> Result<Value, QueryError> {
        let value = self.expr(expr)?;
        let mut cast = self.cast_value(value, type_name)?;
        cast.ty.nullable |= try_cast;
        Ok(cast)
    }

    fn tag(&mut self, tag: &ast::Tag) -> Result<Value, QueryError> {
        let mut items = vec![ast::Expr::lit("__hx_tag"), ast::Expr::lit(tag.name.as_str())];
        for (name, value) in &tag.attributes {
            items.push(ast::Expr::lit(name.as_str()));
            items.push(value.clone());
        }
        self.call_named("tuple", &items)
    }
}

fn no_element(index: i64) -> QueryError {
    QueryError::resolve(format!("There is no element {index}"))
}

fn holds_tuples(value: &Value) -> bool {
    match &value.ty.data {
        DataType::List(item) | DataType::LargeList(item) => matches!(item.data_type(), DataType::Struct(_)),
        _ => false,
    }
}

/// A constant.
pub(super) fn literal_value(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::null(),
        Literal::Bool(value) => Value::literal(ScalarValue::Boolean(Some(*value))),
        Literal::Int(value) => Value::literal(ScalarValue::Int64(Some(*value))),
        Literal::UInt(value) => Value::literal(ScalarValue::UInt64(Some(*value))),
        Literal::Float(value) => Value::literal(ScalarValue::Float64(Some(*value))),
        Literal::String(text) => Value::literal(ScalarValue::Utf8(Some(text.clone()))),
    }
}

/// A value as a condition: numbers are true unless 0.
pub(crate) fn truth(value: Value) -> Result<Value, QueryError> {
    let nullable = value.ty.nullable;
    match value.class() {
        Class::Bool => Ok(value),
        Class::Null => Ok(Value::new(lit(ScalarValue::Boolean(None)), Type::new(DataType::Boolean, true).with_note(Note::Flag))),
        Class::Number => Ok(Value::flag(binary_expr(cast(value.expr, DataType::Float64), Operator::NotEq, lit(0.0)), nullable)),
        _ => Err(QueryError::resolve(format!("Illegal type {} of a condition: expected a boolean or a number", value.ty.name("UTC")))),
    }
}
