//! Reads one token.

use thiserror::Error;
use tokenry_domain::{Token, TokenId, User};
use tokenry_store::{StoreError, token};

use crate::{
    caller::RequestContext, denial::Denial, owner::visible_owner, required::tokens_read, tokenry::Tokenry,
};

/// Why a token is not returned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FindError {
    /// The caller lacks `tokens:read`.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no such token, or it belongs to another user; callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Returns the token with this id and its owner.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn find_token(&self, context: &RequestContext, id: TokenId) -> Result<(Token, User), FindError> {
        context.caller.require(&tokens_read())?;
        self.0.store.read(|tx| {
            let token = token::find(tx, id)?.ok_or(FindError::NotFound)?;
            let owner = visible_owner(tx, &context.caller, &token)?.ok_or(FindError::NotFound)?;
            Ok((token, owner))
        })
    }
}
