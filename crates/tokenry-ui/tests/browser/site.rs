//! A server of one test: API and page on a free port, with a SQLite database that goes with it.

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
        Caller, HashSettings, Issued, Limits, NewToken, NewUser, Policy, RequestContext, Role, Scheme,
        Settings, Tokenry, User,
    },
};
use tokenry_testkit::TestDatabase;

use crate::embed;

/// The server and what a test needs beside it.
pub(crate) struct Site {
    running: Option<Running>,
    address: SocketAddr,
    /// Where the page is mounted; empty at the root.
    mount: &'static str,
    http: HttpSettings,
    watch: Arc<Watch>,
    pub(crate) tokenry: Tokenry,
    /// The first token: all scopes, of the user `admin`.
    pub(crate) root: String,
    // Dropped last, when nobody reads it any more.
    _database: TestDatabase,
}

/// What a test knows of the requests, and does to them.
#[derive(Default)]
struct Watch {
    /// Every request that came, as `method path`.
    requests: Mutex<Vec<String>>,
    delay: Mutex<Duration>,
    /// A request whose `method path` has this in it fails; with `true` only after it was done.
    failing: Mutex<Option<(&'static str, bool)>>,
}

struct Running {
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl Site {
    /// Where the example `embed` puts it.
    pub(crate) fn embedded() -> Self {
        Self::with(embed::MOUNT, |_| {})
    }

    /// At the root, with no limit on tokens.
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
        let database = TestDatabase::sqlite();
        let limits = Limits { max_live_tokens: None, creations_per_hour: None };
        let mut settings = Settings {
            hash: HashSettings { scheme: Scheme::Bcrypt, bcrypt_cost: 4, peppers: Vec::new() },
            policy: Policy { limits, ..Policy::default() },
            ..Settings::default()
        };
        change(&mut settings);
        let tokenry = Tokenry::new(database.store().clone(), settings).unwrap();
        let root = tokenry.bootstrap(clock::now()).unwrap().unwrap().secret.reveal_once().to_string();
        let watch = Arc::new(Watch::default());
        let (running, address) = run(&tokenry, mount, &http, (Ipv4Addr::LOCALHOST, 0).into(), &watch);
        Self { running: Some(running), address, mount, http, watch, tokenry, root, _database: database }
    }

    /// The address of a page, or of a route of the API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}/{path}", self.address, self.mount)
    }

    /// Ends the server, as if the network were gone.
    pub(crate) fn stop(&mut self) {
        // It was stopped before.
        let Some(running) = self.running.take() else { return };
        // Awaiting it is the thread's part.
        drop(running.handle.stop(false));
        running.thread.join().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        assert!(self.running.is_none());
        self.running = Some(run(&self.tokenry, self.mount, &self.http, self.address, &self.watch).0);
    }

    /// The requests that came since this was asked last.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.watch.requests.lock().unwrap())
    }

    /// From now on every request waits so long before it is answered.
    pub(crate) fn delay(&self, span: Duration) {
        *self.watch.delay.lock().unwrap() = span;
    }

    /// From now on a request whose `method path` has this in it is not done, and answered as by a server that cannot.
    pub(crate) fn refuse(&self, part: &'static str) {
        *self.watch.failing.lock().unwrap() = Some((part, false));
    }

    /// The same, but it is done: only the answer is lost.
    pub(crate) fn lose(&self, part: &'static str) {
        *self.watch.failing.lock().unwrap() = Some((part, true));
    }

    /// From now on nothing fails.
    pub(crate) fn heal(&self) {
        *self.watch.failing.lock().unwrap() = None;
    }

    /// A call of the operator, who may everything.
    pub(crate) fn operator(&self) -> RequestContext {
        RequestContext::new(Caller::operator(), clock::now())
    }

    pub(crate) fn user(&self, subject: &str) -> User {
        let new = NewUser { role: Some(Role::user()), ..NewUser::default() };
        self.tokenry.find_or_create_user(&self.operator(), subject, Some(new)).unwrap()
    }

    /// The user `admin`, to whom the first token belongs.
    pub(crate) fn admin(&self) -> User {
        self.tokenry.find_user_by_subject(&self.operator(), "admin").unwrap()
    }

    /// A token made by the operator; its text and its id.
    pub(crate) fn token(&self, owner: &User, name: &str, scopes: &[&str]) -> (String, String) {
        let scopes = scopes.iter().map(ToString::to_string).collect();
        self.issue(owner, NewToken { name: name.to_owned(), scopes: Some(scopes), ..NewToken::default() })
    }

    pub(crate) fn issue(&self, owner: &User, new: NewToken) -> (String, String) {
        let Issued { token, secret, .. } = self.tokenry.issue_token(&self.operator(), owner.id, new).unwrap();
        (secret.reveal_once().to_string(), token.id.to_string())
    }

    /// What the API answers to a token: the status and the body.
    pub(crate) fn api(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
        self.send(method, path, &format!("Authorization: Bearer {token}"), body)
    }

    /// What the server answers to the cookie of a session, as if the page asked.
    pub(crate) fn with_cookie(&self, method: &str, path: &str, cookie: &str) -> (u16, Value) {
        let headers =
            format!("Cookie: tokenry={cookie}\r\nX-Tokenry-Request: 1\r\nSec-Fetch-Site: same-origin");
        self.send(method, path, &headers, "")
    }

    /// Uses a token from the address 192.0.2.7, as a service that asks about it tells.
    pub(crate) fn use_once(&self, secret: &str) {
        let (asking, _) = self.asking();
        let question =
            format!(r#"{{"token":"{secret}","method":"GET","resource":"projects","ip":"192.0.2.7"}}"#);
        assert_eq!(self.api("POST", "api/v1/verify", &asking, &question).0, 200);
        self.tokenry.flush().unwrap();
    }

    /// A token of another administrator that may ask about the tokens of all.
    pub(crate) fn asking(&self) -> (String, String) {
        let new = NewUser { role: Some(Role::admin()), ..NewUser::default() };
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

    /// The same, where anything but success is a fault of the test.
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

/// A page of the host whose scripts may ask its own origin.
async fn host() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_SECURITY_POLICY, "connect-src 'self'")).body("The host")
}

/// The app as the binary makes it, on a thread of its own; listens when this returns.
fn run(
    tokenry: &Tokenry,
    mount: &'static str,
    http: &HttpSettings,
    address: SocketAddr,
    watch: &Arc<Watch>,
) -> (Running, SocketAddr) {
    let (tell, told) = mpsc::channel();
    let (tokenry, api, watch) = (tokenry.clone(), http.clone(), watch.clone());
    let thread = thread::spawn(move || {
        let server = HttpServer::new(move || {
            let app = match mount {
                "" => App::new()
                    .configure(configure(tokenry.clone(), api.clone()))
                    .configure(tokenry_ui::configure),
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
            tell.send((running.handle(), address)).unwrap();
            running.await.unwrap();
        });
    });
    let (handle, address) = told.recv_timeout(Duration::from_secs(20)).unwrap();
    (Running { handle, thread }, address)
}
