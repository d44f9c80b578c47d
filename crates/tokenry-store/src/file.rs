//! The file of a SQLite database, and whose it is: a mistyped path must not put tables into another program's data.

use std::{fs::File, io::Read as _, path::Path};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
};

use crate::error::StoreError;

/// Marks a database as one of ours: `Tkry`.
pub(crate) const APPLICATION: i32 = 0x546b_7279;
/// How every database of SQLite begins.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The first migration there ever was: databases of before are not marked.
const FIRST: &str = "20261121000000";

/// Makes the file if there is none, refuses one that is not ours, and returns what SQLite opens it by.
pub(crate) fn open(path: &Path) -> Result<String, StoreError> {
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    if !path.try_exists().map_err(failed)? {
        create(path)?;
    }
    // An absolute path has no second reading.
    let path = path.canonicalize().map_err(failed)?;
    let name = path.to_str().ok_or_else(|| StoreError::Unusable("a path that is not UTF-8".to_owned()))?;
    // Opening must not make a file: one that somebody removes while we run is not to be replaced by an empty one.
    let uri = |mode: &str| {
        let name = name.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        format!("file:{name}?mode={mode}")
    };
    File::options().read(true).write(true).open(&path).map_err(failed)?;
    match foreign(&path, &uri("ro"))? {
        Some(what) => Err(StoreError::Unusable(format!("{}: {what}", path.display()))),
        None => Ok(uri("rw")),
    }
}

/// Makes an empty database that is marked as ours, readable by its owner alone. It gets its name when it is complete, so
/// that a file of that name is never one that was only begun.
fn create(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begun =
        tempfile::Builder::new().prefix(".tokenry-").suffix(".new").tempfile_in(folder).map_err(failed)?;
    let name = begun.path().canonicalize().map_err(failed)?;
    let mut connection = SqliteConnection::establish(&name.to_string_lossy())
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    connection.batch_execute(&format!("PRAGMA application_id = {APPLICATION}"))?;
    drop(connection);
    match begun.persist_noclobber(path) {
        // Another process was faster.
        Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error.error)),
        _ => Ok(()),
    }
}

/// Why this is not our database; `None` if it is.
fn foreign(path: &Path, uri: &str) -> Result<Option<&'static str>, StoreError> {
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(100).read_to_end(&mut begin));
    read.map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
    if begin.is_empty() {
        return Ok(Some(
            "an empty file, which is no database: name another file, or remove it and it is made anew",
        ));
    }
    if !begin.starts_with(MAGIC) {
        return Ok(Some("not a SQLite database: name another file"));
    }
    let mut connection =
        SqliteConnection::establish(uri).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    connection.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;")?;
    match application(&mut connection)? {
        Some(APPLICATION) => return Ok(None),
        Some(0) => {
            let tables = "SELECT 1 AS number FROM sqlite_master WHERE name = '__diesel_schema_migrations'";
            let ours =
                format!("SELECT 1 AS number FROM __diesel_schema_migrations WHERE version = '{FIRST}'");
            if number(&mut connection, tables)?.is_some() && number(&mut connection, &ours)?.is_some() {
                return Ok(None);
            }
        }
        _ => {}
    }
    Ok(Some("the database of another program: name another file"))
}

/// Whose mark a database has; 0 is nobody's.
pub(crate) fn application(connection: &mut SqliteConnection) -> Result<Option<i32>, StoreError> {
    number(connection, "SELECT application_id AS number FROM pragma_application_id")
}

fn number(connection: &mut SqliteConnection, query: &str) -> Result<Option<i32>, StoreError> {
    Ok(sql_query(query).load::<Number>(connection)?.first().map(|row| row.number))
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    number: i32,
}
