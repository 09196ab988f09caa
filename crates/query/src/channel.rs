//! Where a visit came from: the channel types of web analytics.
//!
//! In: what the first event of a session (or of a person) says of its origin. Out: `Paid Search`, `Organic Social`, `Direct`, ….
//! Rules in order: the campaign says so; it was paid for; it was typed in; else by source, campaign, medium and referring domain.
//!
//! Source of the rules: query reference, section 17.

use crate::functions::significant_domain;

/// What is known of an origin. Texts are as sent; empty ones count as absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin<'a> {
    pub(crate) campaign: Option<&'a str>,
    pub(crate) medium: Option<&'a str>,
    pub(crate) source: Option<&'a str>,
    /// `$direct` for none.
    pub(crate) referring_domain: Option<&'a str>,
    pub(crate) has_gclid: bool,
    pub(crate) has_fbclid: bool,
    pub(crate) gad_source: Option<&'a str>,
}

/// Names of well-known sites by what they are for, without `www.` and what follows the name.
const SITES: [(&str, &[&str]); 5] = [
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
            "brave",
            "kagi",
            "presearch",
            "daum",
            "onet",
            "msn",
            "rambler",
            "lycos",
            "dogpile",
            "excite",
            "virgilio",
        ],
    ),
    (
        "Social",
        &[
            "facebook",
            "fb",
            "ig",
            "instagram",
            "twitter",
            "t",
            "x",
            "linkedin",
            "lnkd",
            "reddit",
            "pinterest",
            "tumblr",
            "quora",
            "vk",
            "snapchat",
            "threads",
            "bsky",
            "news.ycombinator",
            "ycombinator",
            "mastodon.social",
            "discord",
            "slack",
            "weibo",
            "wechat",
            "telegram",
            "whatsapp",
            "medium",
            "meetup",
            "flipboard",
            "nextdoor",
            "producthunt",
            "stackoverflow",
            "github",
        ],
    ),
    (
        "Video",
        &["youtube", "youtu", "vimeo", "twitch", "tiktok", "dailymotion", "netflix", "hulu", "disneyplus", "youku", "iqiyi", "wistia"],
    ),
    (
        "Shopping",
        &[
            "amazon",
            "ebay",
            "etsy",
            "walmart",
            "aliexpress",
            "alibaba",
            "shop.app",
            "mercadolibre",
            "rakuten",
            "shopify",
            "stripe",
            "shopzilla",
            "igshopping",
            "shopping",
        ],
    ),
    (
        "AI",
        &["chatgpt", "openai", "chat.openai", "perplexity", "claude", "gemini.google", "copilot.microsoft", "chat.mistral", "poe", "you"],
    ),
];

/// What a site is for, by its domain or its name as `utm_source` has it.
pub(crate) fn site_kind(text: &str) -> Option<&'static str> {
    let text = text.trim().to_ascii_lowercase();
    let host = text.strip_prefix("www.").unwrap_or(&text);
    // the last name that is no public suffix tells most of them; a few are told by a subdomain
    let short = significant_domain(host);
    let is = |host: &str, name: &str| host == name || host.strip_prefix(name).is_some_and(|rest| rest.starts_with('.') && rest.len() <= 7);
    let find = |host: &str| SITES.iter().rev().find(|(_, names)| names.iter().any(|name| is(host, name))).map(|(kind, _)| *kind);
    find(host).or_else(|| find(short))
}

/// A kind of site as the channel of an unpaid visit.
pub(crate) fn organic(kind: &str) -> &'static str {
    match kind {
        "Search" => "Organic Search",
        "Social" => "Organic Social",
        "Video" => "Organic Video",
        "Shopping" => "Organic Shopping",
        _ => "AI",
    }
}

/// A kind of site as the channel of a paid visit.
pub(crate) fn paid(kind: &str) -> &'static str {
    match kind {
        "Search" => "Paid Search",
        "Social" => "Paid Social",
        "Video" => "Paid Video",
        "Shopping" => "Paid Shopping",
        _ => "Paid Unknown",
    }
}

/// The channel that an unpaid medium names.
pub(crate) fn organic_medium(medium: &str) -> Option<&'static str> {
    Some(match medium.to_ascii_lowercase().as_str() {
        "social" | "social-network" | "social-media" | "sm" | "social network" | "social media" => "Organic Social",
        "email" | "e-mail" | "e_mail" | "e mail" | "newsletter" => "Email",
        "affiliate" | "affiliates" => "Affiliate",
        "referral" | "app" | "link" => "Referral",
        "sms" => "SMS",
        "audio" => "Audio",
        "push" | "mobile" | "notification" => "Push",
        "video" => "Organic Video",
        "organic" => "Organic Search",
        _ => return None,
    })
}

/// The channel that a paid medium names.
pub(crate) fn paid_medium(medium: &str) -> Option<&'static str> {
    Some(match medium.to_ascii_lowercase().as_str() {
        "paid-social" | "paid_social" | "paidsocial" => "Paid Social",
        "paid-search" | "paid_search" | "paidsearch" => "Paid Search",
        "paid-video" | "paid_video" | "paidvideo" => "Paid Video",
        "paid-shopping" | "paid_shopping" | "paidshopping" => "Paid Shopping",
        "display" | "banner" | "expandable" | "interstitial" | "cpm" | "retargeting" => "Paid Unknown",
        _ => return None,
    })
}

