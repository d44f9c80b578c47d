//! Users, the inventory and the audit log as JSON.

use std::num::NonZero;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokenry_service::{
    AuditCheck, AuditEntry, NewUser, PageSize, Reason, Risk, Role, Tokenry, UnixMillis, UserChanges,
};
use utoipa::ToSchema;

use super::{Token, not_null, schema};
use crate::{error::ApiError, json::double_option};

/// A user, the owner of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    /// The id of the user in the host system.
    subject: String,
    /// The display name.
    name: String,
    /// The role, which limits all tokens of the user.
    role: String,
    /// Whether all tokens of the user are rejected.
    disabled: bool,
    /// When the user was disabled.
    #[schema(format = DateTime, required = true)]
    disabled_at: Option<String>,
    /// When the user was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When the user was last changed.
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
    /// The users of this page.
    pub(crate) data: Vec<User>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
    /// The number of users in the whole list.
    pub(crate) total: u64,
}

/// Creates a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// The id of the user in the host system: one line with a visible character.
    #[schema(value_type = schema::Subject)]
    subject: String,
    /// Default: the subject.
    #[serde(default)]
    #[schema(value_type = Option<schema::Name>)]
    name: Option<String>,
    /// Default: the lowest role of the catalog.
    #[serde(default)]
    #[schema(value_type = Option<schema::RoleName>)]
    role: Option<String>,
    /// Whether all tokens of the user are rejected. Default: false.
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
    /// The id of the user in the host system: one line with a visible character.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = schema::Subject, required = false)]
    subject: Option<Option<String>>,
    /// The display name.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = schema::Name, required = false)]
    name: Option<Option<String>>,
    /// The role, which limits all tokens of the user.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = schema::RoleName, required = false)]
    role: Option<Option<String>>,
    /// Whether all tokens of the user are rejected.
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
    /// Stored with the tokens: one line with a visible character.
    #[schema(value_type = Option<schema::Reason>)]
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
    /// How many tokens this request revoked.
    pub(crate) revoked: usize,
}

/// A token in the inventory.
#[derive(Debug, Serialize, ToSchema)]
pub struct InventoryToken {
    #[serde(flatten)]
    attributes: Token,
    /// The id of the owner in the host system.
    subject: String,
    /// The risks of the token.
    #[schema(value_type = Vec<schema::Risk>)]
    risks: Vec<&'static str>,
}

/// A page of the inventory.
#[derive(Debug, Serialize, ToSchema)]
pub struct InventoryPage {
    /// The tokens of this page.
    data: Vec<InventoryToken>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// The number of tokens in the whole list.
    total: u64,
    /// The number of this page, from 1, if the request has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    page: Option<u32>,
    /// The maximum number of tokens on a page, if the request has the number of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
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
        Self { data, next_cursor: page.next_cursor.clone(), total: page.total, page: None, page_size: None }
    }

    /// The page with its number, if it was requested by number.
    #[must_use]
    pub(crate) fn numbered(self, number: Option<NonZero<u32>>, size: PageSize) -> Self {
        let page = number.map(NonZero::get);
        Self { page, page_size: page.map(|_| size.get()), ..self }
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
    /// When it happened.
    #[schema(format = DateTime)]
    at: String,
    /// What happened.
    #[schema(value_type = schema::EventKind)]
    kind: &'static str,
    /// `system`, `operator`, `user:<id>` or `token:<id>`.
    actor: String,
    /// The user whom it concerns.
    #[schema(format = "uuid", required = true)]
    user_id: Option<String>,
    /// The token that it concerns.
    #[schema(format = "uuid", required = true)]
    token_id: Option<String>,
    /// The address of the client.
    #[schema(required = true)]
    ip: Option<String>,
    /// The user agent of the client.
    #[schema(required = true)]
    user_agent: Option<String>,
    /// The id of the request.
    #[schema(required = true)]
    request_id: Option<String>,
    /// More about the event; its fields depend on the kind.
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
    /// Whether no entry is missing, changed or added.
    intact: bool,
    /// The number of entries.
    events: i64,
    /// The sequence number of the first entry that is missing, changed or added.
    #[schema(required = true)]
    broken_at: Option<i64>,
    /// What is wrong with that entry.
    #[schema(required = true)]
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
    /// The entries of this page.
    pub(crate) data: Vec<AuditEvent>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
