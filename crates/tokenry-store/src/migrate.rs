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
    database_errors::{self, from_diesel},
    error::StoreError,
    macros::{on, on_backend},
    store::Store,
    tx::{AnyConnection, Tx},
};

#[cfg(feature = "sqlite")]
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The wait for the lock of a SQLite file, since another process may be migrating it.
const WAIT: Duration = Duration::from_secs(5);

/// One migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// The name of its directory, or its bare version if this program does not know it.
    pub name: String,
    /// Whether the database has it.
    pub is_applied: bool,
    /// Whether this program has it.
    pub is_known: bool,
}

impl Store {
    /// Applies the pending migrations in one transaction and returns their names. Nodes that start together wait for each
    /// other.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when a migration fails, the role may not apply it, or the database is newer than this
    /// program; nothing is changed.
    pub fn migrate(&self) -> Result<Vec<String>, StoreError> {
        // Reads first, so that a role without rights on the schema can start when nothing is pending.
        let is_done = self.read(|tx| {
            let steps = steps(tx)?;
            reject_newer(&steps)?;
            Ok::<_, StoreError>(are_applied(&steps) && is_marked(tx)?)
        })?;
        if is_done {
            return Ok(Vec::new());
        }
        self.waiting_at_least(WAIT).run(|tx| {
            lock(tx)?;
            let steps = steps(tx)?;
            reject_newer(&steps)?;
            mark(tx)?;
            if are_applied(&steps) {
                // Another node has applied them.
                return Ok(Vec::new());
            }
            check_ownership(tx, &steps)?;
            on_backend!(tx, |c| {
                let done = c.run_pending_migrations(Db::migrations()).map_err(failed)?;
                Ok(done.iter().map(ToString::to_string).collect())
            })
        })
    }

    /// Reverts the newest migration and returns its name; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when it fails or this program does not know it; nothing is changed.
    pub fn revert_migration(&self) -> Result<Option<String>, StoreError> {
        self.waiting_at_least(WAIT).run(|tx| {
            lock(tx)?;
            let steps = steps(tx)?;
            reject_newer(&steps)?;
            if !steps.iter().any(|step| step.is_applied) {
                return Ok(None);
            }
            on_backend!(tx, |c| {
                let version = c.revert_last_migration(Db::migrations()).map_err(failed)?.to_string();
                let name = steps.iter().map(|step| &step.name).find(|name| version_of(name) == version);
                Ok(Some(name.cloned().unwrap_or(version)))
            })
        })
    }

    /// All migrations, oldest first, with whether they are applied.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn migrations(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        self.read(steps)
    }

    /// Whether the database responds and has exactly the schema of this program.
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

/// Prevents other nodes from migrating at the same time.
fn lock(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    match &mut tx.0 {
        // The transaction already excludes all other writers, in this process and others.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => {}
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => {
            // A migration on another node may take minutes.
            diesel::sql_query("SET LOCAL lock_timeout = 0").execute(&mut **c).map_err(from_diesel)?;
            diesel::sql_query("SET LOCAL statement_timeout = 0").execute(&mut **c).map_err(from_diesel)?;
            diesel::sql_query("SELECT pg_advisory_xact_lock(7165023184110537)")
                .execute(&mut **c)
                .map_err(from_diesel)?;
        }
    }
    Ok(())
}

/// Fails early if the role may not change the tables.
fn check_ownership(tx: &mut Tx<'_>, steps: &[MigrationStatus]) -> Result<(), StoreError> {
    match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => {
            let _ = steps;
            Ok(())
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => owner::check(c, steps),
    }
}

/// Sets the `application_id` of a SQLite file from before it was set at creation.
fn mark(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if is_marked(tx)? {
        return Ok(());
    }
    match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => {
            let mark = format!("PRAGMA application_id = {}", crate::file::APPLICATION_ID);
            diesel::sql_query(mark).execute(&mut **c).map_err(from_diesel)?;
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => {}
    }
    Ok(())
}

/// Whether a SQLite file has our `application_id`; always true on PostgreSQL.
fn is_marked(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => Ok(crate::file::application_id(c)? == Some(crate::file::APPLICATION_ID)),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => Ok(true),
    }
}

fn are_applied(steps: &[MigrationStatus]) -> bool {
    steps.iter().all(|step| step.is_applied)
}

fn steps(tx: &mut Tx<'_>) -> Result<Vec<MigrationStatus>, StoreError> {
    let mut names: Vec<String> = on_backend!(tx, |_c| names::<Db>(&Db::migrations()))?;
    names.sort();
    let applied = applied(tx)?;
    let mut steps: Vec<MigrationStatus> = names
        .into_iter()
        .map(|name| MigrationStatus {
            is_applied: applied.contains(&version_of(&name)),
            name,
            is_known: true,
        })
        .collect();
    for version in applied {
        if !steps.iter().any(|step| version_of(&step.name) == version) {
            steps.push(MigrationStatus { name: version, is_applied: true, is_known: false });
        }
    }
    Ok(steps)
}

fn names<Db: diesel::backend::Backend>(source: &impl MigrationSource<Db>) -> Result<Vec<String>, StoreError> {
    Ok(source.migrations().map_err(failed)?.iter().map(|migration| migration.name().to_string()).collect())
}

/// The versions of the applied migrations, oldest first; empty if there is no table of migrations, which is not created.
fn applied(tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    let exists = match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => {
            "SELECT name AS version FROM sqlite_master WHERE name = '__diesel_schema_migrations'"
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => {
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

fn reject_newer(steps: &[MigrationStatus]) -> Result<(), StoreError> {
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

/// The error of a failed migration. Diesel boxes the cause in a private type, so only its message can be used.
fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    let message = error.to_string();
    match database_errors::with_advice(&message) {
        Some(error) => error,
        None if error.is::<MigrationError>() => StoreError::Bug(format!("migration: {message}")),
        None => StoreError::Unusable(format!("a migration failed, and nothing was changed: {message}")),
    }
}
