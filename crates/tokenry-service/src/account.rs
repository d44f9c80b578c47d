//! Reports how much of their limits a user has left.

use tokenry_domain::{Limits, UnixMillis, User};
use tokenry_store::{StoreError, token};

use crate::{caller::RequestContext, tokenry::Tokenry};

/// How many tokens a user has and may still create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitStatus {
    /// The maximum number of live tokens; `None` means no limit.
    pub max_tokens: Option<u32>,
    /// Tokens that are neither revoked nor expired.
    pub live_tokens: u64,
    /// How many more may be created now; `None` means no limit on the rate.
    pub creations_left: Option<u32>,
    /// When `creations_left` rises by one; `None` if no token was created within the last hour, or without a limit.
    pub resets_at: Option<UnixMillis>,
}

impl Tokenry {
    /// The limits of `user` and how much of them is left at the instant of the request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn limit_status(&self, context: &RequestContext, user: &User) -> Result<LimitStatus, StoreError> {
        let limits = self.0.rules.policy.limits;
        self.0.store.read(|tx| {
            let live_tokens = token::count_live(tx, user.id, &self.0.rules.cutoffs(context.now))?;
            let (creations_left, resets_at) = match limits.creations_per_hour {
                None => (None, None),
                Some(limit) => {
                    let made = token::creations_since(
                        tx,
                        user.id,
                        context.now.saturating_sub(Limits::CREATION_WINDOW),
                        limit,
                    )?;
                    let left = limit.saturating_sub(u32::try_from(made.len()).unwrap_or(u32::MAX));
                    (Some(left), made.first().and_then(|oldest| oldest.checked_add(Limits::CREATION_WINDOW)))
                }
            };
            Ok(LimitStatus { max_tokens: limits.max_live_tokens, live_tokens, creations_left, resets_at })
        })
    }
}
