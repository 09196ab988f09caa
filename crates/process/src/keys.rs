//! Property keys that mean something to processing, found with one hash and one comparison.
//!
//! In: a key and its hash. Out: its [`KeyId`], or nothing for the keys that are the sender's own business.

use foldhash::fast::RandomState;
use std::hash::BuildHasher;

/// A property that is copied to the person (ingestion semantics, section 8).
#[derive(Debug)]
pub(crate) struct AutoKey {
    /// The event property.
    pub(crate) key: &'static str,
    /// The person property that keeps the first value.
    pub(crate) initial: &'static str,
    /// Whether a changed value alone is no reason to write the person: it changes with every page.
    pub(crate) is_noisy: bool,
}

const fn steady(key: &'static str, initial: &'static str) -> AutoKey {
    AutoKey { key, initial, is_noisy: false }
}

const fn noisy(key: &'static str, initial: &'static str) -> AutoKey {
    AutoKey { key, initial, is_noisy: true }
}

/// All properties that are copied to the person.
pub(crate) const AUTO: [AutoKey; 44] = [
    steady("$app_build", "$initial_app_build"),
    steady("$app_name", "$initial_app_name"),
    steady("$app_namespace", "$initial_app_namespace"),
    steady("$app_version", "$initial_app_version"),
    noisy("$browser", "$initial_browser"),
    noisy("$browser_version", "$initial_browser_version"),
    noisy("$device_type", "$initial_device_type"),
    noisy("$os", "$initial_os"),
    noisy("$os_name", "$initial_os_name"),
    noisy("$os_version", "$initial_os_version"),
    noisy("$raw_user_agent", "$initial_raw_user_agent"),
    noisy("$screen_height", "$initial_screen_height"),
    noisy("$screen_width", "$initial_screen_width"),
    noisy("$viewport_height", "$initial_viewport_height"),
    noisy("$viewport_width", "$initial_viewport_width"),
    noisy("$current_url", "$initial_current_url"),
    noisy("$pathname", "$initial_pathname"),
    noisy("$referrer", "$initial_referrer"),
    noisy("$referring_domain", "$initial_referring_domain"),
    steady("utm_source", "$initial_utm_source"),
    steady("utm_medium", "$initial_utm_medium"),
    steady("utm_campaign", "$initial_utm_campaign"),
    steady("utm_content", "$initial_utm_content"),
    steady("utm_name", "$initial_utm_name"),
    steady("utm_term", "$initial_utm_term"),
    steady("gclid", "$initial_gclid"),
    steady("gad_source", "$initial_gad_source"),
    steady("gclsrc", "$initial_gclsrc"),
    steady("dclid", "$initial_dclid"),
    steady("gbraid", "$initial_gbraid"),
    steady("wbraid", "$initial_wbraid"),
    steady("fbclid", "$initial_fbclid"),
    steady("msclkid", "$initial_msclkid"),
    steady("twclid", "$initial_twclid"),
    steady("li_fat_id", "$initial_li_fat_id"),
    steady("mc_cid", "$initial_mc_cid"),
    steady("igshid", "$initial_igshid"),
    steady("ttclid", "$initial_ttclid"),
    steady("rdt_cid", "$initial_rdt_cid"),
    steady("irclid", "$initial_irclid"),
    steady("_kx", "$initial__kx"),
    steady("epik", "$initial_epik"),
    steady("qclid", "$initial_qclid"),
    steady("sccid", "$initial_sccid"),
];

macro_rules! named {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// A property that steers processing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Name { $($name),* }

        const NAMES: &[&str] = &[$($text),*];
    };
}

named! {
    Set = "$set",
    SetOnce = "$set_once",
    Unset = "$unset",
    Ip = "$ip",
    SentAt = "$sent_at",
    SessionId = "$session_id",
    Groups = "$groups",
    GroupType = "$group_type",
    GroupKey = "$group_key",
    GroupSet = "$group_set",
    Group0 = "$group_0",
    Group1 = "$group_1",
    Group2 = "$group_2",
    Group3 = "$group_3",
    Group4 = "$group_4",
    Elements = "$elements",
    ElementsChain = "$elements_chain",
    ProcessPersonProfile = "$process_person_profile",
    UpdateLastSeen = "$update_person_last_seen_at",
    AnonDistinctId = "$anon_distinct_id",
    Alias = "alias",
    IsServer = "$is_server",
    HeatmapData = "$heatmap_data",
    CaptureInternal = "capture_internal",
    ClientWarning = "$$client_ingestion_warning_message",
    ProductTours = "ph_product_tours",
    ProductToursActivated = "$product_tours_activated",
    FlagPayloads = "$override_feature_flag_payloads",
    CookielessMode = "$cookieless_mode",
    CookielessExtra = "$cookieless_extra",
    Host = "$host",
    Timezone = "$timezone",
    DeviceId = "$device_id",
    DistinctId = "$distinct_id",
}

/// Properties that old SDKs leak from their caches; removed from every event.
pub(crate) const BLOAT: [Name; 3] = [Name::ProductTours, Name::ProductToursActivated, Name::FlagPayloads];

/// Columns of group keys, by index.
pub(crate) const GROUP_COLUMNS: [(Name, &str); 5] = [
    (Name::Group0, "$group_0"),
    (Name::Group1, "$group_1"),
    (Name::Group2, "$group_2"),
    (Name::Group3, "$group_3"),
    (Name::Group4, "$group_4"),
];

/// A key that means something: first all of [`AUTO`], then all of [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId(u8);

/// Number of [`KeyId`]s.
pub(crate) const KEYS: usize = AUTO.len() + NAMES.len();
const _: () = assert!(KEYS < SLOTS / 2, "the table is at most half full, so that misses end at once");
const _: () = assert!(KEYS < 256, "a key id is a byte");

