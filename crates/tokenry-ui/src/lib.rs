//! The web page of Tokenry: static files, served next to the API that they use.
//!
//! Users sign in, create tokens, see each secret once, rotate and revoke; administrators see users, all tokens, the
//! audit log and the policy; `/docs` shows the OpenAPI document. Mount it where the API is, at the root or under any path: all its URLs are relative.
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

mod bundle;
mod docs;
mod response;

use actix_web::{
    HttpRequest,
    web::{Data, ServiceConfig},
};
use tokenry_actix::{TokensApi, fallback::Endpoint};

pub use crate::response::PAGE_POLICY;

/// The pages other than the first, `./`, which lists the user's own tokens. All use `assets/page.html`; the script of
/// each is `assets/static/{name}.js`.
pub const PAGES: &[&str] = &["sign-in", "create", "token", "users", "inventory", "audit", "policy"];

/// The paths of the page, below which or at which no other route can be mounted.
pub const PATHS: &[&str] = &[
    "/",
    "/sign-in",
    "/create",
    "/token",
    "/users",
    "/inventory",
    "/audit",
    "/policy",
    "/docs",
    "/assets/{path}",
];

/// What the page knows about the API.
#[derive(Debug, Clone, Default)]
pub struct PageSettings {
    /// The form of the API of the user's own tokens, as in
    /// [`HttpSettings`](tokenry_actix::HttpSettings::tokens_api).
    pub tokens_api: TokensApi,
    /// The language for users who chose none: `en` or `zh`. Default: that of the browser.
    pub language: Option<&'static str>,
}

/// The name of the first page.
const FIRST: &str = "tokens";

/// Adds the page to an app or a `web::scope`, at the path where `tokenry_actix::configure` adds the API.
///
/// The page does not need [`outer_middleware`](tokenry_actix::outer_middleware()); it sets its own headers.
pub fn configure(app: &mut ServiceConfig) {
    configure_with(PageSettings::default())(app);
}

/// As [`configure`], for an API with other settings than the default ones.
pub fn configure_with(settings: PageSettings) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(Data::new(settings));
        add_pages(app);
    }
}

fn add_pages(app: &mut ServiceConfig) {
    // In a scope the path may lack its trailing slash; in an app both are the same resource, and the first one matches.
    app.service(Endpoint::new("/").get(show_first)).service(Endpoint::new("").get(show_first));
    for name in PAGES {
        let show = move |req: HttpRequest| async move { response::page(&req, name) };
        app.service(Endpoint::new(&format!("/{name}")).get(show));
    }
    app.app_data(Data::new(docs::Docs::default()));
    app.service(Endpoint::new("/docs").get(docs::show));
    app.service(Endpoint::new("/assets/{hash}/{name:.*}").get(response::file));
}

async fn show_first(req: HttpRequest) -> Result<actix_web::HttpResponse, tokenry_actix::ApiError> {
    if req.path().ends_with('/') { response::page(&req, FIRST) } else { Ok(response::add_slash(&req)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_among_the_paths() {
        let pages = PAGES.iter().map(|name| format!("/{name}"));
        let all: Vec<_> = ["/".to_owned()]
            .into_iter()
            .chain(pages)
            .chain(["/docs", "/assets/{path}"].map(str::to_owned))
            .collect();
        assert_eq!(PATHS, all);
    }
}
