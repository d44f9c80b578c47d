//! The vocabulary of rights: which levels there are, what they include, and what each role may hold.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    role::Role,
    scope::{Scope, ScopeSet},
};

/// The rights a system knows and the ceiling of each role.
#[derive(Debug, Clone)]
pub struct Catalog {
    levels: Arc<[String]>,
    roles: BTreeMap<Role, Arc<Ceiling>>,
    nobody: Arc<Ceiling>,
}

/// The most that one role may do.
#[derive(Debug)]
struct Ceiling {
    rule: Rule,
    levels: Arc<[String]>,
}

#[derive(Debug)]
enum Rule {
    Everything,
    /// All but the resource `admin` and `introspect`.
    AllButAdministration,
    Nothing,
}

impl Catalog {
    /// The vocabulary without a configuration: any `resource:level` with level `read` < `write` < `admin`; role
    /// `admin` may do everything, role `user` all but `admin:…` and `introspect`, any other role nothing.
    #[must_use]
    pub fn open() -> Self {
        let levels: Arc<[String]> = ["read", "write", "admin"].map(str::to_owned).into();
        let ceiling = |rule| Arc::new(Ceiling { rule, levels: levels.clone() });
        Self {
            roles: BTreeMap::from([
                (Role::admin(), ceiling(Rule::Everything)),
                (Role::user(), ceiling(Rule::AllButAdministration)),
            ]),
            nobody: ceiling(Rule::Nothing),
            levels,
        }
    }

    /// Whether the vocabulary has this scope.
    #[must_use]
    pub fn knows(&self, scope: &Scope) -> bool {
        match scope {
            Scope::All | Scope::Introspect => true,
            Scope::Access { level, .. } => rank(&self.levels, level).is_some(),
        }
    }

    /// Whether users can have this role.
    #[must_use]
    pub fn has_role(&self, role: &Role) -> bool {
        self.roles.contains_key(role)
    }

    /// The names of the roles.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.keys()
    }

    /// What a token with the scopes `held` may do while its owner has `role`: the intersection of both.
    #[must_use]
    pub fn effective(&self, held: &ScopeSet, role: &Role) -> Effective {
        Effective { held: held.clone(), ceiling: self.ceiling(role) }
    }

    /// What a user of `role` may do without a token: all that the role may.
    #[must_use]
    pub fn of_role(&self, role: &Role) -> Effective {
        Effective { held: ScopeSet::from_iter([Scope::All]), ceiling: self.ceiling(role) }
    }

    /// Whether the scopes `held` include `wanted`, whoever holds them: `*` includes all, a level all below it.
    #[must_use]
    pub fn includes(&self, held: &ScopeSet, wanted: &Scope) -> bool {
        includes(&self.levels, held, wanted)
    }

    fn ceiling(&self, role: &Role) -> Arc<Ceiling> {
        self.roles.get(role).unwrap_or(&self.nobody).clone()
    }
}

/// The rights someone really has at this moment: the scopes of the token and, above them, the role of its owner.
#[derive(Debug, Clone)]
pub struct Effective {
    held: ScopeSet,
    ceiling: Arc<Ceiling>,
}

impl Effective {
    /// Whether `wanted` is granted. `*` is granted only to someone who holds it under a role without a ceiling.
    #[must_use]
    pub fn grants(&self, wanted: &Scope) -> bool {
        includes(&self.ceiling.levels, &self.held, wanted) && self.ceiling.permits(wanted)
    }

    /// Those of `wanted` that are not granted, in order.
    #[must_use]
    pub fn missing(&self, wanted: &ScopeSet) -> ScopeSet {
        wanted.iter().filter(|scope| !self.grants(scope)).cloned().collect()
    }

    /// Whether a token with this scope may be given away: it is part of what is held, and the role may have it.
    ///
    /// `*` means "what its owner may", so a holder of `*` may pass it on under any ceiling but the empty one.
    #[must_use]
    pub fn can_pass_on(&self, scope: &Scope) -> bool {
        includes(&self.ceiling.levels, &self.held, scope)
            && (self.ceiling.permits(scope)
                || (*scope == Scope::All && !matches!(self.ceiling.rule, Rule::Nothing)))
    }

    /// The rights as scopes, to show. `*` is listed only where nothing is above it: under a lower role a reader could
    /// take it for more than it grants, so what can be named of it is listed instead.
    #[must_use]
    pub fn to_set(&self) -> ScopeSet {
        self.held.iter().flat_map(|scope| self.ceiling.cut(scope)).collect()
    }
}

impl Ceiling {
    fn permits(&self, scope: &Scope) -> bool {
        match self.rule {
            Rule::Everything => true,
            Rule::AllButAdministration => match scope {
                Scope::All | Scope::Introspect => false,
                Scope::Access { resource, .. } => resource != "admin",
            },
            Rule::Nothing => false,
        }
    }

