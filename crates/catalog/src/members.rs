//! Members of the organization: all users, each with a level.
//!
//! # Invariants
//! - There is an owner at any time.
//! - Nobody gives a level above their own, or touches somebody above them; only owners make owners.

use crate::{Catalog, CatalogError, Level, User};
use std::sync::Arc;

impl Catalog {
    /// Gives a member another level. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::Forbidden`] when `by` may not; [`CatalogError::NotFound`].
    pub async fn set_level(&self, by: &User, id: i64, level: Level) -> Result<Arc<User>, CatalogError> {
        let _one = self.changing.lock().await;
        let (by, found) = (self.member(by.id)?, self.member(id)?);
        let forbidden = if by.id == id {
            Some("You can't change your own access level.")
        } else if by.level < Level::Admin {
            Some("You can only edit others if you are an admin.")
        } else if level > by.level {
            Some("You can only change access level of others to lower or equal to your current one.")
        } else if found.level > by.level {
            Some("You can only edit others with level lower or equal to you.")
        } else {
            None
        };
        if let Some(reason) = forbidden {
            return Err(CatalogError::Forbidden { reason });
        }
        sqlx::query("UPDATE users SET level = $1 WHERE id = $2").bind(i64::from(level.number())).bind(id).execute(&self.pool).await?;
        Ok(self.users.write().change(User { level, ..User::clone(&found) }))
    }

    /// Removes a member: the user with all keys and sessions. What they made stays. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::Forbidden`] when `by` may not, or for the last owner; [`CatalogError::NotFound`].
    pub async fn remove_member(&self, by: &User, id: i64) -> Result<(), CatalogError> {
        let _one = self.changing.lock().await;
        let (by, found) = (self.member(by.id)?, self.member(id)?);
        let is_other = by.id != id;
        let forbidden = if is_other && by.level < Level::Admin {
            Some("You can only remove others if you are an admin.")
        } else if is_other && found.level > by.level {
            Some("You can only remove others with level lower or equal to you.")
        } else if found.level == Level::Owner && self.users().iter().filter(|user| user.level == Level::Owner).count() == 1 {
            Some("The last owner of the organization cannot be removed.")
        } else {
            None
        };
        if let Some(reason) = forbidden {
            return Err(CatalogError::Forbidden { reason });
        }
        // Keys, sessions and the names under what they made go by the rules of the tables.
        sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(&self.pool).await?;
        self.keys.write().remove_of(id);
        self.users.write().remove(id);
        Ok(())
    }

    fn member(&self, id: i64) -> Result<Arc<User>, CatalogError> {
        self.user(id).ok_or_else(|| CatalogError::NotFound { what: "member", id: id.to_string() })
    }
}
