//! Which files are accepted as a Tokenry database.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use tokenry_store::{Store, StoreError, StoreSettings};
use tokenry_testkit::TestDatabase;

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(&format!("sqlite://{}", path.display()).parse().unwrap(), StoreSettings::default())
}

/// Asserts that the file is rejected and not changed, and returns the error.
fn rejection(path: &Path) -> String {
    let before = fs::read(path).unwrap();
    let error = open(path).err().unwrap();
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    assert_eq!(fs::read(path).unwrap(), before, "the file was changed");
    error.to_string()
}

fn sqlite(path: &Path, statements: &str) {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute(statements).unwrap();
}

#[test]
fn a_file_of_another_program_is_rejected_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some");
    fs::write(&path, "").unwrap();
    assert!(rejection(&path).contains("an empty file"));
    fs::write(&path, "[token]\nprefix = \"pat_\"\n").unwrap();
    assert!(rejection(&path).contains("not a SQLite database"));
    for (n, tables) in [
        "CREATE TABLE notes (text)",
        "PRAGMA journal_mode = WAL; CREATE TABLE notes (text)",
        "PRAGMA application_id = 7; CREATE TABLE notes (text)",
        // Another program that also uses Diesel's migrations.
        "CREATE TABLE __diesel_schema_migrations (version TEXT, run_on TEXT);
         INSERT INTO __diesel_schema_migrations VALUES ('20240101000000', '')",
        "VACUUM",
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("foreign {n}?#%41"));
        sqlite(&path, tables);
        let link = folder.path().join(format!("link{n}"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(rejection(&link).contains("the database of another program"), "{tables}");
    }
}

#[test]
fn a_database_without_an_application_id_is_opened_and_gets_one() {
    let db = TestDatabase::sqlite();
    let path = db.folder().unwrap().join("tokenry.db");
    let _ = db.user("alice");
    let copy = db.folder().unwrap().join("copy.db");
    sqlite(&path, &format!("VACUUM INTO '{}'", copy.display()));
    sqlite(&copy, "PRAGMA application_id = 0");
    let store = open(&copy).unwrap();
    assert!(store.migrate().unwrap().is_empty());
    drop(store);
    // The `application_id` identifies it, independent of its tables.
    sqlite(&copy, "DROP TABLE __diesel_schema_migrations");
    open(&copy).unwrap();
}

#[test]
fn a_new_database_file_is_complete_and_readable_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenry.db");
    std::thread::scope(|scope| {
        // Processes that start together.
        let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path).map(drop))).collect();
        opened.into_iter().for_each(|opened| opened.join().unwrap().unwrap());
    });
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{names:?}");
    assert!(open(&folder.path().join("no folder/tokenry.db")).is_err());
}

#[test]
fn a_file_that_is_deleted_while_in_use_is_not_created_again() {
    let db = TestDatabase::sqlite();
    let path = db.folder().unwrap().join("tokenry.db");
    fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        // Open connections still work; opening a new one fails.
        let _ = db.store().is_ready();
        let _ = futures_executor::block_on(
            db.store().credential(&tokenry_domain::PublicId::from_stored("test_x".to_owned())),
        );
    }
    assert!(!path.exists());
}
