use proptest::prelude::*;

use super::*;

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
            prop_assert!(effective.grants(shown));
        }
    }
}

fn closed() -> Definition {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let resource = |name: &str, levels: &[&str]| ResourceDefinition {
        name: name.to_owned(),
        description: format!("The {name}"),
        levels: texts(levels),
    };
    let role = |name: &str, scopes: &[&str]| RoleDefinition { name: name.to_owned(), scopes: texts(scopes) };
    Definition {
        levels: texts(&["read", "write"]),
        resources: vec![resource("repos", &[]), resource("model", &["use", "tune", "own"])],
        groups: vec![GroupDefinition {
            name: "Work".to_owned(),
            resources: texts(&["repos"]),
            ..Default::default()
        }],
        roles: vec![
            role("guest", &["repos:read"]),
            role("member", &["repos:write", "model:tune", "tokens:write"]),
            role("owner", &["*"]),
        ],
        default_scopes: texts(&["repos:read"]),
        denied_scopes: texts(&["admin:write"]),
        routes: vec![
            RouteDefinition { path: "/hooks/**".to_owned(), exclude: true, ..Default::default() },
            RouteDefinition {
                path: "/repos/*/files".to_owned(),
                methods: texts(&["POST"]),
                resource: Some("repos".to_owned()),
                level: Some("read".to_owned()),
                ..Default::default()
            },
            RouteDefinition {
                path: "/repos/**".to_owned(),
                resource: Some("repos".to_owned()),
                ..Default::default()
            },
        ],
    }
}

#[test]
fn a_configured_catalog_knows_only_what_it_lists_and_tokenrys_own() {
    let catalog = Catalog::define(&closed()).unwrap();
    for (scope, known) in [
        ("repos:read", true),
        ("repos:write", true),
        ("repos:admin", false),
        ("model:own", true),
        ("model:write", false),
        ("other:read", false),
        ("tokens:admin", true),
        ("admin:read", true),
        ("introspect", true),
        ("*", true),
    ] {
        assert_eq!(catalog.knows(&scope.parse().unwrap()), known, "{scope}");
    }
    assert_eq!(catalog.default_role().as_str(), "guest");
}

#[test]
fn a_configured_role_is_a_ceiling_and_everything_unknown_is_refused() {
    let catalog = Catalog::define(&closed()).unwrap();
    for (role, held, wanted, granted) in [
        ("member", "*", "repos:write", true),
        ("member", "*", "model:use", true),
        ("member", "*", "model:own", false),
        ("member", "model:own", "model:tune", true),
        ("member", "*", "admin:read", false),
        ("guest", "*", "repos:write", false),
        ("guest", "repos:write", "repos:read", true),
        ("owner", "*", "model:own", true),
        ("owner", "*", "other:read", false),
        ("admin", "*", "repos:read", false),
    ] {
        let role = role.parse().unwrap();
        let granted_now = catalog.effective(&set(&[held]), &role).grants(&wanted.parse().unwrap());
        assert_eq!(granted_now, granted, "{role} {held} {wanted}");
    }
}

#[test]
fn what_is_withheld_from_tokens_is_left_to_people() {
    let catalog = Catalog::define(&closed()).unwrap();
    let owner: Role = "owner".parse().unwrap();
    let token = catalog.effective(&set(&["*"]), &owner);
    assert!(token.grants(&"admin:read".parse().unwrap()));
    for wanted in ["admin:write", "admin:admin", "*"] {
        assert!(!token.grants(&wanted.parse().unwrap()), "{wanted}");
    }
    assert!(catalog.of_role(&owner).grants(&"admin:write".parse().unwrap()));
    assert!(!catalog.of_tokens(&owner).can_delegate(&"admin:write".parse().unwrap()));
    assert!(catalog.of_tokens(&owner).can_delegate(&Scope::All));
    let shown = token.to_set().to_texts();
    assert!(shown.contains(&"admin:read".to_owned()) && !shown.contains(&"*".to_owned()), "{shown:?}");
    let strict = Catalog::define(&Definition { denied_scopes: vec!["*".to_owned()], ..closed() }).unwrap();
    assert!(!strict.of_tokens(&owner).can_delegate(&Scope::All));
    assert!(strict.of_tokens(&owner).can_delegate(&"model:own".parse().unwrap()));
    assert!(!strict.effective(&set(&["*"]), &owner).grants(&"repos:read".parse().unwrap()));
}

