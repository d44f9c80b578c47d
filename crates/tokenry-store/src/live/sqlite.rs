//! The live reader of SQLite: each thread normally reads on its own connection.

use std::{
    cell::Cell,
    num::NonZero,
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
};

use diesel::{
    SqliteConnection,
    connection::DefaultLoadingMode,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::BigInt,
    sqlite::Sqlite,
};
use tokenry_domain::PublicId;

use crate::{
    credential::{Credential, RetiredCredential},
    database_errors::from_diesel,
    error::StoreError,
    pool::Manager,
    retired::{self, RetiredCredentialRow, RetiredRow},
    schema::{personal_access_tokens as tokens, retired_secrets, users},
    shared_lock::SharedLockRequests,
    token::row::{CredentialRow, SecretRow, TokenRow, credential},
    user::UserRow,
};

/// Connections that are opened on first use. Each thread prefers the slot that it used before, so threads do not contend;
/// a pool would take one lock for every checkout.
pub(crate) struct SqliteReader {
    slots: Box<[Mutex<Option<Reader>>]>,
    manager: Manager<SqliteConnection>,
    shared_lock: SharedLockRequests,
}

/// A connection and what it last saw of the file.
struct Reader {
    connection: SqliteConnection,
    seen: Option<Seen>,
}

/// The content of the file at the last look.
#[derive(Clone, Copy)]
struct Seen {
    /// Changes with every commit of another connection; a number of this connection only.
    data_version: i64,
    /// Names the content of the rows that verification depends on.
    row_version: i64,
}

impl SqliteReader {
    /// Creates slots for `connections`, or one per core if that is more.
    pub(crate) fn new(
        manager: Manager<SqliteConnection>,
        connections: u32,
        shared_lock: SharedLockRequests,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let slots = cores.max(usize::try_from(connections).unwrap_or(cores));
        Self { slots: (0..slots).map(|_| Mutex::default()).collect(), manager, shared_lock }
    }

    pub(crate) fn current(&self, public_id: &PublicId) -> Result<Option<Credential>, StoreError> {
        self.read(|connection| nearest(connection, public_id))
    }

    pub(crate) fn retired(&self, public_id: &PublicId) -> Result<Option<RetiredCredential>, StoreError> {
        self.read(|connection| find_retired(connection, public_id))
    }

    /// Names the content of all rows that verification depends on, as of now.
    pub(crate) fn row_version(&self) -> Result<i64, StoreError> {
        self.on_reader(|reader| {
            let data_version: i64 = DataVersion.get_result(&mut reader.connection).map_err(from_diesel)?;
            if let Some(seen) = reader.seen.filter(|seen| seen.data_version == data_version) {
                return Ok(seen.row_version);
            }
            // Read after the look at the file, so that it is at least as new.
            let row_version = RowVersion.get_result(&mut reader.connection).map_err(from_diesel)?;
            reader.seen = Some(Seen { data_version, row_version });
            Ok(row_version)
        })
    }

    /// Reads on the calling thread. A connection that fails is discarded.
    fn read<T>(
        &self,
        read: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.on_reader(|reader| read(&mut reader.connection))
    }

    fn on_reader<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut slot = self.lock_slot();
        let reader = match &mut *slot {
            Some(reader) => reader,
            empty => empty.insert(Reader { connection: self.manager.open()?, seen: None }),
        };
        let result = read(reader);
        if matches!(result, Err(StoreError::Unavailable(_) | StoreError::Unusable(_))) {
            *slot = None;
        }
        self.shared_lock.request();
        result
    }

    fn lock_slot(&self) -> MutexGuard<'_, Option<Reader>> {
        let own = thread_index() % self.slots.len();
        let (before, after) = self.slots.split_at(own);
        let free = after.iter().chain(before).find_map(|slot| match slot.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(clear_slot(slot, poisoned)),
            Err(TryLockError::WouldBlock) => None,
        });
        // All slots are in use: wait for the thread's own slot.
        free.unwrap_or_else(|| match after {
            [own, ..] => own.lock().unwrap_or_else(|poisoned| clear_slot(own, poisoned)),
            [] => unreachable!("a remainder is less than the length"),
        })
    }
}

