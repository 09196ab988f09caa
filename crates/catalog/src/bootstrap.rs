//! First start: the organization, project 1, its token, the first user and a personal API key.
//!
//! All of it is one transaction: a crash leaves an empty catalog or a complete one. Doing it again changes nothing.

use crate::database::parse;
use crate::users::Joining;
use crate::{Catalog, CatalogError, Level, NewKey, Organization, Project, User, keys, projects, secret, users};
use aqueduct_event::limits::TOKEN_CHARS_MAX;
use aqueduct_event::{ProjectId, UnixMicros};
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::sync::Arc;
use uuid::Uuid;

/// Address of the first user until somebody sets the installation up; nobody can sign in with it.
const PLACEHOLDER_EMAIL: &str = "root@localhost";
/// Bytes of a given key.
const KEY_BYTES_MAX: usize = 256;

/// What automation wants the first start to use, instead of chance.
#[derive(Clone, Default)]
pub struct Bootstrap {
    /// Token of project 1.
    pub project_token: Option<String>,
    /// A personal API key, `phx_…`.
    pub personal_api_key: Option<String>,
    /// Address and password of the first user.
    pub user: Option<(String, String)>,
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("project_token", &self.project_token).finish_non_exhaustive()
    }
}

/// What a start found or made.
#[derive(Clone, Debug)]
pub struct Bootstrapped {
    /// Whether this was the first start.
    pub first_start: bool,
    /// Project 1, or the one with the smallest number.
    pub project: Arc<Project>,
    /// The key that was made by chance, to be shown this once.
    pub personal_api_key: Option<String>,
    /// A token was asked for that no project has, although this was not the first start.
    pub token_ignored: bool,
}

impl Catalog {
    /// Makes what a first start needs, if it is not there. Later starts add a key that was asked for and is unknown; the token of
    /// project 1 stays what it was, since senders use it.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] names what was asked for and is not acceptable.
    pub async fn bootstrap(&self, wanted: &Bootstrap) -> Result<Bootstrapped, CatalogError> {
        let token = wanted.project_token.as_deref().map(checked_token).transpose()?;
        let key = wanted.personal_api_key.as_deref().map(checked_key).transpose()?;
        let password = match &wanted.user {
            Some((email, password)) if self.needs_setup() => Some((users::checked_email(email)?, users::hashed(password).await?)),
            _ => None,
        };
        let _one = self.changing.lock().await;
        let made = match self.organization() {
            None => Some(self.make_all(token, key).await?),
            Some(_) => None,
        };
        let known = key.is_none_or(|key| self.keys.read().contains(key));
        if let (false, Some(key)) = (known, key) {
            self.add_key(key).await?;
        }
        if let Some((email, hash)) = password {
            self.claim_first_user(email, hash).await?;
        }
        let project = self.projects().into_iter().next();
        let project = project.ok_or(CatalogError::NotFound { what: "project", id: ProjectId(1).to_string() })?;
        let token_ignored = token.is_some_and(|token| self.project_by_token(token).is_none());
        Ok(Bootstrapped { first_start: made.is_some(), project, personal_api_key: made.flatten(), token_ignored })
    }

    /// Answers the secret of the key if it was made by chance.
    async fn make_all(&self, token: Option<&str>, key: Option<&str>) -> Result<Option<String>, CatalogError> {
        let now = self.now();
        let organization = Organization { id: Uuid::now_v7(), name: "My organization".to_owned(), created_at: now, updated_at: now };
        let token = token.map_or_else(|| secret::fresh("phc_"), str::to_owned);
        let mut project = projects::fresh(organization.id, token, now);
        let mut transaction = self.pool.begin().await?;
        insert_organization(&mut transaction, &organization).await?;
        project.id = projects::insert(&mut transaction, &project).await?;
        let first =
            Joining { email: PLACEHOLDER_EMAIL.to_owned(), first_name: String::new(), level: Level::Owner, password_hash: None, at: now };
        let user = users::insert_user(&mut transaction, first).await?;
        let made = key.is_none().then(|| secret::fresh("phx_"));
        let secret = key.or(made.as_deref()).unwrap_or_default();
        let first_key = keys::fresh(user.id, first_key(), secret, now);
        keys::insert(&mut transaction, &first_key, secret).await?;
        transaction.commit().await?;
        self.projects.write().put(project);
        self.users.write().put(user, None);
        self.keys.write().put(secret::SecretHash::of(secret), first_key);
        *self.organization.write() = Some(Arc::new(organization));
        Ok(made)
    }

