//! How long a unit of work on PostgreSQL waits for locks.
//!
//! The server bounds each wait, and a unit may wait several times: for a row twice, in the line of those who want it and
//! then for whoever has it, and for several rows. So that all of it together ends in time, each wait is given half of what
//! is left. The rest of a unit's time is not bounded by this: a long change is no wait.

use std::time::Duration;

use diesel::{
    AppearsOnTable, Expression, QueryResult, SelectableExpression,
    expression::{ValidGrouping, is_aggregate},
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::Bool,
};

/// What a wait is given beyond that, so that a unit that waited long for its connection is not refused for a lock that is
/// free in a moment.
const LEAST: Duration = Duration::from_millis(150);
/// The longest wait of a batch of reads. Beyond it, whoever watches the reading thread would give it up.
const LONGEST_READ: Duration = Duration::from_secs(2);

/// How long one wait may be when so much time is left.
pub(crate) fn one_wait(left: Duration) -> Duration {
    left / 2 + LEAST
}

/// The same for a batch of reads: whoever asks during one waits for its end first.
pub(crate) fn one_read(wait: Duration) -> Duration {
    one_wait(wait).min(LONGEST_READ)
}

/// Has the server bound the waits of a transaction, and remember how long they may be together.
pub(crate) fn begun(wait: Duration) -> String {
    format!(
        "set_config('lock_timeout', '{}', true), set_config('tokenry.wait', '{}', true)",
        one_wait(wait).as_millis(),
        wait.as_millis()
    )
}

/// A condition that is true, and has the server bound the waits that follow by what is left by now. Rows are locked after
/// the conditions of their query are tested.
#[derive(QueryId)]
pub(crate) struct InTime;

const IN_TIME: &str = "set_config('lock_timeout', (150 + greatest(0, \
     coalesce(nullif(current_setting('tokenry.wait', true), ''), '0')::int \
     - (extract(epoch FROM clock_timestamp() - transaction_timestamp()) * 1000)::int) / 2)::text, true) IS NOT NULL";

impl Expression for InTime {
    type SqlType = Bool;
}

impl<From> AppearsOnTable<From> for InTime {}
impl<From> SelectableExpression<From> for InTime {}

impl ValidGrouping<()> for InTime {
    type IsAggregate = is_aggregate::No;
}

impl QueryFragment<Pg> for InTime {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(IN_TIME);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_without_a_bound_and_two_of_them_end_in_time() {
        for millis in [0, 1, 300, 2000, 60_000] {
            let left = Duration::from_millis(millis);
            assert!(one_wait(left) >= LEAST, "zero would be no bound");
            assert!(one_wait(left) * 2 <= left + Duration::from_millis(500));
        }
        assert!(IN_TIME.contains(&format!("({} +", LEAST.as_millis())));
    }
}
