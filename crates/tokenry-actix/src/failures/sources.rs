//! The counts of the tracked sources.

use std::net::{IpAddr, Ipv4Addr};

use governor::{
    nanos::Nanos,
    state::{
        InMemoryState, NotKeyed, StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};

use crate::client_ip::ClientIp;

/// A source of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    V4(Ipv4Addr),
    /// The first 64 bits, the network that one customer gets.
    V6([u16; 4]),
    /// All sources without a known address.
    Unknown,
}

impl Source {
    pub(crate) fn of(ip: ClientIp) -> Self {
        match ip {
            ClientIp::Known(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => Self::V4(ip),
                IpAddr::V6(ip) => {
                    let [a, b, c, d, ..] = ip.segments();
                    Self::V6([a, b, c, d])
                }
            },
            ClientIp::Unknown => Self::Unknown,
        }
    }
}

/// One count for each tracked source, one for all unknown addresses, and one for all sources over the capacity.
pub(super) struct Sources {
    tracked: DashMapStateStore<Source>,
    unknown: InMemoryState,
    overflow: InMemoryState,
    capacity: usize,
}

impl Sources {
    pub(super) fn new(capacity: usize) -> Self {
        let (unknown, overflow) = (InMemoryState::default(), InMemoryState::default());
        Self { tracked: DashMapStateStore::default(), unknown, overflow, capacity }
    }
}

impl StateStore for Sources {
    type Key = Source;

    /// SECURITY: a tracked source keeps its own count, however many others there are: it is looked up before the overflow
    /// is used.
    fn measure_and_replace<T, F, E>(&self, source: &Source, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if *source == Source::Unknown {
            self.unknown.measure_and_replace(&NotKeyed::NonKey, decide)
        } else if self.tracked.contains_key(source) || self.tracked.len() < self.capacity {
            self.tracked.measure_and_replace(source, decide)
        } else {
            self.overflow.measure_and_replace(&NotKeyed::NonKey, decide)
        }
    }
}

impl ShrinkableKeyedStateStore<Source> for Sources {
    fn retain_recent(&self, drop_below: Nanos) {
        self.tracked.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&self.tracked);
    }

    fn len(&self) -> usize {
        self.tracked.len()
    }

    fn is_empty(&self) -> bool {
        self.tracked.is_empty()
    }
}
