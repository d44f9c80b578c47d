//! A server, the library and the middleware on one database, and a proxy of each kind in front of an application.

use std::{fs, net::TcpListener, process::Stdio};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use serde_json::Value;
use tokenry_actix::{
    Authorized, Credentials, authenticate, clock,
    tokenry::{
        BasicForm, CredentialForms, HashSettings, Lifetime, NewToken, RequestContext, Scheme, Settings,
        Store, StoreSettings, Tokenry, unrestricted,
    },
};
use tokenry_testkit::TestDatabase;

use crate::{
    gateway::{Gateway, Kind},
    process::{Server, tokenry},
    upstream::Upstream,
};

tokenry_actix::scope! {
    /// Read the demonstration.
    DemoRead = "demo:read";
}

const SETTINGS: &str = r#"
[server]
trusted_proxies = ["127.0.0.1"]

[credentials]
basic = "either"
token_scheme = true
headers = ["X-API-Key"]

[[catalog.routes]]
path = "/demo/**"
resource = "demo"
"#;

/// What each recipe needs for the header `X-API-Key`: Tokenry gets it, and the application does not.
const CHANGES: [(Kind, &[(&str, &str)]); 4] = [
    (
        Kind::Nginx,
        &[(
            "proxy_set_header Authorization \"\";",
            "proxy_set_header Authorization \"\"; proxy_set_header X-API-Key \"\";",
        )],
    ),
    (Kind::Caddy, &[("header_up -Authorization", "header_up -Authorization\n\t\t\theader_up -X-API-Key")]),
    (
        Kind::Traefik,
        &[
            ("          - Authorization\n", "          - Authorization\n          - X-API-Key\n"),
            ("          Authorization: \"\"\n", "          Authorization: \"\"\n          X-API-Key: \"\"\n"),
        ],
    ),
    (
        Kind::Envoy,
        &[
            (
                "- exact: x-forwarded-for\n",
                "- exact: x-forwarded-for\n                          - exact: x-api-key\n",
            ),
            ("[authorization]", "[authorization, x-api-key]"),
        ],
    ),
];

/// Everything that gives verdicts; all of it ends on drop or with the test.
pub(super) struct Deployment {
    pub(super) server: Server,
    /// A token with `introspect`, the only scope that a service needs.
    pub(super) service: String,
    pub(super) library: Tokenry,
    /// The address of an actix-web service whose route `/demo` the middleware guards.
    pub(super) guarded: String,
    /// Without those that are not installed, which is an error on a build server.
    pub(super) gateways: Vec<Gateway>,
    pub(super) upstream: Upstream,
}

impl Deployment {
    pub(super) fn start(db: &TestDatabase) -> Self {
        let server = Server::start(db.url(), |folder, address| {
            fs::write(folder.join("tokenry.toml"), SETTINGS).expect("a file");
            let mut command = tokenry(folder, db.url());
            command.args(["serve", "--listen", address]).env("TOKENRY_LOG", "warn").stderr(Stdio::null());
            command
        });
        let body = r#"{"name":"service","scopes":["introspect"]}"#;
        let (status, body) = server.ask("POST", "/api/v1/tokens", body).expect("an answer");
        assert_eq!(status, 201, "{body}");
        let created: Value = serde_json::from_str(&body).expect("JSON");
        let service = created["token"].as_str().expect("a token").to_owned();
        let store =
            Store::open(&db.url().parse().expect("a URL"), StoreSettings::default()).expect("a store");
        let settings = Settings::default().with_hash(HashSettings::new(Scheme::Sha256));
        let library = Tokenry::new(store, settings).expect("a service");
        let guarded = guard(library.clone());
        let upstream = Upstream::start();
        let gateways = CHANGES
            .into_iter()
            .filter_map(|(kind, changes)| kind.start(&server.address, &upstream.address, changes))
            .collect();
        Self { server, service, library, guarded, gateways, upstream }
    }

    /// The body of a successful request to the API, as its administrator.
    #[track_caller]
    pub(super) fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) = self.server.ask(method, path, &body).expect("an answer");
        assert!((200..300).contains(&status), "{method} {path}: {body}");
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// A token of this user, which only an operator can create.
    pub(super) fn issue(&self, user: &str, scope: &str) -> String {
        let operator = RequestContext::new(unrestricted::operator(), clock::now());
        let new = NewToken::new("issued").with_scopes(vec![scope.to_owned()]);
        let issued = self.library.issue_token(&operator, user.parse().expect("an id"), new).expect("a token");
        issued.secret.reveal_once().to_string()
    }
}

/// An instant that has not come, as a text.
pub(super) fn tomorrow() -> String {
    clock::now().checked_add(Lifetime::days(1)).expect("an instant").to_string()
}

async fn guarded(_: Authorized<DemoRead>) -> &'static str {
    "reached"
}

/// Runs an actix-web service until the end of the process.
fn guard(library: Tokenry) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let forms = CredentialForms::default().with_basic(BasicForm::Either).with_token_scheme(true);
            let credentials = Credentials::new(forms.with_headers(["X-API-Key"]).expect("a name"));
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(web::Data::new(library.clone()))
                    .app_data(credentials.clone())
                    .service(web::resource("/demo").wrap(from_fn(authenticate)).get(guarded))
            });
            server.workers(1).listen(listener).expect("a listener").run().await
        })
    });
    address
}
