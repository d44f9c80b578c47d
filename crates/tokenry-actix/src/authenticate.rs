//! The one way in: the `Authorization` header or the session cookie becomes a [`Caller`], once per request.

#[cfg(feature = "jwt")]
use std::time::Duration;

#[cfg(feature = "jwt")]
use actix_web::rt::time::timeout;
use actix_web::{
    HttpMessage, HttpRequest,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::Next,
    web::Data,
};
use tokenry_service::{
    Caller, Denial, Rejection, RotateError, Scope, TokenId, Tokenry, UnixMillis, VerifyError,
};

use crate::{
    authorized::client_info,
    client_ip, clock,
    error::ApiError,
    failures::FailureLimit,
    log::LogFields,
    routes::{blocking, path::idempotency_key},
    session::{
        cookie::{self, Cookie},
        proxy::{self, ProxySignIn},
        request_origin::RequestOrigin,
    },
    usage::{self, OpenUse},
};

/// Longest `Authorization` header, in bytes; nothing that could be a token is longer. A JWT has its own limit of 8 KiB.
pub const MAX_CREDENTIAL: usize = 512;

/// How long a JWT waits for a key that its issuer is being asked for.
#[cfg(feature = "jwt")]
const KEY_WAIT: Duration = Duration::from_secs(3);

/// Which credentials a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Personal access tokens.
    Tokens,
    /// Personal access tokens, JWTs of configured issuers, and sessions.
    Everyone,
    /// What a session begins with: tokens, JWTs, and the word of a trusted proxy.
    SignIn,
    /// Sessions.
    Session,
}

/// What a request came with. SECURITY: it is decided by the route and by where it stands, once; nothing is tried as a
/// second kind.
enum Presented<'r> {
    Bearer(&'r [u8]),
    Session(&'r [u8]),
    Named(String),
}

/// A caller, and the instant at which they were let in.
#[derive(Clone)]
pub(crate) struct Authentication {
    pub(crate) caller: Caller,
    pub(crate) now: UnixMillis,
    /// Whether the middleware counts this request as a use of the token.
    is_counted: bool,
}

impl Authentication {
    /// What a caller without this right hears; the audit log is told. It is about what tokens are used for.
    pub(crate) fn require_for_use(&self, req: &HttpRequest, scope: &Scope) -> Result<(), ApiError> {
        told(req, self.caller.require_for_use(scope))
    }

    /// The same of what manages tokens or asks about those of others, which an old secret is not good for.
    pub(crate) async fn require(&self, req: &HttpRequest, scope: Option<&Scope>) -> Result<(), ApiError> {
        if self.caller.require_current().is_err()
            && let (Some(tokenry), Some(token)) = (req.app_data::<Data<Tokenry>>(), self.caller.token())
            && let Some(delivered) = delivered(req, tokenry, token.id).await
        {
            return Err(delivered);
        }
        told(req, scope.map_or_else(|| self.caller.require_current(), |scope| self.caller.require(scope)))
    }

    /// Counts the request as a use of the token, unless the middleware will. `status` is its answer as far as it is
    /// known here.
    pub(crate) fn count_use(&self, req: &HttpRequest, status: StatusCode) {
        if !self.is_counted {
            usage::count(req, self, status);
        }
    }
}

/// The answer to a denial, which the audit log is told of.
fn told(req: &HttpRequest, allowed: Result<(), Denial>) -> Result<(), ApiError> {
    allowed.map_err(|denial| {
        let error = ApiError::from(denial);
        record_forbidden(req, error.code());
        error
    })
}

/// That the audit log was told what this request was forbidden.
struct ForbiddenRecorded;

/// Tells the audit log, once a request, what a known caller was forbidden.
pub(crate) fn record_forbidden(req: &HttpRequest, code: &'static str) {
    let known = req.extensions().get::<Authentication>().cloned();
    let is_told = req.extensions().contains::<ForbiddenRecorded>();
    if let (Some(known), Some(tokenry), false) = (known, req.app_data::<Data<Tokenry>>(), is_told) {
        req.extensions_mut().insert(ForbiddenRecorded);
        tokenry.record_forbidden(&known.caller, code, client_ip::of(req).known(), known.now);
    }
}

/// Middleware that lets in nothing but live tokens: whatever route it wraps needs one, whether or not its handler
/// asks for a scope with [`Authorized`](crate::Authorized). It needs `Data<Tokenry>` in the app.
///
/// A refusal is a response, so that middleware outside of it still runs.
///
/// # Errors
/// Only those of the wrapped service.
pub async fn authenticate<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let authenticated = authentication(req.request(), Accepts::Tokens, true).await;
    let open = match authenticated {
        Ok(authentication) => OpenUse::of(req.request(), &authentication),
        Err(error) => return Ok(refused(req, error)),
    };
    let response = next.call(req).await;
    if let Some(open) = open {
        open.close(match &response {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        });
    }
    Ok(response?.map_into_left_body())
}

