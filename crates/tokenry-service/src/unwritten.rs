//! Counts what is buffered and not in the database yet.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What would be lost if the process ended now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unwritten {
    /// Uses of tokens that are not in the usage log.
    pub uses: u64,
    /// Tokens, scopes of tokens and sessions whose last use is not stored.
    pub last_uses: u64,
    /// Rejected requests that are not in the audit log.
    pub rejections: u64,
    /// Uses of retired secrets that are not in the audit log and, if the policy requires it, have not revoked their
    /// token.
    pub reuses: u64,
    /// Credentials that were rejected as expired without their row being marked.
    pub expiries: u64,
}

impl Unwritten {
    /// Whether nothing would be lost.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.uses, "uses of tokens"),
            (self.last_uses, "times of last use"),
            (self.rejections, "rejected requests"),
            (self.reuses, "uses of retired secrets"),
            (self.expiries, "expiries of credentials"),
        ];
        if self.is_empty() {
            return write!(f, "nothing");
        }
        let mut separator = "";
        for (count, kind) in kinds.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{kind}: {count}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// How many records were taken from a buffer and are neither written nor back in it.
#[derive(Default)]
pub(crate) struct Taken(AtomicU64);

impl Taken {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn settle(&self, count: u64) {
        self.0.fetch_sub(count, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_listed_with_their_counts() {
        assert_eq!(Unwritten::default().to_string(), "nothing");
        let lost = Unwritten { uses: 12, rejections: 3, ..Unwritten::default() };
        assert_eq!(lost.to_string(), "uses of tokens: 12, rejected requests: 3");
    }
}
