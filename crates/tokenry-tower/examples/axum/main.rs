//! An existing service on axum that gets access tokens: the steps of docs/EMBEDDING.md.
//!
//! The service has notes, and accounts of its own. Account holders create tokens with their password; scripts use the
//! tokens.
//!
//! ```text
//! cargo run -p tokenry-tower --example axum -- --listen 127.0.0.1:8081 --database-url sqlite://notes.db
//! curl -d '{"account":"ada","password":"lovelace","name":"backup","scopes":["notes:read"]}' \
//!   -H 'Content-Type: application/json' http://127.0.0.1:8081/tokens
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8081/notes
//! ```

mod accounts;
mod clock;
mod notes;
mod tokens;

use std::{error::Error, net::SocketAddr};

use clap::Parser;

/// A service of notes with access tokens.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: String,
    /// The database of tokens: sqlite://FILE or postgres://...
    #[arg(long, default_value = "sqlite://notes.db")]
    database_url: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let tokenry = tokens::open(&arguments.database_url)?;
    let app = notes::app(tokenry, accounts::Accounts::sample());
    let listener = tokio::net::TcpListener::bind(&arguments.listen).await?;
    // Step 3: with the address of the peer, to which tokens may be bound.
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
