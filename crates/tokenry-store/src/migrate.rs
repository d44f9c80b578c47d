//! Schema migrations, embedded in the program.

#[cfg(feature = "postgres")]
mod owner;

use std::time::Duration;

use diesel::{
    QueryableByName, RunQueryDsl,
    migration::{Migration, MigrationSource},
};
use diesel_migrations::{EmbeddedMigrations, MigrationError, MigrationHarness, embed_migrations};

use crate::{
    backend::{Store, Tx},
    error::StoreError,
    macros::on,
    sentences,
};

#[cfg(feature = "sqlite")]
const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// How long it is waited for the lock of a SQLite file: another process may be changing its tables.
const WAIT: Duration = Duration::from_secs(5);

/// One migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name of its directory, or its bare version if this program does not know it.
    pub name: String,
    /// Whether the database has it.
    pub is_applied: bool,
    /// Whether this program has it.
    pub is_known: bool,
}

impl Store {
    /// Brings the schema up to date in one transaction and returns the names of what was done. Nodes that start
    /// together wait for each other.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when a migration fails, this role may not make it, or the database is newer than this
    /// program; nothing is changed.
    pub fn migrate(&self) -> Result<Vec<String>, StoreError> {
        // By reading, so that a role that may change no table starts when there is nothing to change.
        let is_done = self.read(|tx| {
            let steps = steps(tx)?;
            refuse_newer(&steps)?;
            Ok::<_, StoreError>(are_applied(&steps) && is_marked(tx)?)
        })?;
        if is_done {
            return Ok(Vec::new());
        }
        self.waiting_at_least(WAIT).write(|tx| {
            lock(tx)?;
            let steps = steps(tx)?;
            refuse_newer(&steps)?;
            mark(tx)?;
            if are_applied(&steps) {
                // Another node was faster.
                return Ok(Vec::new());
            }
            demand_ownership(tx, &steps)?;
            on!(tx, |c| {
                let done = c.run_pending_migrations(Db::migrations()).map_err(failed)?;
                Ok(done.iter().map(ToString::to_string).collect())
            })
        })
    }

    /// Takes the newest migration back and returns its name; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when it fails or this program does not know it; nothing is changed.
    pub fn revert_migration(&self) -> Result<Option<String>, StoreError> {
        self.waiting_at_least(WAIT).write(|tx| {
            lock(tx)?;
            let steps = steps(tx)?;
            refuse_newer(&steps)?;
            if !steps.iter().any(|step| step.is_applied) {
                return Ok(None);
            }
            on!(tx, |c| {
                let version = c.revert_last_migration(Db::migrations()).map_err(failed)?.to_string();
                let name = steps.iter().map(|step| &step.name).find(|name| version_of(name) == version);
                Ok(Some(name.cloned().unwrap_or(version)))
            })
        })
    }

    /// All migrations, oldest first, and whether the database has them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn migrations(&self) -> Result<Vec<Step>, StoreError> {
        self.read(steps)
    }

    /// Whether the database answers and has exactly the schema of this program.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_ready(&self) -> Result<bool, StoreError> {
        let steps = self.migrations()?;
        Ok(are_applied(&steps) && steps.iter().all(|step| step.is_known))
    }
}

/// The migrations of one backend, so that `on!` can name them for the backend it runs on.
trait Migrations: diesel::backend::Backend {
    fn migrations() -> EmbeddedMigrations;
}

#[cfg(feature = "sqlite")]
impl Migrations for diesel::sqlite::Sqlite {
    fn migrations() -> EmbeddedMigrations {
        SQLITE
    }
}

#[cfg(feature = "postgres")]
impl Migrations for diesel::pg::Pg {
    fn migrations() -> EmbeddedMigrations {
        POSTGRES
    }
}

