//! Which scopes there are, and which of them include which.

use crate::scope::{Scope, ScopeSet};

/// The levels where nothing else is said, each including those before it.
pub(super) const USUAL_LEVELS: [&str; 3] = ["read", "write", "admin"];
/// The resource of Tokenry's own administration.
pub(super) const ADMIN: &str = "admin";
/// The resource of a user's own tokens.
pub(super) const TOKENS: &str = "tokens";

/// Resources and their levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Those of a resource that names none of its own.
    levels: Vec<String>,
    /// Tokenry's own two first, then those of the system.
    resources: Vec<Resource>,
    /// Whether a resource that is not listed can be named as well.
    is_open: bool,
}

/// Something that can be accessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name in scopes.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// How far access to it can go, each level including those before it.
    pub levels: Vec<String>,
}

impl Resource {
    /// Whether it is one of Tokenry's own two.
    #[must_use]
    pub fn is_own(&self) -> bool {
        [TOKENS, ADMIN].contains(&self.name.as_str())
    }
}

impl Vocabulary {
    pub(super) fn open() -> Self {
        Self::new(USUAL_LEVELS.map(str::to_owned).to_vec(), Vec::new(), true)
    }

    /// `resources` besides Tokenry's own; one that bears the name of those describes them.
    pub(super) fn new(levels: Vec<String>, resources: Vec<Resource>, is_open: bool) -> Self {
        let described = |name: &str, usual: &str| {
            let description = resources.iter().find(|resource| resource.name == name);
            let description = description.map_or(usual, |resource| &resource.description).to_owned();
            let levels = USUAL_LEVELS.map(str::to_owned).to_vec();
            Resource { name: name.to_owned(), description, levels }
        };
        let own = [
            described(TOKENS, "The user's own tokens"),
            described(ADMIN, "Users, all tokens and the audit log"),
        ];
        let others = resources.iter().filter(|resource| ![TOKENS, ADMIN].contains(&resource.name.as_str()));
        Self { levels, resources: own.iter().chain(others).cloned().collect(), is_open }
    }

    /// Tokenry's own resources and those that are configured.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// Whether resources that are not listed can be named as well, with the [`levels`](Self::levels).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The levels of a resource that names none of its own.
    #[must_use]
    pub fn levels(&self) -> &[String] {
        &self.levels
    }

    /// The levels of this resource; none if there is no such resource.
    #[must_use]
    pub fn levels_of(&self, resource: &str) -> &[String] {
        match self.resources.iter().find(|known| known.name == resource) {
            Some(known) => &known.levels,
            None if self.is_open => &self.levels,
            None => &[],
        }
    }

    /// Whether there is this scope.
    #[must_use]
    pub fn knows(&self, scope: &Scope) -> bool {
        match scope {
            Scope::All | Scope::Introspect => true,
            Scope::Access { resource, level } => self.rank(resource, level).is_some(),
        }
    }

    /// Whether the scopes `held` include `wanted`: `*` includes all, a level those below it on the same resource.
    pub(super) fn includes(&self, held: &ScopeSet, wanted: &Scope) -> bool {
        held.contains(&Scope::All)
            || held.contains(wanted)
            || held.iter().any(|scope| self.covers(scope, wanted))
    }

    /// That of `held` which includes `wanted` and the least besides: itself, the lowest level above it, or `*`.
    pub(super) fn least_sufficient<'h>(&self, held: &'h ScopeSet, wanted: &Scope) -> Option<&'h Scope> {
        let rank = |scope: &Scope| match scope {
            Scope::Access { resource, level } => self.rank(resource, level),
            Scope::All | Scope::Introspect => None,
        };
        let levels = || held.iter().filter(|scope| **scope != Scope::All && self.covers(scope, wanted));
        held.get(wanted)
            .or_else(|| levels().min_by_key(|scope| rank(scope)))
            .or_else(|| held.get(&Scope::All))
    }

    /// Whether `scope` is `other` or more of the same.
    pub(super) fn covers(&self, scope: &Scope, other: &Scope) -> bool {
        match (scope, other) {
            (Scope::All, _) => true,
            (Scope::Access { resource, level }, Scope::Access { resource: r, level: l }) if resource == r => {
                match (self.rank(resource, level), self.rank(r, l)) {
                    (Some(rank), Some(other)) => rank >= other,
                    _ => false,
                }
            }
            _ => scope == other,
        }
    }

    fn rank(&self, resource: &str, level: &str) -> Option<usize> {
        self.levels_of(resource).iter().position(|known| known == level)
    }
}
