//! Personal access tokens for [tower](https://docs.rs/tower) and [axum](https://docs.rs/axum): layers that guard routes.
//!
//! [`Authenticate`] admits only requests with a live token, and leaves an [`Identity`] in the extensions of the request.
//! [`RequireScopes`] inside it admits only identities with scopes. Rejections are responses with a problem
//! (`application/problem+json`) and a challenge, the same as those of `tokenry-actix`. Failed credentials are not
//! limited: put a limit per client address in front.
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use axum::{Router, routing::get};
//! use tokenry_tower::{Authenticate, Identity, RequireScopes, tokenry::{Settings, Store, StoreSettings, Tokenry}};
//!
//! async fn report(caller: Identity) -> String {
//!     format!("hello, {}", caller.owner().name)
//! }
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open(&"sqlite://tokenry.db".parse()?, StoreSettings::default())?;
//! store.migrate()?;
//! let tokenry = Tokenry::new(store, Settings::default())?;
//! let app = Router::new()
//!     .route("/reports", get(report).layer(RequireScopes::new(["reports:read".parse()?])))
//!     .layer(Authenticate::new(tokenry));
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
//! // With the address of the peer, to which tokens may be bound.
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//! # Ok(()) }
//! ```
//!
//! [`Tokenry::verify`](tokenry::Tokenry::verify) waits without holding a thread of the executor, for the database as for
//! a hash. Every other call of the service waits for the database: put it into `tokio::task::spawn_blocking`.

mod authenticate;
mod clock;
mod credential;
mod identity;
mod peer;
mod rejected;
mod require_scopes;

/// The service below the adapter, so that one dependency is enough to embed both.
pub use tokenry_service as tokenry;
pub use tokenry_service::{
    CredentialError, CredentialForms,
    client_ip::{ClientIp, TrustedProxies},
};

pub use crate::{
    authenticate::{Authenticate, AuthenticateService},
    identity::Identity,
    peer::PeerAddress,
    rejected::Rejected,
    require_scopes::{RequireScopes, RequireScopesService},
};

/// Compiles what the guide for embedders shows.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/EMBEDDING.md")]
struct Embedding;
