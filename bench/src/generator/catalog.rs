//! The product that the events are about: its pages and the things that people do.

/// Distinct URLs.
pub(super) const PAGES: u32 = 5_000;
/// How a session begins.
pub(super) const FIRST_EVENT: &str = "$pageview";
pub(super) const PURCHASE: &str = "purchase_completed";

/// All event names; their order is that of their frequency, roughly.
pub(crate) const EVENT_NAMES: [&str; 40] = [
    "$pageview",
    "$autocapture",
    "$pageleave",
    "button_clicked",
    "feature_used",
    "search_performed",
    "item_viewed",
    "$identify",
    "video_played",
    "cart_updated",
    "filter_applied",
    "notification_opened",
    "document_opened",
    "comment_added",
    "file_uploaded",
    "signup_started",
    "checkout_started",
    "signup_completed",
    "purchase_completed",
    "share_clicked",
    "export_started",
    "report_created",
    "dashboard_viewed",
    "invite_sent",
    "settings_changed",
    "plan_viewed",
    "trial_started",
    "coupon_applied",
    "login",
    "logout",
    "password_reset",
    "api_key_created",
    "integration_added",
    "survey_shown",
    "survey_answered",
    "error_shown",
    "tour_finished",
    "plan_upgraded",
    "plan_downgraded",
    "account_deleted",
];

/// `$pageview` is 45 % of all events. One event in nine begins a session and is one anyway, so it needs 38 % of the others.
const SHARES: [f64; 3] = [38.0, 16.0, 9.0];

/// Draws names by their share.
#[derive(Debug)]
pub(super) struct Names {
    /// Share of all names up to this one; the last is 1.
    upto: [f64; EVENT_NAMES.len()],
}

impl Names {
    pub(super) fn new() -> Self {
        let mut upto = [0.0; EVENT_NAMES.len()];
        let rest: f64 = 100.0 - SHARES.iter().sum::<f64>();
        let weight = |index: usize| 1.0 / (index - SHARES.len() + 2) as f64;
        let weights: f64 = (SHARES.len()..EVENT_NAMES.len()).map(weight).sum();
        let mut sum = 0.0;
        for (index, slot) in upto.iter_mut().enumerate() {
            sum += SHARES.get(index).copied().unwrap_or_else(|| rest * weight(index) / weights);
            *slot = sum / 100.0;
        }
        Self { upto }
    }

    /// Index of the name for a draw from 0 to 1.
    pub(super) fn draw(&self, draw: f64) -> usize {
        self.upto.partition_point(|upto| *upto <= draw).min(EVENT_NAMES.len() - 1)
    }
}

/// Writes the path of a page. The second most popular page and a few rare ones are about pricing: 4.9 % of the views.
pub(super) fn write_path(page: u32, out: &mut String) {
    use std::fmt::Write;
    const AREAS: [&str; 8] = ["docs", "blog", "product", "customers", "templates", "changelog", "community", "guides"];
    let area = AREAS[page as usize % AREAS.len()];
    // INVARIANT: writing to a string cannot fail.
    let _ = match page {
        1 => write!(out, "/"),
        2 => write!(out, "/pricing"),
        3 => write!(out, "/signup"),
        4 => write!(out, "/app"),
        5 => write!(out, "/app/projects"),
        _ if page.is_multiple_of(600) => write!(out, "/{area}/pricing-explained-{page}"),
        _ => write!(out, "/{area}/{}/page-{page}", page / 40),
    };
}
