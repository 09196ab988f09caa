//! Secrets: making them, and the hashes that are kept instead.

use crate::CatalogError;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};

/// Characters of a fresh secret: 43 of 62 kinds are 256 bits.
const SECRET_CHARS: usize = 43;

/// SHA-256 of a secret with 256 bits of chance: nothing slower is needed, and a look-up by hash leaks no timing of the secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SecretHash([u8; 32]);

impl SecretHash {
    pub(crate) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    pub(crate) fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut out = [0; 32];
        for (byte, at) in out.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(out))
    }
}

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// A fresh secret with the prefix that says what it is for.
pub(crate) fn fresh(prefix: &str) -> String {
    let mut secret = String::with_capacity(prefix.len() + SECRET_CHARS);
    secret.push_str(prefix);
    // The thread's generator is a cryptographic one, seeded by the operating system.
    secret.extend(rand::rng().sample_iter(Alphanumeric).take(SECRET_CHARS).map(char::from));
    secret
}

/// Eight letters and digits that name something in addresses. They keep no secret.
pub(crate) fn short() -> String {
    rand::rng().sample_iter(Alphanumeric).take(8).map(char::from).collect()
}

/// What may be shown of a key: its beginning and its end.
pub(crate) fn mask(secret: &str) -> String {
    let end = secret.len().saturating_sub(4);
    format!("{}...{}", secret.get(..4).unwrap_or_default(), secret.get(end..).unwrap_or_default())
}

/// Argon2id of a password, slow on purpose (tens of milliseconds).
pub(crate) fn hash_password(password: &str) -> Result<String, CatalogError> {
    let salt: [u8; 16] = rand::rng().random();
    let salt = SaltString::encode_b64(&salt).map_err(CatalogError::Hash)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(CatalogError::Hash)?;
    Ok(hash.to_string())
}

/// Whether `password` is the one of `hash`.
pub(crate) fn verify_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_survives_text() {
        let hash = SecretHash::of("phx_a");
        assert_eq!(SecretHash::from_hex(&hash.to_hex()), Some(hash));
        assert_eq!(SecretHash::from_hex("zz"), None);
        assert_eq!(SecretHash::from_hex(&"é".repeat(32)), None);
    }

    #[test]
    fn secrets_differ_and_show_little() {
        let (one, two) = (fresh("phx_"), fresh("phx_"));
        assert_ne!(one, two);
        assert_eq!(one.len(), 47);
        assert_eq!(mask("phx_abcdefgh"), "phx_...efgh");
        assert_eq!(mask("ab"), "...ab");
    }

    #[test]
    fn password_is_verified() {
        let hash = hash_password("open sesame").expect("hashes");
        assert!(verify_password("open sesame", &hash));
        assert!(!verify_password("open barley", &hash));
        assert!(!verify_password("open sesame", "not a hash"));
    }
}
