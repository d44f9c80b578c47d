//! Lists the uses of a token.

use std::str::FromStr;

use thiserror::Error;
use tokenry_domain::{Lifetime, TokenId, UnixMillis, UsageCount, UsageKey, optional_setters, setters};
use tokenry_store::{
    token,
    usage::{self, UsageFilter},
};

use crate::{
    caller::RequestContext, owner::visible_owner, read_error::ReadError, required::tokens_read,
    tokenry::Tokenry,
};

/// Selects the uses of a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageQuery {
    /// Buckets that began at this instant or later. Default: 30 days before `to`.
    pub from: Option<UnixMillis>,
    /// Buckets that began before this instant. Default: all up to now.
    pub to: Option<UnixMillis>,
    /// The maximum number of rows.
    pub limit: UsageLimit,
}

impl UsageQuery {
    setters! { with_limit(limit: UsageLimit) }

    optional_setters! { with_from(from: UnixMillis), with_to(to: UnixMillis) }
}

/// The maximum number of rows of the usage log: 1 to 5000, 1000 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageLimit(u16);

impl UsageLimit {
    /// The largest limit.
    pub const MAX: u16 = 5000;

    /// The limit, or `None` outside 1 to [`MAX`](Self::MAX).
    #[must_use]
    pub fn new(rows: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&rows).then_some(Self(rows))
    }
}

/// The text is not a valid limit.
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

/// The uses of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsagePage {
    /// The newest uses, newest first.
    pub uses: Vec<(UsageKey, UsageCount)>,
    /// The number of uses in the whole requested time.
    pub total_count: u64,
}

/// The default time range.
pub(super) const MONTH: Lifetime = Lifetime::days(30);

impl Tokenry {
    /// Returns the uses of a token, live or dead. Uses of the last second may be missing; those of this node are
    /// included after [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`ReadError::Denied`], [`ReadError::NotFound`], [`ReadError::Store`].
    pub fn usage(
        &self,
        context: &RequestContext,
        id: TokenId,
        query: UsageQuery,
    ) -> Result<UsagePage, ReadError> {
        context.caller.require(&tokens_read())?;
        let UsageQuery { from, to, limit } = query;
        let from = from.unwrap_or_else(|| to.unwrap_or(context.now).saturating_sub(MONTH));
        let filter = UsageFilter { token_id: id, from, to };
        self.0.store.read(|tx| {
            let token = token::find(tx, id)?.ok_or(ReadError::NotFound)?;
            visible_owner(tx, &context.caller, &token)?.ok_or(ReadError::NotFound)?;
            Ok(UsagePage { uses: usage::list(tx, filter, limit.0)?, total_count: usage::total(tx, filter)? })
        })
    }
}
