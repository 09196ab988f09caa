//! PostHog's own functions.

use super::datum::Datum;
use super::registry::{RowDef, row};
use super::search::regex;
use super::text::{list, t};
use super::types::Returns::{Ints, Of, Text};
use super::types::tuple_of;
use arrow::datatypes::DataType;

/// Kinds of well-known referring domains, by the domain without `www.`.
const DOMAINS: [(&str, &[&str]); 4] = [
    (
        "Search",
        &[
            "google",
            "bing",
            "yahoo",
            "duckduckgo",
            "yandex",
            "baidu",
            "ecosia",
            "qwant",
            "startpage",
            "ask",
            "aol",
            "naver",
            "sogou",
            "so",
            "seznam",
            "search.brave",
            "kagi",
            "presearch",
            "daum",
            "onet",
        ],
    ),
    (
        "Social",
        &[
            "facebook",
            "m.facebook",
            "l.facebook",
            "lm.facebook",
            "instagram",
            "l.instagram",
            "twitter",
            "t",
            "x",
            "linkedin",
            "lnkd",
            "reddit",
            "old.reddit",
            "out.reddit",
            "pinterest",
            "tumblr",
            "quora",
            "vk",
            "snapchat",
            "threads",
            "l.threads",
            "bsky",
            "news.ycombinator",
            "mastodon.social",
            "discord",
            "slack",
            "weibo",
            "wechat",
            "telegram",
            "web.telegram",
            "whatsapp",
            "medium",
        ],
    ),
    ("Video", &["youtube", "m.youtube", "vimeo", "twitch", "tiktok", "dailymotion", "netflix", "hulu", "disneyplus", "youku", "iqiyi"]),
    ("Shopping", &["amazon", "ebay", "etsy", "walmart", "aliexpress", "alibaba", "shop.app", "mercadolibre", "rakuten", "shopify"]),
];

/// The kind of a domain or of a source such as `google`.
fn kind(text: &str) -> Option<&'static str> {
    let text = text.trim().to_ascii_lowercase();
    let host = text.strip_prefix("www.").unwrap_or(&text);
    let known = |name: &str| host == name || host.strip_prefix(name).is_some_and(|rest| rest.starts_with('.') && rest.len() <= 7);
    DOMAINS.iter().find(|(_, names)| names.iter().any(|name| known(name))).map(|(kind, _)| *kind)
}

fn source(args: &[Datum<'_>], prefix: &str) -> Datum<'static> {
    kind(&t(args, 0)).map(|kind| format!("{prefix} {kind}")).into()
}

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
    row("lookupDomainType", 1, 1, Text, |args, _| kind(&t(args, 0)).map(str::to_owned).into()),
    row("lookupOrganicSourceType", 1, 1, Text, |args, _| source(args, "Organic")),
    row("lookupPaidSourceType", 1, 1, Text, |args, _| source(args, "Paid")),
    row("lookupOrganicMediumType", 1, 1, Text, |args, _| {
        let kind = match t(args, 0).to_ascii_lowercase().as_str() {
            "social" | "social-network" | "social-media" | "sm" | "social network" | "social media" => Some("Organic Social"),
            "email" | "e-mail" | "e_mail" | "e mail" | "newsletter" => Some("Email"),
            "affiliate" | "affiliates" => Some("Affiliate"),
            "referral" | "app" | "link" => Some("Referral"),
            "sms" => Some("SMS"),
            "audio" => Some("Audio"),
            "push" | "mobile" | "notification" => Some("Push"),
            "video" => Some("Organic Video"),
            _ => None,
        };
        kind.into()
    }),
    row("lookupPaidMediumType", 1, 1, Text, |args, _| {
        let kind = match t(args, 0).to_ascii_lowercase().as_str() {
            "display" | "banner" | "expandable" | "interstitial" | "cpm" => Some("Display"),
            "paid-social" | "paid_social" | "paidsocial" => Some("Paid Social"),
            "paid-search" | "paid_search" | "paidsearch" => Some("Paid Search"),
            "paid-video" | "paid_video" | "paidvideo" => Some("Paid Video"),
            "retargeting" => Some("Paid Unknown"),
            _ => None,
        };
        kind.into()
    }),
];
