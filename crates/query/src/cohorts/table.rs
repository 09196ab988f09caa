//! `cohort_people` and `static_cohort_people`: a row for each member of each cohort.
//!
//! Finding the members of a dynamic cohort is work, so the cohorts that WHERE or the condition of a join names are the only ones whose members are found.

use super::{find, living, members};
use crate::error::QueryError;
use crate::hogql::ast::{
    CompareOp, Expr, ExprKind, FromExpr, JoinConstraint, JoinKind, JoinStrictness, Literal, Segment, SelectQuery, TableSource,
};
use crate::resolve::{Output, QueryContext, Type, column_name};
use crate::scan::uuids;
use aqueduct_event::PersonId;
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use std::sync::Arc;

/// The column that says which cohort.
const COHORT: &str = "cohort_id";

/// Whose members a table lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Those of cohorts whose members are found.
    Dynamic,
    /// Those of cohorts whose members were put in.
    Static,
}

/// The table, of the cohorts of these numbers or of all.
///
/// # Errors
/// As [`members`] for a cohort that is named; others that cannot be understood have no rows.
pub(crate) fn table(listed: Listed, only: Option<&[i64]>, context: &QueryContext) -> Result<(LogicalPlan, Vec<Output>), QueryError> {
    let cohorts = match only {
        Some(ids) => ids.iter().map(|id| find(*id, context)).collect::<Result<Vec<_>, _>>()?,
        None => living(context),
    };
    let (mut ids, mut persons): (Vec<i64>, Vec<PersonId>) = (Vec::new(), Vec::new());
    for cohort in cohorts.iter().filter(|cohort| cohort.document.is_static == (listed == Listed::Static)) {
        match members(cohort, context) {
            Ok(members) => {
                persons.extend_from_slice(members.persons.ids());
                ids.resize(persons.len(), cohort.id);
            }
            Err(QueryError::Request { .. } | QueryError::Resolve(_)) if only.is_none() => {}
            Err(error) => return Err(error),
        }
    }
    let project = i64::from(context.project.id.0);
    let team: ArrayRef = Arc::new(Int64Array::from_value(project, ids.len()));
    let columns = [("person_id", uuids(&persons)?), (COHORT, Arc::new(Int64Array::from(ids)) as ArrayRef), ("team_id", team)];
    let fields = columns.iter().enumerate().map(|(at, (_, array))| Field::new(column_name(at), array.data_type().clone(), false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let outputs = columns.iter().map(|(name, array)| Output { name: (*name).to_owned(), ty: Type::new(array.data_type().clone(), false) });
    let outputs = outputs.collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.map(|(_, array)| array).to_vec())?;
    let provider = provider_as_source(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?));
    Ok((LogicalPlanBuilder::scan(context.fresh_name(), provider, None)?.build()?, outputs))
}

/// The cohorts that WHERE and the conditions of joins leave of a table that the query calls `name`; `None` when it may leave any.
pub(crate) fn asked(select: &SelectQuery, name: &str) -> Option<Vec<i64>> {
    let renames = |item: &Expr| matches!(&item.kind, ExprKind::Alias { alias, .. } if alias == COHORT);
    if select.select.iter().any(renames) {
        return None;
    }
    let mut parts = Vec::new();
    [&select.prewhere, &select.filter].into_iter().flatten().for_each(|clause| conjuncts(clause, &mut parts));
    select.from.iter().for_each(|from| of_joins(from, name, &mut parts));
    parts.into_iter().find_map(|part| numbers(part, name))
}

/// The conditions that all must hold.
fn conjuncts<'s>(condition: &'s Expr, all: &mut Vec<&'s Expr>) {
    match &condition.kind {
        ExprKind::And(parts) => parts.iter().for_each(|part| conjuncts(part, all)),
        ExprKind::Call(call) if call.name == "and" => call.args.iter().for_each(|part| conjuncts(part, all)),
        _ => all.push(condition),
    }
}

