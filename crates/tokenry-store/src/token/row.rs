//! The row of a token and its conversions.

use diesel::prelude::*;
use tokenry_domain::{
    Description, PublicId, Reason, Revocation, SecretCheck, SecretHash, SecretProof, Token, TokenId,
    TokenName, User, UserId,
};

use super::inactivity::InactiveAt;
use crate::{
    convert::{self, address, corrupt, instant, instant_value, parsed},
    credential::{Credential, StoredSecret},
    error::StoreError,
    schema::personal_access_tokens,
    sql_types::{DocumentValue, IdValue, InstantValue},
    user::UserRow,
};

/// All columns except those of the secret.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = personal_access_tokens, treat_none_as_default_value = false)]
pub(crate) struct TokenRow {
    pub(crate) id: IdValue,
    user_id: IdValue,
    pub(crate) public_id: String,
    suffix: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) scopes: DocumentValue,
    #[diesel(select_expression = InactiveAt, select_expression_type = InactiveAt)]
    pub(crate) inactive_at: Option<InstantValue>,
    not_before: Option<InstantValue>,
    pub(crate) expires_at: Option<InstantValue>,
    last_used_at: Option<InstantValue>,
    last_used_ip: Option<String>,
    pub(crate) allowed_ips: DocumentValue,
    pub(crate) metadata: DocumentValue,
    pub(crate) version: i64,
    created_at: InstantValue,
    created_by: String,
    pub(crate) updated_at: InstantValue,
    revoked_at: Option<InstantValue>,
    revoked_by: Option<String>,
    revoked_reason: Option<String>,
    secret_at: InstantValue,
    pub(crate) expiry_noted_at: Option<InstantValue>,
    shown_prefix: Option<String>,
}

impl TokenRow {
    /// Whether the token may be one of a finished import whose column `inactive_at` was not cleared yet.
    #[cfg(feature = "postgres")]
    pub(crate) fn may_be_activated(&self) -> bool {
        self.inactive_at.is_some() && self.version == 1 && self.revoked_at.is_none()
    }
}

/// The columns of a [`TokenRow`] as they are stored, without a look at imports.
#[cfg(feature = "postgres")]
macro_rules! stored_columns {
    () => {
        (
            tokens::id,
            tokens::user_id,
            tokens::public_id,
            tokens::suffix,
            tokens::name,
            tokens::description,
            tokens::scopes,
            tokens::inactive_at,
            tokens::not_before,
            tokens::expires_at,
            tokens::last_used_at,
            tokens::last_used_ip,
            tokens::allowed_ips,
            tokens::metadata,
            tokens::version,
            tokens::created_at,
            tokens::created_by,
            tokens::updated_at,
            tokens::revoked_at,
            tokens::revoked_by,
            tokens::revoked_reason,
            tokens::secret_at,
            tokens::expiry_noted_at,
            tokens::shown_prefix,
        )
    };
}
#[cfg(feature = "postgres")]
pub(crate) use stored_columns;

/// The columns of the secret, read for verification only.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = personal_access_tokens, treat_none_as_default_value = false)]
pub(crate) struct SecretRow {
    secret_hash: String,
    secret_check: Option<Vec<u8>>,
    secret_proof: Option<Vec<u8>>,
}

pub(crate) type CredentialRow = (TokenRow, SecretRow, UserRow);

impl From<&StoredSecret> for SecretRow {
    fn from(secret: &StoredSecret) -> Self {
        Self {
            secret_hash: secret.hash.as_str().to_owned(),
            secret_check: check_value(secret),
            secret_proof: proof_value(secret.proof.as_ref()),
        }
    }
}

pub(crate) fn check_value(secret: &StoredSecret) -> Option<Vec<u8>> {
    secret.check.as_ref().map(|check| check.as_bytes().to_vec())
}

pub(crate) fn proof_value(proof: Option<&SecretProof>) -> Option<Vec<u8>> {
    // A proof that could not be read is written as empty bytes, which match no secret.
    proof.map(|proof| proof.as_bytes().map(|bytes| bytes.to_vec()).unwrap_or_default())
}

