//! Tokens that are over at the instant at which their end was recorded: the clock of now is not asked.

use diesel::{
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate::Never},
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::Bool,
};
use tokenry_domain::{Lifetime, Spans};

/// The condition, true or false and never NULL, as
/// [`ExpiryCutoffs::no_earlier_than`](tokenry_domain::ExpiryCutoffs::no_earlier_than) decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverWhenNoted(Spans);

impl OverWhenNoted {
    pub(crate) fn under(spans: Spans) -> Self {
        Self(spans)
    }

    /// `later` writes a column moved forward by a span, in the database's own arithmetic.
    fn sql(self, later: fn(&str, Lifetime) -> String) -> String {
        let mut ways = vec!["COALESCE(t.expires_at <= t.expiry_noted_at, FALSE)".to_owned()];
        let is_by = |column: &str, span: Lifetime| format!("{} <= t.expiry_noted_at", later(column, span));
        ways.extend(self.0.made.map(|span| is_by("t.secret_at", span)));
        let endless = self.0.endless.map(|span| is_by("t.secret_at", span));
        ways.extend(endless.map(|is_by| format!("(t.expires_at IS NULL AND {is_by})")));
        ways.extend(self.0.idle.map(|span| {
            let begun = format!("COALESCE({}, TRUE)", is_by("t.not_before", span));
            let used = format!("COALESCE({}, TRUE)", is_by("t.last_used_at", span));
            format!("({} AND {begun} AND {used})", is_by("t.secret_at", span))
        }));
        let ways = ways.join(" OR ").replace("t.", "personal_access_tokens.");
        format!("(personal_access_tokens.expiry_noted_at IS NOT NULL AND ({ways}))")
    }
}

impl Expression for OverWhenNoted {
    type SqlType = Bool;
}

impl<From> AppearsOnTable<From> for OverWhenNoted {}
impl<From> SelectableExpression<From> for OverWhenNoted {}

impl<GroupBy> ValidGrouping<GroupBy> for OverWhenNoted {
    type IsAggregate = Never;
}

impl QueryId for OverWhenNoted {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

#[cfg(feature = "sqlite")]
impl QueryFragment<diesel::sqlite::Sqlite> for OverWhenNoted {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, diesel::sqlite::Sqlite>) -> QueryResult<()> {
        out.push_sql(&self.sql(|column, span| format!("{column} + {}", span.millis())));
        Ok(())
    }
}

#[cfg(feature = "postgres")]
impl QueryFragment<diesel::pg::Pg> for OverWhenNoted {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, diesel::pg::Pg>) -> QueryResult<()> {
        // A number times a unit is exact; days would follow the session's time zone.
        out.push_sql(
            &self.sql(|column, span| format!("{column} + {} * INTERVAL '1 millisecond'", span.millis())),
        );
        Ok(())
    }
}
