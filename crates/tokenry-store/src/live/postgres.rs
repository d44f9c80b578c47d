//! The batched reader of PostgreSQL: one thread and connection that reads whatever waits in few statements.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use diesel::{PgConnection, prelude::*};
use futures_channel::oneshot;
use tokenry_domain::Lookup;

use crate::{
    error::StoreError,
    live::{Credential, RetiredCredential},
    pool::Manager,
    retired::{self, RetiredCredentialRow, RetiredRow},
    schema::{personal_access_tokens as tokens, retired_secrets, users},
    token::row::{CredentialRow, SecretRow, TokenRow, credential},
    user::UserRow,
};

/// How many reads may wait; more are refused as unavailable.
const QUEUE: usize = 4096;
/// How many reads share one statement at most.
const BATCH: usize = 256;

pub(crate) struct BatchReader {
    // Behind a lock because dropping it stops the thread, and that takes it out.
    queue: Option<SyncSender<Waiting>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A read that waits, and where its answer goes.
enum Waiting {
    Current(Read<CredentialRow>),
    Retired(Read<RetiredCredentialRow>),
}

struct Read<Row> {
    lookup: Lookup,
    answer: oneshot::Sender<Answer<Row>>,
}

type Answer<T> = Result<Option<T>, StoreError>;

impl BatchReader {
    pub(crate) fn start(manager: Manager<PgConnection>) -> Result<Self, StoreError> {
        let connection = manager.open()?;
        let (queue, waiting) = sync_channel(QUEUE);
        let mut reader = Reader { manager, connection: Some(connection) };
        let thread = std::thread::Builder::new()
            .name("tokenry-reader".to_owned())
            .spawn(move || reader.serve(&waiting))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn current(&self, lookup: &Lookup) -> Answer<Credential> {
        self.read(lookup, Waiting::Current).await?.map(credential).transpose()
    }

    pub(crate) async fn retired(&self, lookup: &Lookup) -> Answer<RetiredCredential> {
        self.read(lookup, Waiting::Retired).await?.map(retired::credential).transpose()
    }

    /// Rows are taken apart by whoever asked, since the one thread that reads them is what all wait for.
    async fn read<Row>(&self, lookup: &Lookup, kind: fn(Read<Row>) -> Waiting) -> Answer<Row> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let read = kind(Read { lookup: lookup.clone(), answer });
        queue.try_send(read).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many reads are waiting".to_owned()),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for BatchReader {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the reader has stopped".to_owned())
}

struct Reader {
    manager: Manager<PgConnection>,
    connection: Option<PgConnection>,
}

/// Rows by the public id that they were found by.
type Found<Row> = HashMap<String, Row>;
type Select<Row> = fn(&mut PgConnection, &[&str]) -> Result<Found<Row>, StoreError>;

impl Reader {
    fn serve(&mut self, waiting: &Receiver<Waiting>) {
        while let Ok(first) = waiting.recv() {
            // Whoever is about to ask joins this batch; when nobody runs, this is no delay.
            std::thread::yield_now();
            let (mut current, mut retired) = (Vec::new(), Vec::new());
            for read in std::iter::once(first).chain(waiting.try_iter().take(BATCH - 1)) {
                match read {
                    Waiting::Current(read) => current.push(read),
                    Waiting::Retired(read) => retired.push(read),
                }
            }
            self.answer(current, select_current);
            self.answer(retired, select_retired);
        }
    }

    fn answer<Row: Clone>(&mut self, mut batch: Vec<Read<Row>>, select: Select<Row>) {
        if batch.is_empty() {
            return;
        }
        // Several requests with one token may share a batch; side by side the last of them is given the row itself.
        batch.sort_unstable_by(|a, b| a.lookup.cmp(&b.lookup));
        let mut lookups: Vec<&str> = batch.iter().map(|read| read.lookup.as_str()).collect();
        lookups.dedup();
        match self.read(&lookups, select) {
            Ok(mut found) => {
                let mut batch = batch.into_iter().peekable();
                while let Some(Read { lookup, answer }) = batch.next() {
                    let is_last = batch.peek().is_none_or(|next| next.lookup != lookup);
                    let row = match is_last {
                        true => found.remove(lookup.as_str()),
                        false => found.get(lookup.as_str()).cloned(),
                    };
                    let _ = answer.send(Ok(row));
                }
            }
            // One row that cannot be read must not refuse the others.
            Err(StoreError::Corrupt(_)) if batch.len() > 1 => {
                for Read { lookup, answer } in batch {
                    let found = self.read(&[lookup.as_str()], select);
                    let _ = answer.send(found.map(|mut found| found.remove(lookup.as_str())));
                }
            }
            Err(error) => {
                tracing::error!(%error, reads = batch.len(), "a batch of reads failed");
                for Read { answer, .. } in batch {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Reads a batch. A connection that died while it was idle is replaced once, and only a failure on a fresh one
    /// is an answer; reading twice does no harm.
    fn read<Row>(&mut self, lookups: &[&str], select: Select<Row>) -> Result<Found<Row>, StoreError> {
        if let Some(connection) = &mut self.connection {
            match select(connection, lookups) {
                Ok(found) => return Ok(found),
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "the reader's connection failed and is replaced");
                    self.connection = None;
                }
            }
        }
        let mut connection = self.manager.open()?;
        let found = select(&mut connection, lookups);
        if !matches!(found, Err(StoreError::Unavailable(_))) {
            self.connection = Some(connection);
        }
        found
    }
}

fn select_current(
    connection: &mut PgConnection,
    lookups: &[&str],
) -> Result<Found<CredentialRow>, StoreError> {
    let rows: Vec<CredentialRow> = tokens::table
        .inner_join(users::table)
        .filter(tokens::lookup.eq_any(lookups))
        .select((TokenRow::as_select(), SecretRow::as_select(), UserRow::as_select()))
        .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.0.lookup.clone(), row)).collect())
}

fn select_retired(
    connection: &mut PgConnection,
    lookups: &[&str],
) -> Result<Found<RetiredCredentialRow>, StoreError> {
    let rows: Vec<RetiredCredentialRow> = retired_secrets::table
        .inner_join(tokens::table.inner_join(users::table))
        .filter(retired_secrets::lookup.eq_any(lookups))
        .select((RetiredRow::as_select(), TokenRow::as_select(), UserRow::as_select()))
        .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.0.lookup.clone(), row)).collect())
}
