//! Whether a presented secret is the stored one.

use std::sync::Arc;

use quick_cache::sync::Cache;
use tokenry_crypto::{Hasher, Match, PlainToken, Proof, SecretRng, UnreadableHash};
use tokenry_domain::{SecretHash, TokenId};
use tokenry_store::{Credential, token};

use super::VerifyError;
use crate::{hash_pool::Busy, tokenry::Tokenry};

/// How many proven pairs of token and stored hash one process remembers.
const PROOFS: usize = 100_000;

/// Which tokens were proven to match which stored hash: an immutable fact, never a verdict. Bounded; about 100 bytes
/// each.
pub(crate) struct Proofs(Cache<Proof, ()>);

impl Proofs {
    pub(crate) fn new() -> Self {
        Self(Cache::new(PROOFS))
    }
}

/// What is known of a presented secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proven {
    /// It is not the stored one.
    No,
    /// It was proven before.
    Before,
    /// It was proven by a hash just now.
    Now,
}

impl Tokenry {
    /// Whether this secret was proven to be the stored one before; `false` may be either.
    pub(super) fn was_proven(&self, plain: &PlainToken, stored: &Credential) -> bool {
        self.0.proofs.0.get(&plain.proof(&stored.secret.hash)).is_some()
    }

    /// Whether the presented secret is the stored one. Without a stored one the same work is done against a dummy.
    pub(super) async fn proven(
        &self,
        plain: PlainToken,
        stored: Option<&Credential>,
    ) -> Result<(PlainToken, Proven), VerifyError> {
        let Some(Credential { token, secret, .. }) = stored else {
            let (_, check) = self.0.hasher.dummy();
            let _ = plain.check_matches(check);
            return Ok((plain, Proven::No));
        };
        // SECURITY: a wrong secret stops here, before any slow hash, so that a flood of them costs microseconds.
        if secret.check.as_ref().is_some_and(|check| !plain.check_matches(check)) {
            return Ok((plain, Proven::No));
        }
        let proof = plain.proof(&secret.hash);
        if self.0.proofs.0.get(&proof).is_some() {
            return Ok((plain, Proven::Before));
        }
        let (hasher, hash, token_id) = (self.0.hasher.clone(), secret.hash.clone(), token.id);
        let compare = move || {
            let outcome = matches(&hasher, token_id, &plain, &hash);
            (plain, outcome)
        };
        let (plain, outcome) = if self.0.hasher.is_slow(&secret.hash) {
            self.0.hash_pool.run(compare).await.map_err(|Busy| VerifyError::Busy)?
        } else {
            compare()
        };
        if !outcome.map_err(VerifyError::Unreadable)? {
            return Ok((plain, Proven::No));
        }
        self.0.proofs.0.insert(proof, ());
        Ok((plain, Proven::Now))
    }

    /// Stores the hash that the settings ask for now, unless the token was ended or changed meanwhile. Behind the
    /// answer, on a thread of its own: a database that cannot be written refuses nobody.
    pub(super) fn upgrade_hash(&self, plain: PlainToken, stored: &Credential) {
        if self.0.hasher.is_current(&stored.secret.hash) {
            return;
        }
        let (hasher, store) = (self.0.hasher.clone(), self.0.store.clone());
        let (token_id, old) = (stored.token.id, stored.secret.hash.clone());
        // What does not find a place is upgraded at a later use.
        let _ = self.0.rewrites.submit(move || {
            let new = match hasher.hash(&plain, &mut SecretRng::os()) {
                Ok(new) => new,
                Err(error) => return tracing::warn!(%token_id, %error, "a stored hash was not upgraded"),
            };
            let check = plain.check();
            if let Err(error) = store.write(move |tx| token::replace_hash(tx, token_id, &old, &new, &check)) {
                tracing::warn!(%token_id, %error, "a stored hash was not upgraded");
            }
        });
    }
}

/// A hash that nobody can read matches no token. One that only this process cannot read, now, is no verdict.
fn matches(
    hasher: &Arc<Hasher>,
    token_id: TokenId,
    plain: &PlainToken,
    hash: &SecretHash,
) -> Result<bool, UnreadableHash> {
    match hasher.matches(plain, hash) {
        Match::Yes => Ok(true),
        Match::No => Ok(false),
        Match::Unreadable(why) => {
            tracing::error!(%token_id, %why, "a stored hash cannot be read");
            match why {
                UnreadableHash::Pepper | UnreadableHash::Memory => Err(why),
                _ => Ok(false),
            }
        }
    }
}
