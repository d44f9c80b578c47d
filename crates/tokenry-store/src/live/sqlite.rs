//! The live reader of SQLite: each thread reads on a connection that is, in all but rare cases, its own.

use std::{
    cell::Cell,
    num::NonZero,
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
};

use diesel::{SqliteConnection, connection::DefaultLoadingMode, prelude::*};
use tokenry_domain::PublicId;

use crate::{
    error::StoreError,
    live::{Credential, RetiredCredential},
    pool::Manager,
    retired::{self, RetiredCredentialRow, RetiredRow},
    schema::{personal_access_tokens as tokens, retired_secrets, users},
    shared_lock::SharedLockRequests,
    token::row::{CredentialRow, SecretRow, TokenRow, credential},
    user::UserRow,
};

/// Connections that are opened when they are first used. A thread comes back to the place it used before, so that
/// workers do not meet; a pool would hand connections around under one lock.
pub(crate) struct SqliteReader {
    places: Box<[Mutex<Option<SqliteConnection>>]>,
    manager: Manager<SqliteConnection>,
    pin: SharedLockRequests,
}

impl SqliteReader {
    /// At most `connections`, or one for each core if that is more.
    pub(crate) fn new(manager: Manager<SqliteConnection>, connections: u32, pin: SharedLockRequests) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let places = cores.max(usize::try_from(connections).unwrap_or(cores));
        Self { places: (0..places).map(|_| Mutex::default()).collect(), manager, pin }
    }

    pub(crate) fn current(&self, public_id: &PublicId) -> Result<Option<Credential>, StoreError> {
        self.read(|connection| nearest(connection, public_id))
    }

    pub(crate) fn retired(&self, public_id: &PublicId) -> Result<Option<RetiredCredential>, StoreError> {
        self.read(|connection| find_retired(connection, public_id))
    }

    /// A read at once and on this thread. A connection that fails is thrown away.
    fn read<T>(
        &self,
        read: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut place = self.place();
        let connection = match &mut *place {
            Some(connection) => connection,
            empty => empty.insert(self.manager.open()?),
        };
        let result = read(connection);
        if matches!(result, Err(StoreError::Unavailable(_) | StoreError::Unusable(_))) {
            *place = None;
        }
        self.pin.ask();
        result
    }

    fn place(&self) -> MutexGuard<'_, Option<SqliteConnection>> {
        let own = own_slot() % self.places.len();
        let (before, after) = self.places.split_at(own);
        let free = after.iter().chain(before).find_map(|place| match place.try_lock() {
            Ok(place) => Some(place),
            Err(TryLockError::Poisoned(poisoned)) => Some(emptied(place, poisoned)),
            Err(TryLockError::WouldBlock) => None,
        });
        // More threads than places: wait for the own one.
        free.unwrap_or_else(|| match after {
            [own, ..] => own.lock().unwrap_or_else(|poisoned| emptied(own, poisoned)),
            [] => unreachable!("a remainder is less than the length"),
        })
    }
}

/// A connection that a panic left behind is not used.
fn emptied<'a>(
    own: &Mutex<Option<SqliteConnection>>,
    poisoned: PoisonError<MutexGuard<'a, Option<SqliteConnection>>>,
) -> MutexGuard<'a, Option<SqliteConnection>> {
    let mut place = poisoned.into_inner();
    *place = None;
    own.clear_poison();
    place
}

/// SECURITY: reads the row at or after this public id, so that an unknown one costs what a known one does, to the row
/// that is fetched and taken apart. What a neighbour holds is not looked at.
fn nearest(
    connection: &mut SqliteConnection,
    public_id: &PublicId,
) -> Result<Option<Credential>, StoreError> {
    let first = tokens::table
        .inner_join(users::table)
        .filter(tokens::public_id.ge(public_id.as_str()))
        .order(tokens::public_id)
        .select((TokenRow::as_select(), SecretRow::as_select(), UserRow::as_select()))
        // Without a limit, which SQLite would plan anew for each read; only the first row is stepped to.
        .load_iter::<CredentialRow, DefaultLoadingMode>(connection)?
        .next();
    match first {
        Some(Ok(row)) => {
            let is_it = row.0.public_id == public_id.as_str();
            let found = credential(row);
            if is_it { found.map(Some) } else { Ok(None) }
        }
        // It may be the neighbour that cannot be read.
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
        .optional()?
        .map(credential)
        .transpose()
}

fn find_retired(
    connection: &mut SqliteConnection,
    public_id: &PublicId,
) -> Result<Option<RetiredCredential>, StoreError> {
    // Nearly all that are asked for are none: the small question first.
    let is_there = retired_secrets::table
        .filter(retired_secrets::public_id.eq(public_id.as_str()))
        .select(retired_secrets::public_id)
        .get_result::<String>(connection)
        .optional()?;
    if is_there.is_none() {
        return Ok(None);
    }
    retired_secrets::table
        .inner_join(tokens::table.inner_join(users::table))
        .filter(retired_secrets::public_id.eq(public_id.as_str()))
        .select((RetiredRow::as_select(), TokenRow::as_select(), UserRow::as_select()))
        .get_result::<RetiredCredentialRow>(connection)
        .optional()?
        .map(retired::credential)
        .transpose()
}

/// A number of this thread, handed out one after another.
fn own_slot() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
    }
    OWN.get()
}
