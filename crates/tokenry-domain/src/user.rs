//! The owner of tokens.

use crate::{
    id::UserId,
    role::Role,
    text::{Subject, UserName},
    time::UnixMillis,
};

/// A user who owns tokens. The host system identifies them by [`subject`](Self::subject).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Tokenry's id of the user.
    pub id: UserId,
    /// The host system's unique id of the user.
    pub subject: Subject,
    /// The display name.
    pub name: UserName,
    /// The upper bound of every token they own, read at each use.
    pub role: Role,
    /// Since when the user is disabled and their tokens are refused.
    pub disabled_at: Option<UnixMillis>,
    /// When all their tokens were last revoked at once: a creation that was running then is refused.
    pub tokens_revoked_at: Option<UnixMillis>,
    /// The `iat` of the claims that were applied last.
    pub claims_at: Option<UnixMillis>,
    /// When their role or subject was last set here: claims issued before do not apply.
    pub claims_after: Option<UnixMillis>,
    /// When they were created.
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