/// Adds the conditions of joins that rows of the table must fulfil to be in the result.
fn of_joins<'s>(from: &'s FromExpr, name: &str, all: &mut Vec<&'s Expr>) {
    let FromExpr::Join(join) = from else { return };
    // of an outer join the side that is kept is kept whole
    let (keeps_left, keeps_right) = match join.kind {
        JoinKind::Left => (true, false),
        JoinKind::Right => (false, true),
        JoinKind::Full => (true, true),
        JoinKind::Inner | JoinKind::Cross => (false, false),
    };
    let is_kept = (keeps_left && is_within(&join.left, name)) || (keeps_right && is_within(&join.right, name));
    let is_plain = join.strictness.is_none_or(|strictness| strictness == JoinStrictness::All);
    if let (Some(JoinConstraint::On(condition)), false, true) = (&join.constraint, is_kept, is_plain) {
        conjuncts(condition, all);
    }
    of_joins(&join.left, name, all);
    of_joins(&join.right, name, all);
}

fn is_within(from: &FromExpr, name: &str) -> bool {
    match from {
        FromExpr::Join(join) => is_within(&join.left, name) || is_within(&join.right, name),
        FromExpr::Table(table) => match (&table.alias, &table.source) {
            (Some(alias), _) => alias == name,
            (None, TableSource::Name(parts)) => parts.join(".") == name,
            _ => false,
        },
    }
}

fn numbers(condition: &Expr, name: &str) -> Option<Vec<i64>> {
    let (op, left, right) = match &condition.kind {
        ExprKind::Compare { op, left, right } => (*op, &**left, &**right),
        ExprKind::Call(call) => match (call.name.as_str(), call.args.as_slice()) {
            ("equals", [left, right]) => (CompareOp::Eq, left, right),
            ("in", [left, right]) => (CompareOp::In, left, right),
            _ => return None,
        },
        _ => return None,
    };
    let is_turned = op == CompareOp::Eq && left.as_literal().is_some();
    let (left, right) = if is_turned { (right, left) } else { (left, right) };
    let ExprKind::Field(chain) = &left.kind else { return None };
    let chain: Vec<&str> = chain.iter().filter_map(Segment::as_name).collect();
    if chain != [COHORT] && chain != [name, COHORT] {
        return None;
    }
    let number = |expr: &Expr| match expr.as_literal() {
        Some(Literal::Int(number)) => Some(*number),
        _ => None,
    };
    match (op, &right.kind) {
        (CompareOp::Eq, _) => Some(vec![number(right)?]),
        (CompareOp::In, ExprKind::Tuple(items) | ExprKind::Array(items)) => items.iter().map(number).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hogql::ast::Query;
    use crate::hogql::parse_select;

    fn check(text: &str, expected: Option<&[i64]>) {
        let Query::Select(select) = parse_select(text).unwrap() else { unreachable!("{text} is a SELECT") };
        assert_eq!(asked(&select, "c").as_deref(), expected, "{text}");
    }

    #[test]
    fn where_names_cohorts() {
        check("SELECT person_id FROM cohort_people c WHERE cohort_id = 5", Some(&[5]));
        check("SELECT person_id FROM cohort_people c WHERE c.cohort_id IN (5, 6) AND 1 = 1", Some(&[5, 6]));
        check("SELECT person_id FROM cohort_people c WHERE other.cohort_id = 5", None);
        check("SELECT person_id FROM cohort_people c WHERE cohort_id = 5 OR 1 = 1", None);
        check("SELECT person_id FROM cohort_people c WHERE cohort_id > 5", None);
        check("SELECT cohort_id + 1 AS cohort_id FROM cohort_people c WHERE cohort_id = 5", None);
        check("SELECT person_id FROM cohort_people c", None);
        check("SELECT person_id FROM cohort_people c PREWHERE 5 = cohort_id", Some(&[5]));
        check("SELECT person_id FROM cohort_people c WHERE and(equals(c.cohort_id, 5), 1 = 1)", Some(&[5]));
        check("SELECT event FROM events e JOIN cohort_people c ON e.person_id = c.person_id AND c.cohort_id = 5", Some(&[5]));
        check("SELECT event FROM events e LEFT JOIN cohort_people c ON e.person_id = c.person_id AND c.cohort_id = 5", Some(&[5]));
        check("SELECT event FROM cohort_people c LEFT JOIN events e ON e.person_id = c.person_id AND c.cohort_id = 5", None);
        check("SELECT event FROM events e ANTI JOIN cohort_people c ON e.person_id = c.person_id AND c.cohort_id = 5", None);
    }
}
