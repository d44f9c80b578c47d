//! The condition for tokens that were expired at the instant at which their expiry was recorded, independent of the
//! current time.

use diesel::{
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate::Never},
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::Bool,
};
use tokenry_domain::{Lifetime, MaxLifetimes};

/// The condition, never NULL, equal to
/// [`ExpiryCutoffs::no_earlier_than`](tokenry_domain::ExpiryCutoffs::no_earlier_than).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpiredWhenRecorded(MaxLifetimes);

impl ExpiredWhenRecorded {
    pub(crate) fn under(lifetimes: MaxLifetimes) -> Self {
        Self(lifetimes)
    }

    /// `add` is the backend's SQL for a column plus a span.
    fn sql(self, add: fn(&str, Lifetime) -> String) -> String {
        let mut reasons = vec!["COALESCE(t.expires_at <= t.expiry_noted_at, FALSE)".to_owned()];
        let is_past = |column: &str, span: Lifetime| format!("{} <= t.expiry_noted_at", add(column, span));
        reasons.extend(self.0.total.map(|span| is_past("t.secret_at", span)));
        let without_expiry = self.0.without_expiry.map(|span| is_past("t.secret_at", span));
        reasons.extend(without_expiry.map(|is_past| format!("(t.expires_at IS NULL AND {is_past})")));
        reasons.extend(self.0.idle.map(|span| {
            let active = format!("COALESCE({}, TRUE)", is_past("t.not_before", span));
            let used = format!("COALESCE({}, TRUE)", is_past("t.last_used_at", span));
            format!("({} AND {active} AND {used})", is_past("t.secret_at", span))
        }));
        let reasons = reasons.join(" OR ").replace("t.", "personal_access_tokens.");
        format!("(personal_access_tokens.expiry_noted_at IS NOT NULL AND ({reasons}))")
    }
}

impl Expression for ExpiredWhenRecorded {
    type SqlType = Bool;
}

impl<From> AppearsOnTable<From> for ExpiredWhenRecorded {}
impl<From> SelectableExpression<From> for ExpiredWhenRecorded {}

impl<GroupBy> ValidGrouping<GroupBy> for ExpiredWhenRecorded {
    type IsAggregate = Never;
}

impl QueryId for ExpiredWhenRecorded {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

#[cfg(feature = "sqlite")]
impl QueryFragment<diesel::sqlite::Sqlite> for ExpiredWhenRecorded {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, diesel::sqlite::Sqlite>) -> QueryResult<()> {
        out.push_sql(&self.sql(|column, span| format!("{column} + {}", span.millis())));
        Ok(())
    }
}

#[cfg(feature = "postgres")]
impl QueryFragment<diesel::pg::Pg> for ExpiredWhenRecorded {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, diesel::pg::Pg>) -> QueryResult<()> {
        // Milliseconds are exact; an interval in days would depend on the session's time zone.
        out.push_sql(
            &self.sql(|column, span| format!("{column} + {} * INTERVAL '1 millisecond'", span.millis())),
        );
        Ok(())
    }
}
