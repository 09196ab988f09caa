//! Personal API keys: found by the hash of their secret.

use crate::database::parse;
use crate::secret::SecretHash;
use crate::{Catalog, CatalogError, PersonalApiKey, secret};
use aqueduct_event::UnixMicros;
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::collections::HashMap;
use std::sync::Arc;

/// Times of use are kept to the hour, so that a busy key does not write each second.
const LAST_USED_STEP_MICROS: i64 = 3_600_000_000;
/// Keys of one user.
const KEYS_MAX: usize = 100;

/// All keys in memory.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    by_hash: HashMap<SecretHash, Arc<PersonalApiKey>>,
    /// Hashes of keys whose time of use is not on disk yet.
    used: Vec<SecretHash>,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What it is for, 1 to 40 characters.
    pub label: String,
    /// `*` or `<object>:read|write`; at least one.
    pub scopes: Vec<String>,
}

/// Changes of a key; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPatch {
    /// See [`NewKey::label`].
    pub label: Option<String>,
    /// See [`NewKey::scopes`].
    pub scopes: Option<Vec<String>>,
}

impl Catalog {
    /// The key whose secret is `secret`; remembers that it was used now.
    #[must_use]
    pub fn key_by_secret(&self, secret: &str) -> Option<Arc<PersonalApiKey>> {
        let hash = SecretHash::of(secret);
        let key = self.keys.read().by_hash.get(&hash).map(Arc::clone)?;
        let now = self.now();
        let floor = UnixMicros(now.0.div_euclid(LAST_USED_STEP_MICROS) * LAST_USED_STEP_MICROS);
        if key.last_used_at.is_some_and(|last| last >= floor) {
            return Some(key);
        }
        let mut keys = self.keys.write();
        let used = Arc::new(PersonalApiKey { last_used_at: Some(floor), ..PersonalApiKey::clone(&key) });
        // It may have been deleted since; a deleted key stays deleted.
        *keys.by_hash.get_mut(&hash)? = Arc::clone(&used);
        keys.used.push(hash);
        Some(used)
    }

    /// Keys of a user, oldest first.
    #[must_use]
    pub fn keys_of(&self, user_id: i64) -> Vec<Arc<PersonalApiKey>> {
        let mut keys: Vec<_> = self.keys.read().by_hash.values().filter(|key| key.user_id == user_id).map(Arc::clone).collect();
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        keys
    }

    /// Makes a key for a user; answers it with its secret, which is not kept.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] names the field.
    pub async fn create_key(&self, user_id: i64, new: NewKey) -> Result<(Arc<PersonalApiKey>, String), CatalogError> {
        check_label(&new.label)?;
        check_scopes(&new.scopes)?;
        if self.keys_of(user_id).len() >= KEYS_MAX {
            return Err(CatalogError::invalid("label", &new.label, "at most 100 keys for a user"));
        }
        let _one = self.changing.lock().await;
        let secret = secret::fresh("phx_");
        let key = fresh(user_id, new, &secret, self.now());
        insert(&mut *self.pool.acquire().await?, &key, &secret).await?;
        Ok((self.keys.write().put(SecretHash::of(&secret), key), secret))
    }

    /// Changes a key of a user.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the user has no such key; [`CatalogError::Invalid`] names the field.
    pub async fn update_key(&self, user_id: i64, id: &str, patch: KeyPatch) -> Result<Arc<PersonalApiKey>, CatalogError> {
        let _one = self.changing.lock().await;
        let (hash, found) = self.own_key(user_id, id)?;
        let mut key = PersonalApiKey::clone(&found);
        if let Some(label) = patch.label {
            check_label(&label)?;
            key.label = label;
        }
        if let Some(scopes) = patch.scopes {
            check_scopes(&scopes)?;
            key.scopes = scopes;
        }
        sqlx::query("UPDATE personal_api_keys SET label = $1, scopes = $2 WHERE id = $3")
            .bind(&key.label)
            .bind(key.scopes.join(" "))
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(self.keys.write().put(hash, key))
    }

    /// Removes a key of a user; it stops working at once.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when the user has no such key.
    pub async fn delete_key(&self, user_id: i64, id: &str) -> Result<(), CatalogError> {
        let _one = self.changing.lock().await;
        let (hash, _) = self.own_key(user_id, id)?;
        sqlx::query("DELETE FROM personal_api_keys WHERE id = $1").bind(id).execute(&self.pool).await?;
        self.keys.write().by_hash.remove(&hash);
        Ok(())
    }

