//! The catalog: resources and levels, what they include, and the permissions of each role.

mod check;
mod definition;
mod exclusive;
mod named;
mod path;
mod role_permissions;
mod route_map;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::sync::Arc;

pub use self::{
    definition::{
        Definition, DefinitionError, GroupDefinition, Location, NamedDefinition, ResourceDefinition,
        RoleDefinition, RouteDefinition,
    },
    exclusive::ExclusiveScopesError,
    named::NamedScope,
    path::{CanonicalPath, MAX_TARGET, PathError},
    role_permissions::EffectivePermissions,
    route_map::{RouteDecision, RouteMap},
    vocabulary::{Resource, Vocabulary},
};
use self::{exclusive::ExclusiveScopes, role_permissions::RolePermissions};
use crate::{
    role::Role,
    scope::{Scope, ScopeSet},
};

/// The scopes of a system, the permissions of each role, and the scope that each route requires.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    vocabulary: Arc<Vocabulary>,
    /// From the lowest to the highest.
    roles: Vec<(Role, Arc<RolePermissions>)>,
    /// The permissions of every role that is not listed.
    no_permissions: Arc<RolePermissions>,
    groups: Vec<Group>,
    default_scopes: ScopeSet,
    exclusive: ExclusiveScopes,
    /// The scopes that are denied to every token.
    denied: Arc<ScopeSet>,
    routes: RouteMap,
}

/// A group of resources that are displayed together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// The display name.
    pub name: String,
    /// The description.
    pub description: String,
    /// The names of the resources.
    pub resources: Vec<String>,
}

impl Catalog {
    /// The vocabulary without a configuration: any `resource:level` with level `read` < `write` < `admin`; role
    /// `admin` may do everything, role `user` all but `admin:…` and `introspect`, any other role nothing.
    #[must_use]
    pub fn open() -> Self {
        let vocabulary = Arc::new(Vocabulary::open());
        Self(Arc::new(Inner {
            roles: RolePermissions::default_roles(&vocabulary),
            no_permissions: RolePermissions::none(&vocabulary),
            vocabulary,
            groups: Vec::new(),
            default_scopes: ScopeSet::default(),
            exclusive: ExclusiveScopes::default(),
            denied: Arc::default(),
            routes: RouteMap::default(),
        }))
    }

    /// The catalog that a configuration describes.
    ///
    /// # Errors
    /// Every error of the definition, each with its location.
    pub fn define(definition: &Definition) -> Result<Self, Vec<DefinitionError>> {
        check::check(definition).map(|inner| Self(Arc::new(inner)))
    }

    /// The resources and levels.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.0.vocabulary
    }

    /// The groups of resources that are displayed together.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.0.groups
    }

    /// The scopes of a token that is requested without scopes; empty unless configured.
    #[must_use]
    pub fn default_scopes(&self) -> &ScopeSet {
        &self.0.default_scopes
    }

    /// The scopes of which every token has exactly one, and no other scope; empty unless configured.
    #[must_use]
    pub fn exclusive_scopes(&self) -> &ScopeSet {
        &self.0.exclusive.0
    }

    /// Whether a token may get this combination of scopes: exactly one of the
    /// [`exclusive_scopes`](Self::exclusive_scopes), if there are any.
    ///
    /// # Errors
    /// [`ExclusiveScopesError`] names the exclusive scopes.
    pub fn check_exclusive(&self, scopes: &ScopeSet) -> Result<(), ExclusiveScopesError> {
        self.0.exclusive.check(scopes)
    }

    /// The scope that each route of the guarded system requires.
    #[must_use]
    pub fn routes(&self) -> &RouteMap {
        &self.0.routes
    }

    /// Whether the vocabulary has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &Scope) -> bool {
        self.0.vocabulary.has_scope(scope)
    }

    /// Whether users can have this role.
    #[must_use]
    pub fn has_role(&self, role: &Role) -> bool {
        self.roles().any(|known| known == role)
    }

    /// The roles, from the lowest to the highest.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.0.roles.iter().map(|(role, _)| role)
    }

    /// The role of a user without a named role: the lowest.
    #[must_use]
    pub fn default_role(&self) -> Role {
        self.roles().next().cloned().unwrap_or_else(Role::user)
    }

    /// Whether these permissions cover everything that `role` allows. Scopes that are denied to tokens do not matter.
    #[must_use]
    pub fn covers(&self, permissions: &EffectivePermissions, role: &Role) -> bool {
        permissions.covers(&self.role_permissions(role))
    }

    /// Whether `role` allows nothing that `other` does not.
    #[must_use]
    pub fn is_within(&self, role: &Role, other: &Role) -> bool {
        role == other || self.role_permissions(other).includes(&self.role_permissions(role))
    }

    /// The permissions of a token with the scopes `held` whose owner has `role`: the intersection of both, without the
    /// scopes denied to every token.
    #[must_use]
    pub fn effective(&self, held: &ScopeSet, role: &Role) -> EffectivePermissions {
        let all_is_denied = self.0.denied.contains(&Scope::All);
        let mut held = self.0.vocabulary.expanded(held);
        if all_is_denied && held.contains(&Scope::All) {
            held = held.iter().filter(|scope| **scope != Scope::All).cloned().collect();
        }
        EffectivePermissions::new(held, self.role_permissions(role), self.0.denied.clone())
    }

    /// The permissions of a user with `role` without a token: all of the role.
    #[must_use]
    pub fn user_permissions(&self, role: &Role) -> EffectivePermissions {
        EffectivePermissions::new(
            ScopeSet::from_iter([Scope::All]),
            self.role_permissions(role),
            Arc::default(),
        )
    }

    /// The maximum permissions of a token whose owner has `role`.
    #[must_use]
    pub fn max_token_permissions(&self, role: &Role) -> EffectivePermissions {
        EffectivePermissions::new(
            ScopeSet::from_iter([Scope::All]),
            self.role_permissions(role),
            self.0.denied.clone(),
        )
    }

    /// Whether the scopes `held` include `wanted`, regardless of a role: `*` includes all, a level all lower ones, and a
    /// name what it stands for. Scopes that happen to be all that a name stands for do not include the name.
    #[must_use]
    pub fn includes(&self, held: &ScopeSet, wanted: &Scope) -> bool {
        self.0.vocabulary.includes(&self.0.vocabulary.expanded(held), wanted)
    }

    /// The scopes that stand for everything the owner may do: `*` and the names that contain it.
    #[must_use]
    pub fn full_access(&self) -> ScopeSet {
        let names = self.0.vocabulary.named().iter().filter(|named| named.is_full_access());
        names.map(NamedScope::scope).chain([Scope::All]).collect()
    }

    /// The least of the scopes `held` that includes `wanted`; `None` if none does.
    #[must_use]
    pub fn least_sufficient<'h>(&self, held: &'h ScopeSet, wanted: &Scope) -> Option<&'h Scope> {
        self.0.vocabulary.least_sufficient(held, wanted)
    }

    fn role_permissions(&self, role: &Role) -> Arc<RolePermissions> {
        let known = self.0.roles.iter().find(|(known, _)| known == role);
        known.map_or(&self.0.no_permissions, |(_, role_permissions)| role_permissions).clone()
    }
}
