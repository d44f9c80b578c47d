//! The web page of Tokenry: plain files, served beside the API that they talk to.
//!
//! People sign in, create tokens, see each secret once, rotate and revoke; administrators see users, all tokens, the
//! audit log and the policy. Put it where the API is, at the root or under any path: everything in it is addressed
//! relative to the page.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, middleware::from_fn, web};
//! use tokenry_actix::{HttpSettings, outer_middleware, tokenry::{Settings, Store, StoreSettings, Tokenry}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open(&"sqlite://tokenry.db".parse()?, StoreSettings::default())?;
//! let tokenry = Tokenry::new(store, Settings::default())?;
//! HttpServer::new(move || {
//!     let mounted = web::scope("/tokens-app")
//!         .configure(tokenry_actix::configure(tokenry.clone(), HttpSettings::default()))
//!         .configure(tokenry_ui::configure);
//!     App::new().service(mounted).wrap(from_fn(outer_middleware))
//! });
//! # Ok(()) }
//! ```

mod answer;
mod bundle;

use actix_web::{HttpRequest, web::ServiceConfig};
use tokenry_actix::fallback::Endpoint;

pub use crate::answer::PAGE_POLICY;

/// The pages beside the first, `./`, which is that of one's own tokens. The text of all is
/// `assets/page.html`, the script of each `assets/static/{name}.js`.
pub const PAGES: &[&str] = &["sign-in", "create", "token", "users", "inventory", "audit", "policy"];

/// The name of the first page.
const FIRST: &str = "tokens";

/// Puts the page into an app, or into a `web::scope` of it: at the path where `tokenry_actix::configure` puts the API.
///
/// The page needs [`outer_middleware`](tokenry_actix::outer_middleware()) no more than the API does; its headers are its own.
pub fn configure(app: &mut ServiceConfig) {
    // In a scope the path may end without a slash; in an app both are the same resource, and the first answers.
    app.service(Endpoint::new("/").get(show_first)).service(Endpoint::new("").get(show_first));
    for name in PAGES {
        let show = move |req: HttpRequest| async move { answer::page(&req, name) };
        app.service(Endpoint::new(&format!("/{name}")).get(show));
    }
    app.service(Endpoint::new("/assets/{hash}/{name:.*}").get(answer::file));
}

async fn show_first(req: HttpRequest) -> Result<actix_web::HttpResponse, tokenry_actix::ApiError> {
    if req.path().ends_with('/') { answer::page(&req, FIRST) } else { Ok(answer::add_slash(&req)) }
}
