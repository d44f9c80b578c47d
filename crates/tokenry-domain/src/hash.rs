//! What is stored instead of a secret: opaque here, made and compared in `tokenry-crypto` alone.

/// The self-describing text of a stored hash. Not `Debug` and not comparable: it belongs in one column and in one
/// comparison.
#[derive(Clone)]
pub struct SecretHash(String);

impl SecretHash {
    /// Wraps what was made or read back; any text is accepted, an unknown scheme simply matches no token.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text for the column and the comparison.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The eight bytes that refuse a wrong secret before any slow hash. Not `Debug` and not comparable.
#[derive(Clone)]
pub struct SecretCheck([u8; 8]);

impl SecretCheck {
    /// Wraps what was made or read back.
    #[must_use]
    pub fn from_stored(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bytes for the column and the comparison.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}
