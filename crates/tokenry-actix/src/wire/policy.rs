//! The policy of an installation as JSON.

use serde::Serialize;
use tokenry_service::{Lifetime, Tokenry};
use utoipa::ToSchema;

use super::schema;

use crate::settings::RateLimits;

/// The rules of a server for all tokens and callers. A number of 0 is no limit, as in the settings file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policy {
    /// The format of tokens.
    token: TokenFormat,
    /// The lifetime of tokens.
    lifetime: LifetimeRules,
    /// The rotation of secrets.
    rotation: RotationRules,
    /// The retention of dead records.
    retention: Retention,
    /// The usage log.
    usage: UsageRules,
    /// The limits per user and source.
    limits: PolicyLimits,
    /// The lifetime of sessions.
    session: SessionRules,
    /// From the lowest to the highest.
    roles: Vec<RoleInfo>,
}

/// The format of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenFormat {
    /// The prefix of every token.
    prefix: String,
}

/// The lifetime of tokens. Days are rounded up.
#[derive(Debug, Serialize, ToSchema)]
pub struct LifetimeRules {
    /// The shortest lifetime of a token.
    min_seconds: i64,
    /// The lifetime of a token without a requested expiry; 0 is never.
    default_days: i64,
    /// Counted from the creation of the secret.
    max_days: i64,
    /// Whether a token may have no expiry.
    allow_never: bool,
    /// A token expires after this time without a use.
    idle_days: i64,
}

/// The rotation of secrets.
#[derive(Debug, Serialize, ToSchema)]
pub struct RotationRules {
    /// The maximum grace period of the old secret; 0 is none.
    max_grace_seconds: i64,
    /// The reaction to the use of a secret after its grace period.
    #[schema(value_type = schema::ReuseReaction)]
    on_reuse: String,
}

/// The retention of dead records.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retention {
    /// How long expired and revoked tokens are kept.
    dead_tokens_days: i64,
}

/// The usage log.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRules {
    /// Whether this server records the usage of tokens.
    enabled: bool,
    /// The interval whose uses share a row; 0 is a row for every use.
    bucket_seconds: i64,
    /// How long uses are kept.
    retention_days: i64,
}

/// Limits per user, and per source of failed credentials.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyLimits {
    /// The maximum number of live tokens of a user.
    max_live_tokens: u32,
    /// How many tokens a user can create within an hour.
    creations_per_hour: u32,
    /// Management requests per user; `null` if they are not limited.
    #[schema(required = true)]
    management_per_minute: Option<u32>,
    /// Failed credentials per source; `null` if they are not limited.
    #[schema(required = true)]
    failures_per_minute: Option<u32>,
}

/// The lifetime of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRules {
    /// The longest lifetime of a session.
    lifetime_seconds: i64,
    /// A session expires after this time without a request; 0 is never.
    idle_seconds: i64,
}

/// A role and its scopes.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleInfo {
    /// The name of the role.
    name: String,
    /// The listed scopes of the role; an open catalog has unlisted resources in addition.
    #[schema(value_type = Vec<schema::Scope>)]
    scopes: Vec<String>,
}

impl Policy {
    pub(crate) fn new(tokenry: &Tokenry, rates: RateLimits) -> Self {
        let (policy, usage, catalog) = (tokenry.policy(), tokenry.usage_settings(), tokenry.catalog());
        let session = tokenry.session_settings();
        Self {
            token: TokenFormat { prefix: tokenry.prefix().to_string() },
            lifetime: LifetimeRules {
                min_seconds: tokenry_service::Policy::MIN_LIFETIME.millis() / 1000,
                default_days: days(policy.default_lifetime),
                max_days: days(policy.max_lifetime),
                allow_never: policy.allow_never,
                idle_days: days(policy.idle_lifetime),
            },
            rotation: RotationRules {
                max_grace_seconds: policy.max_grace.millis() / 1000,
                on_reuse: policy.on_reuse.to_string(),
            },
            retention: Retention { dead_tokens_days: days(tokenry.retention()) },
            usage: UsageRules {
                enabled: usage.is_enabled,
                bucket_seconds: usage.bucket.span().millis() / 1000,
                retention_days: days(usage.retention),
            },
            limits: PolicyLimits {
                max_live_tokens: policy.limits.max_live_tokens.unwrap_or(0),
                creations_per_hour: policy.limits.creations_per_hour.unwrap_or(0),
                management_per_minute: rates.management,
                failures_per_minute: rates.failures,
            },
            session: SessionRules {
                lifetime_seconds: session.lifetime.millis() / 1000,
                idle_seconds: session.idle.map_or(0, Lifetime::millis) / 1000,
            },
            roles: catalog
                .roles()
                .map(|role| RoleInfo {
                    name: role.to_string(),
                    scopes: catalog.user_permissions(role).to_set().to_texts(),
                })
                .collect(),
        }
    }
}

/// Days, rounded up so that a short limit is not 0; 0 for no limit.
fn days(span: Option<Lifetime>) -> i64 {
    const DAY: i64 = Lifetime::days(1).millis();
    span.map_or(0, |span| span.millis().saturating_add(DAY - 1) / DAY)
}