pub(crate) fn credential((token, secret, user): CredentialRow) -> Result<Credential, StoreError> {
    Ok(Credential {
        token: Token::try_from(token)?,
        secret: StoredSecret::try_from(secret)?,
        owner: User::try_from(user)?,
    })
}

impl TryFrom<SecretRow> for StoredSecret {
    type Error = StoreError;

    fn try_from(row: SecretRow) -> Result<Self, StoreError> {
        stored_secret(row.secret_hash, row.secret_check, row.secret_proof)
    }
}

pub(crate) fn stored_secret(
    hash: String,
    check: Option<Vec<u8>>,
    proof: Option<Vec<u8>>,
) -> Result<StoredSecret, StoreError> {
    Ok(StoredSecret {
        hash: SecretHash::from_stored(hash),
        proof: proof.map(|bytes| SecretProof::from_stored(&bytes)),
        check: check.map(secret_check).transpose()?,
    })
}

fn secret_check(bytes: Vec<u8>) -> Result<SecretCheck, StoreError> {
    let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| corrupt("secret_check", "not 8 bytes"))?;
    Ok(SecretCheck::from_stored(bytes))
}

impl From<&Token> for TokenRow {
    fn from(token: &Token) -> Self {
        let revoked = token.revoked.as_ref();
        Self {
            id: IdValue(token.id.uuid()),
            user_id: IdValue(token.user_id.uuid()),
            public_id: token.public_id.as_str().to_owned(),
            suffix: token.suffix.clone(),
            name: token.name.as_str().to_owned(),
            description: token.description.as_ref().map(|text| text.as_str().to_owned()),
            scopes: convert::list(token.scopes.to_texts()),
            inactive_at: instant_value(token.inactive_at),
            not_before: instant_value(token.not_before),
            expires_at: instant_value(token.expires_at),
            last_used_at: instant_value(token.last_used_at),
            last_used_ip: token.last_used_ip.map(|ip| ip.to_string()),
            allowed_ips: convert::list(token.allowed_ips.to_texts()),
            metadata: DocumentValue::new(&token.metadata.to_value()),
            version: token.version,
            created_at: InstantValue(token.created_at),
            created_by: token.created_by.to_string(),
            updated_at: InstantValue(token.updated_at),
            revoked_at: revoked.map(|revoked| InstantValue(revoked.at)),
            revoked_by: revoked.map(|revoked| revoked.by.to_string()),
            revoked_reason: revoked
                .and_then(|revoked| revoked.reason.as_ref())
                .map(|text| text.as_str().to_owned()),
            secret_at: InstantValue(token.secret_at),
            expiry_noted_at: instant_value(token.expiry_noted_at),
            shown_prefix: token.shown_prefix.clone(),
        }
    }
}

impl TryFrom<TokenRow> for Token {
    type Error = StoreError;

    fn try_from(row: TokenRow) -> Result<Self, StoreError> {
        let revoked = match row.revoked_at {
            None => None,
            Some(InstantValue(at)) => Some(Revocation {
                at,
                by: parsed("revoked_by", row.revoked_by.as_deref().unwrap_or_default())?,
                reason: row.revoked_reason.map(Reason::from_stored),
            }),
        };
        Ok(Self {
            id: TokenId::from_uuid(row.id.0),
            user_id: UserId::from_uuid(row.user_id.0),
            public_id: PublicId::from_stored(row.public_id),
            suffix: row.suffix,
            name: TokenName::from_stored(row.name),
            description: row.description.map(Description::from_stored),
            scopes: convert::scopes(&row.scopes)?,
            inactive_at: instant(row.inactive_at),
            not_before: instant(row.not_before),
            expires_at: instant(row.expires_at),
            last_used_at: instant(row.last_used_at),
            last_used_ip: address("last_used_ip", row.last_used_ip.as_deref())?,
            allowed_ips: convert::allowed_ips(&row.allowed_ips)?,
            metadata: convert::metadata(&row.metadata)?,
            version: row.version,
            created_at: row.created_at.0,
            secret_at: row.secret_at.0,
            created_by: parsed("created_by", &row.created_by)?,
            updated_at: row.updated_at.0,
            revoked,
            expiry_noted_at: instant(row.expiry_noted_at),
            shown_prefix: row.shown_prefix,
        })
    }
}
