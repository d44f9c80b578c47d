//! The policy of create, update and rotate: whether a token may get the requested attributes.

use thiserror::Error;

use crate::{
    catalog::{Catalog, EffectivePermissions},
    ip::IpList,
    policy::Policy,
    role::Role,
    scope::Scope,
    time::UnixMillis,
    token::Token,
};

/// The inputs of a decision: the rules, the caller and the owner of the token.
///
/// Exhaustive, so that a new input does not compile until every use case supplies it.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'g> {
    /// The lifetimes of tokens.
    pub policy: &'g Policy,
    /// The meaning of scopes and roles.
    pub catalog: &'g Catalog,
    /// The permissions of the caller; `None` for an operator, whom only policy and roles limit.
    pub caller: Option<&'g EffectivePermissions>,
    /// The token that limits the caller, if there is one.
    pub caller_token: Option<&'g Token>,
    /// The role of the token's owner.
    pub owner_role: &'g Role,
    /// Whether the caller receives the token's secret, with which they can use the token.
    pub reveals_secret: bool,
}

/// Why a token may not get the requested attributes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The caller does not have this scope.
    #[error("missing scope: {0}")]
    MissingScope(Scope),
    /// The role of the token's owner does not allow this scope.
    #[error("the role {role} may not hold {scope}")]
    BeyondRole {
        /// The scope.
        scope: Scope,
        /// The owner's role.
        role: Role,
    },
    /// The caller's token would add a scope to a token.
    #[error("a token cannot add scopes to a token; sign in to do that")]
    AddsScope,
    /// The expiry is later than the caller's token may set it.
    #[error("{}", match .0 {
        Bound::Stored => "a token cannot make a token last longer; sign in to do that",
        Bound::Caller => "a token can only make tokens that end with it or before",
    })]
    LastsLonger(Bound),
    /// The addresses are more than the caller's token may allow.
    #[error("{}", match .0 {
        Bound::Stored => "a token cannot let a token be used from more addresses; sign in to do that",
        Bound::Caller => "a token can only make tokens that are used from its own addresses",
    })]
    MoreAddresses(Bound),
}

/// The token whose expiry and addresses must not be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// The changed token as it was before.
    Stored,
    /// The caller's own token.
    Caller,
}

