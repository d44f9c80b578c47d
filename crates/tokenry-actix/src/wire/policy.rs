//! The rules of an installation as JSON.

use serde::Serialize;
use tokenry_service::{Lifetime, Tokenry};
use utoipa::ToSchema;

use crate::settings::RateLimits;

/// What a server decides for all tokens and callers. In the numbers 0 is no limit, as in the settings file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policy {
    token: TokenFormat,
    lifetime: LifetimeRules,
    rotation: RotationRules,
    retention: Retention,
    usage: UsageRules,
    limits: PolicyLimits,
    session: SessionRules,
    /// From the least to the most.
    roles: Vec<RoleInfo>,
}

/// What tokens look like.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenFormat {
    /// What every token begins with.
    prefix: String,
}

/// How long tokens last. Days are whole, and a part of one counts as one.
#[derive(Debug, Serialize, ToSchema)]
pub struct LifetimeRules {
    min_seconds: i64,
    /// Of a token that asks for none; 0 is never.
    default_days: i64,
    /// Counted from when the secret was made.
    max_days: i64,
    /// Whether a token may live for ever.
    allow_never: bool,
    /// After so long without a use a token is over.
    idle_days: i64,
}

/// How secrets are replaced.
#[derive(Debug, Serialize, ToSchema)]
pub struct RotationRules {
    /// The longest that the old secret works beside the new one; 0 is not at all.
    max_grace_seconds: i64,
    /// What happens when a secret is used after that: `record`, `alert` or `revoke`.
    on_reuse: String,
}

/// How long what is over is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retention {
    dead_tokens_days: i64,
}

/// What the usage log keeps.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRules {
    /// Whether this server counts what tokens are used for.
    enabled: bool,
    /// The span of time whose uses share a row; 0 is a row for every use.
    bucket_seconds: i64,
    retention_days: i64,
}

/// Limits for each user, and for each source of refused credentials.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyLimits {
    max_live_tokens: u32,
    creations_per_hour: u32,
    /// Management requests of a user; `null` where they are not counted.
    management_per_minute: Option<u32>,
    /// Refused credentials from a source; `null` where they are not counted.
    failures_per_minute: Option<u32>,
}

/// How long people stay signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRules {
    lifetime_seconds: i64,
    /// After so long without a request a session is over; 0 is never.
    idle_seconds: i64,
}

/// A role and what it allows.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleInfo {
    name: String,
    /// What can be named of it: where the vocabulary is open, resources that are not listed come on top.
    scopes: Vec<String>,
}

impl Policy {
    pub(crate) fn new(tokenry: &Tokenry, rates: RateLimits) -> Self {
        let (policy, usage, catalog) = (tokenry.policy(), tokenry.usage_settings(), tokenry.catalog());
        let session = tokenry.session_settings();
        let role = |role| RoleInfo {
            name: ToString::to_string(role),
            scopes: catalog.of_role(role).to_set().to_texts(),
        };
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
            roles: catalog.roles().map(role).collect(),
        }
    }
}

/// Whole days, 0 for none. A part of a day counts as one, so that a short limit does not look like none.
fn days(span: Option<Lifetime>) -> i64 {
    const DAY: i64 = Lifetime::days(1).millis();
    span.map_or(0, |span| span.millis().saturating_add(DAY - 1) / DAY)
}
