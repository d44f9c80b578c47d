//! Personal access tokens for actix-web: a thin adapter that parses a request, calls one service function and serializes
//! the result.
//!
//! To guard a route of your own, wrap it in [`authenticate()`] and take [`Authorized`] as an argument of its handler. To
//! add Tokenry's HTTP API to your app, use [`configure`].
//!
//! ```no_run
//! use actix_web::{App, HttpServer, Responder, middleware::from_fn, web};
//! use tokenry_actix::{Authorized, authenticate, tokenry::{DatabaseUrl, Settings, Store, StoreSettings, Tokenry}};
//!
//! tokenry_actix::scope! {
//!     /// Reading reports.
//!     ReportsRead = "reports:read";
//! }
//!
//! async fn report(caller: Authorized<ReportsRead>) -> impl Responder {
//!     format!("hello, {}", caller.owner().name)
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let url: DatabaseUrl = "sqlite://tokenry.db".parse()?;
//!     let store = Store::open(&url, StoreSettings::default())?;
//!     store.migrate()?;
//!     let tokenry = web::Data::new(Tokenry::new(store, Settings::default())?);
//!     HttpServer::new(move || {
//!         let guarded = web::scope("/reports").wrap(from_fn(authenticate)).route("", web::get().to(report));
//!         App::new().app_data(tokenry.clone()).service(guarded)
//!     })
//!     .bind("127.0.0.1:8081")?
//!     .run()
//!     .await?;
//!     Ok(())
//! }
//! ```

mod access;
mod api_caller;
mod authenticate;
mod authentication;
mod authorized;
mod blocking;
mod body;
mod client_info;
mod client_ip;
pub mod clock;
mod credential;
mod credentials;
mod declared_errors;
mod error;
mod failures;
pub mod fallback;
mod field_names;
mod headers;
mod identity_headers;
mod json;
mod leak_limits;
mod log;
mod metrics;
mod outer_middleware;
mod query;
#[cfg(feature = "route-quotas")]
mod quota;
mod request_id;
mod routes;
mod scopes;
pub mod server;
mod session;
mod settings;
mod tokens_path;
mod usage;
pub mod wire;

/// The service below the adapter, so that one dependency is enough to embed both.
pub use tokenry_service as tokenry;
pub use tokenry_service::Scope;

#[cfg(feature = "route-quotas")]
pub use crate::quota::ManagementQuota;
pub use crate::{
    access::Access,
    authenticate::authenticate,
    authorized::{AnyToken, Authorized, RequiredScope},
    body::{BodyTimeout, OptionalJson, Sequential, StrictJson},
    client_ip::{ClientIp, TrustedProxies},
    credentials::Credentials,
    error::{ApiError, Detail, FieldProblem, Problem, ReadinessCheck},
    failures::FailureLimit,
    field_names::{FIELDS, FieldNames, FieldNamesError},
    identity_headers::{IdentityHeaderError, IdentityHeaders},
    metrics::Metrics,
    outer_middleware::outer_middleware,
    routes::{ROUTES, RouteInfo, RouteName, configure, openapi, openapi_of, protected_resource_metadata},
    session::proxy::{ProxySignIn, ProxySignInError},
    settings::{HttpSettings, TokensApi},
    tokens_path::{TokensPath, TokensPathError},
};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
