//! The vocabulary of rights: which there are, what they include, and what each role may hold.

mod definition;
mod path;
mod role_permissions;
mod route_map;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::sync::Arc;

use self::role_permissions::RolePermissions;
pub use self::{
    definition::{
        Definition, Fault, GroupDefinition, Place, ResourceDefinition, RoleDefinition, RouteDefinition,
    },
    path::{CanonicalPath, MAX_TARGET, PathError},
    role_permissions::EffectivePermissions,
    route_map::{RouteDecision, RouteMap},
    vocabulary::{Resource, Vocabulary},
};
use crate::{
    role::Role,
    scope::{Scope, ScopeSet},
};

/// The rights a system knows, the ceiling of each role, and which right each of its routes needs.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    vocabulary: Arc<Vocabulary>,
    /// From the least to the most.
    roles: Vec<(Role, Arc<RolePermissions>)>,
    nobody: Arc<RolePermissions>,
    groups: Vec<Group>,
    default_scopes: ScopeSet,
    /// What no token may do, whoever owns it.
    denied: Arc<ScopeSet>,
    routes: RouteMap,
}

/// Resources that are shown together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What people call them.
    pub name: String,
    /// What they have in common.
    pub description: String,
    /// Their names.
    pub resources: Vec<String>,
}

impl Catalog {
    /// The vocabulary without a configuration: any `resource:level` with level `read` < `write` < `admin`; role
    /// `admin` may do everything, role `user` all but `admin:…` and `introspect`, any other role nothing.
    #[must_use]
    pub fn open() -> Self {
        let vocabulary = Arc::new(Vocabulary::open());
        Self(Arc::new(Inner {
            roles: RolePermissions::usual(&vocabulary),
            nobody: RolePermissions::nothing(&vocabulary),
            vocabulary,
            groups: Vec::new(),
            default_scopes: ScopeSet::default(),
            denied: Arc::default(),
            routes: RouteMap::default(),
        }))
    }

    /// The catalog that a configuration describes.
    ///
    /// # Errors
    /// Every fault there is, each with its place in the definition.
    pub fn define(definition: &Definition) -> Result<Self, Vec<Fault>> {
        definition::check(definition).map(|inner| Self(Arc::new(inner)))
    }

    /// The resources and levels.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.0.vocabulary
    }

    /// Resources that are shown together.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.0.groups
    }

    /// The scopes of a token that was asked for without any; none unless configured.
    #[must_use]
    pub fn default_scopes(&self) -> &ScopeSet {
        &self.0.default_scopes
    }

    /// Which right each route of the guarded system needs.
    #[must_use]
    pub fn routes(&self) -> &RouteMap {
        &self.0.routes
    }

    /// Whether the vocabulary has this scope.
    #[must_use]
    pub fn knows(&self, scope: &Scope) -> bool {
        self.0.vocabulary.knows(scope)
    }

    /// Whether users can have this role.
    #[must_use]
    pub fn has_role(&self, role: &Role) -> bool {
        self.roles().any(|known| known == role)
    }

    /// The roles, from the least to the most.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.0.roles.iter().map(|(role, _)| role)
    }

    /// The role of a user for whom none is named: the least.
    #[must_use]
    pub fn default_role(&self) -> Role {
        self.roles().next().cloned().unwrap_or_else(Role::user)
    }

    /// Whether someone with these rights holds all that `role` allows. What is withheld from tokens does not count
    /// against them.
    #[must_use]
    pub fn covers(&self, rights: &EffectivePermissions, role: &Role) -> bool {
        rights.covers(&self.role_permissions(role))
    }

    /// Whether `role` allows nothing that `other` does not.
    #[must_use]
    pub fn is_within(&self, role: &Role, other: &Role) -> bool {
        role == other || self.role_permissions(other).includes(&self.role_permissions(role))
    }

    /// What a token with the scopes `held` may do while its owner has `role`: the intersection of both, less what is
    /// withheld from every token.
    #[must_use]
    pub fn effective(&self, held: &ScopeSet, role: &Role) -> EffectivePermissions {
        let whole_is_denied = self.0.denied.contains(&Scope::All);
        let held = held.iter().filter(|scope| !(whole_is_denied && **scope == Scope::All)).cloned().collect();
        EffectivePermissions::new(held, self.role_permissions(role), self.0.denied.clone())
    }

    /// What a user of `role` may do without a token: all that the role may.
    #[must_use]
    pub fn of_role(&self, role: &Role) -> EffectivePermissions {
        EffectivePermissions::new(
            ScopeSet::from_iter([Scope::All]),
            self.role_permissions(role),
            Arc::default(),
        )
    }

    /// The most that a token of a user of `role` may do.
    #[must_use]
    pub fn of_tokens(&self, role: &Role) -> EffectivePermissions {
        EffectivePermissions::new(
            ScopeSet::from_iter([Scope::All]),
            self.role_permissions(role),
            self.0.denied.clone(),
        )
    }

    /// Whether the scopes `held` include `wanted`, whoever holds them: `*` includes all, a level all below it.
    #[must_use]
    pub fn includes(&self, held: &ScopeSet, wanted: &Scope) -> bool {
        self.0.vocabulary.includes(held, wanted)
    }

    /// That of the scopes `held` which includes `wanted` and the least besides; `None` if none does.
    #[must_use]
    pub fn least_sufficient<'h>(&self, held: &'h ScopeSet, wanted: &Scope) -> Option<&'h Scope> {
        self.0.vocabulary.least_sufficient(held, wanted)
    }

    fn role_permissions(&self, role: &Role) -> Arc<RolePermissions> {
        let known = self.0.roles.iter().find(|(known, _)| known == role);
        known.map_or(&self.0.nobody, |(_, role_permissions)| role_permissions).clone()
    }
}
