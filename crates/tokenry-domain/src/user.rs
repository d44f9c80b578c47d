//! The owner of tokens.

use crate::{
    id::UserId,
    role::Role,
    text::{Subject, UserName},
    time::UnixMillis,
};

/// Someone who owns tokens. The host system knows them by [`subject`](Self::subject).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Tokenry's own id.
    pub id: UserId,
    /// The host's id of this user, unique.
    pub subject: Subject,
    /// What people call them.
    pub name: UserName,
    /// The ceiling over every token they own, read at each use.
    pub role: Role,
    /// Since when none of their tokens works.
    pub disabled_at: Option<UnixMillis>,
    /// When all their tokens were last revoked at once: a creation that was under way then is refused.
    pub tokens_revoked_at: Option<UnixMillis>,
    /// When an issuer made the claims about them that were taken over last.
    pub claims_at: Option<UnixMillis>,
    /// Since when their role and subject are decided here: claims of before change nothing any more.
    pub claims_after: Option<UnixMillis>,
    /// When they were first seen.
    pub created_at: UnixMillis,
    /// When name, role or state last changed.
    pub updated_at: UnixMillis,
}

impl User {
    /// Whether their tokens are refused.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled_at.is_some()
    }
}
