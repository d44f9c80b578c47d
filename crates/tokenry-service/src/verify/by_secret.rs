//! Whose a presented text is, without any effect: neither a use nor a rejection is recorded.

use tokenry_crypto::PlainToken;
use tokenry_domain::{PublicId, TokenId, UnixMillis, UserId};
use tokenry_store::Credential;

use super::{imported::Presented, retired::Grace};
use crate::{tokenry::Tokenry, verified::VerifyError};

/// A token whose secret was presented, whatever its state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentifiedSecret {
    /// The token.
    pub token_id: TokenId,
    /// Its owner.
    pub owner_id: UserId,
    /// Which of its secrets it was.
    pub secret: SecretState,
    /// The public id of the secret, by which a later rotation is noticed.
    pub(crate) public_id: PublicId,
}

/// The state of a presented secret, beside that of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretState {
    /// The secret of the token.
    Current,
    /// A rotation replaced it, and it works until this instant.
    Retired {
        /// The end of its grace period.
        until: UnixMillis,
    },
    /// A rotation replaced it, and it no longer works.
    Ended,
}

/// How many slow hashes may still be computed for one caller.
pub(crate) struct HashBudget(u32);

impl HashBudget {
    pub(crate) fn of(hashes: u32) -> Self {
        Self(hashes)
    }

    fn take(&mut self) -> Result<(), VerifyError> {
        self.0 = self.0.checked_sub(1).ok_or(VerifyError::Busy)?;
        Ok(())
    }
}

impl Tokenry {
    /// Finds the token of a presented secret, whatever its state, without any effect: unlike in
    /// [`identify_token`](Self::identify_token), a retired secret is found after its grace period too, and its use is not
    /// recorded. Not for authentication.
    ///
    /// # Errors
    /// [`VerifyError`], never a rejection: `None` means an unknown token or a wrong secret.
    pub async fn find_by_secret(
        &self,
        presented: &[u8],
        now: UnixMillis,
    ) -> Result<Option<IdentifiedSecret>, VerifyError> {
        self.find_by_secret_within(presented, now, &mut HashBudget::of(u32::MAX)).await
    }

    /// [`find_by_secret`](Self::find_by_secret) for callers without an executor. Blocks the thread.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn find_by_secret_blocking(
        &self,
        presented: &[u8],
        now: UnixMillis,
    ) -> Result<Option<IdentifiedSecret>, VerifyError> {
        futures_executor::block_on(self.find_by_secret(presented, now))
    }

    /// The same within a number of slow hashes; [`VerifyError::Busy`] beyond.
    pub(crate) async fn find_by_secret_within(
        &self,
        presented: &[u8],
        now: UnixMillis,
        hashes: &mut HashBudget,
    ) -> Result<Option<IdentifiedSecret>, VerifyError> {
        let mut failure = None;
        for plain in self.candidates(presented)? {
            match self.find_plain(&plain, now, hashes).await {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                // Another candidate may be the token.
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// The tokens that a text may be: none if it has the form of no token.
    pub(super) fn candidates(&self, presented: &[u8]) -> Result<Vec<PlainToken>, VerifyError> {
        match self.read_presented(presented) {
            Ok(Presented::Own(plain)) => Ok(vec![plain]),
            Ok(Presented::Imported(candidates)) => Ok(candidates),
            Err(VerifyError::Rejected(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn find_plain(
        &self,
        plain: &PlainToken,
        now: UnixMillis,
        hashes: &mut HashBudget,
    ) -> Result<Option<IdentifiedSecret>, VerifyError> {
        let public_id = plain.public_id();
        self.0.store.moment().await?;
        let current = self.0.store.credential(&public_id).await?;
        if let Some(found) = self.if_proven(plain, current, now, hashes).await? {
            return Ok(Some(IdentifiedSecret::new(&found, SecretState::Current, public_id)));
        }
        // Also looked up for a wrong secret, so that a known public id takes as long as an unknown one.
        let Some(retired) = self.0.store.retired_credential(&public_id).await? else { return Ok(None) };
        let credential = Some(retired.credential.clone());
        let Some(found) = self.if_proven(plain, credential, now, hashes).await? else { return Ok(None) };
        let Grace { end, evaluated_at } = self.grace_of(&retired, &public_id, now);
        let is_ended = retired.ended_at.is_some() || evaluated_at >= end;
        let secret = if is_ended { SecretState::Ended } else { SecretState::Retired { until: end } };
        Ok(Some(IdentifiedSecret::new(&found, secret, public_id)))
    }

    /// The credential, if the secret is its secret.
    async fn if_proven(
        &self,
        plain: &PlainToken,
        stored: Option<Credential>,
        now: UnixMillis,
        hashes: &mut HashBudget,
    ) -> Result<Option<Credential>, VerifyError> {
        if stored.as_ref().is_some_and(|stored| self.needs_slow_hash(plain, stored)) {
            hashes.take()?;
        }
        let is_proven = self.is_proven(plain, stored.as_ref(), now).await?;
        Ok(stored.filter(|_| is_proven))
    }
}

impl IdentifiedSecret {
    pub(super) fn new(
        Credential { token, owner, .. }: &Credential,
        secret: SecretState,
        public_id: PublicId,
    ) -> Self {
        Self { token_id: token.id, owner_id: owner.id, secret, public_id }
    }
}
