//! The server of one test: API and page on a free port, with its own database.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{ServerHandle, ServiceRequest},
    error::{ErrorBadGateway, ErrorServiceUnavailable},
    http::header::CONTENT_SECURITY_POLICY,
    middleware::{Next, from_fn},
    rt::{System, time::sleep},
    web,
};
use serde_json::Value;
use tokenry_actix::{
    HttpSettings, clock, configure, fallback, outer_middleware, server,
    tokenry::{
        HashSettings, Issued, Limits, NewToken, NewUser, Policy, RequestContext, Role, Scheme, Settings,
        Tokenry, User, unrestricted,
    },
};
use tokenry_testkit::TestDatabase;
use tokenry_ui::PageSettings;

use crate::embed;

/// The server and its test data.
pub(crate) struct Site {
    running: Option<Running>,
    address: SocketAddr,
    /// The path of the page; empty at the root.
    mount: &'static str,
    http: HttpSettings,
    watch: Arc<Watch>,
    pub(crate) tokenry: Tokenry,
    /// The first token: all scopes, of the user `admin`.
    pub(crate) root: String,
    // Dropped last, after its users.
    database: TestDatabase,
}

/// The recorded requests and injected faults.
#[derive(Default)]
struct Watch {
    /// All requests as `method path`.
    requests: Mutex<Vec<String>>,
    delay: Mutex<Duration>,
    /// Requests whose `method path` contains this fail; with `true` only after they were processed.
    failing: Mutex<Option<(&'static str, bool)>>,
}

struct Running {
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl Site {
    /// The path of the example `embed`.
    pub(crate) fn embedded() -> Self {
        Self::with(embed::MOUNT, |_| {})
    }

    /// At the root, without a limit on tokens.
    pub(crate) fn start() -> Self {
        Self::with("", |_| {})
    }

    /// Under `mount`, with other settings.
    pub(crate) fn with(mount: &'static str, change: impl FnOnce(&mut Settings)) -> Self {
        Self::behind(mount, HttpSettings::default(), change)
    }

    /// The same with other settings of the API too, such as those for a trusted proxy.
    pub(crate) fn behind(
        mount: &'static str,
        http: HttpSettings,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::on(TestDatabase::sqlite(), mount, http, change)
    }

    /// The same on another database.
    pub(crate) fn on(
        database: TestDatabase,
        mount: &'static str,
        http: HttpSettings,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let limits = Limits::unlimited();
        let mut settings = Settings::default()
            .with_hash(HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(4))
            .with_policy(Policy::default().with_limits(limits));
        change(&mut settings);
        let tokenry = Tokenry::new(database.store().clone(), settings).unwrap();
        let root = tokenry.bootstrap(clock::now()).unwrap().unwrap().secret.reveal_once().to_string();
        let watch = Arc::new(Watch::default());
        let (running, address) = run(&tokenry, mount, &http, (Ipv4Addr::LOCALHOST, 0).into(), &watch);
        Self { running: Some(running), address, mount, http, watch, tokenry, root, database }
    }

    /// The URL of a page or of an API route.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}/{path}", self.address, self.mount)
    }

    /// Changes the database past the service.
    pub(crate) fn execute(&self, statement: &str) {
        self.database.execute(statement);
    }

    /// Stops the server, to simulate a lost connection.
    pub(crate) fn stop(&mut self) {
        // Already stopped.
        let Some(running) = self.running.take() else { return };
        // The server's thread awaits it.
        drop(running.handle.stop(false));
        running.thread.join().unwrap();
    }

    /// Restarts the server at the same address.
    pub(crate) fn restart(&mut self) {
        assert!(self.running.is_none());
        self.running = Some(run(&self.tokenry, self.mount, &self.http, self.address, &self.watch).0);
    }

    /// The requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.watch.requests.lock().unwrap())
    }

    /// Delays every request.
    pub(crate) fn delay(&self, span: Duration) {
        *self.watch.delay.lock().unwrap() = span;
    }

    /// Makes requests whose `method path` contains this fail with 503 without being processed.
    pub(crate) fn fail(&self, part: &'static str) {
        *self.watch.failing.lock().unwrap() = Some((part, false));
    }

    /// The same, but requests are processed: only the answer is lost.
    pub(crate) fn drop_response(&self, part: &'static str) {
        *self.watch.failing.lock().unwrap() = Some((part, true));
    }

    /// Removes the injected fault.
    pub(crate) fn recover(&self) {
        *self.watch.failing.lock().unwrap() = None;
    }

    /// A request context of the operator, who has all permissions.
    pub(crate) fn operator(&self) -> RequestContext {
        RequestContext::new(unrestricted::operator(), clock::now())
    }

    pub(crate) fn user(&self, subject: &str) -> User {
        let new = NewUser::default().with_role(Role::user());
        self.tokenry.find_or_create_user(&self.operator(), subject, Some(new)).unwrap()
    }