/// A refusal as a response.
pub(crate) fn refused<B: MessageBody + 'static>(
    req: ServiceRequest,
    error: ApiError,
) -> ServiceResponse<EitherBody<B>> {
    req.error_response(error).map_body(|_, body| EitherBody::right(BoxBody::new(body)))
}

/// The caller of this request; let in at the first call, remembered for the others.
pub(crate) async fn authentication(
    req: &HttpRequest,
    accepts: Accepts,
    is_counted: bool,
) -> Result<Authentication, ApiError> {
    if let Some(known) = req.extensions().get::<Authentication>() {
        // SECURITY: whoever was let in with something else has no token to use.
        let is_accepted = accepts != Accepts::Tokens || known.caller.verified().is_some();
        return if is_accepted { Ok(known.clone()) } else { Err(ApiError::InvalidToken) };
    }
    let Some(tokenry) = req.app_data::<Data<Tokenry>>() else {
        return Err(ApiError::internal("the app has no Data<Tokenry>"));
    };
    let presented = presented(req, accepts)?;
    let now = clock::now();
    let caller = match let_in(tokenry, presented, accepts, req, now).await {
        Ok(caller) => caller,
        Err(error) => return Err(refusal(req, tokenry, error).await),
    };
    proxy::names_the_same(req, &caller)?;
    if let Some(user) = caller.user() {
        LogFields::set(req, user.id, caller.token().map(|token| token.id));
    }
    let authentication = Authentication { caller, now, is_counted };
    req.extensions_mut().insert(authentication.clone());
    Ok(authentication)
}

/// SECURITY: the form of the credential alone decides what it is verified as; nothing is tried twice.
async fn let_in(
    tokenry: &Data<Tokenry>,
    presented: Presented<'_>,
    accepts: Accepts,
    req: &HttpRequest,
    now: UnixMillis,
) -> Result<Caller, VerifyError> {
    let presented = match presented {
        Presented::Bearer(presented) => presented,
        Presented::Session(cookie) => {
            let (cookie, origin) = (cookie.to_vec(), client_info(req));
            return waiting(tokenry, move |tokenry| tokenry.session(&cookie, now, &origin)).await;
        }
        Presented::Named(subject) => {
            let makes = req.app_data::<Data<ProxySignIn>>().is_some_and(|proxy| proxy.creates_users());
            let origin = client_info(req);
            return waiting(tokenry, move |tokenry| tokenry.sign_in_via_proxy(&subject, makes, now, &origin))
                .await;
        }
    };
    #[cfg(feature = "jwt")]
    if accepts != Accepts::Tokens && tokenry.is_jwt(presented) {
        // SECURITY: waited for here, where no thread is held, and not at all for a key that is known.
        if let Some(arrival) = tokenry.key_arrival(presented)
            && timeout(KEY_WAIT, arrival).await.is_err()
        {
            return Err(VerifyError::KeysUnavailable);
        }
        let (presented, origin) = (presented.to_vec(), client_info(req));
        return waiting(tokenry, move |tokenry| tokenry.sign_in(&presented, now, &origin)).await;
    }
    let _ = accepts;
    if req.headers().get(AUTHORIZATION).is_none_or(|header| header.len() > MAX_CREDENTIAL) {
        return Err(VerifyError::Rejected(Rejection::Unknown));
    }
    tokenry.verify(presented, now, client_ip::of(req).known()).await.map(Caller::from)
}

/// Runs what decides about a caller on a thread where it may wait for the database.
async fn waiting(
    tokenry: &Data<Tokenry>,
    decide: impl FnOnce(&Tokenry) -> Result<Caller, VerifyError> + Send + 'static,
) -> Result<Caller, VerifyError> {
    let (tokenry, span) = (tokenry.clone(), tracing::Span::current());
    let decided = actix_web::web::block(move || span.in_scope(|| decide(&tokenry))).await;
    decided.map_err(|_| VerifyError::Busy)?
}

/// What a refused caller hears. Whoever repeats the very request that took their secret out of use hears that, and
/// whatever else is wrong with a credential counts against its source.
async fn refusal(req: &HttpRequest, tokenry: &Data<Tokenry>, error: VerifyError) -> ApiError {
    if let VerifyError::Rejected(Rejection::Rotated(id)) = error
        && let Some(delivered) = delivered(req, tokenry, id).await
    {
        return delivered;
    }
    counted(req, error.into())
}

/// What whoever comes with an old secret hears who repeats the very request that took it out of use.
async fn delivered(req: &HttpRequest, tokenry: &Data<Tokenry>, id: TokenId) -> Option<ApiError> {
    let (service, key) = (tokenry.clone(), rotation_key(req, id)?);
    match blocking(move || service.is_rotation_delivered(id, &key)).await {
        Ok(true) => Some(RotateError::Delivered.into()),
        Ok(false) => None,
        Err(error) => Some(error),
    }
}

