//! Finds out whether the database has lost what this node remembers, and has it applied again before the node gets a lease.

use std::{
    cell::RefCell,
    collections::HashSet,
    path::Path,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use diesel::{
    OptionalExtension, PgConnection, QueryableByName, RunQueryDsl,
    r2d2::ManageConnection as _,
    sql_query,
    sql_types::{BigInt, Binary, Text},
};
use tokenry_domain::UnixMillis;

use super::{
    Leases, Shared,
    history::{Comparison, Loss},
    journal::Journal,
    locked, statements,
};
use crate::{
    convert::digest,
    database_errors::from_diesel,
    error::StoreError,
    history::{JournalState, LossReport, LostChanges, REAPPLIED, Reapply, Transaction},
    instance::{self, ChainHead},
    pool::{Access, Managed},
    steady_clock as clock,
    supervisor::{Importance, Stop},
    tx::{Tx, catch_panic},
};

/// How long one transaction of this module may wait for locks.
const WAIT: Duration = Duration::from_secs(2);
/// How many newer events of the database are read for an hour; a node that was away for longer begins anew, since the other
/// nodes remember them.
const MAX_CATCH_UP: i64 = 100_000;
/// How many of the newest changes of the database are searched for those that were applied again.
const MAX_MARKED: i64 = 20_000;

/// The connection of one comparison.
type Connection = Managed<PgConnection>;

impl Leases {
    /// Begins to remember, also what the journal has. The first call counts.
    pub(crate) fn remember(&self, reapply: Arc<Reapply>, journal: Option<&Path>) -> Result<(), StoreError> {
        let memory = &self.shared.memory;
        if let Some(path) = journal.filter(|_| self.journal.get().is_none()) {
            let mut journal = Journal::read(path, &mut locked(&memory.history))?;
            memory.set_journal_state(JournalState::Written);
            let written = memory.clone();
            let write = move |stop: &Stop| journal.run(&written, stop);
            let worker = self.shared.workers.start("journal", Importance::Background, write)?;
            // Of two concurrent calls one fails here, and drops its thread.
            let _ = self.journal.set(worker);
        }
        // Another service on the same store does the same.
        let _ = memory.reapply.set(reapply);
        Ok(())
    }

    /// What is known of lost changes.
    pub(crate) fn losses(&self) -> LossReport {
        locked(&self.shared.memory.report).clone()
    }
}

impl Shared {
    /// Compares what is remembered with the database, and has it applied again what was lost. Called before the node
    /// registers, and so before it gets a lease. Returns the event after which it goes on to read; `None` if nothing is
    /// remembered.
    pub(super) fn settle(&self, generation: u64) -> Result<Option<ChainHead>, StoreError> {
        let Some(reapply) = self.memory.reapply.get() else { return Ok(None) };
        let known = locked(&self.memory.history).head();
        let mut connection = self.repair.connect()?;
        let (head, is_same) = read(&mut connection, |tx| {
            let head = instance::chain_head(tx)?;
            let is_same = match known {
                Some(known) => known.seq == 0 || digest_of(tx, known.seq)? == Some(known.hash),
                None => true,
            };
            Ok((head, is_same))
        })?;
        let next = match known {
            Some(known) if is_same && head.seq - known.seq <= MAX_CATCH_UP => known,
            None | Some(_) if is_same => head,
            _ => self.reapply(&**reapply, connection, generation)?.unwrap_or(head),
        };
        let mut history = locked(&self.memory.history);
        self.check_generation(generation)?;
        history.advance(next);
        drop(history);
        locked(&self.memory.report).is_pending = false;
        Ok(Some(next))
    }

    /// Applies again what was lost, and returns the newest common event.
    fn reapply(
        &self,
        reapply: &Reapply,
        mut connection: Connection,
        generation: u64,
    ) -> Result<Option<ChainHead>, StoreError> {
        let history = locked(&self.memory.history).clone();
        let compared = read(&mut connection, |tx| match history.compare(|seq| digest_of(tx, seq))? {
            Comparison::Lost(loss) => {
                let marks = marks_after(tx, loss.common.map_or(0, |common| common.seq))?;
                Ok(Some((loss, marks)))
            }
            Comparison::Same(_) | Comparison::Empty => Ok(None),
        })?;
        // It was the same a moment ago in another snapshot; the next attempt decides.
        let Some((Loss { common, events, mut changes, is_overflown }, marks)) = compared else {
            return Err(StoreError::Unavailable("the database changes its history".to_owned()));
        };
        self.note(events, common.is_none(), changes.len());
        changes.retain(|change| !marks.contains(&change.mark()));
        let connection = RefCell::new(connection);
        let run = |transaction: &mut Transaction<'_>| {
            self.run(&mut connection.borrow_mut(), generation, transaction)
        };
        reapply(&LostChanges { changes: &changes, now: wall_now(), run: &run })?;
        if is_overflown {
            return Err(StoreError::Unavailable(
                "the database may have lost more changes of the last hour than this node remembers; what it remembers is \
                 in force again; check what else was taken away, then restart it"
                    .to_owned(),
            ));
        }
        let mut history = locked(&self.memory.history);
        self.check_generation(generation)?;
        history.rebase(common);
        drop(history);
        self.memory.changed.notify_one();
        let mut report = locked(&self.memory.report);
        self.memory.is_logged.store(false, Relaxed);
        report.losses += 1;
        report.lost_events += events;
        tracing::error!(
            target: "tokenry::security",
            lost = events,
            remembered = changes.len(),
            reapplied = report.reapplied,
            "what the database has lost is in force again"
        );
        Ok(common)
    }

    /// Reports a loss that is not repaired yet.
    fn note(&self, events: u64, is_incomplete: bool, changes: usize) {
        let mut report = locked(&self.memory.report);
        (report.is_pending, report.is_incomplete) = (true, report.is_incomplete || is_incomplete);
        drop(report);
        if self.memory.is_logged.swap(true, Relaxed) {
            return;
        }
        tracing::error!(
            target: "tokenry::security",
            lost = events,
            changes,
            is_incomplete,
            "the database has lost changes that were answered; what was taken away is applied again"
        );
    }

    fn run(
        &self,
        connection: &mut Connection,
        generation: u64,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), StoreError> {
        self.check_generation(generation)?;
        // Each transaction may take as long as the watchdog allows for one statement.
        self.busy_since.store(clock::steady_now(), SeqCst);
        let applied = connection
            .transaction(Access::Write, WAIT, |c| catch_panic(|| transaction(&mut Tx::postgres(c))))?;
        locked(&self.memory.report).reapplied += applied;
        Ok(())
    }

    fn check_generation(&self, generation: u64) -> Result<(), StoreError> {
        match self.generation.load(SeqCst) == generation {
            true => Ok(()),
            false => Err(StoreError::Unavailable("the feed of changes was replaced".to_owned())),
        }
    }
}

