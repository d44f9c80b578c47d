//! What a PostgreSQL server does and uses.

use std::fs;

use anyhow::{Context, Result};
use tokenry_testkit::TestDatabase;

use crate::database::{Backend, Database};

/// The server of a database.
pub(crate) struct Postgres {
    database: TestDatabase,
    /// The process that starts all others of the server.
    postmaster: u32,
}

impl Postgres {
    /// The server of this database; `None` on SQLite.
    pub(crate) fn of(database: &Database) -> Result<Option<Self>> {
        if database.backend() == Backend::Sqlite {
            return Ok(None);
        }
        let database = TestDatabase::at(database.url.clone());
        let child =
            number(&database, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")?;
        let postmaster = u32::try_from(stat(u32::try_from(child)?)?.parent)?;
        Ok(Some(Self { database, postmaster }))
    }

    /// Processor time of all processes of the server so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // Processes end while they are listed.
            let Ok(found) = stat(pid) else { continue };
            if pid == self.postmaster {
                ticks += found.own + found.ended_children;
            } else if u64::from(self.postmaster) == found.parent {
                ticks += found.own;
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let ticks = ticks as f64;
        Ok(ticks / 100.0)
    }

    /// Transactions in the database so far.
    pub(crate) fn transactions(&self) -> Result<i64> {
        number(
            &self.database,
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()",
        )
    }
}

fn number(database: &TestDatabase, query: &str) -> Result<i64> {
    let texts = database.texts(query);
    Ok(texts.first().context("no row")?.parse()?)
}

/// Facts about a process.
struct Stat {
    parent: u64,
    /// Processor time in hundredths of a second.
    own: u64,
    /// That of its children that have ended.
    ended_children: u64,
}

fn stat(pid: u32) -> Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain spaces.
    let (_, rest) = text.rsplit_once(')').context("no name")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let field = |index: usize| -> Result<u64> { Ok(fields.get(index).context("too short")?.parse()?) };
    Ok(Stat { parent: field(1)?, own: field(11)? + field(12)?, ended_children: field(13)? + field(14)? })
}
