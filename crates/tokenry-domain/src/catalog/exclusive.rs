//! Scopes of which a token has exactly one.

use thiserror::Error;

use crate::scope::ScopeSet;

/// The scopes of which every token has exactly one, and no other scope, such as the role scopes of a product. Empty, it
/// sets no rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ExclusiveScopes(pub(super) ScopeSet);

/// The scopes are not exactly one of the catalog's exclusive scopes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be exactly one of {}", .0.to_texts().join(", "))]
pub struct ExclusiveScopesError(ScopeSet);

impl ExclusiveScopes {
    pub(super) fn check(&self, scopes: &ScopeSet) -> Result<(), ExclusiveScopesError> {
        let mut held = scopes.iter();
        let is_one = matches!((held.next(), held.next()), (Some(scope), None) if self.0.contains(scope));
        if self.0.is_empty() || is_one { Ok(()) } else { Err(ExclusiveScopesError(self.0.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{
        catalog::{Catalog, Definition, NamedDefinition},
        scope::{Scope, ScopeSet},
    };

    const ROLES: [&str; 3] = ["guest", "writer", "owner"];

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn definition() -> Definition {
        Definition::default()
            .with_named_scopes(vec![
                NamedDefinition::new("guest", texts(&["a:read"])),
                NamedDefinition::new("writer", texts(&["guest", "a:write"])),
                NamedDefinition::new("owner", texts(&["*"])),
            ])
            .with_exclusive_scopes(texts(&ROLES))
    }

    fn set(entries: &[&str]) -> ScopeSet {
        ScopeSet::parse(entries).unwrap()
    }

    #[test]
    fn one_exclusive_scope_is_accepted_and_nothing_else() {
        let catalog = Catalog::define(&definition()).unwrap();
        for (scopes, is_accepted) in [
            (&["guest"][..], true),
            (&["owner"], true),
            (&["guest", "guest"], true),
            (&[], false),
            (&["guest", "writer"], false),
            (&["guest", "a:read"], false),
            (&["a:read"], false),
            (&["*"], false),
            (&["full_access"], false),
            (&["introspect"], false),
        ] {
            assert_eq!(catalog.check_exclusive(&set(scopes)).is_ok(), is_accepted, "{scopes:?}");
        }
        let error = catalog.check_exclusive(&set(&["*"])).unwrap_err();
        assert_eq!(error.to_string(), "must be exactly one of guest, owner, writer");
        // Scopes of any form can be exclusive.
        let levels = Definition::default().with_exclusive_scopes(texts(&["a:read", "a:write", "introspect"]));
        let catalog = Catalog::define(&levels).unwrap();
        assert!(catalog.check_exclusive(&set(&["introspect"])).is_ok());
        assert!(catalog.check_exclusive(&set(&["a:read", "a:write"])).is_err());
    }

    #[test]
    fn the_default_scopes_satisfy_the_rule_or_are_a_fault() {
        for (scopes, is_accepted) in
            [(&[][..], true), (&["guest"], true), (&["a:read"], false), (&["guest", "owner"], false)]
        {
            let defined = Catalog::define(&definition().with_default_scopes(texts(scopes)));
            let faults = defined.map_or_else(|faults| faults, |_| Vec::new());
            let locations: Vec<_> = faults.iter().map(|fault| fault.location.list).collect();
            assert_eq!(
                locations,
                if is_accepted { Vec::new() } else { vec!["default_scopes"] },
                "{scopes:?}"
            );
        }
        let unknown = Catalog::define(&definition().with_exclusive_scopes(texts(&["gone"]))).unwrap_err();
        assert_eq!(unknown[0].location.list, "exclusive_scopes");
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        prop_oneof![
            prop::sample::select(&ROLES[..]),
            prop::sample::select(&["a:read", "a:write", "b:read", "*", "introspect", "full_access"][..]),
        ]
        .prop_map(|text| text.parse().unwrap())
    }

    proptest! {
        #[test]
        fn every_accepted_set_is_one_scope_of_the_list(scopes in prop::collection::vec(any_scope(), 0..4)) {
            let catalog = Catalog::define(&definition()).unwrap();
            let scopes: ScopeSet = scopes.into_iter().collect();
            let listed = scopes.iter().filter(|scope| ROLES.contains(&scope.to_string().as_str())).count();
            let is_one = listed == 1 && scopes.iter().count() == 1;
            prop_assert_eq!(catalog.check_exclusive(&scopes).is_ok(), is_one, "{}", scopes);
            prop_assert!(Catalog::open().check_exclusive(&scopes).is_ok());
        }
    }
}
