//! Whether an answered change survives a failover of PostgreSQL.

#[cfg(feature = "postgres")]
use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Bool},
};

#[cfg(feature = "postgres")]
use crate::database_errors::from_diesel;
use crate::{error::StoreError, store::Store, tx::AnyConnection};

/// How a PostgreSQL server replicates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// How many standbys and other programs receive its log. An ordinary role sees only their number.
    pub receivers: u64,
    /// Whether commits wait for standbys: `synchronous_standby_names` is set.
    pub is_synchronous: bool,
}

impl Replication {
    /// What may lose answered changes, as a sentence for an operator; `None` if nothing is known to.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        (self.receivers > 0 && !self.is_synchronous).then(|| {
            format!(
                "all standbys are asynchronous ({} connected, synchronous_standby_names is empty): a failover loses \
                 answered changes, also revocations",
                self.receivers
            )
        })
    }
}

impl Store {
    /// How the server replicates; `None` on SQLite.
    ///
    /// # Errors
    /// [`StoreError`], also on a server that is only compatible with PostgreSQL and does not tell.
    pub fn replication(&self) -> Result<Option<Replication>, StoreError> {
        self.read(|tx| match &mut tx.0 {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(c) => {
                let query = "SELECT (SELECT count(*) FROM pg_stat_replication) AS receivers, \
                             current_setting('synchronous_standby_names') <> '' AS is_synchronous";
                let row: Row = sql_query(query).get_result(&mut **c).map_err(from_diesel)?;
                Ok(Some(Replication {
                    receivers: u64::try_from(row.receivers).unwrap_or(0),
                    is_synchronous: row.is_synchronous,
                }))
            }
        })
    }
}

#[cfg(feature = "postgres")]
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    receivers: i64,
    #[diesel(sql_type = Bool)]
    is_synchronous: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standbys_that_are_all_asynchronous_are_a_warning() {
        let warning = |receivers, is_synchronous| Replication { receivers, is_synchronous }.warning();
        assert!(warning(2, false).unwrap().contains("all standbys are asynchronous (2 connected"));
        assert_eq!([warning(0, false), warning(0, true), warning(2, true)], [None, None, None]);
    }
}
