//! Salts of calendar days, for ids of visitors without cookies.
//!
//! A salt is made before its day can be asked for, and removed some days after: then nobody can tell any more who had an id.

use crate::database::parse;
use crate::{Catalog, CatalogError};
use aqueduct_event::UnixMicros;
use rand::Rng;
use sqlx::{Row, SqlitePool};
use std::collections::BTreeMap;
use uuid::Uuid;

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// Days around today whose salts exist: events may be some days late, and somewhere it is tomorrow already.
const DAYS_BEFORE: i64 = 4;
const DAYS_AFTER: i64 = 2;

/// Salts by day.
pub(crate) type Salts = BTreeMap<String, [u8; 16]>;

impl Catalog {
    /// The salt of a calendar day (`YYYY-MM-DD`): the same after a restart. `None` for days that are long over or far ahead.
    #[must_use]
    pub fn salt(&self, day: &str) -> Option<[u8; 16]> {
        self.salts.read().get(day).copied()
    }

    /// Makes the salts that are missing and removes those that are over. Cheap when nothing is due.
    pub(crate) async fn renew_salts(&self) -> Result<(), CatalogError> {
        let now = self.now().0;
        let wanted: Vec<String> = (-DAYS_BEFORE..=DAYS_AFTER).map(|step| day_of(now.saturating_add(step * DAY_MICROS))).collect();
        let (missing, over) = {
            let salts = self.salts.read();
            let missing: Vec<String> = wanted.iter().filter(|day| !salts.contains_key(*day)).cloned().collect();
            let first = wanted.first().cloned().unwrap_or_default();
            let over: Vec<String> = salts.keys().filter(|day| **day < first).cloned().collect();
            (missing, over)
        };
        for day in missing {
            let salt: [u8; 16] = rand::rng().random();
            sqlx::query("INSERT INTO salts (day, salt) VALUES ($1, $2)")
                .bind(&day)
                .bind(Uuid::from_bytes(salt).to_string())
                .execute(&self.pool)
                .await?;
            self.salts.write().insert(day, salt);
        }
        for day in over {
            sqlx::query("DELETE FROM salts WHERE day = $1").bind(&day).execute(&self.pool).await?;
            self.salts.write().remove(&day);
        }
        Ok(())
    }
}

fn day_of(micros: i64) -> String {
    UnixMicros(micros).to_rfc3339().chars().take(10).collect()
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Salts, CatalogError> {
    let mut salts = Salts::new();
    for row in sqlx::query("SELECT day, salt FROM salts").fetch_all(pool).await? {
        let salt: String = row.try_get("salt")?;
        let salt = parse("salts", "salt", "a uuid", &salt, |text| text.parse::<Uuid>().ok())?;
        salts.insert(row.try_get("day")?, *salt.as_bytes());
    }
    Ok(salts)
}
