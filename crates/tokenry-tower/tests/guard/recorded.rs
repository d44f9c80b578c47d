//! What the layers record: uses, failures, and what was forbidden.

use std::time::Duration;

use tokenry_testkit::{
    each_backend,
    http::{get, send},
};
use tokenry_tower::tokenry::{AuditFilter, EventKind, PageSize, TokenId, UsageQuery};

use crate::servers::Servers;

/// Method, route, status and count of each use of a token.
fn uses(servers: &Servers, id: TokenId) -> Vec<(String, String, u16, u64)> {
    servers.tokenry.flush().unwrap();
    let page = servers.tokenry.usage(&servers.operator(), id, UsageQuery::default()).unwrap();
    let mut uses: Vec<_> = page
        .uses
        .into_iter()
        .map(|(key, count)| (key.method.to_string(), key.route.to_string(), key.status, count.count))
        .collect();
    uses.sort();
    uses
}

each_backend!(a_use_is_recorded_with_its_route_and_status_as_by_the_other_adapter, |db| {
    let servers = Servers::start(db);
    let alice = servers.user("alice");
    let recorded = [servers.axum, servers.actix].map(|server| {
        let (token, text) = servers.token(&alice, &["demo:read"], |_, _| {});
        let (poor_token, poor) = servers.token(&alice, &[], |_, _| {});
        let header = |text: &str| format!("Authorization: Bearer {text}").into_bytes();
        for path in ["/guarded", "/guarded", "/items/secret-in-the-path", "/items/another"] {
            assert_eq!(
                send(server, &format!("GET {path}"), &[&header(&text), b"User-Agent: t"], "").status,
                200
            );
        }
        assert_eq!(send(server, "POST /guarded", &[&header(&text)], "").status, 405);
        assert_eq!(send(server, "GET /guarded", &[&header(&poor)], "").status, 403);
        servers.tokenry.flush().unwrap();
        let found = servers.tokenry.find_token(&servers.operator(), token.id).unwrap().0;
        assert_eq!(found.last_used_ip.map(|ip| ip.to_string()).as_deref(), Some("127.0.0.1"));
        (uses(&servers, token.id), uses(&servers, poor_token.id))
    });
    let row = |method: &str, route: &str, status, count| (method.to_owned(), route.to_owned(), status, count);
    let expected = vec![
        row("GET", "/guarded", 200, 2),
        row("GET", "/items/{id}", 200, 2),
        row("POST", "/guarded", 405, 1),
    ];
    assert_eq!(recorded[0], (expected, vec![row("GET", "/guarded", 403, 1)]));
    assert_eq!(recorded[0], recorded[1]);
});

each_backend!(failures_and_what_was_forbidden_are_in_the_audit_log, |db| {
    let servers = Servers::start(db);
    let (token, poor) = servers.token(&servers.user("alice"), &[], |_, _| {});
    assert_eq!(get(servers.axum, "/guarded", &[b"Bearer pat_x"]).status, 401);
    assert_eq!(get(servers.axum, "/guarded", &[format!("Bearer {poor}").as_bytes()]).status, 403);
    // Rejections are collected for a minute, and written before the service stops.
    let _ = servers.tokenry.close(Duration::from_secs(20));
    let is_recorded = |filter: AuditFilter, kind: EventKind| {
        let page =
            servers.tokenry.audit_log(&servers.operator(), &filter, PageSize::default(), None).unwrap();
        page.items.into_iter().any(|entry| entry.event.kind == kind)
    };
    let mut of_token = AuditFilter::default();
    of_token.token_id = Some(token.id);
    assert!(is_recorded(AuditFilter::default(), EventKind::RequestFailed));
    assert!(is_recorded(of_token, EventKind::RequestForbidden));
});
