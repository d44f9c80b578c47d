//! Limits the reports of leaked tokens, which need no credential.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{client_ip::ClientIp, failures::Source};

/// The maximum size of the body of a report, in bytes: a thousand entries with long URLs.
pub(crate) const MAX_BODY: usize = 512 * 1024;
/// How many reports are received or processed at once, by all workers; each may hold a body.
const MAX_CONCURRENT: usize = 64;
/// How many of them one source may have.
const MAX_OF_SOURCE: usize = 8;

/// Counts the reports that are being received or processed. All clones share the counts.
#[derive(Clone, Default)]
pub(crate) struct LeakLimit(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: usize,
    /// Only of sources with a report, so at most [`MAX_CONCURRENT`].
    of_source: HashMap<Source, usize>,
}

impl LeakLimit {
    /// Begins a report; `None` if there are too many, or too many of this source.
    pub(crate) fn try_begin(&self, source: ClientIp) -> Option<ReportInProgress> {
        let source = Source::of(source);
        let mut counts = self.counts();
        let of_source = counts.of_source.get(&source).copied().unwrap_or_default();
        if counts.all >= MAX_CONCURRENT || of_source >= MAX_OF_SOURCE {
            return None;
        }
        counts.all += 1;
        counts.of_source.insert(source, of_source + 1);
        Some(ReportInProgress { limit: self.clone(), source })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A counted report; ends when it is dropped.
pub(crate) struct ReportInProgress {
    limit: LeakLimit,
    source: Source,
}

impl Drop for ReportInProgress {
    fn drop(&mut self) {
        let mut counts = self.limit.counts();
        counts.all = counts.all.saturating_sub(1);
        let of_source = counts.of_source.remove(&self.source).unwrap_or_default();
        if of_source > 1 {
            counts.of_source.insert(self.source, of_source - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn source(number: usize) -> ClientIp {
        ClientIp::Known(Ipv4Addr::from(u32::try_from(number).unwrap()).into())
    }

    #[test]
    fn reports_are_limited_and_end_when_they_are_dropped() {
        let limit = LeakLimit::default();
        let mut reports: Vec<_> = (0..MAX_CONCURRENT).map(|n| limit.try_begin(source(n)).unwrap()).collect();
        assert!(limit.try_begin(source(99)).is_none() && limit.clone().try_begin(source(98)).is_none());
        reports.pop();
        reports.push(limit.try_begin(source(99)).unwrap());
        assert!(limit.try_begin(source(98)).is_none());
        drop(reports);
        let counts = limit.counts();
        assert!(counts.all == 0 && counts.of_source.is_empty());
    }

    #[test]
    fn one_source_leaves_room_for_others() {
        let limit = LeakLimit::default();
        for one in [source(1), ClientIp::Unknown] {
            let mut reports: Vec<_> = (0..MAX_OF_SOURCE).map(|_| limit.try_begin(one).unwrap()).collect();
            assert!(limit.try_begin(one).is_none());
            assert!(limit.try_begin(source(2)).is_some());
            reports.pop();
            reports.push(limit.try_begin(one).unwrap());
            assert!(limit.try_begin(one).is_none());
        }
    }
}
