//! [`Metrics`]: counts for Prometheus, in its text format 0.0.4. No label contains an id, a name or an address.

mod requests;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    web::{self, Data},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use tokenry_service::{CheckState, Readiness, Tokenry};

use self::requests::Requests;
use crate::{
    clock,
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
};

/// Counts of one server. All clones share them, so create them once, outside of the factory of `HttpServer`.
///
/// [`configure`](crate::configure) serves them at `GET /metrics` to callers with `admin:read`;
/// [`listener`](Self::listener) serves them without authentication on an address of its own.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Default)]
struct Inner {
    requests: Requests,
    /// The counters of the embedding program.
    counters: Mutex<Vec<ExternalCounter>>,
}

struct ExternalCounter {
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// The one label of a metric.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Check {
    check: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

impl Metrics {
    /// Adds a counter of the embedding program. It is exported as `tokenry_NAME_total`; `help` is a sentence without its
    /// full stop; `read` returns the current count and must not block.
    pub fn add_counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let counter = ExternalCounter { name, help, read: Box::new(read) };
        self.0.counters.lock().unwrap_or_else(PoisonError::into_inner).push(counter);
    }

    /// Registers `GET /metrics` without authentication, for an app that only the monitoring system reaches:
    /// `App::new().configure(metrics.listener(tokenry))`.
    pub fn listener(&self, tokenry: Tokenry) -> impl FnOnce(&mut web::ServiceConfig) {
        let metrics = self.clone();
        let handler = move || {
            let (metrics, tokenry) = (metrics.clone(), tokenry.clone());
            async move { metrics.respond(&tokenry).await }
        };
        move |app| {
            app.route("/metrics", web::get().to(handler));
        }
    }

    /// Counts a request of `route`; `None` is an unknown path.
    pub(crate) fn count_request(
        &self,
        method: &'static str,
        route: Option<String>,
        status: u16,
        duration: Duration,
    ) {
        self.0.requests.count(method, route, status, duration);
    }

    /// The response to `GET /metrics`. Returns within the three seconds of a readiness check.
    pub(crate) async fn respond(&self, tokenry: &Tokenry) -> std::result::Result<HttpResponse, ApiError> {
        let readiness = tokenry.readiness(clock::now()).await;
        let text =
            self.encode(tokenry, &readiness).map_err(|_| ApiError::internal("metrics are not encoded"))?;
        Ok(HttpResponse::Ok().content_type(prometheus_text::CONTENT_TYPE).body(text))
    }

    fn encode(&self, tokenry: &Tokenry, readiness: &Readiness) -> std::result::Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("tokenry");
        self.0.requests.register(&mut registry);
        register_service(&mut registry, tokenry);
        register_readiness(&mut registry, readiness);
        for counter in self.0.counters.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            registry.register(counter.name, counter.help, counter_of((counter.read)()));
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl DeclareErrors for Data<Metrics> {
    fn errors() -> Errors {
        Errors::default()
    }
}

/// What the service counts.
fn register_service(registry: &mut Registry, tokenry: &Tokenry) {
    let verifications = Family::<Result, Counter>::default();
    for (result, count) in tokenry.verify_counts() {
        verifications.get_or_create(&Result { result }).inc_by(count);
    }
    registry.register("verifications", "Verifications of presented tokens, by result", verifications);
    let waiting = gauge_of(tokenry.waiting_verifications());
    registry.register("waiting_verifications", "Verifications that wait for a slow hash", waiting);
    registry.register(
        "database_writes",
        "Write transactions of this process",
        counter_of(tokenry.database_writes()),
    );
    let losses = tokenry.store().losses();
    registry.register(
        "lost_events",
        "Events that the database has lost, as this process has noticed",
        counter_of(losses.lost_events),
    );
    registry.register(
        "reapplied_changes",
        "Lost changes that this process has applied again",
        counter_of(losses.reapplied),
    );
    let pending = tokenry.unwritten();
    let unwritten = Family::<Kind, Gauge>::default();
    for (kind, count) in [
        ("uses", pending.uses),
        ("last_uses", pending.last_uses),
        ("rejections", pending.rejections),
        ("reuses", pending.reuses),
        ("expiries", pending.expiries),
    ] {
        unwritten.get_or_create(&Kind { kind }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register("unwritten_records", "Records that are not in the database yet, by kind", unwritten);
    let build = Family::<Version, Gauge>::default();
    build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
    registry.register("build_info", "The version of Tokenry as a label; the value is 1", build);
}

/// The results of the readiness checks; a warning is not a failure.
fn register_readiness(registry: &mut Registry, readiness: &Readiness) {
    let checks = Family::<Check, Gauge>::default();
    for check in &readiness.checks {
        let is_passed = check.state != CheckState::Failed;
        checks.get_or_create(&Check { check: check.name }).set(is_passed.into());
    }
    registry.register("check_passed", "1 if the readiness check passed, else 0, by check", checks);
    registry.register("ready", "1 if requests are served, else 0", gauge_of(usize::from(readiness.is_ready)));
}

fn counter_of(count: u64) -> Counter {
    let counter = Counter::<u64, AtomicU64>::default();
    counter.inc_by(count);
    counter
}

fn gauge_of(value: usize) -> Gauge {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}
