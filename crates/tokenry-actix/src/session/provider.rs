//! Sign-in at an OpenID provider over HTTP: to the provider and back.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, LOCATION, SET_COOKIE},
    },
    web::Data,
};
use tokenry_service::{AuthorizationResponse, OidcError, Tokenry};

use super::{cookie, request_origin::RequestOrigin, sign_in_cookie};
use crate::{
    authentication::count_ignored_failure, blocking::blocking, client_info::client_info, clock,
    error::ApiError, wire,
};

/// The page that continues after a sign-in.
const PAGE: &str = "sign-in";

/// Begins a sign-in for a page of this origin.
///
/// SECURITY: only such a page can begin one, so that no other site signs a browser in.
pub(crate) async fn begin(
    req: &HttpRequest,
    tokenry: &Data<Tokenry>,
    id: String,
) -> Result<HttpResponse, ApiError> {
    let origin = public_origin(req, tokenry)?;
    origin.check(req)?;
    let service = tokenry.clone();
    let begun = blocking(move || service.begin_provider_sign_in(&id)).await?;
    let cookie = sign_in_cookie::set(&origin, begun.secret)?;
    let body = wire::ProviderSignIn { authorization_url: begun.authorization_url };
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((SET_COOKIE, cookie))
        .json(body))
}

/// Takes the answer of a provider, which the browser brings, and sends the browser to a page of this server.
///
/// SECURITY: the target is a constant below the configured public URL; nothing of the request is part of it.
pub(crate) async fn finish(
    req: &HttpRequest,
    tokenry: &Data<Tokenry>,
    id: String,
    answer: AuthorizationResponse,
) -> Result<HttpResponse, ApiError> {
    let origin = public_origin(req, tokenry)?;
    if !tokenry.providers().any(|(known, _)| known == id) {
        return Err(ApiError::NotFound);
    }
    let value = sign_in_cookie::find(req, &origin)?.unwrap_or_default().to_vec();
    let replaced = cookie::find(req, &origin)?.map(<[u8]>::to_vec);
    let (service, client, now, provider) = (tokenry.clone(), client_info(req), clock::now(), id.clone());
    let finished = blocking(move || {
        let replaced = replaced.as_deref();
        Ok::<_, ApiError>(service.finish_provider_sign_in(&provider, &answer, &value, replaced, now, &client))
    });
    let mut response = HttpResponse::build(StatusCode::SEE_OTHER);
    response.insert_header((CACHE_CONTROL, "no-store"));
    let finished = finished.await?;
    // SECURITY: an answer that does not belong to this sign-in does not end it, so that no other site can.
    if !matches!(finished, Err(OidcError::NotBegun)) {
        response.append_header((SET_COOKIE, sign_in_cookie::clear(&origin)?));
    }
    let target = match finished {
        Ok(started) => {
            let lifetime = started.session.expires_at.since(started.session.created_at);
            response.append_header((SET_COOKIE, cookie::set(&origin, started.secret, lifetime)?));
            PAGE.to_owned()
        }
        Err(error) => {
            // Anyone can send an answer that belongs to no sign-in.
            if matches!(error, OidcError::NotBegun) {
                tracing::debug!(provider = id, %error, "an answer was rejected");
            } else {
                tracing::warn!(target: "tokenry::fault", provider = id, %error, "a sign-in at a provider failed");
            }
            if error.is_about_credential() {
                count_ignored_failure(req)?;
            }
            // A fragment is in no log.
            format!("{PAGE}#failed={}", error.code())
        }
    };
    let url = tokenry.public_url().ok_or(ApiError::NotFound)?.join(&target);
    Ok(response.insert_header((LOCATION, url)).finish())
}

/// The origin of the request, which must be that of the public URL: otherwise the browser would come back to another one,
/// where it does not have the cookie.
fn public_origin(req: &HttpRequest, tokenry: &Tokenry) -> Result<RequestOrigin, ApiError> {
    let public = tokenry.public_url().ok_or(ApiError::NotFound)?;
    let origin = RequestOrigin::of(req)?;
    if origin.origin() != public.origin() {
        let detail = format!("Users sign in at a provider from {public} only, the configured public URL.");
        return Err(ApiError::Forbidden { detail: detail.into(), errors: Vec::new() });
    }
    Ok(origin)
}
