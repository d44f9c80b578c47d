//! What a token was used for, added up.

use std::collections::HashMap;

use thiserror::Error;
use tokenry_domain::{Lifetime, Scope, TokenId, UnixMillis};
use tokenry_store::{
    StoreError, Tx, token,
    usage::{
        scopes,
        summary::{self, AddressCount, Answers, HourCount, RouteCount, UsageSpan},
    },
};

use super::log::MONTH;
use crate::{
    caller::RequestContext, denial::Denial, owner::visible_owner, required::tokens_read, tokenry::Tokenry,
};

/// Which uses are added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SummaryQuery {
    /// Those whose span of time began then or later. Default: 30 days before the end.
    pub from: Option<UnixMillis>,
    /// Those whose span of time began before then. Default: now.
    pub to: Option<UnixMillis>,
}

/// What a token was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSummary {
    /// Where it begins.
    pub from: UnixMillis,
    /// Where it ends.
    pub to: UnixMillis,
    /// How many uses there were.
    pub total_count: u64,
    /// All of them by hour and status, the oldest first. Where there are too many different statuses to be told, all are
    /// told by their class.
    pub hours: Vec<HourCount>,
    /// The 50 most used routes.
    pub routes: Vec<RouteCount>,
    /// The 50 most used addresses and programs.
    pub addresses: Vec<AddressCount>,
    /// The scopes that the token holds, each with when it was last asked for; `None` is never.
    pub scopes: Vec<(Scope, Option<UnixMillis>)>,
}

/// Why uses are not added up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SummaryError {
    /// The caller may not look at tokens.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no such token, or it is somebody else's: callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// The time that was asked for is longer than 90 days.
    #[error("the time is longer than 90 days")]
    TooLong,
    /// Too many are being made.
    #[error("too many summaries are being made")]
    Busy,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The longest time.
const LONGEST: Lifetime = Lifetime::days(90);
/// How many routes and addresses are named.
const NAMED: u16 = 50;
/// How many hours and answers are told. Of classes there are 7, and 2161 hours that 90 days can touch: all have room.
const ROWS: u16 = 20_000;

impl Tokenry {
    /// What a token was used for, alive or dead, added up over at most 90 days. What was noted within the last second may
    /// be missing. A few at a time on this node, since each reads all of the token's uses of that time.
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
        let _place = self
            .0
            .summary_gate
            .try_acquire(context.caller.user().map(|user| user.id))
            .ok_or(SummaryError::Busy)?;
        self.0.store.read(|tx| {
            let token = token::find(tx, id)?.ok_or(SummaryError::NotFound)?;
            visible_owner(tx, &context.caller, &token)?.ok_or(SummaryError::NotFound)?;
            let hours = hours(tx, span)?;
            let used: HashMap<Scope, UnixMillis> = scopes::list(tx, id)?.into_iter().collect();
            let scope = |scope: &Scope| (scope.clone(), used.get(scope).copied());
            Ok(UsageSummary {
                from,
                to,
                total_count: hours.iter().map(|hour| hour.count).sum(),
                hours,
                routes: summary::routes(tx, span, NAMED)?,
                addresses: summary::addresses(tx, span, NAMED)?,
                scopes: token.scopes.iter().map(scope).collect(),
            })
        })
    }
}

fn hours(tx: &mut Tx<'_>, span: UsageSpan) -> Result<Vec<HourCount>, StoreError> {
    let exact = summary::hours(tx, span, Answers::Exact, ROWS + 1)?;
    if exact.len() <= ROWS.into() { Ok(exact) } else { summary::hours(tx, span, Answers::Classes, ROWS) }
}
