//! One visit: the events of a person from the first page to the last.

use super::people::{Company, Person, uuid_of};
use super::product::{ACTIONS, HOST, PAGES, PLANS, weighted};
use rand::Rng;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// An event of the demo.
#[derive(Clone, Debug)]
pub(super) struct DemoEvent {
    /// Microseconds since 1970.
    pub(super) at: i64,
    pub(super) uuid: Uuid,
    pub(super) event: &'static str,
    pub(super) distinct_id: String,
    pub(super) properties: Map<String, Value>,
}

/// What a visit happens to.
pub(super) struct Scene<'a, R> {
    pub(super) rng: &'a mut R,
    pub(super) companies: &'a mut Vec<Company>,
    /// Users so far; a sign-up takes the next number.
    pub(super) users: &'a mut usize,
}

/// A visit under way.
struct Visit<'a, 'b, R> {
    scene: &'a mut Scene<'b, R>,
    person: &'a mut Person,
    session_id: Uuid,
    now: i64,
    events: Vec<DemoEvent>,
}

/// The events of one visit that begins at `at`. The person may sign up or upgrade on it.
pub(super) fn play<R: Rng>(scene: &mut Scene<'_, R>, person: &mut Person, at: i64) -> Vec<DemoEvent> {
    let session_id = uuid_of(scene.rng);
    let mut visit = Visit { scene, person, session_id, now: at, events: Vec::new() };
    if visit.person.account.is_none() {
        visit.look_around();
    }
    if visit.person.account.is_some() {
        visit.work();
    }
    let last = visit.path_now();
    visit.push("$pageleave", &last, json!({}));
    visit.events
}

impl<R: Rng> Visit<'_, '_, R> {
    fn look_around(&mut self) {
        let landing = if self.person.age == 0 { self.person.campaign.landing } else { "/" };
        self.page(landing);
        let mut saw_pricing = false;
        for _ in 0..self.scene.rng.random_range(0..5) {
            let (path, _, _) = *weighted(self.scene.rng, PAGES, |page| page.2);
            saw_pricing |= path == "/pricing";
            if self.scene.rng.random_bool(0.5) {
                let here = self.path_now();
                self.click(&here, "a", path, path.trim_start_matches('/'));
            }
            self.page(path);
        }
        let eager = if saw_pricing { 0.22 } else { 0.06 };
        if self.scene.rng.random_bool((eager * self.person.campaign.appeal).min(0.9)) {
            self.sign_up();
        }
    }

    fn sign_up(&mut self) {
        self.click("/pricing", "button", "", "Start free");
        self.page("/signup");
        // One in four gives up at the form.
        if self.scene.rng.random_bool(0.25) {
            return;
        }
        let anonymous = self.person.distinct_id();
        *self.scene.users += 1;
        self.person.sign_up(self.scene.rng, *self.scene.users, self.scene.companies);
        let Some(account) = self.person.account.clone() else { return };
        let set = json!({"email": account.email, "name": account.name, "plan": account.plan});
        self.push(
            "$identify",
            "/signup",
            json!({"$anon_distinct_id": anonymous, "$set": set, "$set_once": {"signed_up_with": self.person.device.0}}),
        );
        self.tell_company(account.company);
        let method = if self.scene.rng.random_bool(0.6) { "google" } else { "email" };
        self.push("signed up", "/signup", json!({"plan": account.plan, "method": method}));
        self.page("/app/welcome");
    }

    fn work(&mut self) {
        self.page("/app");
        for _ in 0..self.scene.rng.random_range(1..9) {
            let (action, path, _) = *weighted(self.scene.rng, ACTIONS, |action| action.2);
            if path != self.path_now() {
                self.page(path);
            }
            let properties = match action {
                "file uploaded" => {
                    json!({"kilobytes": self.scene.rng.random_range(4..9_000), "type": if self.scene.rng.random_bool(0.5) { "image" } else { "pdf" }})
                }
                "card created" => json!({"from_template": self.scene.rng.random_bool(0.2), "labels": ["todo"]}),
                "report viewed" => json!({"range_days": 7 * self.scene.rng.random_range(1..9)}),
                _ => json!({"board": self.scene.rng.random_range(1..6)}),
            };
            self.push(action, path, properties);
        }
        self.maybe_upgrade();
    }

