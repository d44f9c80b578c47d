//! Bounds how long a unit of work on PostgreSQL waits for locks.
//!
//! The server bounds each single wait, but a unit may wait several times: twice for one row (first in the queue of
//! waiters, then for the holder), and for several rows. So that all waits together end in time, each wait may take half
//! of the remaining time. The bound applies to waits only: a long change without waits is not limited.

use std::time::Duration;

use diesel::{
    AppearsOnTable, Expression, QueryResult, SelectableExpression,
    expression::{ValidGrouping, is_aggregate},
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::Bool,
};

/// Added to every bound, so that a unit that waited long for its connection does not fail on a lock that becomes free in
/// a moment.
const MIN_WAIT: Duration = Duration::from_millis(150);
/// The longest wait of a batch of reads. After a longer one the watchdog would replace the reading thread.
const MAX_READ_WAIT: Duration = Duration::from_secs(2);

/// The bound of one wait, given the remaining time of the unit.
pub(crate) fn for_one_wait(remaining: Duration) -> Duration {
    remaining / 2 + MIN_WAIT
}

/// The bound of one wait of a batch of reads; reads that arrive during a batch wait for its end first.
pub(crate) fn for_one_read(wait: Duration) -> Duration {
    for_one_wait(wait).min(MAX_READ_WAIT)
}

/// SQL expressions that begin a unit: they bound the first wait of the transaction, store the bound of all its waits
/// together, and mark its changes as Tokenry's own, which its events tell the nodes.
pub(crate) fn initial_sql(wait: Duration) -> String {
    format!(
        "set_config('lock_timeout', '{}', true), set_config('tokenry.wait', '{}', true), \
         set_config('tokenry.unit', 'on', true)",
        for_one_wait(wait).as_millis(),
        wait.as_millis()
    )
}

/// A condition that is always true and lowers `lock_timeout` to the bound for the time that remains now. The server
/// evaluates it before it locks the rows of the query.
#[derive(QueryId)]
pub(crate) struct RenewLockTimeout;

const RENEW_SQL: &str = "set_config('lock_timeout', (150 + greatest(0, \
     coalesce(nullif(current_setting('tokenry.wait', true), ''), '0')::int \
     - (extract(epoch FROM clock_timestamp() - transaction_timestamp()) * 1000)::int) / 2)::text, true) IS NOT NULL";

impl Expression for RenewLockTimeout {
    type SqlType = Bool;
}

impl<From> AppearsOnTable<From> for RenewLockTimeout {}
impl<From> SelectableExpression<From> for RenewLockTimeout {}

impl ValidGrouping<()> for RenewLockTimeout {
    type IsAggregate = is_aggregate::No;
}

impl QueryFragment<Pg> for RenewLockTimeout {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(RENEW_SQL);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
    use tokenry_testkit::TestDatabase;

    use super::*;
    use crate::{
        error::StoreError,
        settings::StoreSettings,
        store::Store,
        tx::{AnyConnection, Tx},
        user,
    };

    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = Text)]
        text: String,
    }

    fn lock_timeout_millis(tx: &mut Tx<'_>) -> u32 {
        #[allow(irrefutable_let_patterns, reason = "without SQLite there is no other connection")]
        let AnyConnection::Postgres(c) = &mut tx.0 else { panic!("not PostgreSQL") };
        let query = sql_query("SELECT current_setting('lock_timeout') AS text");
        let setting: Setting = query.get_result(&mut **c).unwrap();
        setting.text.strip_suffix("ms").unwrap().parse().unwrap()
    }

    #[test]
    fn lock_timeout_is_set_at_the_start_of_a_unit_and_lowered_before_each_row_lock() {
        let Some(db) = TestDatabase::postgres() else { return };
        let owner = db.user("alice").id;
        let pool_wait = Duration::from_millis(300);
        let settings = StoreSettings::default().with_pool_wait(pool_wait);
        let store = Store::open(&db.url().parse().unwrap(), settings).unwrap();
        store
            .write(move |tx| -> Result<(), StoreError> {
                // Half of the remaining time plus the minimum.
                assert!((150..=300).contains(&lock_timeout_millis(tx)));
                std::thread::sleep(pool_wait);
                user::lock(tx, owner)?;
                assert_eq!(lock_timeout_millis(tx), 150);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn every_wait_is_bounded_and_two_waits_end_in_time() {
        for millis in [0, 1, 300, 2000, 60_000] {
            let remaining = Duration::from_millis(millis);
            assert!(for_one_wait(remaining) >= MIN_WAIT, "zero would disable lock_timeout");
            assert!(for_one_wait(remaining) * 2 <= remaining + Duration::from_millis(500));
        }
        assert!(RENEW_SQL.contains(&format!("({} +", MIN_WAIT.as_millis())));
    }
}