    /// The part of `scope` below this ceiling: itself, its highest permitted level, or nothing.
    fn cut(&self, scope: &Scope) -> Vec<Scope> {
        let resource = match scope {
            _ if self.permits(scope) => return vec![scope.clone()],
            Scope::All => "tokens",
            Scope::Introspect => return Vec::new(),
            Scope::Access { resource, .. } => resource,
        };
        let top = match scope {
            Scope::Access { level, .. } => rank(&self.levels, level),
            _ => self.levels.len().checked_sub(1),
        };
        let below = self.levels.iter().take(top.map_or(0, |top| top + 1)).rev();
        below
            .map(|level| Scope::Access { resource: resource.to_owned(), level: level.clone() })
            .find(|scope| self.permits(scope))
            .into_iter()
            .collect()
    }
}

fn includes(levels: &[String], held: &ScopeSet, wanted: &Scope) -> bool {
    if held.contains(&Scope::All) || held.contains(wanted) {
        return true;
    }
    let Scope::Access { resource, level } = wanted else { return false };
    let Some(needed) = rank(levels, level) else { return false };
    held.iter().any(|scope| match scope {
        Scope::Access { resource: r, level: l } => {
            r == resource && rank(levels, l).is_some_and(|held| held >= needed)
        }
        _ => false,
    })
}

fn rank(levels: &[String], level: &str) -> Option<usize> {
    levels.iter().position(|l| l == level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(entries: &[&str]) -> ScopeSet {
        ScopeSet::parse(entries).unwrap()
    }

    fn grants(role: &str, held: &[&str], wanted: &str) -> bool {
        Catalog::open().effective(&set(held), &role.parse().unwrap()).grants(&wanted.parse().unwrap())
    }

    #[test]
    fn a_level_includes_those_below_it_on_the_same_resource_only() {
        for (held, wanted, granted) in [
            ("a:write", "a:read", true),
            ("a:write", "a:write", true),
            ("a:write", "a:admin", false),
            ("a:admin", "a:write", true),
            ("a:write", "b:read", false),
            ("a:read", "*", false),
            ("a:admin", "introspect", false),
            ("*", "a:admin", true),
            ("*", "introspect", true),
        ] {
            assert_eq!(grants("admin", &[held], wanted), granted, "{held} {wanted}");
        }
    }

    #[test]
    fn an_empty_set_grants_nothing() {
        for wanted in ["a:read", "*", "introspect", "tokens:read"] {
            assert!(!grants("admin", &[], wanted), "{wanted}");
        }
    }

    #[test]
    fn a_level_outside_the_vocabulary_grants_nothing_below_it() {
        assert!(!grants("admin", &["a:owner"], "a:read"));
        assert!(!Catalog::open().knows(&"a:owner".parse().unwrap()));
    }

    #[test]
    fn a_role_is_a_ceiling_over_every_scope() {
        for (role, wanted, granted) in [
            ("user", "a:admin", true),
            ("user", "admin:read", false),
            ("user", "introspect", false),
            ("user", "*", false),
            ("guest", "a:read", false),
            ("admin", "*", true),
        ] {
            assert_eq!(grants(role, &["*", "introspect", "admin:admin"], wanted), granted, "{role} {wanted}");
        }
    }

    #[test]
    fn everything_is_shown_as_such_only_without_a_ceiling() {
        let shown = |role: &str, held: &[&str]| {
            Catalog::open().effective(&set(held), &role.parse().unwrap()).to_set().to_texts()
        };
        assert_eq!(shown("admin", &["*"]), ["*"]);
        assert_eq!(shown("user", &["*"]), ["tokens:admin"]);
        assert_eq!(shown("user", &["a:write", "admin:write", "introspect"]), ["a:write"]);
        assert!(shown("guest", &["*", "a:read"]).is_empty());
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        prop_oneof![
            Just("*"),
            Just("introspect"),
            Just("a:read"),
            Just("a:write"),
            Just("a:admin"),
            Just("admin:read"),
            Just("b:write"),
            Just("b:odd")
        ]
        .prop_map(|text| text.parse().unwrap())
    }

    proptest! {
        #[test]
        fn nothing_is_effective_that_token_or_role_lacks(
            held in prop::collection::vec(any_scope(), 0..4),
            wanted in any_scope(),
            role in prop_oneof![Just("admin"), Just("user"), Just("guest")],
        ) {
            let catalog = Catalog::open();
            let held: ScopeSet = held.into_iter().collect();
            let role: Role = role.parse().unwrap();
            let effective = catalog.effective(&held, &role);
            if effective.grants(&wanted) {
                prop_assert!(catalog.includes(&held, &wanted) && catalog.of_role(&role).grants(&wanted));
            }
            for shown in effective.to_set().iter() {
                prop_assert!(effective.grants(shown) || !catalog.knows(shown));
            }
        }
    }
}
