//! Adds advice to the database errors that an operator can resolve.
//!
//! The driver hides the error codes, so errors are recognized by their English words. A message in another language is
//! passed on unchanged.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::{error::StoreError, tables};

/// The variant that an error becomes.
type Kind = fn(String) -> StoreError;

/// May resolve itself within a moment.
const TRANSIENT: Kind = StoreError::Unavailable;
/// Lasts until an operator changes something.
const PERMANENT: Kind = StoreError::Unusable;

const LOGIN: &str = "correct the user and the password in database_url, or let the server accept them";
const CONNECTIONS: &str = "raise max_connections of the server, or lower database.pool_size of the nodes";
const MISSING: &str = "run `tokenry migrate run` as the owner of the tables, and check that the search_path of this role \
                       contains their schema";
const OWNER: &str = "run `tokenry migrate run` as the owner of the tables";
const DISK_FULL: &str = "the disk of the database is full: free some space";

/// Words that a message must all contain, the kind of error and the advice; the first matching row applies.
const ROWS: &[(&[&str], Kind, &str)] = &[
    // 42501
    (
        &["permission denied for schema"],
        PERMANENT,
        "let its owner grant what `tokenry migrate grants` prints",
    ),
    (&["permission denied for database"], PERMANENT, "let its owner GRANT CONNECT on it to this role"),
    (&["must be owner of"], PERMANENT, OWNER),
    (
        &["permission denied"],
        PERMANENT,
        "let the owner of the tables grant what `tokenry migrate grants` prints",
    ),
    // 3F000, 42P01, 3D000
    (
        &["no schema has been selected"],
        PERMANENT,
        "let the owner of the tables grant what `tokenry migrate grants` prints",
    ),
    (&["schema \"", "does not exist"], PERMANENT, MISSING),
    (&["relation \"", "does not exist"], PERMANENT, MISSING),
    (
        &["database \"", "does not exist"],
        PERMANENT,
        "create it with ENCODING 'UTF8' TEMPLATE template0, or correct database_url",
    ),
    // 28000, 28P01
    (&["role \"", "does not exist"], PERMANENT, LOGIN),
    (&["authentication failed"], PERMANENT, LOGIN),
    (&["no password supplied"], PERMANENT, LOGIN),
    (&["no pg_hba.conf entry"], PERMANENT, LOGIN),
    (&["is not permitted to log in"], PERMANENT, LOGIN),
    // 53100, 53200, 53300
    (&["No space left on device"], TRANSIENT, DISK_FULL),
    (&["could not extend file"], TRANSIENT, DISK_FULL),
    (&["out of memory"], TRANSIENT, "the database host is out of memory: give it more"),
    (
        &["out of shared memory"],
        TRANSIENT,
        "the server is out of shared memory: raise max_locks_per_transaction",
    ),
    (&["too many clients"], TRANSIENT, CONNECTIONS),
    (&["remaining connection slots are reserved"], TRANSIENT, CONNECTIONS),
    (&["too many connections for"], TRANSIENT, CONNECTIONS),
    // 57014
    (
        &["canceling statement due to"],
        TRANSIENT,
        "the server is overloaded, or another session holds a row or table lock for long",
    ),
    // 25006
    (&["in a read-only transaction"], TRANSIENT, "make the server and this role read-write"),
    // SQLite
    (
        &["attempt to write a readonly database"],
        TRANSIENT,
        "let the account that Tokenry runs as write the file and its folder",
    ),
    (
        &["unable to open database file"],
        TRANSIENT,
        "let the account that Tokenry runs as write the file and its folder",
    ),
    (&["database or disk is full"], TRANSIENT, DISK_FULL),
    (&["disk I/O error"], TRANSIENT, "the disk of the database is failing or full: check the system log"),
    (
        &["file is not a database"],
        PERMANENT,
        "the file is damaged or belongs to another program: restore a backup",
    ),
    (&["database disk image is malformed"], PERMANENT, "the file is damaged: restore a backup"),
    (&["no such table"], PERMANENT, "run `tokenry migrate run`"),
];

/// The error for a message of a database, with advice; `None` for a message without known advice.
pub(crate) fn with_advice(message: &str) -> Option<StoreError> {
    let message = message.trim();
    if let Some(text) = missing_table_right(message) {
        return Some(StoreError::Unusable(text));
    }
    let (_, kind, advice) =
        ROWS.iter().find(|(words, ..)| words.iter().all(|word| message.contains(word)))?;
    Some(kind(format!("{message}: {advice}")))
}

/// The error for a message of a database or its driver; unavailable unless it is one with advice.
pub(crate) fn classify(message: String) -> StoreError {
    with_advice(&message).unwrap_or(StoreError::Unavailable(message))
}

/// The error for an error of Diesel. It is no `From`, since that would make Diesel's type a part of the public interface.
pub(crate) fn from_diesel(error: DieselError) -> StoreError {
    match error {
        DieselError::DatabaseError(kind, info) => {
            let message = info.message();
            #[cfg(feature = "postgres")]
            let message = crate::session_check::check_failure(message).unwrap_or(message);
            let message = message.to_owned();
            match kind {
                DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation => {
                    StoreError::Conflict(message)
                }
                DatabaseErrorKind::NotNullViolation | DatabaseErrorKind::CheckViolation => {
                    StoreError::Bug(message)
                }
                // Everything else, such as a lost connection or a full disk, is unavailable: the only outcome that
                // neither grants access nor reports a valid token as invalid.
                _ => classify(message),
            }
        }
        DieselError::DeserializationError(cause) => StoreError::Corrupt(cause.to_string()),
        DieselError::SerializationError(cause) => StoreError::Bug(cause.to_string()),
        DieselError::NotFound => StoreError::Corrupt("a row that must exist is missing".to_owned()),
        other => classify(other.to_string()),
    }
}

/// Adds the rights that the role needs, since PostgreSQL names only the table.
fn missing_table_right(message: &str) -> Option<String> {
    let (_, table) = message.split_once("permission denied for table ")?;
    let rights = tables::rights(table)?.names().join(", ");
    Some(format!(
        "{message}: the role needs {rights} on it; let the owner of the tables grant what `tokenry migrate grants` prints"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_table_is_reported_with_the_rights_that_are_needed() {
        let text = with_advice("permission denied for table audit_events").unwrap().to_string();
        assert!(text.contains("needs SELECT, INSERT on it"), "{text}");
        assert!(text.contains("`tokenry migrate grants`"), "{text}");
    }

    #[test]
    fn transient_errors_are_unavailable_and_permanent_ones_unusable() {
        let full = with_advice("could not extend file \"base/1/2\": No space left on device").unwrap();
        assert!(matches!(full, StoreError::Unavailable(text) if text.contains("free some space")));
        let missing = with_advice("relation \"users\" does not exist").unwrap();
        assert!(matches!(missing, StoreError::Unusable(text) if text.contains("migrate run")));
        let login = "connection to server failed: FATAL:  role \"x\" does not exist\n";
        assert!(
            matches!(with_advice(login).unwrap(), StoreError::Unusable(text) if text.contains("database_url"))
        );
    }

    #[test]
    fn an_unknown_message_is_passed_on_unchanged() {
        for message in ["", "keine Berechtigung für Tabelle users", "syntax error at or near \"x\""] {
            assert!(with_advice(message).is_none(), "{message}");
        }
    }
}
