//! Events of the audit log.

use std::net::IpAddr;

use serde_json::{Map, Value};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::{
    actor::Actor,
    id::{TokenId, UserId},
    text::sanitize_line,
    time::UnixMillis,
};

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(parse_err_ty = ParseEventKindError, parse_err_fn = not_an_event_kind)]
#[non_exhaustive]
pub enum EventKind {
    /// The first token of a new installation was created.
    #[strum(serialize = "auth.token.seeded")]
    TokenSeeded,
    /// A token was created.
    #[strum(serialize = "auth.token.created")]
    TokenCreated,
    /// A token's attributes changed.
    #[strum(serialize = "auth.token.updated")]
    TokenUpdated,
    /// A token's secret was replaced.
    #[strum(serialize = "auth.token.rotated")]
    TokenRotated,
    /// A token was revoked.
    #[strum(serialize = "auth.token.revoked")]
    TokenRevoked,
    /// A token expired.
    #[strum(serialize = "auth.token.expired")]
    TokenExpired,
    /// A token of another system was stored; it works once the import is finished.
    #[strum(serialize = "auth.token.imported")]
    TokenImported,
    /// An import was finished, and its tokens were activated.
    #[strum(serialize = "auth.import.finished")]
    ImportFinished,
    /// The tokens of an unfinished import were deleted, because another one of the same source began.
    #[strum(serialize = "auth.import.discarded")]
    ImportDiscarded,
    /// A user was created.
    #[strum(serialize = "auth.user.created")]
    UserCreated,
    /// A user's name or role changed.
    #[strum(serialize = "auth.user.updated")]
    UserUpdated,
    /// A user was disabled.
    #[strum(serialize = "auth.user.disabled")]
    UserDisabled,
    /// A user was enabled.
    #[strum(serialize = "auth.user.enabled")]
    UserEnabled,
    /// A user and their tokens were deleted.
    #[strum(serialize = "auth.user.deleted")]
    UserDeleted,
    /// A browser session started.
    #[strum(serialize = "auth.session.started")]
    SessionStarted,
    /// A browser session ended; the detail has the reason.
    #[strum(serialize = "auth.session.ended")]
    SessionEnded,
    /// Credentials were rejected.
    #[strum(serialize = "auth.request.failed")]
    RequestFailed,
    /// A request of an authenticated caller was forbidden.
    #[strum(serialize = "auth.request.forbidden")]
    RequestForbidden,
}

impl EventKind {
    /// Every kind.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The kind's name in the log and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether such an event changes a row that a node may have in memory: a token, its secrets, its owner or a session.
    /// Whoever makes the change is answered only when every node knows of it.
    ///
    /// This is the only place that decides it: a new kind does not compile without a line here, and a change without an
    /// event counts as one that changes rows.
    #[must_use]
    pub fn changes_rows(self) -> bool {
        match self {
            // New rows are in no memory.
            Self::TokenSeeded
            | Self::TokenCreated
            | Self::TokenImported
            | Self::UserCreated
            | Self::SessionStarted
            // Nothing changes.
            | Self::RequestFailed
            | Self::RequestForbidden => false,
            Self::TokenUpdated
            | Self::TokenRotated
            | Self::TokenRevoked
            | Self::TokenExpired
            | Self::ImportFinished
            | Self::ImportDiscarded
            | Self::UserUpdated
            | Self::UserDisabled
            | Self::UserEnabled
            | Self::UserDeleted
            // A session is in no memory, but a node whose lease has ended may read an old primary.
            | Self::SessionEnded => true,
        }
    }

    /// Whether such an event may take something away: a token, a secret, a session or a right. A node remembers these, so
    /// that they can be applied again if the database loses them. What only gives something is included where it may
    /// undo what was taken away before.
    #[must_use]
    pub fn takes_away(self) -> bool {
        match self {
            Self::TokenUpdated
            | Self::TokenRotated
            | Self::TokenRevoked
            | Self::UserUpdated
            | Self::UserDisabled
            | Self::UserEnabled
            | Self::UserDeleted
            | Self::SessionEnded => true,
            Self::TokenSeeded
            | Self::TokenCreated
            | Self::TokenImported
            | Self::UserCreated
            | Self::SessionStarted
            | Self::RequestFailed
            | Self::RequestForbidden
            // The clock alone decides it again.
            | Self::TokenExpired
            // The tokens of an unfinished import work neither before nor after it.
            | Self::ImportFinished
            | Self::ImportDiscarded => false,
        }
    }
}

/// The text is not a kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be the kind of an audit event")]
pub struct ParseEventKindError;

fn not_an_event_kind(_: &str) -> ParseEventKindError {
    ParseEventKindError
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
    fn whatever_takes_something_away_changes_rows() {
        let only_taking: Vec<_> =
            EventKind::ALL.iter().filter(|kind| kind.takes_away() && !kind.changes_rows()).collect();
        assert!(only_taking.is_empty(), "{only_taking:?}");
    }

    fn event(detail: &str) -> AuditEvent {
        AuditEvent {
            at: UnixMillis::new(1).unwrap(),
            kind: EventKind::TokenUpdated,
            actor: Actor::System,
            user_id: None,
            token_id: None,
            client: ClientInfo::default(),
            detail: serde_json::from_str(detail).unwrap(),
        }
    }

    #[test]
    fn the_canonical_form_does_not_depend_on_the_order_of_members() {
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
