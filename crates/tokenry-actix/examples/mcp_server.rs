//! An MCP server (streamable HTTP, JSON responses) for the bearers of personal access tokens: `read_notes` needs
//! `notes:read`, `add_note` needs `notes:write`.
//!
//! ```text
//! cargo run -p tokenry-actix --example mcp_server -- 127.0.0.1:8082 sqlite://tokenry.db
//! ```

use std::{
    error::Error,
    net::TcpListener,
    sync::{Mutex, PoisonError},
};

use actix_web::{
    App, FromRequest as _, HttpRequest, HttpResponse, HttpServer,
    body::{BoxBody, MessageBody},
    dev::{Server, ServiceRequest, ServiceResponse},
    http::header::{CONTENT_TYPE, HeaderValue, ORIGIN},
    middleware::{Next, from_fn},
    web::{self, Bytes, Data},
};
use serde_json::{Value, json};
use tokenry_actix::{
    AnyToken, ApiError, Authorized, authenticate, fallback,
    tokenry::{CredentialError, Settings, Store, StoreSettings, Tokenry},
};

tokenry_actix::scope! {
    /// Reading notes.
    NotesRead = "notes:read";
}
tokenry_actix::scope! {
    /// Adding notes.
    NotesWrite = "notes:write";
}

/// The versions of the protocol in which this server answers, the newest first.
const VERSIONS: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

/// The codes of JSON-RPC 2.0, section 5.1.
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const PARSE_ERROR: i32 = -32700;
/// A code of this server.
const REJECTED: i32 = -32003;

/// The notes of all users.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8082".to_owned());
    let url = arguments.next().unwrap_or_else(|| "sqlite://tokenry.db".to_owned());
    let store = Store::open(&url.parse()?, StoreSettings::default())?;
    store.migrate()?;
    let tokenry = Tokenry::new(store, Settings::default())?;
    serve(TcpListener::bind(address)?, tokenry)?.await?;
    Ok(())
}

/// Serves the tools at `/mcp`. The default challenge is bearer-only: clients look for no authorization server that hands
/// out tokens, and say what is wrong with the one that they have.
pub(crate) fn serve(listener: TcpListener, tokenry: Tokenry) -> std::io::Result<Server> {
    let (tokenry, notes) = (Data::new(tokenry), Data::new(Notes::default()));
    let server = HttpServer::new(move || {
        // No GET: this server sends nothing on its own, so that clients get 405 and open no stream.
        let endpoint = fallback::Endpoint::new("").post(answer);
        let guarded = web::scope("/mcp").wrap(from_fn(authenticate)).wrap(from_fn(explain));
        App::new()
            .app_data(tokenry.clone())
            .app_data(notes.clone())
            .service(guarded.service(endpoint))
            .route("/register", web::post().to(refuse_registration))
            .default_service(fallback::not_found())
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

/// What mcp-remote shows the person: after a rejected token it tries to register at an authorization server, whether or not
/// the challenge names one.
async fn refuse_registration() -> HttpResponse {
    let advice = "This server accepts personal access tokens only. The token was rejected: put a live one into the header \
                  Authorization in the configuration of the client.";
    HttpResponse::NotFound().json(json!({ "error": "invalid_request", "error_description": advice }))
}

/// Gives a rejection the form of an error of JSON-RPC, with its status and its challenge. Clients show the person no other
/// body: with it they say that the token was revoked, and without it only that the request failed.
async fn explain<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut response = next.call(req).await?.map_into_boxed_body();
    let rejected = response.response().error().and_then(|error| error.as_error::<ApiError>());
    let Some(reason) = rejected.map(reason) else { return Ok(response) };
    let body = error(&Value::Null, REJECTED, &reason).to_string();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response.map_body(|_, _| BoxBody::new(body)))
}

fn reason(error: &ApiError) -> String {
    match error {
        ApiError::Credential { error, .. } => error.detail().into_owned(),
        other => other.to_string(),
    }
}

/// Answers one message of a client with a live token.
async fn answer(
    caller: Authorized<AnyToken>,
    req: HttpRequest,
    notes: Data<Notes>,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    // A page of a browser has no business here; see "Security Warning" of the transport.
    if req.headers().contains_key(ORIGIN) {
        return Err(ApiError::Forbidden {
            detail: "Pages may not call this server.".into(),
            errors: Vec::new(),
        });
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return Ok(failure(&Value::Null, PARSE_ERROR, "not JSON"));
    };
    let Some(method) = message.get("method").and_then(Value::as_str) else {
        return Ok(failure(&Value::Null, INVALID_REQUEST, "not a request"));
    };
    // A notification has no id and gets no answer.
    let Some(id) = message.get("id") else { return Ok(HttpResponse::Accepted().finish()) };
    let params = message.get("params").unwrap_or(&Value::Null);
    Ok(match method {
        "initialize" => success(id, &initialized(params)),
        "ping" => success(id, &json!({})),
        "tools/list" => success(id, &tools()),
        "tools/call" => {
            let tool = params.get("name").and_then(Value::as_str).unwrap_or_default();
            if let Err(error) = permit(&req, tool).await {
                return lacking(id, error);
            }
            match (tool, params.pointer("/arguments/text").and_then(Value::as_str)) {
                ("read_notes", _) => success(id, &text(&notes.all().join("\n"))),
                ("add_note", Some(note)) => {
                    let note = format!("{}: {note}", caller.owner().subject);
                    success(id, &text(&format!("Notes: {}", notes.add(note))))
                }
                ("add_note", None) => failure(id, INVALID_PARAMS, "text is required"),
                _ => failure(id, INVALID_PARAMS, "unknown tool"),
            }
        }
        _ => failure(id, METHOD_NOT_FOUND, "method not found"),
    })
}

/// Requires the scope of this tool of the token, which is verified already. A denial is recorded in the audit log.
async fn permit(req: &HttpRequest, tool: &str) -> Result<(), ApiError> {
    match tool {
        "read_notes" => Authorized::<NotesRead>::extract(req).await.map(drop),
        "add_note" => Authorized::<NotesWrite>::extract(req).await.map(drop),
        _ => Ok(()),
    }
}

/// A missing scope is an error of the tool, which every client shows. A server with an authorization server returns the error
/// itself instead: 403, by whose challenge a client asks that server for the scope.
fn lacking(id: &Value, error: ApiError) -> Result<HttpResponse, ApiError> {
    let ApiError::Credential { error: CredentialError::InsufficientScope(_), .. } = &error else {
        return Err(error);
    };
    let result = json!({ "content": [{ "type": "text", "text": reason(&error) }], "isError": true });
    Ok(success(id, &result))
}

impl Notes {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a note, and returns how many there are.
    fn add(&self, note: String) -> usize {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
        notes.len()
    }
}

/// The version that the client asks for, or the newest that this server knows.
fn initialized(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str();
    let version = VERSIONS.into_iter().find(|version| asked == Some(version)).unwrap_or(VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "notes", "version": "1.0.0" },
    })
}

fn tools() -> Value {
    let note = json!({ "text": { "type": "string" } });
    json!({ "tools": [
        { "name": "read_notes", "description": "Reads all notes.",
            "inputSchema": { "type": "object" }, "annotations": { "readOnlyHint": true } },
        { "name": "add_note", "description": "Adds a note.",
            "inputSchema": { "type": "object", "properties": note, "required": ["text"] } },
    ] })
}

fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

fn success(id: &Value, result: &Value) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

fn failure(id: &Value, code: i32, message: &str) -> HttpResponse {
    HttpResponse::Ok().json(error(id, code, message))
}

fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}