    /// A company that works a lot may begin to pay.
    fn maybe_upgrade(&mut self) {
        let Some(account) = self.person.account.clone() else { return };
        let company = account.company;
        if let Some(account) = &mut self.person.account {
            account.plan = self.scene.companies[company].plan;
        }
        if self.scene.companies[company].plan != "free" || !self.scene.rng.random_bool(0.025) {
            return;
        }
        self.page("/app/settings/billing");
        let (plan, price, _) = *weighted(self.scene.rng, PLANS, |plan| plan.2);
        self.scene.companies[company].plan = plan;
        if let Some(account) = &mut self.person.account {
            account.plan = plan;
        }
        let seats = self.scene.companies[company].seats.max(1);
        self.push(
            "plan upgraded",
            "/app/settings/billing",
            json!({"plan": plan, "seats": seats, "amount": f64::from(price * seats), "currency": "EUR", "$set": {"plan": plan}}),
        );
        self.tell_company(company);
    }

    fn tell_company(&mut self, company: usize) {
        let company = self.scene.companies[company].clone();
        let set = json!({"name": company.name, "industry": company.industry, "plan": company.plan, "seats": company.seats});
        self.push("$groupidentify", "/app", json!({"$group_type": "company", "$group_key": company.key, "$group_set": set}));
    }

    fn page(&mut self, path: &str) {
        let title = PAGES.iter().find(|page| page.0 == path).map_or("Quay", |page| page.1);
        self.push("$pageview", path, json!({"title": title}));
    }

    fn click(&mut self, path: &str, tag: &str, href: &str, text: &str) {
        let attributes = if href.is_empty() { String::new() } else { format!("attr__href=\"{href}\"href=\"{href}\"") };
        let chain = format!("{tag}:{attributes}nth-child=\"1\"nth-of-type=\"1\"text=\"{text}\";div:nth-child=\"1\"nth-of-type=\"1\"");
        self.push("$autocapture", path, json!({"$event_type": "click", "$elements_chain": chain, "$el_text": text}));
    }

    fn path_now(&self) -> String {
        let last = self.events.last().and_then(|event| event.properties.get("$pathname"));
        last.and_then(Value::as_str).unwrap_or("/").to_owned()
    }

    fn push(&mut self, event: &'static str, path: &str, properties: Value) {
        let mut all = self.surroundings(path);
        if let Value::Object(properties) = properties {
            all.extend(properties);
        }
        let uuid = uuid_of(self.scene.rng);
        self.events.push(DemoEvent { at: self.now, uuid, event, distinct_id: self.person.distinct_id(), properties: all });
        // A few seconds up to some minutes until the next thing happens.
        let pause: f64 = self.scene.rng.random_range(0.0_f64..1.0).powi(3) * 150.0 + 1.5;
        self.now += (pause * 1e6) as i64;
    }

    /// What an SDK in a browser adds.
    fn surroundings(&self, path: &str) -> Map<String, Value> {
        let person = &*self.person;
        let (browser, version, os, kind, (width, height), _) = *person.device;
        let (country, code, city, timezone, _) = *person.place;
        let all = json!({
            "$lib": "web", "$lib_version": "1.295.0", "$host": HOST, "$pathname": path, "$current_url": format!("https://{HOST}{path}"),
            "$browser": browser, "$browser_version": version, "$os": os, "$device_type": kind, "$screen_width": width, "$screen_height": height,
            "$session_id": self.session_id, "$device_id": person.device_id, "$timezone": timezone,
            "$geoip_country_name": country, "$geoip_country_code": code, "$geoip_city_name": city,
            "$referrer": person.campaign.referrer, "$referring_domain": person.campaign.referring_domain, "$is_identified": person.account.is_some(),
        });
        let mut all = match all {
            Value::Object(all) => all,
            _ => Map::new(),
        };
        let (source, medium, campaign) = person.campaign.utm;
        if !source.is_empty() {
            let utm = [("utm_source", source), ("utm_medium", medium), ("utm_campaign", campaign)];
            all.extend(utm.map(|(key, value)| (key.to_owned(), Value::from(value))));
        }
        if let Some(account) = &person.account {
            all.insert("$groups".to_owned(), json!({"company": self.scene.companies[account.company].key}));
        }
        all
    }
}
