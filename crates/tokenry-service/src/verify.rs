//! The decision function: a presented text becomes a [`VerifiedToken`] or one rejection.

use std::{net::IpAddr, sync::Arc};

use quick_cache::sync::Cache;
use thiserror::Error;
use tokenry_crypto::{Hasher, Match, ParseError, PlainToken, Proof, SecretRng, UnreadableHash};
use tokenry_domain::{Effective, Scope, ScopeSet, SecretHash, Status, Token, TokenId, UnixMillis, User};
use tokenry_store::{Credential, Store, StoreError, token};

use crate::{denial::Denial, hash_pool::Busy, tokenry::Tokenry};

/// How many proven pairs of token and stored hash one process remembers.
const PROOFS: usize = 100_000;

/// A token that was presented with its right secret, was live at that moment, and whose owner was enabled. Only
/// [`Tokenry::verify`] makes one.
#[derive(Clone)]
pub struct VerifiedToken {
    token: Token,
    owner: User,
    effective: Effective,
}

impl VerifiedToken {
    /// The token as it was read.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Its owner as they were read.
    #[must_use]
    pub fn owner(&self) -> &User {
        &self.owner
    }

    /// What it may do: its scopes under its owner's role.
    #[must_use]
    pub fn effective(&self) -> &Effective {
        &self.effective
    }

    /// Whether it may do this.
    #[must_use]
    pub fn grants(&self, scope: &Scope) -> bool {
        self.effective.grants(scope)
    }

    /// Refuses a token that may not do all of this.
    ///
    /// # Errors
    /// [`Denial::MissingScopes`] names what is missing.
    pub fn require(&self, scopes: &ScopeSet) -> Result<(), Denial> {
        let missing = self.effective.missing(scopes);
        if missing.is_empty() { Ok(()) } else { Err(Denial::MissingScopes(missing)) }
    }
}

