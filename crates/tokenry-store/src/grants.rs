//! The PostgreSQL rights of a running server's role, as an SQL script for the owner of the tables.

use std::fmt::Write as _;

use thiserror::Error;

use crate::tables::{FUNCTIONS, TABLES};

/// The longest name, in bytes, that PostgreSQL does not truncate.
const MAX_NAME: usize = 63;

/// Why a name of a role or schema was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrantsError {
    /// It is empty.
    #[error("must not be empty")]
    Empty,
    /// PostgreSQL would truncate it to another name.
    #[error("must have at most 63 bytes")]
    TooLong,
    /// A control character, which would break the lines of the script.
    #[error("must have no control characters")]
    Control,
    /// PostgreSQL takes it for every role or for none, even in quotes.
    #[error("is not the name of one role")]
    Reserved,
}

/// The script that grants `role` the rights that a running server needs in `schema` and revokes all others. It may be run
/// repeatedly; it changes nothing if the role could still rewrite the audit log through other rights.
///
/// # Errors
/// When `role` is not a valid name of a role.
pub fn script(role: &str, schema: &Schema) -> Result<String, GrantsError> {
    let name = named(role)?;
    // SECURITY: even a quoted "public" means every role.
    if ["public", "none"].iter().any(|reserved| role.eq_ignore_ascii_case(reserved)) {
        return Err(GrantsError::Reserved);
    }
    let (role, schema) = (name, &schema.0);
    let mut script = String::from(BEGIN);
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(script, "{text}");
    };
    line(format_args!("SET LOCAL tokenry.role = {};", literal(role.as_bare())));
    line(format_args!("SET LOCAL tokenry.log = {};", literal(&format!("{schema}.audit_events"))));
    line(format_args!("REVOKE ALL ON SCHEMA {schema} FROM {role};"));
    line(format_args!("GRANT USAGE ON SCHEMA {schema} TO {role};"));
    for (table, rights) in TABLES {
        line(format_args!("REVOKE ALL ON TABLE {schema}.{table} FROM {role};"));
        line(format_args!("GRANT {} ON TABLE {schema}.{table} TO {role};", rights.names().join(", ")));
    }
    for function in FUNCTIONS {
        line(format_args!("ALTER FUNCTION {schema}.{function}() SET search_path = {schema}, pg_temp;"));
    }
    script.push_str(END);
    Ok(script)
}

/// The name of a schema.
#[derive(Debug, Clone)]
pub struct Schema(Name);

impl std::str::FromStr for Schema {
    type Err = GrantsError;

    fn from_str(text: &str) -> Result<Self, GrantsError> {
        named(text).map(Self)
    }
}

const BEGIN: &str = "\
-- What a running Tokenry may do. Run it as the owner of the tables, again after each `tokenry migrate run`.
BEGIN;
SET LOCAL standard_conforming_strings = on;
";

/// SECURITY: the script is rolled back if the role can bypass the restrictions.
const END: &str = "\
DO $$
DECLARE
    role text := current_setting('tokenry.role');
    log oid := current_setting('tokenry.log')::regclass;
BEGIN
    IF pg_has_role(role, (SELECT relowner FROM pg_class WHERE oid = log), 'MEMBER') THEN
        RAISE EXCEPTION 'the role % owns the tables, is a member of their owner or a superuser: make another role', role;
    END IF;
    IF has_table_privilege(role, log, 'UPDATE, DELETE, TRUNCATE, TRIGGER') OR has_any_column_privilege(role, log, 'UPDATE') THEN
        RAISE EXCEPTION 'the role % may change the audit log through PUBLIC or a role that it is a member of', role;
    END IF;
END
$$;
COMMIT;
";

/// A name that is displayed as one quoted SQL identifier.
#[derive(Debug, Clone)]
struct Name(String);

impl Name {
    fn as_bare(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

fn named(text: &str) -> Result<Name, GrantsError> {
    if text.is_empty() {
        return Err(GrantsError::Empty);
    }
    if text.len() > MAX_NAME {
        return Err(GrantsError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(GrantsError::Control);
    }
    Ok(Name(text.to_owned()))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(role: &str) -> Result<String, GrantsError> {
        script(role, &"public".parse().unwrap())
    }

    #[test]
    fn a_name_is_quoted() {
        let script = of("a\"; DROP TABLE users; --'").unwrap();
        assert!(script.contains("TO \"a\"\"; DROP TABLE users; --'\";"), "{script}");
        assert!(script.contains("tokenry.role = 'a\"; DROP TABLE users; --'''"), "{script}");
    }

    #[test]
    fn an_invalid_role_name_is_rejected() {
        for (name, error) in [
            ("", GrantsError::Empty),
            (&*"a".repeat(64), GrantsError::TooLong),
            (&*"ä".repeat(32), GrantsError::TooLong),
            ("a\nb", GrantsError::Control),
            ("a\0b", GrantsError::Control),
            ("public", GrantsError::Reserved),
            ("PUBLIC", GrantsError::Reserved),
            ("none", GrantsError::Reserved),
        ] {
            assert_eq!(of(name).err(), Some(error), "{name:?}");
        }
        assert!(of(&"a".repeat(63)).is_ok());
        assert!("".parse::<Schema>().is_err());
    }
}
