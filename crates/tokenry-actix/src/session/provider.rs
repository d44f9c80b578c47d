//! Sign-in at an OpenID provider over HTTP: to the provider and back.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE},
    web::Data,
};
use tokenry_service::{AuthorizationResponse, OidcError, Tokenry};

use super::{cookie, request_origin::RequestOrigin, sign_in_cookie};
use crate::{
    authentication::count_ignored_failure, blocking::blocking, client_info::client_info, client_ip, clock,
    error::ApiError, failures::FailureLimit, wire,
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
    // SECURITY: not counted, because any page can make the browsers of its visitors send such a request, to have their
    // addresses blocked. They send the cookie only as they navigate.
    let Some(value) = sign_in_cookie::find(req, &origin)?.map(<[u8]>::to_vec) else {
        return Ok(failed(tokenry, &id, &OidcError::NotBegun)?.finish());
    };
    if !tokenry.has_begun_provider_sign_in(&id, &answer, &value) {
        count_ignored_failure(req)?;
        // SECURITY: an answer that does not belong to this sign-in does not end it, so that no other site can.
        return Ok(failed(tokenry, &id, &OidcError::NotBegun)?.finish());
    }
    if let Some(limit) = req.app_data::<Data<FailureLimit>>() {
        limit.count_exchange(client_ip::of(req))?;
    }
    let replaced = cookie::find(req, &origin)?.map(<[u8]>::to_vec);
    let (service, client, provider) = (tokenry.clone(), client_info(req), id.clone());
    let finished = blocking(move || {
        let replaced = replaced.as_deref();
        let finished =
            service.finish_provider_sign_in(&provider, &answer, &value, replaced, clock::now, &client);
        Ok::<_, ApiError>(finished)
    });
    let finished = finished.await?;
    // SECURITY: an answer that does not belong to this sign-in does not end it. One that was not processed can be sent again.
    let is_over = !matches!(finished, Err(OidcError::NotBegun | OidcError::Busy));
    let mut response = match finished {
        Ok(started) => {
            let lifetime = started.session.expires_at.since(started.session.created_at);
            let mut response = to_page(tokenry, PAGE)?;
            response.append_header((SET_COOKIE, cookie::set(&origin, started.secret, lifetime)?));
            response
        }
        Err(error) => {
            if error.is_about_credential() {
                count_ignored_failure(req)?;
            }
            failed(tokenry, &id, &error)?
        }
    };
    if is_over {
        response.append_header((SET_COOKIE, sign_in_cookie::clear(&origin)?));
    }
    Ok(response.finish())
}

/// Sends the browser to the page, which shows why a sign-in failed.
fn failed(tokenry: &Tokenry, id: &str, error: &OidcError) -> Result<HttpResponseBuilder, ApiError> {
    // Anyone can send an answer that belongs to no sign-in.
    if matches!(error, OidcError::NotBegun) {
        tracing::debug!(provider = id, %error, "an answer was rejected");
    } else {
        tracing::warn!(target: "tokenry::fault", provider = id, %error, "a sign-in at a provider failed");
    }
    // A fragment is in no log.
    to_page(tokenry, &format!("{PAGE}#failed={}", error.code()))
}

/// A redirect to the page.
///
/// SECURITY: the target is a constant below the configured public URL; nothing of the request is part of it.
fn to_page(tokenry: &Tokenry, page: &str) -> Result<HttpResponseBuilder, ApiError> {
    let url = tokenry.public_url().ok_or(ApiError::NotFound)?.join(page);
    let mut response = HttpResponse::SeeOther();
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((LOCATION, url));
    Ok(response)
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