impl Grant<'_> {
    /// Rejects `after` if it grants more than the caller may grant. `before` is the stored token, if there is one.
    ///
    /// A user may grant permissions that they and the owner's role have. A token may grant only permissions of its own: it
    /// cannot add anything to a stored token, and receives the secret only of a token whose scopes, expiry and addresses
    /// do not exceed its own.
    ///
    /// # Errors
    /// [`GrantError`] names the first excess.
    pub fn check(&self, before: Option<&Token>, after: &Token) -> Result<(), GrantError> {
        // SECURITY: every attribute is named, so that a new one does not compile until this function decides whether it
        // grants anything.
        let Token {
            scopes: _,
            inactive_at: _,
            expires_at: _,
            allowed_ips: _,
            // Set only at creation, and it only delays.
            not_before: _,
            // These grant nothing.
            name: _,
            description: _,
            metadata: _,
            last_used_at: _,
            last_used_ip: _,
            version: _,
            created_at: _,
            created_by: _,
            updated_at: _,
            revoked: _,
            // Set when a token has expired, and cleared only for one that has not.
            expiry_noted_at: _,
            id: _,
            // No request can set these; a new secret is returned only if `reveals_secret` is true.
            user_id: _,
            public_id: _,
            shown_prefix: _,
            suffix: _,
            secret_at: _,
        } = after;
        self.check_scopes(before, after)?;
        let Some(own) = self.caller_token else { return Ok(()) };
        if let Some(before) = before {
            // A new secret must not outlive the replaced one: lifetimes count from the creation of a secret.
            let latest =
                if self.reveals_secret { self.policy.effective_expiry(before) } else { before.expires_at };
            check_bound(after, before, latest, Bound::Stored)?;
        }
        if !self.reveals_another_token(before) {
            return Ok(());
        }
        check_bound(after, own, self.policy.effective_expiry(own), Bound::Caller)
    }

    /// Whether the caller receives the secret of a token other than their own.
    fn reveals_another_token(&self, before: Option<&Token>) -> bool {
        let is_own = before.zip(self.caller_token).is_some_and(|(before, own)| before.id == own.id);
        self.reveals_secret && !is_own
    }

    fn check_scopes(&self, before: Option<&Token>, after: &Token) -> Result<(), GrantError> {
        let permissions = self.catalog.max_token_permissions(self.owner_role);
        for scope in after.scopes.iter().filter(|scope| !has_scope(before, scope)) {
            if !permissions.can_delegate(scope) {
                return Err(GrantError::BeyondRole { scope: scope.clone(), role: self.owner_role.clone() });
            }
        }
        let Some(caller) = self.caller else { return Ok(()) };
        let is_token = self.caller_token.is_some();
        let resumes =
            before.is_some_and(|before| before.inactive_at.is_some() && after.inactive_at.is_none());
        let widens = before.is_some_and(|before| is_wider(self.catalog, after, before));
        let must_hold_all = self.reveals_another_token(before) || resumes || (widens && !is_token);
        // A scope that the owner's role does not allow is dormant in the token; a caller with the whole role may keep
        // it.
        let has_whole_role = !is_token && !caller.is_restricted();
        for scope in after.scopes.iter() {
            let is_included = before.is_some_and(|before| self.catalog.includes(&before.scopes, scope));
            let is_dormant = has_whole_role && has_scope(before, scope) && !permissions.can_delegate(scope);
            if (must_hold_all || !is_included) && !is_dormant && !caller.can_delegate(scope) {
                return Err(GrantError::MissingScope(scope.clone()));
            }
            if before.is_some() && !is_included && is_token {
                return Err(GrantError::AddsScope);
            }
        }
        Ok(())
    }
}

/// Whether `after` allows anything that `before` did not. A retired secret must not gain it.
#[must_use]
pub fn is_wider(catalog: &Catalog, after: &Token, before: &Token) -> bool {
    after.scopes.iter().any(|scope| !catalog.includes(&before.scopes, scope))
        || lasts_longer(after.expires_at, before.expires_at)
        || !after.allowed_ips.is_subset_of(&before.allowed_ips)
}

/// The expiry and addresses of a new token; those that the request does not set are limited by the caller's token.
#[must_use]
pub fn within_caller(
    policy: &Policy,
    caller_token: Option<&Token>,
    expires_at: Option<UnixMillis>,
    allowed_ips: Option<IpList>,
    is_default_expiry: bool,
) -> (Option<UnixMillis>, IpList) {
    let Some(own) = caller_token else { return (expires_at, allowed_ips.unwrap_or_default()) };
    let bound = policy.effective_expiry(own);
    let expires_at = if is_default_expiry && lasts_longer(expires_at, bound) { bound } else { expires_at };
    (expires_at, allowed_ips.unwrap_or_else(|| own.allowed_ips.clone()))
}

fn has_scope(token: Option<&Token>, scope: &Scope) -> bool {
    token.is_some_and(|token| token.scopes.contains(scope))
}

fn check_bound(
    after: &Token,
    bound: &Token,
    latest: Option<UnixMillis>,
    kind: Bound,
) -> Result<(), GrantError> {
    if lasts_longer(after.expires_at, latest) {
        return Err(GrantError::LastsLonger(kind));
    }
    if !after.allowed_ips.is_subset_of(&bound.allowed_ips) {
        return Err(GrantError::MoreAddresses(kind));
    }
    Ok(())
}

fn lasts_longer(expiry: Option<UnixMillis>, bound: Option<UnixMillis>) -> bool {
    match (expiry, bound) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(expiry), Some(bound)) => expiry > bound,
    }
}