/// Keeps other nodes from migrating at the same time.
fn lock(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    match tx {
        // The unit is the only writer already, of this process and of any other.
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(_) => {}
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => {
            // Another node may take minutes.
            diesel::sql_query("SET LOCAL lock_timeout = 0").execute(&mut **c)?;
            diesel::sql_query("SET LOCAL statement_timeout = 0").execute(&mut **c)?;
            diesel::sql_query("SELECT pg_advisory_xact_lock(7165023184110537)").execute(&mut **c)?;
        }
    }
    Ok(())
}

/// Refuses a role that may not change the tables, before it tries.
fn demand_ownership(tx: &mut Tx<'_>, steps: &[Step]) -> Result<(), StoreError> {
    match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(_) => {
            let _ = steps;
            Ok(())
        }
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => owner::demand(c, steps),
    }
}

/// Marks a SQLite file as ours that was made before files were marked.
fn mark(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if is_marked(tx)? {
        return Ok(());
    }
    match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(c) => {
            let mark = format!("PRAGMA application_id = {}", crate::file::APPLICATION);
            diesel::sql_query(mark).execute(&mut **c)?;
        }
        #[cfg(feature = "postgres")]
        Tx::Postgres(_) => {}
    }
    Ok(())
}

/// Whether a SQLite file is marked as ours; on PostgreSQL there is no such mark.
fn is_marked(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(c) => Ok(crate::file::application(c)? == Some(crate::file::APPLICATION)),
        #[cfg(feature = "postgres")]
        Tx::Postgres(_) => Ok(true),
    }
}

fn are_applied(steps: &[Step]) -> bool {
    steps.iter().all(|step| step.is_applied)
}

fn steps(tx: &mut Tx<'_>) -> Result<Vec<Step>, StoreError> {
    let mut names: Vec<String> = on!(tx, |_c| names::<Db>(&Db::migrations()))?;
    names.sort();
    let applied = applied(tx)?;
    let mut steps: Vec<Step> = names
        .into_iter()
        .map(|name| Step { is_applied: applied.contains(&version_of(&name)), name, is_known: true })
        .collect();
    for version in applied {
        if !steps.iter().any(|step| version_of(&step.name) == version) {
            steps.push(Step { name: version, is_applied: true, is_known: false });
        }
    }
    Ok(steps)
}

fn names<Db: diesel::backend::Backend>(source: &impl MigrationSource<Db>) -> Result<Vec<String>, StoreError> {
    Ok(source.migrations().map_err(failed)?.iter().map(|migration| migration.name().to_string()).collect())
}

/// The versions that the database has, oldest first; none when it is empty. Asking creates nothing.
fn applied(tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    let exists = match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(_) => {
            "SELECT name AS version FROM sqlite_master WHERE name = '__diesel_schema_migrations'"
        }
        #[cfg(feature = "postgres")]
        Tx::Postgres(_) => {
            "SELECT relname::text AS version FROM pg_class WHERE oid = to_regclass('__diesel_schema_migrations')"
        }
    };
    let tables: Vec<Version> = on!(tx, |c| diesel::sql_query(exists).load(c))?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let query = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
    let versions: Vec<Version> = on!(tx, |c| diesel::sql_query(query).load(c))?;
    Ok(versions.into_iter().map(|row| row.version).collect())
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

fn refuse_newer(steps: &[Step]) -> Result<(), StoreError> {
    match steps.iter().find(|step| !step.is_known) {
        Some(step) => Err(StoreError::Unusable(format!(
            "the database has the migration {}, which this version of the program does not know: run a newer version",
            step.name
        ))),
        None => Ok(()),
    }
}

/// Diesel's version of a migration: the digits before the first underscore of its directory's name.
fn version_of(name: &str) -> String {
    name.split('_').next().unwrap_or_default().replace('-', "")
}

/// Diesel boxes what a migration failed of in a type of its own that it does not show, so only its words are left.
fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    let told = error.to_string();
    match sentences::known(&told) {
        Some(error) => error,
        None if error.is::<MigrationError>() => StoreError::Bug(format!("migration: {told}")),
        None => StoreError::Unusable(format!("a migration failed, and nothing was changed: {told}")),
    }
}
