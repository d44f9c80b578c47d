//! The processes that decide from memory, for administrators.

use tokenry_store::nodes::Nodes;

use crate::{caller::RequestContext, read_error::ReadError, required::admin_read, tokenry::Tokenry};

impl Tokenry {
    /// The nodes of this installation and how current they are; `None` on SQLite, where each process sees each commit by
    /// itself.
    ///
    /// # Errors
    /// [`ReadError::Denied`] and [`ReadError::Store`].
    pub fn nodes(&self, context: &RequestContext) -> Result<Option<Nodes>, ReadError> {
        context.caller.require(&admin_read())?;
        Ok(self.0.store.nodes()?)
    }
}
