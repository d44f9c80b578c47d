//! Persistence of personal access tokens on SQLite and PostgreSQL.
//!
//! This is the only crate that names Diesel. A [`Store`] runs units of work: [`Store::read`] on a consistent snapshot,
//! [`Store::write`] in one transaction, which returns after it is durable. The modules named after a noun contain the
//! queries on it; each query takes the [`Tx`] of its unit of work.
//!
//! Plaintext secrets cannot be named here: the crate does not depend on `tokenry-crypto`, which defines them.

mod backend;
mod convert;
mod credential;
mod database_errors;
#[cfg(feature = "sqlite")]
mod file;
mod filter;
mod live;
#[cfg(feature = "postgres")]
mod lock_timeout;
mod macros;
mod page;
mod pool;
#[cfg(feature = "postgres")]
mod primary;
mod probe;
#[allow(unreachable_pub, reason = "`table!` makes public modules")]
mod schema;
#[cfg(feature = "postgres")]
mod session_check;
mod settings;
#[cfg(feature = "sqlite")]
mod shared_lock;
#[allow(unreachable_pub, reason = "`table!` makes public modules, which may not name narrower types")]
mod sql_types;
mod store;
mod tables;
mod tx;
#[cfg(feature = "sqlite")]
mod writer;

pub mod audit;
pub mod bookkeeping;
pub mod cleanup;
pub mod clock;
pub mod error;
pub mod grants;
pub mod instance;
pub mod migrate;
pub mod proof;
pub mod retired;
pub mod rights;
pub mod session;
pub mod stored_settings;
pub mod supervisor;
pub mod token;
pub mod tombstone;
pub mod url;
pub mod usage;
pub mod user;

pub use crate::{
    bookkeeping::Bookkeeping,
    credential::{Credential, RetiredCredential, StoredSecret},
    error::StoreError,
    settings::StoreSettings,
    store::Store,
    tx::Tx,
    url::DatabaseUrl,
};

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("tokenry-store needs the feature `sqlite`, `postgres` or both");
