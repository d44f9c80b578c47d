//! The conditions of a list of tokens.

/// Whether a token is expired, as [`ExpiryCutoffs::is_expired`](tokenry_domain::ExpiryCutoffs::is_expired) decides: never NULL.
macro_rules! is_expired {
    ($cutoffs:expr) => {{
        // A missing cutoff becomes the earliest instant, which no token precedes.
        let by = |bound: Option<tokenry_domain::UnixMillis>| {
            InstantValue(bound.unwrap_or(tokenry_domain::UnixMillis::MIN))
        };
        let now = InstantValue($cutoffs.now);
        let (created_cutoff, no_expiry_cutoff) = (by($cutoffs.created_cutoff), by($cutoffs.no_expiry_cutoff));
        let idle_cutoff = by($cutoffs.idle_cutoff);
        (tokens::expires_at.is_not_null().and(tokens::expires_at.le(now)))
            .or(tokens::secret_at.le(created_cutoff))
            .or(tokens::expires_at.is_null().and(tokens::secret_at.le(no_expiry_cutoff)))
            .or(tokens::secret_at
                .le(idle_cutoff)
                .and(tokens::not_before.is_null().or(tokens::not_before.le(idle_cutoff)))
                .and(tokens::last_used_at.is_null().or(tokens::last_used_at.le(idle_cutoff))))
            .or($crate::token::expired_when_recorded::ExpiredWhenRecorded::under($cutoffs.max_lifetimes))
    }};
}
pub(crate) use is_expired;

/// The tokens that match a filter at an instant, as a boxed query of one backend.
macro_rules! filtered {
    ($Db:ty, $filter:expr, $dialect:expr, $cutoffs:expr) => {{
        use diesel::{
            dsl::{not, sql},
            sql_types::{Bool, Text},
        };
        use tokenry_domain::{Risk, Scope, Status, query::displayed_parts};
        use $crate::{
            filter::like,
            token::{filter::is_expired, inactivity::InactiveAt},
        };

        let now = InstantValue($cutoffs.now);
        let (before, after) = $dialect.has_scope;
        let has_scope = |scope: &Scope| sql::<Bool>(before).bind::<Text, _>(scope.to_string()).sql(after);
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
                Status::Inactive => query.filter(InactiveAt.is_not_null()),
                _ => query.filter(InactiveAt.is_null()),
            };
            query = match status {
                Status::Revoked | Status::Inactive => query,
                Status::Pending => query.filter(tokens::not_before.gt(now)),
                _ => query.filter(tokens::not_before.is_null().or(tokens::not_before.le(now))),
            };
            query = match status {
                Status::Revoked | Status::Inactive | Status::Pending => query,
                Status::Expired => query.filter(is_expired!($cutoffs)),
                Status::Active => query.filter(not(is_expired!($cutoffs))),
            };
        }
        if let Some(text) = &$filter.search {
            let in_name = like!($dialect, "name", text);
            query = if let Some((public_id, suffix)) = displayed_parts(text) {
                let in_front = like!($dialect, "lookup", public_id).or(like!(
                    $dialect,
                    "coalesce(shown_prefix, '')",
                    public_id
                ));
                query.filter(in_name.or(in_front.and(like!($dialect, "suffix", suffix))))
            } else {
                let in_front =
                    like!($dialect, "lookup", text).or(like!($dialect, "coalesce(shown_prefix, '')", text));
                query.filter(in_name.or(in_front).or(like!($dialect, "suffix", text)))
            };
        }
        if let Some(scope) = &$filter.scope {
            query = query.filter(has_scope(scope));
        }
        if let Some(since) = $filter.unused_since {
            let unused = tokens::last_used_at.is_null().or(tokens::last_used_at.lt(InstantValue(since)));
            query = query.filter(unused);
        }
        if let Some(before) = $filter.expires_before {
            query = query.filter(tokens::expires_at.lt(InstantValue(before)));
        }
        if let Some(risk) = $filter.risk {
            query = query.filter(tokens::revoked_at.is_null()).filter(not(is_expired!($cutoffs)));
            query = match risk {
                Risk::NeverUsed => query.filter(tokens::last_used_at.is_null()),
                Risk::NoExpiry => query.filter(tokens::expires_at.is_null()),
                Risk::FullAccess => {
                    let names = $filter.full_access.iter().filter(|scope| **scope != Scope::All);
                    let scopes: Vec<&Scope> = std::iter::once(&Scope::All).chain(names).collect();
                    // Each condition is boxed, because a list of unknown length has no type of its own.
                    let mut any: Box<dyn diesel::BoxableExpression<tokens::table, $Db, SqlType = Bool>> =
                        Box::new(sql::<Bool>("1 = 0"));
                    for scope in scopes {
                        any = Box::new(any.or(has_scope(scope)));
                    }
                    query.filter(any)
                }
                Risk::Idle => {
                    let by = InstantValue(Risk::idle_cutoff($cutoffs.now));
                    let unused = tokens::last_used_at.is_null().and(tokens::secret_at.le(by));
                    query.filter(unused.or(tokens::last_used_at.le(by)))
                }
                Risk::OwnerDisabled => {
                    let disabled = users::table.filter(users::disabled_at.is_not_null()).select(users::id);
                    query.filter(tokens::user_id.eq_any(disabled))
                }
            };
        }
        query
    }};
}
pub(super) use filtered;
