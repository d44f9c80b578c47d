//! Events of the audit log.

use std::{fmt, net::IpAddr, str::FromStr};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    actor::Actor,
    id::{TokenId, UserId},
    text::sanitize_line,
    time::UnixMillis,
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The kind of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind { $($(#[$doc])* $name,)* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind's name in the log and the API.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The first token of a new installation was created.
    TokenSeeded = "auth.token.seeded",
    /// A token was created.
    TokenCreated = "auth.token.created",
    /// A token's attributes changed.
    TokenUpdated = "auth.token.updated",
    /// A token's secret was replaced.
    TokenRotated = "auth.token.rotated",
    /// A token was revoked.
    TokenRevoked = "auth.token.revoked",
    /// A token expired.
    TokenExpired = "auth.token.expired",
    /// A user was created.
    UserCreated = "auth.user.created",
    /// A user's name or role changed.
    UserUpdated = "auth.user.updated",
    /// A user was disabled.
    UserDisabled = "auth.user.disabled",
    /// A user was enabled.
    UserEnabled = "auth.user.enabled",
    /// A user and their tokens were deleted.
    UserDeleted = "auth.user.deleted",
    /// A browser session started.
    SessionStarted = "auth.session.started",
    /// A browser session ended; the detail has the reason.
    SessionEnded = "auth.session.ended",
    /// Credentials were rejected.
    RequestFailed = "auth.request.failed",
    /// A request of an authenticated caller was forbidden.
    RequestForbidden = "auth.request.forbidden",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be the kind of an audit event")]
pub struct ParseEventKindError;

impl FromStr for EventKind {
    type Err = ParseEventKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(ParseEventKindError)
    }
}

/// The client of a request, as far as known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientInfo {
    /// The source address.
    pub ip: Option<IpAddr>,
    /// The user agent, sanitized; see [`ClientInfo::user_agent`].
    user_agent: Option<String>,
    /// The request id that correlates log lines, responses and events.
    pub request_id: Option<String>,
}

impl ClientInfo {
    /// The maximum length of a user agent in characters.
    pub const MAX_USER_AGENT: usize = 256;

    /// Creates a client. The user agent is cut, and characters that could forge a line are removed.
    #[must_use]
    pub fn new(ip: Option<IpAddr>, user_agent: Option<&str>, request_id: Option<String>) -> Self {
        let user_agent = user_agent.map(|text| sanitize_line(text, Self::MAX_USER_AGENT).into_owned());
        Self { ip, user_agent, request_id }
    }

    /// The user agent.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
}

/// One event of the audit log, before it is added to the hash chain.
///
/// Exhaustive, so that a new attribute does not compile until the store writes it and the chain's digest covers it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// When it happened.
    pub at: UnixMillis,
    /// What happened.
    pub kind: EventKind,
    /// Who did it.
    pub actor: Actor,
    /// The affected user.
    pub user_id: Option<UserId>,
    /// The affected token.
    pub token_id: Option<TokenId>,
    /// The client of the request.
    pub client: ClientInfo,
    /// Details; never a secret or a hash.
    pub detail: Map<String, Value>,
}

impl AuditEvent {
    /// The bytes that the chain's digest covers: one JSON array of all fields in a fixed order.
    #[must_use]
    pub fn canonical_bytes(&self, seq: i64) -> Vec<u8> {
        let mut detail = Value::Object(self.detail.clone());
        // With the feature `preserve_order` of serde_json members keep their order, and PostgreSQL returns them in another.
        detail.sort_all_objects();
        Value::Array(vec![
            Value::from(seq),
            Value::from(self.at.get()),
            Value::from(self.kind.as_str()),
            Value::from(self.actor.to_string()),
            Value::from(self.user_id.map(|id| id.to_string())),
            Value::from(self.token_id.map(|id| id.to_string())),
            Value::from(self.client.ip.map(|ip| ip.to_string())),
            Value::from(self.client.user_agent.as_deref()),
            Value::from(self.client.request_id.as_deref()),
            detail,
        ])
        .to_string()
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_round_trip() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        assert_eq!("auth.token".parse::<EventKind>(), Err(ParseEventKindError));
    }

    #[test]
    fn the_canonical_form_does_not_depend_on_the_order_of_members() {
        let event = |text| AuditEvent {
            at: UnixMillis::new(1).unwrap(),
            kind: EventKind::TokenUpdated,
            actor: Actor::System,
            user_id: None,
            token_id: None,
            client: ClientInfo::default(),
            detail: serde_json::from_str(text).unwrap(),
        };
        let canonical = event(r#"{"name":"x","changes":{"b":[{"d":1,"c":2}],"a":3}}"#).canonical_bytes(7);
        assert_eq!(
            canonical,
            event(r#"{"changes":{"a":3,"b":[{"c":2,"d":1}]},"name":"x"}"#).canonical_bytes(7)
        );
        let expected = r#"[7,1,"auth.token.updated","system",null,null,null,null,null,{"changes":{"a":3,"b":[{"c":2,"d":1}]},"name":"x"}]"#;
        assert_eq!(String::from_utf8(canonical).unwrap(), expected);
    }

    #[test]
    fn a_user_agent_cannot_forge_a_line_or_fill_the_log() {
        let client = ClientInfo::new(None, Some(&format!("curl\r\n\u{1b}[2J{}", "x".repeat(500))), None);
        let agent = client.user_agent().unwrap();
        assert!(agent.starts_with("curl[2Jxx") && agent.chars().count() == 256);
    }
}
