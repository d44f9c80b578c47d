//! The decision function: turns a presented text into a [`VerifiedToken`] or a rejection.

pub(crate) mod by_secret;
mod imported;
pub(crate) mod outcomes;
pub(crate) mod pending;
mod proof;
pub(crate) mod proof_cache;
mod retired;
mod rewrite;
pub(crate) mod rows;

use std::{net::IpAddr, sync::Arc};

use tokenry_crypto::PlainToken;
use tokenry_domain::{ExpiryCutoffs, PublicId, UnixMillis};
use tokenry_store::{Credential, Moment, StoreError};

use self::{
    by_secret::{IdentifiedSecret, SecretState},
    imported::Presented,
    retired::Grace,
    rows::Row,
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
        let (mut row, is_from_memory) = match self.row(&public_id, now).await {
            Ok(found) => found,
            // SECURITY: a row that cannot be decoded gives no verdict, whatever an old one would say.
            Err(error @ (StoreError::Unavailable(_) | StoreError::Unusable(_))) => {
                let admitted = self.admit_stale(&plain, &public_id, &cutoffs, now, source);
                return admitted.ok_or(VerifyError::Store(error));
            }
            Err(error) => return Err(error.into()),
        };
        let stored = row.as_ref().map(|row| &**row.credential());
        let mut is_proven = self.is_proven(&plain, stored, now).await?;
        let is_expired = |row: &Arc<Row>| cutoffs.is_expired(row.verified.token());
        if is_proven && is_from_memory && row.as_ref().is_some_and(is_expired) {
            // The last use in memory is not kept up, and a token that is in use has not expired by being idle. Only for
            // those who have presented the secret, so that nobody else learns that it has expired.
            let moment = self.0.store.moment().await?;
            row = self.read_row(&public_id, &moment, now).await?;
            let stored = row.as_ref().map(|row| &**row.credential());
            is_proven = self.is_proven(&plain, stored, now).await?;
        }
        let verified = match row.as_ref().filter(|_| is_proven) {
            Some(row) => {
                if self.must_upgrade(row.credential()) {
                    self.upgrade_hash(plain, row.credential(), now);
                }
                row.verified.clone()
            }
            // Also looked up for a wrong secret: the public id may be a retired one of the same text.
            None => {
                let (credential, grace) =
                    self.retired(&plain, &public_id, row.as_deref(), now, source).await?;
                cutoffs = self.0.rules.cutoffs(grace.evaluated_at);
                self.verified(Arc::new(credential), true)
            }
        };
        if let Err(rejection) = check_state(verified.token(), verified.owner(), &cutoffs, source) {
            if rejection == Rejection::Expired && !self.doubts_clock(now) {
                self.0.expiries.record_token(verified.token(), cutoffs.now);
            }
            self.record_rejection(rejection, verified.token(), source, now);
            return Err(VerifyError::Rejected(rejection));
        }
        Ok(verified)
    }

    /// The row of a public id as the database has it now, and whether it was in memory.
    async fn row(
        &self,
        public_id: &PublicId,
        now: UnixMillis,
    ) -> Result<(Option<Arc<Row>>, bool), StoreError> {
        // SECURITY: after the request began and before a look into memory.
        let moment = self.0.store.moment().await?;
        if let Some(row) = self.0.rows.current(public_id, &moment, now) {
            return Ok((Some(row), true));
        }
        Ok((self.read_row(public_id, &moment, now).await?, false))
    }

    async fn read_row(
        &self,
        public_id: &PublicId,
        moment: &Moment<'_>,
        now: UnixMillis,
    ) -> Result<Option<Arc<Row>>, StoreError> {
        let read = self.0.rows.read(&self.0.store, moment, public_id).await?;
        let Some((credential, stamp)) = read else { return Ok(None) };
        let verified = self.verified(credential.clone(), false);
        Ok(Some(self.0.rows.keep(verified, credential, stamp, now)))
    }

    /// The token by a row that was current within `max_staleness`, while the database is away. It only admits: a row that
    /// would reject gives no verdict.
    fn admit_stale(
        &self,
        plain: &PlainToken,
        public_id: &PublicId,
        cutoffs: &ExpiryCutoffs,
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Option<VerifiedToken> {
        let row = self.0.rows.stale(&self.0.store, public_id, now)?;
        let Credential { token, owner, .. } = &**row.credential();
        let is_admitted = self.matches_quickly(plain, row.credential())
            && check_state(token, owner, cutoffs, source).is_ok();
        is_admitted.then(|| row.verified.clone())
    }

    /// Returns once this process knows every change that was answered before, for those who read rows that decide about a
    /// credential themselves. Blocks the thread.
    pub(crate) fn await_moment(&self) -> Result<(), StoreError> {
        futures_executor::block_on(self.0.store.moment()).map(drop)
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
        self.0.store.moment().await?;
        let found = self.0.store.credential(&public_id).await?;
        let is_proven = self.is_proven(plain, found.as_ref(), now).await?;
        let (found, state) = match found.filter(|_| is_proven) {
            Some(found) => (found, SecretState::Current),
            None => match self.retired(plain, &public_id, None, now, source).await {
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

    /// How many verifications have read their row from the database; the others decided by a row in memory.
    #[must_use]
    pub fn row_reads(&self) -> u64 {
        self.0.rows.reads()
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