/// `shopping` anywhere, or `shop` where it is no part of another word; `eshop` is a shop, `workshop` is none.
fn is_shopping(campaign: &str) -> bool {
    let shop = campaign.match_indices("shop").any(|(at, _)| match campaign[..at].chars().next_back() {
        None => true,
        Some(before) => !matches!(before, 'a'..='d' | 'f'..='z'),
    });
    shop || campaign.contains("shopping")
}

/// Lower case; nothing for empty texts and the text `null`.
fn known(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty() && *text != "null").map(str::to_lowercase)
}

impl Origin<'_> {
    /// The channel.
    pub(crate) fn channel(&self) -> &'static str {
        let (campaign, medium, source) = (known(self.campaign), known(self.medium), known(self.source));
        let campaign = campaign.as_deref().unwrap_or_default();
        let (medium, source) = (medium.as_deref(), source.as_deref());
        let gad_source = self.gad_source.filter(|gad| !gad.is_empty() && *gad != "null");
        if campaign.contains("cross-network") {
            return "Cross Network";
        }
        let is_paid_medium = medium
            .is_some_and(|medium| matches!(medium, "cpc" | "cpm" | "cpv" | "cpa" | "ppc" | "retargeting") || medium.starts_with("paid"));
        if is_paid_medium || self.has_gclid || gad_source.is_some() {
            return self.paid(campaign, medium, source, gad_source);
        }
        let from_nowhere = source.is_none_or(|source| matches!(source, "(direct)" | "direct" | "$direct"));
        if self.is_direct() && medium.is_none() && from_nowhere && !self.has_fbclid {
            return "Direct";
        }
        self.unpaid(campaign, medium, source)
    }

    fn is_direct(&self) -> bool {
        self.referring_domain == Some("$direct")
    }

    fn paid(&self, campaign: &str, medium: Option<&str>, source: Option<&str>, gad_source: Option<&str>) -> &'static str {
        let rest = || match gad_source {
            Some("1") => "Paid Search",
            _ if campaign.contains("video") => "Paid Video",
            _ if self.has_fbclid => "Paid Social",
            _ => "Paid Unknown",
        };
        source
            .and_then(site_kind)
            .map(paid)
            .or_else(|| is_shopping(campaign).then_some("Paid Shopping"))
            .or_else(|| medium.and_then(paid_medium).filter(|channel| *channel != "Paid Unknown"))
            .or_else(|| self.referring_domain.and_then(site_kind).map(paid))
            .unwrap_or_else(rest)
    }

    fn unpaid(&self, campaign: &str, medium: Option<&str>, source: Option<&str>) -> &'static str {
        let rest = || match self.referring_domain.filter(|domain| !domain.is_empty()) {
            _ if campaign.contains("video") => "Organic Video",
            _ if medium.is_some_and(|medium| medium.ends_with("push")) => "Push",
            _ if self.has_fbclid => "Organic Social",
            Some("$direct") => "Direct",
            Some(_) => "Referral",
            None => "Unknown",
        };
        source
            .and_then(site_kind)
            .map(organic)
            .or_else(|| is_shopping(campaign).then_some("Organic Shopping"))
            .or_else(|| medium.and_then(organic_medium))
            .or_else(|| source.and_then(organic_medium))
            .or_else(|| self.referring_domain.and_then(site_kind).map(organic))
            .unwrap_or_else(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_by_what_is_known() {
        let nothing = Origin::default();
        let direct = Origin { referring_domain: Some("$direct"), ..nothing };
        let from = |domain| Origin { referring_domain: Some(domain), ..nothing };
        for (origin, channel) in [
            (nothing, "Unknown"),
            (direct, "Direct"),
            (Origin { campaign: Some("Cross-Network"), ..direct }, "Cross Network"),
            (Origin { medium: Some("ppc"), ..from("www.ebay.co.uk") }, "Paid Shopping"),
            (Origin { medium: Some("ppc"), source: Some("ebay"), ..nothing }, "Paid Shopping"),
            (Origin { medium: Some("ppc"), campaign: Some("shopping"), ..nothing }, "Paid Shopping"),
            (Origin { medium: Some("ppc"), campaign: Some("my-eshop"), ..nothing }, "Paid Shopping"),
            (Origin { medium: Some("ppc"), campaign: Some("workshop"), ..nothing }, "Paid Unknown"),
            (Origin { has_gclid: true, ..from("www.google.co.uk") }, "Paid Search"),
            (Origin { gad_source: Some("1"), ..direct }, "Paid Search"),
            (Origin { medium: Some("cpc"), ..from("youtube.com") }, "Paid Video"),
            (Origin { has_fbclid: true, medium: Some("paid"), ..direct }, "Paid Social"),
            (from("uk.search.yahoo.com"), "Organic Search"),
            (from("m.alibaba.com"), "Organic Shopping"),
            (from("old.reddit.com"), "Organic Social"),
            (from("chatgpt.com"), "AI"),
            (Origin { has_fbclid: true, ..direct }, "Organic Social"),
            (Origin { medium: Some("newsletter"), ..direct }, "Email"),
            (Origin { medium: Some("web-push"), ..direct }, "Push"),
            (Origin { source: Some("direct"), ..direct }, "Direct"),
            (from("some-unknown-domain.example.com"), "Referral"),
        ] {
            assert_eq!(origin.channel(), channel, "{origin:?}");
        }
    }
}
