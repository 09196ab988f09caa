//! The organization's own fields.

use crate::{Catalog, CatalogError, Organization};
use std::sync::Arc;

/// Characters of an organization's name: PostHog's limit.
const NAME_CHARS_MAX: usize = 64;

impl Catalog {
    /// Renames the organization; durable when this returns.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] before the first start; [`CatalogError::Invalid`] for a name that is empty or too long.
    pub async fn rename_organization(&self, name: &str) -> Result<Arc<Organization>, CatalogError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
            return Err(CatalogError::invalid("name", name, "1 to 64 characters"));
        }
        let _one = self.changing.lock().await;
        let found = self.organization().ok_or(CatalogError::NotFound { what: "organization", id: "@current".to_owned() })?;
        let renamed = Organization { name: name.to_owned(), updated_at: self.now(), ..Organization::clone(&found) };
        sqlx::query("UPDATE organizations SET name = $1, updated_at = $2 WHERE id = $3")
            .bind(&renamed.name)
            .bind(renamed.updated_at.0)
            .bind(renamed.id.to_string())
            .execute(&self.pool)
            .await?;
        let renamed = Arc::new(renamed);
        *self.organization.write() = Some(Arc::clone(&renamed));
        Ok(renamed)
    }
}
