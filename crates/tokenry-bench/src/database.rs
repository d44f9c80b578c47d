//! Databases that are filled for a row and, on request, kept for the next run.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::sync_channel,
    },
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use tokenry_domain::UnixMillis;
use tokenry_store::{DatabaseUrl, Store, StoreSettings, token, user};

use crate::{
    population::{HashSource, Population},
    progress::Progress,
};

/// Rows per transaction while a database is filled.
const BATCH: u64 = 10_000;
/// Version of the stored content: change it to invalidate databases that earlier runs kept. The schema is part of the
/// key as well.
const CONTENT_VERSION: &str = "v2";

/// The database system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A filled database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
    /// The time at which it was filled. The ages of its tokens are relative to this instant.
    pub(crate) now: UnixMillis,
}

/// Creates databases.
pub(crate) struct Databases {
    pub(crate) backend: Backend,
    /// The address of a PostgreSQL server with the right to create databases.
    server: Option<String>,
    folder: PathBuf,
    /// The shared databases that this run filled.
    filled: std::cell::RefCell<Vec<(String, Database)>>,
}

impl Databases {
    pub(crate) fn new(backend: Backend, server: Option<String>, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        Ok(Self { backend, server, folder, filled: std::cell::RefCell::default() })
    }

    /// A read-only database with these tokens, shared by rows; an earlier run may have filled it.
    pub(crate) fn shared(&self, populations: &[Population], progress: &Progress) -> Result<Database> {
        let key = key(populations);
        if let Some((_, known)) = self.filled.borrow().iter().find(|(known, _)| *known == key) {
            return Ok(known.clone());
        }
        let known = match self.backend {
            Backend::Sqlite => self.kept(&key),
            Backend::Postgres => None,
        };
        let database = match known {
            Some(known) => known,
            None => {
                let database = self.filled(&key, populations, progress)?;
                if self.backend == Backend::Sqlite {
                    // Written last: marks the database as complete.
                    fs::write(self.folder.join(&key).join("now"), database.now.get().to_string())?;
                }
                database
            }
        };
        self.filled.borrow_mut().push((key, database.clone()));
        Ok(database)
    }

    /// A private database with these tokens, which the row may change.
    pub(crate) fn own(&self, populations: &[Population], progress: &Progress) -> Result<Database> {
        self.filled(&format!("own_{}", unique()), populations, progress)
    }

    fn kept(&self, key: &str) -> Option<Database> {
        let folder = self.folder.join(key);
        let now = fs::read_to_string(folder.join("now")).ok()?.parse().ok().and_then(UnixMillis::new)?;
        // The tokens expire after 90 days.
        let is_recent = current_time().ok()?.since(now).as_secs() < 30 * 86_400;
        is_recent.then(|| Database { url: sqlite_url(&folder), now })
    }

    fn filled(&self, key: &str, populations: &[Population], progress: &Progress) -> Result<Database> {
        let url = match self.backend {
            Backend::Sqlite => {
                let folder = self.folder.join(key);
                if folder.exists() {
                    fs::remove_dir_all(&folder)?;
                }
                fs::create_dir_all(&folder)?;
                sqlite_url(&folder)
            }
            Backend::Postgres => {
                let server = self.server.as_deref().context("no PostgreSQL server is configured")?;
                tokenry_testkit::create_database(server, &format!("bench_{}", unique()))
                    .map_err(|error| anyhow::anyhow!("{error}"))?
            }
        };
        let database = Database { url, now: current_time()? };
        let store = database.store()?;
        store.migrate()?;
        for population in populations {
            fill(&store, population, database.now, progress)?;
        }
        Ok(database)
    }
}

impl Database {
    pub(crate) fn backend(&self) -> Backend {
        if self.url.starts_with("sqlite:") { Backend::Sqlite } else { Backend::Postgres }
    }

    pub(crate) fn store(&self) -> Result<Store> {
        let url: DatabaseUrl = self.url.parse()?;
        Ok(Store::open(&url, StoreSettings::default())?)
    }
}

/// The current time.
pub(crate) fn current_time() -> Result<UnixMillis> {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    UnixMillis::new(i64::try_from(millis)?).context("the clock is wrong")
}

/// A number that is unique within this run.
fn unique() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

fn key(populations: &[Population]) -> String {
    let names = populations.iter().map(|population| {
        let Population { name, count, owners, scheme, .. } = population;
        format!("{name}_{count}_{owners}_{scheme}")
    });
    let schema = crc32fast::hash(include_bytes!("../../tokenry-store/src/schema.rs"));
    format!("{CONTENT_VERSION}_{schema:08x}_{}", names.collect::<Vec<_>>().join("_"))
}

fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("tokenry.db").display())
}

/// Generates tokens on one thread and writes them on another.
fn fill(store: &Store, population: &Population, now: UnixMillis, progress: &Progress) -> Result<()> {
    let owners = (0..population.owners).map(|number| population.owner(number, now));
    let owners = owners.collect::<Result<Vec<_>>>()?;
    store.write(move |tx| owners.iter().try_for_each(|owner| user::insert(tx, owner)))?;
    let count = population.count;
    let bar = progress.counting(&format!("filling: {}", population.name), count);
    std::thread::scope(|scope| {
        let (sender, batches) = sync_channel(2);
        let maker = scope.spawn(move || {
            let mut maker = HashSource::new()?;
            let mut first = 0;
            while first < count {
                let end = count.min(first + BATCH);
                let imports: Result<Vec<_>> =
                    (first..end).map(|number| population.import(number, now, &mut maker)).collect();
                if sender.send(imports?).is_err() {
                    break;
                }
                first = end;
            }
            Ok::<_, anyhow::Error>(())
        });
        for imports in batches {
            let written = u64::try_from(imports.len())?;
            store.write(move |tx| token::insert_many(tx, &imports))?;
            bar.inc(written);
        }
        maker.join().map_err(|_| anyhow::anyhow!("the thread that generates tokens panicked"))?
    })
}
