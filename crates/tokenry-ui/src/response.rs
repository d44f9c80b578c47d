//! Responses: content types, caching and security headers.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LOCATION,
        REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
    web::Data,
};
use tokenry_actix::ApiError;

use crate::{
    PageSettings,
    bundle::{Bundle, File},
};

/// The policy of pages: only their own files, no inline code, no markup from text, no framing.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The policy of files: a file opened directly, such as an SVG with scripts, can do nothing.
const FILE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Revalidated on each request; the response is 304 if nothing changed.
const REVALIDATE: &str = "no-cache";

/// The URL changes with the content, so a year is safe.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The response for the page with this name.
pub(crate) fn page(req: &HttpRequest, name: &str) -> Result<HttpResponse, ApiError> {
    let bundle = Bundle::current();
    let file = bundle.page(name).ok_or(ApiError::NotFound)?;
    let settings = req.app_data::<Data<PageSettings>>().map(|settings| settings.get_ref().clone());
    let file = file.with_settings(&settings.unwrap_or_default());
    Ok(send(req, &file, "text/html; charset=utf-8", REVALIDATE, PAGE_POLICY))
}

/// The response for a page that the program generates.
pub(crate) fn generated(req: &HttpRequest, file: File) -> HttpResponse {
    send(req, &file, "text/html; charset=utf-8", REVALIDATE, PAGE_POLICY)
}

/// The response for `assets/{hash}/{name}`.
pub(crate) async fn file(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let (hash, name) = (req.match_info().query("hash"), req.match_info().query("name"));
    let bundle = Bundle::current();
    let file = bundle.file(hash, name).ok_or(ApiError::NotFound)?;
    Ok(send(&req, file, content_type(name), IMMUTABLE, FILE_POLICY))
}

/// The redirect from `/mounted` to `/mounted/`, without which relative URLs would be wrong.
///
/// `./` prevents a last segment with a colon from being parsed as a scheme.
pub(crate) fn add_slash(req: &HttpRequest) -> HttpResponse {
    let last = req.path().rsplit('/').next().unwrap_or_default();
    let query = req.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, format!("./{last}/{query}")))
        .insert_header((CACHE_CONTROL, REVALIDATE))
        .finish()
}

fn send(
    req: &HttpRequest,
    file: &File,
    content_type: &'static str,
    cache: &'static str,
    policy: &'static str,
) -> HttpResponse {
    let is_known = is_known(req, &file.etag);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((ETAG, file.etag.as_str()))
        .insert_header((CACHE_CONTROL, cache))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        // Windows of other origins get no reference to the window that shows a secret.
        .insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"));
    if is_known {
        return response.finish();
    }
    response.insert_header((CONTENT_TYPE, content_type)).body(file.content.to_vec())
}

/// Whether the client already has this content.
fn is_known(req: &HttpRequest, etag: &str) -> bool {
    let lines = req.headers().get_all(IF_NONE_MATCH).filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
