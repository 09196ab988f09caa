//! The people of the made-up product.

use super::product::{CAMPAIGNS, COMPANY_WORDS, Campaign, DEVICES, Device, INDUSTRIES, PLACES, Place, weighted};
use rand::Rng;
use rand::seq::IndexedRandom;
use uuid::Uuid;

/// Somebody who visits.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// What the SDK made up on the first visit.
    pub(super) device_id: Uuid,
    pub(super) campaign: &'static Campaign,
    pub(super) device: &'static Device,
    pub(super) place: &'static Place,
    /// Once signed up.
    pub(super) account: Option<Account>,
    /// Chance of a visit on the day after the sign-up.
    pub(super) zeal: f64,
    /// How fast it falls: the share that is lost each day.
    pub(super) decay: f64,
    /// Days since the first visit.
    pub(super) age: u32,
}

/// What a signed-up person has.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user_id: String,
    pub(super) email: String,
    pub(super) name: String,
    /// `free`, `team` or `business`.
    pub(super) plan: &'static str,
    pub(super) company: usize,
}

/// A group of users.
#[derive(Clone, Debug)]
pub(super) struct Company {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) industry: &'static str,
    pub(super) seats: u32,
    pub(super) plan: &'static str,
}

const FIRST_NAMES: &[&str] = &[
    "Ada", "Ben", "Chloe", "Dev", "Elif", "Finn", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Luca", "Mei", "Noor", "Otto", "Priya", "Rosa",
    "Sam", "Tara", "Yuki",
];

impl Person {
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        Self {
            device_id: uuid_of(rng),
            campaign: weighted(rng, CAMPAIGNS, |campaign| campaign.weight),
            device: weighted(rng, DEVICES, |device| device.5),
            place: weighted(rng, PLACES, |place| place.4),
            account: None,
            zeal: rng.random_range(0.25..0.9),
            decay: rng.random_range(0.01..0.2),
            age: 0,
        }
    }

    /// The id that events carry.
    pub(super) fn distinct_id(&self) -> String {
        self.account.as_ref().map_or_else(|| self.device_id.to_string(), |account| account.user_id.clone())
    }

    /// Whether the person comes today.
    pub(super) fn comes(&self, rng: &mut impl Rng, weekend: bool) -> bool {
        let fades = (1.0 - self.decay).powi(i32::try_from(self.age).unwrap_or(i32::MAX));
        let stays = if self.account.as_ref().is_some_and(|account| account.plan != "free") { 0.45 } else { 0.04 };
        let visitor = if self.account.is_some() { 1.0 } else { 0.25 };
        let day = if weekend { 0.3 } else { 1.0 };
        rng.random_bool(((self.zeal * fades).max(stays * self.zeal) * visitor * day).clamp(0.0, 1.0))
    }

    pub(super) fn sign_up(&mut self, rng: &mut impl Rng, number: usize, companies: &mut Vec<Company>) {
        // Two in three come because a colleague invited them, once there are companies.
        let company = if companies.is_empty() || rng.random_bool(0.35) {
            companies.push(Company::new(rng, companies.len()));
            companies.len() - 1
        } else {
            rng.random_range(0..companies.len())
        };
        companies[company].seats += 1;
        let first = FIRST_NAMES.choose(rng).copied().unwrap_or("Ada");
        self.account = Some(Account {
            user_id: format!("user_{number}"),
            email: format!("{}.{number}@{}.example", first.to_lowercase(), companies[company].key),
            name: first.to_owned(),
            plan: companies[company].plan,
            company,
        });
        self.age = 0;
    }
}

impl Company {
    fn new(rng: &mut impl Rng, number: usize) -> Self {
        let (begin, end) = COMPANY_WORDS;
        let name = format!("{}{}", begin.choose(rng).copied().unwrap_or("North"), end.choose(rng).copied().unwrap_or("field"));
        Self {
            key: format!("{}-{number}", name.to_lowercase()),
            name,
            industry: INDUSTRIES.choose(rng).copied().unwrap_or("software"),
            seats: 0,
            plan: "free",
        }
    }
}

/// A random id of version 4 from the demo's own chance.
pub(super) fn uuid_of(rng: &mut impl Rng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}
