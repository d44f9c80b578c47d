//! The stored form of a secret: opaque here, created and compared only in `tokenry-crypto`.

/// The self-describing text of a stored hash. Not `Debug` and not comparable: only the database column and the
/// comparison use it.
#[derive(Clone)]
pub struct SecretHash(String);

impl SecretHash {
    /// Wraps a created or stored text. Any text is accepted; an unknown scheme matches no token.
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

/// The 32 bytes that prove one token against one stored hash text without a slow hash. As strong as a plain digest
/// of the token: only for secrets of known randomness. Not `Debug` and not comparable.
#[derive(Clone)]
pub struct SecretProof(Option<[u8; 32]>);

impl SecretProof {
    /// Wraps created bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Some(bytes))
    }

    /// Wraps stored bytes. Anything but 32 bytes matches no token.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Self {
        Self(bytes.try_into().ok())
    }

    /// The bytes for the column and the comparison; `None` if the stored bytes are not a proof.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8; 32]> {
        self.0.as_ref()
    }
}

/// The eight bytes that reject a wrong secret before any slow hash, in rows created before proofs existed. Not `Debug`
/// and not comparable.
#[derive(Clone)]
pub struct SecretCheck([u8; 8]);

impl SecretCheck {
    /// Wraps created or stored bytes.
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
