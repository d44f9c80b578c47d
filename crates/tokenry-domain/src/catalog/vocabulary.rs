//! The resources and levels of scopes, and which scope includes which.

use super::named::NamedScope;
use crate::scope::{Scope, ScopeSet};

/// The levels unless configured; each includes those before it.
pub(super) const DEFAULT_LEVELS: [&str; 3] = ["read", "write", "admin"];
/// The built-in resource of Tokenry's administration.
pub(super) const ADMIN: &str = "admin";
/// The built-in resource of a user's own tokens.
const TOKENS: &str = "tokens";

/// Resources and their levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// The levels of resources without levels of their own.
    levels: Vec<String>,
    /// First the two built-in resources, then the configured ones.
    resources: Vec<Resource>,
    /// Whether scopes can also name resources that are not listed.
    is_open: bool,
    /// The names for sets of scopes, each after those that it contains.
    named: Vec<NamedScope>,
}

/// A resource that scopes give access to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// The name in scopes.
    pub name: String,
    /// The description that is displayed.
    pub description: String,
    /// The levels of access; each includes those before it.
    pub levels: Vec<String>,
}

impl Resource {
    /// Whether it is one of the two built-in resources.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        is_builtin(&self.name)
    }
}

pub(super) fn is_builtin(resource: &str) -> bool {
    [TOKENS, ADMIN].contains(&resource)
}

impl Vocabulary {
    pub(super) fn open() -> Self {
        let mut open = Self::new(DEFAULT_LEVELS.map(str::to_owned).to_vec(), Vec::new(), true);
        open.name(NamedScope::full_access());
        open
    }

    /// `resources` are added to the built-in ones; one with the name of a built-in resource sets its description.
    pub(super) fn new(levels: Vec<String>, resources: Vec<Resource>, is_open: bool) -> Self {
        let mut all = vec![
            builtin(TOKENS, "The user's own tokens", &resources),
            builtin(ADMIN, "Users, all tokens and the audit log", &resources),
        ];
        all.extend(resources.into_iter().filter(|resource| !resource.is_builtin()));
        Self { levels, resources: all, is_open, named: Vec::new() }
    }

    /// Adds a name; the names that it contains are already there.
    pub(super) fn name(&mut self, named: NamedScope) {
        self.named.push(named);
    }

    /// The names for sets of scopes, each after those that it contains.
    #[must_use]
    pub fn named(&self) -> &[NamedScope] {
        &self.named
    }

    /// What this name stands for; `None` if there is no such name.
    pub(super) fn find_named(&self, name: &str) -> Option<&NamedScope> {
        self.named.iter().find(|known| known.name == name)
    }

    /// The scopes, the names that they contain, and everything that those stand for.
    #[must_use]
    pub fn expanded(&self, scopes: &ScopeSet) -> ScopeSet {
        if !scopes.iter().any(Scope::is_named) {
            return scopes.clone();
        }
        scopes.iter().flat_map(|scope| self.expanded_one(scope)).collect()
    }

    /// The scopes without names: what they stand for.
    pub(super) fn members(&self, scopes: &ScopeSet) -> ScopeSet {
        self.expanded(scopes).iter().filter(|scope| !scope.is_named()).cloned().collect()
    }

    fn expanded_one(&self, scope: &Scope) -> Vec<Scope> {
        let Scope::Named(name) = scope else { return vec![scope.clone()] };
        let contained = self.find_named(name).into_iter().flat_map(|named| named.expanded.iter());
        std::iter::once(scope).chain(contained).cloned().collect()
    }

    /// Whether the scope is a name that stands for `wanted`.
    fn stands_for(&self, scope: &Scope, wanted: &Scope) -> bool {
        let Scope::Named(name) = scope else { return false };
        self.find_named(name).is_some_and(|named| self.includes(&named.expanded, wanted))
    }

    /// The built-in and the configured resources.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// Whether scopes can also name resources that are not listed, with the [`levels`](Self::levels).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The levels of resources without levels of their own.
    #[must_use]
    pub fn levels(&self) -> &[String] {
        &self.levels
    }

