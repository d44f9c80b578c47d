//! The permissions of a role, and a token's effective permissions under it.

use std::sync::Arc;

use super::vocabulary::{ADMIN, Resource, Vocabulary};
use crate::{
    role::Role,
    scope::{Scope, ScopeSet},
};

/// The maximum permissions of one role.
#[derive(Debug)]
pub(super) struct RolePermissions {
    rule: Rule,
    vocabulary: Arc<Vocabulary>,
}

#[derive(Debug)]
enum Rule {
    All,
    /// All except the resource `admin` and `introspect`.
    AllExceptAdministration,
    Listed(ScopeSet),
}

impl RolePermissions {
    /// The two default roles, if none are configured.
    pub(super) fn default_roles(vocabulary: &Arc<Vocabulary>) -> Vec<(Role, Arc<Self>)> {
        vec![
            (Role::user(), Self::new(Rule::AllExceptAdministration, vocabulary)),
            (Role::admin(), Self::new(Rule::All, vocabulary)),
        ]
    }

    pub(super) fn none(vocabulary: &Arc<Vocabulary>) -> Arc<Self> {
        Self::listed(&ScopeSet::default(), vocabulary)
    }

    /// Exactly these scopes and what the names among them stand for.
    pub(super) fn listed(scopes: &ScopeSet, vocabulary: &Arc<Vocabulary>) -> Arc<Self> {
        let scopes = vocabulary.members(scopes);
        let rule = if scopes.contains(&Scope::All) { Rule::All } else { Rule::Listed(scopes) };
        Self::new(rule, vocabulary)
    }

    fn new(rule: Rule, vocabulary: &Arc<Vocabulary>) -> Arc<Self> {
        Arc::new(Self { rule, vocabulary: vocabulary.clone() })
    }

    fn permits(&self, scope: &Scope) -> bool {
        match &self.rule {
            Rule::All => true,
            Rule::AllExceptAdministration => match scope {
                // Names are permitted by what they stand for.
                Scope::All | Scope::Introspect | Scope::Named(_) => false,
                Scope::Access { resource, .. } => resource != ADMIN,
            },
            Rule::Listed(scopes) => self.vocabulary.includes(scopes, scope),
        }
    }

    /// Whether these permissions include all of `other`.
    pub(super) fn includes(&self, other: &Self) -> bool {
        match (&self.rule, &other.rule) {
            (Rule::All, _) | (Rule::AllExceptAdministration, Rule::AllExceptAdministration) => true,
            (_, Rule::Listed(scopes)) => scopes.iter().all(|scope| self.permits(scope)),
            _ => false,
        }
    }

    fn is_none(&self) -> bool {
        matches!(&self.rule, Rule::Listed(scopes) if scopes.is_empty())
    }

    /// The named scopes that `*` stands for under this role.
    fn all(&self) -> Vec<Scope> {
        if let Rule::Listed(scopes) = &self.rule {
            return scopes.iter().cloned().collect();
        }
        let resources = self.vocabulary.resources().iter().filter_map(highest);
        resources.chain([Scope::Introspect]).collect()
    }
}

/// The scope of the highest level of a resource.
fn highest(resource: &Resource) -> Option<Scope> {
    let level = resource.levels.last()?.clone();
    Some(Scope::Access { resource: resource.name.clone(), level })
}

/// The effective permissions of a token or user: the scopes of the token, limited by the role of its owner and without
/// the denied scopes.
#[derive(Debug, Clone)]
pub struct EffectivePermissions {
    /// With everything that the names among them stand for.
    held: ScopeSet,
    role_permissions: Arc<RolePermissions>,
    denied: Arc<ScopeSet>,
    /// Whether this is less than what the role of the owner allows; `*`, which means all of it, cannot be delegated
    /// then.
    is_restricted: bool,
}

impl EffectivePermissions {
    /// `held` is already expanded.
    pub(super) fn new(held: ScopeSet, role_permissions: Arc<RolePermissions>, denied: Arc<ScopeSet>) -> Self {
        Self { held, role_permissions, denied, is_restricted: false }
    }

    /// Whether everything that `role_permissions` allows is granted.
    pub(super) fn covers(&self, role_permissions: &RolePermissions) -> bool {
        match &role_permissions.rule {
            Rule::Listed(scopes) => scopes.iter().all(|scope| {
                self.grants(scope) || (self.is_unrestricted() && self.role_permissions.permits(scope))
            }),
            _ => self.is_unrestricted() && self.role_permissions.includes(role_permissions),
        }
    }

    /// About how many bytes of memory they occupy beside themselves and the scopes of their token.
    #[must_use]
    pub fn heap_bytes(&self, scopes: &ScopeSet) -> usize {
        if self.held.is_shared_with(scopes) { 0 } else { self.held.heap_bytes() }
    }

