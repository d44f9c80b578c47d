//! A complete app on one test database, called without a socket.

use std::{future::Future, net::SocketAddr, pin::Pin, rc::Rc};

use actix_http::Request;
use actix_web::{
    App,
    dev::Service,
    http::{Method, header::HeaderMap},
    middleware::from_fn,
    rt::{System, SystemRunner},
    test::{TestRequest, init_service},
};
use serde_json::Value;
use tokenry_actix::{
    HttpSettings, TokensApi, configure, outer_middleware,
    tokenry::{
        HashSettings, Limits, NewToken, NewUser, Policy, RequestContext, Role, Scheme, Settings, Tokenry,
        User, unrestricted,
    },
};
use tokenry_testkit::TestDatabase;

use crate::{documented::assert_documented, jwt};

type ResponseFuture = Pin<Box<dyn Future<Output = Response>>>;

/// The app, its service and the seeded token.
pub(crate) struct Api {
    system: SystemRunner,
    app: Box<dyn Fn(Request) -> ResponseFuture>,
    pub(crate) tokenry: Tokenry,
    /// The text of the seeded token: all scopes, of the user `admin`.
    pub(crate) root: String,
    /// Whether the routes have the paths of the committed OpenAPI document.
    has_default_paths: bool,
}

/// A complete response.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        let mut body: Value =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body));
        // The order of members is unspecified: it depends on features of serde_json that other crates enable.
        body.sort_all_objects();
        body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// All values of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).map(|value| value.to_str().unwrap()).collect()
    }

    /// The value of the cookie that the response sets.
    pub(crate) fn cookie(&self) -> String {
        let set = self.header("set-cookie");
        let value = set.strip_prefix(&format!("{COOKIE}=")).unwrap_or_else(|| panic!("{set}"));
        value.split(';').next().unwrap().to_owned()
    }

    /// Asserts a problem of this status and code, in the form of the contract.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for member in ["type", "title", "detail"] {
            assert!(problem[member].is_string(), "{member}");
        }
        problem
    }

    /// Asserts an error in the form of OAuth (RFC 6749, section 5.2).
    #[track_caller]
    pub(crate) fn is_oauth_error(&self, status: u16, error: &str) -> String {
        let body = self.json();
        assert_eq!((self.status, body["error"].as_str()), (status, Some(error)), "{}", self.body);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(!self.header("x-request-id").is_empty());
        assert_eq!(body.as_object().unwrap().len(), 2);
        body["error_description"].as_str().unwrap().to_owned()
    }

    /// Asserts the rejection of a credential by the route at `path`, in the form that the route has for errors.
    #[track_caller]
    pub(crate) fn is_rejection(&self, path: &str, status: u16, code: &str) {
        if !path.starts_with("/oauth/") {
            self.is_problem(status, code);
            return;
        }
        self.is_oauth_error(
            status,
            match status {
                401 => "invalid_client",
                403 if code == "insufficient_scope" => "insufficient_scope",
                403 => "unauthorized_client",
                _ => "invalid_request",
            },
        );
    }
}

impl Api {
    pub(crate) fn new(db: &TestDatabase) -> Self {
        Self::with_limits(db, Limits::unlimited())
    }

    pub(crate) fn with_limits(db: &TestDatabase, limits: Limits) -> Self {
        Self::with(db, |settings| settings.policy.limits = limits, HttpSettings::default())
    }

    /// An app that accepts JWTs of a test issuer, without limits unless `change` sets some.
    pub(crate) fn with(db: &TestDatabase, change: impl FnOnce(&mut Settings), http: HttpSettings) -> Self {
        let limits = Limits::unlimited();
        let mut settings = Settings::default()
            .with_hash(HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(4))
            .with_policy(Policy::default().with_limits(limits))
            .with_sign_in(jwt::sign_in());
        change(&mut settings);
        let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
        // A second app on a database has no seeded token.
        let seeded = tokenry.bootstrap(tokenry_actix::clock::now()).unwrap();
        let root = seeded.map(|seeded| seeded.secret.reveal_once().to_string()).unwrap_or_default();
        Self::serving(tokenry, root, http)
    }

    /// The same service with other settings of HTTP.
    pub(crate) fn with_http(&self, http: HttpSettings) -> Self {
        Self::serving(self.tokenry.clone(), self.root.clone(), http)
    }

