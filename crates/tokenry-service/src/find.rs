//! Look at one token.

use thiserror::Error;
use tokenry_domain::{Token, TokenId, User};
use tokenry_store::{StoreError, token};

use crate::{
    caller::RequestContext, denial::Denial, owner::visible_owner, required::tokens_read, tokenry::Tokenry,
};

/// Why a token is not shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FindError {
    /// The caller may not look at tokens.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no such token, or it is somebody else's: callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// The token with this id and its owner.
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