impl KeyId {
    pub(crate) fn auto(index: usize) -> Self {
        // INVARIANT: `index < AUTO.len()`, which is below 256 (checked above).
        Self(index as u8)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl From<Name> for KeyId {
    fn from(name: Name) -> Self {
        Self(AUTO.len() as u8 + name as u8)
    }
}

impl Name {
    /// The property's key.
    pub(crate) fn key(self) -> &'static str {
        NAMES[self as usize]
    }
}

const SLOTS: usize = 512;

/// Hashes keys and knows the ones that mean something. One for the life of a process.
#[derive(Debug)]
pub(crate) struct Keys {
    hasher: RandomState,
    slots: Box<[Option<(u64, KeyId)>; SLOTS]>,
    auto: Vec<AutoHashes>,
}

/// Hashes of an [`AutoKey`]'s two keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AutoHashes {
    pub(crate) key: u64,
    pub(crate) initial: u64,
}

impl Keys {
    /// A table of its own seed, which senders cannot know: their keys go through the hash. No result depends on it.
    pub(crate) fn new() -> Self {
        let mut keys = Self { hasher: RandomState::default(), slots: Box::new([None; SLOTS]), auto: Vec::new() };
        for (index, text) in AUTO.iter().map(|auto| auto.key).chain(NAMES.iter().copied()).enumerate() {
            let hash = keys.hash(text);
            let mut slot = hash as usize % SLOTS;
            while keys.slots[slot].is_some() {
                slot = (slot + 1) % SLOTS;
            }
            keys.slots[slot] = Some((hash, KeyId(index as u8)));
        }
        keys.auto = AUTO.iter().map(|auto| AutoHashes { key: keys.hash(auto.key), initial: keys.hash(auto.initial) }).collect();
        keys
    }

    pub(crate) fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(crate) fn auto(&self, index: usize) -> AutoHashes {
        self.auto[index]
    }

    /// The meaning of a key, given its [`Keys::hash`].
    pub(crate) fn find(&self, hash: u64, key: &str) -> Option<KeyId> {
        let mut slot = hash as usize % SLOTS;
        while let Some((found, id)) = self.slots[slot] {
            if found == hash && text_of(id) == key {
                return Some(id);
            }
            slot = (slot + 1) % SLOTS;
        }
        None
    }
}

fn text_of(id: KeyId) -> &'static str {
    match AUTO.get(id.index()) {
        Some(auto) => auto.key,
        None => NAMES[id.index() - AUTO.len()],
    }
}

/// Places and confidences of GeoIP that change without the person doing anything.
const NOISY_GEOIP: [&str; 16] = [
    "$geoip_postal_code",
    "$geoip_time_zone",
    "$geoip_latitude",
    "$geoip_longitude",
    "$geoip_accuracy_radius",
    "$geoip_subdivision_1_code",
    "$geoip_subdivision_1_name",
    "$geoip_subdivision_2_code",
    "$geoip_subdivision_2_name",
    "$geoip_subdivision_3_code",
    "$geoip_subdivision_3_name",
    "$geoip_city_confidence",
    "$geoip_country_confidence",
    "$geoip_postal_code_confidence",
    "$geoip_subdivision_1_confidence",
    "$geoip_subdivision_2_confidence",
];

impl Keys {
    /// Whether this is the first value of a noisy property: no reason to write a person that exists either.
    pub(crate) fn is_noisy_first(&self, key: &str) -> bool {
        key.starts_with("$initial_") && AUTO.iter().any(|auto| auto.is_noisy && auto.initial == key)
    }

    /// Whether a new or changed value of this person property alone is no reason to write the person.
    pub(crate) fn is_noisy(&self, hash: u64, key: &str) -> bool {
        if !key.starts_with('$') {
            return false;
        }
        if key.starts_with("$geoip_") {
            return NOISY_GEOIP.contains(&key);
        }
        self.find(hash, key).and_then(|id| AUTO.get(id.index())).is_some_and(|auto| auto.is_noisy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_and_no_other() {
        for _ in 0..50 {
            let keys = Keys::new();
            for (index, text) in AUTO.iter().map(|auto| auto.key).chain(NAMES.iter().copied()).enumerate() {
                assert_eq!(keys.find(keys.hash(text), text).map(KeyId::index), Some(index));
            }
            for text in ["", "plan", "$initial_os", "$Set", "$set "] {
                assert_eq!(keys.find(keys.hash(text), text), None);
            }
        }
        assert_eq!(Name::Set.key(), "$set");
        assert_eq!(KeyId::from(Name::Set).index(), AUTO.len());
        for (name, text) in GROUP_COLUMNS {
            assert_eq!(name.key(), text);
        }
    }

    #[test]
    fn initial_names_drop_the_leading_dollar() {
        for auto in &AUTO {
            assert_eq!(auto.initial, format!("$initial_{}", auto.key.strip_prefix('$').unwrap_or(auto.key)));
        }
    }

    #[test]
    fn noise_is_what_changes_by_itself() {
        let keys = Keys::new();
        let noisy = |key: &str| keys.is_noisy(keys.hash(key), key);
        for key in ["$current_url", "$os", "$viewport_width", "$geoip_latitude"] {
            assert!(noisy(key), "{key}");
        }
        assert!(keys.is_noisy_first("$initial_browser"));
        assert!(!keys.is_noisy_first("$initial_utm_source") && !keys.is_noisy_first("$browser"));
        for key in ["utm_source", "$app_version", "$geoip_country_name", "$geoip_city_name", "$initial_os", "plan", "$set"] {
            assert!(!noisy(key), "{key}");
        }
    }
}
