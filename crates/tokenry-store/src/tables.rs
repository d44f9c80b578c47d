//! The tables of the newest schema on PostgreSQL, and the rights of a running server on each.

/// The rights of a role on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights(&'static [&'static str]);

const ALL: Rights = Rights(&["SELECT", "INSERT", "UPDATE", "DELETE"]);

/// Every table; a test compares this with a migrated database.
pub(crate) const TABLES: &[(&str, Rights)] = &[
    (MIGRATIONS, Rights(&["SELECT"])),
    // SECURITY: entries are added and never changed or deleted.
    ("audit_events", Rights(&["SELECT", "INSERT"])),
    ("former_subjects", ALL),
    ("imported_tokens", ALL),
    ("imports", ALL),
    // Its one row is inserted by the migrations.
    ("instance", Rights(&["SELECT", "UPDATE"])),
    ("nodes", ALL),
    ("personal_access_tokens", ALL),
    ("retired_secrets", ALL),
    ("sessions", ALL),
    ("token_counts", ALL),
    ("token_scope_uses", ALL),
    ("token_shapes", ALL),
    ("token_usage", ALL),
    ("used_sign_ins", ALL),
    ("users", ALL),
];

/// Every function, all of which are called by triggers; the same test compares them.
pub(crate) const FUNCTIONS: &[&str] = &[
    "count_events_of_older_programs",
    "count_new_tokens",
    "count_removed_tokens",
    "forget_secret_proof",
    "forget_token_counts",
    "notify_of_change",
    "notify_of_row",
    "refuse_token_of_another_user",
];

/// Diesel's table of applied migrations.
pub(crate) const MIGRATIONS: &str = "__diesel_schema_migrations";

impl Rights {
    /// The names of the rights.
    pub(crate) fn names(self) -> &'static [&'static str] {
        self.0
    }
}

/// The rights that a running server needs on a table; `None` for an unknown table.
pub(crate) fn rights(table: &str) -> Option<Rights> {
    TABLES.iter().find(|(name, _)| *name == table).map(|(_, rights)| *rights)
}