    fn serving(tokenry: Tokenry, root: String, http: HttpSettings) -> Self {
        let put_aside = TokensApi { put_updates: false, ..http.tokens_api().clone() };
        let has_default_paths = put_aside == TokensApi::default();
        let system = System::new();
        let app = App::new()
            .configure(configure(tokenry.clone(), http))
            .default_service(tokenry_actix::fallback::not_found())
            .wrap(from_fn(outer_middleware));
        let service = Rc::new(system.block_on(init_service(app)));
        let context = move |request: Request| -> ResponseFuture {
            let service = service.clone();
            Box::pin(async move {
                let response = match service.call(request).await {
                    Ok(response) => response.into_parts().1.map_into_boxed_body(),
                    Err(error) => error.error_response(),
                };
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
                Response { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
            })
        };
        Self { system, app: Box::new(context), tokenry, root, has_default_paths }
    }

    /// Sends a request unchanged.
    pub(crate) fn send(&self, request: TestRequest) -> Response {
        self.send_from("192.0.2.1:5000", request)
    }

    /// Sends a request from another peer. The OpenAPI document must list the status of the response.
    pub(crate) fn send_from(&self, peer: &str, request: TestRequest) -> Response {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = request.peer_addr(peer).to_request();
        let (method, path) = (request.method().to_string(), request.path().to_owned());
        let response = self.system.block_on((self.app)(request));
        if self.has_default_paths {
            assert_documented(&method, &path, response.status);
        }
        response
    }

    /// Sends requests at the same time; the responses are in the same order.
    pub(crate) fn send_at_once(&self, requests: Vec<TestRequest>) -> Vec<Response> {
        let peer: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        self.system.block_on(async {
            let requests = requests.into_iter().map(|request| request.peer_addr(peer).to_request());
            let tasks: Vec<_> = requests.map(|request| actix_web::rt::spawn((self.app)(request))).collect();
            let mut responses = Vec::new();
            for task in tasks {
                responses.push(task.await.unwrap());
            }
            responses
        })
    }

    pub(crate) fn call(&self, method: &str, path: &str, token: &str) -> Response {
        self.send(request(method, path, token))
    }

    pub(crate) fn json(&self, method: &str, path: &str, token: &str, body: &Value) -> Response {
        self.raw(method, path, token, body.to_string())
    }

    pub(crate) fn raw(&self, method: &str, path: &str, token: &str, body: impl Into<Vec<u8>>) -> Response {
        let body: Vec<u8> = body.into();
        let request = request(method, path, token).insert_header(("content-type", "application/json"));
        self.send(request.set_payload(body))
    }

    /// Signs in as a page does, and returns the value of the cookie.
    #[track_caller]
    pub(crate) fn sign_in(&self, credential: &str) -> String {
        let response = self.send(from_page(request("POST", "/session", credential)));
        assert_eq!(response.status, 201, "{}", response.body);
        response.cookie()
    }

    /// Sends a request of a page with its session cookie.
    pub(crate) fn with_cookie(&self, method: &str, path: &str, cookie: &str) -> Response {
        self.send(from_page(request(method, path, "")).insert_header(("cookie", named(cookie))))
    }

    /// Creates a token over HTTP; returns it and its text.
    #[track_caller]
    pub(crate) fn create(&self, token: &str, body: &Value) -> (Value, String) {
        let response = self.json("POST", "/api/v1/tokens", token, body);
        assert_eq!(response.status, 201, "{}", response.body);
        let created = response.json();
        let text = created["token"].as_str().unwrap().to_owned();
        (created, text)
    }

    pub(crate) fn operator(&self) -> RequestContext {
        RequestContext::new(unrestricted::operator(), tokenry_actix::clock::now())
    }

    pub(crate) fn user(&self, subject: &str) -> User {
        let new = NewUser::default().with_role(Role::user());
        self.tokenry.find_or_create_user(&self.operator(), subject, Some(new)).unwrap()
    }

    /// A token of `owner`, created by the operator.
    pub(crate) fn token_of(&self, owner: &User, scopes: &[&str]) -> (String, String) {
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let new = NewToken::new("t").with_scopes(scopes);
        let issued = self.tokenry.issue_token(&self.operator(), owner.id, new).unwrap();
        (issued.token.id.to_string(), issued.secret.reveal_once().to_string())
    }
}

/// The name of the session cookie, except for local connections without TLS.
pub(crate) const COOKIE: &str = "__Host-tokenry";

/// A `Cookie` header with this session cookie and others.
pub(crate) fn named(value: &str) -> String {
    format!("theme=dark; {COOKIE}={value}; tokenry_x=1")
}

/// The request with the headers of a page of this origin.
pub(crate) fn from_page(request: TestRequest) -> TestRequest {
    request
        .insert_header(("host", "tokens.test"))
        .insert_header(("x-tokenry-request", "1"))
        .insert_header(("sec-fetch-site", "same-origin"))
}

pub(crate) fn request(method: &str, path: &str, token: &str) -> TestRequest {
    let request = TestRequest::with_uri(path).method(Method::from_bytes(method.as_bytes()).unwrap());
    if token.is_empty() {
        request
    } else {
        request.insert_header(("authorization", format!("Bearer {token}")))
    }
}
