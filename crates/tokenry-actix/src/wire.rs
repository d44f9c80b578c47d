//! Requests and responses of the API as JSON.

mod admin;
mod authzen;
mod catalog;
mod leaks;
mod nodes;
mod oauth;
mod policy;
mod readiness;
pub(crate) mod schema;
mod session;
mod token_events;
mod usage;
mod verify;

use std::num::NonZero;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use tokenry_service::{
    Activation, Expiry, Lifetime, NewToken, PageSize, Rotation, Status, TokenChanges, Tokenry, UnixMillis,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

#[cfg(feature = "github")]
pub(crate) use self::leaks::SignedLeakReport;
pub use self::{
    admin::{
        AuditChain, AuditEvent, AuditPage, CleanupReport, CreateUser, InventoryPage, InventoryToken,
        RevokeTokens, Revoked, UpdateUser, User, UserPage,
    },
    authzen::{
        AuthzenMetadata, Decision, DecisionContext, DecisionOrDecisions, Decisions, Evaluation,
        EvaluationAction, EvaluationError, EvaluationOptions, EvaluationResource, EvaluationSubject,
        Evaluations, EvaluationsSemantic, PartialEvaluation,
    },
    catalog::{ScopeGroup, ScopeInfo, ScopeResource, Scopes},
    leaks::{LeakFeedback, LeakReport, TokenPatternInfo, TokenPatterns},
    nodes::{Node, NodeList},
    oauth::{Introspection, IntrospectionForm, OAuthMetadata, ResourceMetadata, RevocationForm},
    policy::{
        LifetimeRules, Policy, PolicyLimits, Retention, RoleInfo, RotationRules, SessionRules, TokenFormat,
        UsageRules,
    },
    readiness::Readiness,
    session::{ProviderSignIn, Session, SessionState, SessionUser, SignInProvider},
    token_events::{TokenEvent, TokenEventPage},
    usage::{ScopeUse, Usage, UsageAddress, UsageHour, UsageRoute, UsageRow, UsageSummary},
    verify::{Verdict, VerdictUser, VerifyToken},
};
use crate::{error::ApiError, json::double_option};

/// A token without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    /// The display name.
    name: String,
    /// A note about the token.
    #[schema(required = true)]
    description: Option<String>,
    /// The public prefix of the token text.
    #[schema(example = "pat_Q7mZ0aKd93Xb")]
    token_prefix: String,
    /// The last four characters of the token text.
    #[schema(example = "aB3x")]
    token_suffix: String,
    /// The granted scopes.
    #[schema(value_type = Vec<schema::Scope>)]
    scopes: Vec<String>,
    /// The effective scopes: the granted scopes within the current role of the owner.
    #[schema(value_type = Vec<schema::Scope>)]
    effective_scopes: Vec<String>,
    /// The state at the time of the response.
    #[schema(value_type = schema::TokenStatus)]
    status: &'static str,
    /// When the token was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When the token was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// From this time on the token is rejected; `null` is never.
    #[schema(format = DateTime, required = true)]
    expires_at: Option<String>,
    /// Before this time the token is rejected.
    #[schema(format = DateTime, required = true)]
    not_before: Option<String>,
    /// When the token was last accepted. Updated with a delay of up to a minute.
    #[schema(format = DateTime, required = true)]
    last_used_at: Option<String>,
    /// The address of that use.
    #[schema(required = true)]
    last_used_ip: Option<String>,
    /// When the token was revoked.
    #[schema(format = DateTime, required = true)]
    revoked_at: Option<String>,
    /// Who revoked it: `system`, `operator`, `user:<id>` or `token:<id>`.
    #[schema(required = true)]
    revoked_by: Option<String>,
    /// Why it was revoked.
    #[schema(required = true)]
    revoked_reason: Option<String>,
    /// Addresses and networks that may use the token; empty is any.
    #[schema(example = json!(["203.0.113.0/24"]))]
    allowed_ips: Vec<String>,
    /// Data of the client: a JSON object.
    #[schema(value_type = Object)]
    metadata: Value,
    /// The owner.
    #[schema(format = "uuid")]
    user_id: String,
    /// The number of changes; `If-Match` takes it in quotes.
    #[schema(minimum = 1)]
    version: i64,
}

