//! [`HttpSettings`]: what an app configures about the API.

use actix_web::web::Data;
use tokenry_service::ProtectedResource;

#[cfg(feature = "route-quotas")]
use crate::quota::ManagementQuota;
use crate::{
    client_ip::TrustedProxies,
    credentials::Credentials,
    declared_errors::{DeclareErrors, Errors},
    failures::FailureLimit,
    field_names::FieldNames,
    identity_headers::IdentityHeaders,
    leak_limits::LeakLimit,
    metrics::Metrics,
    session::proxy::ProxySignIn,
    tokens_path::TokensPath,
};

/// Settings of the HTTP API. All clones share the counts of the limits, so create the settings once, outside of the
/// factory of `HttpServer`.
///
/// ```
/// use std::num::NonZero;
/// use tokenry_actix::{FailureLimit, HttpSettings, TrustedProxies, tokenry::IpList};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let proxies = TrustedProxies::new(IpList::parse(&["10.0.0.0/8"])?);
/// let failures = NonZero::new(30).map(FailureLimit::new);
/// let settings = HttpSettings::default().with_trusted_proxies(proxies).with_failure_limit(failures);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct HttpSettings {
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) failures: Option<FailureLimit>,
    pub(crate) proxy_sign_in: Option<ProxySignIn>,
    #[cfg(feature = "route-quotas")]
    pub(crate) management: Option<ManagementQuota>,
    pub(crate) metrics: Metrics,
    pub(crate) tokens_api: TokensApi,
    pub(crate) identity_headers: IdentityHeaders,
    pub(crate) bearer_over_session: bool,
    pub(crate) credentials: Credentials,
    pub(crate) protected_resource: Option<ProtectedResource>,
    pub(crate) leak_limit: LeakLimit,
    #[cfg(feature = "github")]
    pub(crate) github_reports: Option<std::sync::Arc<tokenry_service::GithubReports>>,
}

impl HttpSettings {
    /// The proxies whose forwarded headers are trusted. Default: none.
    #[must_use]
    pub fn with_trusted_proxies(self, trusted_proxies: TrustedProxies) -> Self {
        Self { trusted_proxies, ..self }
    }

    /// The limit on failed credentials per source. Default: no limit.
    #[must_use]
    pub fn with_failure_limit(self, limit: impl Into<Option<FailureLimit>>) -> Self {
        Self { failures: limit.into(), ..self }
    }

    /// The counts that `GET /metrics` returns. [`outer_middleware`](crate::outer_middleware()) counts the requests.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// How a trusted proxy asserts the user who signs in. Default: proxies cannot sign users in.
    #[must_use]
    pub fn with_proxy_sign_in(self, proxy_sign_in: impl Into<Option<ProxySignIn>>) -> Self {
        Self { proxy_sign_in: proxy_sign_in.into(), ..self }
    }

    /// The limit on management requests per user. Default: no limit.
    #[cfg(feature = "route-quotas")]
    #[must_use]
    pub fn with_management_quota(self, quota: impl Into<Option<ManagementQuota>>) -> Self {
        Self { management: quota.into(), ..self }
    }

    /// Path and names of the API of a user's own tokens.
    #[must_use]
    pub fn with_tokens_api(self, tokens_api: TokensApi) -> Self {
        Self { tokens_api, ..self }
    }

    /// The form of the API of a user's own tokens, which a page must know.
    #[must_use]
    pub fn tokens_api(&self) -> &TokensApi {
        &self.tokens_api
    }

    /// The headers that forward-auth sets.
    #[must_use]
    pub fn with_identity_headers(self, identity_headers: IdentityHeaders) -> Self {
        Self { identity_headers, ..self }
    }

    /// Whether a bearer credential is used, and the session cookie ignored, where a request has both. Default: such a
    /// request is rejected, because it is ambiguous whom it acts for.
    #[must_use]
    pub fn with_bearer_over_session(self, is_used: bool) -> Self {
        Self { bearer_over_session: is_used, ..self }
    }

    /// The keys by which GitHub's secret scanning signs reports of leaked tokens. Default: signed reports are rejected.
    #[cfg(feature = "github")]
    #[must_use]
    pub fn with_github_reports(
        self,
        reports: impl Into<Option<std::sync::Arc<tokenry_service::GithubReports>>>,
    ) -> Self {
        Self { github_reports: reports.into(), ..self }
    }

    /// The ways to present a token besides `Authorization: Bearer`. Default: none.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// The resource whose metadata (RFC 9728) the challenges of guarded routes and of forward-auth name, and that the
    /// well-known paths return. These paths must be at the root of the app. An app without Tokenry's API registers the
    /// resource as app data, and its metadata with [`protected_resource_metadata`](crate::protected_resource_metadata).
    /// Default: none; challenges name only the error, and the well-known paths are 404.
    #[must_use]
    pub fn with_protected_resource(self, resource: impl Into<Option<ProtectedResource>>) -> Self {
        Self { protected_resource: resource.into(), ..self }
    }
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
