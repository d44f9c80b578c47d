//! The same guarded routes on axum and on actix-web, on real sockets.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::mpsc,
};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use axum::{Router, routing::get};
use tokenry_actix::{Authorized, authenticate};
use tokenry_testkit::TestDatabase;
use tokenry_tower::{
    Authenticate, Identity, RequireScopes, TrustedProxies,
    tokenry::{
        HashSettings, Limits, NewToken, NewUser, ProtectedResource, RequestContext, Scheme, Settings, Token,
        Tokenry, User, unrestricted,
    },
};

tokenry_actix::scope! {
    /// For this test.
    DemoRead = "demo:read";
}

/// Both servers on one database.
pub(crate) struct Servers {
    pub(crate) tokenry: Tokenry,
    pub(crate) axum: SocketAddr,
    pub(crate) actix: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
    handle: ServerHandle,
}

/// Settings with a quick hash and without limits.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.hash = HashSettings::new(Scheme::Sha256);
    settings.policy.limits = Limits::unlimited();
    settings
}

impl Servers {
    pub(crate) fn start(db: &TestDatabase) -> Self {
        Self::with(db, settings(), &TrustedProxies::default())
    }

    /// With these settings, behind these proxies.
    pub(crate) fn with(db: &TestDatabase, settings: Settings, proxies: &TrustedProxies) -> Self {
        Self::guarding(db, settings, proxies, None)
    }

    /// With these settings, behind these proxies, whose challenges name this resource.
    pub(crate) fn guarding(
        db: &TestDatabase,
        settings: Settings,
        proxies: &TrustedProxies,
        resource: Option<ProtectedResource>,
    ) -> Self {
        let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
        let (runtime, axum) = serve_axum(router(&tokenry, proxies, resource.clone()));
        let (handle, actix) = serve_actix(&tokenry, proxies, resource);
        Self { tokenry, axum, actix, runtime: Some(runtime), handle }
    }

    /// The time at which a test creates tokens.
    pub(crate) fn operator(&self) -> RequestContext {
        RequestContext::new(unrestricted::operator(), tokenry_actix::clock::now())
    }

    pub(crate) fn user(&self, subject: &str) -> User {
        self.tokenry.find_or_create_user(&self.operator(), subject, Some(NewUser::default())).unwrap()
    }

    /// A token of `owner` with these scopes, changed by `change`, and its text.
    pub(crate) fn token(
        &self,
        owner: &User,
        scopes: &[&str],
        change: impl FnOnce(&mut NewToken, &mut RequestContext),
    ) -> (Token, String) {
        let (mut new, mut context) = (NewToken::default(), self.operator());
        new.name = "t".to_owned();
        new.scopes = Some(scopes.iter().map(ToString::to_string).collect());
        change(&mut new, &mut context);
        let issued = self.tokenry.issue_token(&context, owner.id, new).unwrap();
        (issued.token, issued.secret.reveal_once().to_string())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        // The stop takes effect without being awaited.
        drop(self.handle.stop(false));
    }
}

fn router(tokenry: &Tokenry, proxies: &TrustedProxies, resource: Option<ProtectedResource>) -> Router {
    let guard = Authenticate::new(tokenry.clone()).with_trusted_proxies(proxies.clone());
    let guard = guard.with_protected_resource(resource);
    let scopes = RequireScopes::new(["demo:read".parse().unwrap()]);
    let guarded = Router::new()
        .route("/guarded", get(subject).layer(scopes.clone()))
        .route("/items/{id}", get(subject).layer(scopes.clone()))
        .route("/any", get(subject))
        .route("/no-scopes", get(subject).layer(RequireScopes::new([])))
        .layer(guard);
    Router::new()
        .merge(guarded)
        .route("/public", get(|| async { "public" }))
        // Built wrongly, as a test of what then happens.
        .route("/unauthenticated", get(subject))
        .route("/unauthenticated-scope", get(|| async { "public" }).layer(scopes))
}

async fn subject(caller: Identity) -> String {
    caller.owner().subject.to_string()
}

/// Serves a router on an executor with a single thread.
pub(crate) fn serve_axum(router: Router) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
    });
    (runtime, address)
}

fn serve_actix(
    tokenry: &Tokenry,
    proxies: &TrustedProxies,
    resource: Option<ProtectedResource>,
) -> (ServerHandle, SocketAddr) {
    async fn scoped(caller: Authorized<DemoRead>) -> String {
        caller.owner().subject.to_string()
    }
    async fn any(caller: Authorized<tokenry_actix::AnyToken>) -> String {
        caller.owner().subject.to_string()
    }
    let (tokenry, proxies) = (web::Data::new(tokenry.clone()), web::Data::new(proxies.clone()));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let app = move || {
            let mut app = App::new().app_data(tokenry.clone()).app_data(proxies.clone());
            if let Some(resource) = &resource {
                app = app.app_data(resource.clone());
            }
            app.service(web::resource("/guarded").wrap(from_fn(authenticate)).get(scoped))
                .service(web::resource("/items/{id}").wrap(from_fn(authenticate)).get(scoped))
                .service(web::resource("/any").wrap(from_fn(authenticate)).get(any))
        };
        let server =
            HttpServer::new(app).workers(1).disable_signals().bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = server.addrs()[0];
        actix_web::rt::System::new().block_on(async move {
            let server = server.run();
            sender.send((server.handle(), address)).unwrap();
            server.await.unwrap();
        });
    });
    receiver.recv().unwrap()
}
