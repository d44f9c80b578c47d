//! Opens or creates the file of a SQLite database. It must be a Tokenry database, so that a mistyped path never adds tables
//! to another program's data.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
    path::Path,
};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
};

use crate::{
    database_errors::{self, from_diesel},
    error::StoreError,
};

/// The `application_id` of a Tokenry database: `Tkry`.
pub(crate) const APPLICATION_ID: i32 = 0x546b_7279;
/// The first bytes of every SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The first migration. Databases from before the `application_id` was set are recognized by it.
const FIRST_MIGRATION: &str = "20261121000000";

/// Creates the file if it does not exist, rejects one that is not a Tokenry database, and returns its SQLite URI.
pub(crate) fn open(path: &Path) -> Result<String, StoreError> {
    let failed = |error: std::io::Error| file_error(path, &error);
    if !path.try_exists().map_err(failed)? {
        create(path)?;
    }
    // An absolute path is unambiguous in a URI.
    let path = path.canonicalize().map_err(failed)?;
    let name = path.to_str().ok_or_else(|| StoreError::Unusable("a path that is not UTF-8".to_owned()))?;
    File::options().read(true).write(true).open(&path).map_err(failed)?;
    match foreign(&path, &uri(name, "ro"))? {
        Some(reason) => Err(StoreError::Unusable(format!("{}: {reason}", path.display()))),
        None => Ok(uri(name, "rw")),
    }
}

/// The SQLite URI of a file. The modes `ro` and `rw` never create it, so a file that is deleted while the program runs is
/// not replaced by an empty one.
fn uri(name: &str, mode: &str) -> String {
    let name = name.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("file:{name}?mode={mode}")
}

/// Creates an empty database with our `application_id`, readable by its owner only. It is renamed to its final path when
/// it is complete, so an incomplete file never has that path.
fn create(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| file_error(path, &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary =
        tempfile::Builder::new().prefix(".tokenry-").suffix(".new").tempfile_in(folder).map_err(failed)?;
    let name = temporary.path().canonicalize().map_err(failed)?;
    let mut connection = SqliteConnection::establish(&name.to_string_lossy())
        .map_err(|error| database_errors::classify(error.to_string()))?;
    connection.batch_execute(&format!("PRAGMA application_id = {APPLICATION_ID}")).map_err(from_diesel)?;
    drop(connection);
    match temporary.persist_noclobber(path) {
        // Another process created it first.
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(failed(error.error)),
        _ => Ok(()),
    }
}

/// The reason why this is not a Tokenry database; `None` if it is one.
fn foreign(path: &Path, uri: &str) -> Result<Option<&'static str>, StoreError> {
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(100).read_to_end(&mut header));
    read.map_err(|error| file_error(path, &error))?;
    if header.is_empty() {
        return Ok(Some(
            "an empty file, which is no database: name another file, or delete it so that it is created again",
        ));
    }
    if !header.starts_with(MAGIC) {
        return Ok(Some("not a SQLite database: name another file"));
    }
    let mut connection =
        SqliteConnection::establish(uri).map_err(|error| database_errors::classify(error.to_string()))?;
    connection
        .batch_execute("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;")
        .map_err(from_diesel)?;
    match application_id(&mut connection)? {
        Some(APPLICATION_ID) => return Ok(None),
        Some(0) => {
            let tables = "SELECT 1 AS number FROM sqlite_master WHERE name = '__diesel_schema_migrations'";
            let ours = format!(
                "SELECT 1 AS number FROM __diesel_schema_migrations WHERE version = '{FIRST_MIGRATION}'"
            );
            if number(&mut connection, tables)?.is_some() && number(&mut connection, &ours)?.is_some() {
                return Ok(None);
            }
        }
        _ => {}
    }
    Ok(Some("the database of another program: name another file"))
}

/// The error for a system error on a path, with advice where there is some.
fn file_error(path: &Path, error: &std::io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::Unusable(format!(
            "{text}: let the account that Tokenry runs as write the file and its folder"
        )),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            StoreError::Unavailable(format!("{text}: free some space on the disk"))
        }
        ErrorKind::IsADirectory => StoreError::Unusable(format!("{text}: name a file")),
        _ => StoreError::Unavailable(text),
    }
}

/// The `application_id` of a database; 0 if none was set.
pub(crate) fn application_id(connection: &mut SqliteConnection) -> Result<Option<i32>, StoreError> {
    number(connection, "SELECT application_id AS number FROM pragma_application_id")
}

fn number(connection: &mut SqliteConnection, query: &str) -> Result<Option<i32>, StoreError> {
    let rows = sql_query(query).load::<Number>(connection).map_err(from_diesel)?;
    Ok(rows.first().map(|row| row.number))
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    number: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_errors_contain_the_path_and_advice() {
        let error = |kind: ErrorKind| file_error(Path::new("/var/t.db"), &kind.into());
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            assert!(matches!(error(kind), StoreError::Unusable(text) if text.contains("/var/t.db")
                && text.contains("write the file and its folder")));
        }
        let full = error(ErrorKind::StorageFull);
        assert!(matches!(full, StoreError::Unavailable(text) if text.contains("free some space")));
    }

    /// Compares with the messages that the linked SQLite really returns.
    #[test]
    fn the_messages_of_sqlite_are_recognized() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let open = |mode: &str| {
            let uri = format!("file:{}?mode={mode}", path.display());
            SqliteConnection::establish(&uri).map_err(|error| database_errors::classify(error.to_string()))
        };
        let failure = |connection: &mut SqliteConnection, statement: &str| {
            from_diesel(connection.batch_execute(statement).unwrap_err()).to_string()
        };
        assert!(open("rw").err().unwrap().to_string().contains("write the file and its folder"));
        let mut connection = open("rwc").unwrap();
        connection.batch_execute("CREATE TABLE users (name)").unwrap();
        assert!(failure(&mut connection, "SELECT 1 FROM tokens").contains("`tokenry migrate run`"));
        connection.batch_execute("PRAGMA max_page_count = 3").unwrap();
        let full = failure(&mut connection, "INSERT INTO users VALUES (zeroblob(100000))");
        assert!(full.contains("free some space"), "{full}");
        let read_only = failure(&mut open("ro").unwrap(), "DELETE FROM users");
        assert!(read_only.contains("write the file and its folder"), "{read_only}");
        drop(connection);
        std::fs::write(&path, "no database, though it was one a moment ago").unwrap();
        let damaged = failure(&mut open("rw").unwrap(), "DELETE FROM users");
        assert!(damaged.contains("the file is damaged"), "{damaged}");
    }
}
