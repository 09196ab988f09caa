//! Invites: whoever knows one's id becomes a user with it. Nothing is sent by mail; who invites passes the link on.

use crate::database::parse;
use crate::users::{Joining, checked_email, hashed, insert_user};
use crate::{Catalog, CatalogError, Level, RowError, User};
use aqueduct_event::UnixMicros;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::sync::Arc;
use uuid::Uuid;

/// How long an invite can be taken: PostHog's three days.
const VALID_MICROS: i64 = 3 * 24 * 3_600 * 1_000_000;
/// Invites that may wait at the same time.
const INVITES_MAX: usize = 1_000;

/// An invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its id, drawn by chance: the secret of its link.
    pub id: Uuid,
    /// For whom it is; empty for anybody.
    pub target_email: String,
    /// Their first name, as far as it is known.
    pub first_name: String,
    /// The level that they get.
    pub level: Level,
    /// A word to them.
    pub message: Option<String>,
    /// Who made it.
    pub created_by: Option<i64>,
    /// When.
    pub created_at: UnixMicros,
    /// Whether it is too old to be taken.
    pub is_expired: bool,
}

/// An invite to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvite {
    /// See [`Invite::target_email`].
    pub target_email: String,
    /// See [`Invite::first_name`].
    pub first_name: String,
    /// See [`Invite::level`].
    pub level: Level,
    /// See [`Invite::message`].
    pub message: Option<String>,
}

/// Who takes an invite.
#[derive(Clone)]
pub struct NewUser {
    /// Address; may be empty where the invite says it.
    pub email: String,
    /// First name; may be empty where the invite says it.
    pub first_name: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Catalog {
    /// All invites that nobody took yet, the newest first, expired ones too.
    ///
    /// # Errors
    /// [`CatalogError::Database`], or [`CatalogError::Row`] for one that cannot be understood.
    pub async fn invites(&self) -> Result<Vec<Invite>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM invites ORDER BY created_at DESC, id").fetch_all(&self.pool).await?;
        rows.iter().map(|row| self.invite_of(row)).collect()
    }

    /// An invite by its id.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]; what [`Catalog::invites`] says.
    pub async fn invite(&self, id: Uuid) -> Result<Invite, CatalogError> {
        let row = sqlx::query("SELECT * FROM invites WHERE id = $1").bind(id.to_string()).fetch_optional(&self.pool).await?;
        row.map_or_else(|| Err(missing(id)), |row| self.invite_of(&row))
    }

    /// Makes an invite, in place of older ones to the same address. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::Forbidden`] for a level above that of `by`; [`CatalogError::Invalid`] or [`CatalogError::Taken`] names the field.
    pub async fn create_invite(&self, by: &User, new: NewInvite) -> Result<Invite, CatalogError> {
        if new.level > by.level {
            return Err(CatalogError::Forbidden { reason: "You cannot invite to a higher permission level than your own." });
        }
        let target_email = if new.target_email.trim().is_empty() { String::new() } else { checked_email(&new.target_email)? };
        if new.first_name.chars().count() > 30 {
            return Err(CatalogError::invalid("first_name", &new.first_name, "at most 30 characters"));
        }
        if new.message.as_ref().is_some_and(|message| message.chars().count() > 2_000) {
            return Err(CatalogError::invalid("message", "a longer one", "at most 2000 characters"));
        }
        let _one = self.changing.lock().await;
        if self.users().iter().any(|user| user.email == target_email) {
            return Err(CatalogError::Taken { field: "target_email", value: target_email });
        }
        if self.invites().await?.len() >= INVITES_MAX {
            return Err(CatalogError::invalid("invites", "1000", "fewer invites that wait"));
        }
        let (id, now) = (Uuid::new_v4(), self.now());
        let mut transaction = self.pool.begin().await?;
        sqlx::query("DELETE FROM invites WHERE target_email = $1 AND target_email <> ''")
            .bind(&target_email)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO invites (id, target_email, first_name, level, message, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id.to_string())
        .bind(&target_email)
        .bind(&new.first_name)
        .bind(i64::from(new.level.number()))
        .bind(&new.message)
        .bind(by.id)
        .bind(now.0)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let NewInvite { first_name, level, message, .. } = new;
        Ok(Invite { id, target_email, first_name, level, message, created_by: Some(by.id), created_at: now, is_expired: false })
    }

    /// Takes an invite back; its link stops working at once.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is none.
    pub async fn delete_invite(&self, id: Uuid) -> Result<(), CatalogError> {
        let deleted = sqlx::query("DELETE FROM invites WHERE id = $1").bind(id.to_string()).execute(&self.pool).await?;
        if deleted.rows_affected() == 0 { Err(missing(id)) } else { Ok(()) }
    }

    /// Makes the user that an invite is for; it cannot be taken again. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is no such invite or it expired; [`CatalogError::Invalid`] or [`CatalogError::Taken`] names the field.
    pub async fn accept_invite(&self, id: Uuid, new: &NewUser) -> Result<Arc<User>, CatalogError> {
        let hash = hashed(&new.password).await?;
        let _one = self.changing.lock().await;
        let invite = self.invite(id).await?;
        if invite.is_expired {
            return Err(missing(id));
        }
        let given = if new.email.trim().is_empty() { &invite.target_email } else { &new.email };
        let email = checked_email(given)?;
        if !invite.target_email.is_empty() && invite.target_email != email {
            return Err(CatalogError::invalid("email", &email, "the address that the invite is for"));
        }
        if self.users().iter().any(|user| user.email == email) {
            return Err(CatalogError::Taken { field: "email", value: email });
        }
        let first_name = if new.first_name.trim().is_empty() { invite.first_name } else { new.first_name.trim().to_owned() };
        if first_name.chars().count() > 150 {
            return Err(CatalogError::invalid("first_name", &first_name, "at most 150 characters"));
        }
        let mut transaction = self.pool.begin().await?;
        let joining = Joining { email, first_name, level: invite.level, password_hash: Some(&hash), at: self.now() };
        let user = insert_user(&mut transaction, joining).await?;
        sqlx::query("DELETE FROM invites WHERE id = $1 OR target_email = $2")
            .bind(id.to_string())
            .bind(&user.email)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(self.users.write().put(user, Some(hash.into())))
    }

    fn invite_of(&self, row: &SqliteRow) -> Result<Invite, CatalogError> {
        let id: String = row.try_get("id")?;
        let created_at = UnixMicros(row.try_get("created_at")?);
        Ok(Invite {
            id: parse("invites", "id", "a uuid", &id, |text| text.parse().ok())?,
            target_email: row.try_get("target_email")?,
            first_name: row.try_get("first_name")?,
            level: level_of("invites", row)?,
            message: row.try_get("message")?,
            created_by: row.try_get("created_by")?,
            created_at,
            is_expired: self.now().0 - created_at.0 > VALID_MICROS,
        })
    }
}

fn missing(id: Uuid) -> CatalogError {
    CatalogError::NotFound { what: "invite", id: id.to_string() }
}

/// The column `level` of a row.
pub(crate) fn level_of(table: &'static str, row: &SqliteRow) -> Result<Level, CatalogError> {
    let number: i64 = row.try_get("level")?;
    let wrong = || RowError { table, column: "level", found: number.to_string(), expected: "1, 8 or 15" };
    Ok(Level::from_number(number).ok_or_else(wrong)?)
}
