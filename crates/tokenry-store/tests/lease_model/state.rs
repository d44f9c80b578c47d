//! The state of a run: servers, nodes and writers.

/// A point in time, as the number of writers that committed before it. `None` is so long ago that a lease that
/// began then has expired.
pub(crate) type Moment = Option<u8>;

/// A sequence number of a change; 0 is before the first one.
pub(crate) type Sequence = u8;

/// The memory that a row is being read for: its applied sequence before the read, or `None` if it was emptied since.
pub(crate) type Fill = Option<Sequence>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The oldest first. Only the last one can commit; the one before it is isolated.
    pub(crate) servers: Vec<Server>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) writers: Vec<Writer>,
    /// A revocation was answered with success.
    pub(crate) revocation_answered: bool,
}

/// The content of a database server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) head: Sequence,
    /// The sequence of the event that revoked the token.
    pub(crate) revoked_at: Option<Sequence>,
    /// The registered nodes, sorted.
    pub(crate) rows: Vec<Row>,
}

/// The row of a registered node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) id: RowId,
    pub(crate) acknowledged: Sequence,
}

/// A node has a new id for each registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RowId {
    pub(crate) node: u8,
    pub(crate) registration: u8,
}

/// One process that verifies tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    /// The server that its feed is connected to.
    pub(crate) server: u8,
    /// The registrations that it began; the last one is its own.
    pub(crate) registrations: u8,
    pub(crate) is_registered: bool,
    pub(crate) is_paused: bool,
    /// The events up to here are applied to its memory.
    pub(crate) applied: Sequence,
    /// When the read was sent that returned the events up to `applied` and no later one, from this server.
    pub(crate) applied_since: Moment,
    /// When its lease began; `None` if it has no valid one.
    pub(crate) lease: Moment,
    /// Its memory has the row of the token, unrevoked.
    pub(crate) is_cached: bool,
    /// The sequence of the event that invalidated the token last.
    pub(crate) invalidated_at: Sequence,
    pub(crate) feed: Feed,
    pub(crate) late_statement: Option<LateStatement>,
    pub(crate) requests: Vec<Request>,
}

/// What the feed of a node does. `head` is what the server has read, and `sent` is when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Feed {
    Idle,
    /// The events up to `head` were read; the affected rows are still in memory.
    EventsRead {
        head: Sequence,
        sent: Moment,
    },
    /// The statement is sent and sees the events up to `head`; it is not committed.
    StatementSent {
        head: Sequence,
        sent: Moment,
    },
    /// The statement is committed; the node has not received its result.
    StatementCommitted {
        head: Sequence,
        sent: Moment,
    },
    /// The statement touched no row; the node has not received its result.
    RowMissing,
    /// The registration has read the head; it is not committed.
    RegistrationSent {
        head: Sequence,
        sent: Moment,
    },
    /// The registration is committed; the node has not received its result.
    RegistrationCommitted {
        head: Sequence,
        sent: Moment,
    },
}

/// A statement of a lost connection that the server still has to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LateStatement {
    pub(crate) id: RowId,
    pub(crate) acknowledged: Sequence,
}

/// A verification. `is_late` means that it began after a revocation was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Request {
    Idle,
    /// It began and then found the lease valid.
    LeaseChecked {
        is_late: bool,
    },
    /// The row is not in memory and is read from a server; `fill` was noted before.
    Reading {
        is_late: bool,
        fill: Fill,
        server: u8,
    },
    /// The server returned an unrevoked row.
    RowRead {
        is_late: bool,
        fill: Fill,
    },
    /// The token was accepted. The next verification can begin.
    Accepted {
        is_late: bool,
        from: Source,
    },
}

/// Where the row came from that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    Memory,
    Database,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    /// It has not committed. A broken variant has read the registered nodes already.
    Ready { nodes: Option<Vec<RowId>> },
    /// It has committed on a server.
    Committed(Committed),
    /// It was answered, or it failed.
    Finished,
}

/// A change between its commit and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Committed {
    pub(crate) server: u8,
    /// The sequence of its event, or the head that it saw when the change was made already.
    pub(crate) sequence: Sequence,
    /// 1.1 L have passed since the commit.
    pub(crate) has_waited: bool,
    /// The nodes that it waits for; `None` until it has read them.
    pub(crate) nodes: Option<Vec<RowId>>,
}

