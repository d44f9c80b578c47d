//! Summarizes the uses of a token.

use std::collections::HashMap;

use thiserror::Error;
use tokenry_domain::{Lifetime, Scope, TokenId, UnixMillis, optional_setters};
use tokenry_store::{
    StoreError, Tx, token,
    usage::{
        scopes,
        summary::{self, AddressCount, HourCount, RouteCount, StatusGrouping, UsageSpan},
    },
};

use super::log::MONTH;
use crate::{
    caller::RequestContext, denial::Denial, owner::visible_owner, required::tokens_read, tokenry::Tokenry,
};

/// Selects the uses of a summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SummaryQuery {
    /// Buckets that began at this instant or later. Default: 30 days before `to`.
    pub from: Option<UnixMillis>,
    /// Buckets that began before this instant. Default: now.
    pub to: Option<UnixMillis>,
}

impl SummaryQuery {
    optional_setters! { with_from(from: UnixMillis), with_to(to: UnixMillis) }
}

/// The summary of the uses of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageSummary {
    /// The beginning of the time range.
    pub from: UnixMillis,
    /// The end of the time range.
    pub to: UnixMillis,
    /// The number of uses.
    pub total_count: u64,
    /// All uses by hour and status, oldest first. With too many different statuses, all are grouped by class.
    pub hours: Vec<HourCount>,
    /// The 50 most used routes.
    pub routes: Vec<RouteCount>,
    /// The 50 most used addresses and programs.
    pub addresses: Vec<AddressCount>,
    /// The scopes of the token, each with its last use; `None` means never.
    pub scopes: Vec<(Scope, Option<UnixMillis>)>,
}

/// Why a summary is not returned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SummaryError {
    /// The caller lacks `tokens:read`.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no such token, or it belongs to another user; callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// The requested time is longer than 90 days.
    #[error("the time is longer than 90 days")]
    TooLong,
    /// Too many summaries are running.
    #[error("too many summaries are being made")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The maximum time range.
const LONGEST: Lifetime = Lifetime::days(90);
/// How many routes and addresses are listed.
const NAMED: u16 = 50;
/// The maximum number of hours and statuses. 90 days touch 2161 hours, and there are 7 classes, so all classes fit.
const ROWS: u16 = 20_000;

impl Tokenry {
    /// Summarizes the uses of a token, live or dead, over at most 90 days. Uses of the last second may be missing.
    /// Concurrency is limited on this node, since each summary reads all uses of the token in that time.
    ///
    /// # Errors
    /// [`SummaryError`].
    pub fn usage_summary(
        &self,
        context: &RequestContext,
        id: TokenId,
        query: SummaryQuery,
    ) -> Result<UsageSummary, SummaryError> {
        context.caller.require(&tokens_read())?;
        let to = query.to.unwrap_or(context.now);
        let from = query.from.unwrap_or_else(|| to.saturating_sub(MONTH));
        if from < to.saturating_sub(LONGEST) {
            return Err(SummaryError::TooLong);
        }
        let span = UsageSpan { token_id: id, from, to };
        let _permit = self
            .0
            .summary_limit
            .try_acquire(context.caller.user().map(|user| user.id))
            .ok_or(SummaryError::Busy)?;
        self.0.store.read(|tx| {
            let token = token::find(tx, id)?.ok_or(SummaryError::NotFound)?;
            visible_owner(tx, &context.caller, &token)?.ok_or(SummaryError::NotFound)?;
            let hours = hours(tx, span)?;
            let used: HashMap<Scope, UnixMillis> = scopes::list(tx, id)?.into_iter().collect();
            Ok(UsageSummary {
                from,
                to,
                total_count: hours.iter().map(|hour| hour.count).sum(),
                hours,
                routes: summary::routes(tx, span, NAMED)?,
                addresses: summary::addresses(tx, span, NAMED)?,
                scopes: token.scopes.iter().map(|scope| (scope.clone(), used.get(scope).copied())).collect(),
            })
        })
    }
}

fn hours(tx: &mut Tx<'_>, span: UsageSpan) -> Result<Vec<HourCount>, StoreError> {
    let exact = summary::hours(tx, span, StatusGrouping::Exact, ROWS + 1)?;
    if exact.len() <= ROWS.into() {
        Ok(exact)
    } else {
        summary::hours(tx, span, StatusGrouping::Classes, ROWS)
    }
}
