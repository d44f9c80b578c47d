//! The context of every row.

use std::path::PathBuf;

use anyhow::Result;
use tokenry_crypto::Scheme;

use crate::{
    database::{Backend, Database, Databases},
    population::Population,
    progress::Progress,
    server::Server,
    sizes::Sizes,
};

/// Tokens of the small database, as many as are in use at once.
const SMALL: u64 = 1_000;

/// Programs, databases and sizes of a run on one backend.
pub(crate) struct Bench {
    pub(crate) tokenry: PathBuf,
    pub(crate) guard: PathBuf,
    /// The working directory of servers and the folder of their logs.
    pub(crate) folder: PathBuf,
    pub(crate) databases: Databases,
    pub(crate) sizes: Sizes,
    pub(crate) progress: Progress,
}

impl Bench {
    pub(crate) fn backend(&self) -> Backend {
        self.databases.backend
    }

    pub(crate) fn small(&self) -> Population {
        Population::live("small", SMALL)
    }

    /// A database that rows share and do not change.
    pub(crate) fn shared(&self, populations: &[Population]) -> Result<Database> {
        self.databases.shared(populations, &self.progress)
    }

    /// A database that the row may change.
    pub(crate) fn own(&self, populations: &[Population]) -> Result<Database> {
        self.databases.own(populations, &self.progress)
    }

    /// A server of the guarded route; tokens are stored as SHA-256.
    pub(crate) fn guard(&self, database: &Database, flags: &[&str]) -> Result<Server> {
        let flags = [&["--hash", "sha256"], flags].concat();
        Server::guard(&self.guard, &database.url, &flags, &self.folder)
    }

    /// A server of the guarded route; tokens are stored with a slow hash: bcrypt at cost 6 or Argon2id.
    pub(crate) fn slow_guard(&self, database: &Database, scheme: Scheme, flags: &[&str]) -> Result<Server> {
        let scheme = scheme.to_string();
        let flags = [&["--hash", &scheme], flags].concat();
        Server::guard(&self.guard, &database.url, &flags, &self.folder)
    }

    /// A server of the whole HTTP API.
    pub(crate) fn server(&self, database: &Database) -> Result<Server> {
        Server::tokenry(&self.tokenry, &database.url, &self.folder)
    }
}
