use proptest::prelude::*;

use super::*;

fn set(entries: &[&str]) -> ScopeSet {
    ScopeSet::parse(entries).unwrap()
}

fn grants(role: &str, held: &[&str], wanted: &str) -> bool {
    Catalog::open().effective(&set(held), &role.parse().unwrap()).grants(&wanted.parse().unwrap())
}

#[test]
fn a_level_includes_lower_levels_of_the_same_resource_only() {
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
    assert!(!Catalog::open().has_scope(&"a:owner".parse().unwrap()));
}

#[test]
fn a_role_limits_every_scope() {
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
fn the_scope_all_is_listed_only_under_an_unlimited_role() {
    assert_eq!(listed("admin", &["*"]), ["*"]);
    assert_eq!(listed("user", &["*"]), ["tokens:admin"]);
    assert_eq!(listed("user", &["a:write", "admin:write", "introspect"]), ["a:write"]);
    assert!(listed("guest", &["*", "a:read"]).is_empty());
}

fn listed(role: &str, held: &[&str]) -> Vec<String> {
    Catalog::open().effective(&set(held), &role.parse().unwrap()).to_set().to_texts()
}

#[test]
fn permissions_are_listed_with_every_level_that_they_include() {
    let open = Catalog::open();
    let closed = Catalog::define(&closed()).unwrap();
    let listed = |catalog: &Catalog, role: &str, held: &[&str], asked: &[&str]| {
        catalog.effective(&set(held), &role.parse().unwrap()).listed(&set(asked)).to_texts().join(" ")
    };
    assert_eq!(listed(&open, "user", &["a:write", "b:read"], &[]), "a:read a:write b:read");
    assert_eq!(listed(&open, "admin", &["*"], &[]), "*");
    assert_eq!(listed(&open, "admin", &["*"], &["a:write", "a:odd"]), "* a:write");
    assert_eq!(
        listed(&open, "user", &["*"], &["a:write", "admin:read"]),
        "a:write tokens:admin tokens:read tokens:write"
    );
    assert_eq!(listed(&open, "user", &["a:write"], &["a:read", "a:admin", "*"]), "a:read a:write");
    assert_eq!(listed(&closed, "guest", &["repos:write"], &[]), "repos:read");
    let all = listed(&closed, "owner", &["*"], &["*"]);
    assert!(all.contains("repos:read repos:write") && !all.contains('*'), "{all}");
    assert!(!all.contains("admin:write"), "denied to tokens: {all}");
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
    fn an_effective_permission_is_granted_by_both_token_and_role(
        held in prop::collection::vec(any_scope(), 0..4),
        wanted in any_scope(),
        role in prop_oneof![Just("admin"), Just("user"), Just("guest")],
    ) {
        let catalog = Catalog::open();
        let held: ScopeSet = held.into_iter().collect();
        let role: Role = role.parse().unwrap();
        let effective = catalog.effective(&held, &role);
        if effective.grants(&wanted) {
            prop_assert!(catalog.includes(&held, &wanted) && catalog.user_permissions(&role).grants(&wanted));
        }
        let listed = effective.listed(&ScopeSet::from_iter([wanted.clone()]));
        for listed in effective.to_set().iter().chain(listed.iter()) {
            prop_assert!(effective.grants(listed));
        }
        prop_assert_eq!(listed.contains(&wanted), effective.grants(&wanted));
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn resource(name: &str, levels: &[&str]) -> ResourceDefinition {
    ResourceDefinition { name: name.to_owned(), description: format!("The {name}"), levels: texts(levels) }
}

fn role(name: &str, scopes: &[&str]) -> RoleDefinition {
    RoleDefinition { name: name.to_owned(), scopes: texts(scopes) }
}

fn requires(scope: &str) -> RouteDecision {
    RouteDecision::Requires(scope.parse().unwrap())
}

fn closed() -> Definition {
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
        named_scopes: Vec::new(),
        default_scopes: texts(&["repos:read"]),
        exclusive_scopes: Vec::new(),
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
fn a_configured_catalog_has_only_listed_and_built_in_scopes() {
    let catalog = Catalog::define(&closed()).unwrap();
    for (scope, is_known) in [
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
        assert_eq!(catalog.has_scope(&scope.parse().unwrap()), is_known, "{scope}");
    }
    assert_eq!(catalog.default_role().as_str(), "guest");
}

#[test]
fn a_configured_role_limits_scopes_and_an_unknown_scope_is_not_granted() {
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
        let effective = catalog.effective(&set(&[held]), &role);
        assert_eq!(effective.grants(&wanted.parse().unwrap()), granted, "{role} {held} {wanted}");
    }
}

#[test]
fn a_scope_denied_to_tokens_is_granted_to_users() {
    let catalog = Catalog::define(&closed()).unwrap();
    let owner: Role = "owner".parse().unwrap();
    let token = catalog.effective(&set(&["*"]), &owner);
    assert!(token.grants(&"admin:read".parse().unwrap()));
    for wanted in ["admin:write", "admin:admin", "*"] {
        assert!(!token.grants(&wanted.parse().unwrap()), "{wanted}");
    }
    assert!(catalog.user_permissions(&owner).grants(&"admin:write".parse().unwrap()));
    assert!(!catalog.max_token_permissions(&owner).can_delegate(&"admin:write".parse().unwrap()));
    assert!(catalog.max_token_permissions(&owner).can_delegate(&Scope::All));
    let listed = token.to_set().to_texts();
    assert!(listed.contains(&"admin:read".to_owned()) && !listed.contains(&"*".to_owned()), "{listed:?}");
    let strict = Catalog::define(&Definition { denied_scopes: vec!["*".to_owned()], ..closed() }).unwrap();
    assert!(!strict.max_token_permissions(&owner).can_delegate(&Scope::All));
    assert!(strict.max_token_permissions(&owner).can_delegate(&"model:own".parse().unwrap()));
    assert!(!strict.effective(&set(&["*"]), &owner).grants(&"repos:read".parse().unwrap()));
}

#[test]
fn a_role_is_covered_only_by_permissions_that_include_all_of_it() {
    let catalog = Catalog::define(&closed()).unwrap();
    let open = Catalog::open();
    for (catalog, owner_role, held, role, covers) in [
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
        let permissions = catalog.effective(&set(&[held]), &owner_role.parse().unwrap());
        assert_eq!(
            catalog.covers(&permissions, &role.parse().unwrap()),
            covers,
            "{owner_role} {held} {role}"
        );
    }
    assert!(catalog.is_within(&"guest".parse().unwrap(), &"member".parse().unwrap()));
    assert!(!catalog.is_within(&"owner".parse().unwrap(), &"member".parse().unwrap()));
}

#[test]
fn an_intersection_grants_what_both_grant() {
    let catalog = Catalog::define(&closed()).unwrap();
    let role = |name: &str| catalog.user_permissions(&name.parse().unwrap());
    for (a, b) in [("member", "owner"), ("owner", "member")] {
        let both = role(a).intersection(&role(b));
        assert!(both.grants(&"model:tune".parse().unwrap()) && !both.grants(&"model:own".parse().unwrap()));
        assert!(both.can_delegate(&"model:tune".parse().unwrap()));
        // It is all of a member's permissions, but only a part of an owner's.
        assert_eq!((both.can_delegate(&Scope::All), both.is_restricted()), (a == "member", a == "owner"));
    }
    let both = role("member").intersection(&role("guest"));
    assert_eq!(both.to_set().to_texts(), ["repos:read"]);
}

#[test]
fn the_first_matching_rule_decides() {
    let catalog = Catalog::define(&closed()).unwrap();
    for (method, path, decision) in [
        ("GET", "/repos/a", requires("repos:read")),
        ("HEAD", "/repos", requires("repos:read")),
        ("DELETE", "/repos/a/b/c", requires("repos:write")),
        ("PROPFIND", "/repos/a", requires("repos:write")),
        ("POST", "/repos/a/files", requires("repos:read")),
        ("POST", "/repos/a/files/x", requires("repos:write")),
        ("POST", "/hooks/github", RouteDecision::Excluded),
        ("GET", "/hooks", RouteDecision::Excluded),
        ("GET", "/reposx", RouteDecision::Unmapped),
        ("GET", "/Repos/a", RouteDecision::Unmapped),
        ("GET", "/", RouteDecision::Unmapped),
        // Neither a trailing slash nor an unnecessary encoding avoids a rule.
        ("POST", "/repos/a/files/", requires("repos:read")),
        ("GET", "/hooks/", RouteDecision::Excluded),
        ("GET", "/%68ooks/x", RouteDecision::Excluded),
    ] {
        let canonical = CanonicalPath::parse(path.as_bytes()).unwrap();
        assert_eq!(catalog.routes().decide(method, &canonical), decision, "{method} {path}");
    }
}

fn repos_rule(methods: &[&str], level: &str) -> RouteDefinition {
    RouteDefinition::new("/repos/**")
        .with_methods(texts(methods))
        .with_resource(Some("repos".to_owned()))
        .with_level(Some(level.to_owned()))
}

#[test]
fn a_rule_for_get_decides_for_head_too() {
    let mut definition = closed();
    for (first, method, level) in [
        (&["GET"][..], "HEAD", "write"),
        (&["POST", "GET"], "HEAD", "write"),
        (&["GET"], "GET", "write"),
        (&["GET"], "OPTIONS", "read"),
        (&["HEAD"], "HEAD", "write"),
        (&["HEAD"], "GET", "read"),
        (&["POST"], "HEAD", "read"),
    ] {
        definition.routes = vec![repos_rule(first, "write"), repos_rule(&[], "read")];
        let catalog = Catalog::define(&definition).unwrap();
        let path = CanonicalPath::parse(b"/repos/a").unwrap();
        let required = requires(&format!("repos:{level}"));
        assert_eq!(catalog.routes().decide(method, &path), required, "{first:?} {method}");
    }
}

#[test]
fn every_error_of_a_definition_is_reported_with_its_location() {
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
    let errors = Catalog::define(&definition).unwrap_err();
    let locations: Vec<_> =
        errors.iter().map(|error| (error.location.list, error.location.index, error.location.key)).collect();
    for location in [
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
        assert!(locations.contains(&location), "{location:?} in {errors:#?}");
    }
}

#[test]
fn the_least_sufficient_scope_covers_a_use() {
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
