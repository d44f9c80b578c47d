//! An actix-web app with its own page at `/` and Tokenry's API and page under `/tokens-app`.
//!
//! ```text
//! cargo run -p tokenry-ui --example embed
//! ```

use std::{error::Error, io};

use actix_web::{
    App, HttpServer, Responder,
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use tokenry_actix::{
    HttpSettings, clock, outer_middleware,
    tokenry::{Settings, Store, StoreSettings, Tokenry},
};

/// The path under which Tokenry is mounted: it begins with a slash and does not end with one.
pub(crate) const MOUNT: &str = "/tokens-app";

/// The whole app: Tokenry in a scope, and the app's own page.
pub(crate) fn app(app: &mut ServiceConfig, tokenry: Tokenry, settings: HttpSettings) {
    let mounted = web::scope(MOUNT)
        .configure(tokenry_actix::configure(tokenry, settings))
        .configure(tokenry_ui::configure);
    app.service(mounted).route("/", web::get().to(home));
}

async fn home() -> impl Responder {
    format!("Tokens are at {MOUNT}/")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::open(&"sqlite://tokenry.db".parse()?, StoreSettings::default())?;
    store.migrate()?;
    let tokenry = Tokenry::new(store, Settings::default())?;
    if let Some(first) = tokenry.bootstrap(clock::now())? {
        use io::Write as _;
        writeln!(io::stdout(), "{}", *first.secret.reveal_once())?;
    }
    // All clones share the counters of the limits, so the settings are created outside of the factory.
    let settings = HttpSettings::default();
    HttpServer::new(move || {
        App::new()
            .configure(|into| app(into, tokenry.clone(), settings.clone()))
            .wrap(from_fn(outer_middleware))
    })
    .bind("127.0.0.1:8082")?
    .run()
    .await?;
    Ok(())
}
