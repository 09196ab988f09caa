//! What the actors of a funnel are: their properties, as they are now.

use super::Passages;
use super::table::{Counts, DIVIDER, Table, Thing};
use crate::error::QueryError;
use crate::functions::datum::{Datum, read};
use crate::hogql::ast::{Expr, SelectQuery};
use crate::hogql::build::{call, eq, table as from_table};
use crate::insights::InsightContext;
use crate::insights::actors::ActorId;
use arrow::array::ArrayRef;
use hashbrown::HashSet;
use uuid::Uuid;

/// Stands for every property.
const ALL: &str = "$all";

/// Counts actors by the values of their properties. One that has not a property that is asked for by name counts for the empty text.
///
/// # Errors
/// What reading persons or groups answers.
pub(super) fn table(
    passages: &Passages,
    names: &[String],
    excluded: &[String],
    group: Option<u8>,
    context: &InsightContext<'_>,
) -> Result<Table, QueryError> {
    let names: Option<&[String]> = (!names.iter().any(|name| name == ALL)).then_some(names);
    let select = SelectQuery {
        select: vec![
            Expr::field([if group.is_some() { "key" } else { "id" }]),
            call("JSONExtractKeysAndValues", vec![call("toString", vec![Expr::field(["properties"])]), Expr::lit("String")]),
        ],
        from: Some(from_table(if group.is_some() { "groups" } else { "persons" })),
        filter: group.map(|index| eq(Expr::field(["index"]), Expr::lit(i64::from(index)))),
        ..SelectQuery::default()
    };
    let (mut told, mut total, mut known) = (Vec::new(), Counts::default(), HashSet::new());
    for batch in context.select(&select.into())? {
        for row in 0..batch.num_rows() {
            let id = read(batch.column(0).as_ref(), row);
            let Some(actor) = actor(&id) else { continue };
            let Some(passage) = passages.get(actor) else { continue };
            if let ActorId::Key(key) = actor {
                known.insert(key.to_owned());
            }
            let pairs = pairs(batch.column(1), row);
            told.extend(things(&pairs, names).map(|thing| (thing, passage.converted)));
        }
    }
    for (actor, passage) in passages.iter() {
        total.add(passage.converted);
        // Groups may never have been described.
        if let ActorId::Key(key) = actor
            && !known.contains(key)
        {
            told.extend(things(&[], names).map(|thing| (thing, passage.converted)));
        }
    }
    let wanted = |thing: &Thing| !excluded.iter().any(|name| thing.key.as_ref() == Some(name));
    Ok(Table::counted(told.into_iter().filter(|(thing, _)| wanted(thing)), total))
}

fn actor<'a>(id: &'a Datum<'_>) -> Option<ActorId<'a>> {
    match id {
        Datum::Uuid(id) => Some(ActorId::Person(Uuid::from_u128(*id))),
        other => other.as_text().map(ActorId::Key),
    }
}

/// The pairs of texts in a cell.
pub(super) fn pairs(column: &ArrayRef, row: usize) -> Vec<(String, String)> {
    let Datum::List(list) = read(column.as_ref(), row) else { return Vec::new() };
    let pair = |pair: Datum<'_>| match pair {
        Datum::Tuple(both) => Some((both.first()?.as_text()?.to_owned(), both.get(1)?.as_text().unwrap_or_default().to_owned())),
        _ => None,
    };
    list.into_iter().filter_map(pair).collect()
}

/// What they tell: the named ones, or all.
fn things<'a>(pairs: &'a [(String, String)], names: Option<&'a [String]>) -> impl Iterator<Item = Thing> + 'a {
    let named = names.into_iter().flatten().map(|name| {
        let value = pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        (name.as_str(), value)
    });
    let all = pairs.iter().filter(move |_| names.is_none()).map(|(key, value)| (key.as_str(), value.as_str()));
    named.chain(all).map(|(key, value)| Thing { name: [key, value].join(DIVIDER), key: Some(key.to_owned()) })
}
