//! Verification of tokens that were presented to other services.

use std::net::IpAddr;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json},
};
use macro_rules_attribute::apply;
use tokenry_service::{Scope, ScopeSet, Tokenry, UnixMillis, UsageEvent, VerifiedToken, VerifyError};
use zeroize::Zeroizing;

use super::endpoint;
use crate::{
    access::Public,
    api_caller::Introspector,
    blocking::blocking,
    body::{Sequential, StrictJson},
    client_info::client_info,
    client_ip, clock,
    credential::MAX_CREDENTIAL,
    error::ApiError,
    failures::FailureLimit,
    query::{FromQuery, Query, StrictForm, StrictQuery},
    wire,
};

/// Verifies a token that was presented to the caller. The caller's own token needs `introspect`.
#[apply(endpoint)]
#[openapi(tag = "verification",
    request_body = wire::VerifyToken, responses(
    (status = 200, body = wire::Verdict),
))]
pub(crate) async fn verify_token(
    Sequential(Introspector(caller), Sequential(_, StrictJson(body))): Sequential<
        Introspector,
        Sequential<StrictQuery<()>, StrictJson<wire::VerifyToken>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Verdict>, ApiError> {
    let now = caller.now();
    let required = required_scopes(&body)?;
    let ip = body.ip.as_deref().map(address).transpose()?;
    let verified = match verify(&tokenry, &body.token, now, ip).await? {
        Ok(verified) => verified,
        Err(error) => return Ok(Json(wire::Verdict::invalid(error.code()))),
    };
    let missing = verified.effective().missing(&required);
    tokenry.record_use(
        &verified,
        &UsageEvent::new(now, ip, if missing.is_empty() { 200 } else { 403 })
            .with_method(body.method.as_deref().unwrap_or_default())
            .with_route(body.resource.as_deref().unwrap_or_default()),
    );
    if !missing.is_empty() {
        tokenry.record_forbidden(&verified.into(), "insufficient_scope", ip, now);
        return Ok(Json(wire::Verdict::missing(missing.to_texts())));
    }
    tokenry.record_scopes(&verified, required.iter(), now);
    Ok(Json(wire::Verdict::valid(&verified, &tokenry, now)))
}

/// Introspection (RFC 7662): whether a token is active, and whose it is. The caller's own token needs `introspect`.
#[apply(endpoint)]
#[openapi(tag = "verification",
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "token, and optionally ip: the address that presented it"), responses(
    (status = 200, body = wire::Introspection),
))]
pub(crate) async fn introspect_token(
    Sequential(Introspector(caller), Sequential(_, StrictForm(form))): Sequential<
        Introspector,
        Sequential<StrictQuery<()>, StrictForm<IntrospectionForm>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Introspection>, ApiError> {
    let now = caller.now();
    let Ok(verified) = verify(&tokenry, &required_token(form.token)?, now, form.ip).await? else {
        return Ok(Json(wire::Introspection::inactive()));
    };
    tokenry.record_use(&verified, &UsageEvent::new(now, form.ip, 200));
    Ok(Json(wire::Introspection::active(&verified, &tokenry)))
}

/// Revocation (RFC 7009): revokes the presented token; possession is enough. The response for an unknown token is the same.
#[apply(endpoint)]
#[openapi(tag = "verification",
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "token"), responses(
    (status = 200, description = "The token is revoked, or there is no such token."),
))]
pub(crate) async fn revoke_presented(
    _: Public,
    body: Sequential<StrictQuery<()>, StrictForm<RevocationForm>>,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let Sequential(_, StrictForm(RevocationForm(token))) = body;
    let (now, token) = (clock::now(), required_token(token)?);
    let (client, presented) = (client_info(&req), within_limit(&token));
    match tokenry.identify_token(presented, now, client.ip).await? {
        Some(identified) => {
            let service = tokenry.clone();
            blocking(move || service.revoke_possessed(identified, now, client)).await?;
        }
        None => {
            tokenry.record_failure(ApiError::InvalidToken.code(), client.ip, now);
            // A text that is not even well-formed is no guess and costs nothing.
            let is_guess = tokenry.has_token_form(presented);
            if let (true, Some(limit)) = (is_guess, req.app_data::<Data<FailureLimit>>()) {
                limit.count_revocation(client_ip::of(&req))?;
            }
        }
    }
    Ok(HttpResponse::Ok().finish())
}

