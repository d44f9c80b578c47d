//! For tests only: a new migrated database for each test on every backend, and builders for its rows.
#![allow(clippy::disallowed_methods, reason = "tests read the environment for the server they run against")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot be set up fails or prints why it is skipped"
)]

mod builder;
mod cluster;
mod contents;
mod database;
mod fake_server;
mod floating_address;
pub mod http;
mod lock_holder;
mod open;
mod pooler;
mod postgres;
pub mod programs;
mod relay;
mod role;

pub use crate::{
    builder::{TokenBuilder, at, user},
    cluster::Cluster,
    contents::Column,
    database::TestDatabase,
    fake_server::{FakeServer, StartupMessage},
    floating_address::FloatingAddress,
    lock_holder::LockHolder,
    pooler::Pooler,
    postgres::{create_database, postgres_server},
    relay::Relay,
    role::TestRole,
};

/// One test text, run on a new database of each backend: `each_backend!(claim, |db| { … })` defines the tests
/// `claim::sqlite` and `claim::postgres`, where `db` is a [`TestDatabase`].
///
/// Without a PostgreSQL server (`TOKENRY_TEST_POSTGRES_URL`) the second prints that and does nothing, except under `CI`,
/// where it fails.
#[macro_export]
macro_rules! each_backend {
    ($(#[$meta:meta])* $name:ident, |$db:ident| $body:block) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs its module's names")]
            use super::*;

            fn text($db: &$crate::TestDatabase) $body

            #[test]
            fn sqlite() {
                text(&$crate::TestDatabase::sqlite());
            }

            #[test]
            fn postgres() {
                if let Some(db) = $crate::TestDatabase::postgres() {
                    text(&db);
                }
            }
        }
    };
}
