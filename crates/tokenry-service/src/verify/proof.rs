//! Decides whether a presented secret is the stored one.

use tokenry_crypto::{Comparison, Match, PlainToken, Proof, UnreadableHash};
use tokenry_domain::{TokenId, UnixMillis};
use tokenry_store::{Credential, StoredSecret};

use crate::{settings::SlowHash, tokenry::Tokenry, verified::VerifyError, worker_pool::Busy};

/// What is known about a presented secret without a slow hash.
enum QuickComparison {
    /// It is the stored secret.
    Yes,
    /// It is not the stored secret.
    No,
    /// Only the slow hash can decide; the proof to remember if it matches.
    Undecided(Proof),
}

impl Tokenry {
    /// Whether this secret is known to be the stored one without a slow hash; `false` means unknown or wrong.
    pub(super) fn matches_quickly(&self, plain: &PlainToken, stored: &Credential) -> bool {
        matches!(self.compare_quickly(plain, &stored.secret, Some(stored.token.id)), Ok(QuickComparison::Yes))
    }

    /// Whether the presented secret is the stored one. Without a stored secret, a dummy takes the same time.
    pub(super) async fn is_proven(
        &self,
        plain: &PlainToken,
        stored: Option<&Credential>,
        now: UnixMillis,
    ) -> Result<bool, VerifyError> {
        let Some(stored) = stored else {
            let _ = self.compare_quickly(plain, &self.0.dummy, None);
            return Ok(false);
        };
        let Credential { token, secret, .. } = stored;
        match self.compare_quickly(plain, secret, Some(token.id))? {
            QuickComparison::No => return Ok(false),
            QuickComparison::Yes => {}
            QuickComparison::Undecided(proof) => {
                let comparison = Comparison::new(&self.0.hasher, plain, &secret.hash);
                let (proofs, mismatches) = (self.0.proofs.clone(), self.0.mismatches.clone());
                let outcome = self.0.hash_queue.run(proof, token.id, move || {
                    let outcome = comparison.run();
                    // In the job, so that the result of a cancelled request is kept for the next one.
                    match outcome {
                        Match::Yes => proofs.insert(proof),
                        Match::No => mismatches.insert(proof),
                        // May be readable later.
                        Match::Unreadable(_) => {}
                    }
                    outcome
                });
                if !is_match(outcome.await.map_err(|Busy| VerifyError::Busy)?, Some(token.id))? {
                    return Ok(false);
                }
            }
        }
        if secret.proof.is_none() {
            self.keep_proof(plain, stored, now);
        }
        Ok(true)
    }

    /// Whether only a slow hash can decide about this secret.
    pub(super) fn needs_slow_hash(&self, plain: &PlainToken, stored: &Credential) -> bool {
        let compared = self.compare_quickly(plain, &stored.secret, Some(stored.token.id));
        matches!(compared, Ok(QuickComparison::Undecided(_)))
    }

    fn compare_quickly(
        &self,
        plain: &PlainToken,
        secret: &StoredSecret,
        token_id: Option<TokenId>,
    ) -> Result<QuickComparison, VerifyError> {
        let hasher = &self.0.hasher;
        // A fast hash is its own proof.
        if !hasher.is_slow(&secret.hash) {
            let is_match = is_match(hasher.matches(plain, &secret.hash), token_id)?;
            return Ok(if is_match { QuickComparison::Yes } else { QuickComparison::No });
        }
        // SECURITY: a wrong secret is rejected by the proof, or by the check of a row without a proof, before any slow
        // hash, so that a flood of wrong secrets costs microseconds each.
        if secret.proof.is_none() && secret.check.as_ref().is_some_and(|check| !plain.check_matches(check)) {
            return Ok(QuickComparison::No);
        }
        let proof = Proof::new(plain, &secret.hash);
        if let Some(stored) = &secret.proof {
            if stored.as_bytes().is_none() {
                tracing::error!(
                    token_id = token_id.map(tracing::field::display),
                    "a stored proof cannot be read"
                );
            }
            if !proof.matches(stored) {
                return Ok(QuickComparison::No);
            }
            if self.0.slow_hash == SlowHash::Once {
                return Ok(QuickComparison::Yes);
            }
        }
        Ok(if self.0.proofs.contains(&proof) {
            QuickComparison::Yes
        } else if self.0.mismatches.contains(&proof) {
            QuickComparison::No
        } else {
            QuickComparison::Undecided(proof)
        })
    }
}

/// A corrupt hash matches no token. A hash that only this process cannot read now gives no verdict.
fn is_match(outcome: Match, token_id: Option<TokenId>) -> Result<bool, VerifyError> {
    match outcome {
        Match::Yes => Ok(true),
        Match::No => Ok(false),
        Match::Unreadable(why) => {
            tracing::error!(token_id = token_id.map(tracing::field::display), %why, "a stored hash cannot be read");
            match why {
                UnreadableHash::Pepper | UnreadableHash::Memory => Err(VerifyError::Unreadable(why)),
                _ => Ok(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
        time::Duration,
    };

    use tokenry_crypto::{HashSettings, Prefix, Scheme};
    use tokenry_testkit::{TestDatabase, at, each_backend};

    use super::*;
    use crate::{caller::RequestContext, issue::NewToken, settings::Settings, unrestricted};

    fn service(db: &TestDatabase) -> Tokenry {
        // Cost 10 takes some dozens of milliseconds.
        let hash = HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(10);
        let prefix = Prefix::parse("test_pat_").unwrap();
        Tokenry::new(db.store().clone(), Settings { prefix, hash, ..Settings::default() }).unwrap()
    }

    each_backend!(a_cancelled_request_leaves_the_proof_of_its_hash, |db| {
        let tokenry = service(db);
        let new = NewToken { name: "token".to_owned(), ..NewToken::default() };
        let issued = tokenry
            .issue_token(&RequestContext::new(unrestricted::operator(), at(0)), db.user("alice").id, new)
            .unwrap();
        db.execute("UPDATE personal_access_tokens SET secret_proof = NULL");
        let text = issued.secret.reveal_once();
        {
            let mut asked = pin!(tokenry.verify(text.as_bytes(), at(1), None));
            let mut context = Context::from_waker(Waker::noop());
            while !tokenry.0.hash_queue.is_hashing() {
                assert!(asked.as_mut().poll(&mut context).is_pending());
            }
        }
        let pause = |_: &_| std::thread::sleep(Duration::from_millis(10));
        assert!((0..2000).inspect(pause).any(|_| tokenry.0.proofs.len() == 1), "the proof was lost");
    });
}
