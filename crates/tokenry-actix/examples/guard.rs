//! An actix-web service with a guarded route: `GET /public` is open to everyone, `GET /guarded` requires a token with
//! `demo:read`.
//!
//! ```text
//! cargo run --release -p tokenry-actix --example guard -- --listen 127.0.0.1:8081 --database-url sqlite://tokenry.db
//! ```

use std::{error::Error, time::Duration};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tokenry_actix::{
    Authorized, authenticate,
    tokenry::{
        DatabaseUrl, HashSettings, Prefix, Scheme, Settings, SlowHash, Store, StoreSettings, Tokenry,
        UsageSettings,
    },
};

tokenry_actix::scope! {
    /// Read the demonstration.
    DemoRead = "demo:read";
}

/// Guards a route with personal access tokens.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: String,
    /// The database of tokens, as for `tokenry serve`.
    #[arg(long, default_value = "sqlite://tokenry.db")]
    database_url: String,
    /// The prefix of tokens.
    #[arg(long, default_value = "pat_")]
    prefix: String,
    /// The hash scheme of secrets: bcrypt, sha256 or argon2id. Other hashes are upgraded when their token is used.
    #[arg(long, default_value = "bcrypt")]
    hash: Scheme,
    /// When bcrypt and Argon2id are computed: `once` per token, or `always` once per token and process.
    #[arg(long, default_value = "once")]
    slow_hash: SlowHash,
    /// The maximum age of cached token state, such as `1s`; `0s` reads the database for each request.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    max_staleness: Duration,
    /// Whether uses of tokens are recorded in the usage log.
    #[arg(long, default_value = "on")]
    usage: Usage,
}

/// Whether the usage log is enabled.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Usage {
    /// Enabled.
    On,
    /// Disabled.
    Off,
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
    let settings = settings(&arguments)?;
    let store = Store::open(&url, StoreSettings::default())?;
    store.migrate()?;
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

/// The settings of the service.
fn settings(arguments: &Arguments) -> Result<Settings, Box<dyn Error>> {
    Ok(Settings::default()
        .with_prefix(Prefix::parse(&arguments.prefix)?)
        .with_hash(HashSettings::new(arguments.hash))
        .with_slow_hash(arguments.slow_hash)
        .with_max_staleness(arguments.max_staleness)
        .with_usage(UsageSettings::default().with_is_enabled(arguments.usage == Usage::On)))
}
