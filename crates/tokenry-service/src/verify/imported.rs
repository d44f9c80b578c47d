//! Reads presented texts: tokens of this installation's own format, and imported ones by their shapes.

use std::net::IpAddr;

use tokenry_crypto::{ParseError, PlainToken};
use tokenry_domain::UnixMillis;
use tokenry_store::Credential;

use crate::{
    tokenry::Tokenry,
    verified::{Rejection, VerifiedToken, VerifyError},
};

/// A presented text.
pub(super) enum Presented {
    /// It has this installation's own format.
    Own(PlainToken),
    /// It has the shape of tokens of other systems, usually of one.
    Imported(Vec<PlainToken>),
}

impl Tokenry {
    /// Reads a presented text, without the database. Every entrance calls this function.
    pub(super) fn read_presented(&self, presented: &[u8]) -> Result<Presented, VerifyError> {
        match self.0.prefixes.parse(presented) {
            Ok(plain) => Ok(Presented::Own(plain)),
            Err(error) => self.read_imported(presented, error),
        }
    }

    fn read_imported(&self, presented: &[u8], error: ParseError) -> Result<Presented, VerifyError> {
        let mut found = Vec::new();
        for shape in self.0.shapes.current().iter() {
            // A missing key gives no verdict.
            found.extend(shape.read(presented, &self.0.hasher).map_err(VerifyError::Unreadable)?);
        }
        if found.is_empty() {
            return Err(VerifyError::Rejected(Rejection::Malformed(error)));
        }
        Ok(Presented::Imported(found))
    }

    /// Verifies a text that may be a token of several systems: the first whose row it matches decides.
    pub(super) async fn verify_imported(
        &self,
        candidates: Vec<PlainToken>,
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<VerifiedToken, VerifyError> {
        let mut failure = None;
        for plain in candidates {
            match self.verify_plain(plain, now, source).await {
                Err(VerifyError::Rejected(Rejection::Unknown)) => {}
                decided @ (Ok(_) | Err(VerifyError::Rejected(_))) => return decided,
                // Another candidate may be the token.
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or(VerifyError::Rejected(Rejection::Unknown)))
    }

    /// Whether the stored hash is replaced by one under the current settings.
    pub(super) fn must_upgrade(&self, stored: &Credential) -> bool {
        let hash = &stored.secret.hash;
        let is_kept = stored.token.public_id.is_imported()
            && (!self.0.rehash_imported || !self.0.hasher.may_replace(hash));
        !is_kept && !self.0.hasher.is_current(hash)
    }
}
