//! Requests and their durations.

use std::{borrow::Cow, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::log::UNMATCHED;

/// The upper bounds of the buckets of durations, in seconds.
const BOUNDS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

pub(super) struct Requests {
    counts: Family<Request, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
}

/// The route is the pattern of its path, never the path itself, so the number of label values is limited.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: Cow<'static, str>,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: Cow<'static, str>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { counts: Family::default(), durations: Family::new_with_constructor(durations) }
    }
}

impl Requests {
    pub(super) fn count(&self, method: &'static str, route: Option<String>, status: u16, duration: Duration) {
        let route = Route { route: route.map_or(Cow::Borrowed(UNMATCHED), Cow::Owned) };
        self.durations.get_or_create(&route).observe(duration.as_secs_f64());
        self.counts.get_or_create(&Request { method, route: route.route, status }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "HTTP requests, by method, route and status", self.counts.clone());
        registry.register_with_unit(
            "http_request_duration",
            "The time from the request head to the response head, by route",
            Unit::Seconds,
            self.durations.clone(),
        );
    }
}

fn durations() -> Histogram {
    Histogram::new(BOUNDS)
}
