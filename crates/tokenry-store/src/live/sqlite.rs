//! The live reader of SQLite: each thread reads on a connection that is, in all but rare cases, its own.

use std::{
    cell::Cell,
    num::NonZero,
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
};

use diesel::SqliteConnection;

use crate::{backend::Tx, error::StoreError, pin::PinRequests, pool::Manager};

/// Connections that are opened when they are first used. A thread comes back to the place it used before, so that
/// workers do not meet; a pool would hand connections around under one lock.
pub(crate) struct SqliteReader {
    places: Box<[Mutex<Option<SqliteConnection>>]>,
    manager: Manager<SqliteConnection>,
    pin: PinRequests,
}

impl SqliteReader {
    /// At most `connections`, or one for each core if that is more.
    pub(crate) fn new(manager: Manager<SqliteConnection>, connections: u32, pin: PinRequests) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let places = cores.max(usize::try_from(connections).unwrap_or(cores));
        Self { places: (0..places).map(|_| Mutex::default()).collect(), manager, pin }
    }

    /// A read of one statement, at once and on this thread. A connection that fails is thrown away.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut place = self.place();
        let connection = match &mut *place {
            Some(connection) => connection,
            empty => empty.insert(self.manager.open()?),
        };
        let result = read(&mut Tx::Sqlite(connection));
        if matches!(result, Err(StoreError::Unavailable(_))) {
            *place = None;
        }
        self.pin.ask();
        result
    }

    fn place(&self) -> MutexGuard<'_, Option<SqliteConnection>> {
        let own = own_place() % self.places.len();
        let (before, after) = self.places.split_at(own);
        let free = after.iter().chain(before).find_map(|place| match place.try_lock() {
            Ok(place) => Some(place),
            Err(TryLockError::Poisoned(poisoned)) => Some(emptied(poisoned)),
            Err(TryLockError::WouldBlock) => None,
        });
        // More threads than places: wait for the own one.
        free.unwrap_or_else(|| match after {
            [own, ..] => own.lock().unwrap_or_else(emptied),
            [] => unreachable!("a remainder is less than the length"),
        })
    }
}

/// A connection that a panic left behind is not used.
fn emptied<'a>(
    poisoned: PoisonError<MutexGuard<'a, Option<SqliteConnection>>>,
) -> MutexGuard<'a, Option<SqliteConnection>> {
    let mut place = poisoned.into_inner();
    *place = None;
    place
}

/// A number of this thread, handed out one after another.
fn own_place() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
    }
    OWN.get()
}
