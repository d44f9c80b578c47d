//! The policy of an installation as JSON.

use serde::Serialize;
use tokenry_service::{Lifetime, Tokenry};
use utoipa::ToSchema;

use crate::settings::RateLimits;

/// The rules of a server for all tokens and callers. A number of 0 is no limit, as in the settings file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policy {
    token: TokenFormat,
    lifetime: LifetimeRules,
    rotation: RotationRules,
    retention: Retention,
    usage: UsageRules,
    limits: PolicyLimits,
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
    /// The reaction to the use of a secret after its grace period: `record`, `alert` or `revoke`.
    on_reuse: String,
}

/// The retention of dead records.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retention {
    dead_tokens_days: i64,
}

/// The usage log.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRules {
    /// Whether this server records the usage of tokens.
    enabled: bool,
    /// The interval whose uses share a row; 0 is a row for every use.
    bucket_seconds: i64,
    retention_days: i64,
}

/// Limits per user, and per source of failed credentials.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyLimits {
    max_live_tokens: u32,
    creations_per_hour: u32,
    /// Management requests per user; `null` if they are not limited.
    management_per_minute: Option<u32>,
    /// Failed credentials per source; `null` if they are not limited.
    failures_per_minute: Option<u32>,
}

/// The lifetime of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRules {
    lifetime_seconds: i64,
    /// A session expires after this time without a request; 0 is never.
    idle_seconds: i64,
}

/// A role and its scopes.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleInfo {
    name: String,
    /// The listed scopes of the role; an open catalog has unlisted resources in addition.
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
