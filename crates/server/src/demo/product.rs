//! Facts of the made-up product: where visitors come from, which pages there are, what one can do.

use rand::Rng;

/// Host of the product.
pub(super) const HOST: &str = "quay.example";

/// A way by which visitors come.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) weight: f64,
    pub(super) referrer: &'static str,
    pub(super) referring_domain: &'static str,
    /// `utm_source`, `utm_medium`, `utm_campaign`; empty for none.
    pub(super) utm: (&'static str, &'static str, &'static str),
    pub(super) landing: &'static str,
    /// How much likelier than usual such visitors sign up.
    pub(super) appeal: f64,
}

const fn campaign(
    weight: f64,
    referrer: &'static str,
    referring_domain: &'static str,
    utm: (&'static str, &'static str, &'static str),
    landing: &'static str,
    appeal: f64,
) -> Campaign {
    Campaign { weight, referrer, referring_domain, utm, landing, appeal }
}

pub(super) const CAMPAIGNS: &[Campaign] = &[
    campaign(30.0, "$direct", "$direct", ("", "", ""), "/", 1.0),
    campaign(26.0, "https://www.google.com/", "www.google.com", ("", "", ""), "/", 1.1),
    campaign(12.0, "https://www.google.com/", "www.google.com", ("google", "cpc", "brand"), "/", 1.6),
    campaign(9.0, "https://www.google.com/", "www.google.com", ("google", "cpc", "kanban"), "/features/boards", 0.7),
    campaign(7.0, "https://news.ycombinator.com/", "news.ycombinator.com", ("", "", ""), "/blog/why-boards-fail", 0.4),
    campaign(6.0, "$direct", "$direct", ("newsletter", "email", "monthly"), "/blog/whats-new", 1.3),
    campaign(5.0, "https://www.linkedin.com/", "www.linkedin.com", ("linkedin", "social", "teams"), "/features/reports", 0.8),
    campaign(5.0, "https://github.com/", "github.com", ("", "", ""), "/docs/api", 0.9),
];

/// Pages of the site, with how often visitors open them.
pub(super) const PAGES: &[(&str, &str, f64)] = &[
    ("/", "Quay: boards that move", 20.0),
    ("/pricing", "Pricing", 16.0),
    ("/features/boards", "Boards", 12.0),
    ("/features/reports", "Reports", 8.0),
    ("/customers", "Customers", 6.0),
    ("/blog/why-boards-fail", "Why boards fail", 5.0),
    ("/blog/whats-new", "What's new", 5.0),
    ("/docs/api", "API", 6.0),
    ("/about", "About", 2.0),
];

/// What users do, with how often, and the path they do it at.
pub(super) const ACTIONS: &[(&str, &str, f64)] = &[
    ("card created", "/app/boards/1", 34.0),
    ("card moved", "/app/boards/1", 30.0),
    ("comment added", "/app/boards/1", 16.0),
    ("file uploaded", "/app/boards/1", 7.0),
    ("board created", "/app", 5.0),
    ("report viewed", "/app/reports", 6.0),
    ("teammate invited", "/app/settings/team", 2.0),
];

/// A plan, its price per seat and month, and its share among those who pay.
pub(super) const PLANS: &[(&str, u32, f64)] = &[("team", 8, 72.0), ("business", 19, 28.0)];

/// Country, its code, a city, time zone, share.
pub(super) type Place = (&'static str, &'static str, &'static str, &'static str, f64);

pub(super) const PLACES: &[Place] = &[
    ("United States", "US", "Chicago", "America/Chicago", 34.0),
    ("Germany", "DE", "Leipzig", "Europe/Berlin", 14.0),
    ("United Kingdom", "GB", "Leeds", "Europe/London", 12.0),
    ("France", "FR", "Lyon", "Europe/Paris", 9.0),
    ("India", "IN", "Pune", "Asia/Kolkata", 12.0),
    ("Brazil", "BR", "Recife", "America/Recife", 8.0),
    ("Japan", "JP", "Sapporo", "Asia/Tokyo", 6.0),
    ("Australia", "AU", "Perth", "Australia/Perth", 5.0),
];

/// Browser, version, system, kind of device, width and height of the screen, share.
pub(super) type Device = (&'static str, u32, &'static str, &'static str, (u32, u32), f64);

pub(super) const DEVICES: &[Device] = &[
    ("Chrome", 141, "Windows", "Desktop", (1920, 1080), 30.0),
    ("Chrome", 141, "Mac OS X", "Desktop", (1512, 982), 20.0),
    ("Safari", 26, "Mac OS X", "Desktop", (1440, 900), 9.0),
    ("Firefox", 144, "Linux", "Desktop", (2560, 1440), 8.0),
    ("Microsoft Edge", 141, "Windows", "Desktop", (1536, 864), 8.0),
    ("Mobile Safari", 26, "iOS", "Mobile", (390, 844), 15.0),
    ("Chrome", 141, "Android", "Mobile", (412, 915), 10.0),
];

pub(super) const COMPANY_WORDS: (&[&str], &[&str]) = (
    &["North", "Blue", "Bright", "Iron", "Silver", "Swift", "Clear", "Green", "High", "Open"],
    &["field", "harbour", "works", "stone", "bridge", "labs", "forge", "light", "gate", "mill"],
);

pub(super) const INDUSTRIES: &[&str] = &["software", "retail", "health", "education", "media", "logistics"];

/// One of a list by weight.
pub(super) fn weighted<'a, T>(rng: &mut impl Rng, list: &'a [T], weight: impl Fn(&T) -> f64) -> &'a T {
    let total: f64 = list.iter().map(&weight).sum();
    let mut left = rng.random_range(0.0..total);
    for entry in list {
        left -= weight(entry);
        if left < 0.0 {
            return entry;
        }
    }
    &list[list.len() - 1]
}
