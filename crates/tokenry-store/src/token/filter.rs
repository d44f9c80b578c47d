//! The conditions of a list of tokens.

use crate::backend::Tx;

/// Where the SQL of the two databases really differs.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// Compares without regard to the case of ASCII letters; the columns' collation keeps it to those.
    pub(super) like: &'static str,
    /// Around a scope: whether the list of scopes has it.
    pub(super) has_scope: (&'static str, &'static str),
}

impl Dialect {
    pub(super) fn of(tx: &Tx<'_>) -> Self {
        match tx {
            #[cfg(feature = "sqlite")]
            Tx::Sqlite(_) => Self {
                like: " LIKE ",
                has_scope: ("EXISTS (SELECT 1 FROM json_each(scopes) WHERE value = ", ")"),
            },
            #[cfg(feature = "postgres")]
            Tx::Postgres(_) => Self { like: " ILIKE ", has_scope: ("scopes @> to_jsonb(", "::text)") },
        }
    }
}

/// A text as a `LIKE` pattern in which its own `%`, `_` and `\` mean themselves.
pub(super) fn containing(text: &str) -> String {
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
            .bind::<diesel::sql_types::Text, _>($crate::token::filter::containing($text))
            .sql(" ESCAPE '\\'")
    };
}
pub(super) use like;

/// The tokens that a filter lets through at an instant, as a boxed query of one backend.
macro_rules! filtered {
    ($Db:ty, $filter:expr, $dialect:expr, $now:expr) => {{
        use diesel::{
            dsl::sql,
            sql_types::{Bool, Text},
        };
        use tokenry_domain::Status;
        use $crate::token::filter::like;

        let now = InstantValue($now);
        let mut query = tokens::table.into_boxed::<$Db>();
        if let Some(id) = $filter.user_id {
            query = query.filter(tokens::user_id.eq(IdValue(id.uuid())));
        }
        if let Some(status) = $filter.status {
            query = match status {
                Status::Revoked => query.filter(tokens::revoked_at.is_not_null()),
                _ => query.filter(tokens::revoked_at.is_null()),
            };
            query = match status {
                Status::Revoked => query,
                Status::Inactive => query.filter(tokens::inactive_at.is_not_null()),
                _ => query.filter(tokens::inactive_at.is_null()),
            };
            query = match status {
                Status::Revoked | Status::Inactive => query,
                Status::Pending => query.filter(tokens::not_before.gt(now)),
                _ => query.filter(tokens::not_before.is_null().or(tokens::not_before.le(now))),
            };
            query = match status {
                Status::Revoked | Status::Inactive | Status::Pending => query,
                Status::Expired => query.filter(tokens::expires_at.le(now)),
                Status::Active => query.filter(tokens::expires_at.is_null().or(tokens::expires_at.gt(now))),
            };
        }
        if let Some(text) = &$filter.search {
            let in_name = like!($dialect, "name", text);
            let in_lookup = like!($dialect, "lookup", text);
            let in_suffix = like!($dialect, "suffix", text);
            query = query.filter(in_name.or(in_lookup).or(in_suffix));
        }
        if let Some(scope) = &$filter.scope {
            let (before, behind) = $dialect.has_scope;
            query = query.filter(sql::<Bool>(before).bind::<Text, _>(scope.to_string()).sql(behind));
        }
        if let Some(since) = $filter.unused_since {
            let unused = tokens::last_used_at.is_null().or(tokens::last_used_at.lt(InstantValue(since)));
            query = query.filter(unused);
        }
        if let Some(before) = $filter.expires_before {
            query = query.filter(tokens::expires_at.lt(InstantValue(before)));
        }
        query
    }};
}
pub(super) use filtered;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_search_mean_themselves() {
        assert_eq!(containing(r"50%_\x"), r"%50\%\_\\x%");
    }
}
