//! The recipes for Traefik and Envoy, which tests cannot run: their required content, and the server's answers to the
//! exact requests of these proxies.

use crate::{
    client::{self, Answer},
    setup::Backend,
};

const TRAEFIK: &str = include_str!("../../../../docs/deploy/traefik.yaml");
const ENVOY: &str = include_str!("../../../../docs/deploy/envoy.yaml");
const IDENTITY: [&str; 5] =
    ["x-resource-user", "x-resource-subject", "x-resource-role", "x-resource-scopes", "x-resource-token-id"];
/// Headers that an application might trust although nothing verified them.
pub(crate) const CLAIMS: [&str; 31] = [
    "x-forwarded",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-forwarded-user",
    "x-forwarded-groups",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "x-forwarded-access-token",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-original-path",
    "x-original-host",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "forwarded",
    "x-real-ip",
    "true-client-ip",
    "x-client-ip",
    "client-ip",
    "remote-user",
    "x-remote-user",
    "http2-settings",
];

/// The lines of a YAML document, each with its key path; comments are omitted.
fn lines(text: &str) -> Vec<String> {
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        assert!(!line.contains('\t'), "{line}");
        let indent = line.len() - line.trim_start().len();
        assert!(indent % 2 == 0, "{line}");
        above.retain(|(depth, _)| *depth < indent);
        let path: Vec<_> = above.iter().map(|(_, key)| key.as_str()).collect();
        lines.push(format!("{} {}", path.join("/"), line.trim()).to_lowercase());
        let is_key = line.trim().contains(": ") || line.trim().ends_with(':');
        assert!(is_key || line.trim().starts_with("- "), "neither a key nor an entry: {line}");
        if let Some(key) = line.trim().strip_suffix(':') {
            above.push((indent, key.trim_start_matches("- ").to_owned()));
        }
    }
    lines
}

#[test]
fn the_recipe_for_traefik_drops_and_copies_every_identity_header_and_fails_closed() {
    let lines = lines(TRAEFIK);
    let has = |line: &str| lines.iter().any(|known| *known == line);
    let forward = "http/middlewares/tokenry/forwardauth";
    for name in IDENTITY {
        assert!(has(&format!("{forward}/authresponseheaders - {name}")), "{name}");
    }
    assert!(has(&format!("{forward} authresponseheadersregex: '(?i)^x-resource-|[^a-za-z0-9-]'")));
    let rule = lines.iter().find(|line| line.starts_with("http/routers/app rule: ")).expect("a rule");
    for part in [
        r"!headerregexp(`connection`, `(?i)x[-_]|authorization`)",
        r"!headerregexp(`upgrade`, `[^websocktwebsockt]`)",
    ] {
        assert!(rule.contains(&format!(" && {part}")), "{rule}");
    }
    assert!(has(&format!("{forward} trustforwardheader: false")));
    assert!(has(&format!("{forward} address: http://127.0.0.1:8080/auth/traefik")));
    assert!(has(&format!("{forward}/authrequestheaders - authorization")));
    for name in CLAIMS {
        let dropped = "http/middlewares/drop-claims/headers/customrequestheaders";
        assert!(has(&format!("{dropped} {name}: \"\"")), "{name}");
    }
    let order: Vec<_> =
        lines.iter().filter_map(|line| line.strip_prefix("http/routers/app/middlewares - ")).collect();
    assert_eq!(order, ["drop-claims", "tokenry", "drop-token"]);
}

