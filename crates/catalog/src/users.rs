//! Users, their passwords and their sessions.
//!
//! A session is a random secret in the browser's cookie; its hash is kept, and with it whose it is and until when.

use crate::database::{next_number, parse};
use crate::invites::level_of;
use crate::secret::{self, SecretHash};
use crate::{Catalog, CatalogError, Level, User};
use aqueduct_event::{ProjectId, UnixMicros};
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// How long a session lasts: PostHog's two weeks.
const SESSION_MICROS: i64 = 14 * 24 * 3_600 * 1_000_000;
/// Bytes of a password: long enough for any sentence, short enough that hashing stays cheap.
const PASSWORD_BYTES_MAX: usize = 1_024;
const PASSWORD_CHARS_MIN: usize = 8;

/// All users and sessions in memory.
#[derive(Debug, Default)]
pub(crate) struct Users {
    by_id: BTreeMap<i64, Account>,
    sessions: HashMap<SecretHash, (i64, UnixMicros)>,
}

#[derive(Debug)]
struct Account {
    user: Arc<User>,
    password_hash: Option<Arc<str>>,
}

/// Changes of a user; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPatch {
    /// See [`User::first_name`].
    pub first_name: Option<String>,
    /// See [`User::last_name`].
    pub last_name: Option<String>,
    /// See [`User::email`].
    pub email: Option<String>,
    /// See [`User::current_project`].
    pub current_project: Option<ProjectId>,
}

impl Catalog {
    /// The user of that number.
    #[must_use]
    pub fn user(&self, id: i64) -> Option<Arc<User>> {
        self.users.read().by_id.get(&id).map(|account| Arc::clone(&account.user))
    }

    /// All users by number.
    #[must_use]
    pub fn users(&self) -> Vec<Arc<User>> {
        self.users.read().by_id.values().map(|account| Arc::clone(&account.user)).collect()
    }

    /// Whether nobody can sign in yet: the first user has still to be made.
    #[must_use]
    pub fn needs_setup(&self) -> bool {
        !self.users.read().by_id.values().any(|account| account.password_hash.is_some())
    }

    /// The secret with which the first user is made; `None` once there is one. Each start makes a new secret.
    #[must_use]
    pub fn setup_secret(&self) -> Option<&str> {
        self.needs_setup().then_some(self.setup_secret.as_str())
    }

    /// Gives the user of the first start an address and a password. Works once, for who knows [`Catalog::setup_secret`].
    ///
    /// # Errors
    /// [`CatalogError::AlreadySetUp`] when a user with a password exists; [`CatalogError::WrongSetupSecret`];
    /// [`CatalogError::Invalid`] names the field.
    pub async fn set_up_first_user(&self, secret: &str, email: &str, password: &str) -> Result<Arc<User>, CatalogError> {
        // Hashes are compared, so that the time of the answer tells nothing of the secret.
        if SecretHash::of(secret) != SecretHash::of(&self.setup_secret) {
            return Err(CatalogError::WrongSetupSecret);
        }
        let email = checked_email(email)?;
        let hash = hashed(password).await?;
        let _one = self.changing.lock().await;
        if !self.needs_setup() {
            return Err(CatalogError::AlreadySetUp);
        }
        let first = self.users().into_iter().next().ok_or(CatalogError::NotFound { what: "user", id: "1".to_owned() })?;
        sqlx::query("UPDATE users SET email = $1, password_hash = $2 WHERE id = $3")
            .bind(&email)
            .bind(&hash)
            .bind(first.id)
            .execute(&self.pool)
            .await?;
        let user = User { email, has_password: true, ..User::clone(&first) };
        Ok(self.users.write().put(user, Some(hash.into())))
    }