    /// The levels of this resource; empty if there is no such resource.
    #[must_use]
    pub fn levels_of(&self, resource: &str) -> &[String] {
        match self.resources.iter().find(|known| known.name == resource) {
            Some(known) => &known.levels,
            None if self.is_open => &self.levels,
            None => &[],
        }
    }

    /// All scopes of the listed resources, introspection and the names, but not `*`.
    pub(super) fn all_scopes(&self) -> Vec<Scope> {
        let levels = self.resources.iter().flat_map(|resource| self.scopes_of(&resource.name));
        levels.chain([Scope::Introspect]).chain(self.named.iter().map(NamedScope::scope)).collect()
    }

    /// The scope, and those for the lower levels of the same resource.
    pub(super) fn with_lower_levels(&self, scope: &Scope) -> Vec<Scope> {
        match scope {
            Scope::Access { resource, .. } => {
                self.scopes_of(resource).filter(|lower| self.covers(scope, lower)).collect()
            }
            other => vec![other.clone()],
        }
    }

    /// The scopes for all levels of this resource.
    fn scopes_of(&self, resource: &str) -> impl Iterator<Item = Scope> {
        let levels = self.levels_of(resource).iter();
        levels.map(move |level| Scope::Access { resource: resource.to_owned(), level: level.clone() })
    }

    /// Whether the vocabulary has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &Scope) -> bool {
        match scope {
            Scope::All | Scope::Introspect => true,
            Scope::Named(name) => self.find_named(name).is_some(),
            Scope::Access { .. } => self.rank(scope).is_some(),
        }
    }

    /// Whether the [`expanded`](Self::expanded) scopes `held` include `wanted`: `*` includes all, a level all lower levels
    /// of the same resource. A name is included only in itself, in a name that contains it and in `*`, because its
    /// meaning may grow later beyond scopes that include it now.
    pub(super) fn includes(&self, held: &ScopeSet, wanted: &Scope) -> bool {
        held.contains(&Scope::All)
            || held.contains(wanted)
            || held.iter().any(|scope| self.covers(scope, wanted))
    }

    /// The least of the scopes `held` that includes `wanted`: `wanted` itself, the lowest level above it, the first name
    /// that stands for it, or `*`.
    pub(super) fn least_sufficient<'h>(&self, held: &'h ScopeSet, wanted: &Scope) -> Option<&'h Scope> {
        let sufficient = held.iter().filter(|scope| **scope != Scope::All && self.covers(scope, wanted));
        held.get(wanted)
            .or_else(|| sufficient.min_by_key(|scope| self.rank(scope)))
            .or_else(|| held.iter().find(|scope| self.stands_for(scope, wanted)))
            .or_else(|| held.get(&Scope::All))
    }

    /// Whether `scope` is equal to `other` or includes it.
    pub(super) fn covers(&self, scope: &Scope, other: &Scope) -> bool {
        match (scope, other) {
            (Scope::All, _) => true,
            (Scope::Access { resource, .. }, Scope::Access { resource: other_resource, .. })
                if resource == other_resource =>
            {
                self.rank(scope).zip(self.rank(other)).is_some_and(|(rank, other)| rank >= other)
            }
            _ => scope == other,
        }
    }

    /// The position of the scope's level among those of its resource.
    fn rank(&self, scope: &Scope) -> Option<usize> {
        let Scope::Access { resource, level } = scope else { return None };
        self.levels_of(resource).iter().position(|known| known == level)
    }
}

/// The built-in resource of this name, with the configured description if there is one.
fn builtin(name: &str, default_description: &str, configured: &[Resource]) -> Resource {
    let configured = configured.iter().find(|resource| resource.name == name);
    Resource {
        name: name.to_owned(),
        description: configured.map_or(default_description, |resource| &resource.description).to_owned(),
        levels: DEFAULT_LEVELS.map(str::to_owned).to_vec(),
    }
}
