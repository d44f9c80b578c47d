//! Units of work that prove something and change nothing.

use diesel::prelude::*;

use crate::{
    backend::{Store, Tx},
    error::StoreError,
    macros::on,
    schema::instance,
};

/// How a unit that must leave nothing behind ends.
enum Undone {
    AsPlanned,
    Failed(StoreError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// Proves that units of work can read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn check_reading(&self) -> Result<(), StoreError> {
        self.read(|tx| {
            on!(tx, |c| instance::table.select(instance::id).get_result::<i32>(c))?;
            Ok(())
        })
    }

    /// Proves that units of work can write, by one that asks for no row and is rolled back: it takes the way of every
    /// write, the lock of a SQLite file included, and fails on a server that is read-only or a standby.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn check_writing(&self) -> Result<(), StoreError> {
        let result: Result<(), Undone> = self.run_once(|tx: &mut Tx<'_>| {
            on!(tx, |c| diesel::sql_query("DELETE FROM sessions WHERE 1 = 0").execute(c))
                .map_err(StoreError::from)?;
            Err(Undone::AsPlanned)
        });
        match result {
            Ok(()) | Err(Undone::AsPlanned) => Ok(()),
            Err(Undone::Failed(error)) => Err(error),
        }
    }
}
