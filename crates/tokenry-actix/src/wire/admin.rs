//! Users, the inventory and the audit log as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokenry_service::{
    AuditCheck, AuditEntry, NewUser, Reason, Risk, Role, Tokenry, UnixMillis, UserChanges,
};
use utoipa::ToSchema;

use super::{Token, not_null};
use crate::{error::ApiError, json::double_option};

/// A user, the owner of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// UUIDv7.
    id: String,
    /// The id of the user in the host system.
    subject: String,
    name: String,
    /// The role, which limits all tokens of the user.
    role: String,
    /// Whether all tokens of the user are rejected.
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

/// A page of a list of users.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserPage {
    pub(crate) data: Vec<User>,
    /// The `cursor` of the next page; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
    /// The number of users in the whole list.
    pub(crate) total: u64,
}

/// Creates a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    subject: String,
    /// Default: the subject.
    #[serde(default)]
    name: Option<String>,
    /// Default: the lowest role of the catalog.
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    disabled: Option<bool>,
}

impl TryFrom<CreateUser> for (String, NewUser) {
    type Error = ApiError;

    fn try_from(body: CreateUser) -> Result<Self, ApiError> {
        let role = body.role.map(|name| role(&name)).transpose()?;
        Ok((
            body.subject,
            NewUser::default()
                .with_name(body.name)
                .with_role(role)
                .with_disabled(body.disabled.unwrap_or(false)),
        ))
    }
}

/// Updates a user; omitted fields stay unchanged.
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
        Ok(Self::default()
            .with_subject(not_null("/subject", body.subject)?)
            .with_name(not_null("/name", body.name)?)
            .with_role(not_null("/role", body.role)?.map(|name| role(&name)).transpose()?)
            .with_disabled(not_null("/disabled", body.disabled)?))
    }
}

fn role(name: &str) -> Result<Role, ApiError> {
    name.parse().map_err(|_| ApiError::field("/role", "unknown_role", "Must be the name of a role."))
}

/// Revokes all tokens of a user.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RevokeTokens {
    /// Stored with the tokens.
    reason: Option<String>,
}

impl RevokeTokens {
    pub(crate) fn reason(self) -> Result<Option<Reason>, ApiError> {
        let reason = self.reason.map(Reason::parse).transpose();
        reason.map_err(|error| ApiError::field("/reason", "invalid_reason", error.to_string()))
    }
}

/// The number of revoked tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revoked {
    pub(crate) revoked: usize,
}

/// A token in the inventory.
#[derive(Debug, Serialize, ToSchema)]
pub struct InventoryToken {
    #[serde(flatten)]
    attributes: Token,
    /// The id of the owner in the host system.
    subject: String,
    /// The risks of the token: `never_used`, `no_expiry`, `full_access`, `idle`, `owner_disabled`.
    #[schema(value_type = Vec<String>)]
    risks: Vec<&'static str>,
}

/// A page of the inventory.
#[derive(Debug, Serialize, ToSchema)]
pub struct InventoryPage {
    data: Vec<InventoryToken>,
    /// The `cursor` of the next page; `null` on the last one.
    next_cursor: Option<String>,
    /// The number of tokens in the whole list.
    total: u64,
}

impl InventoryPage {
    /// The page at `now`.
    #[must_use]
    pub fn new(page: &tokenry_service::TokenPage, tokenry: &Tokenry, now: UnixMillis) -> Self {
        let (cutoffs, full_access) = (tokenry.policy().cutoffs(now), tokenry.catalog().full_access());
        let mut data = Vec::with_capacity(page.items.len());
        for (token, owner) in &page.items {
            data.push(InventoryToken {
                attributes: Token::new(token, owner, tokenry, now),
                subject: owner.subject.to_string(),
                risks: Risk::of(token, owner, &cutoffs, &full_access).into_iter().map(Risk::as_str).collect(),
            });
        }
        Self { data, next_cursor: page.next_cursor.clone(), total: page.total }
    }
}

/// The result of a cleanup.
#[derive(Debug, Serialize, ToSchema)]
pub struct CleanupReport {
    /// Tokens whose expiry was recorded in the audit log.
    expired: usize,
    /// Expired sessions that were deleted.
    ended_sessions: usize,
    /// Dead tokens that were deleted.
    purged_tokens: usize,
    /// Rows of the usage log that were deleted.
    purged_uses: usize,
}

impl From<tokenry_service::CleanupReport> for CleanupReport {
    fn from(report: tokenry_service::CleanupReport) -> Self {
        let tokenry_service::CleanupReport { expired, ended_sessions, purged_tokens, purged_uses, .. } =
            report;
        Self { expired, ended_sessions, purged_tokens, purged_uses }
    }
}

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEvent {
    /// The sequence number in the chain, from 1, without gaps.
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
    /// The digest of the previous entry, in hexadecimal.
    prev_hash: String,
    /// The digest of this entry, in hexadecimal.
    hash: String,
}

impl From<&AuditEntry> for AuditEvent {
    fn from(entry: &AuditEntry) -> Self {
        let event = &entry.event;
        Self {
            seq: entry.seq,
            at: event.at.to_string(),
            kind: event.kind.as_str(),
            actor: event.actor.to_string(),
            user_id: event.user_id.map(|id| id.to_string()),
            token_id: event.token_id.map(|id| id.to_string()),
            ip: event.client.ip.map(|ip| ip.to_string()),
            user_agent: event.client.user_agent().map(str::to_owned),
            request_id: event.client.request_id.clone(),
            detail: event.detail.clone(),
            prev_hash: hexadecimal(&entry.prev_hash),
            hash: hexadecimal(&entry.hash),
        }
    }
}

/// The result of checking the digests of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditChain {
    intact: bool,
    /// The number of entries.
    events: i64,
    /// The sequence number of the first entry that is missing, changed or added.
    broken_at: Option<i64>,
    /// What is wrong with that entry.
    reason: Option<String>,
    /// When the check began.
    #[schema(format = DateTime)]
    checked_at: String,
}

impl AuditChain {
    /// The result of a check that began at `now`.
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

/// A page of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    pub(crate) data: Vec<AuditEvent>,
    /// The `cursor` of the next page; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
