//! Authentication: the credential of a request becomes a [`Caller`], once per request.

use std::pin::Pin;
#[cfg(feature = "jwt")]
use std::time::Duration;

#[cfg(feature = "jwt")]
use actix_web::rt::time::timeout;
use actix_web::{HttpMessage, HttpRequest, web::Data};
use tokenry_service::{
    Caller, CredentialError, Denial, Offers, Rejection, Scope, TokenId, Tokenry, UnixMillis, VerifyError,
    presented,
};

use crate::{
    client_info::client_info,
    client_ip, clock,
    credential::{Accepts, Presented, offers},
    declared_errors::Errors,
    error::ApiError,
    failures::FailureLimit,
    log::LogFields,
    session::proxy::{self, ProxySignIn},
};

/// How long a request waits until the signing key of its JWT is fetched from the issuer.
#[cfg(feature = "jwt")]
const KEY_WAIT: Duration = Duration::from_secs(3);

/// An authenticated caller.
#[derive(Clone)]
pub(crate) struct Authentication {
    pub(crate) caller: Caller,
    /// When the caller was authenticated.
    pub(crate) now: UnixMillis,
    /// Whether the middleware [`authenticate`](crate::authenticate()) counts this request as a use of the token.
    pub(crate) is_counted_by_middleware: bool,
    /// How the token was presented, if it was not as a bearer credential.
    other_form: Option<Accepts>,
}

impl Authentication {
    /// Requires `scope` for the use of a token; a retired secret within its grace period is good enough. A denial is
    /// recorded in the audit log.
    pub(crate) fn require_for_use(&self, req: &HttpRequest, scope: &Scope) -> Result<(), ApiError> {
        record_denial(req, self.caller.require_for_use(scope))
    }

    /// Requires a current secret, and `scope` if there is one, for managing tokens or asking about the tokens of others.
    /// A denial is recorded in the audit log.
    pub(crate) async fn require(&self, req: &HttpRequest, scope: Option<&Scope>) -> Result<(), ApiError> {
        if self.caller.require_current().is_err()
            && let (Some(tokenry), Some(token)) = (req.app_data::<Data<Tokenry>>(), self.caller.token())
            && let Some(error) = retired_secret_error(req, tokenry, token.id).await
        {
            return Err(error);
        }
        let allowed = match scope {
            Some(scope) => self.caller.require(scope),
            None => self.caller.require_current(),
        };
        record_denial(req, allowed)
    }
}

/// Converts a denial to its error and records it in the audit log.
fn record_denial(req: &HttpRequest, allowed: Result<(), Denial>) -> Result<(), ApiError> {
    allowed.map_err(|denial| {
        let error = ApiError::from(denial);
        record_forbidden(req, error.code());
        error
    })
}

/// Request extension: the audit log has a record of what this request was denied.
struct ForbiddenRecorded;

/// Records in the audit log, at most once per request, that an authenticated caller was denied something.
pub(crate) fn record_forbidden(req: &HttpRequest, code: &'static str) {
    let known = req.extensions().get::<Authentication>().cloned();
    let is_recorded = req.extensions().contains::<ForbiddenRecorded>();
    if let (Some(known), Some(tokenry), false) = (known, req.app_data::<Data<Tokenry>>(), is_recorded) {
        req.extensions_mut().insert(ForbiddenRecorded);
        tokenry.record_forbidden(&known.caller, code, client_ip::of(req).address(), known.now);
    }
}

/// App data of a resource that answers a retired secret with an error of its own. `None` keeps the usual error.
#[derive(Clone, Copy)]
pub(crate) struct OnRetiredSecret(pub(crate) RetiredSecretHandler);

type RetiredSecretHandler =
    fn(HttpRequest, Data<Tokenry>, TokenId) -> Pin<Box<dyn Future<Output = Option<ApiError>>>>;

/// The error that the resource of `req` has for a retired secret of the token `id`.
async fn retired_secret_error(req: &HttpRequest, tokenry: &Data<Tokenry>, id: TokenId) -> Option<ApiError> {
    let OnRetiredSecret(handler) = *req.app_data()?;
    handler(req.clone(), tokenry.clone(), id).await
}

/// The errors of a route that authenticates its caller.
pub(crate) fn declared_errors() -> Errors {
    Errors::default()
        .with(400, "The credential is malformed, or there are two.")
        .with(401, "There is no valid credential.")
        .with(403, "The credential does not permit this request.")
        .with(
            429,
            "Too many failed credentials from this address, or too many requests on behalf of this user.",
        )
        .with(503, "The service is temporarily unavailable.")
}

/// The caller of this request. The first call authenticates, later calls return its result.
pub(crate) async fn authentication(
    req: &HttpRequest,
    accepts: Accepts,
    is_counted_by_middleware: bool,
) -> Result<Authentication, ApiError> {
    let authentication = known_or_new(req, accepts, is_counted_by_middleware).await;
    authentication.map_err(|error| error.offering(offers(req, accepts)))
}

async fn known_or_new(
    req: &HttpRequest,
    accepts: Accepts,
    is_counted_by_middleware: bool,
) -> Result<Authentication, ApiError> {
    if let Some(known) = req.extensions().get::<Authentication>() {
        // SECURITY: a caller who was authenticated by another credential has no token to use.
        let is_accepted = !accepts.only_tokens() || known.caller.verified().is_some();
        // SECURITY: a form that was accepted by a middleware may not be accepted here.
        let is_presented = known.other_form.is_none_or(|form| form.has_forms_of(accepts));
        return match (is_accepted, is_presented) {
            (true, true) => Ok(known.clone()),
            (true, false) => Err(CredentialError::Required.into()),
            (false, _) => Err(CredentialError::InvalidToken.into()),
        };
    }
    let presented = Presented::of(req, accepts, tokenry_of(req)?)?;
    authenticate(req, presented, accepts, is_counted_by_middleware).await
}

