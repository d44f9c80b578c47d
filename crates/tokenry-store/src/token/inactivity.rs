//! Since when a token is inactive, if it is.

use diesel::{
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate::Never},
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::Nullable,
};

use crate::sql_types::Instant;

/// The column `inactive_at`, but NULL for the tokens of an import that is finished and has not cleared the column of all
/// its tokens yet. So one change of the import's row activates all of them at once.
///
/// SECURITY: only the version that the import stored. Whoever pauses such a token changes its version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InactiveAt;

const SQL: &str = "CASE WHEN personal_access_tokens.inactive_at IS NOT NULL AND personal_access_tokens.version = 1 \
                   AND EXISTS (SELECT 1 FROM imported_tokens AS row_of \
                   INNER JOIN imports AS run ON run.id = row_of.import_id \
                   WHERE row_of.token_id = personal_access_tokens.id AND row_of.is_active \
                   AND run.finished_at IS NOT NULL AND run.applied_at IS NULL) \
                   THEN NULL ELSE personal_access_tokens.inactive_at END";

impl Expression for InactiveAt {
    type SqlType = Nullable<Instant>;
}

impl<From> AppearsOnTable<From> for InactiveAt {}
impl<From> SelectableExpression<From> for InactiveAt {}

impl<GroupBy> ValidGrouping<GroupBy> for InactiveAt {
    type IsAggregate = Never;
}

impl QueryId for InactiveAt {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

#[cfg(feature = "sqlite")]
impl QueryFragment<diesel::sqlite::Sqlite> for InactiveAt {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, diesel::sqlite::Sqlite>) -> QueryResult<()> {
        out.push_sql(SQL);
        Ok(())
    }
}

#[cfg(feature = "postgres")]
impl QueryFragment<diesel::pg::Pg> for InactiveAt {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, diesel::pg::Pg>) -> QueryResult<()> {
        out.push_sql(SQL);
        Ok(())
    }
}