/// The idempotency key of a request to rotate this very token.
fn rotation_key(req: &HttpRequest, id: TokenId) -> Option<String> {
    let is_rotation = req.match_pattern().is_some_and(|pattern| pattern.ends_with("/{id}/rotate"));
    let is_of_it = req.match_info().get("id").and_then(|text| text.parse::<TokenId>().ok()) == Some(id);
    if is_rotation && is_of_it { idempotency_key(req.headers()).ok()? } else { None }
}

/// A refused credential counts against its source; too many of them hear so instead.
fn counted(req: &HttpRequest, error: ApiError) -> ApiError {
    if !error.is_about_credential() {
        return error;
    }
    if let (ApiError::InvalidToken, Some(tokenry)) = (&error, req.app_data::<Data<Tokenry>>()) {
        tokenry.record_failure(error.code(), client_ip::of(req).known(), clock::now());
    }
    match req.app_data::<Data<FailureLimit>>().map(|limit| limit.count(client_ip::of(req))) {
        Some(Err(limited)) => limited,
        _ => error,
    }
}

/// Counts a credential that was good for nothing where that is no error; too many of them are one.
pub(crate) fn limited(req: &HttpRequest) -> Result<(), ApiError> {
    match counted(req, ApiError::InvalidToken) {
        ApiError::InvalidToken => Ok(()),
        limited => Err(limited),
    }
}

/// What of a request counts as its credential on such a route. What uses or makes a session must come from its own origin.
fn presented(req: &HttpRequest, accepts: Accepts) -> Result<Presented<'_>, ApiError> {
    let has_bearer = req.headers().contains_key(AUTHORIZATION);
    match accepts {
        Accepts::Tokens => credential(req).map(Presented::Bearer),
        Accepts::Everyone | Accepts::Session => match cookie::presented(req)? {
            // Two credentials: nobody knows on whose behalf this is meant to be.
            Some(_) if has_bearer && accepts == Accepts::Everyone => Err(ApiError::MalformedCredential),
            Some(Cookie { site, value }) => site.check(req).map(|()| Presented::Session(value)),
            None if accepts == Accepts::Session => Err(ApiError::AuthenticationRequired),
            None => credential(req).map(Presented::Bearer),
        },
        Accepts::SignIn => {
            RequestOrigin::of(req)?.check(req)?;
            match req.app_data::<Data<ProxySignIn>>() {
                Some(proxy) if !has_bearer => {
                    proxy.subject(req)?.map(Presented::Named).ok_or(ApiError::AuthenticationRequired)
                }
                _ => credential(req).map(Presented::Bearer),
            }
        }
    }
}

/// The bearer credential of a request, as it was sent.
fn credential(req: &HttpRequest) -> Result<&[u8], ApiError> {
    let mut headers = req.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else { return Err(ApiError::AuthenticationRequired) };
    if headers.next().is_some() {
        return Err(ApiError::MalformedCredential);
    }
    let header = header.as_bytes();
    let (scheme, rest) = match header.iter().position(|b| *b == b' ') {
        Some(space) => header.split_at(space),
        None => (header, &[][..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        // Another scheme is no credential of ours (RFC 6750, section 3.1: no error code).
        return Err(ApiError::AuthenticationRequired);
    }
    let credential = rest.trim_ascii();
    // One credential is one word; a second one beside it must not be silently dropped.
    let is_one = !credential.is_empty() && !credential.iter().any(|b| matches!(b, b' ' | b'\t' | b','));
    if is_one { Ok(credential) } else { Err(ApiError::MalformedCredential) }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::HeaderValue, test::TestRequest};

    use super::*;

    fn read(headers: &[&[u8]]) -> Result<Vec<u8>, ApiError> {
        let mut req = TestRequest::default();
        for value in headers {
            req = req.append_header((AUTHORIZATION, HeaderValue::from_bytes(value).unwrap()));
        }
        credential(&req.to_http_request()).map(<[u8]>::to_vec)
    }

    #[test]
    fn one_bearer_credential_is_read_whatever_the_case_of_its_scheme() {
        for header in ["Bearer pat_x", "bearer pat_x", "BEARER   pat_x", "Bearer pat_x "] {
            assert_eq!(read(&[header.as_bytes()]), Ok(b"pat_x".to_vec()), "{header}");
        }
    }

    #[test]
    fn nothing_and_other_schemes_are_no_credential() {
        assert_eq!(read(&[]), Err(ApiError::AuthenticationRequired));
        for header in ["Basic cGF0", "Token pat_x", "pat_x", "Bearerpat_x", ""] {
            assert_eq!(read(&[header.as_bytes()]), Err(ApiError::AuthenticationRequired), "{header}");
        }
    }

    #[test]
    fn doubled_and_broken_credentials_are_refused() {
        for headers in [
            &[&b"Bearer pat_x"[..], b"Bearer pat_x"][..],
            &[b"Bearer pat_x", b"Basic cGF0"],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer pat_x pat_y"],
            &[b"Bearer pat_x, Bearer pat_y"],
            &[b"Bearer pat_x,pat_y"],
        ] {
            assert_eq!(read(headers), Err(ApiError::MalformedCredential), "{headers:?}");
        }
    }
}
