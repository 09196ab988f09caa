//! The values that a table of visits is broken down by.

use super::model::WebQuery;
use crate::error::QueryError;
use crate::hogql::ast::{CompareOp, Expr};
use crate::hogql::build::{call, compare, eq, not};
use crate::insights::InsightContext;
use crate::insights::paths;

/// Values of `breakdownBy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakdownBy {
    Page,
    InitialPage,
    ExitPage,
    ExitClick,
    PreviousPage,
    ScreenName,
    InitialChannelType,
    InitialReferringDomain,
    InitialReferringUrl,
    InitialUtm(&'static str),
    InitialUtmSourceMediumCampaign,
    /// A property of events.
    Property(&'static str),
    Viewport,
    Region,
    City,
    Timezone,
    Language,
    FrustrationMetrics,
}

use BreakdownBy as B;

/// A breakdown as expressions.
#[derive(Clone, Debug)]
pub(super) struct Breakdown {
    /// Several are shown as a list.
    pub(super) exprs: Vec<Expr>,
    /// Which rows have a value that is shown; `None`: all.
    pub(super) shown: Option<Expr>,
}

/// What is shown for a part of an origin that is not known.
const NONE: &str = "(none)";

impl BreakdownBy {
    /// By PostHog's name.
    ///
    /// # Errors
    /// [`QueryError::Request`] for a name that is not known.
    pub(super) fn named(name: &str) -> Result<Self, QueryError> {
        Ok(match name {
            "Page" => B::Page,
            "InitialPage" => B::InitialPage,
            "ExitPage" => B::ExitPage,
            "ExitClick" => B::ExitClick,
            "PreviousPage" => B::PreviousPage,
            "ScreenName" => B::ScreenName,
            "InitialChannelType" => B::InitialChannelType,
            "InitialReferringDomain" => B::InitialReferringDomain,
            "InitialReferringURL" => B::InitialReferringUrl,
            "InitialUTMSource" => B::InitialUtm("$entry_utm_source"),
            "InitialUTMCampaign" => B::InitialUtm("$entry_utm_campaign"),
            "InitialUTMMedium" => B::InitialUtm("$entry_utm_medium"),
            "InitialUTMTerm" => B::InitialUtm("$entry_utm_term"),
            "InitialUTMContent" => B::InitialUtm("$entry_utm_content"),
            "InitialUTMSourceMediumCampaign" => B::InitialUtmSourceMediumCampaign,
            "Browser" => B::Property("$browser"),
            "OS" => B::Property("$os"),
            "DeviceType" => B::Property("$device_type"),
            "Country" => B::Property("$geoip_country_code"),
            "Viewport" => B::Viewport,
            "Region" => B::Region,
            "City" => B::City,
            "Timezone" => B::Timezone,
            "Language" => B::Language,
            "FrustrationMetrics" => B::FrustrationMetrics,
            other => {
                let detail = format!("breakdownBy is one of PostHog's breakdowns of web analytics, found {other:?}");
                return Err(QueryError::Request { detail, attr: Some("breakdownBy") });
            }
        })
    }

    /// The expressions.
    ///
    /// # Errors
    /// [`QueryError::Request`] when a rule of path cleaning cannot be read.
    pub(super) fn breakdown(self, query: &WebQuery, context: &InsightContext<'_>) -> Result<Breakdown, QueryError> {
        let one = |expr: Expr| Breakdown { shown: Some(call("isNotNull", vec![expr.clone()])), exprs: vec![expr] };
        let cleaned = |path: Expr| clean(path, query, context);
        Ok(match self {
            B::Page | B::FrustrationMetrics => one(page(query, context)?),
            B::InitialPage => one(cleaned(session("$entry_pathname"))?),
            B::ExitPage => one(cleaned(session("$end_pathname"))?),
            B::ExitClick => one(session("$last_external_click_url")),
            B::PreviousPage => one(previous_page(query, context)?),
            B::ScreenName => one(property("$screen_name")),
            B::InitialChannelType => one(session("$channel_type")),
            B::InitialReferringDomain => one(session("$entry_referring_domain")),
            B::InitialReferringUrl => one(call("cutQueryStringAndFragment", vec![session("$entry_referrer")])),
            // those without are shown too
            B::InitialUtm(field) => Breakdown { exprs: vec![session(field)], shown: None },
            B::InitialUtmSourceMediumCampaign => one(origin()),
            B::Property(key) => one(property(key)),
            B::Language => one(property("$browser_language")),
            B::Timezone => {
                // a browser counts from its clock to UTC, and in minutes
                let minutes = call("toFloat", vec![property("$timezone_offset")]);
                one(call("divide", vec![call("negate", vec![minutes]), Expr::lit(60)]))
            }
            B::Viewport => {
                let exprs = vec![property("$viewport_width"), property("$viewport_height")];
                let is_size = |side: &Expr| compare(CompareOp::Gt, call("toFloat", vec![side.clone()]), Expr::lit(0));
                Breakdown { shown: Some(call("and", exprs.iter().map(is_size).collect())), exprs }
            }
            B::Region => places(["$geoip_country_code", "$geoip_subdivision_1_code", "$geoip_subdivision_1_name"]),
            B::City => places(["$geoip_country_code", "$geoip_city_name"]),
        })
    }
}

fn session(field: &str) -> Expr {
    Expr::field(["session", field])
}

fn property(key: &str) -> Expr {
    Expr::field(["properties", key])
}

/// The country and what lies in it, where that is known.
fn places<const N: usize>(keys: [&str; N]) -> Breakdown {
    Breakdown { shown: Some(call("isNotNull", vec![property(keys[1])])), exprs: keys.map(property).to_vec() }
}

/// A path as the project's rules clean it, if the query asks for that.
pub(super) fn clean(path: Expr, query: &WebQuery, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
    if query.do_path_cleaning == Some(true) { paths::cleaned_by_project(path, context) } else { Ok(path) }
}

/// The page that an event was on.
pub(super) fn page(query: &WebQuery, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
    let path = clean(property("$pathname"), query, context)?;
    if query.include_host != Some(true) {
        return Ok(path);
    }
    let whole = call("concat", vec![property("$host"), path.clone()]);
    Ok(call("if", vec![call("isNull", vec![path]), Expr::null(), whole]))
}

/// Within an app what it says; after a link on the same site the path of the referrer; else the referrer.
fn previous_page(query: &WebQuery, context: &InsightContext<'_>) -> Result<Expr, QueryError> {
    let domain = |key: &str| call("domain", vec![property(key)]);
    Ok(call(
        "multiIf",
        vec![
            call("isNotNull", vec![property("$prev_pageview_pathname")]),
            clean(property("$prev_pageview_pathname"), query, context)?,
            eq(domain("$current_url"), domain("$referrer")),
            clean(call("path", vec![property("$referrer")]), query, context)?,
            property("$referrer"),
        ],
    ))
}

/// `source / medium / campaign`; a referring domain takes the place of the source.
fn origin() -> Expr {
    let or_none = |expr: Expr| call("coalesce", vec![expr, Expr::lit(NONE)]);
    let domain = session("$entry_referring_domain");
    let referrer =
        call("if", vec![not(call("isNull", vec![domain.clone()])), call("concat", vec![Expr::lit("referrer:"), domain]), Expr::lit(NONE)]);
    let source = call("coalesce", vec![session("$entry_utm_source"), referrer]);
    let parts = [source, or_none(session("$entry_utm_medium")), or_none(session("$entry_utm_campaign"))];
    call("concatWithSeparator", std::iter::once(Expr::lit(" / ")).chain(parts).collect())
}
