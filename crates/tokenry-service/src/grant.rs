//! Whether a token may become what it shall be: the one policy of create, update and rotate.

use tokenry_domain::{Catalog, IpList, Policy, Token, UnixMillis, User};

use crate::{caller::Caller, denial::Denial};

/// Who asks for what is to be decided, and whose token it is.
pub(crate) struct Grant<'g> {
    pub(crate) policy: &'g Policy,
    pub(crate) catalog: &'g Catalog,
    pub(crate) caller: &'g Caller,
    pub(crate) owner: &'g User,
    /// Whether the caller is given the token's secret and can use it from then on.
    pub(crate) reveals: bool,
}

impl Grant<'_> {
    /// Refuses `after` if it grants more than the caller may give. `before` is the token as it is stored, if it is.
    ///
    /// A person gives what the owner's role may hold and they may do themselves. A token gives only what it has itself:
    /// it cannot add anything to a token that is there, and gets the secret only of one that has no more rights, time or
    /// addresses than itself.
    pub(crate) fn check(&self, before: Option<&Token>, after: &Token) -> Result<(), Denial> {
        // SECURITY: every attribute is named, so that a new one does not compile before it is decided whether it
        // grants something.
        let Token {
            scopes: _,
            inactive_at: _,
            expires_at: _,
            allowed_ips: _,
            // It can only be set at the creation, and only delays.
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
            // Set when a token is over, and forgotten only of one that is not.
            expiry_noted_at: _,
            id: _,
            // Nobody can ask for these; a new secret is handed out only where `reveals` says so.
            user_id: _,
            public_id: _,
            suffix: _,
            secret_at: _,
        } = after;
        self.check_scopes(before, after)?;
        let Some(own) = self.caller.token() else { return Ok(()) };
        if let Some(before) = before {
            // A new secret does not live longer than the one it replaces: lifetimes count from a secret's beginning.
            let end = if self.reveals { self.policy.effective_expiry(before) } else { before.expires_at };
            within(after, before, end, &Bound::Stored)?;
        }
        if !self.hands_out_another(before) {
            return Ok(());
        }
        within(after, own, self.policy.effective_expiry(own), &Bound::Callers)
    }

    /// Whether the caller gets to know the secret of a token that they did not come with.
    fn hands_out_another(&self, before: Option<&Token>) -> bool {
        self.reveals && before.is_none_or(|before| self.caller.token().is_none_or(|own| own.id != before.id))
    }

    fn check_scopes(&self, before: Option<&Token>, after: &Token) -> Result<(), Denial> {
        let has = |scope| before.is_some_and(|before| before.scopes.contains(scope));
        let permissions = self.catalog.of_tokens(&self.owner.role);
        for scope in after.scopes.iter().filter(|scope| !has(scope)) {
            if !permissions.can_delegate(scope) {
                return Err(Denial::beyond_role(scope, &self.owner.role));
            }
        }
        let Some(effective) = self.caller.effective() else { return Ok(()) };
        let resumes =
            before.is_some_and(|before| before.inactive_at.is_some()) && after.inactive_at.is_none();
        let widens = before.is_some_and(|before| is_wider(self.catalog, after, before));
        let grows = self.hands_out_another(before) || resumes || (widens && self.caller.token().is_none());
        let had = |scope| before.is_some_and(|before| self.catalog.includes(&before.scopes, scope));
        // What the owner's role does not allow at all sleeps in the token; whoever may do all that the role allows may
        // leave it there.
        let is_owner_in_full = self.caller.token().is_none() && !effective.is_restricted();
        let sleeps = |scope| has(scope) && is_owner_in_full && !permissions.can_delegate(scope);
        for scope in after.scopes.iter() {
            if (grows || !had(scope)) && !sleeps(scope) && !effective.can_delegate(scope) {
                return Err(Denial::missing(scope));
            }
            if before.is_some() && !had(scope) && self.caller.token().is_some() {
                let detail = "a token cannot add scopes to a token; sign in to do that";
                return Err(Denial::beyond_caller("/scopes", detail));
            }
        }
        Ok(())
    }
}

/// Whether `after` allows anything that `before` did not: then whoever has an old secret must not have it too.
pub(crate) fn is_wider(catalog: &Catalog, after: &Token, before: &Token) -> bool {
    after.scopes.iter().any(|scope| !catalog.includes(&before.scopes, scope))
        || lasts_longer(after.expires_at, before.expires_at)
        || !after.allowed_ips.is_subset_of(&before.allowed_ips)
}

/// What a token must stay within.
enum Bound {
    /// What the changed token was before.
    Stored,
    /// The caller's own token.
    Callers,
}

fn within(after: &Token, bound: &Token, end: Option<UnixMillis>, kind: &Bound) -> Result<(), Denial> {
    if lasts_longer(after.expires_at, end) {
        let detail = match kind {
            Bound::Stored => "a token cannot make a token last longer; sign in to do that",
            Bound::Callers => "a token can only make tokens that end with it or before",
        };
        return Err(Denial::beyond_caller("/expires_at", detail));
    }
    if !after.allowed_ips.is_subset_of(&bound.allowed_ips) {
        let detail = match kind {
            Bound::Stored => "a token cannot let a token be used from more addresses; sign in to do that",
            Bound::Callers => "a token can only make tokens that are used from its own addresses",
        };
        return Err(Denial::beyond_caller("/allowed_ips", detail));
    }
    Ok(())
}

fn lasts_longer(end: Option<UnixMillis>, bound: Option<UnixMillis>) -> bool {
    match (end, bound) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(bound)) => end > bound,
    }
}

/// What a token made with a token gets where nothing is asked for: the caller's own bounds.
pub(crate) fn default_bounds(
    policy: &Policy,
    caller: &Caller,
    expires_at: Option<UnixMillis>,
    allowed_ips: Option<IpList>,
    asked_default: bool,
) -> (Option<UnixMillis>, IpList) {
    let Some(own) = caller.token() else { return (expires_at, allowed_ips.unwrap_or_default()) };
    let bound = policy.effective_expiry(own);
    let end = if asked_default && lasts_longer(expires_at, bound) { bound } else { expires_at };
    (end, allowed_ips.unwrap_or_else(|| own.allowed_ips.clone()))
}
