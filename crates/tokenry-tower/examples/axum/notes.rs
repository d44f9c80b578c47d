//! The service itself: its routes.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Extension, Json, Router,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokenry_tower::{
    Authenticate, Identity, RequireScopes,
    tokenry::{IssueError, Scope, Tokenry},
};

use super::{accounts::Accounts, tokens};

/// What every route shares.
struct Service {
    tokenry: Tokenry,
    accounts: Accounts,
    notes: Mutex<Vec<String>>,
}

/// The routes: scripts with a token come to the notes, account holders with their password to the rest.
pub(crate) fn app(tokenry: Tokenry, accounts: Accounts) -> Router {
    let guard = Authenticate::new(tokenry.clone());
    let service = Arc::new(Service { tokenry, accounts, notes: Mutex::default() });
    // Step 3: a layer for the token, and one for the scopes of each method.
    let notes = Router::new()
        .route("/notes", get(list).layer(RequireScopes::new([scope("notes:read")])))
        .route("/notes", post(write).layer(RequireScopes::new([scope("notes:write")])))
        .layer(guard);
    Router::new()
        .merge(notes)
        .route("/tokens", post(create_token))
        .route("/close", post(close_account))
        .layer(Extension(service))
}

/// A scope of the catalog.
fn scope(text: &'static str) -> Scope {
    text.parse().unwrap_or_else(|_| panic!("not a scope: {text}"))
}

async fn list(caller: Identity, Extension(service): Extension<Arc<Service>>) -> Json<Value> {
    let notes = service.notes.lock().unwrap_or_else(PoisonError::into_inner);
    Json(json!({ "reader": caller.owner().name.to_string(), "notes": *notes }))
}

async fn write(Extension(service): Extension<Arc<Service>>, note: String) -> StatusCode {
    service.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    StatusCode::CREATED
}

/// Creates a token for an account holder.
async fn create_token(Extension(service): Extension<Arc<Service>>, Json(body): Json<Value>) -> Response {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(account) = service.accounts.sign_in(&text("account"), &text("password")) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let scopes = body.get("scopes").and_then(Value::as_array).into_iter().flatten();
    let scopes = scopes.filter_map(Value::as_str).map(str::to_owned).collect();
    let name = text("name");
    // Step 4: every call but `verify` waits for the database, so it gets a thread that may.
    let created =
        tokio::task::spawn_blocking(move || tokens::create(&service.tokenry, &account, name, scopes)).await;
    match created {
        Ok(Ok(token)) => (StatusCode::CREATED, Json(json!({ "token": token }))).into_response(),
        Ok(Err(error @ (IssueError::Store(_) | IssueError::Busy))) => {
            (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
        }
        Ok(Err(error)) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Closes an account, which ends its tokens.
async fn close_account(Extension(service): Extension<Arc<Service>>, Json(body): Json<Value>) -> StatusCode {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(account) = service.accounts.sign_in(text("account"), text("password")) else {
        return StatusCode::FORBIDDEN;
    };
    let ended = tokio::task::spawn_blocking(move || {
        // The tokens first: an account without a row could not be asked to close again.
        tokens::end(&service.tokenry, &account).inspect(|()| service.accounts.close(&account))
    });
    match ended.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
