//! The owner of tokens.

use crate::{
    id::UserId,
    role::Role,
    text::{Subject, UserName},
    time::UnixMillis,
};

/// A user who owns tokens. The host system identifies them by [`subject`](Self::subject).
///
/// Exhaustive, so that a new attribute does not compile until the store reads and writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Tokenry's id of the user.
    pub id: UserId,
    /// The host system's unique id of the user.
    pub subject: Subject,
    /// The display name.
    pub name: UserName,
    /// The role, which limits every token of the user and is evaluated at each use.
    pub role: Role,
    /// Since when the user is disabled, so that their tokens are rejected.
    pub disabled_at: Option<UnixMillis>,
    /// When all their tokens were last revoked at once. A creation that started before is rejected.
    pub tokens_revoked_at: Option<UnixMillis>,
    /// The `iat` of the last applied claims.
    pub claims_at: Option<UnixMillis>,
    /// When their role or subject was last set in Tokenry. Claims issued before are ignored.
    pub claims_after: Option<UnixMillis>,
    /// When they were created.
    pub created_at: UnixMillis,
    /// When name, role or state last changed.
    pub updated_at: UnixMillis,
}

impl User {
    /// Whether the user is disabled, so that their tokens are rejected.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled_at.is_some()
    }
}