impl Token {
    /// The token at `now`, under the current policy.
    #[must_use]
    pub fn new(
        token: &tokenry_service::Token,
        owner: &tokenry_service::User,
        tokenry: &Tokenry,
        now: UnixMillis,
    ) -> Self {
        let revoked = token.revoked.as_ref();
        let effective = if owner.is_disabled() {
            Vec::new()
        } else {
            tokenry.catalog().effective(&token.scopes, &owner.role).to_set().to_texts()
        };
        Self {
            id: token.id.to_string(),
            name: token.name.to_string(),
            description: token.description.as_ref().map(ToString::to_string),
            token_prefix: token.first_characters().to_owned(),
            token_suffix: token.suffix.clone(),
            scopes: token.scopes.to_texts(),
            effective_scopes: effective,
            status: token.status(&tokenry.policy().cutoffs(now)).as_str(),
            created_at: token.created_at.to_string(),
            updated_at: token.updated_at.to_string(),
            expires_at: optional_time(tokenry.policy().effective_expiry(token)),
            not_before: optional_time(token.not_before),
            last_used_at: optional_time(token.last_used_at),
            last_used_ip: token.last_used_ip.map(|ip| ip.to_string()),
            revoked_at: revoked.map(|revoked| revoked.at.to_string()),
            revoked_by: revoked.map(|revoked| revoked.by.to_string()),
            revoked_reason: revoked.and_then(|revoked| revoked.reason.as_ref()).map(ToString::to_string),
            allowed_ips: token.allowed_ips.to_texts(),
            metadata: token.metadata.to_value(),
            user_id: token.user_id.to_string(),
            version: token.version,
        }
    }
}

/// A new token: the only response with a secret.
#[derive(Serialize, ToSchema)]
pub struct CreatedToken {
    #[serde(flatten)]
    pub(crate) attributes: Token,
    /// The token text with the secret. It is never shown again.
    #[serde(serialize_with = "serialize_secret")]
    #[schema(value_type = String, example = "pat_…")]
    pub(crate) token: Zeroizing<String>,
}

fn serialize_secret<S: Serializer>(token: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token)
}

/// A page of a list of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenPage {
    /// The tokens of this page.
    pub(crate) data: Vec<Token>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
    /// The number of tokens in the whole list.
    pub(crate) total: u64,
    /// The number of this page, from 1, if the request has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    page: Option<u32>,
    /// The maximum number of tokens on a page, if the request has the number of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
}

impl TokenPage {
    /// The page at `now`.
    #[must_use]
    pub fn new(page: &tokenry_service::TokenPage, tokenry: &Tokenry, now: UnixMillis) -> Self {
        Self {
            data: page.items.iter().map(|(token, owner)| Token::new(token, owner, tokenry, now)).collect(),
            next_cursor: page.next_cursor.clone(),
            total: page.total,
            page: None,
            page_size: None,
        }
    }

    /// The page with its number, if it was requested by number.
    #[must_use]
    pub(crate) fn numbered(self, number: Option<NonZero<u32>>, size: PageSize) -> Self {
        let page = number.map(NonZero::get);
        Self { page, page_size: page.map(|_| size.get()), ..self }
    }
}

/// Creates a token. Omitted scopes are the default of the catalog: none, unless configured.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// The display name: one line with a visible character.
    #[schema(value_type = schema::Name)]
    name: String,
    /// A note about the token; line breaks are allowed.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: Option<String>,
    /// The granted scopes. Default: those of the catalog.
    #[serde(default)]
    #[schema(value_type = Option<Vec<schema::Scope>>, max_items = 32)]
    scopes: Option<Vec<String>>,
    /// `null` is never; omitted is the default.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
    /// Alternative to `expires_at`; `null` is never.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<u32>)]
    expires_in_days: Option<Option<u32>>,
    /// Before this time the token is rejected.
    #[serde(default)]
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// Addresses and networks that may use the token; empty is any.
    #[serde(default)]
    #[schema(max_items = 32, example = json!(["203.0.113.0/24"]))]
    allowed_ips: Option<Vec<String>>,
    /// Data of the client: a JSON object of at most 4 KiB.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

impl TryFrom<CreateToken> for NewToken {
    type Error = ApiError;

    fn try_from(body: CreateToken) -> Result<Self, ApiError> {
        Ok(Self::new(body.name)
            .with_description(body.description)
            .with_scopes(body.scopes)
            .with_expiry(requested_expiry(body.expires_at, body.expires_in_days)?)
            .with_not_before(body.not_before.map(|at| instant("/not_before", &at)).transpose()?)
            .with_allowed_ips(body.allowed_ips)
            .with_metadata(body.metadata.unwrap_or_default()))
    }
}

/// Updates a token; omitted fields stay unchanged.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateToken {
    /// The display name: one line with a visible character.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = schema::Name, required = false)]
    name: Option<Option<String>>,
    /// `null` removes it.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = Option<String>, max_length = 500)]
    description: Option<Option<String>>,
    /// The granted scopes.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = Vec<schema::Scope>, required = false, max_items = 32)]
    scopes: Option<Option<Vec<String>>>,
    /// `null` is never.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
    /// Alternative to `expires_at`, counted from now; `null` is never.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = Option<u32>)]
    expires_in_days: Option<Option<u32>>,
    /// Addresses and networks that may use the token; empty is any.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = Vec<String>, required = false, max_items = 32)]
    allowed_ips: Option<Option<Vec<String>>>,
    /// Data of the client: a JSON object of at most 4 KiB.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = Object, required = false)]
    metadata: Option<Option<Map<String, Value>>>,
    /// Pauses or resumes the token.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = schema::TokenActivation, required = false)]
    status: Option<Option<String>>,
}

