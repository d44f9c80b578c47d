//! Look at one token.

use thiserror::Error;
use tokenry_domain::{Scope, Token, TokenId, User};
use tokenry_store::{StoreError, Tx, token, user};

use crate::{
    caller::{Caller, RequestContext},
    denial::Denial,
    tokenry::Tokenry,
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
            let owner = owner(tx, &context.caller, &token)?.ok_or(FindError::NotFound)?;
            Ok((token, owner))
        })
    }
}

/// The scope that looking at tokens needs.
pub(crate) fn tokens_read() -> Scope {
    Scope::Access { resource: "tokens".to_owned(), level: "read".to_owned() }
}

/// The owner of a token that is the caller's business; `None` makes it look unknown.
pub(crate) fn owner(tx: &mut Tx<'_>, caller: &Caller, token: &Token) -> Result<Option<User>, StoreError> {
    if caller.may_manage(token.user_id) { user::find(tx, token.user_id) } else { Ok(None) }
}
