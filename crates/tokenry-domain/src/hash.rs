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

/// The 32 bytes that prove one token against one stored hash text, so that no slow hash has to. As strong as a plain digest
/// of the token: only for secrets of known randomness. Not `Debug` and not comparable.
#[derive(Clone)]
pub struct SecretProof(Option<[u8; 32]>);

impl SecretProof {
    /// Wraps what was made.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Some(bytes))
    }

    /// Wraps what was read back. Anything but 32 bytes proves nothing and matches no token.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Self {
        Self(bytes.try_into().ok())
    }

    /// The bytes for the column and the comparison; `None` if what was stored cannot be a proof.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8; 32]> {
        self.0.as_ref()
    }
}

/// The eight bytes that refuse a wrong secret before any slow hash, in rows of before there were proofs. Not `Debug` and
/// not comparable.
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
