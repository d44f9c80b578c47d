//! The connection of the reading thread, which becomes old and is replaced before it is too old.

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
    primary::{self, ConnectionProof, MAX_AGE},
};

/// A connection that was proven to lead to the primary.
pub(super) struct Connected {
    pub(super) connection: PgConnection,
    pub(super) session: ConnectionProof,
    opened: Instant,
}

/// The connection in use, and the one that will take its place.
pub(super) struct Connection {
    shared: Arc<Shared>,
    now: Option<Connected>,
    next: Option<Receiver<Connected>>,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, connected: Option<Connected>) -> Self {
        Self { shared, now: connected, next: None }
    }

    /// The one that is open, unless it is too old or leads to a server that another took the place of.
    pub(super) fn open(&mut self) -> Option<&mut Connected> {
        self.renew();
        let is_good = |now: &Connected| now.session.is_current() && now.opened.elapsed() < MAX_AGE * 2;
        if !self.now.as_ref().is_some_and(is_good) {
            self.now = None;
        }
        self.now.as_mut()
    }

    /// Another one.
    pub(super) fn reopen(&mut self) -> Result<&mut Connected, StoreError> {
        self.now = None;
        let connected = Connected::to(&self.shared)?;
        Ok(self.now.insert(connected))
    }

    pub(super) fn close(&mut self) {
        self.now = None;
    }

    /// Has another one opened in time, beside the reads: whoever reads does not wait for it.
    fn renew(&mut self) {
        match self.next.as_ref().map(Receiver::try_recv) {
            Some(Ok(connected)) => (self.now, self.next) = (Some(connected), None),
            Some(Err(TryRecvError::Empty)) => {}
            Some(Err(TryRecvError::Disconnected)) => self.next = None,
            None if self.now.as_ref().is_some_and(|now| now.opened.elapsed() >= MAX_AGE) => {
                let (opened, next) = sync_channel(1);
                let shared = self.shared.clone();
                let open = move || match Connected::to(&shared) {
                    // The thread that reads may have been replaced.
                    Ok(connected) => drop(opened.send(connected)),
                    Err(error) => tracing::warn!(%error, "the reader's connection cannot be renewed"),
                };
                // Without a thread it is tried again with the next batch.
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
            // It was good when the store was opened, and may be so again.
            StoreError::Unusable(told) => StoreError::Unavailable(told),
            error => error,
        })
    }
}

/// The condition that the session is the one with this mark, and leads to the primary. It is no row's: the server tests it
/// once before it looks for any, and fails. So a batch that finds nothing is proven as well.
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
            LazyLock::new(|| primary::check("current_setting('transaction_read_only') = 'on'", "?"));
        let (before, behind) = CHECK.split_once('?').unwrap_or((&CHECK, ""));
        out.push_sql(before);
        out.push_bind_param::<Text, str>(self.0)?;
        out.push_sql(behind);
        Ok(())
    }
}