    /// The user with that address, if the password is right. Takes tens of milliseconds either way.
    pub async fn user_by_password(&self, email: &str, password: &str) -> Option<Arc<User>> {
        let email = email.trim().to_lowercase();
        let found = {
            let users = self.users.read();
            let account = users.by_id.values().find(|account| account.user.email == email);
            account.and_then(|account| account.password_hash.as_ref().map(|hash| (Arc::clone(&account.user), Arc::clone(hash))))
        };
        let password = Some(password).filter(|text| text.len() <= PASSWORD_BYTES_MAX)?.to_owned();
        let verified = tokio::task::spawn_blocking(move || match found {
            Some((user, hash)) => secret::verify_password(&password, &hash).then_some(user),
            // The same work for an unknown address: the time of the answer must not tell which addresses exist.
            None => secret::hash_password(&password).ok().and(None),
        });
        verified.await.ok().flatten()
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::Invalid`] or [`CatalogError::Taken`].
    pub async fn update_user(&self, id: i64, patch: UserPatch) -> Result<Arc<User>, CatalogError> {
        let _one = self.changing.lock().await;
        let found = self.user(id).ok_or_else(|| CatalogError::NotFound { what: "user", id: id.to_string() })?;
        let mut user = User::clone(&found);
        for (field, name, value) in
            [("first_name", &mut user.first_name, patch.first_name), ("last_name", &mut user.last_name, patch.last_name)]
        {
            let Some(value) = value else { continue };
            if value.chars().count() > 150 {
                return Err(CatalogError::invalid(field, &value, "at most 150 characters"));
            }
            *name = value;
        }
        if let Some(email) = patch.email {
            user.email = checked_email(&email)?;
            if self.users().iter().any(|other| other.id != id && other.email == user.email) {
                return Err(CatalogError::Taken { field: "email", value: user.email });
            }
        }
        if let Some(project) = patch.current_project {
            if self.project(project).is_none() {
                return Err(CatalogError::invalid("set_current_team", &project.to_string(), "the number of a project"));
            }
            user.current_project = Some(project);
        }
        sqlx::query("UPDATE users SET first_name = $1, last_name = $2, email = $3, current_project_id = $4 WHERE id = $5")
            .bind(&user.first_name)
            .bind(&user.last_name)
            .bind(&user.email)
            .bind(user.current_project.map(|project| i64::from(project.0)))
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(self.users.write().change(user))
    }

    /// Begins a session; answers its secret, which is not kept, and how many seconds it lasts.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn begin_session(&self, user_id: i64) -> Result<(String, i64), CatalogError> {
        let secret = secret::fresh("");
        let hash = SecretHash::of(&secret);
        let now = self.now();
        let expires_at = UnixMicros(now.0 + SESSION_MICROS);
        sqlx::query("DELETE FROM sessions WHERE expires_at <= $1").bind(now.0).execute(&self.pool).await?;
        sqlx::query("INSERT INTO sessions (secret_sha256, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(hash.to_hex())
            .bind(user_id)
            .bind(now.0)
            .bind(expires_at.0)
            .execute(&self.pool)
            .await?;
        let mut users = self.users.write();
        users.sessions.retain(|_, (_, until)| *until > now);
        users.sessions.insert(hash, (user_id, expires_at));
        Ok((secret, SESSION_MICROS / 1_000_000))
    }

    /// Whose session it is, while it lasts.
    #[must_use]
    pub fn user_by_session(&self, secret: &str) -> Option<Arc<User>> {
        let users = self.users.read();
        let (user_id, until) = users.sessions.get(&SecretHash::of(secret))?;
        let account = users.by_id.get(user_id).filter(|_| *until > self.now());
        account.map(|account| Arc::clone(&account.user))
    }

    /// Ends a session; nothing happens when there is none.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn end_session(&self, secret: &str) -> Result<(), CatalogError> {
        let hash = SecretHash::of(secret);
        sqlx::query("DELETE FROM sessions WHERE secret_sha256 = $1").bind(hash.to_hex()).execute(&self.pool).await?;
        self.users.write().sessions.remove(&hash);
        Ok(())
    }
}

/// What is known of a user who comes.
pub(crate) struct Joining<'a> {
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) level: Level,
    pub(crate) password_hash: Option<&'a str>,
    pub(crate) at: UnixMicros,
}

/// Writes a new user.
pub(crate) async fn insert_user(connection: &mut SqliteConnection, joining: Joining<'_>) -> Result<User, sqlx::Error> {
    let Joining { email, first_name, level, password_hash, at } = joining;
    let user = User {
        id: next_number(connection, "user").await?,
        uuid: Uuid::now_v7(),
        email,
        first_name,
        last_name: String::new(),
        has_password: password_hash.is_some(),
        level,
        current_project: None,
        created_at: at,
    };
    sqlx::query(
        "INSERT INTO users (id, uuid, email, first_name, last_name, password_hash, level, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(user.id)
    .bind(user.uuid.to_string())
    .bind(&user.email)
    .bind(&user.first_name)
    .bind(&user.last_name)
    .bind(password_hash)
    .bind(i64::from(user.level.number()))
    .bind(user.created_at.0)
    .execute(connection)
    .await?;
    Ok(user)
}

impl Users {
    /// Puts a changed user; the password stays.
    pub(crate) fn change(&mut self, user: User) -> Arc<User> {
        let password_hash = self.by_id.get(&user.id).and_then(|account| account.password_hash.clone());
        self.put(user, password_hash)
    }

    /// Forgets a user with all sessions.
    pub(crate) fn remove(&mut self, id: i64) {
        self.by_id.remove(&id);
        self.sessions.retain(|_, (user, _)| *user != id);
    }

    pub(crate) fn put(&mut self, user: User, password_hash: Option<Arc<str>>) -> Arc<User> {
        let user = Arc::new(user);
        self.by_id.insert(user.id, Account { user: Arc::clone(&user), password_hash });
        user
    }
}

/// The address in the form it is kept and compared in.
pub(crate) fn checked_email(email: &str) -> Result<String, CatalogError> {
    let email = email.trim().to_lowercase();
    let valid = email.len() <= 254 && !email.contains(|c: char| c.is_whitespace() || c.is_control());
    let parts = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if valid && parts { Ok(email) } else { Err(CatalogError::invalid("email", &email, "an address such as \"ann@example.com\"")) }
}

/// Checks a password and hashes it away from the threads that answer requests.
pub(crate) async fn hashed(password: &str) -> Result<String, CatalogError> {
    let fits = password.chars().count() >= PASSWORD_CHARS_MIN && password.len() <= PASSWORD_BYTES_MAX;
    if !fits {
        let found = format!("{} characters", password.chars().count());
        return Err(CatalogError::Invalid { field: "password", found, expected: "at least 8 characters and at most 1024 bytes" });
    }
    let password = password.to_owned();
    let hash = tokio::task::spawn_blocking(move || secret::hash_password(&password)).await;
    hash.map_err(|_| CatalogError::Hash(argon2::password_hash::Error::Crypto))?
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Users, CatalogError> {
    let mut users = Users::default();
    for row in sqlx::query("SELECT * FROM users").fetch_all(pool).await? {
        let uuid: String = row.try_get("uuid")?;
        let password_hash: Option<String> = row.try_get("password_hash")?;
        let current_project: Option<i64> = row.try_get("current_project_id")?;
        let user = User {
            id: row.try_get("id")?,
            uuid: parse("users", "uuid", "a uuid", &uuid, |text| text.parse().ok())?,
            email: row.try_get("email")?,
            first_name: row.try_get("first_name")?,
            last_name: row.try_get("last_name")?,
            has_password: password_hash.is_some(),
            level: level_of("users", &row)?,
            current_project: current_project.and_then(|id| u32::try_from(id).ok()).map(ProjectId),
            created_at: UnixMicros(row.try_get("created_at")?),
        };
        users.put(user, password_hash.map(Into::into));
    }
    for row in sqlx::query("SELECT secret_sha256, user_id, expires_at FROM sessions").fetch_all(pool).await? {
        let hash: String = row.try_get("secret_sha256")?;
        let hash = parse("sessions", "secret_sha256", "64 hex digits", &hash, SecretHash::from_hex)?;
        users.sessions.insert(hash, (row.try_get("user_id")?, UnixMicros(row.try_get("expires_at")?)));
    }
    Ok(users)
}
