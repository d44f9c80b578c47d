//! What can happen in a run, and how often: the bounds of the model.

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Changes another token.
    Unrelated,
    /// Revokes the token, or finds it revoked.
    Revoke,
}

/// The nodes, the changes and the failures of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    pub(crate) nodes: usize,
    /// The verifications that a node runs at the same time.
    pub(crate) requests: usize,
    /// The registrations of each node, its first one included.
    pub(crate) registrations: u8,
    /// The changes in the order of their commits, each by a writer of its own.
    pub(crate) changes: &'static [Change],
    /// The standby can be promoted, once.
    pub(crate) failover: bool,
    /// A commit on the isolated server becomes visible there although no standby has it. PostgreSQL does this when the
    /// wait for the standby is cancelled and when the server restarts.
    pub(crate) unreplicated_commits: bool,
    /// Feeds lose their connections without a failover.
    pub(crate) lost_connections: bool,
    /// The server can still execute a statement after its connection is lost.
    pub(crate) late_statements: bool,
    /// Nodes are restarted.
    pub(crate) restarts: bool,
    /// Nodes are paused explicitly. Without this, too, a node may take no step for any time.
    pub(crate) pauses: bool,
}

impl Scope {
    /// One node that may be declared gone once.
    pub(crate) const ONE_NODE: Self = Self {
        nodes: 1,
        requests: 1,
        registrations: 2,
        changes: &[Change::Unrelated, Change::Revoke],
        failover: false,
        unreplicated_commits: false,
        lost_connections: false,
        late_statements: false,
        restarts: false,
        pauses: false,
    };

    /// Two nodes that register once.
    pub(crate) const TWO_NODES: Self =
        Self { nodes: 2, registrations: 1, changes: &[Change::Revoke, Change::Revoke], ..Self::ONE_NODE };

    /// One node with restarts, lost connections and statements that are executed late.
    pub(crate) const RESTARTS: Self =
        Self { lost_connections: true, late_statements: true, restarts: true, ..Self::ONE_NODE };

    /// One node and a failover, after which the old primary may still show new commits.
    pub(crate) const FAILOVER: Self = Self { failover: true, unreplicated_commits: true, ..Self::ONE_NODE };

    /// Everything that can go wrong for one node, without explicit pauses.
    pub(crate) const ALL_FAILURES: Self =
        Self { failover: true, unreplicated_commits: true, ..Self::RESTARTS };
}
