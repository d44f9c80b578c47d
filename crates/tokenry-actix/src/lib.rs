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
pub mod authenticate;
pub mod authorized;
pub mod failures;
#[cfg(feature = "route-quotas")]
pub mod quota;
pub mod routes;
pub mod session;
pub mod wire;

pub mod outer_middleware;

pub mod body;
pub mod json;
pub mod query;

pub mod error;
mod error_mapping;
pub mod fallback;
pub mod problem;

pub mod client_ip;
pub mod clock;
pub mod headers;
pub mod log;
pub mod request_id;
pub mod server;
mod usage;

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
    routes::{HttpSettings, configure},
    session::proxy::{ProxySignIn, ProxySignInError},
};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
