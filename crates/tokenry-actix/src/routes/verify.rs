//! Verdicts on tokens that were presented to other services.

use std::net::IpAddr;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json},
};
use tokenry_service::{Scope, ScopeSet, Tokenry, UnixMillis, UsageEvent, VerifiedToken, VerifyError};
use zeroize::Zeroizing;

use crate::{
    api_caller::Asking,
    blocking::blocking,
    body::{Sequential, StrictJson},
    client_info::client_info,
    client_ip, clock,
    credential::MAX_CREDENTIAL,
    error::{ApiError, Problem},
    failures::FailureLimit,
    query::{FromQuery, Query, StrictForm, StrictQuery},
    wire,
};

/// What a token that was presented to the caller may do. The caller's own token needs `introspect`.
#[utoipa::path(post, path = "/api/v1/verify", tag = "verification", security(("token" = [])),
    request_body = wire::VerifyToken, responses(
    (status = 200, body = wire::Verdict),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn verify_token(
    Sequential(Asking(caller), Sequential(_, StrictJson(body))): Sequential<
        Asking,
        Sequential<StrictQuery<()>, StrictJson<wire::VerifyToken>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Verdict>, ApiError> {
    let now = caller.now();
    let needed = needed(&body)?;
    let ip = body.ip.as_deref().map(address).transpose()?;
    let verified = match decide(&tokenry, &body.token, now, ip).await? {
        Ok(verified) => verified,
        Err(refusal) => return Ok(Json(wire::Verdict::invalid(refusal.code()))),
    };
    let missing = verified.effective().missing(&needed);
    tokenry.record_use(
        &verified,
        &UsageEvent {
            method: body.method.as_deref().unwrap_or_default(),
            route: body.resource.as_deref().unwrap_or_default(),
            ..UsageEvent::new(now, ip, if missing.is_empty() { 200 } else { 403 })
        },
    );
    if !missing.is_empty() {
        tokenry.record_forbidden(&verified.into(), "insufficient_scope", ip, now);
        return Ok(Json(wire::Verdict::missing(missing.to_texts())));
    }
    tokenry.record_scopes(&verified, needed.iter(), now);
    Ok(Json(wire::Verdict::valid(&verified, &tokenry, now)))
}

/// RFC 7662: whether a token is active, and for whom. The caller's own token needs `introspect`.
#[utoipa::path(post, path = "/oauth/introspect", tag = "verification", security(("token" = [])),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "token, and perhaps ip: from where it was presented"), responses(
    (status = 200, body = wire::Introspection),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn introspect_token(
    Sequential(Asking(caller), Sequential(_, StrictForm(form))): Sequential<
        Asking,
        Sequential<StrictQuery<()>, StrictForm<TokenForm>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Introspection>, ApiError> {
    let now = caller.now();
    let Ok(verified) = decide(&tokenry, &given(form.token)?, now, form.ip).await? else {
        return Ok(Json(wire::Introspection::inactive()));
    };
    tokenry.record_use(&verified, &UsageEvent::new(now, form.ip, 200));
    Ok(Json(wire::Introspection::active(&verified, &tokenry)))
}

/// RFC 7009: ends the token that is presented; whoever has it may do so. What is no token is answered alike.
#[utoipa::path(post, path = "/oauth/revoke", tag = "verification",
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "token"), responses(
    (status = 200, description = "The token does not work any more, if there ever was such a token."),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn revoke_presented(
    body: Sequential<StrictQuery<()>, StrictForm<RevocationForm>>,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let Sequential(_, StrictForm(RevocationForm(token))) = body;
    let (now, token) = (clock::now(), given(token)?);
    let (client, presented) = (client_info(&req), within_limit(&token));
    match tokenry.identify_token(presented, now, client.ip).await? {
        Some(identify_token) => {
            let service = tokenry.clone();
            blocking(move || service.revoke_possessed(identify_token, now, client)).await?;
        }
        None => {
            tokenry.record_failure(ApiError::InvalidToken.code(), client.ip, now);
            // What has not even the form of a token costs nothing and guesses nothing.
            let is_guess = tokenry.has_token_form(presented);
            if let (true, Some(limit)) = (is_guess, req.app_data::<Data<FailureLimit>>()) {
                limit.count_revocation(client_ip::of(&req))?;
            }
        }
    }
    Ok(HttpResponse::Ok().finish())
}

/// What the token may do, or why it is refused; a failure of this server is neither.
async fn decide(
    tokenry: &Tokenry,
    token: &str,
    now: UnixMillis,
    ip: Option<IpAddr>,
) -> Result<Result<VerifiedToken, ApiError>, ApiError> {
    match tokenry.verify(within_limit(token), now, ip).await {
        Ok(verified) => Ok(Ok(verified)),
        Err(VerifyError::Rejected(rejection)) => {
            let refusal = ApiError::from(rejection);
            if refusal == ApiError::InvalidToken {
                tokenry.record_failure(refusal.code(), ip, now);
            }
            Ok(Err(refusal))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is longer than any token is none.
fn within_limit(token: &str) -> &[u8] {
    Some(token.as_bytes()).filter(|bytes| bytes.len() <= MAX_CREDENTIAL).unwrap_or_default()
}

/// What the token must be able to do.
fn needed(body: &wire::VerifyToken) -> Result<ScopeSet, ApiError> {
    let entries = body.scopes.as_deref().unwrap_or_default();
    let scopes = ScopeSet::parse(entries)
        .map_err(|error| ApiError::field("/scopes", "invalid_scope", error.to_string()))?;
    let by_method = match (&body.method, &body.resource) {
        (None, None) => None,
        (Some(method), Some(resource)) => Some(by_method(method, resource)?),
        (Some(_), None) => return Err(ApiError::field("/resource", "required", "Must be sent with method.")),
        (None, Some(_)) => return Err(ApiError::field("/method", "required", "Must be sent with resource.")),
    };
    Ok(scopes.iter().cloned().chain(by_method).collect())
}

/// Deny by default: whatever is not known to read writes.
fn by_method(method: &str, resource: &str) -> Result<Scope, ApiError> {
    let is_method =
        (1..=20).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if !is_method {
        return Err(ApiError::field(
            "/method",
            "invalid_method",
            "Must be a method in capital letters, such as GET.",
        ));
    }
    let level = if matches!(method, "GET" | "HEAD" | "OPTIONS") { "read" } else { "write" };
    let wrong = |_| ApiError::field("/resource", "invalid_resource", "Must be the name of a resource.");
    format!("{resource}:{level}").parse().map_err(wrong)
}

fn address(text: &str) -> Result<IpAddr, ApiError> {
    text.parse::<IpAddr>()
        .map(|ip| ip.to_canonical())
        .map_err(|_| ApiError::field("/ip", "invalid_address", "Must be an IP address."))
}

/// The form of introspection; hints and whatever else a client adds are passed over.
pub(crate) struct TokenForm {
    token: Option<Zeroizing<String>>,
    ip: Option<IpAddr>,
}

/// The form of revocation.
pub(crate) struct RevocationForm(Option<Zeroizing<String>>);

/// The token of a form, which must have one.
fn given(token: Option<Zeroizing<String>>) -> Result<Zeroizing<String>, ApiError> {
    token.ok_or_else(|| ApiError::InvalidRequest { detail: "The form must have one token.".into() })
}

/// What the form holds, whatever it is: what is longer than any token is none, which is for its reader to say.
fn token(query: &mut Query) -> Option<Zeroizing<String>> {
    query.text("token", usize::MAX).map(Zeroizing::new)
}

impl FromQuery for RevocationForm {
    const NAMES: &'static [&'static str] = &["token"];
    const IGNORES_UNKNOWN: bool = true;
    const OPAQUE: &'static [&'static str] = &["token"];

    fn from_query(query: &mut Query) -> Self {
        Self(token(query))
    }
}

impl FromQuery for TokenForm {
    const NAMES: &'static [&'static str] = &["token", "ip"];
    const IGNORES_UNKNOWN: bool = true;
    const OPAQUE: &'static [&'static str] = &["token"];

    fn from_query(query: &mut Query) -> Self {
        let ip = query.parse::<IpAddr>("ip", "an IP address").map(|ip| ip.to_canonical());
        Self { token: token(query), ip }
    }
}