    /// Whether this is less than what the role of the owner allows, without being limited by a token.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.is_restricted
    }

    /// Whether this is all that the role allows, except scopes denied to tokens.
    fn is_unrestricted(&self) -> bool {
        !self.is_restricted && self.held.contains(&Scope::All)
    }

    /// Whether `wanted` is granted. `*` is granted only to a holder of `*` under an unlimited role, and a name only to a
    /// holder of the name if everything that it stands for is granted.
    #[must_use]
    pub fn grants(&self, wanted: &Scope) -> bool {
        self.role_permissions.vocabulary.has_scope(wanted)
            && self.role_permissions.vocabulary.includes(&self.held, wanted)
            && self.permits(wanted)
    }

    /// Those of `wanted` that are not granted, in order.
    #[must_use]
    pub fn missing(&self, wanted: &ScopeSet) -> ScopeSet {
        wanted.iter().filter(|scope| !self.grants(scope)).cloned().collect()
    }

    /// Whether a token with this scope may be created: the scope is held, and the role allows it.
    ///
    /// `*` means "all permissions of its owner", so a holder of `*` can delegate it under any role with permissions. A
    /// name can be delegated if it is held, and so can everything that it stands for.
    #[must_use]
    pub fn can_delegate(&self, scope: &Scope) -> bool {
        if let Scope::Named(name) = scope {
            let vocabulary = &self.role_permissions.vocabulary;
            let named = vocabulary.find_named(name).filter(|_| vocabulary.includes(&self.held, scope));
            return named.is_some_and(|named| named.members().all(|part| self.can_delegate(part)));
        }
        self.grants(scope)
            || (*scope == Scope::All
                && !self.is_restricted
                && self.held.contains(&Scope::All)
                && !self.role_permissions.is_none()
                && !self.denied.contains(&Scope::All))
    }

    /// The permissions that both grant. If that is less than `self` allows, `*` cannot be delegated from it.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        // One of the two roles usually includes the other; otherwise the named scopes of one are held under the other.
        let (lower, upper) = if self.role_permissions.includes(&other.role_permissions) {
            (other, self)
        } else {
            (self, other)
        };
        if upper.held.contains(&Scope::All)
            && upper.denied.is_empty()
            && upper.role_permissions.includes(&lower.role_permissions)
        {
            return Self {
                is_restricted: !lower.role_permissions.includes(&self.role_permissions),
                ..lower.clone()
            };
        }
        let scopes = lower.to_set();
        let parts = scopes.iter().filter_map(|scope| upper.permitted_part(scope));
        let held = parts.filter(|part| upper.grants(part)).collect();
        Self { held, is_restricted: true, ..lower.clone() }
    }

    /// The permissions as scopes, for display. `*` is listed only under an unlimited role: otherwise it could be
    /// mistaken for more than it grants, so the named scopes are listed instead.
    #[must_use]
    pub fn to_set(&self) -> ScopeSet {
        self.held.iter().flat_map(|scope| self.named_scopes(scope)).collect()
    }

    /// Every permission as a scope of its own, for systems that compare scopes as texts: each level that a higher one
    /// includes, and those of `asked` that are granted. `*` is replaced by all scopes of the catalog; in an open vocabulary,
    /// whose scopes cannot be listed, it stays.
    #[must_use]
    pub fn listed(&self, asked: &ScopeSet) -> ScopeSet {
        let vocabulary = &self.role_permissions.vocabulary;
        // Few tokens hold `*`; the others do not pay for a large catalog.
        let mut listed: Vec<Scope> = if self.held.contains(&Scope::All) && !vocabulary.is_open() {
            vocabulary.all_scopes()
        } else {
            self.to_set().iter().flat_map(|scope| vocabulary.with_lower_levels(scope)).collect()
        };
        listed.extend(asked.iter().cloned());
        listed.retain(|scope| self.grants(scope) && (*scope != Scope::All || vocabulary.is_open()));
        listed.into_iter().collect()
    }

    /// The permitted scopes that `scope` stands for.
    fn named_scopes(&self, scope: &Scope) -> Vec<Scope> {
        let scopes = match scope {
            Scope::All if !self.permits(scope) => self.role_permissions.all(),
            _ => vec![scope.clone()],
        };
        scopes.iter().filter_map(|scope| self.permitted_part(scope)).collect()
    }

    /// Whether role and denied scopes permit `scope`; of a name, everything that it stands for.
    fn permits(&self, scope: &Scope) -> bool {
        if let Scope::Named(name) = scope {
            let named = self.role_permissions.vocabulary.find_named(name);
            return named.is_some_and(|named| named.members().all(|part| self.permits(part)));
        }
        self.role_permissions.permits(scope)
            && !self.denied.iter().any(|denied| self.role_permissions.vocabulary.covers(scope, denied))
    }

    /// The part of `scope` that is permitted: itself, its highest permitted level, or nothing.
    fn permitted_part(&self, scope: &Scope) -> Option<Scope> {
        let vocabulary = &self.role_permissions.vocabulary;
        if !vocabulary.has_scope(scope) {
            return None;
        }
        let Scope::Access { resource, .. } = scope else {
            return self.permits(scope).then(|| scope.clone());
        };
        let levels = vocabulary.levels_of(resource).iter().rev();
        levels
            .map(|level| Scope::Access { resource: resource.clone(), level: level.clone() })
            .find(|part| vocabulary.covers(scope, part) && self.permits(part))
    }
}
