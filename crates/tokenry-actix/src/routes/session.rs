//! Sign in, see who is signed in, sign out.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, SET_COOKIE, VARY},
    },
    web::Data,
};
use tokenry_service::{RequestContext, Tokenry};

use crate::{
    api_caller::SignInCaller,
    authentication::{authentication, count_ignored_failure},
    blocking::blocking,
    body::Sequential,
    client_info::client_info,
    clock,
    credential::Accepts,
    error::{ApiError, Problem},
    query::StrictQuery,
    session::{
        cookie::{self, Cookie},
        proxy::ProxySignIn,
        request_origin::RequestOrigin,
    },
    wire,
};

/// How one can sign in here, and who is signed in by the cookie of this request. A request with the cookie needs the header
/// `X-Tokenry-Request: 1` and comes from the same origin.
#[utoipa::path(get, path = "/session", tag = "session", responses(
    (status = 200, body = wire::SessionState),
    (status = 400, description = "Two cookies.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Another origin, or without the header.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_session(
    req: HttpRequest,
    _: StrictQuery<()>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let mut ways = vec!["pat"];
    ways.extend(tokenry.jwt_enabled().then_some("jwt"));
    ways.extend(req.app_data::<Data<ProxySignIn>>().map(|_| "proxy"));
    let mut answer = answer(StatusCode::OK);
    let session = match authentication(&req, Accepts::Session, false).await {
        Ok(known) => known
            .caller
            .session()
            .zip(known.caller.user())
            .map(|(session, user)| wire::Session::new(session, user)),
        Err(ApiError::AuthenticationRequired) => None,
        Err(ApiError::InvalidToken) => {
            answer.insert_header((SET_COOKIE, cookie::clear(&RequestOrigin::of(&req)?)?));
            None
        }
        Err(error) => return Err(error),
    };
    Ok(answer.json(wire::SessionState { ways, session }))
}

/// Exchanges a credential for a session, whose secret is in the cookie of the answer and nowhere else. The credential is a
/// token that may look at tokens, or a JWT, in `Authorization`; without that header it is the word of a trusted proxy,
/// where the server is set up for one. Without a body, with `X-Tokenry-Request: 1`, from the same origin.
#[utoipa::path(post, path = "/session", tag = "session", security(("token" = [])), responses(
    (status = 201, body = wire::Session, headers(("Set-Cookie" = String))),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Another origin, without the header, or a token that may not look at tokens.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn start_session(
    Sequential(caller, _): Sequential<SignInCaller, StrictQuery<()>>,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let origin = RequestOrigin::of(&req)?;
    let replaced = cookie::find(&req, &origin)?.map(<[u8]>::to_vec);
    let context = RequestContext { caller: caller.caller, now: caller.now, client: client_info(&req) };
    let started = blocking(move || tokenry.start_session(&context, replaced.as_deref())).await?;
    let session = wire::Session::new(&started.session, &started.user);
    let left = started.session.expires_at.since(started.session.created_at);
    let cookie = cookie::set(&origin, started.secret, left)?;
    Ok(answer(StatusCode::CREATED).insert_header((SET_COOKIE, cookie)).json(session))
}

/// Signs out: ends the session of the cookie, if there is one, and takes the cookie away.
#[utoipa::path(delete, path = "/session", tag = "session", responses(
    (status = 204, description = "Signed out, now or before."),
    (status = 400, description = "Two cookies.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Another origin, or without the header.", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many cookies from this source that are no session.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn end_session(
    req: HttpRequest,
    _: StrictQuery<()>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    // SECURITY: without a cookie none is taken away, so that no other site can sign anybody out.
    let Some(Cookie { origin, value }) = cookie::presented(&req)? else {
        return Ok(answer(StatusCode::NO_CONTENT).finish());
    };
    origin.check(&req)?;
    let (value, client) = (value.to_vec(), client_info(&req));
    let service = tokenry.clone();
    if !blocking(move || service.end_session(&value, clock::now(), client)).await? {
        // Over already, or made up: whoever tries many is slowed down as with any credential.
        count_ignored_failure(&req)?;
    }
    Ok(answer(StatusCode::NO_CONTENT).insert_header((SET_COOKIE, cookie::clear(&origin)?)).finish())
}

/// An answer that is about one browser, and for no cache.
fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((VARY, "Cookie"));
    answer
}