fn read<T>(
    connection: &mut Connection,
    mut work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.transaction(Access::Read, WAIT, |c| catch_panic(|| work(&mut Tx::postgres(c))))
}

/// The digest of an event.
fn digest_of(tx: &mut Tx<'_>, seq: i64) -> Result<Option<[u8; 32]>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Binary)]
        hash: Vec<u8>,
    }
    let query = sql_query("SELECT hash FROM audit_events WHERE seq = $1").bind::<BigInt, _>(seq);
    let row: Option<Row> = query.get_result(connection(tx)?).optional().map_err(from_diesel)?;
    row.map(|row| digest("audit_events.hash", row.hash)).transpose()
}

/// The marks of lost changes that were applied again by events after `seq`.
fn marks_after(tx: &mut Tx<'_>, seq: i64) -> Result<HashSet<String>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        mark: String,
    }
    let query = format!(
        "SELECT jsonb_array_elements_text(marked.marks) AS mark FROM (SELECT detail -> '{REAPPLIED}' AS marks \
         FROM audit_events WHERE seq > $1 AND kind IN ({}) ORDER BY seq DESC LIMIT $2) marked \
         WHERE jsonb_typeof(marked.marks) = 'array'",
        statements::taking_kinds()
    );
    let rows: Vec<Row> = sql_query(query)
        .bind::<BigInt, _>(seq)
        .bind::<BigInt, _>(MAX_MARKED)
        .load(connection(tx)?)
        .map_err(from_diesel)?;
    Ok(rows.into_iter().map(|row| row.mark).collect())
}

fn connection<'t>(tx: &'t mut Tx<'_>) -> Result<&'t mut PgConnection, StoreError> {
    match &mut tx.0 {
        crate::tx::AnyConnection::Postgres(connection) => Ok(connection),
        #[cfg(feature = "sqlite")]
        crate::tx::AnyConnection::Sqlite(_) => Err(StoreError::Bug("a lease on SQLite".to_owned())),
    }
}

fn wall_now() -> UnixMillis {
    let millis = i64::try_from(clock::Reading::now().wall / 1000).unwrap_or(i64::MAX);
    UnixMillis::new(millis).unwrap_or(UnixMillis::MAX)
}