impl State {
    /// The state before anything has happened. Only the first node verifies: a node affects the verifications of another
    /// one by nothing but its row, so its own can be left out.
    pub(crate) fn new(nodes: usize, requests: usize, changes: usize) -> Self {
        Self {
            servers: vec![Server { head: 0, revoked_at: None, rows: Vec::new() }],
            nodes: (0..nodes).map(|node| Node::new(if node == 0 { requests } else { 0 })).collect(),
            writers: vec![Writer::Ready { nodes: None }; changes],
            revocation_answered: false,
        }
    }

    /// The index of the server that can commit.
    pub(crate) fn primary(&self) -> u8 {
        self.servers.len() as u8 - 1
    }

    pub(crate) fn server(&self, index: u8) -> &Server {
        &self.servers[usize::from(index)]
    }

    pub(crate) fn server_mut(&mut self, index: u8) -> &mut Server {
        &mut self.servers[usize::from(index)]
    }

    /// A node and the server that its feed is connected to.
    pub(crate) fn node_and_server(&mut self, node: u8) -> (&mut Node, &mut Server) {
        let node = &mut self.nodes[usize::from(node)];
        let server = &mut self.servers[usize::from(node.server)];
        (node, server)
    }

    /// The present.
    pub(crate) fn now(&self) -> Moment {
        let is_committed = |writer: &&Writer| !matches!(writer, Writer::Ready { .. });
        Some(self.writers.iter().take_while(is_committed).count() as u8)
    }

    /// Makes states equal that differ only in what no later step can see.
    pub(crate) fn normalize(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.requests.is_empty()) {
            node.moments().for_each(|moment| *moment = None);
        }
        // Two moments differ only if a wait can end that began between them.
        let waits = |writer: &Writer| matches!(writer, Writer::Committed(change) if !change.has_waited);
        let waits: Vec<_> = self.writers.iter().map(waits).collect();
        self.moments().flatten().for_each(|moment| {
            while moment.checked_sub(1).is_some_and(|last| !waits[usize::from(last)]) {
                *moment -= 1;
            }
        });
        for node in &mut self.nodes {
            let reads =
                |request: &Request| matches!(request, Request::Reading { .. } | Request::RowRead { .. });
            if !node.requests.iter().any(reads) {
                node.invalidated_at = 0;
            }
            node.requests.sort_unstable();
        }
    }

    /// Lets every lease expire that began before the commit of this writer.
    pub(crate) fn expire_leases(&mut self, writer: usize) {
        self.moments().for_each(|moment| *moment = moment.filter(|begin| usize::from(*begin) > writer));
    }

    fn moments(&mut self) -> impl Iterator<Item = &mut Moment> {
        self.nodes.iter_mut().flat_map(Node::moments)
    }
}

impl Server {
    pub(crate) fn row(&self, id: RowId) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }

    pub(crate) fn row_mut(&mut self, id: RowId) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.id == id)
    }
}

impl Node {
    /// A node that has just started.
    pub(crate) fn new(requests: usize) -> Self {
        Self {
            server: 0,
            registrations: 0,
            is_registered: false,
            is_paused: false,
            applied: 0,
            applied_since: None,
            lease: None,
            is_cached: false,
            invalidated_at: 0,
            feed: Feed::Idle,
            late_statement: None,
            requests: vec![Request::Idle; requests],
        }
    }

    /// The id of its last registration.
    pub(crate) fn row_id(&self, node: u8) -> RowId {
        RowId { node, registration: self.registrations }
    }

    fn moments(&mut self) -> impl Iterator<Item = &mut Moment> {
        let sent = match &mut self.feed {
            Feed::Idle | Feed::RowMissing => None,
            Feed::EventsRead { sent, .. }
            | Feed::StatementSent { sent, .. }
            | Feed::StatementCommitted { sent, .. }
            | Feed::RegistrationSent { sent, .. }
            | Feed::RegistrationCommitted { sent, .. } => Some(sent),
        };
        [&mut self.applied_since, &mut self.lease].into_iter().chain(sent)
    }
}
