//! The reading thread.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use diesel::prelude::*;

use tokenry_domain::PublicId;

use super::{
    PendingRead, Read, ReadResult, Shared,
    connected::{Connected, Connection, Proven},
    delivery::{Kind, Reply, deliver},
    locked,
};
use crate::{
    database_errors::from_diesel,
    error::StoreError,
    retired::{RetiredCredentialRow, RetiredRow},
    schema::{personal_access_tokens as tokens, retired_secrets, users},
    supervisor::{Deadline, Importance, Stop, Work},
    token::row::{CredentialRow, SecretRow, TokenRow, stored_columns},
    user::UserRow,
};

/// The most reads in one statement.
const MAX_BATCH: usize = 256;

/// Starts the reading thread of this generation and stores its handle.
pub(super) fn start(
    shared: &Arc<Shared>,
    generation: u64,
    connected: Option<Connected>,
) -> Result<(), StoreError> {
    let connection = Connection::new(shared.clone(), connected);
    let reader = Reader { shared: shared.clone(), generation, connection };
    let worker = shared.workers.start("reader", Importance::Vital, reader)?;
    *locked(&shared.reader) = Some(worker);
    Ok(())
}

struct Reader {
    shared: Arc<Shared>,
    generation: u64,
    connection: Connection,
}

/// Rows by public id, or the error of the batch.
type Found<Row> = Result<HashMap<String, Result<Row, StoreError>>, StoreError>;
type Select<Row> = fn(&mut Connected, &[&str]) -> Result<Vec<(String, Row)>, StoreError>;

impl Work for Reader {
    fn run(&mut self, _: &Stop) {
        self.serve();
    }

    fn while_down(&mut self) {
        self.connection.close();
        let error = StoreError::Unavailable("the reader failed".to_owned());
        let mut in_flight = locked(&self.shared.in_flight);
        if in_flight.generation == self.generation {
            let reads = std::mem::take(&mut in_flight.reads);
            drop(in_flight);
            let pending = locked(&self.shared.pending);
            reads.into_iter().chain(pending.try_iter()).for_each(|read| read.fail(&error));
        }
    }
}