/// Discards the connection of a slot whose last user panicked.
fn clear_slot<'a>(
    slot: &Mutex<Option<Reader>>,
    poisoned: PoisonError<MutexGuard<'a, Option<Reader>>>,
) -> MutexGuard<'a, Option<Reader>> {
    let mut guard = poisoned.into_inner();
    *guard = None;
    slot.clear_poison();
    guard
}

/// SECURITY: reads the row at or after this public id, so that an unknown id costs as much as a known one, including
/// fetching and decoding a row. The values of a neighbouring row are not used.
fn nearest(
    connection: &mut SqliteConnection,
    public_id: &PublicId,
) -> Result<Option<Credential>, StoreError> {
    let first = tokens::table
        .inner_join(users::table)
        .filter(tokens::public_id.ge(public_id.as_str()))
        .order(tokens::public_id)
        .select((TokenRow::as_select(), SecretRow::as_select(), UserRow::as_select()))
        // No LIMIT, which SQLite would plan again for each read; only the first row is fetched.
        .load_iter::<CredentialRow, DefaultLoadingMode>(connection)
        .map_err(from_diesel)?
        .next();
    match first {
        Some(Ok(row)) => {
            let is_match = row.0.public_id == public_id.as_str();
            let found = credential(row);
            if is_match { found.map(Some) } else { Ok(None) }
        }
        // The unreadable row may be the neighbour.
        Some(Err(_)) => exact(connection, public_id),
        None => Ok(None),
    }
}

fn exact(connection: &mut SqliteConnection, public_id: &PublicId) -> Result<Option<Credential>, StoreError> {
    tokens::table
        .inner_join(users::table)
        .filter(tokens::public_id.eq(public_id.as_str()))
        .select((TokenRow::as_select(), SecretRow::as_select(), UserRow::as_select()))
        .get_result::<CredentialRow>(connection)
        .optional()
        .map_err(from_diesel)?
        .map(credential)
        .transpose()
}

fn find_retired(
    connection: &mut SqliteConnection,
    public_id: &PublicId,
) -> Result<Option<RetiredCredential>, StoreError> {
    // Nearly all requested ids have no retired secret, so the cheap query comes first.
    let id = retired_secrets::table
        .filter(retired_secrets::public_id.eq(public_id.as_str()))
        .select(retired_secrets::public_id)
        .get_result::<String>(connection)
        .optional()
        .map_err(from_diesel)?;
    if id.is_none() {
        return Ok(None);
    }
    retired_secrets::table
        .inner_join(tokens::table.inner_join(users::table))
        .filter(retired_secrets::public_id.eq(public_id.as_str()))
        .select((RetiredRow::as_select(), TokenRow::as_select(), UserRow::as_select()))
        .get_result::<RetiredCredentialRow>(connection)
        .optional()
        .map_err(from_diesel)?
        .map(retired::credential)
        .transpose()
}

/// A query of one number whose statement is kept.
macro_rules! number_query {
    ($(#[$doc:meta])* $name:ident, $sql:literal) => {
        $(#[$doc])*
        #[derive(QueryId)]
        struct $name;

        impl QueryFragment<Sqlite> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> diesel::QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }

        impl Query for $name {
            type SqlType = BigInt;
        }

        impl RunQueryDsl<SqliteConnection> for $name {}
    };
}

number_query!(
    /// See <https://sqlite.org/pragma.html#pragma_data_version>.
    DataVersion,
    "PRAGMA data_version"
);
number_query!(RowVersion, "SELECT row_version FROM instance");

/// The sequence number of the calling thread.
fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static INDEX: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    INDEX.get()
}