    fn own_key(&self, user_id: i64, id: &str) -> Result<(SecretHash, Arc<PersonalApiKey>), CatalogError> {
        let keys = self.keys.read();
        let found = keys.by_hash.iter().find(|(_, key)| key.user_id == user_id && key.id == id);
        let found = found.map(|(hash, key)| (*hash, Arc::clone(key)));
        found.ok_or_else(|| CatalogError::NotFound { what: "personal API key", id: id.to_owned() })
    }

    pub(crate) async fn flush_key_use(&self) -> Result<(), CatalogError> {
        let due: Vec<(SecretHash, Option<i64>)> = {
            let mut keys = self.keys.write();
            let due = std::mem::take(&mut keys.used);
            due.into_iter().filter_map(|hash| keys.by_hash.get(&hash).map(|key| (hash, key.last_used_at.map(|at| at.0)))).collect()
        };
        for (hash, last_used_at) in due {
            // Only a display is lost if this fails: it is written with the next use.
            sqlx::query("UPDATE personal_api_keys SET last_used_at = $1 WHERE secret_sha256 = $2")
                .bind(last_used_at)
                .bind(hash.to_hex())
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }
}

impl Keys {
    pub(crate) fn put(&mut self, hash: SecretHash, key: PersonalApiKey) -> Arc<PersonalApiKey> {
        let key = Arc::new(key);
        self.by_hash.insert(hash, Arc::clone(&key));
        key
    }

    /// Forgets the keys of a user.
    pub(crate) fn remove_of(&mut self, user_id: i64) {
        self.by_hash.retain(|_, key| key.user_id != user_id);
    }

    pub(crate) fn contains(&self, secret: &str) -> bool {
        self.by_hash.contains_key(&SecretHash::of(secret))
    }
}

fn check_label(label: &str) -> Result<(), CatalogError> {
    let fits = (1..=40).contains(&label.trim().chars().count());
    if fits { Ok(()) } else { Err(CatalogError::invalid("label", label, "1 to 40 characters")) }
}

fn check_scopes(scopes: &[String]) -> Result<(), CatalogError> {
    const EXPECTED: &str = "a list of \"*\" or \"<object>:read\" or \"<object>:write\"";
    let object = |name: &str| name == "*" || !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let valid = |scope: &str| match scope.split_once(':') {
        None => scope == "*",
        Some((of, action)) => object(of) && (action == "read" || action == "write"),
    };
    if scopes.is_empty() {
        return Err(CatalogError::invalid("scopes", "", EXPECTED));
    }
    let wrong = scopes.iter().find(|scope| !valid(scope));
    wrong.map_or(Ok(()), |scope| Err(CatalogError::invalid("scopes", scope, EXPECTED)))
}

pub(crate) fn fresh(user_id: i64, new: NewKey, secret: &str, now: UnixMicros) -> PersonalApiKey {
    PersonalApiKey {
        id: secret::fresh(""),
        user_id,
        label: new.label,
        scopes: new.scopes,
        mask: secret::mask(secret),
        created_at: now,
        last_used_at: None,
    }
}

pub(crate) async fn insert(connection: &mut SqliteConnection, key: &PersonalApiKey, secret: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO personal_api_keys (id, user_id, label, secret_sha256, mask, scopes, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&key.id)
    .bind(key.user_id)
    .bind(&key.label)
    .bind(SecretHash::of(secret).to_hex())
    .bind(&key.mask)
    .bind(key.scopes.join(" "))
    .bind(key.created_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Keys, CatalogError> {
    let mut keys = Keys::default();
    for row in sqlx::query("SELECT * FROM personal_api_keys").fetch_all(pool).await? {
        let hash: String = row.try_get("secret_sha256")?;
        let hash = parse("personal_api_keys", "secret_sha256", "64 hex digits", &hash, SecretHash::from_hex)?;
        let scopes: String = row.try_get("scopes")?;
        let last_used_at: Option<i64> = row.try_get("last_used_at")?;
        let key = PersonalApiKey {
            id: row.try_get("id")?,
            user_id: row.try_get("user_id")?,
            label: row.try_get("label")?,
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            mask: row.try_get("mask")?,
            created_at: UnixMicros(row.try_get("created_at")?),
            last_used_at: last_used_at.map(UnixMicros),
        };
        keys.put(hash, key);
    }
    Ok(keys)
}
