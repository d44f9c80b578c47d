//! Creates the first token of an installation.

use tokenry_crypto::SecretRng;
use tokenry_domain::{
    Actor, ClientInfo, EventKind, IpList, Lifetime, Metadata, PageSize, Role, Scope, ScopeSet, Sort, Subject,
    Token, TokenFilter, TokenId, TokenName, UnixMillis, User, UserId, UserName, text::TextError,
};
use tokenry_store::{StoreError, Tx, instance, token, tombstone, user};

use crate::{
    audit::{AuditContext, creation_detail},
    generated_secret::GeneratedSecret,
    issue::{IssueError, Issued},
    tokenry::Tokenry,
    user::{create, new_user},
};

/// The lifetime of the first token.
const LIFETIME: Lifetime = Lifetime::days(1);

impl Tokenry {
    /// Creates the user `admin` with the highest role and the first token, valid for 24 hours and with all scopes.
    /// Returns `None` if this installation was bootstrapped before. Nodes that start at the same time create one token
    /// together.
    ///
    /// # Errors
    /// [`IssueError`]; nothing was created.
    pub fn bootstrap(&self, now: UnixMillis) -> Result<Option<Issued>, IssueError> {
        let mut rng = SecretRng::os();
        let user_id = UserId::new(now, rng.bytes()?);
        let GeneratedSecret { secret, stored, id_bytes } = GeneratedSecret::generate(self)?;
        let (public_id, suffix) = (secret.public_id(), secret.suffix());
        let expires_at = now
            .checked_add(LIFETIME)
            .ok_or_else(|| StoreError::Bug("the clock is beyond the latest instant".to_owned()))?;
        let rules = self.0.rules.clone();
        let seeded = self.0.store.write(move |tx| {
            lock_admin(tx)?;
            let mut row = instance::lock(tx)?;
            if row.bootstrapped_at.is_some() {
                return Ok(None);
            }
            let audit = AuditContext::new(Actor::System, now, ClientInfo::default());
            let highest = rules.catalog.roles().last().cloned().unwrap_or_else(Role::admin);
            let owner = admin(tx, user_id, highest, &audit)?;
            // `*`, or every named scope where tokens are denied `*`.
            let permissions = rules.catalog.max_token_permissions(&owner.role);
            let everything = ScopeSet::from_iter([Scope::All]);
            let scopes =
                if permissions.can_delegate(&Scope::All) { everything } else { permissions.to_set() };
            let token = Token {
                id: TokenId::new(now, id_bytes),
                user_id: owner.id,
                public_id,
                shown_prefix: None,
                suffix,
                name: TokenName::parse("bootstrap").map_err(bug)?,
                description: None,
                scopes,
                inactive_at: None,
                not_before: None,
                expires_at: Some(expires_at),
                last_used_at: None,
                last_used_ip: None,
                allowed_ips: IpList::default(),
                metadata: Metadata::default(),
                version: 1,
                created_at: now,
                secret_at: now,
                created_by: Actor::System,
                updated_at: now,
                revoked: None,
                expiry_noted_at: None,
            };
            token::insert(tx, &token, &stored)?;
            audit.record(tx, EventKind::TokenSeeded, owner.id, Some(token.id), creation_detail(&token))?;
            row.bootstrapped_at = Some(now);
            instance::update(tx, &row)?;
            Ok::<_, StoreError>(Some((token, owner)))
        })?;
        Ok(seeded.map(|(token, owner)| Issued { token, owner, secret }))
    }

    /// Whether the first token is the only token ever created and was never used, expired or not: its secret may have
    /// been lost before anyone saw it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_first_token_unused(&self, now: UnixMillis) -> Result<bool, StoreError> {
        let cutoffs = self.0.rules.cutoffs(now);
        let page = self.0.store.read(|tx| {
            let size = PageSize::new(1).unwrap_or_default();
            token::list(tx, &TokenFilter::default(), Sort::default(), size, None, &cutoffs)
        })?;
        Ok(page.total == 1 && page.items.iter().all(is_unused_first_token))
    }
}

fn is_unused_first_token(token: &Token) -> bool {
    token.created_by == Actor::System && token.last_used_at.is_none()
}

/// Locks the user `admin`, if they exist: users are always locked before the instance.
fn lock_admin(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let subject = Subject::parse("admin").map_err(bug)?;
    if let Some(user) = user::find_by_subject(tx, &subject)? {
        user::lock(tx, user.id)?;
    }
    Ok(())
}

fn admin(tx: &mut Tx<'_>, id: UserId, role: Role, audit: &AuditContext) -> Result<User, StoreError> {
    let subject = Subject::parse("admin").map_err(bug)?;
    if let Some(user) = user::find_by_subject(tx, &subject)? {
        return Ok(user);
    }
    let name = UserName::parse("admin").map_err(bug)?;
    tombstone::clear_disabled(tx, &subject)?;
    let mut user = new_user(id, subject, name, role, audit.at);
    user.claims_after = Some(audit.at);
    create(tx, &user, audit)?;
    Ok(user)
}

/// The fixed texts above are valid, so an error is a bug.
fn bug(error: TextError) -> StoreError {
    StoreError::Bug(error.to_string())
}
