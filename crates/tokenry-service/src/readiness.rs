//! Readiness checks of an installation.
//!
//! To add a check of the database, add a row to `CHECKS`; the embedding program adds its own checks with
//! [`Tokenry::add_check`](crate::Tokenry::add_check).

mod checks;
mod finding;
mod probe;

pub use self::finding::{Check, CheckState, Finding, Readiness};
pub(crate) use self::probe::Prober;
use self::probe::StoreCheck;

/// The checks of every installation, in display order.
pub(crate) const CHECKS: &[(&str, StoreCheck)] = &[
    ("reading", checks::reading),
    ("writing", checks::writing),
    ("verification", checks::verification),
    ("nodes", checks::nodes),
    ("migrations", checks::migrations),
    ("workers", checks::workers),
    ("history", checks::history),
    ("replication", checks::replication),
];