    /// The user `admin`, to whom the first token belongs.
    pub(crate) fn admin(&self) -> User {
        self.tokenry.find_user_by_subject(&self.operator(), "admin").unwrap()
    }

    /// A token created by the operator; its secret and its id.
    pub(crate) fn token(&self, owner: &User, name: &str, scopes: &[&str]) -> (String, String) {
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        self.issue(owner, NewToken::new(name.to_owned()).with_scopes(scopes))
    }

    pub(crate) fn issue(&self, owner: &User, new: NewToken) -> (String, String) {
        let Issued { token, secret, .. } = self.tokenry.issue_token(&self.operator(), owner.id, new).unwrap();
        (secret.reveal_once().to_string(), token.id.to_string())
    }

    /// The status and the body of an API request with a token.
    pub(crate) fn api(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
        self.send(method, path, &format!("Authorization: Bearer {token}"), body)
    }

    /// The answer to a request of the page with a session cookie.
    pub(crate) fn with_cookie(&self, method: &str, path: &str, cookie: &str) -> (u16, Value) {
        let headers =
            format!("Cookie: tokenry={cookie}\r\nX-Tokenry-Request: 1\r\nSec-Fetch-Site: same-origin");
        self.send(method, path, &headers, "")
    }

    /// Records a use of a token from 192.0.2.7, as reported by a service that verifies it.
    pub(crate) fn use_once(&self, secret: &str) {
        let (asking, _) = self.asking();
        let question =
            format!(r#"{{"token":"{secret}","method":"GET","resource":"projects","ip":"192.0.2.7"}}"#);
        assert_eq!(self.api("POST", "api/v1/verify", &asking, &question).0, 200);
        self.tokenry.flush().unwrap();
    }

    /// A token of another administrator that may verify all tokens.
    pub(crate) fn asking(&self) -> (String, String) {
        let new = NewUser::default().with_role(Role::admin());
        let owner = self.tokenry.find_or_create_user(&self.operator(), "gateway", Some(new)).unwrap();
        self.token(&owner, "gateway", &["introspect"])
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mount, length) = (self.mount, body.len());
        let request = format!(
            "{method} {mount}/{path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n\
             User-Agent: test\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// The same; panics unless it succeeds.
    #[track_caller]
    pub(crate) fn get(&self, path: &str, token: &str) -> Value {
        let (status, body) = self.api("GET", path, token, "");
        assert_eq!(status, 200, "{body}");
        body
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A page of the host whose scripts may call its own origin.
async fn host() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_SECURITY_POLICY, "connect-src 'self'")).body("The host")
}

/// Runs the app on a new thread, as the binary does; it listens when this returns.
fn run(
    tokenry: &Tokenry,
    mount: &'static str,
    http: &HttpSettings,
    address: SocketAddr,
    watch: &Arc<Watch>,
) -> (Running, SocketAddr) {
    let (sender, started) = mpsc::channel();
    let (tokenry, api, watch) = (tokenry.clone(), http.clone(), watch.clone());
    let thread = thread::spawn(move || {
        let server = HttpServer::new(move || {
            let app = match mount {
                "" => App::new().configure(configure(tokenry.clone(), api.clone())).configure(
                    tokenry_ui::configure_with(PageSettings {
                        tokens_api: api.tokens_api().clone(),
                        language: None,
                    }),
                ),
                _ => App::new()
                    .route("/host", web::get().to(host))
                    .configure(|app| embed::app(app, tokenry.clone(), api.clone())),
            };
            let watch = watch.clone();
            let note = move |req: ServiceRequest, next: Next<_>| {
                let request = format!("{} {}", req.method(), req.path());
                let delay = *watch.delay.lock().unwrap();
                let failing = watch.failing.lock().unwrap().filter(|(part, _)| request.contains(part));
                watch.requests.lock().unwrap().push(request);
                async move {
                    sleep(delay).await;
                    match failing {
                        Some((_, false)) => return Err(ErrorServiceUnavailable("not now")),
                        Some((_, true)) => drop(next.call(req).await?),
                        None => return next.call(req).await,
                    }
                    Err(ErrorBadGateway("lost"))
                }
            };
            app.default_service(fallback::not_found()).wrap(from_fn(note)).wrap(from_fn(outer_middleware))
        });
        let server = server
            .workers(2)
            .keep_alive(server::KEEP_ALIVE)
            .shutdown_timeout(1)
            .tcp_nodelay(true)
            .disable_signals()
            .bind(address)
            .unwrap();
        System::new().block_on(async {
            let address = server.addrs()[0];
            let running = server.run();
            sender.send((running.handle(), address)).unwrap();
            running.await.unwrap();
        });
    });
    let (handle, address) = started.recv_timeout(Duration::from_secs(20)).unwrap();
    (Running { handle, thread }, address)
}
