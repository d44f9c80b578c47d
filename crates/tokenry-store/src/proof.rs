//! Stores proofs after a slow hash has matched.

use diesel::prelude::*;
use tokenry_domain::{PublicId, SecretHash, SecretProof, TokenId};

use crate::{
    error::StoreError,
    macros::on,
    schema::{personal_access_tokens as tokens, retired_secrets},
    sql_types::IdValue,
    token::{self, row::proof_value},
    tx::Tx,
};

/// A secret whose slow hash has matched.
#[derive(Clone)]
pub struct ProvenSecret {
    /// The token it belongs to.
    pub token_id: TokenId,
    /// The public id of the token or of one of its retired secrets.
    pub public_id: PublicId,
    /// The hash that has matched.
    pub hash: SecretHash,
    /// The proof to store.
    pub proof: SecretProof,
}

/// Stores these proofs and returns how many were stored. A row is updated only if it has no proof, still has that hash
/// and, for a current secret, is not revoked. Tokens locked by another transaction are skipped, so it never waits.
///
/// # Errors
/// [`StoreError`].
pub fn insert_many(tx: &mut Tx<'_>, proven: &[ProvenSecret]) -> Result<usize, StoreError> {
    let ids: Vec<TokenId> = proven.iter().map(|secret| secret.token_id).collect();
    // A rotation moves a secret to the retired ones under the same lock.
    let locked = token::try_lock_all(tx, &ids)?;
    let mut stored = 0;
    for secret in proven.iter().filter(|secret| locked.contains(&secret.token_id)) {
        if insert(tx, secret)? || insert_retired(tx, secret)? {
            stored += 1;
        }
    }
    Ok(stored)
}

fn insert(tx: &mut Tx<'_>, secret: &ProvenSecret) -> Result<bool, StoreError> {
    let same = tokens::table
        .filter(tokens::id.eq(IdValue(secret.token_id.uuid())))
        .filter(tokens::secret_hash.eq(secret.hash.as_str()))
        .filter(tokens::secret_proof.is_null())
        .filter(tokens::revoked_at.is_null());
    let proof = tokens::secret_proof.eq(proof_value(Some(&secret.proof)));
    Ok(on!(tx, |c| diesel::update(same).set(proof).execute(c))? == 1)
}

fn insert_retired(tx: &mut Tx<'_>, secret: &ProvenSecret) -> Result<bool, StoreError> {
    let same = retired_secrets::table
        .filter(retired_secrets::public_id.eq(secret.public_id.as_str()))
        .filter(retired_secrets::token_id.eq(IdValue(secret.token_id.uuid())))
        .filter(retired_secrets::secret_hash.eq(secret.hash.as_str()))
        .filter(retired_secrets::secret_proof.is_null());
    let proof = retired_secrets::secret_proof.eq(proof_value(Some(&secret.proof)));
    Ok(on!(tx, |c| diesel::update(same).set(proof).execute(c))? == 1)
}
