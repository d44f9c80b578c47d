//! Writes the proof of a secret, or its hash under new settings, after the response that accepted it.

use tokenry_crypto::{PlainToken, SecretRng};
use tokenry_domain::UnixMillis;
use tokenry_store::{Credential, proof::ProvenSecret, token};

use crate::tokenry::Tokenry;

impl Tokenry {
    /// Keeps the proof of a secret that its slow hash has matched, unless the row was changed meanwhile. Written
    /// after the response: no token is rejected because the database cannot be written.
    pub(super) fn keep_proof(&self, plain: &PlainToken, stored: &Credential, now: UnixMillis) {
        let Some(proof) = self.0.hasher.storable_proof(plain, &stored.secret.hash) else { return };
        let (token_id, public_id) = (stored.token.id, plain.public_id());
        let secret = ProvenSecret { token_id, public_id, hash: stored.secret.hash.clone(), proof };
        let Some(writing) = self.0.pending_rewrites.add(secret, now) else { return };
        let (store, rows) = (self.0.store.clone(), self.0.rows.clone());
        // If the queue is full, a later use retries.
        let _ = self.0.alarms.submit(move || writing.run(&store, &rows, now));
    }

    /// Stores a hash under the current settings, unless the token was ended or changed meanwhile.
    pub(super) fn upgrade_hash(&self, plain: PlainToken, stored: &Credential, now: UnixMillis) {
        let (token_id, old) = (stored.token.id, stored.secret.hash.clone());
        let Some(upgrading) = self.0.pending_rewrites.begin_upgrade(token_id, now) else { return };
        let (hasher, store, rows) = (self.0.hasher.clone(), self.0.store.clone(), self.0.rows.clone());
        let public_id = stored.token.public_id.clone();
        // If the queue is full, a later use retries.
        let _ = self.0.rewrites.submit(move || {
            let new = match hasher.hash(&plain, &mut SecretRng::os()) {
                Ok(new) => new,
                Err(error) => return tracing::warn!(%token_id, %error, "a stored hash was not upgraded"),
            };
            let proof = hasher.storable_proof(&plain, &new);
            let upgraded =
                store.write(move |tx| token::replace_hash(tx, token_id, &old, &new, proof.as_ref()));
            // The next use reads the new hash; it has no event that would tell the nodes.
            rows.forget(&public_id);
            if let Err(error) = upgraded {
                upgrading.fail(now);
                tracing::warn!(%token_id, %error, "a stored hash was not upgraded");
            }
        });
    }
}