    async fn add_key(&self, secret: &str) -> Result<(), CatalogError> {
        let user = self
            .users()
            .into_iter()
            .find(|user| user.level == Level::Owner)
            .ok_or(CatalogError::NotFound { what: "user", id: "1".to_owned() })?;
        let key = keys::fresh(user.id, first_key(), secret, self.now());
        keys::insert(&mut *self.pool.acquire().await?, &key, secret).await?;
        self.keys.write().put(secret::SecretHash::of(secret), key);
        Ok(())
    }

    async fn claim_first_user(&self, email: String, hash: String) -> Result<(), CatalogError> {
        let user = self.users().into_iter().next().ok_or(CatalogError::NotFound { what: "user", id: "1".to_owned() })?;
        sqlx::query("UPDATE users SET email = $1, password_hash = $2 WHERE id = $3")
            .bind(&email)
            .bind(&hash)
            .bind(user.id)
            .execute(&self.pool)
            .await?;
        self.users.write().put(User { email, has_password: true, ..User::clone(&user) }, Some(hash.into()));
        Ok(())
    }
}

fn first_key() -> NewKey {
    NewKey { label: "First start".to_owned(), scopes: vec!["*".to_owned()] }
}

fn checked_token(token: &str) -> Result<&str, CatalogError> {
    let valid = !token.is_empty() && token.len() <= TOKEN_CHARS_MAX && token.bytes().all(|byte| byte.is_ascii_graphic());
    if valid && !token.starts_with("phx_") {
        return Ok(token);
    }
    let expected = "1 to 64 printable ASCII characters that do not begin with \"phx_\"";
    Err(CatalogError::invalid("AQUEDUCT_BOOTSTRAP_PROJECT_TOKEN", token, expected))
}

fn checked_key(key: &str) -> Result<&str, CatalogError> {
    let valid = key.len() <= KEY_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
    if valid && key.strip_prefix("phx_").is_some_and(|rest| !rest.is_empty()) {
        return Ok(key);
    }
    // The value is a secret and stays out of messages.
    let found = format!("{} bytes", key.len());
    let expected = "\"phx_\" and 1 to 252 printable ASCII characters";
    Err(CatalogError::Invalid { field: "AQUEDUCT_BOOTSTRAP_PERSONAL_API_KEY", found, expected })
}

async fn insert_organization(connection: &mut SqliteConnection, organization: &Organization) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO organizations (id, name, created_at, updated_at) VALUES ($1, $2, $3, $4)")
        .bind(organization.id.to_string())
        .bind(&organization.name)
        .bind(organization.created_at.0)
        .bind(organization.updated_at.0)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn load(pool: &SqlitePool) -> Result<Option<Organization>, CatalogError> {
    let Some(row) = sqlx::query("SELECT * FROM organizations ORDER BY created_at LIMIT 1").fetch_optional(pool).await? else {
        return Ok(None);
    };
    let id: String = row.try_get("id")?;
    Ok(Some(Organization {
        id: parse("organizations", "id", "a uuid", &id, |text| text.parse().ok())?,
        name: row.try_get("name")?,
        created_at: UnixMicros(row.try_get("created_at")?),
        updated_at: UnixMicros(row.try_get("updated_at")?),
    }))
}
