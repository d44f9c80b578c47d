//! Reads one token.

use tokenry_domain::{Token, TokenId, User};
use tokenry_store::token;

use crate::{
    caller::RequestContext, owner::visible_owner, read_error::ReadError, required::tokens_read,
    tokenry::Tokenry,
};

impl Tokenry {
    /// Returns the token with this id and its owner.
    ///
    /// # Errors
    /// [`ReadError::Denied`], [`ReadError::NotFound`], [`ReadError::Store`].
    pub fn find_token(&self, context: &RequestContext, id: TokenId) -> Result<(Token, User), ReadError> {
        context.caller.require(&tokens_read())?;
        self.0.store.read(|tx| {
            let token = token::find(tx, id)?.ok_or(ReadError::NotFound)?;
            let owner = visible_owner(tx, &context.caller, &token)?.ok_or(ReadError::NotFound)?;
            Ok((token, owner))
        })
    }
}
