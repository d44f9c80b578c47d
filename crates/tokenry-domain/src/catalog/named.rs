//! Names for sets of scopes.

use crate::scope::{Scope, ScopeSet};

/// The name for `*` that every catalog has, unless it defines the name itself.
pub(super) const FULL_ACCESS: &str = "full_access";

/// A name that stands for a set of scopes, such as the role scopes of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedScope {
    /// The name, as tokens have it in their scopes.
    pub name: String,
    /// The description.
    pub description: String,
    /// The scopes that it stands for, as they are defined; they may contain names defined before.
    pub scopes: ScopeSet,
    /// The same, with everything that the names among them stand for.
    pub(super) expanded: ScopeSet,
    /// Whether the catalog has it without having defined it.
    pub(super) is_predefined: bool,
}

impl NamedScope {
    pub(super) fn full_access() -> Self {
        let all = ScopeSet::from_iter([Scope::All]);
        Self {
            name: FULL_ACCESS.to_owned(),
            description: "Everything its owner may do at the moment of use".to_owned(),
            scopes: all.clone(),
            expanded: all,
            is_predefined: true,
        }
    }

    /// The scope with this name.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::Named(self.name.clone())
    }

    /// Whether the catalog has it although its definition does not: `full_access`.
    #[must_use]
    pub fn is_predefined(&self) -> bool {
        self.is_predefined
    }

    /// The scopes that it stands for, without names.
    pub(super) fn members(&self) -> impl Iterator<Item = &Scope> {
        self.expanded.iter().filter(|scope| !scope.is_named())
    }

    /// Whether it stands for everything that the owner may do.
    #[must_use]
    pub fn is_full_access(&self) -> bool {
        self.expanded.contains(&Scope::All)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{
        catalog::{Catalog, Definition, NamedDefinition, RoleDefinition},
        scope::{Scope, ScopeSet},
    };

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn named(name: &str, scopes: &[&str]) -> NamedDefinition {
        NamedDefinition { name: name.to_owned(), description: String::new(), scopes: texts(scopes) }
    }

    /// Role scopes in order, and a role for each.
    fn definition() -> Definition {
        let role =
            |name: &str, scope: &str| RoleDefinition { name: name.to_owned(), scopes: texts(&[scope]) };
        Definition {
            named_scopes: vec![
                named("user", &["chat:write"]),
                named("power", &["user", "models:write"]),
                named("root", &["*"]),
            ],
            roles: vec![role("member", "user"), role("expert", "power"), role("owner", "*")],
            ..Definition::default()
        }
    }

    fn set(entries: &[&str]) -> ScopeSet {
        ScopeSet::parse(entries).unwrap()
    }

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    fn grants(catalog: &Catalog, role: &str, held: &str, wanted: &str) -> bool {
        catalog.effective(&set(&[held]), &role.parse().unwrap()).grants(&scope(wanted))
    }

    #[test]
    fn a_name_grants_what_it_stands_for_within_the_role_of_the_owner() {
        let catalog = Catalog::define(&definition()).unwrap();
        for (role, held, wanted, granted) in [
            ("owner", "power", "models:read", true),
            ("owner", "power", "chat:write", true),
            ("owner", "power", "user", true),
            ("owner", "user", "power", false),
            ("owner", "user", "models:read", false),
            ("member", "power", "models:read", false),
            ("member", "power", "chat:write", true),
            ("member", "power", "power", false),
            ("member", "power", "user", true),
            ("owner", "root", "*", true),
            ("owner", "full_access", "*", true),
            ("owner", "*", "root", true),
            ("member", "root", "chat:read", true),
            ("member", "root", "models:read", false),
            ("member", "root", "root", false),
            ("owner", "gone", "gone", false),
            ("owner", "*", "gone", false),
        ] {
            assert_eq!(grants(&catalog, role, held, wanted), granted, "{role} {held} {wanted}");
        }
    }

    #[test]
    fn a_name_is_delegated_only_by_who_holds_it_under_a_role_that_has_all_of_it() {
        let catalog = Catalog::define(&definition()).unwrap();
        for (role, held, wanted, can) in [
            ("owner", &["power"][..], "user", true),
            ("owner", &["power"], "power", true),
            ("owner", &["user"], "power", false),
            // The name may get another scope later, which this caller does not have.
            ("owner", &["chat:write"], "user", false),
            ("owner", &["chat:write", "models:write"], "power", false),
            ("member", &["*"], "user", true),
            ("member", &["*"], "power", false),
            ("member", &["*"], "full_access", true),
            ("member", &["root"], "*", true),
            ("member", &["power"], "power", false),
            ("owner", &["*"], "gone", false),
        ] {
            let permissions = catalog.effective(&set(held), &role.parse().unwrap());
            assert_eq!(permissions.can_delegate(&scope(wanted)), can, "{role} {held:?} {wanted}");
        }
        let whole = catalog.user_permissions(&"owner".parse().unwrap());
        let part = whole.intersection(&catalog.effective(&set(&["power"]), &"owner".parse().unwrap()));
        assert!(part.can_delegate(&scope("user")) && !part.can_delegate(&scope("full_access")));
    }

    #[test]
    fn a_catalog_that_changes_changes_what_its_names_grant() {
        let before = Catalog::define(&definition()).unwrap();
        let narrowed = Definition {
            named_scopes: vec![named("user", &["chat:read"]), named("power", &["user"])],
            ..definition()
        };
        let narrowed = Catalog::define(&Definition { roles: Vec::new(), ..narrowed }).unwrap();
        let removed = Catalog::open();
        for (catalog, write, read) in
            [(&before, true, true), (&narrowed, false, true), (&removed, false, false)]
        {
            let highest = catalog.roles().last().unwrap().as_str();
            assert_eq!(grants(catalog, highest, "power", "chat:write"), write);
            assert_eq!(grants(catalog, highest, "power", "chat:read"), read);
        }
        assert!(!removed.has_scope(&scope("power")));
    }

    #[test]
    fn a_denied_scope_is_denied_to_every_name_with_it() {
        for denied in ["models:write", "power"] {
            let definition = Definition { denied_scopes: texts(&[denied]), ..definition() };
            let catalog = Catalog::define(&definition).unwrap();
            assert!(!grants(&catalog, "owner", "power", "models:write"), "{denied}");
            assert!(!grants(&catalog, "owner", "power", "power"), "{denied}");
            assert!(
                !catalog.max_token_permissions(&"owner".parse().unwrap()).can_delegate(&scope("power")),
                "{denied}"
            );
        }
        let definition = Definition { denied_scopes: texts(&["full_access"]), ..definition() };
        let catalog = Catalog::define(&definition).unwrap();
        assert!(!grants(&catalog, "owner", "root", "chat:read"));
    }

    #[test]
    fn names_are_distinct_words_that_contain_only_names_before_them() {
        for (names, index, key) in [
            (vec![named("a", &["b"]), named("b", &["x:read"])], 0, "scopes"),
            (vec![named("a", &["a"])], 0, "scopes"),
            (vec![named("a", &["x:read"]), named("a", &["x:read"])], 1, "name"),
            (vec![named("introspect", &["x:read"])], 0, "name"),
            (vec![named("x:read", &["x:read"])], 0, "name"),
            (vec![named("A", &["x:read"])], 0, "name"),
            (vec![named("a", &[])], 0, "scopes"),
            (vec![named("a", &["x:own"])], 0, "scopes"),
        ] {
            let definition = Definition { named_scopes: names, ..Definition::default() };
            let errors = Catalog::define(&definition).unwrap_err();
            let location = errors[0].location;
            assert_eq!(
                (location.list, location.index, location.key),
                ("named_scopes", Some(index), key),
                "{errors:?}"
            );
        }
        assert_eq!(Catalog::define(&definition()).unwrap().full_access(), set(&["*", "full_access", "root"]));
    }

    #[test]
    fn a_use_is_counted_for_the_name_only_if_no_scope_covers_it() {
        let catalog = Catalog::define(&definition()).unwrap();
        for (held, wanted, used) in [
            (&["power"][..], "chat:read", Some("power")),
            (&["power", "user"], "chat:read", Some("power")),
            (&["power", "chat:admin"], "chat:read", Some("chat:admin")),
            (&["*", "user"], "chat:read", Some("user")),
            (&["power"], "user", Some("power")),
            (&["user"], "models:read", None),
        ] {
            let held = set(held);
            let found = catalog.least_sufficient(&held, &scope(wanted)).map(ToString::to_string);
            assert_eq!(found.as_deref(), used, "{held} {wanted}");
            assert_eq!(found.is_some(), catalog.includes(&held, &scope(wanted)), "{held} {wanted}");
        }
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        let texts =
            ["*", "user", "power", "root", "gone", "chat:read", "chat:write", "models:write", "admin:read"];
        prop::sample::select(texts.to_vec()).prop_map(|text| text.parse().unwrap())
    }

    proptest! {
        #[test]
        fn a_name_never_grants_or_delegates_more_than_its_scopes_within_the_role(
            held in prop::collection::vec(any_scope(), 0..4),
            wanted in any_scope(),
            role in prop::sample::select(vec!["member", "expert", "owner", "nobody"]),
        ) {
            let catalog = Catalog::define(&definition()).unwrap();
            let role = role.parse().unwrap();
            let held: ScopeSet = held.into_iter().collect();
            let permissions = catalog.effective(&held, &role);
            let flat = catalog.vocabulary().members(&held);
            if permissions.grants(&wanted) {
                prop_assert!(catalog.includes(&held, &wanted) && catalog.user_permissions(&role).grants(&wanted));
                for part in catalog.vocabulary().members(&[wanted.clone()].into_iter().collect()).iter() {
                    prop_assert!(catalog.effective(&flat, &role).grants(part), "{held} {wanted} {part}");
                }
            }
            // What is delegated has no more effect than what is held.
            if permissions.can_delegate(&wanted) {
                let child = catalog.effective(&[wanted.clone()].into_iter().collect(), &role);
                for shown in child.to_set().iter() {
                    prop_assert!(permissions.grants(shown), "{held} delegates {wanted}, which grants {shown}");
                }
            }
            for shown in permissions.to_set().iter() {
                prop_assert!(permissions.grants(shown));
            }
        }
    }
}
