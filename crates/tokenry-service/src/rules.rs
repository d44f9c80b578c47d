//! The rules of an installation, shared with transactions.

use tokenry_domain::{Catalog, ExpiryCutoffs, Grant, Policy, Token, UnixMillis, User};

use crate::{caller::Caller, denial::Denial};

/// What tokens may be made and what they may do.
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    pub(crate) catalog: Catalog,
}

impl Rules {
    pub(crate) fn cutoffs(&self, now: UnixMillis) -> ExpiryCutoffs {
        self.policy.cutoffs(now)
    }

    /// Rejects a token whose secret the `caller` receives if it grants more than they may give.
    pub(crate) fn check_secret(
        &self,
        caller: &Caller,
        owner: &User,
        before: Option<&Token>,
        after: &Token,
    ) -> Result<(), Denial> {
        Ok(Grant { reveals_secret: true, ..self.grant(caller, owner) }.check(before, after)?)
    }

    /// Rejects a change that grants more than the `caller` may give.
    pub(crate) fn check_change(
        &self,
        caller: &Caller,
        owner: &User,
        before: &Token,
        after: &Token,
    ) -> Result<(), Denial> {
        Ok(self.grant(caller, owner).check(Some(before), after)?)
    }

    fn grant<'g>(&'g self, caller: &'g Caller, owner: &'g User) -> Grant<'g> {
        Grant {
            policy: &self.policy,
            catalog: &self.catalog,
            caller: caller.effective(),
            caller_token: caller.token(),
            owner_role: &owner.role,
            reveals_secret: false,
        }
    }
}