impl TryFrom<UpdateToken> for TokenChanges {
    type Error = ApiError;

    fn try_from(body: UpdateToken) -> Result<Self, ApiError> {
        Ok(Self::default()
            .with_name(not_null("/name", body.name)?)
            .with_description(body.description)
            .with_scopes(not_null("/scopes", body.scopes)?)
            .with_expiry(requested_expiry(body.expires_at, body.expires_in_days)?)
            .with_allowed_ips(not_null("/allowed_ips", body.allowed_ips)?)
            .with_metadata(not_null("/metadata", body.metadata)?)
            .with_switch(not_null("/status", body.status)?.map(|status| activation(&status)).transpose()?))
    }
}

/// Rotates the secret of a token.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotateToken {
    /// How long the old secret stays valid, in seconds; the policy and the previous expiry may end it earlier. Default: 0.
    grace_seconds: Option<u64>,
    /// The new expiry; `null` is never, omitted keeps the current one.
    #[serde(deserialize_with = "double_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
}

impl TryFrom<RotateToken> for Rotation {
    type Error = ApiError;

    fn try_from(body: RotateToken) -> Result<Self, ApiError> {
        // The policy reduces a grace period over its maximum anyway.
        let grace =
            body.grace_seconds.map(|seconds| Lifetime::seconds(u32::try_from(seconds).unwrap_or(u32::MAX)));
        Ok(Self::default().with_grace(grace).with_expiry(body.expires_at.map(expiry).transpose()?))
    }
}

/// The caller, with the remaining quota of their limits.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The id of the user.
    #[schema(format = "uuid")]
    pub(crate) user_id: String,
    /// The id of the user in the host system.
    pub(crate) subject: String,
    /// The display name.
    pub(crate) name: String,
    /// The role, which limits all tokens of the user.
    pub(crate) role: String,
    /// The effective scopes of the caller.
    #[schema(value_type = Vec<schema::Scope>)]
    pub(crate) scopes: Vec<String>,
    /// The credential of this request.
    #[schema(value_type = schema::CallerCredential)]
    pub(crate) credential: &'static str,
    /// The limits, and what remains of them.
    pub(crate) limits: Limits,
}

/// The limits of a user and their remaining quota; `null` is no limit.
#[derive(Debug, Serialize, ToSchema)]
pub struct Limits {
    /// The maximum number of live tokens.
    #[schema(required = true)]
    max_tokens: Option<u32>,
    /// The number of live tokens.
    live_tokens: u64,
    /// How many tokens can be created now.
    #[schema(required = true)]
    creations_left: Option<u32>,
    /// When the next creation becomes available.
    #[schema(format = DateTime, required = true)]
    resets_at: Option<String>,
}

impl From<tokenry_service::LimitStatus> for Limits {
    fn from(limits: tokenry_service::LimitStatus) -> Self {
        Self {
            max_tokens: limits.max_tokens,
            live_tokens: limits.live_tokens,
            creations_left: limits.creations_left,
            resets_at: limits.resets_at.map(|at| at.to_string()),
        }
    }
}

/// The state of the process.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(value_type = String, example = "ok")]
    pub(crate) status: &'static str,
}

/// A time, or `null` for never.
fn expiry(at: Option<String>) -> Result<Expiry, ApiError> {
    match at {
        None => Ok(Expiry::Never),
        Some(at) => instant("/expires_at", &at).map(Expiry::At),
    }
}

/// The expiry as a time or in days, whichever is given; both are an error.
fn requested_expiry(
    at: Option<Option<String>>,
    days: Option<Option<u32>>,
) -> Result<Option<Expiry>, ApiError> {
    match (at, days) {
        (Some(_), Some(_)) => {
            let detail = "Send either expires_at or expires_in_days.";
            Err(ApiError::field("/expires_in_days", "exclusive", detail))
        }
        (Some(at), None) => expiry(at).map(Some),
        (None, Some(Some(days))) => Ok(Some(Expiry::In(Lifetime::days(days)))),
        (None, Some(None)) => Ok(Some(Expiry::Never)),
        (None, None) => Ok(None),
    }
}

fn optional_time(at: Option<UnixMillis>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn instant(pointer: &str, text: &str) -> Result<UnixMillis, ApiError> {
    text.parse().map_err(|error| {
        let error: tokenry_service::ParseInstantError = error;
        ApiError::field(pointer, "invalid_instant", error.to_string())
    })
}

fn activation(status: &str) -> Result<Activation, ApiError> {
    match status.parse() {
        Ok(Status::Active) => Ok(Activation::Active),
        Ok(Status::Inactive) => Ok(Activation::Inactive),
        _ => Err(ApiError::field("/status", "invalid_status", "Must be active or inactive.")),
    }
}

fn not_null<T>(pointer: &str, value: Option<Option<T>>) -> Result<Option<T>, ApiError> {
    match value {
        None => Ok(None),
        Some(Some(value)) => Ok(Some(value)),
        Some(None) => Err(ApiError::field(pointer, "invalid_type", "Must not be null.")),
    }
}
