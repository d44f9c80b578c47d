//! Rows with default values, for tests that need them but do not examine them.

use std::sync::atomic::{AtomicU32, Ordering};

use tokenry_domain::{
    Actor, IpList, Metadata, PublicId, Role, ScopeSet, SecretHash, Subject, Token, TokenId, TokenName,
    UnixMillis, User, UserId, UserName,
};
use tokenry_store::{Store, StoreError, Tx, token};

use crate::database::TestDatabase;

static COUNT: AtomicU32 = AtomicU32::new(1);

/// The instant `millis` after 2026-01-01T00:00:00Z.
///
/// # Panics
/// Outside the years 1970 to 9999.
#[must_use]
pub fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(1_767_225_600_000 + millis).unwrap()
}

/// A user with this subject and the role `user`, not stored.
///
/// # Panics
/// When the subject is invalid.
#[must_use]
pub fn user(subject: &str) -> User {
    User {
        id: UserId::new(at(0), random()),
        subject: Subject::parse(subject).unwrap(),
        name: UserName::parse(subject).unwrap(),
        role: Role::user(),
        disabled_at: None,
        tokens_revoked_at: None,
        claims_at: None,
        claims_after: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

impl TestDatabase {
    /// Stores a user with this subject and the role `user`.
    ///
    /// # Panics
    /// When it cannot be stored.
    #[must_use]
    pub fn user(&self, subject: &str) -> User {
        let user = user(subject);
        let row = user.clone();
        self.store().write(move |tx| tokenry_store::user::insert(tx, &row)).unwrap();
        user
    }

    /// Stores this many tokens of `owner` in one transaction. No plaintext matches their hashes.
    ///
    /// # Panics
    /// When they cannot be stored.
    pub fn tokens(&self, owner: &User, count: usize) {
        let rows: Vec<_> = (0..count).map(|_| self.token(owner).build()).collect();
        let insert = move |tx: &mut Tx<'_>| rows.iter().try_for_each(|row| store_token(tx, row));
        self.store().write(insert).unwrap();
    }

    /// A builder for a token of `owner`.
    #[must_use]
    pub fn token(&self, owner: &User) -> TokenBuilder<'_> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        TokenBuilder {
            store: self.store(),
            token: Token {
                id: TokenId::new(at(0), random()),
                user_id: owner.id,
                public_id: PublicId::from_stored(format!("test_{number:012}")),
                shown_prefix: None,
                suffix: "wxyz".to_owned(),
                name: TokenName::parse(format!("token {number}")).unwrap(),
                description: None,
                scopes: ScopeSet::default(),
                inactive_at: None,
                not_before: None,
                expires_at: None,
                last_used_at: None,
                last_used_ip: None,
                allowed_ips: IpList::default(),
                metadata: Metadata::default(),
                version: 1,
                created_at: at(0),
                secret_at: at(0),
                created_by: Actor::System,
                updated_at: at(0),
                revoked: None,
                expiry_noted_at: None,
            },
        }
    }
}

/// A token before it is stored. No plaintext matches its hash.
pub struct TokenBuilder<'s> {
    store: &'s Store,
    token: Token,
}

impl TokenBuilder<'_> {
    /// Changes attributes.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Token)) -> Self {
        change(&mut self.token);
        self
    }

    /// The token, not stored.
    #[must_use]
    pub fn build(self) -> Token {
        self.token
    }

    /// Stores it.
    ///
    /// # Panics
    /// When it cannot be stored.
    pub fn insert(self) -> Token {
        let row = self.token.clone();
        self.store.write(move |tx| store_token(tx, &row)).unwrap();
        self.token
    }
}

fn store_token(tx: &mut Tx<'_>, token: &Token) -> Result<(), StoreError> {
    let secret = SecretHash::from_stored("$none$".to_owned()).into();
    token::insert(tx, token, &secret)
}

/// Unique rather than random: tests repeat exactly.
fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[6..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}
