//! A quota of management requests per user.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_governor::{
    Governor, GovernorConfig, GovernorConfigBuilder, KeyExtractor,
    governor::{
        NotUntil,
        clock::{Clock as _, DefaultClock, QuantaInstant},
        middleware::StateInformationMiddleware,
    },
};
use actix_web::{
    HttpMessage as _, HttpResponse, HttpResponseBuilder, ResponseError as _, Route,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderMap, HeaderName, HeaderValue},
    middleware::{Next, from_fn},
};
use tokenry_service::{CredentialError, UserId};

use crate::{
    authenticate::rejected,
    authentication::{Authentication, authentication},
    credential::Accepts,
    error::ApiError,
};

/// The length of the window, in seconds.
const WINDOW_SECONDS: u64 = 60;
/// Number of requests between two removals of idle users.
const SWEEP_REQUESTS: usize = 10_000;

/// The number of management requests per user and minute, across all credentials of the user. Cheap to clone; all clones
/// share the counts.
#[derive(Clone)]
pub struct ManagementQuota {
    config: GovernorConfig<ByUser, StateInformationMiddleware>,
    per_minute: NonZero<u32>,
    counted: Arc<AtomicUsize>,
}

impl ManagementQuota {
    /// Allows `per_minute` requests per minute, which may arrive in one burst.
    #[must_use]
    pub fn new(per_minute: NonZero<u32>) -> Self {
        let mut builder = GovernorConfigBuilder::default().key_extractor(ByUser { per_minute });
        let period = Duration::from_secs(WINDOW_SECONDS) / per_minute.get();
        let mut builder =
            builder.period(period.max(Duration::from_nanos(1))).burst_size(per_minute.get()).use_headers();
        let config = builder.finish().unwrap_or_else(|| unreachable!("period and burst are not zero"));
        Self { config, per_minute, counted: Arc::default() }
    }

    /// The number of requests per user and minute.
    #[must_use]
    pub fn per_minute(&self) -> NonZero<u32> {
        self.per_minute
    }

    /// Wraps a route in this quota. Callers are authenticated before they are counted, and counted before the body is read.
    pub(crate) fn wrap(&self, route: Route, accepts: Accepts) -> Route {
        let quota = self.clone();
        route
            .wrap(Governor::new(&self.config))
            .wrap(from_fn(move |req, next| admit(quota.clone(), accepts, req, next)))
    }

    /// Replaces the headers of the middleware by the standard ones of draft-ietf-httpapi-ratelimit-headers-10.
    fn standardize_headers(&self, headers: &mut HeaderMap) {
        let remaining =
            headers.get("x-ratelimit-remaining").and_then(|value| value.to_str().ok()?.parse().ok());
        for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-after"] {
            headers.remove(name);
        }
        let limit = u64::from(self.per_minute.get());
        let Some(remaining) = remaining.filter(|_| !headers.contains_key("ratelimit")) else { return };
        let remaining: u64 = remaining;
        let full_in = (limit.saturating_sub(remaining) * WINDOW_SECONDS).div_ceil(limit);
        for (name, value) in [
            ("ratelimit-policy", format!("\"management\";q={limit};w={WINDOW_SECONDS}")),
            ("ratelimit", format!("\"management\";r={remaining};t={full_in}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

async fn admit<B: MessageBody + 'static>(
    quota: ManagementQuota,
    accepts: Accepts,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    if let Err(error) = authentication(req.request(), accepts, false).await {
        return Ok(rejected(req, error));
    }
    if quota.counted.fetch_add(1, Ordering::Relaxed) % SWEEP_REQUESTS == SWEEP_REQUESTS - 1 {
        quota.config.limiter().retain_recent();
    }
    let mut response = next.call(req).await?;
    quota.standardize_headers(response.headers_mut());
    Ok(response.map_into_left_body())
}

/// Counts requests by the user on whose behalf they are made.
#[derive(Clone)]
struct ByUser {
    per_minute: NonZero<u32>,
}

impl KeyExtractor for ByUser {
    type Key = UserId;
    type KeyExtractionError = ApiError;

    fn extract(&self, req: &ServiceRequest) -> Result<UserId, ApiError> {
        let extensions = req.extensions();
        let user = extensions.get::<Authentication>().and_then(|known| known.caller.user());
        user.map(|user| user.id).ok_or_else(|| CredentialError::Required.into())
    }

    fn exceed_rate_limit_response(
        &self,
        until: &NotUntil<QuantaInstant>,
        _: HttpResponseBuilder,
    ) -> HttpResponse {
        let wait = until.wait_time_from(DefaultClock::default().now());
        ApiError::RateLimited {
            policy: "management",
            quota: self.per_minute.get().into(),
            window_seconds: WINDOW_SECONDS,
            retry_after_seconds: wait.as_secs() + 1,
            detail: "Too many management requests on behalf of this user.".into(),
        }
        .error_response()
    }
}
