//! Personal access tokens for actix-web: a thin shell that parses, calls one service function, and answers.
//!
//! Guard a route of your own with two lines: [`authenticate()`] around it, and [`Authorized`] as an argument of its
//! handler. Or put Tokenry's whole API into your app with [`configure`].
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

mod api_caller;
pub mod api_doc;
mod authenticate;
mod authentication;
pub mod authorized;
mod blocking;
pub mod body;
mod client_info;
pub mod client_ip;
pub mod clock;
mod credential;
pub mod error;
pub mod failures;
pub mod fallback;
pub mod headers;
pub mod json;
pub mod log;
pub mod outer_middleware;
pub mod query;
#[cfg(feature = "route-quotas")]
pub mod quota;
pub mod request_id;
pub mod routes;
pub mod server;
pub mod session;
mod settings;
mod usage;
pub mod wire;

/// The use cases below the adapter: one dependency is enough to embed both.
pub use tokenry_service as tokenry;
pub use tokenry_service::Scope;

#[cfg(feature = "route-quotas")]
pub use crate::quota::ManagementQuota;
pub use crate::{
    authenticate::authenticate,
    authorized::{AnyToken, Authorized, RequiredScope},
    client_ip::{ClientIp, TrustedProxies},
    error::ApiError,
    failures::FailureLimit,
    routes::configure,
    session::proxy::{ProxySignIn, ProxySignInError},
    settings::HttpSettings,
};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