#[test]
fn a_role_is_covered_only_by_someone_who_has_all_of_it() {
    let catalog = Catalog::define(&closed()).unwrap();
    let open = Catalog::open();
    for (catalog, giver, held, role, covers) in [
        (&catalog, "owner", "*", "member", true),
        (&catalog, "owner", "*", "owner", true),
        (&catalog, "owner", "repos:write", "guest", true),
        (&catalog, "owner", "repos:write", "member", false),
        (&catalog, "member", "*", "guest", true),
        (&catalog, "member", "*", "owner", false),
        (&catalog, "guest", "*", "member", false),
        (&open, "admin", "*", "user", true),
        (&open, "admin", "*", "admin", true),
        (&open, "admin", "admin:admin", "user", false),
        (&open, "user", "*", "admin", false),
        (&open, "user", "*", "user", true),
    ] {
        let rights = catalog.effective(&set(&[held]), &giver.parse().unwrap());
        assert_eq!(catalog.covers(&rights, &role.parse().unwrap()), covers, "{giver} {held} {role}");
    }
    assert!(catalog.is_within(&"guest".parse().unwrap(), &"member".parse().unwrap()));
    assert!(!catalog.is_within(&"owner".parse().unwrap(), &"member".parse().unwrap()));
}

#[test]
fn of_two_rights_the_common_part_is_left() {
    let catalog = Catalog::define(&closed()).unwrap();
    let role = |name: &str| catalog.of_role(&name.parse().unwrap());
    for (a, b) in [("member", "owner"), ("owner", "member")] {
        let both = role(a).intersection(&role(b));
        assert!(both.grants(&"model:tune".parse().unwrap()) && !both.grants(&"model:own".parse().unwrap()));
        assert!(both.can_delegate(&"model:tune".parse().unwrap()));
        // All that a member may do is still all of it; of an owner's rights it is a part.
        assert_eq!((both.can_delegate(&Scope::All), both.is_restricted()), (a == "member", a == "owner"));
    }
    let both = role("member").intersection(&role("guest"));
    assert_eq!(both.to_set().to_texts(), ["repos:read"]);
}

#[test]
fn the_first_rule_that_fits_a_route_decides() {
    let catalog = Catalog::define(&closed()).unwrap();
    let needs = |scope: &str| RouteDecision::Needs(scope.parse().unwrap());
    for (method, path, decision) in [
        ("GET", "/repos/a", needs("repos:read")),
        ("HEAD", "/repos", needs("repos:read")),
        ("DELETE", "/repos/a/b/c", needs("repos:write")),
        ("PROPFIND", "/repos/a", needs("repos:write")),
        ("POST", "/repos/a/files", needs("repos:read")),
        ("POST", "/repos/a/files/x", needs("repos:write")),
        ("POST", "/hooks/github", RouteDecision::Excluded),
        ("GET", "/hooks", RouteDecision::Excluded),
        ("GET", "/reposx", RouteDecision::Unmapped),
        ("GET", "/Repos/a", RouteDecision::Unmapped),
        ("GET", "/", RouteDecision::Unmapped),
        // A slash at the end escapes no rule, and encoding what needs none does not either.
        ("POST", "/repos/a/files/", needs("repos:read")),
        ("GET", "/hooks/", RouteDecision::Excluded),
        ("GET", "/%68ooks/x", RouteDecision::Excluded),
    ] {
        let canonical = CanonicalPath::parse(path.as_bytes()).unwrap();
        assert_eq!(catalog.routes().decide(method, &canonical), decision, "{method} {path}");
    }
}

