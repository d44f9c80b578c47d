//! Previews the impact of another policy or catalog on existing tokens.

use tokenry_domain::{
    Catalog, ExpiryCutoffs, PageSize, PageStart, Policy, Sort, SortKey, Token, TokenFilter, User,
};
use tokenry_store::{StoreError, token};

use crate::{
    caller::RequestContext, owner::with_owners, read_error::ReadError, required::admin_read, rules::Rules,
    tokenry::Tokenry,
};

/// How many live tokens a change would affect, and how; one token may be counted in several fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyImpact {
    /// Tokens that are live now, of users who are not disabled.
    pub live: u64,
    /// Tokens that would be affected in any way.
    pub touched: u64,
    /// Tokens that would expire immediately.
    pub ending_now: u64,
    /// Tokens that would expire earlier than they do now.
    pub ending_sooner: u64,
    /// Tokens that would lose permissions.
    pub losing_scopes: u64,
    /// Tokens that would gain permissions.
    pub gaining_scopes: u64,
}

impl Tokenry {
    /// Counts the live tokens that would be affected if `policy` and `catalog` replaced the current ones. Changes
    /// nothing.
    ///
    /// # Errors
    /// [`ReadError::Denied`], [`ReadError::Store`].
    pub fn check_policy(
        &self,
        context: &RequestContext,
        policy: &Policy,
        catalog: &Catalog,
    ) -> Result<PolicyImpact, ReadError> {
        context.caller.require(&admin_read())?;
        let (present, proposed) = (self.0.rules.cutoffs(context.now), policy.cutoffs(context.now));
        let sort = Sort::ascending(SortKey::CreatedAt);
        let size = PageSize::new(PageSize::MAX).unwrap_or_default();
        let mut impact = PolicyImpact::default();
        let mut start = None;
        loop {
            let (pairs, next) = self.0.store.read(|tx| {
                let page = token::list(tx, &TokenFilter::default(), sort, size, start.as_ref(), &present)?;
                Ok::<_, StoreError>((with_owners(tx, page.items)?, page.next))
            })?;
            for (token, owner) in &pairs {
                if token.is_live(&present) && !owner.is_disabled() {
                    impact.add(&self.0.rules, (policy, catalog), &proposed, (token, owner));
                }
            }
            match next {
                Some(next) => start = Some(PageStart::After(next)),
                None => return Ok(impact),
            }
        }
    }
}

impl PolicyImpact {
    /// Counts one live token.
    fn add(
        &mut self,
        present: &Rules,
        (policy, catalog): (&Policy, &Catalog),
        proposed: &ExpiryCutoffs,
        (token, owner): (&Token, &User),
    ) {
        let ends_now = proposed.is_expired(token);
        let (end_now, end_then) = (present.policy.effective_expiry(token), policy.effective_expiry(token));
        let ends_sooner = end_then.is_some_and(|then| end_now.is_none_or(|now| then < now));
        let now = present.catalog.effective(&token.scopes, &owner.role);
        let then = catalog.effective(&token.scopes, &owner.role);
        let loses = now.to_set().iter().any(|scope| !then.grants(scope));
        let gains = then.to_set().iter().any(|scope| !now.grants(scope));
        self.live += 1;
        self.touched += u64::from(ends_now || ends_sooner || loses || gains);
        self.ending_now += u64::from(ends_now);
        self.ending_sooner += u64::from(ends_sooner && !ends_now);
        self.losing_scopes += u64::from(loses);
        self.gaining_scopes += u64::from(gains);
    }
}
