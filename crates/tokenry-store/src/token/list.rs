//! Pages of tokens: filters, orders and keyset positions.

use diesel::{
    dsl::{count_star, sql},
    prelude::*,
    sql_types::BigInt,
};
use tokenry_domain::{
    ExpiryCutoffs, Page, PageSize, PageStart, Sort, SortKey, Token, TokenFilter,
    query::{Position, PositionKey},
};

use super::{filter::filtered, row::TokenRow};
use crate::{
    convert,
    error::StoreError,
    filter::SqlDialect,
    macros::on,
    page::{after, after_nullable, ordered_nullable},
    schema::{personal_access_tokens as tokens, token_counts, users},
    sql_types::{IdValue, InstantValue},
    tx::Tx,
};

/// One page of the tokens that match `filter` under `cutoffs`, from `start` on, by default the first.
///
/// A position of another order is a [`StoreError::Bug`], since the service keeps position and order together.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    filter: &TokenFilter,
    sort: Sort,
    size: PageSize,
    start: Option<&PageStart>,
    cutoffs: &ExpiryCutoffs,
) -> Result<Page<Token>, StoreError> {
    let dialect = SqlDialect::of(tx);
    let (position, offset) = match start {
        None => (None, 0),
        Some(PageStart::After(position)) => (Some(position), 0),
        Some(PageStart::Page(number)) => (None, i64::from(*number) * i64::from(size.get())),
    };
    let mut rows: Vec<TokenRow> = on!(tx, |c| {
        let mut query = filtered!(Db, filter, dialect, cutoffs).select(TokenRow::as_select());
        query = match (sort.key, position.map(|p| (&p.key, IdValue(p.id.uuid())))) {
            (SortKey::CreatedAt, None) => query,
            (SortKey::CreatedAt, Some((PositionKey::Instant(Some(at)), id))) => {
                after!(query, tokens::created_at, InstantValue(*at), tokens::id, id, sort.descending)
            }
            (SortKey::Name, None) => query,
            (SortKey::Name, Some((PositionKey::Text(name), id))) => {
                after!(query, tokens::name, name.clone(), tokens::id, id, sort.descending)
            }
            (SortKey::ExpiresAt, None) => query,
            (SortKey::ExpiresAt, Some((PositionKey::Instant(at), id))) => {
                after_nullable!(
                    query,
                    tokens::expires_at,
                    at.map(InstantValue),
                    tokens::id,
                    id,
                    sort.descending,
                    true
                )
            }
            (SortKey::LastUsedAt, None) => query,
            (SortKey::LastUsedAt, Some((PositionKey::Instant(at), id))) => {
                after_nullable!(
                    query,
                    tokens::last_used_at,
                    at.map(InstantValue),
                    tokens::id,
                    id,
                    sort.descending,
                    false
                )
            }
            _ => return Err(StoreError::Bug("a position of another order".to_owned())),
        };
        query = match (sort.key, sort.descending) {
            (SortKey::CreatedAt, true) => query.order((tokens::created_at.desc(), tokens::id.desc())),
            (SortKey::CreatedAt, false) => query.order((tokens::created_at.asc(), tokens::id.asc())),
            (SortKey::Name, true) => query.order((tokens::name.desc(), tokens::id.desc())),
            (SortKey::Name, false) => query.order((tokens::name.asc(), tokens::id.asc())),
            (SortKey::ExpiresAt, down) => {
                ordered_nullable!(query, tokens::expires_at, tokens::id, down, true)
            }
            (SortKey::LastUsedAt, down) => {
                ordered_nullable!(query, tokens::last_used_at, tokens::id, down, false)
            }
        };
        query = query.limit(i64::from(size.get()) + 1);
        // Only where it is needed: the other lists keep their statements.
        if offset > 0 {
            query = query.offset(offset);
        }
        query.load(c)
    })?;
    let total = total(tx, filter, cutoffs)?;

    let more = rows.len() > usize::from(size.get());
    rows.truncate(size.get().into());
    let items = rows.into_iter().map(Token::try_from).collect::<Result<Vec<_>, _>>()?;
    let next = items.last().filter(|_| more).map(|token| Position::of(token, sort));
    Ok(Page::new(items, next, total))
}

/// The number of tokens that match `filter`. Without conditions other than the user, it is read from `token_counts`
/// instead of counted: lists are read far more often than they change, and most have no other condition.
fn total(tx: &mut Tx<'_>, filter: &TokenFilter, cutoffs: &ExpiryCutoffs) -> Result<u64, StoreError> {
    let all = TokenFilter::default().with_user_id(filter.user_id);
    let total: i64 = if *filter == all {
        on!(tx, |c| {
            let mut counts = token_counts::table.into_boxed::<Db>();
            if let Some(id) = filter.user_id {
                counts = counts.filter(token_counts::user_id.eq(IdValue(id.uuid())));
            }
            counts.select(sql::<BigInt>("CAST(COALESCE(SUM(tokens), 0) AS BIGINT)")).get_result(c)
        })?
    } else {
        let dialect = SqlDialect::of(tx);
        on!(tx, |c| filtered!(Db, filter, dialect, cutoffs).select(count_star()).get_result(c))?
    };
    Ok(convert::count(total))
}
