//! PostHog's own functions.

use super::datum::Datum;
use super::registry::{RowDef, row};
use super::search::regex;
use super::text::{list, t};
use super::types::Returns::{Bool, Ints, Of, Text};
use super::types::tuple_of;
use crate::bots::bot_of;
use crate::channel;
use arrow::datatypes::DataType;

/// A cell that the page draws: a tuple that begins with `__hx_tag`.
fn cell<'a>(kind: &'static str, attributes: impl IntoIterator<Item = (&'static str, Datum<'a>)>) -> Datum<'a> {
    let head = [Datum::text("__hx_tag"), Datum::text(kind)];
    let pairs = attributes.into_iter().flat_map(|(name, value)| [Datum::text(name), value]);
    Datum::Tuple(head.into_iter().chain(pairs).collect())
}

/// Type of a cell: names are texts, values as given.
fn cell_type(args: &[DataType]) -> DataType {
    let pairs = args.iter().flat_map(|value| [DataType::Utf8, value.clone()]);
    tuple_of([DataType::Utf8, DataType::Utf8].into_iter().chain(pairs))
}

pub(super) const ROWS: &[RowDef] = &[
    row("sparkline", 1, 1, Of(cell_type), |args, _| cell("Sparkline", [("data", args[0].clone())])).lenient(),
    row("recordingButton", 1, 2, Of(cell_type), |args, _| {
        let status = args.get(1).map(|status| ("recordingStatus", status.clone()));
        cell("RecordingButton", [("sessionId", args[0].clone())].into_iter().chain(status))
    })
    .lenient(),
    row("sortableSemver", 1, 1, Ints, |args, _| {
        let text = t(args, 0);
        let version = regex(r"\d+(?:\.\d+)+").and_then(|regex| regex.find(&text).map(|found| found.as_str().to_owned()));
        list(version.unwrap_or_default().split('.').map(|part| part.parse::<i64>().unwrap_or(0)))
    })
    .also(&["sortableSemVer"]),
    row("lookupDomainType", 1, 1, Text, |args, _| channel::site_kind(&t(args, 0)).into()).also(&["_domainType"]),
    row("lookupOrganicSourceType", 1, 1, Text, |args, _| channel::site_kind(&t(args, 0)).map(channel::organic).into()),
    row("lookupPaidSourceType", 1, 1, Text, |args, _| channel::site_kind(&t(args, 0)).map(channel::paid).into()),
    row("lookupOrganicMediumType", 1, 1, Text, |args, _| channel::organic_medium(&t(args, 0)).into()),
    row("lookupPaidMediumType", 1, 1, Text, |args, _| channel::paid_medium(&t(args, 0)).into()),
    row("_isLikelyBot", 1, 1, Bool, |args, _| bot_of(&t(args, 0)).is_some().into()),
    row("_botName", 1, 1, Text, |args, _| bot_of(&t(args, 0)).map_or("", |bot| bot.name).into()),
    row("_botOperator", 1, 1, Text, |args, _| bot_of(&t(args, 0)).map_or("", |bot| bot.operator).into()),
    row("_botType", 1, 1, Text, |args, _| bot_of(&t(args, 0)).map_or("", |bot| bot.category).into()),
    row("_trafficCategory", 1, 1, Text, |args, _| bot_of(&t(args, 0)).map_or("regular", |bot| bot.category).into()),
    row("_trafficType", 1, 1, Text, |args, _| bot_of(&t(args, 0)).map_or("Regular", |bot| bot.traffic).into()),
    row("_defaultChannelType", 7, 7, Text, |args, _| {
        let text = |place: usize| args[place].as_text();
        let flag = |place: usize| args[place].is_true();
        let origin = channel::Origin {
            campaign: text(0),
            medium: text(1),
            source: text(2),
            referring_domain: text(3),
            has_gclid: flag(4),
            has_fbclid: flag(5),
            gad_source: text(6),
        };
        origin.channel().into()
    })
    .lenient(),
];
