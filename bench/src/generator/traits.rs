//! What stays the same about a person. Everything follows from the person's number, so nothing has to be kept.

use std::fmt::Write;

const BROWSERS: [(&str, u32); 15] = [
    ("Chrome", 127),
    ("Safari", 17),
    ("Mobile Safari", 17),
    ("Firefox", 128),
    ("Microsoft Edge", 126),
    ("Chrome iOS", 126),
    ("Samsung Internet", 25),
    ("Android Mobile", 14),
    ("Opera", 112),
    ("Firefox iOS", 127),
    ("Brave", 127),
    ("Vivaldi", 6),
    ("UC Browser", 15),
    ("Facebook Mobile", 470),
    ("Internet Explorer", 11),
];
const SYSTEMS: [(&str, &str); 6] =
    [("Windows", "10.0"), ("Mac OS X", "10.15.7"), ("iOS", "17.5.1"), ("Android", "14"), ("Linux", ""), ("Chrome OS", "15886.44.0")];
const SCREENS: [(u32, u32); 6] = [(1920, 1080), (1440, 900), (390, 844), (412, 915), (2560, 1440), (1536, 864)];
const REFERRERS: [&str; 6] = ["$direct", "www.google.com", "news.ycombinator.com", "www.linkedin.com", "duckduckgo.com", "t.co"];
const CAMPAIGNS: [&str; 8] =
    ["spring_launch", "brand", "retargeting", "newsletter_12", "partners", "docs_banner", "summer_sale", "webinar"];
const PLANS: [&str; 4] = ["free", "starter", "scale", "enterprise"];
const COUNTRIES: [&str; 10] = ["US", "DE", "GB", "IN", "BR", "FR", "CA", "NL", "JP", "AU"];

/// A person's constant facts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traits {
    number: u64,
    hash: u64,
}

impl Traits {
    pub(super) fn of(person: u64) -> Self {
        Self { number: person, hash: mix(person) }
    }

    /// Picks by the `salt`-th independent draw; early items are more frequent.
    fn pick<T: Copy>(self, items: &[T], salt: u64) -> T {
        let draw = (mix(self.hash ^ salt) >> 11) as f64 / (1_u64 << 53) as f64;
        items[((draw * draw * items.len() as f64) as usize).min(items.len() - 1)]
    }

    fn draw(self, salt: u64, below: u64) -> u64 {
        mix(self.hash ^ salt) % below
    }

    /// Two in five are known by name, the others by the id of their device.
    pub(super) fn is_identified(self) -> bool {
        self.draw(1, 5) < 2
    }

    pub(super) fn write_distinct_id(self, out: &mut String) {
        if self.is_identified() {
            let _ = write!(out, "user_{}", self.number);
        } else {
            self.write_device_id(out);
        }
    }

    pub(super) fn write_device_id(self, out: &mut String) {
        let (high, low) = (mix(self.hash ^ 2), mix(self.hash ^ 3));
        let _ = write!(
            out,
            "{:08x}-{:04x}-7{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        );
    }

    pub(super) fn browser(self) -> (&'static str, u32) {
        self.pick(&BROWSERS, 4)
    }

    pub(super) fn system(self) -> (&'static str, &'static str) {
        self.pick(&SYSTEMS, 5)
    }

    pub(super) fn screen(self) -> (u32, u32) {
        self.pick(&SCREENS, 6)
    }

    pub(super) fn referrer(self) -> &'static str {
        self.pick(&REFERRERS, 7)
    }

    /// One in four came by a campaign.
    pub(super) fn campaign(self) -> Option<&'static str> {
        (self.draw(8, 4) == 0).then(|| self.pick(&CAMPAIGNS, 9))
    }

    pub(super) fn plan(self) -> &'static str {
        self.pick(&PLANS, 10)
    }

    pub(super) fn flag_variant(self) -> &'static str {
        if self.draw(11, 2) == 0 { "control" } else { "test" }
    }

    /// The person's properties as a JSON object, about 165 bytes.
    pub(super) fn write_person_properties(self, out: &mut String) {
        let (country, number) = (self.pick(&COUNTRIES, 12), self.number);
        let _ = write!(
            out,
            r#"{{"email":"user{number}@customer-{}.example","name":"User {number}","plan":"{}","country":"{country}","company_size":{},"signed_up_at":"2025-{:02}-{:02}","is_admin":{}}}"#,
            self.draw(13, 9_000),
            self.plan(),
            [1, 10, 50, 200, 1000][self.draw(14, 5) as usize],
            self.draw(15, 12) + 1,
            self.draw(16, 28) + 1,
            self.draw(17, 7) == 0,
        );
    }
}

/// SplitMix64's finaliser: a good hash of a number in a few instructions.
fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
