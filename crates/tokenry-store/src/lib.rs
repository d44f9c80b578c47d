//! Persistence of personal access tokens on SQLite and PostgreSQL.
//!
//! This is the low-level crate below `tokenry-service`. **An embedder uses `tokenry-service`**, whose use cases authorize
//! each change and write the audit log; the queries here do neither.
//!
//! A [`Store`] runs units of work: [`Store::read`] on a consistent snapshot, [`Store::write`] in one transaction, which
//! returns after it is durable. The modules named after a noun contain the queries on it; each query takes the [`Tx`] of
//! its unit of work.
//!
//! Plaintext secrets cannot be named here: the crate does not depend on `tokenry-crypto`, which defines them.
//!
//! # Stability
//! Stable is what `tokenry-service` re-exports: [`DatabaseUrl`], [`UrlError`], [`StoreError`], [`StoreSettings`], the modules
//! [`grants`] and [`supervisor`], and the results [`audit::AuditEntry`], [`audit::AuditFilter`],
//! [`history::LossReport`], [`migrate::MigrationStatus`], [`nodes::Nodes`], [`replication::Replication`], [`rights::RoleRights`] and the counts in [`usage::summary`]. These types are
//! non-exhaustive where they may grow.
//!
//! Units of work, queries and all other types change together with the service, in any release. Their structs can be
//! constructed and matched completely, so that the service does not compile until it handles a new field.
//!
//! This is the only crate that names Diesel, and no public signature does: its version is not part of the interface.

mod backend;
mod bookkeeping;
mod convert;
mod credential;
mod database_errors;
#[cfg(feature = "postgres")]
mod direct;
mod error;
#[cfg(feature = "sqlite")]
mod file;
mod filter;
#[cfg(feature = "postgres")]
mod lease;
mod live;
#[cfg(feature = "postgres")]
mod lock_timeout;
mod macros;
mod moment;
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
mod steady_clock;
mod store;
mod tables;
mod tx;
mod url;
#[cfg(feature = "sqlite")]
mod writer;

pub mod audit;
pub mod cleanup;
pub mod clock;
pub mod grants;
pub mod history;
pub mod import;
pub mod instance;
pub mod migrate;
pub mod nodes;
pub mod proof;
pub mod replication;
pub mod retired;
pub mod rights;
pub mod session;
pub mod sign_in;
pub mod stored_settings;
pub mod supervisor;
pub mod token;
pub mod tombstone;
pub mod usage;
pub mod user;

pub use crate::{
    bookkeeping::Bookkeeping,
    credential::{Credential, RetiredCredential, StoredSecret},
    error::StoreError,
    moment::{Moment, ReadStamp},
    settings::StoreSettings,
    store::Store,
    tx::Tx,
    url::{DatabaseUrl, UrlError},
};

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("tokenry-store needs the feature `sqlite`, `postgres` or both");
