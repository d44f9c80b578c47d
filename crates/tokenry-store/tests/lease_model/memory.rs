//! The memory of a node.

use super::state::{Fill, Node, Request, Sequence, Server, Source};

impl Node {
    /// Applies the events of its server up to `head`.
    pub(crate) fn apply(&mut self, server: &Server, head: Sequence) {
        let is_new = |sequence: &Sequence| *sequence > self.applied && *sequence <= head;
        if let Some(sequence) = server.revoked_at.filter(is_new) {
            self.is_cached = false;
            self.invalidated_at = sequence;
        }
        self.applied = head;
    }

    /// Empties the memory. Rows that are being read were for the old memory.
    pub(crate) fn empty_memory(&mut self) {
        self.is_cached = false;
        for request in &mut self.requests {
            if let Request::Reading { fill, .. } | Request::RowRead { fill, .. } = request {
                *fill = None;
            }
        }
    }

    /// Whether a row may enter the memory.
    pub(crate) fn is_current(&self, fill: Fill) -> bool {
        fill.is_some_and(|applied| applied >= self.invalidated_at)
    }

    /// Whether a row in memory has just decided that the token is accepted.
    pub(crate) fn accepts_from_memory(&self) -> bool {
        self.requests.iter().any(|request| matches!(request, Request::Accepted { from: Source::Memory, .. }))
    }

    /// Forgets which verifications accepted the token, so that later acceptances can be told from them.
    pub(crate) fn forget_accepted(&mut self) {
        for request in &mut self.requests {
            if matches!(request, Request::Accepted { .. }) {
                *request = Request::Idle;
            }
        }
    }
}
