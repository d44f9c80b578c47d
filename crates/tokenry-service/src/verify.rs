//! The decision function: turns a presented text into a [`VerifiedToken`] or a rejection.

pub(crate) mod by_secret;
mod imported;
pub(crate) mod outcomes;
pub(crate) mod pending;
mod proof;
pub(crate) mod proof_cache;
mod retired;
mod rewrite;
pub(crate) mod snapshots;

use std::{net::IpAddr, sync::Arc};

use tokenry_crypto::PlainToken;
use tokenry_domain::UnixMillis;
use tokenry_store::Credential;

use self::{
    by_secret::{IdentifiedSecret, SecretState},
    imported::Presented,
    retired::Grace,
};
use crate::{
    tokenry::Tokenry,
    verified::{Rejection, VerifiedToken, VerifyError, check_state},
};

impl Tokenry {
    /// Decides what the presented text may do at `now`, from the address `source`.
    ///
    /// The order is fixed: form and checksum, the live row, the secret, and only then, for a caller with the valid
    /// secret, its state, its owner and its addresses. The result contains the permissions; [`VerifiedToken::require`]
    /// checks them for a route.
    ///
    /// The future needs no runtime: it may be polled by any executor.
    ///
    /// # Errors
    /// [`VerifyError`]; a storage failure is never a rejection.
    pub async fn verify(
        &self,
        presented: &[u8],
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<VerifiedToken, VerifyError> {
        let result = match self.read_presented(presented) {
            Ok(Presented::Own(plain)) => self.verify_plain(plain, now, source).await,
            Ok(Presented::Imported(candidates)) => self.verify_imported(candidates, now, source).await,
            Err(error) => Err(error),
        };
        self.0.verify_counts.count(&result);
        result
    }

    async fn verify_plain(
        &self,
        plain: PlainToken,
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<VerifiedToken, VerifyError> {
        let public_id = plain.public_id();
        // SECURITY: a credential that was rejected as expired is evaluated no earlier than then, whatever the clock
        // reads.
        let evaluated_at = self.0.expiries.secrets.evaluation_instant(now, || public_id.clone());
        let mut cutoffs = self.0.rules.cutoffs(evaluated_at);
        if let Some(recent) =
            self.0.snapshots.as_ref().and_then(|rows| rows.recent(&self.0.store, &public_id, now))
            && self.matches_quickly(&plain, &recent)
            && check_state(&recent.token, &recent.owner, &cutoffs, source).is_ok()
        {
            return Ok(self.verified(recent, false));
        }
        // A rejection is decided by the current row only.
        let found = match &self.0.snapshots {
            Some(rows) => rows.read(&self.0.store, &public_id, now).await?,
            None => self.0.store.credential(&public_id).await?.map(Arc::new),
        };
        let is_proven = self.is_proven(&plain, found.as_deref(), now).await?;
        let (credential, is_retired) = match found.filter(|_| is_proven) {
            Some(found) => {
                if self.must_upgrade(&found) {
                    self.upgrade_hash(plain, &found, now);
                }
                (found, false)
            }
            // Also looked up for a wrong secret, so that a known public id takes as long as an unknown one.
            None => {
                let (credential, grace) = self.retired(&plain, &public_id, now, source).await?;
                cutoffs = self.0.rules.cutoffs(grace.evaluated_at);
                (Arc::new(credential), true)
            }
        };
        if let Err(rejection) = check_state(&credential.token, &credential.owner, &cutoffs, source) {
            if rejection == Rejection::Expired && !self.doubts_clock(now) {
                self.0.expiries.record_token(&credential.token, cutoffs.now);
            }
            self.record_rejection(rejection, &credential.token, source, now);
            return Err(VerifyError::Rejected(rejection));
        }
        Ok(self.verified(credential, is_retired))
    }

    fn verified(&self, credential: Arc<Credential>, is_retired: bool) -> VerifiedToken {
        let effective = self.0.rules.catalog.effective(&credential.token.scopes, &credential.owner.role);
        VerifiedToken::new(credential, effective, is_retired)
    }

    /// Whether a presented text has the form and the checksum of a token, or the shape of an imported one; anything else
    /// is rejected without the database.
    #[must_use]
    pub fn has_token_form(&self, presented: &[u8]) -> bool {
        self.0.prefixes.parse(presented).is_ok() || self.0.shapes.fit(presented)
    }

    /// Finds the token of a presented current secret, or retired secret within its grace, whatever its state: for
    /// operations that possession alone authorizes. The use of a secret after its grace is recorded. Unknown and wrong
    /// secrets take as long as in [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`VerifyError`], never a rejection: `None` means an unknown token or a wrong secret.
    pub async fn identify_token(
        &self,
        presented: &[u8],
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<Option<IdentifiedSecret>, VerifyError> {
        let mut failure = None;
        for plain in self.candidates(presented)? {
            match self.identify_plain(&plain, now, source).await {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                // Another candidate may be the token.
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    async fn identify_plain(
        &self,
        plain: &PlainToken,
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<Option<IdentifiedSecret>, VerifyError> {
        let public_id = plain.public_id();
        let found = self.0.store.credential(&public_id).await?;
        let is_proven = self.is_proven(plain, found.as_ref(), now).await?;
        let (found, state) = match found.filter(|_| is_proven) {
            Some(found) => (found, SecretState::Current),
            None => match self.retired(plain, &public_id, now, source).await {
                Ok((found, Grace { end, .. })) => (found, SecretState::Retired { until: end }),
                Err(VerifyError::Rejected(_)) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        Ok(Some(IdentifiedSecret::new(&found, state, public_id)))
    }

    /// The results of [`verify`](Self::verify) and how often each occurred since this process opened the service:
    /// `valid`, the code of a rejection, `unavailable` if the database or a key failed, `busy` if too many waited.
    pub fn verify_counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.verify_counts.all()
    }

    /// How many write transactions this process has run.
    #[must_use]
    pub fn database_writes(&self) -> u64 {
        self.0.store.writes()
    }

    /// How many verifications wait for a slow hash.
    #[must_use]
    pub fn waiting_verifications(&self) -> usize {
        self.0.hash_queue.waiters()
    }

    /// [`verify`](Self::verify) for callers without an executor. Blocks the thread.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify_blocking(
        &self,
        presented: &[u8],
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<VerifiedToken, VerifyError> {
        futures_executor::block_on(self.verify(presented, now, source))
    }
}
