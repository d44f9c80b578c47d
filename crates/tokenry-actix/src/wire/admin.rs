//! Users, the inventory and the audit log as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokenry_service::{
    AuditCheck, AuditEntry, NewUser, Reason, Risk, Role, Tokenry, UnixMillis, UserChanges,
};
use utoipa::ToSchema;

use super::{Token, not_null};
use crate::{error::ApiError, json::double_option};

/// Someone who owns tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// UUIDv7.
    id: String,
    /// The id that the host system knows them by.
    subject: String,
    name: String,
    /// The ceiling of all their tokens.
    role: String,
    /// Whether all their tokens are refused.
    disabled: bool,
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<&tokenry_service::User> for User {
    fn from(user: &tokenry_service::User) -> Self {
        Self {
            id: user.id.to_string(),
            subject: user.subject.to_string(),
            name: user.name.to_string(),
            role: user.role.to_string(),
            disabled: user.is_disabled(),
            disabled_at: user.disabled_at.map(|at| at.to_string()),
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
        }
    }
}

/// Some users of a longer list.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserPage {
    pub(crate) data: Vec<User>,
    /// The `cursor` of the next page; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
    /// How many users the whole list has.
    pub(crate) total: u64,
}

/// Asks for a new user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    subject: String,
    /// The subject, if left out.
    #[serde(default)]
    name: Option<String>,
    /// The least of the catalog, if left out.
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    disabled: Option<bool>,
}

impl TryFrom<CreateUser> for (String, NewUser) {
    type Error = ApiError;

    fn try_from(body: CreateUser) -> Result<Self, ApiError> {
        let role = body.role.map(|name| role(&name)).transpose()?;
        Ok((body.subject, NewUser { name: body.name, role, disabled: body.disabled.unwrap_or(false) }))
    }
}

/// Asks for changes of a user; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateUser {
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = String, required = false)]
    subject: Option<Option<String>>,
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = String, required = false)]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = String, required = false)]
    role: Option<Option<String>>,
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = bool, required = false)]
    disabled: Option<Option<bool>>,
}

impl TryFrom<UpdateUser> for UserChanges {
    type Error = ApiError;

    fn try_from(body: UpdateUser) -> Result<Self, ApiError> {
        Ok(Self {
            subject: not_null("/subject", body.subject)?,
            name: not_null("/name", body.name)?,
            role: not_null("/role", body.role)?.map(|name| role(&name)).transpose()?,
            disabled: not_null("/disabled", body.disabled)?,
        })
    }
}

fn role(name: &str) -> Result<Role, ApiError> {
    name.parse().map_err(|_| ApiError::field("/role", "unknown_role", "Must be the name of a role."))
}

/// Asks to end all tokens of a user.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RevokeTokens {
    /// Kept beside the tokens.
    reason: Option<String>,
}

impl RevokeTokens {
    pub(crate) fn reason(self) -> Result<Option<Reason>, ApiError> {
        let wrong = |error: tokenry_service::TextError| {
            ApiError::field("/reason", "invalid_reason", error.to_string())
        };
        self.reason.map(Reason::parse).transpose().map_err(wrong)
    }
}

/// How many tokens were revoked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revoked {
    pub(crate) revoked: usize,
}

/// A token in the inventory.
#[derive(Debug, Serialize, ToSchema)]
pub struct InventoryToken {
    #[serde(flatten)]
    attributes: Token,
    /// Whose it is, as the host system knows them.
    subject: String,
    /// Why it is worth a look: `never_used`, `no_expiry`, `full_access`, `idle`, `owner_disabled`.
    #[schema(value_type = Vec<String>)]
    risks: Vec<&'static str>,
}

/// Some tokens of the inventory.
#[derive(Debug, Serialize, ToSchema)]
pub struct InventoryPage {
    data: Vec<InventoryToken>,
    /// The `cursor` of the next page; `null` on the last one.
    next_cursor: Option<String>,
    /// How many tokens the whole list has.
    total: u64,
}

impl InventoryPage {
    /// The page as it stands at `now`.
    #[must_use]
    pub fn new(page: &tokenry_service::TokenPage, tokenry: &Tokenry, now: UnixMillis) -> Self {
        let cutoffs = tokenry.policy().cutoffs(now);
        let shown = |(token, owner): &(tokenry_service::Token, tokenry_service::User)| InventoryToken {
            attributes: Token::new(token, owner, tokenry, now),
            subject: owner.subject.to_string(),
            risks: Risk::of(token, owner, &cutoffs).into_iter().map(Risk::as_str).collect(),
        };
        Self {
            data: page.items.iter().map(shown).collect(),
            next_cursor: page.next_cursor.clone(),
            total: page.total,
        }
    }
}

/// What a cleanup did.
#[derive(Debug, Serialize, ToSchema)]
pub struct CleanupReport {
    /// Tokens whose time ran out and that the audit log was told of now.
    expired: usize,
    /// Sessions that were over and that nobody came back with.
    ended_sessions: usize,
    /// Dead tokens that were removed.
    purged_tokens: usize,
    /// Rows of the usage log that were removed.
    purged_uses: usize,
}

impl From<tokenry_service::CleanupReport> for CleanupReport {
    fn from(cleaned: tokenry_service::CleanupReport) -> Self {
        let tokenry_service::CleanupReport { expired, ended_sessions, purged_tokens, purged_uses } = cleaned;
        Self { expired, ended_sessions, purged_tokens, purged_uses }
    }
}

/// One entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEvent {
    /// Its place in the chain, from 1, without gaps.
    seq: i64,
    #[schema(format = DateTime)]
    at: String,
    #[schema(value_type = String, example = "auth.token.created")]
    kind: &'static str,
    /// `system`, `operator`, `user:<id>` or `token:<id>`.
    actor: String,
    user_id: Option<String>,
    token_id: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    #[schema(value_type = Object)]
    detail: Map<String, Value>,
    /// The digest of the entry before it, in hexadecimal.
    prev_hash: String,
    /// Its own digest, in hexadecimal.
    hash: String,
}

impl From<&AuditEntry> for AuditEvent {
    fn from(link: &AuditEntry) -> Self {
        let event = &link.event;
        Self {
            seq: link.seq,
            at: event.at.to_string(),
            kind: event.kind.as_str(),
            actor: event.actor.to_string(),
            user_id: event.user_id.map(|id| id.to_string()),
            token_id: event.token_id.map(|id| id.to_string()),
            ip: event.client.ip.map(|ip| ip.to_string()),
            user_agent: event.client.user_agent().map(str::to_owned),
            request_id: event.client.request_id.clone(),
            detail: event.detail.clone(),
            prev_hash: hexadecimal(&link.prev_hash),
            hash: hexadecimal(&link.hash),
        }
    }
}

/// Whether the audit log is as it was written.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditChain {
    intact: bool,
    /// How many entries there are.
    events: i64,
    /// The place of the first entry that is missing, changed or added.
    broken_at: Option<i64>,
    /// What is wrong there.
    reason: Option<String>,
    /// When the check began.
    #[schema(format = DateTime)]
    checked_at: String,
}

impl AuditChain {
    /// What a check found that began at `now`.
    #[must_use]
    pub fn new(check: &AuditCheck, now: UnixMillis) -> Self {
        let broken = check.broken.as_ref();
        Self {
            intact: broken.is_none(),
            events: check.entries,
            broken_at: broken.map(|(seq, _)| *seq),
            reason: broken.map(|(_, fault)| fault.to_string()),
            checked_at: now.to_string(),
        }
    }
}

/// Some entries of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    pub(crate) data: Vec<AuditEvent>,
    /// The `cursor` of the next page; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
