//! Whether an answered change survives a failover of PostgreSQL.

#[cfg(feature = "postgres")]
use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Bool, Text},
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
    /// The value of `synchronous_commit` that sessions of this role in this database begin with. Tokenry raises it for its
    /// own.
    pub synchronous_commit: String,
}

impl Replication {
    /// What may lose answered changes, as a sentence for an operator; `None` if nothing is known to.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let asynchronous = (self.receivers > 0 && !self.is_synchronous).then(|| {
            format!(
                "all standbys are asynchronous ({} connected, synchronous_standby_names is empty): a failover loses \
                 answered changes, also revocations",
                self.receivers
            )
        });
        let unsafe_commit = matches!(self.synchronous_commit.as_str(), "off" | "local").then(|| {
            format!(
                "synchronous_commit is {} for this role or database: changes past Tokenry, whose own sessions set it to on, \
                 may be lost",
                self.synchronous_commit
            )
        });
        match (asynchronous, unsafe_commit) {
            (Some(first), Some(second)) => Some(format!("{first}; {second}")),
            (first, second) => first.or(second),
        }
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
                             current_setting('synchronous_standby_names') <> '' AS is_synchronous, \
                             (SELECT coalesce(reset_val, setting) FROM pg_settings WHERE name = 'synchronous_commit') \
                             AS synchronous_commit";
                let row: Row = sql_query(query).get_result(&mut **c).map_err(from_diesel)?;
                Ok(Some(Replication {
                    receivers: u64::try_from(row.receivers).unwrap_or(0),
                    is_synchronous: row.is_synchronous,
                    synchronous_commit: row.synchronous_commit,
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
    #[diesel(sql_type = Text)]
    synchronous_commit: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(receivers: u64, is_synchronous: bool, commit: &str) -> Option<String> {
        Replication { receivers, is_synchronous, synchronous_commit: commit.to_owned() }.warning()
    }

    #[test]
    fn asynchronous_standbys_and_unsafe_commits_are_named() {
        for commit in ["on", "remote_apply", "remote_write"] {
            assert_eq!(warning(0, false, commit), None);
            assert_eq!(warning(2, true, commit), None);
        }
        let text = warning(2, false, "on").unwrap();
        assert!(
            text.contains("all standbys are asynchronous (2 connected")
                && !text.contains("synchronous_commit")
        );
        let text = warning(1, false, "local").unwrap();
        assert!(text.contains("asynchronous (1") && text.contains("synchronous_commit is local"), "{text}");
        assert!(warning(0, false, "off").unwrap().starts_with("synchronous_commit is off"));
    }
}
