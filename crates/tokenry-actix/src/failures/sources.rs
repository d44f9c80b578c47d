//! The counts of the remembered sources.

use std::net::{IpAddr, Ipv4Addr};

use governor::{
    nanos::Nanos,
    state::{
        InMemoryState, NotKeyed, StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};

use crate::client_ip::ClientIp;

/// What counts as one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    V4(Ipv4Addr),
    /// The first 64 bits: what one customer is given.
    V6([u16; 4]),
    /// Whose address nobody knows.
    Unknown,
}

impl Source {
    pub(super) fn of(ip: ClientIp) -> Self {
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

/// One count for each remembered source, one for all unknown ones, and one for the sources that there is no room for.
pub(super) struct Sources {
    remembered: DashMapStateStore<Source>,
    unknown: InMemoryState,
    overflow: InMemoryState,
    capacity: usize,
}

impl Sources {
    pub(super) fn new(capacity: usize) -> Self {
        let (unknown, overflow) = (InMemoryState::default(), InMemoryState::default());
        Self { remembered: DashMapStateStore::default(), unknown, overflow, capacity }
    }
}

impl StateStore for Sources {
    type Key = Source;

    /// SECURITY: a remembered source keeps its own count, however many others there are: it is looked up before the
    /// overflow.
    fn measure_and_replace<T, F, E>(&self, source: &Source, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if *source == Source::Unknown {
            self.unknown.measure_and_replace(&NotKeyed::NonKey, decide)
        } else if self.remembered.contains_key(source) || self.remembered.len() < self.capacity {
            self.remembered.measure_and_replace(source, decide)
        } else {
            self.overflow.measure_and_replace(&NotKeyed::NonKey, decide)
        }
    }
}

impl ShrinkableKeyedStateStore<Source> for Sources {
    fn retain_recent(&self, drop_below: Nanos) {
        self.remembered.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&self.remembered);
    }

    fn len(&self) -> usize {
        self.remembered.len()
    }

    fn is_empty(&self) -> bool {
        self.remembered.is_empty()
    }
}
