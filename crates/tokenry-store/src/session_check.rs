//! The check that a PostgreSQL session reaches the primary and is not shared: its SQL, and what its failure means.

/// The error for a pooler that shares sessions between clients.
pub(crate) const SHARED: &str = "the session is shared with other clients: behind a pooler Tokenry needs session pooling or a direct connection";
/// The error for a server that is not the primary.
pub(crate) const STANDBY: &str =
    "the server is a standby or read-only: Tokenry needs the primary; name it, or several hosts";

/// An SQL expression that is true or fails with a message for [`check_failure`]. All its parts are stable within a
/// statement, so the server evaluates it once, before it reads rows.
pub(crate) fn check(is_read_only: &str, marker: &str) -> String {
    format!(
        "CAST(CASE WHEN {is_read_only} THEN 'tokenry: {STANDBY}' \
         WHEN current_setting('tokenry.session', true) = {marker} THEN 'true' ELSE 'tokenry: {SHARED}' END AS boolean)"
    )
}

/// The text of a failed [`check`], found in the server's message.
pub(crate) fn check_failure(message: &str) -> Option<&'static str> {
    [SHARED, STANDBY].into_iter().find(|text| message.contains(text))
}

/// The text for a connection that libpq rejected because of `target_session_attrs`.
pub(crate) fn rejected_by_libpq(message: &str) -> Option<&'static str> {
    let is_standby =
        ["session is read-only", "server is in hot standby mode"].iter().any(|words| message.contains(words));
    is_standby.then_some(STANDBY)
}

/// Whether the message of a failed connection means that a pooler needs another mode. In statement mode PgBouncer itself
/// rejects transactions.
pub(crate) fn is_shared(message: &str) -> bool {
    [SHARED, "statement pooling mode"].iter().any(|words| message.contains(words))
}
