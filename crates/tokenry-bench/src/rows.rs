//! The table of rows: measurements and their goals.

mod cleanup;
mod cold;
mod create;
mod flood;
mod guarded;
mod import;
mod list;
mod memory;
mod nodes;
mod oracle;
mod refused;
mod restart;
mod revoke;
mod revoke_wait;
mod scale;
mod scan;
mod start;

use anyhow::Result;

use crate::{
    bench::Bench,
    database::Backend,
    figure::{Goal, Outcome},
};

/// One row.
pub(crate) struct Row {
    /// Its name in the report and in `--rows`.
    pub(crate) id: &'static str,
    goals: [Goal; 2],
    pub(crate) run: fn(&Bench) -> Result<Outcome>,
}

impl Row {
    pub(crate) fn goal(&self, backend: Backend) -> Goal {
        let [sqlite, postgres] = self.goals;
        match backend {
            Backend::Sqlite => sqlite,
            Backend::Postgres => postgres,
        }
    }
}

const fn row(id: &'static str, goal: Goal, run: fn(&Bench) -> Result<Outcome>) -> Row {
    Row { id, goals: [goal, goal], run }
}

/// All rows, in the order of measurement.
pub(crate) const ROWS: &[Row] = &[
    row("guarded", Goal::Min(0.85), guarded::strict),
    row("guarded-stale", Goal::Min(0.85), guarded::stale),
    row("nodes", Goal::Min(0.8), nodes::together),
    row("node-idle", Goal::Max(1.0), nodes::idle),
    row("refused-checksum", Goal::Min(0.9), refused::checksum),
    row("refused-unknown", Goal::Min(0.5), refused::unknown),
    row("refused-secret", Goal::Min(0.85), refused::secret),
    row("flood", Goal::Max(2.0), flood::run),
    row("scale", Goal::Min(0.75), scale::run),
    row("cold", Goal::Max(1.0), cold::once),
    row("cold-always", Goal::Max(10.0), cold::always),
    row("cold-argon2id", Goal::Max(10.0), cold::argon2id),
    row("restart", Goal::Min(0.8), restart::run),
    row("create", Goal::Min(0.5), create::run),
    row("usage", Goal::Min(0.95), guarded::usage),
    row("list", Goal::Max(1.5), list::run),
    row("memory-idle", Goal::Max(20.0), memory::idle),
    row("memory-token", Goal::Max(1024.0), memory::token),
    row("start", Goal::Max(100.0), start::run),
    Row { id: "import", goals: [Goal::Min(20_000.0), Goal::Min(2_000.0)], run: import::run },
    row("import-wait", Goal::Max(1000.0), import::wait),
    row("cleanup", Goal::Max(1.5), cleanup::run),
    row("scan", Goal::Max(2.0), scan::run),
    row("oracle", Goal::Max(4.5), oracle::run),
    row("revoke", Goal::Max(0.0), revoke::run),
    row("revoke-wait", Goal::Max(25.0), revoke_wait::healthy),
    row("revoke-frozen", Goal::Max(2_300.0), revoke_wait::frozen),
];
