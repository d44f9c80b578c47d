//! The endpoints of OAuth 2.0: introspection, revocation, and the metadata that names them.

mod client;
mod error;
mod metadata;

use std::net::IpAddr;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json},
};
use macro_rules_attribute::apply;
use tokenry_service::{CredentialError, ScopeSet, Tokenry, UsageEvent, presented::Presented};
use zeroize::Zeroizing;

use self::client::{ClientForm, OAuthClient};
pub(super) use self::{
    error::{OAuthError, is_of_oauth, oauth_status, wrap},
    metadata::{__path_show_oauth_metadata, show_oauth_metadata},
};
use super::{endpoint, verify::verify};
use crate::{
    access::Public,
    blocking::blocking,
    body::Sequential,
    client_info::client_info,
    client_ip, clock,
    error::ApiError,
    failures::FailureLimit,
    query::{FromQuery, Query, StrictForm, StrictQuery},
    wire,
};

/// Introspection (RFC 7662): whether a token is active, and whose it is.
///
/// The caller is an OAuth client whose secret is a token with `introspect`. It authenticates by `Authorization: Bearer`, by
/// `client_secret_basic` with any client id, or by `client_secret_post`.
#[apply(endpoint)]
#[openapi(tag = "verification",
    request_body(content = wire::IntrospectionForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, body = wire::Introspection),
))]
pub(crate) async fn introspect_token(
    OAuthClient { now, form }: OAuthClient<IntrospectionForm>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Introspection>, ApiError> {
    let Ok(verified) = verify(&tokenry, &required_token(form.token)?, now, form.ip).await? else {
        return Ok(Json(wire::Introspection::inactive()));
    };
    tokenry.record_use(&verified, &UsageEvent::new(now, form.ip, 200));
    Ok(Json(wire::Introspection::active(&verified, &form.scopes, &tokenry)))
}

/// Revocation (RFC 7009): revokes the presented token; possession is enough. The response for an unknown token is the same.
#[apply(endpoint)]
#[openapi(tag = "verification",
    request_body(content = wire::RevocationForm, content_type = "application/x-www-form-urlencoded"), responses(
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
    let (client, presented) = (client_info(&req), Presented::in_body(token.as_bytes()));
    match tokenry.identify_token(presented.token(), now, client.ip).await? {
        Some(identified) => {
            let service = tokenry.clone();
            blocking(move || service.revoke_possessed(&identified, clock::now(), client)).await?;
        }
        None => {
            tokenry.record_failure(CredentialError::InvalidToken.code(), client.ip, now);
            // A text that is not even well-formed is no guess and costs nothing.
            let is_guess = tokenry.has_token_form(presented.token());
            if let (true, Some(limit)) = (is_guess, req.app_data::<Data<FailureLimit>>()) {
                limit.count_revocation(client_ip::of(&req))?;
            }
        }
    }
    Ok(HttpResponse::Ok().finish())
}

/// The form of introspection; hints and unknown parameters are ignored.
pub(crate) struct IntrospectionForm {
    token: Option<Zeroizing<String>>,
    ip: Option<IpAddr>,
    scopes: ScopeSet,
    has_client_secret: bool,
}

/// The form of revocation.
pub(crate) struct RevocationForm(Option<Zeroizing<String>>);

/// The token of a form, which is required.
fn required_token(token: Option<Zeroizing<String>>) -> Result<Zeroizing<String>, ApiError> {
    token.ok_or_else(|| ApiError::InvalidRequest { detail: "The form must have one token.".into() })
}

impl FromQuery for RevocationForm {
    const NAMES: &'static [&'static str] = &["token"];
    const IGNORES_UNKNOWN: bool = true;
    const OPAQUE: &'static [&'static str] = &["token"];

    fn from_query(query: &mut Query) -> Self {
        Self(query.secret("token"))
    }
}

impl FromQuery for IntrospectionForm {
    const NAMES: &'static [&'static str] = &["token", "ip", "scope", "client_secret"];
    const IGNORES_UNKNOWN: bool = true;
    const OPAQUE: &'static [&'static str] = &["token", "client_secret"];

    fn from_query(query: &mut Query) -> Self {
        let ip = query.parse::<IpAddr>("ip", "an IP address").map(|ip| ip.to_canonical());
        let scopes = query.text("scope", usize::MAX).map(|text| {
            let names: Vec<&str> = text.split(' ').filter(|name| !name.is_empty()).collect();
            ScopeSet::parse(&names)
        });
        let scopes = scopes.transpose().unwrap_or_else(|error| {
            query.reject("scope", "invalid_scope", error.to_string());
            None
        });
        Self {
            token: query.secret("token"),
            ip,
            scopes: scopes.unwrap_or_default(),
            has_client_secret: query.secret("client_secret").is_some(),
        }
    }
}

impl ClientForm for IntrospectionForm {
    fn has_client_secret(&self) -> bool {
        self.has_client_secret
    }
}
