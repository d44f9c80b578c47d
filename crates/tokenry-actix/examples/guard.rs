//! An actix-web service that guards a route of its own: `GET /public` answers to anybody, `GET /guarded` the same to
//! a token that holds `demo:read`.
//!
//! ```text
//! cargo run --release -p tokenry-actix --example guard -- --listen 127.0.0.1:8081 --database-url sqlite://tokenry.db
//! ```

use std::error::Error;

use actix_web::{App, HttpServer, middleware::from_fn, web};
use clap::Parser;
use serde_json::{Value, json};
use tokenry_actix::{
    Authorized, authenticate,
    tokenry::{DatabaseUrl, HashSettings, Prefix, Scheme, Settings, Store, StoreSettings, Tokenry},
};

tokenry_actix::scope! {
    /// Reading the demonstration.
    DemoRead = "demo:read";
}

/// Guard a route with personal access tokens.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: String,
    /// The database of tokens, the same as that of `tokenry serve`.
    #[arg(long, default_value = "sqlite://tokenry.db")]
    database_url: String,
    /// What the tokens begin with.
    #[arg(long, default_value = "pat_")]
    prefix: String,
}

async fn public() -> web::Json<Value> {
    web::Json(json!({ "hello": "world" }))
}

async fn guarded(_: Authorized<DemoRead>) -> web::Json<Value> {
    web::Json(json!({ "hello": "world" }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let url: DatabaseUrl = arguments.database_url.parse()?;
    let store = Store::open(&url, StoreSettings::default())?;
    store.migrate()?;
    let settings = Settings {
        prefix: Prefix::parse(&arguments.prefix)?,
        hash: HashSettings { scheme: Scheme::Bcrypt, bcrypt_cost: 6, peppers: Vec::new() },
        ..Settings::default()
    };
    let tokenry = web::Data::new(Tokenry::new(store, settings)?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(tokenry.clone())
            .route("/public", web::get().to(public))
            .service(web::resource("/guarded").wrap(from_fn(authenticate)).get(guarded))
    });
    server.bind(&arguments.listen)?.run().await?;
    Ok(())
}
