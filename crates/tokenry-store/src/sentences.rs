//! What databases say that an operator can do something about, with what that is.
//!
//! The driver hides the codes of errors, so they are known by their English words. What a server says in another language
//! is passed on as it is.

use crate::{error::StoreError, tables};

/// What becomes of such an error.
type Kind = fn(String) -> StoreError;

/// It may be gone in a moment, whoever does something about it.
const PASSES: Kind = StoreError::Unavailable;
/// It stays until somebody does something about it.
const STAYS: Kind = StoreError::Unusable;

const ADMISSION: &str = "correct the user and the password in database_url, or have the server admit them";
const CONNECTIONS: &str = "raise max_connections of the server, or lower database.pool_size of the nodes";
const MISSING: &str = "run `tokenry migrate run` as the owner of the tables, and look whether the search_path of this \
                       role leads to them";
const OWNER: &str = "run `tokenry migrate run` as the owner of the tables";
const ROOM: &str = "the disk of the database is full: make room";

/// Words of messages, all of which must be there, and what to do; the first row that fits counts.
const ROWS: &[(&[&str], Kind, &str)] = &[
    // 42501
    (&["permission denied for schema"], STAYS, "let its owner grant what `tokenry migrate grants` prints"),
    (&["permission denied for database"], STAYS, "let its owner GRANT CONNECT on it to this role"),
    (&["must be owner of"], STAYS, OWNER),
    (&["permission denied"], STAYS, "let the owner of the tables grant what `tokenry migrate grants` prints"),
    // 3F000, 42P01, 3D000
    (
        &["no schema has been selected"],
        STAYS,
        "let the owner of the tables grant what `tokenry migrate grants` prints",
    ),
    (&["schema \"", "does not exist"], STAYS, MISSING),
    (&["relation \"", "does not exist"], STAYS, MISSING),
    (
        &["database \"", "does not exist"],
        STAYS,
        "make it with ENCODING 'UTF8' TEMPLATE template0, or correct database_url",
    ),
    // 28000, 28P01
    (&["role \"", "does not exist"], STAYS, ADMISSION),
    (&["authentication failed"], STAYS, ADMISSION),
    (&["no password supplied"], STAYS, ADMISSION),
    (&["no pg_hba.conf entry"], STAYS, ADMISSION),
    (&["is not permitted to log in"], STAYS, ADMISSION),
    // 53100, 53200, 53300
    (&["No space left on device"], PASSES, ROOM),
    (&["could not extend file"], PASSES, ROOM),
    (&["out of memory"], PASSES, "the machine of the database has no memory left: give it more"),
    (&["out of shared memory"], PASSES, "the server has no memory left: raise max_locks_per_transaction"),
    (&["too many clients"], PASSES, CONNECTIONS),
    (&["remaining connection slots are reserved"], PASSES, CONNECTIONS),
    (&["too many connections for"], PASSES, CONNECTIONS),
    // 57014
    (
        &["canceling statement due to"],
        PASSES,
        "the server is too busy, or somebody holds a row or table for long",
    ),
    // 25006
    (&["in a read-only transaction"], PASSES, "make the server and this role read-write"),
    // SQLite
    (
        &["attempt to write a readonly database"],
        PASSES,
        "let the account that Tokenry runs as write the file and its folder",
    ),
    (
        &["unable to open database file"],
        PASSES,
        "let the account that Tokenry runs as write the file and its folder",
    ),
    (&["database or disk is full"], PASSES, ROOM),
    (&["disk I/O error"], PASSES, "the disk of the database fails or is full: look at the log of the system"),
    (&["file is not a database"], STAYS, "the file is damaged or another program's: put a copy in its place"),
    (&["database disk image is malformed"], STAYS, "the file is damaged: put a copy in its place"),
    (&["no such table"], STAYS, "run `tokenry migrate run`"),
];

/// The error that a message of a database is, if an operator can do something about it.
pub(crate) fn known(message: &str) -> Option<StoreError> {
    let message = message.trim();
    if let Some(told) = table_right(message) {
        return Some(StoreError::Unusable(told));
    }
    let is_said = |(words, ..): &&(&[&str], _, _)| words.iter().all(|word| message.contains(word));
    ROWS.iter().find(is_said).map(|(_, kind, advice)| kind(format!("{message}: {advice}")))
}

/// The error of a message of a database or its driver.
pub(crate) fn told(message: String) -> StoreError {
    known(&message).unwrap_or(StoreError::Unavailable(message))
}

/// PostgreSQL names the table, but not what the role may not do with it.
fn table_right(message: &str) -> Option<String> {
    let (_, table) = message.split_once("permission denied for table ")?;
    let rights = tables::rights(table)?.names().join(", ");
    Some(format!(
        "{message}: the role needs {rights} on it; let the owner of the tables grant what `tokenry migrate grants` prints"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> String {
        known(message).unwrap().to_string()
    }

    #[test]
    fn a_table_is_named_with_the_rights_that_are_needed() {
        let told = told("permission denied for table audit_events");
        assert!(told.contains("needs SELECT, INSERT on it"), "{told}");
        assert!(told.contains("`tokenry migrate grants`"), "{told}");
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_stays() {
        let full = known("could not extend file \"base/1/2\": No space left on device").unwrap();
        assert!(matches!(full, StoreError::Unavailable(told) if told.contains("make room")));
        let missing = known("relation \"users\" does not exist").unwrap();
        assert!(matches!(missing, StoreError::Unusable(told) if told.contains("migrate run")));
        let login = "connection to server failed: FATAL:  role \"x\" does not exist\n";
        assert!(matches!(known(login).unwrap(), StoreError::Unusable(told) if told.contains("database_url")));
    }

    #[test]
    fn other_words_are_left_as_they_are() {
        for message in ["", "keine Berechtigung für Tabelle users", "syntax error at or near \"x\""] {
            assert!(known(message).is_none(), "{message}");
        }
    }
}
