//! The HTTP API: the table of its routes, and how they are put into an app.

pub(crate) mod health;
pub(crate) mod own;
pub(crate) mod token_list;
pub(crate) mod tokens;

use actix_web::web::{Data, ServiceConfig};
use tokenry_service::Tokenry;

use crate::{api_doc, error::ApiError, fallback::Endpoint, source::TrustedProxies};

/// One route of the API and who may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method. GET brings HEAD along.
    pub method: &'static str,
    /// The path, with `{…}` for what varies.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody: it tells nothing about tokens or users.
    Public,
    /// Any live token.
    AnyToken,
    /// A live token that grants this scope.
    Scope(&'static str),
}

/// Every route there is; whatever is not here is 404 or 405.
pub const ROUTES: &[RouteInfo] = &[
    route("GET", "/healthz", Access::Public),
    route("GET", "/readyz", Access::Public),
    route("GET", "/openapi.json", Access::Public),
    route("GET", "/api/v1/me", Access::AnyToken),
    route("GET", "/api/v1/token", Access::AnyToken),
    route("DELETE", "/api/v1/token", Access::AnyToken),
    route("GET", "/api/v1/tokens", Access::Scope("tokens:read")),
    route("POST", "/api/v1/tokens", Access::Scope("tokens:write")),
    route("GET", "/api/v1/tokens/{id}", Access::Scope("tokens:read")),
    route("PATCH", "/api/v1/tokens/{id}", Access::Scope("tokens:write")),
    route("DELETE", "/api/v1/tokens/{id}", Access::Scope("tokens:write")),
];

const fn route(method: &'static str, path: &'static str, access: Access) -> RouteInfo {
    RouteInfo { method, path, access }
}

/// What an app decides about the API.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// Whose `X-Forwarded-For` is believed. Default: nobody's.
    pub trusted_proxies: TrustedProxies,
}

/// Puts the API into an app: `App::new().configure(configure(tokenry, HttpSettings::default()))`.
///
/// The routes bring their own authentication. Wrap the app in [`shell`](crate::shell::shell) for request ids, the
/// request log and security headers on every answer.
pub fn configure(tokenry: Tokenry, settings: HttpSettings) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(Data::new(tokenry))
            .app_data(Data::new(settings.trusted_proxies))
            .service(Endpoint::new("/healthz").get(health::show_health))
            .service(Endpoint::new("/readyz").get(health::show_readiness))
            .service(Endpoint::new("/openapi.json").get(api_doc::show_openapi))
            .service(Endpoint::new("/api/v1/me").get(own::show_me))
            .service(Endpoint::new("/api/v1/token").get(own::show_own_token).delete(own::revoke_own_token))
            .service(Endpoint::new("/api/v1/tokens").get(token_list::list_tokens).post(tokens::create_token))
            .service(
                Endpoint::new("/api/v1/tokens/{id}")
                    .get(tokens::show_token)
                    .patch(tokens::update_token)
                    .delete(tokens::revoke_token),
            );
    }
}

/// Runs a use case on a thread where it may wait for the database.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Send + 'static,
    ApiError: From<E>,
{
    let span = tracing::Span::current();
    let done = actix_web::web::block(move || span.in_scope(work)).await;
    Ok(done.map_err(ApiError::internal)??)
}

/// The scopes of the API's own routes. Managing tokens is no use of the token it is done with.
mod scopes {
    use crate::authorized::RequiredScope;
    use tokenry_service::Scope;

    macro_rules! managing {
        ($($(#[$doc:meta])* $name:ident = $base:ty;)*) => {$(
            $(#[$doc])*
            pub(crate) struct $name;

            impl RequiredScope for $name {
                fn scope() -> Option<&'static Scope> {
                    <$base as RequiredScope>::scope()
                }

                const COUNTS_AS_USE: bool = false;
            }
        )*};
    }

    crate::scope! { pub(crate) Read = "tokens:read"; }
    crate::scope! { pub(crate) Write = "tokens:write"; }

    managing! {
        /// Looking at tokens.
        TokensRead = Read;
        /// Making and changing tokens.
        TokensWrite = Write;
        /// Asking about oneself.
        Own = crate::authorized::AnyToken;
    }
}
