//! One Diesel expression for both databases.

/// Runs a Diesel expression on the database of the unit of work; it is compiled once for each backend.
///
/// Inside, `Db` names the backend, for `into_boxed::<Db>()`.
macro_rules! on {
    ($tx:expr, |$c:ident| $query:expr) => {
        match &mut $tx.0 {
            #[cfg(feature = "sqlite")]
            $crate::tx::AnyConnection::Sqlite($c) => {
                #[allow(dead_code, reason = "only boxed queries name their backend")]
                type Db = diesel::sqlite::Sqlite;
                #[allow(unused_variables, reason = "a block may only need the backend's type")]
                let $c = &mut **$c;
                $query
            }
            #[cfg(feature = "postgres")]
            $crate::tx::AnyConnection::Postgres($c) => {
                #[allow(dead_code, reason = "only boxed queries name their backend")]
                type Db = diesel::pg::Pg;
                #[allow(unused_variables, reason = "a block may only need the backend's type")]
                let $c = &mut **$c;
                $query
            }
        }
    };
}

pub(crate) use on;