impl Drop for Reader {
    /// A thread that was replaced no longer hangs once it ends.
    fn drop(&mut self) {
        if locked(&self.shared.in_flight).generation != self.generation {
            self.shared.hanging.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Reader {
    fn serve(&mut self) {
        while let Some(batch) = self.next_batch() {
            let (current, retired) = public_ids(&batch);
            let shared = self.shared.clone();
            {
                let mut in_flight = locked(&shared.in_flight);
                in_flight.batch += 1;
                in_flight.reads = batch;
            }
            let mut current = self.find(&current, select_current);
            let mut retired = match &current {
                // A second query may fail as slowly as the first one.
                Err(error) => Err(error.clone()),
                Ok(_) => self.find(&retired, select_retired),
            };
            let batch = {
                let mut in_flight = locked(&shared.in_flight);
                if in_flight.generation != self.generation {
                    // The watchdog has replaced this thread and failed this batch.
                    return;
                }
                std::mem::take(&mut in_flight.reads)
            };
            let mut replies = Vec::with_capacity(batch.len());
            let mut batch = batch.into_iter().peekable();
            while let Some(read) = batch.next() {
                // Several requests for one token may share a batch; the last one takes the row without a copy.
                let is_last = batch.peek().is_none_or(|next| next.key() != read.key());
                replies.push(match read {
                    PendingRead::Current(Read { public_id, thread, answer }) => {
                        let row = row(&mut current, &public_id, is_last);
                        Reply { thread, kind: Kind::Current(answer, row) }
                    }
                    PendingRead::Retired(Read { public_id, thread, answer }) => {
                        let row = row(&mut retired, &public_id, is_last);
                        Reply { thread, kind: Kind::Retired(answer, row) }
                    }
                });
            }
            deliver(replies);
        }
    }

    /// Waits for a read and returns all queued reads, sorted by key; `None` once the queue is closed.
    fn next_batch(&self) -> Option<Vec<PendingRead>> {
        let pending = locked(&self.shared.pending);
        let first = pending.recv().ok()?;
        // Callers that are about to queue a read join this batch; without other runnable threads this is no delay.
        std::thread::yield_now();
        let mut batch: Vec<_> =
            std::iter::once(first).chain(pending.try_iter().take(MAX_BATCH - 1)).collect();
        batch.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
        Some(batch)
    }

    fn find<Row>(&mut self, public_ids: &[String], select: Select<Row>) -> Found<Row> {
        if public_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let all: Vec<&str> = public_ids.iter().map(String::as_str).collect();
        let found = match self.read(&all, select) {
            Ok(rows) => Ok(rows.into_iter().map(|(public_id, row)| (public_id, Ok(row))).collect()),
            // One corrupt row must not fail the other reads.
            Err(StoreError::Corrupt(_)) => all
                .iter()
                .filter_map(|public_id| match self.read(&[public_id], select) {
                    Ok(rows) => rows.into_iter().next().map(|(public_id, row)| Ok((public_id, Ok(row)))),
                    Err(error @ StoreError::Corrupt(_)) => Some(Ok(((*public_id).to_owned(), Err(error)))),
                    Err(error) => Some(Err(error)),
                })
                .collect(),
            Err(error) => Err(error),
        };
        if let Err(error) = &found {
            tracing::error!(%error, reads = public_ids.len(), "a batch of reads failed");
        }
        found
    }

    /// Reads a batch. A connection that failed while it was idle is replaced once, and the batch is read again; only a
    /// failure on a new connection is returned. A failure after the whole wait for a lock is not retried.
    fn read<Row>(
        &mut self,
        public_ids: &[&str],
        select: Select<Row>,
    ) -> Result<Vec<(String, Row)>, StoreError> {
        let deadline = Deadline::after(self.shared.one_wait);
        if let Some(connected) = self.connection.open() {
            match select(connected, public_ids) {
                Ok(found) => return Ok(found),
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
                Err(error) if deadline.left().is_zero() => return Err(error),
                Err(error) => tracing::warn!(%error, "the reader's connection failed and is replaced"),
            }
        }
        let found = select(self.connection.reopen()?, public_ids);
        if matches!(found, Err(StoreError::Unavailable(_) | StoreError::Unusable(_))) {
            self.connection.close();
        }
        found
    }
}

impl PendingRead {
    /// The sort key of a batch; reads of one row are adjacent.
    fn key(&self) -> (bool, &str) {
        match self {
            Self::Current(read) => (false, read.public_id.as_str()),
            Self::Retired(read) => (true, read.public_id.as_str()),
        }
    }
}

/// The distinct public ids of a sorted batch: of current and of retired secrets.
fn public_ids(batch: &[PendingRead]) -> (Vec<String>, Vec<String>) {
    let (mut current, mut retired) = (Vec::new(), Vec::new());
    for read in batch {
        match read {
            PendingRead::Current(read) => current.push(read.public_id.as_str().to_owned()),
            PendingRead::Retired(read) => retired.push(read.public_id.as_str().to_owned()),
        }
    }
    current.dedup();
    retired.dedup();
    (current, retired)
}

fn row<Row: Clone>(found: &mut Found<Row>, public_id: &PublicId, is_last: bool) -> ReadResult<Row> {
    match found {
        Ok(rows) if is_last => rows.remove(public_id.as_str()).transpose(),
        Ok(rows) => rows.get(public_id.as_str()).cloned().transpose(),
        Err(error) => Err(error.clone()),
    }
}

fn select_current(
    connected: &mut Connected,
    public_ids: &[&str],
) -> Result<Vec<(String, CredentialRow)>, StoreError> {
    let mut rows: Vec<CredentialRow> = tokens::table
        .inner_join(users::table)
        .filter(tokens::public_id.eq_any(public_ids))
        .filter(Proven(connected.session.marker()))
        .select((stored_columns!(), SecretRow::as_select(), UserRow::as_select()))
        .load(&mut connected.connection)
        .map_err(from_diesel)?;
    // Few tokens are inactive, so the others do not pay for the comparison with imports.
    let inactive: Vec<String> =
        rows.iter().filter(|row| row.0.may_be_activated()).map(|row| row.0.public_id.clone()).collect();
    if !inactive.is_empty() {
        rows.retain(|row| !row.0.may_be_activated());
        let compared: Vec<CredentialRow> = tokens::table
            .inner_join(users::table)
            .filter(tokens::public_id.eq_any(&inactive))
            .filter(Proven(connected.session.marker()))
            .select((TokenRow::as_select(), SecretRow::as_select(), UserRow::as_select()))
            .load(&mut connected.connection)
            .map_err(from_diesel)?;
        rows.extend(compared);
    }
    Ok(rows.into_iter().map(|row| (row.0.public_id.clone(), row)).collect())
}

fn select_retired(
    connected: &mut Connected,
    public_ids: &[&str],
) -> Result<Vec<(String, RetiredCredentialRow)>, StoreError> {
    let rows: Vec<RetiredCredentialRow> = retired_secrets::table
        .inner_join(tokens::table.inner_join(users::table))
        .filter(retired_secrets::public_id.eq_any(public_ids))
        .filter(Proven(connected.session.marker()))
        // A token with a retired secret is not as an import has stored it.
        .select((RetiredRow::as_select(), stored_columns!(), UserRow::as_select()))
        .load(&mut connected.connection)
        .map_err(from_diesel)?;
    Ok(rows.into_iter().map(|row| (row.0.public_id.clone(), row)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use diesel::{PgConnection, connection::SimpleConnection as _, sql_types::Text};
    use tokenry_testkit::TestDatabase;

    use super::*;
    use crate::{
        backend::{prepare_postgres, prepare_postgres_reader},
        pool::Manager,
    };

    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        text: String,
    }

    fn manager(
        db: &TestDatabase,
        prepare: fn(&mut PgConnection, Duration) -> QueryResult<()>,
    ) -> Manager<PgConnection> {
        let prepare = move |connection: &mut PgConnection| prepare(connection, Duration::from_secs(1));
        Manager::proven(db.url().to_owned(), Arc::default(), prepare)
    }

    fn plan(db: &TestDatabase, prepare: fn(&mut PgConnection, Duration) -> QueryResult<()>) -> String {
        let (mut connection, _) = manager(db, prepare).open_session().unwrap();
        let query = "EXPLAIN SELECT * FROM personal_access_tokens t JOIN users u ON u.id = t.user_id \
                     WHERE t.lookup = ANY(ARRAY['a', 'b', 'c'])";
        let lines: Vec<Line> = diesel::sql_query(query).load(&mut connection).unwrap();
        lines.into_iter().map(|line| line.text + "\n").collect()
    }

    #[test]
    fn a_batch_is_verified_in_the_same_statement_even_if_it_finds_nothing() {
        let Some(db) = TestDatabase::postgres() else { return };
        let public_id = db.token(&db.user("alice")).insert().public_id;
        let manager = manager(&db, prepare_postgres_reader);
        for (change, message) in [
            // A standby has this setting too.
            ("SET default_transaction_read_only = on", "read-only"),
            ("SELECT set_config('tokenry.session', 'another session', false)", "session pooling"),
            ("RESET ALL", "session pooling"),
        ] {
            for wanted in [public_id.as_str(), "unknown"] {
                let mut connected = Connected::new(manager.open_session().unwrap());
                assert_eq!(
                    select_current(&mut connected, &[wanted]).unwrap().len(),
                    usize::from(wanted != "unknown")
                );
                assert!(select_retired(&mut connected, &[wanted]).unwrap().is_empty());
                connected.connection.batch_execute(change).unwrap();
                for error in [
                    select_current(&mut connected, &[wanted]).map(drop).unwrap_err(),
                    select_retired(&mut connected, &[wanted]).map(drop).unwrap_err(),
                ] {
                    assert!(
                        matches!(&error, StoreError::Unavailable(text) if text.contains(message)),
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_batch_uses_the_index_where_the_planner_would_scan_the_table() {
        let Some(db) = TestDatabase::postgres() else { return };
        let owner = db.user("alice");
        (0..300).for_each(|_| drop(db.token(&owner).insert()));
        let (mut connection, _) = manager(&db, prepare_postgres).open_session().unwrap();
        diesel::sql_query("ANALYZE").execute(&mut connection).unwrap();
        assert!(plan(&db, prepare_postgres).contains("Seq Scan on personal_access_tokens"));
        let plan = plan(&db, prepare_postgres_reader);
        assert!(!plan.contains("Seq Scan") && plan.contains("personal_access_tokens_lookup_key"), "{plan}");
    }
}
