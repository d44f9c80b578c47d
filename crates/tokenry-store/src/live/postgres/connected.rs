//! The connection of the reading thread, which is replaced in the background before it exceeds its maximum age.

use std::{
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
    sync::{Arc, LazyLock},
    time::Instant,
};

use diesel::{
    AppearsOnTable, Expression, PgConnection, QueryResult, SelectableExpression,
    expression::{ValidGrouping, is_aggregate},
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Bool, Text},
};

use super::Shared;
use crate::{
    error::StoreError,
    primary::{ConnectionProof, MAX_AGE},
    session_check,
};

/// A connection that was verified to reach the primary.
pub(super) struct Connected {
    pub(super) connection: PgConnection,
    pub(super) session: ConnectionProof,
    opened: Instant,
}

/// The connection in use, and its successor while that is being opened.
pub(super) struct Connection {
    shared: Arc<Shared>,
    current: Option<Connected>,
    next: Option<Receiver<Connected>>,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, connected: Option<Connected>) -> Self {
        Self { shared, current: connected, next: None }
    }

    /// The open connection, unless it is too old or its server was replaced.
    pub(super) fn open(&mut self) -> Option<&mut Connected> {
        self.renew();
        self.current.take_if(|current| !current.is_usable());
        self.current.as_mut()
    }

    /// Opens a new connection.
    pub(super) fn reopen(&mut self) -> Result<&mut Connected, StoreError> {
        self.current = None;
        let connected = Connected::to(&self.shared)?;
        Ok(self.current.insert(connected))
    }

    pub(super) fn close(&mut self) {
        self.current = None;
    }

    /// Opens the successor on another thread once the connection has reached its maximum age; reads do not wait for it.
    fn renew(&mut self) {
        match self.next.as_ref().map(Receiver::try_recv) {
            Some(Ok(connected)) => (self.current, self.next) = (Some(connected), None),
            Some(Err(TryRecvError::Empty)) => {}
            Some(Err(TryRecvError::Disconnected)) => self.next = None,
            None if self.current.as_ref().is_some_and(|current| current.opened.elapsed() >= MAX_AGE) => {
                let (opened, next) = sync_channel(1);
                let shared = self.shared.clone();
                let open = move || match Connected::to(&shared) {
                    // The reading thread may have been replaced.
                    Ok(connected) => drop(opened.send(connected)),
                    Err(error) => tracing::warn!(%error, "the reader's connection cannot be renewed"),
                };
                // If the thread cannot be started, the next batch tries again.
                let started = std::thread::Builder::new().name("tokenry-renewal".to_owned()).spawn(open);
                self.next = started.is_ok().then_some(next);
            }
            None => {}
        }
    }
}

impl Connected {
    #[allow(clippy::disallowed_methods, reason = "the age of a connection decides about nothing but itself")]
    pub(super) fn new((connection, session): (PgConnection, ConnectionProof)) -> Self {
        Self { connection, session, opened: Instant::now() }
    }

    fn to(shared: &Shared) -> Result<Self, StoreError> {
        shared.manager.open_session().map(Self::new).map_err(|error| match error {
            // The database was usable when the store was opened, so the failure may be temporary.
            StoreError::Unusable(message) => StoreError::Unavailable(message),
            error => error,
        })
    }

    /// Whether its server is the known one, and it is not far beyond its maximum age.
    fn is_usable(&self) -> bool {
        self.session.is_current() && self.opened.elapsed() < MAX_AGE * 2
    }
}

/// The condition that the session has this marker and reaches the primary. It depends on no row: the server evaluates it
/// once before it reads rows, and fails. So a batch without results is verified too.
pub(super) struct Proven<'m>(pub(super) &'m str);

impl Expression for Proven<'_> {
    type SqlType = Bool;
}

impl<From> AppearsOnTable<From> for Proven<'_> {}
impl<From> SelectableExpression<From> for Proven<'_> {}

impl ValidGrouping<()> for Proven<'_> {
    type IsAggregate = is_aggregate::No;
}

impl QueryId for Proven<'_> {
    type QueryId = Proven<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for Proven<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        static CHECK: LazyLock<String> =
            LazyLock::new(|| session_check::check("current_setting('transaction_read_only') = 'on'", "?"));
        let (before, after) = CHECK.split_once('?').unwrap_or((&CHECK, ""));
        out.push_sql(before);
        out.push_bind_param::<Text, str>(self.0)?;
        out.push_sql(after);
        Ok(())
    }
}
