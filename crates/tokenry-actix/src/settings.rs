//! [`HttpSettings`]: what an app configures about the API.

use actix_web::web::Data;

#[cfg(feature = "route-quotas")]
use crate::quota::ManagementQuota;
use crate::{
    client_ip::TrustedProxies,
    declared_errors::{DeclareErrors, Errors},
    failures::FailureLimit,
    field_names::FieldNames,
    identity_headers::IdentityHeaders,
    metrics::Metrics,
    session::proxy::ProxySignIn,
    tokens_path::TokensPath,
};

/// Settings of the HTTP API. All clones share the counts of the limits, so create the settings once, outside of the
/// factory of `HttpServer`.
#[derive(Clone, Default)]
pub struct HttpSettings {
    /// The proxies whose forwarded headers are trusted. Default: none.
    pub trusted_proxies: TrustedProxies,
    /// The limit on failed credentials per source. Default: no limit.
    pub failures: Option<FailureLimit>,
    /// The counts that `GET /metrics` returns. [`outer_middleware`](crate::outer_middleware()) counts the requests.
    pub metrics: Metrics,
    /// How a trusted proxy asserts the user who signs in. Default: proxies cannot sign users in.
    pub proxy_sign_in: Option<ProxySignIn>,
    /// The limit on management requests per user. Default: no limit.
    #[cfg(feature = "route-quotas")]
    pub management: Option<ManagementQuota>,
    /// Path and names of the API of a user's own tokens.
    pub tokens_api: TokensApi,
    /// The headers that forward-auth sets.
    pub identity_headers: IdentityHeaders,
    /// Whether a bearer credential is used, and the session cookie ignored, where a request has both. Default: such a
    /// request is rejected, because it is ambiguous whom it acts for.
    pub bearer_over_session: bool,
}

/// The form of the API of a user's own tokens, for clients of an existing product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokensApi {
    /// Where it is mounted.
    pub path: TokensPath,
    /// The names of the fields.
    pub fields: FieldNames,
    /// Whether PUT on a token does the same as PATCH. Default: 405.
    pub put_updates: bool,
}

/// The limits that the adapter enforces, per minute; `None` is no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimits {
    pub(crate) management: Option<u32>,
    pub(crate) failures: Option<u32>,
}

impl DeclareErrors for Data<RateLimits> {
    fn errors() -> Errors {
        Errors::default()
    }
}

impl RateLimits {
    pub(crate) fn of(settings: &HttpSettings) -> Self {
        #[cfg(feature = "route-quotas")]
        let management = settings.management.as_ref().map(|quota| quota.per_minute().get());
        #[cfg(not(feature = "route-quotas"))]
        let management = None;
        Self { management, failures: settings.failures.as_ref().map(|limit| limit.per_minute().get()) }
    }
}