/// The OAuth client of this request, by the secret in its body (RFC 6749, section 2.3.1): a token.
pub(crate) async fn authentication_by_client_secret(
    req: &HttpRequest,
    secret: &[u8],
) -> Result<Authentication, ApiError> {
    // SECURITY: a middleware has authenticated another credential of this request.
    if req.extensions().contains::<Authentication>() {
        return Err(CredentialError::Malformed.into());
    }
    let presented = Presented::Token(presented::Presented::in_body(secret));
    let authentication = authenticate(req, presented, Accepts::Client, false).await;
    authentication.map_err(|error| error.offering(Offers::default().with_basic(true)))
}

fn tokenry_of(req: &HttpRequest) -> Result<&Data<Tokenry>, ApiError> {
    req.app_data().ok_or_else(|| ApiError::internal("the app has no Data<Tokenry>"))
}

/// Verifies the credential of a request and remembers its caller.
async fn authenticate(
    req: &HttpRequest,
    presented: Presented<'_>,
    accepts: Accepts,
    is_counted_by_middleware: bool,
) -> Result<Authentication, ApiError> {
    let (tokenry, now) = (tokenry_of(req)?, clock::now());
    let is_other_form = matches!(&presented, Presented::Token(token) if token.bearer().is_none());
    let caller = match verify(tokenry, presented, accepts, req, now).await {
        Ok(caller) => caller,
        Err(VerifyError::Rejected(Rejection::Rotated(id))) => {
            return Err(match retired_secret_error(req, tokenry, id).await {
                Some(error) => error,
                None => count_failure(req, Rejection::Rotated(id).into()),
            });
        }
        Err(error) => return Err(count_failure(req, error.into())),
    };
    proxy::check_same_user(req, &caller)?;
    if let Some(user) = caller.user() {
        LogFields::set(req, user.id, caller.token().map(|token| token.id));
    }
    let other_form = is_other_form.then_some(accepts);
    let authentication = Authentication { caller, now, is_counted_by_middleware, other_form };
    req.extensions_mut().insert(authentication.clone());
    Ok(authentication)
}

/// SECURITY: the form of the credential alone decides how it is verified; it is never tried in a second way.
async fn verify(
    tokenry: &Data<Tokenry>,
    presented: Presented<'_>,
    accepts: Accepts,
    req: &HttpRequest,
    now: UnixMillis,
) -> Result<Caller, VerifyError> {
    let presented = match presented {
        Presented::Token(presented) => presented,
        Presented::Session(cookie) => {
            let (cookie, client) = (cookie.to_vec(), client_info(req));
            return verify_blocking(tokenry, move |tokenry| tokenry.session(&cookie, now, &client)).await;
        }
        Presented::ProxySubject(subject) => {
            let creates_users =
                req.app_data::<Data<ProxySignIn>>().is_some_and(|proxy| proxy.creates_users());
            let client = client_info(req);
            return verify_blocking(tokenry, move |tokenry| {
                tokenry.sign_in_via_proxy(&subject, creates_users, now, &client)
            })
            .await;
        }
    };
    #[cfg(feature = "jwt")]
    if let Some(bearer) = presented.bearer()
        && !accepts.only_tokens()
        && tokenry.is_jwt(bearer)
    {
        // SECURITY: the wait for an unknown key is here, where it holds no thread; known keys need no wait.
        if let Some(arrival) = tokenry.key_arrival(bearer)
            && timeout(KEY_WAIT, arrival).await.is_err()
        {
            return Err(VerifyError::KeysUnavailable);
        }
        let (jwt, client) = (bearer.to_vec(), client_info(req));
        return verify_blocking(tokenry, move |tokenry| tokenry.sign_in(&jwt, now, &client)).await;
    }
    let _ = accepts;
    tokenry.verify(presented.token(), now, client_ip::of(req).address()).await.map(Caller::from)
}

/// Runs a verification that waits for the database outside the event loop.
async fn verify_blocking(
    tokenry: &Data<Tokenry>,
    verify: impl FnOnce(&Tokenry) -> Result<Caller, VerifyError> + Send + 'static,
) -> Result<Caller, VerifyError> {
    let (tokenry, span) = (tokenry.clone(), tracing::Span::current());
    let verified = actix_web::web::block(move || span.in_scope(|| verify(&tokenry))).await;
    verified.map_err(|_| VerifyError::Busy)?
}

/// Counts a rejected credential against its source and returns its error, or 429 over the limit. Other errors are
/// returned unchanged.
fn count_failure(req: &HttpRequest, error: ApiError) -> ApiError {
    if !error.is_about_credential() {
        return error;
    }
    if let (true, Some(tokenry)) = (error.is_invalid_token(), req.app_data::<Data<Tokenry>>()) {
        tokenry.record_failure(error.code(), client_ip::of(req).address(), clock::now());
    }
    match req.app_data::<Data<FailureLimit>>().map(|limit| limit.count(client_ip::of(req))) {
        Some(Err(limited)) => limited,
        _ => error,
    }
}

/// Counts a failed credential on endpoints that report success anyway; returns 429 over the limit.
pub(crate) fn count_ignored_failure(req: &HttpRequest) -> Result<(), ApiError> {
    match count_failure(req, CredentialError::InvalidToken.into()) {
        error if error.is_invalid_token() => Ok(()),
        limited => Err(limited),
    }
}
