//! The file of a SQLite database, and whose it is: a mistyped path must not put tables into another program's data.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
    path::Path,
};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
};

use crate::{error::StoreError, sentences};

/// Marks a database as one of ours: `Tkry`.
pub(crate) const APPLICATION: i32 = 0x546b_7279;
/// How every database of SQLite begins.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The first migration there ever was: databases of before are not marked.
const FIRST: &str = "20261121000000";

/// Makes the file if there is none, refuses one that is not ours, and returns what SQLite opens it by.
pub(crate) fn open(path: &Path) -> Result<String, StoreError> {
    let failed = |error: std::io::Error| failed(path, &error);
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
    let failed = |error: std::io::Error| failed(path, &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begun =
        tempfile::Builder::new().prefix(".tokenry-").suffix(".new").tempfile_in(folder).map_err(failed)?;
    let name = begun.path().canonicalize().map_err(failed)?;
    let mut connection = SqliteConnection::establish(&name.to_string_lossy())
        .map_err(|error| sentences::told(error.to_string()))?;
    connection.batch_execute(&format!("PRAGMA application_id = {APPLICATION}"))?;
    drop(connection);
    match begun.persist_noclobber(path) {
        // Another process was faster.
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(failed(error.error)),
        _ => Ok(()),
    }
}

/// Why this is not our database; `None` if it is.
fn foreign(path: &Path, uri: &str) -> Result<Option<&'static str>, StoreError> {
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(100).read_to_end(&mut begin));
    read.map_err(|error| failed(path, &error))?;
    if begin.is_empty() {
        return Ok(Some(
            "an empty file, which is no database: name another file, or remove it and it is made anew",
        ));
    }
    if !begin.starts_with(MAGIC) {
        return Ok(Some("not a SQLite database: name another file"));
    }
    let mut connection =
        SqliteConnection::establish(uri).map_err(|error| sentences::told(error.to_string()))?;
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

/// What the system says about a path, with what to do where that is known.
fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    let told = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::Unusable(format!(
            "{told}: let the account that Tokenry runs as write the file and its folder"
        )),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            StoreError::Unavailable(format!("{told}: make room on the disk"))
        }
        ErrorKind::IsADirectory => StoreError::Unusable(format!("{told}: name a file")),
        _ => StoreError::Unavailable(told),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_can_change_about_a_file_is_told() {
        let told = |kind: ErrorKind| failed(Path::new("/var/t.db"), &kind.into());
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            assert!(matches!(told(kind), StoreError::Unusable(told) if told.contains("/var/t.db")
                && told.contains("write the file and its folder")));
        }
        assert!(
            matches!(told(ErrorKind::StorageFull), StoreError::Unavailable(told) if told.contains("make room"))
        );
    }

    /// As SQLite says it, and not as we remember it.
    #[test]
    fn what_sqlite_says_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let open = |mode: &str| {
            let uri = format!("file:{}?mode={mode}", path.display());
            SqliteConnection::establish(&uri).map_err(|error| sentences::told(error.to_string()))
        };
        let failure = |connection: &mut SqliteConnection, statement: &str| {
            StoreError::from(connection.batch_execute(statement).unwrap_err()).to_string()
        };
        assert!(open("rw").err().unwrap().to_string().contains("write the file and its folder"));
        let mut connection = open("rwc").unwrap();
        connection.batch_execute("CREATE TABLE users (name)").unwrap();
        assert!(failure(&mut connection, "SELECT 1 FROM tokens").contains("`tokenry migrate run`"));
        connection.batch_execute("PRAGMA max_page_count = 3").unwrap();
        let full = failure(&mut connection, "INSERT INTO users VALUES (zeroblob(100000))");
        assert!(full.contains("make room"), "{full}");
        let read_only = failure(&mut open("ro").unwrap(), "DELETE FROM users");
        assert!(read_only.contains("write the file and its folder"), "{read_only}");
        drop(connection);
        std::fs::write(&path, "no database, though it was one a moment ago").unwrap();
        let damaged = failure(&mut open("rw").unwrap(), "DELETE FROM users");
        assert!(damaged.contains("the file is damaged"), "{damaged}");
    }
}
