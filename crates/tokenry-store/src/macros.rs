//! Diesel expressions for both databases.

/// Runs a Diesel expression on the database of the unit of work; it is compiled once for each backend. Its error becomes a
/// [`StoreError`](crate::error::StoreError).
///
/// Inside, `Db` names the backend, for `into_boxed::<Db>()`.
macro_rules! on {
    ($tx:expr, |$c:ident| $query:expr) => {
        $crate::macros::on_backend!($tx, |$c| $query).map_err($crate::database_errors::from_diesel)
    };
}

/// Like [`on`], for an expression of any type.
macro_rules! on_backend {
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

/// Runs a query for at most one row and locks the row until the unit of work ends. On SQLite the transaction already
/// excludes all other writers.
macro_rules! lock_row {
    ($tx:expr, $query:expr, $Row:ty) => {
        match &mut $tx.0 {
            #[cfg(feature = "sqlite")]
            $crate::tx::AnyConnection::Sqlite(c) => {
                $query.select(<$Row>::as_select()).get_result::<$Row>(&mut **c).optional()
            }
            #[cfg(feature = "postgres")]
            $crate::tx::AnyConnection::Postgres(c) => $query
                .filter($crate::lock_timeout::RenewLockTimeout)
                .select(<$Row>::as_select())
                .for_update()
                .get_result::<$Row>(&mut **c)
                .optional(),
        }
        .map_err($crate::database_errors::from_diesel)
    };
}

/// Runs a query and locks its rows until the unit of work ends; with `skip_locked` it leaves out those that other
/// transactions have locked. On SQLite the transaction already excludes all other writers.
macro_rules! lock_rows {
    ($tx:expr, $query:expr $(, $skip_locked:ident)?) => {
        match &mut $tx.0 {
            #[cfg(feature = "sqlite")]
            $crate::tx::AnyConnection::Sqlite(c) => $query.load(&mut **c),
            #[cfg(feature = "postgres")]
            $crate::tx::AnyConnection::Postgres(c) => $query.for_update()$(.$skip_locked())?.load(&mut **c),
        }
        .map_err($crate::database_errors::from_diesel)
    };
}

pub(crate) use {lock_row, lock_rows, on, on_backend};