#[test]
fn the_recipe_for_envoy_drops_and_copies_every_identity_header_and_fails_closed() {
    let lines = lines(ENVOY);
    let ends = |end: &str| lines.iter().any(|known| known.ends_with(end));
    for name in IDENTITY {
        assert!(ends(&format!("/mutations - remove: {name}")), "{name}");
        assert!(ends(&format!("/allowed_upstream_headers/patterns - exact: {name}")), "{name}");
    }
    for name in CLAIMS {
        assert!(ends(&format!("/mutations - remove: {name}")), "{name}");
    }
    // Envoy upgrades connections only with this.
    assert!(!lines.iter().any(|line| line.contains("upgrade_configs")));
    for setting in [
        " failure_mode_allow: false",
        " normalize_path: true",
        " merge_slashes: true",
        " path_with_escaped_slashes_action: reject_request",
        " headers_with_underscores_action: reject_request",
        " use_remote_address: true",
        "/http_service path_prefix: /auth/envoy",
        " append_action: overwrite_if_exists_or_add",
        " - match: { prefix: / }",
    ] {
        assert!(ends(setting), "{setting}");
    }
}

/// Sends the request that Traefik sends: GET with headers that describe the client's request.
fn traefik(backend: &Backend, method: &str, target: &str, token: &str, source: &str) -> Answer {
    let credential = format!("Bearer {token}");
    let headers = [
        ("Authorization", credential.as_str()),
        ("X-Forwarded-For", source),
        ("X-Forwarded-Host", "app.example.org"),
        ("X-Forwarded-Method", method),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Uri", target),
        ("Accept-Encoding", "gzip"),
        ("User-Agent", "Go-http-client/1.1"),
    ];
    client::send(&backend.server.address, "GET /auth/traefik", &headers, b"")
}

/// Sends the request that Envoy sends: the client's method, its target behind the prefix, and no body.
fn envoy(backend: &Backend, method: &str, target: &str, token: &str, source: &str) -> Answer {
    let credential = format!("Bearer {token}");
    // Envoy appends its own address.
    let source = format!("{source},127.0.0.1");
    let headers = [
        ("Authorization", credential.as_str()),
        ("X-Forwarded-For", source.as_str()),
        ("X-Envoy-Internal", "true"),
        ("X-Envoy-Expected-Rq-Timeout-Ms", "5000"),
        ("Content-Length", "0"),
    ];
    client::send(&backend.server.address, &format!("{method} /auth/envoy{target}"), &headers, b"")
}

#[test]
fn requests_of_traefik_and_envoy_get_the_documented_responses() {
    let backend = Backend::new();
    let reader = backend.token("reader", "--scope demo:read");
    let bound = backend.token("bound", "--scope demo:read --allow-ip 203.0.113.7");
    for ask in [traefik, envoy] {
        let allowed = ask(&backend, "GET", "/demo/x?scope=admin:admin", &reader, "203.0.113.7");
        assert_eq!(allowed.status, 200, "{}", allowed.text);
        for name in IDENTITY {
            let values = allowed.text.lines().filter_map(|line| line.strip_prefix(&format!("{name}: ")));
            assert!(values.collect::<Vec<_>>().len() == 1, "{name}");
        }
        for (method, target, token, source, status) in [
            ("OPTIONS", "/demo/x", reader.as_str(), "203.0.113.7", 200),
            ("GET", "/demo", bound.as_str(), "203.0.113.7", 200),
            ("GET", "/demo", &bound, "203.0.113.8", 403),
            ("GET", "/demo", &bound, "203.0.113.7,203.0.113.8", 403),
            ("POST", "/demo", &reader, "203.0.113.7", 403),
            ("GET", "/admin?scope=demo:read", &reader, "203.0.113.7", 403),
            ("GET", "/hooks/x", &reader, "203.0.113.7", 403),
            ("GET", "/public/../admin", &reader, "203.0.113.7", 400),
            ("GET", "/public/%2e%2e/admin", &reader, "203.0.113.7", 400),
            ("GET", "//admin", &reader, "203.0.113.7", 400),
            ("FOO", "/demo", &reader, "203.0.113.7", 400),
            ("GET", "/demo", "pat_x", "203.0.113.7", 401),
        ] {
            let answer = ask(&backend, method, target, token, source);
            assert_eq!(answer.status, status, "{method} {target} {source}: {}", answer.text);
        }
    }
}

#[test]
fn the_guide_names_every_removed_header() {
    let guide = include_str!("../../../../docs/deploy/README.md").to_lowercase();
    for name in CLAIMS {
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
}
