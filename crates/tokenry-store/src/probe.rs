//! Units of work that check the database without changing it.

use diesel::prelude::*;

use crate::{error::StoreError, macros::on, schema::instance, store::Store, tx::Tx};

/// The outcome of a unit that is always rolled back.
enum RolledBack {
    AsPlanned,
    Failed(StoreError),
}

impl From<StoreError> for RolledBack {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// Checks that units of work can read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn check_reading(&self) -> Result<(), StoreError> {
        self.read(|tx| on!(tx, |c| instance::table.select(instance::id).get_result::<i32>(c)).map(drop))
    }

    /// Checks that units of work can write, with a unit that deletes no row and is rolled back. It takes the same path as
    /// every write, including the lock of a SQLite file, and fails on a server that is read-only or a standby.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn check_writing(&self) -> Result<(), StoreError> {
        let result: Result<(), RolledBack> = self.run_once(|tx: &mut Tx<'_>| {
            on!(tx, |c| diesel::sql_query("DELETE FROM sessions WHERE 1 = 0").execute(c))?;
            Err(RolledBack::AsPlanned)
        });
        match result {
            Ok(()) | Err(RolledBack::AsPlanned) => Ok(()),
            Err(RolledBack::Failed(error)) => Err(error),
        }
    }
}
