//! Look at what a token was used for.

use std::str::FromStr;

use thiserror::Error;
use tokenry_domain::{Lifetime, TokenId, UnixMillis, UsageCount, UsageKey};
use tokenry_store::{
    token,
    usage::{self, UsageFilter},
};

use crate::{
    caller::RequestContext, find::FindError, owner::visible_owner, required::tokens_read, tokenry::Tokenry,
};

/// Which uses of a token are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Those whose span of time began then or later. Default: 30 days before the end.
    pub from: Option<UnixMillis>,
    /// Those whose span of time began before then. Default: all up to now.
    pub to: Option<UnixMillis>,
    /// How many rows.
    pub limit: UsageLimit,
}

/// How many rows of the usage log are shown: 1 to 5000, 1000 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageLimit(u16);

impl UsageLimit {
    /// The most rows.
    pub const MAX: u16 = 5000;

    /// The limit, or `None` outside 1 to [`MAX`](Self::MAX).
    #[must_use]
    pub fn new(rows: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&rows).then_some(Self(rows))
    }
}

/// The text is no number of rows that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be from 1 to {}", UsageLimit::MAX)]
pub struct ParseUsageLimitError;

impl FromStr for UsageLimit {
    type Err = ParseUsageLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or(ParseUsageLimitError)
    }
}

impl Default for UsageLimit {
    fn default() -> Self {
        Self(1000)
    }
}

/// What a token was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePage {
    /// The newest uses, newest first.
    pub uses: Vec<(UsageKey, UsageCount)>,
    /// How many uses there were in the whole time that was asked for.
    pub total_count: u64,
}

/// How far back a list goes that names no beginning.
pub(super) const MONTH: Lifetime = Lifetime::days(30);

impl Tokenry {
    /// What a token was used for, alive or dead. What was noted within the last second may not be there yet, and on
    /// this node is there after [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`FindError`], as [`find`](Self::find_token).
    pub fn usage(
        &self,
        context: &RequestContext,
        id: TokenId,
        query: UsageQuery,
    ) -> Result<UsagePage, FindError> {
        context.caller.require(&tokens_read())?;
        let UsageQuery { from, to, limit } = query;
        let from = from.unwrap_or_else(|| to.unwrap_or(context.now).saturating_sub(MONTH));
        let filter = UsageFilter { token_id: id, from, to };
        self.0.store.read(|tx| {
            let token = token::find(tx, id)?.ok_or(FindError::NotFound)?;
            visible_owner(tx, &context.caller, &token)?.ok_or(FindError::NotFound)?;
            Ok(UsagePage { uses: usage::list(tx, filter, limit.0)?, total_count: usage::total(tx, filter)? })
        })
    }
}