/// Why a verification did not succeed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The credential does not authenticate; the reason decides how much a caller may be told.
    #[error("credential rejected")]
    Rejected(#[source] Rejection),
    /// The database could not answer. It never means "no such token".
    #[error("token store unavailable")]
    Store(#[from] StoreError),
    /// The stored hash cannot be compared here and now: its pepper is not configured, or there is no memory for it.
    /// It never means that the token is wrong.
    #[error("stored hash unreadable")]
    Unreadable(#[source] UnreadableHash),
    /// Too many secrets wait to be hashed.
    #[error("too many verifications are waiting")]
    Busy,
}

/// Why a credential does not authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not in the form of a token; the database was not asked.
    #[error("not a token")]
    Malformed(#[source] ParseError),
    /// No such public id, or not its secret. Callers cannot tell which.
    #[error("unknown token or wrong secret")]
    Unknown,
    /// The right secret of a token that was ended.
    #[error("revoked")]
    Revoked,
    /// The right secret of a token that is paused.
    #[error("inactive")]
    Inactive,
    /// The right secret of a token whose time has not come.
    #[error("not valid yet")]
    Pending,
    /// The right secret of a token whose time is over.
    #[error("expired")]
    Expired,
    /// The right secret of a token whose owner was disabled.
    #[error("owner disabled")]
    OwnerDisabled,
    /// The right secret of a live token from an address it may not be used from.
    #[error("address not allowed")]
    AddressNotAllowed,
}

/// Which tokens were proven to match which stored hash: an immutable fact, never a verdict. Bounded; about 100 bytes
/// each.
pub(crate) struct Proofs(Cache<Proof, ()>);

impl Proofs {
    pub(crate) fn new() -> Self {
        Self(Cache::new(PROOFS))
    }
}

impl Tokenry {
    /// Decides what the presented text may do at `now`, coming from `source`.
    ///
    /// The order is fixed: form and checksum, the live row, the secret, and only then — to a caller who holds the
    /// right secret — its state, its owner and its addresses. What it may do is in the result; whether that is enough
    /// for a route is for [`VerifiedToken::require`] to say.
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
        let plain = PlainToken::parse(&self.0.prefix, presented)
            .map_err(|error| VerifyError::Rejected(Rejection::Malformed(error)))?;
        let found = self.0.store.credential(&plain.lookup()).await?;
        let Some(Credential { token, hash, owner, .. }) = self.proven(plain, found).await? else {
            return Err(VerifyError::Rejected(Rejection::Unknown));
        };
        judge(&token, &owner, now, source).map_err(VerifyError::Rejected)?;
        drop(hash);
        let effective = self.0.catalog.effective(&token.scopes, &owner.role);
        Ok(VerifiedToken { token, owner, effective })
    }

    /// [`verify`](Self::verify) for callers without an executor; it blocks the thread.
    ///
    /// # Errors
    /// The same.
    pub fn verify_blocking(
        &self,
        presented: &[u8],
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<VerifiedToken, VerifyError> {
        futures_executor::block_on(self.verify(presented, now, source))
    }

    /// The credential, if the presented secret is its own. An unknown public id costs the same work against a dummy.
    async fn proven(
        &self,
        plain: PlainToken,
        found: Option<Credential>,
    ) -> Result<Option<Credential>, VerifyError> {
        let Some(credential) = found else {
            let (_, check) = self.0.hasher.dummy();
            let _ = plain.check_matches(check);
            return Ok(None);
        };
        // SECURITY: a wrong secret stops here, before any slow hash, so that a flood of them costs microseconds.
        if credential.check.as_ref().is_some_and(|check| !plain.check_matches(check)) {
            return Ok(None);
        }
        let proof = plain.proof(&credential.hash);
        if self.0.proofs.0.get(&proof).is_some() {
            return Ok(Some(credential));
        }
        let work = HashWork {
            hasher: self.0.hasher.clone(),
            store: self.0.store.clone(),
            token_id: credential.token.id,
            hash: credential.hash.clone(),
        };
        let (plain, work, outcome) = if self.0.hasher.is_slow(&credential.hash) {
            let compared = self.0.hash_pool.run(move || {
                let outcome = work.matches(&plain);
                (plain, work, outcome)
            });
            compared.await.map_err(|Busy| VerifyError::Busy)?
        } else {
            let outcome = work.matches(&plain);
            (plain, work, outcome)
        };
        if !outcome.map_err(VerifyError::Unreadable)? {
            return Ok(None);
        }
        self.0.proofs.0.insert(proof, ());
        if !self.0.hasher.is_current(&credential.hash) {
            // Behind the answer, on a thread of its own: a database that cannot be written refuses nobody.
            self.0.rewrites.submit(move || work.upgrade(&plain));
        }
        Ok(Some(credential))
    }
}

/// The state of a token whose secret was right, in the order in which it is told.
fn judge(token: &Token, owner: &User, now: UnixMillis, source: Option<IpAddr>) -> Result<(), Rejection> {
    match token.status(now) {
        Status::Revoked => Err(Rejection::Revoked),
        Status::Inactive => Err(Rejection::Inactive),
        Status::Pending => Err(Rejection::Pending),
        Status::Expired => Err(Rejection::Expired),
        Status::Active if owner.is_disabled() => Err(Rejection::OwnerDisabled),
        Status::Active if !token.allowed_ips.allows(source) => Err(Rejection::AddressNotAllowed),
        Status::Active => Ok(()),
    }
}

/// One comparison with a stored hash, perhaps on another thread.
struct HashWork {
    hasher: Arc<Hasher>,
    store: Store,
    token_id: TokenId,
    hash: SecretHash,
}

impl HashWork {
    /// A hash that nobody can read matches no token. One that only this process cannot read, now, is no verdict.
    fn matches(&self, plain: &PlainToken) -> Result<bool, UnreadableHash> {
        match self.hasher.matches(plain, &self.hash) {
            Match::Yes => Ok(true),
            Match::No => Ok(false),
            Match::Unreadable(why) => {
                tracing::error!(token_id = %self.token_id, %why, "a stored hash cannot be read");
                match why {
                    UnreadableHash::Pepper | UnreadableHash::Memory => Err(why),
                    _ => Ok(false),
                }
            }
        }
    }

    /// Stores the hash that the settings ask for now, unless the token was ended or changed meanwhile.
    fn upgrade(self, plain: &PlainToken) {
        let Self { hasher, store, token_id, hash } = self;
        let new = match hasher.hash(plain, &mut SecretRng::os()) {
            Ok(new) => new,
            Err(error) => return tracing::warn!(%token_id, %error, "a stored hash was not upgraded"),
        };
        let check = plain.check();
        if let Err(error) = store.write(move |tx| token::replace_hash(tx, token_id, &hash, &new, &check)) {
            tracing::warn!(%token_id, %error, "a stored hash was not upgraded");
        }
    }
}