#[test]
fn a_rule_for_get_decides_for_head_too() {
    let mut definition = closed();
    let rule = |methods: &[&str], level: &str| RouteDefinition {
        path: "/repos/**".to_owned(),
        methods: methods.iter().map(|&method| method.to_owned()).collect(),
        resource: Some("repos".to_owned()),
        level: Some(level.to_owned()),
        ..Default::default()
    };
    for (first, method, level) in [
        (&["GET"][..], "HEAD", "write"),
        (&["POST", "GET"], "HEAD", "write"),
        (&["GET"], "GET", "write"),
        (&["GET"], "OPTIONS", "read"),
        (&["HEAD"], "HEAD", "write"),
        (&["HEAD"], "GET", "read"),
        (&["POST"], "HEAD", "read"),
    ] {
        definition.routes = vec![rule(first, "write"), rule(&[], "read")];
        let catalog = Catalog::define(&definition).unwrap();
        let path = CanonicalPath::parse(b"/repos/a").unwrap();
        let needs = RouteDecision::Needs(format!("repos:{level}").parse().unwrap());
        assert_eq!(catalog.routes().decide(method, &path), needs, "{first:?} {method}");
    }
}

#[test]
fn every_fault_of_a_definition_is_found_with_its_place() {
    let mut definition = closed();
    definition.levels.push("read".to_owned());
    definition.resources[1].name = "Model".to_owned();
    definition.resources.push(ResourceDefinition { name: "repos".to_owned(), ..Default::default() });
    definition.groups[0].resources.push("nowhere".to_owned());
    definition.roles[0].scopes = vec!["repos:own".to_owned()];
    definition.roles[2].name = "member".to_owned();
    definition.default_scopes = vec!["x".to_owned()];
    definition.routes[0].level = Some("read".to_owned());
    definition.routes[1].path = "/repos/%2e/../x".to_owned();
    definition.routes[2].resource = Some("nowhere".to_owned());
    let faults = Catalog::define(&definition).unwrap_err();
    let places: Vec<_> =
        faults.iter().map(|fault| (fault.place.list, fault.place.index, fault.place.key)).collect();
    for place in [
        ("levels", None, ""),
        ("resources", Some(1), "name"),
        ("resources", Some(2), "name"),
        ("groups", Some(0), "resources"),
        ("roles", Some(0), "scopes"),
        ("roles", Some(2), "name"),
        ("default_scopes", None, ""),
        ("routes", Some(0), "level"),
        ("routes", Some(1), "path"),
        ("routes", Some(2), "resource"),
    ] {
        assert!(places.contains(&place), "{place:?} in {faults:#?}");
    }
}

#[test]
fn of_the_scopes_that_are_held_the_least_that_is_enough_covers_a_use() {
    for (held, wanted, least_sufficient) in [
        (&["*", "a:read", "a:write"][..], "a:read", Some("a:read")),
        (&["*", "a:admin", "a:write"], "a:read", Some("a:write")),
        (&["*", "b:read"], "a:read", Some("*")),
        (&["a:read", "b:admin"], "a:write", None),
        (&["*", "introspect"], "introspect", Some("introspect")),
        (&["*"], "introspect", Some("*")),
        (&["*", "a:read"], "*", Some("*")),
        (&["a:read"], "*", None),
        (&["a:owner"], "a:read", None),
        (&[], "a:read", None),
    ] {
        let (held, wanted) = (set(held), wanted.parse().unwrap());
        let found = Catalog::open().least_sufficient(&held, &wanted).map(ToString::to_string);
        assert_eq!(found.as_deref(), least_sufficient, "{held} {wanted}");
        assert_eq!(found.is_some(), Catalog::open().includes(&held, &wanted), "{held} {wanted}");
    }
}
