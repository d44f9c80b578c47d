//! The batched reader of PostgreSQL: one thread and connection that reads whatever waits in one statement.

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
    live::Credential,
    pool::Manager,
    schema::{personal_access_tokens as tokens, users},
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

struct Waiting {
    lookup: Lookup,
    answer: oneshot::Sender<Answer>,
}

type Answer = Result<Option<Credential>, StoreError>;

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

    pub(crate) async fn read(&self, lookup: &Lookup) -> Answer {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(Waiting { lookup: lookup.clone(), answer }).map_err(|error| match error {
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

impl Reader {
    fn serve(&mut self, waiting: &Receiver<Waiting>) {
        while let Ok(first) = waiting.recv() {
            let batch: Vec<Waiting> =
                std::iter::once(first).chain(waiting.try_iter().take(BATCH - 1)).collect();
            match self.read(&batch) {
                Ok(found) => {
                    for Waiting { lookup, answer } in batch {
                        // Several requests with one token may share a batch.
                        let _ = answer.send(found.get(lookup.as_str()).cloned().transpose());
                    }
                }
                // One row that cannot be read must not refuse the others.
                Err(StoreError::Corrupt(_)) if batch.len() > 1 => {
                    for Waiting { lookup, answer } in batch {
                        let one = [Waiting { lookup, answer: oneshot::channel().0 }];
                        let found = self.read(&one);
                        let [Waiting { lookup, .. }] = one;
                        let _ = answer
                            .send(found.and_then(|found| found.get(lookup.as_str()).cloned().transpose()));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, reads = batch.len(), "a batch of reads failed");
                    for Waiting { answer, .. } in batch {
                        let _ = answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Reads a batch. A connection that died while it was idle is replaced once, and only a failure on a fresh one
    /// is an answer; reading twice does no harm.
    fn read(
        &mut self,
        batch: &[Waiting],
    ) -> Result<HashMap<String, Result<Credential, StoreError>>, StoreError> {
        if let Some(connection) = &mut self.connection {
            match select(connection, batch) {
                Ok(found) => return Ok(found),
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "the reader's connection failed and is replaced");
                    self.connection = None;
                }
            }
        }
        let mut connection = self.manager.open()?;
        let found = select(&mut connection, batch);
        if !matches!(found, Err(StoreError::Unavailable(_))) {
            self.connection = Some(connection);
        }
        found
    }
}

fn select(
    connection: &mut PgConnection,
    batch: &[Waiting],
) -> Result<HashMap<String, Result<Credential, StoreError>>, StoreError> {
    let lookups: Vec<&str> = batch.iter().map(|waiting| waiting.lookup.as_str()).collect();
    let rows = tokens::table
        .inner_join(users::table)
        .filter(tokens::lookup.eq_any(lookups))
        .select((tokens::lookup, (TokenRow::as_select(), SecretRow::as_select(), UserRow::as_select())))
        .load::<(String, CredentialRow)>(connection)?;
    Ok(rows.into_iter().map(|(lookup, row)| (lookup, credential(row))).collect())
}
