//! List conditions whose SQL differs between the two databases.

use crate::tx::{AnyConnection, Tx};

/// The SQL fragments that differ.
#[derive(Clone, Copy)]
pub(crate) struct SqlDialect {
    /// The operator that ignores the case of ASCII letters; the columns' collation limits it to ASCII.
    pub(crate) like: &'static str,
    /// The SQL before and after a scope that tests whether the list of scopes contains it.
    pub(crate) has_scope: (&'static str, &'static str),
}

impl SqlDialect {
    pub(crate) fn of(tx: &Tx<'_>) -> Self {
        match &tx.0 {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(_) => Self {
                like: " LIKE ",
                has_scope: ("EXISTS (SELECT 1 FROM json_each(scopes) WHERE value = ", ")"),
            },
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(_) => {
                Self { like: " ILIKE ", has_scope: ("scopes @> to_jsonb(", "::text)") }
            }
        }
    }
}

/// A `LIKE` pattern for columns that contain the text; `%`, `_` and `\` in the text are escaped.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// `column LIKE '%text%'` on either database.
macro_rules! like {
    ($dialect:expr, $column:literal, $text:expr) => {
        diesel::dsl::sql::<diesel::sql_types::Bool>(concat!($column))
            .sql($dialect.like)
            .bind::<diesel::sql_types::Text, _>($crate::filter::containing($text))
            .sql(" ESCAPE '\\'")
    };
}
pub(crate) use like;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_search_are_escaped() {
        assert_eq!(containing(r"50%_\x"), r"%50\%\_\\x%");
    }
}
