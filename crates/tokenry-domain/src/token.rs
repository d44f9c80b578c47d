//! A token without its secret.

use std::{fmt, net::IpAddr};

use crate::{
    actor::Actor,
    id::{TokenId, UserId},
    ip::IpList,
    metadata::Metadata,
    scope::ScopeSet,
    text::{Description, Reason, TokenName},
    time::UnixMillis,
};

/// The public beginning of a token's text, prefix and random id: unique, safe to log and to display. Of an imported
/// token it is `~` and the key by which the token is found, which is not displayed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId(String);

impl PublicId {
    /// Wraps a text created by the token format or read from the database.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Whether it belongs to an imported token.
    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.0.starts_with('~')
    }

    /// The text, such as `mcp_pat_Q7mZ0aKd93Xb`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token, live or dead, without its secret.
///
/// Exhaustive, so that a new attribute does not compile until the store reads and writes it, and
/// [`Grant::check`](crate::Grant::check) decides whether it grants anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// The id in the API.
    pub id: TokenId,
    /// The owner.
    pub user_id: UserId,
    /// The public beginning of its text.
    pub public_id: PublicId,
    /// The first characters of an imported token, as far as they are known; `None` where the public id is displayed.
    pub shown_prefix: Option<String>,
    /// The last characters of its text: four, or of an imported token those that are known.
    pub suffix: String,
    /// The name.
    pub name: TokenName,
    /// The description.
    pub description: Option<Description>,
    /// The granted scopes; the current permissions are less or equal ([`crate::EffectivePermissions`]).
    pub scopes: ScopeSet,
    /// Since when it is paused.
    pub inactive_at: Option<UnixMillis>,
    /// It is rejected before this instant.
    pub not_before: Option<UnixMillis>,
    /// It is rejected from this instant on; `None` means never.
    pub expires_at: Option<UnixMillis>,
    /// When it was last used successfully.
    pub last_used_at: Option<UnixMillis>,
    /// The address of the last use.
    pub last_used_ip: Option<IpAddr>,
    /// The addresses from which it may be used.
    pub allowed_ips: IpList,
    /// The metadata that clients attach.
    pub metadata: Metadata,
    /// Counts changes from 1; compared by `If-Match`.
    pub version: i64,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When its current secret was created: at its creation or its last rotation.
    pub secret_at: UnixMillis,
    /// Who created it.
    pub created_by: Actor,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// The revocation, if it was revoked.
    pub revoked: Option<Revocation>,
    /// When its expiry was recorded in the audit log. Its expiry is evaluated no earlier than that, even if the clock goes
    /// back.
    pub expiry_noted_at: Option<UnixMillis>,
}

/// The revocation of a token.
///
/// Exhaustive, so that a new attribute does not compile until the store reads and writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The instant from which the token is rejected.
    pub at: UnixMillis,
    /// Who revoked it.
    pub by: Actor,
    /// The reason, if one was given.
    pub reason: Option<Reason>,
}

impl Token {
    /// The first characters of its text, safe to display; of an imported token they may be empty.
    #[must_use]
    pub fn first_characters(&self) -> &str {
        self.shown_prefix.as_deref().unwrap_or_else(|| self.public_id.as_str())
    }
}
