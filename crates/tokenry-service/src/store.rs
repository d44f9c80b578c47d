//! The database as a program that embeds the service sees it.

use tokenry_crypto::Shape;
use tokenry_store::{
    DatabaseUrl, StoreError, StoreSettings, history::LossReport, migrate::MigrationStatus, nodes::Nodes,
    replication::Replication, rights::RoleRights, supervisor::Workers,
};

use crate::shapes;

/// The database of an installation. Cheap to clone; all clones share connections.
///
/// It has no transactions and no queries: whatever changes or reads rows is a method of
/// [`Tokenry`](crate::Tokenry), which authorizes it and writes the audit log.
#[derive(Clone)]
pub struct Store(tokenry_store::Store);

impl Store {
    /// Opens the database and checks that it responds; a missing SQLite file is created, readable by its owner only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is no database at `url`, [`StoreError::Unusable`] if it is not a Tokenry
    /// database.
    pub fn open(url: &DatabaseUrl, settings: StoreSettings) -> Result<Self, StoreError> {
        tokenry_store::Store::open(url, settings).map(Self)
    }

    /// Applies the pending migrations in one transaction and returns their names. Nodes that start together wait for each
    /// other.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when a migration fails, the role may not apply it, or the database is newer than this
    /// program; nothing is changed.
    pub fn migrate(&self) -> Result<Vec<String>, StoreError> {
        self.0.migrate()
    }

    /// Reverts the newest migration and returns its name; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when it fails or this program does not know it; nothing is changed.
    pub fn revert_migration(&self) -> Result<Option<String>, StoreError> {
        self.0.revert_migration()
    }

    /// All migrations, oldest first, with whether they are applied.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn migrations(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        self.0.migrations()
    }

    /// Whether the database responds and has exactly the schema of this program.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_ready(&self) -> Result<bool, StoreError> {
        self.0.is_ready()
    }

    /// The shapes of the tokens that were imported.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shapes(&self) -> Result<Vec<Shape>, StoreError> {
        shapes::read(&self.0).map(|shapes| shapes.to_vec())
    }

    /// The rights of the connected role; `None` on SQLite, where access to the file grants all rights.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn role_rights(&self) -> Result<Option<RoleRights>, StoreError> {
        self.0.role_rights()
    }

    /// The processes that decide from memory; `None` on SQLite, where each process sees each commit by itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn nodes(&self) -> Result<Option<Nodes>, StoreError> {
        self.0.nodes()
    }

    /// How the database replicates, which decides whether an answered change survives a failover; `None` on SQLite.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn replication(&self) -> Result<Option<Replication>, StoreError> {
        self.0.replication()
    }

    /// What this process knows of changes that the database has lost.
    #[must_use]
    pub fn losses(&self) -> LossReport {
        self.0.losses()
    }

    /// The background threads of this installation, for those that a program adds.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        self.0.workers()
    }

    /// The store with its transactions, for the use cases.
    pub(crate) fn into_transactional(self) -> tokenry_store::Store {
        self.0
    }
}

/// For programs that use the low-level crate `tokenry-store` themselves, such as an import. There is no way back.
impl From<tokenry_store::Store> for Store {
    fn from(store: tokenry_store::Store) -> Self {
        Self(store)
    }
}
