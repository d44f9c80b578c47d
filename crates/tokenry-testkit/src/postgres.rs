//! Scratch databases on the PostgreSQL server of the test run.

use std::{
    collections::hash_map::DefaultHasher,
    env,
    hash::{Hash, Hasher},
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use diesel::{Connection, PgConnection, RunQueryDsl, sql_query};

use crate::open::open;

/// Creates an empty database with this name on the PostgreSQL server at `server_url`, and returns its address.
///
/// # Errors
/// The server's message when it rejects the statement.
pub fn create_database(server_url: &str, name: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut connection = PgConnection::establish(server_url)?;
    sql_query(format!("CREATE DATABASE {name}")).execute(&mut connection)?;
    Ok(Server::parse(server_url).ok_or("not the address of a database")?.url(name))
}

/// The address of the PostgreSQL server of the test run, for tests that need no tables. `None` without one, except under
/// `CI`, where it fails.
#[must_use]
pub fn postgres_server() -> Option<String> {
    Server::of_this_run().map(|server| server.url("postgres"))
}

/// One database, dropped with this value.
pub(crate) struct Scratch {
    server: Server,
    name: String,
}

impl Scratch {
    pub(crate) fn create() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = Server::of_this_run()?;
        let template = server.template();
        let name = format!("tokenry_test_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        server.execute(&format!("DROP DATABASE IF EXISTS {name}"));
        server.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Some(Self { server, name })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.server.execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

struct Server {
    before_name: String,
    behind_name: String,
}

impl Server {
    fn of_this_run() -> Option<Self> {
        let Ok(url) = env::var("TOKENRY_TEST_POSTGRES_URL") else {
            let is_ci = env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
            assert!(!is_ci, "TOKENRY_TEST_POSTGRES_URL is not set: run `cargo xtask test`");
            eprintln!(
                "NOT TESTED ON POSTGRESQL: TOKENRY_TEST_POSTGRES_URL is not set; `cargo xtask test` sets it"
            );
            return None;
        };
        Some(Self::parse(&url).unwrap())
    }

    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, database) = rest.split_once('/')?;
        let parameters =
            database.split_once('?').map_or(String::new(), |(_, parameters)| format!("?{parameters}"));
        Some(Self { before_name: format!("{scheme}://{authority}/"), behind_name: parameters })
    }

    fn url(&self, database: &str) -> String {
        format!("{}{database}{}", self.before_name, self.behind_name)
    }

    fn execute(&self, statement: &str) {
        let mut connection = PgConnection::establish(&self.url("postgres")).unwrap();
        sql_query(statement).execute(&mut connection).unwrap();
    }

    /// The name of a migrated database to copy; the first test that uses it creates it while the others wait.
    fn template(&self) -> String {
        let name = format!("tokenry_template_{:016x}", fingerprint());
        let mut connection = PgConnection::establish(&self.url("postgres")).unwrap();
        let lock = sql_query("SELECT pg_advisory_lock(4711)");
        lock.execute(&mut connection).unwrap();
        let found = sql_query(format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"));
        if found.execute(&mut connection).unwrap() == 0 {
            let unfinished = format!("{name}_unfinished");
            self.execute(&format!("DROP DATABASE IF EXISTS {unfinished}"));
            self.execute(&format!("CREATE DATABASE {unfinished}"));
            open(&self.url(&unfinished)).migrate().unwrap();
            self.execute(&format!("ALTER DATABASE {unfinished} RENAME TO {name}"));
        }
        sql_query("SELECT pg_advisory_unlock(4711)").execute(&mut connection).unwrap();
        name
    }
}

/// Changes when a migration changes, so that no test copies an old template.
fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/postgres");
    let mut folders: Vec<_> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        folder.file_name().hash(&mut hasher);
        std::fs::read(folder.join("up.sql")).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}