/// The verified token, or why it is rejected. The outer error is a failure of this server.
async fn verify(
    tokenry: &Tokenry,
    token: &str,
    now: UnixMillis,
    ip: Option<IpAddr>,
) -> Result<Result<VerifiedToken, ApiError>, ApiError> {
    match tokenry.verify(within_limit(token), now, ip).await {
        Ok(verified) => Ok(Ok(verified)),
        Err(VerifyError::Rejected(rejection)) => {
            let error = ApiError::from(rejection);
            if error == ApiError::InvalidToken {
                tokenry.record_failure(error.code(), ip, now);
            }
            Ok(Err(error))
        }
        Err(error) => Err(error.into()),
    }
}

/// The bytes of the token, or nothing if they are longer than any token.
fn within_limit(token: &str) -> &[u8] {
    Some(token.as_bytes()).filter(|bytes| bytes.len() <= MAX_CREDENTIAL).unwrap_or_default()
}

/// The scopes that the token must have.
fn required_scopes(body: &wire::VerifyToken) -> Result<ScopeSet, ApiError> {
    let entries = body.scopes.as_deref().unwrap_or_default();
    let scopes = ScopeSet::parse(entries)
        .map_err(|error| ApiError::field("/scopes", "invalid_scope", error.to_string()))?;
    let for_method = match (&body.method, &body.resource) {
        (None, None) => None,
        (Some(method), Some(resource)) => Some(scope_for_method(method, resource)?),
        (Some(_), None) => return Err(ApiError::field("/resource", "required", "Must be sent with method.")),
        (None, Some(_)) => return Err(ApiError::field("/method", "required", "Must be sent with resource.")),
    };
    Ok(scopes.iter().cloned().chain(for_method).collect())
}

/// The scope for a method on a resource. Every method that is not known to only read requires `write`.
fn scope_for_method(method: &str, resource: &str) -> Result<Scope, ApiError> {
    let is_method =
        (1..=20).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if !is_method {
        return Err(ApiError::field(
            "/method",
            "invalid_method",
            "Must be a method in upper case, such as GET.",
        ));
    }
    let level = if matches!(method, "GET" | "HEAD" | "OPTIONS") { "read" } else { "write" };
    format!("{resource}:{level}")
        .parse()
        .map_err(|_| ApiError::field("/resource", "invalid_resource", "Must be the name of a resource."))
}

fn address(text: &str) -> Result<IpAddr, ApiError> {
    text.parse::<IpAddr>()
        .map(|ip| ip.to_canonical())
        .map_err(|_| ApiError::field("/ip", "invalid_address", "Must be an IP address."))
}

/// The form of introspection; hints and unknown parameters are ignored.
pub(crate) struct IntrospectionForm {
    token: Option<Zeroizing<String>>,
    ip: Option<IpAddr>,
}

/// The form of revocation.
pub(crate) struct RevocationForm(Option<Zeroizing<String>>);

/// The token of a form, which is required.
fn required_token(token: Option<Zeroizing<String>>) -> Result<Zeroizing<String>, ApiError> {
    token.ok_or_else(|| ApiError::InvalidRequest { detail: "The form must have one token.".into() })
}

/// The token of the form, of any length; [`within_limit`] checks the length.
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

impl FromQuery for IntrospectionForm {
    const NAMES: &'static [&'static str] = &["token", "ip"];
    const IGNORES_UNKNOWN: bool = true;
    const OPAQUE: &'static [&'static str] = &["token"];

    fn from_query(query: &mut Query) -> Self {
        let ip = query.parse::<IpAddr>("ip", "an IP address").map(|ip| ip.to_canonical());
        Self { token: token(query), ip }
    }
}
