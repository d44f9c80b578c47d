//! The example file of the documentation.

use tokenry_service::{IssuerMapping, Role, RouteDecision, Scope, ScopeSet, catalog::CanonicalPath};

use super::*;
use crate::jwks_refresher::KeySource;

const EXAMPLE: &str = include_str!("../../../../../docs/tokenry.example.toml");

#[test]
fn the_example_file_sets_the_values_it_documents() {
    let settings = good(EXAMPLE, &[]);
    let service = settings.service;
    let days = Lifetime::days;
    let policy = Policy::default()
        .with_default_lifetime(Some(days(30)))
        .with_max_lifetime(Some(days(180)))
        .with_idle_lifetime(Some(days(60)))
        .with_max_grace(Lifetime::seconds(3600))
        .with_on_reuse(ReusePolicy::Revoke);
    assert_eq!(service.policy, policy);
    assert_eq!(service.retention, Some(days(30)));
    let usage = UsageSettings::default().with_retention(days(60));
    assert_eq!(service.usage, usage);

    let session = SessionSettings::default().with_idle(Lifetime::seconds(1800));
    assert_eq!(service.session, session);

    let catalog = service.catalog;
    let scope = |text: &str| text.parse::<Scope>().unwrap();
    let scopes = |texts: &[&str]| ScopeSet::parse(texts).unwrap();
    assert!(!catalog.vocabulary().is_open());
    assert!(catalog.has_scope(&scope("builds:run")) && !catalog.has_scope(&scope("builds:write")));
    assert_eq!(catalog.roles().map(Role::as_str).collect::<Vec<_>>(), ["user", "admin"]);
    assert_eq!(*catalog.default_scopes(), scopes(&["projects:read"]));
    assert_eq!(catalog.groups().len(), 1);
    assert!(!catalog.max_token_permissions(&Role::admin()).grants(&scope("admin:write")));
    assert!(catalog.max_token_permissions(&Role::admin()).grants(&scope("admin:read")));
    assert!(catalog.user_permissions(&Role::user()).grants(&scope("builds:read")));
    let needs = |text| RouteDecision::Requires(scope(text));
    for (method, path, decision) in [
        ("GET", "/api/projects/1", needs("projects:read")),
        ("PUT", "/api/projects/1", needs("projects:write")),
        ("POST", "/api/builds/1/start", needs("builds:run")),
        ("GET", "/api/builds/1/start", RouteDecision::Unmapped),
        ("POST", "/webhooks/x", RouteDecision::Excluded),
    ] {
        let canonical = CanonicalPath::parse(path.as_bytes()).unwrap();
        assert_eq!(catalog.routes().decide(method, &canonical), decision, "{method} {path}");
    }

    let issuer = "https://login.example.org".to_owned();
    let sign_in = service.sign_in.unwrap();
    let mapping = IssuerMapping::new(issuer.clone())
        .with_subject_prefix("login:".to_owned())
        .with_name_claim("name".to_owned())
        .with_role_claim("realm_access.roles".to_owned())
        .with_roles(vec![
            ("developer".to_owned(), Role::user()),
            ("platform-admin".to_owned(), Role::admin()),
        ])
        .with_default_role(Role::user())
        .with_creates_users(true);
    assert_eq!(sign_in.issuers, [mapping]);
    let url = "https://login.example.org/.well-known/jwks.json".to_owned();
    assert_eq!(
        settings.key_sources,
        [KeySource { issuer, url, refresh: Duration::from_secs(3600), min_forced: KeySource::MIN_FORCED }]
    );
}

#[test]
fn the_example_file_documents_sign_in_through_a_proxy() {
    let file = EXAMPLE.replace("# proxy_", "proxy_");
    let file = format!("{file}\n[server]\ntrusted_proxies = [\"10.0.0.1\"]");
    let proxy = tokenry_actix::ProxySignIn::new("X-Forwarded-User", "sso:", false).unwrap();
    assert_eq!(good(&file, &[]).proxy_sign_in, Some(proxy));
}

#[test]
fn the_example_file_has_every_key_of_an_issuer() {
    for key in
        ["secret_file", "jwks_file", "jwks_url", "refresh", "types", "leeway", "max_age", "default_role"]
    {
        assert!(EXAMPLE.contains(&format!("{key} = ")), "{key}");
    }
}

#[test]
fn the_example_file_documents_a_provider() {
    let (start, provider) = EXAMPLE.split_once("# [server]\n").unwrap();
    let provider = provider.lines().map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join("\n");
    let provider = provider.replace("corp-secret", "issuer-secret");
    let oidc = good(&format!("{start}[server]\n{provider}"), &[]).service.oidc.unwrap();
    let corp = &oidc.providers[0];
    assert_eq!((corp.id.as_str(), corp.mapping.subject_prefix.as_str()), ("corp", "corp:"));
    assert!(corp.client_secret.is_some() && corp.signs_out && corp.mapping.creates_users);
}
