//! Limits the reports of leaked tokens, which need no credential.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The maximum size of the body of a report, in bytes: a thousand entries with long URLs.
pub(crate) const MAX_BODY: usize = 512 * 1024;
/// How many reports are received or processed at once, by all workers; each may hold a body.
const MAX_CONCURRENT: usize = 64;

/// Counts the reports that are being received or processed. All clones share the count.
#[derive(Clone, Default)]
pub(crate) struct LeakLimit(Arc<AtomicUsize>);

impl LeakLimit {
    /// Begins a report; `None` if there are too many.
    pub(crate) fn try_begin(&self) -> Option<ReportInProgress> {
        // From here on dropped, and so counted down, whether it is admitted or not.
        let report = ReportInProgress(self.clone());
        (self.0.fetch_add(1, Relaxed) < MAX_CONCURRENT).then_some(report)
    }
}

/// A counted report; ends when it is dropped.
pub(crate) struct ReportInProgress(LeakLimit);

impl Drop for ReportInProgress {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_limited_and_end_when_they_are_dropped() {
        let limit = LeakLimit::default();
        let mut reports: Vec<_> = (0..MAX_CONCURRENT).map(|_| limit.try_begin().unwrap()).collect();
        assert!(limit.try_begin().is_none() && limit.clone().try_begin().is_none());
        reports.pop();
        reports.push(limit.try_begin().unwrap());
        assert!(limit.try_begin().is_none());
        drop(reports);
        assert_eq!(limit.0.load(Relaxed), 0);
    }
}
