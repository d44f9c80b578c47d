//! What nodes and writers do: the protocol, and the ways to break it.

/// When the lease begins that a statement of the feed has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseStart {
    /// Before the statement was sent if it returned no event; otherwise before the read was sent that returned the
    /// events that the statement acknowledged.
    ///
    /// A writer deletes a row when 1.1 L have passed since its commit and the row does not acknowledge its sequence. So
    /// a lease must begin before the commit of the first change that its row does not acknowledge. That change was
    /// not visible to the read of the acknowledged events; it was visible to the statement if that returned it.
    ProvenRead,
    /// Before the statement was sent, whatever it returned.
    Send,
    /// When the result was received.
    Receipt,
}

/// When a node that registers again empties its memory. A row that is being read then does not enter it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryDrop {
    /// When the registration is complete, before the lease begins.
    WhenRegistered,
    /// When it finds that its row is gone, before it sends the registration.
    BeforeRegistration,
    /// Not at all.
    Never,
}

/// What a committed change waits for before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerAfter {
    /// Every registered node has acknowledged it or was declared gone.
    AllNodes,
    /// One node has.
    OneNode,
    /// Nothing.
    Commit,
}

/// The protocol as a set of switches. [`Rules::PROTOCOL`] is the protocol; a broken variant differs from it in one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// A verification needs a valid lease.
    pub(crate) verification_checks_lease: bool,
    pub(crate) lease_start: LeaseStart,
    pub(crate) answer_after: AnswerAfter,
    /// A node is declared gone after 1.1 L, not at once.
    pub(crate) silent_node_is_waited_for: bool,
    /// A row that was read before an invalidation does not enter the memory after it.
    pub(crate) outdated_fill_is_discarded: bool,
    /// A statement acknowledges what was dropped from memory before it was sent, not what it returns.
    pub(crate) drop_precedes_acknowledgement: bool,
    /// A statement never lowers the acknowledged sequence of its row.
    pub(crate) acknowledgement_only_grows: bool,
    pub(crate) memory_drop: MemoryDrop,
    /// A revocation that finds the token revoked waits for the sequence that it saw.
    pub(crate) repeated_revocation_waits: bool,
    /// A revocation that finds the token revoked commits a write as well, so it fails on an isolated server.
    pub(crate) repeated_revocation_commits: bool,
    /// A change is answered only if a later commit proves that no wait for the standby was canceled.
    pub(crate) change_is_proven: bool,
    /// A statement of the feed whose wait for the standby was canceled renews nothing.
    pub(crate) canceled_statement_renews_nothing: bool,
    /// The writer reads the registered nodes after its commit, not before.
    pub(crate) nodes_are_read_after_commit: bool,
    /// Rows are not read from a server that the feed has left.
    pub(crate) reads_follow_feed: bool,
    /// A feed that reaches another server ends its lease and registers there; it does not continue with its row.
    pub(crate) new_server_needs_registration: bool,
}

impl Rules {
    /// The protocol.
    pub(crate) const PROTOCOL: Self = Self {
        verification_checks_lease: true,
        lease_start: LeaseStart::ProvenRead,
        answer_after: AnswerAfter::AllNodes,
        silent_node_is_waited_for: true,
        outdated_fill_is_discarded: true,
        drop_precedes_acknowledgement: true,
        acknowledgement_only_grows: true,
        memory_drop: MemoryDrop::WhenRegistered,
        repeated_revocation_waits: true,
        repeated_revocation_commits: true,
        change_is_proven: true,
        canceled_statement_renews_nothing: true,
        nodes_are_read_after_commit: true,
        reads_follow_feed: true,
        new_server_needs_registration: true,
    };
}
