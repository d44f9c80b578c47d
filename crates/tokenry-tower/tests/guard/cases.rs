//! The table of cases: what is admitted, what is rejected and how, the same by both adapters.

use std::time::Duration;

use tokenry_testkit::{
    each_backend,
    http::{Response, get, send},
};
use tokenry_tower::{
    TrustedProxies,
    tokenry::{Activation, IpList, ProtectedResource, TokenChanges, UserChanges},
};

use crate::servers::Servers;

const REALM: &str = r#"Bearer realm="tokenry""#;
const INVALID: &str = r#"Bearer realm="tokenry", error="invalid_token""#;
const MALFORMED: &str = r#"Bearer error="invalid_request""#;
const SCOPE: &str = r#"Bearer error="insufficient_scope", scope="demo:read""#;

/// Asks both servers and asserts that they answer alike; returns the answer of axum.
#[track_caller]
fn both(servers: &Servers, ask: impl Fn(std::net::SocketAddr) -> Response) -> Response {
    let (axum, actix) = (ask(servers.axum), ask(servers.actix));
    assert_eq!(axum.status, actix.status, "{axum:?} {actix:?}");
    if axum.status == 200 {
        assert_eq!(axum.body, actix.body);
        return axum;
    }
    assert_eq!(axum.json(), actix.json());
    for name in ["content-type", "www-authenticate", "cache-control", "retry-after"] {
        assert_eq!(axum.header(name), actix.header(name), "{name}");
    }
    axum
}

#[track_caller]
fn rejected(servers: &Servers, credentials: &[&[u8]], status: u16, code: &str, challenge: &str) {
    let answer = both(servers, |server| get(server, "/guarded", credentials));
    assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{credentials:?}");
    assert_eq!(answer.header("www-authenticate"), with_description(challenge, &answer), "{credentials:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
}

/// The challenge with the sentence of the body, where it names an error of the token.
fn with_description(challenge: &str, answer: &Response) -> String {
    match challenge {
        INVALID => format!("{challenge}, error_description={}", answer.json()["detail"]),
        SCOPE => format!("{challenge}, error_description=\"The credential lacks a scope.\""),
        _ => challenge.to_owned(),
    }
}

fn bearer(token: &str) -> Vec<u8> {
    format!("Bearer {token}").into_bytes()
}

each_backend!(both_adapters_admit_and_reject_the_same_requests_in_the_same_way, |db| {
    let servers = Servers::start(db);
    let alice = servers.user("alice");
    let token = |scopes: &[&str]| servers.token(&alice, scopes, |_, _| {});
    let (good_token, good) = token(&["demo:read"]);
    let (_, wide) = token(&["demo:write"]);
    let (_, all) = token(&["*"]);
    let (_, poor) = token(&["other:read"]);
    let (_, here) = servers.token(&alice, &["demo:read"], |new, _| {
        new.allowed_ips = Some(vec!["127.0.0.0/8".to_owned()]);
    });

    for credential in [
        bearer(&good),
        bearer(&wide),
        bearer(&all),
        bearer(&here),
        format!("bearer {good}").into_bytes(),
        format!("BEARER   {good} ").into_bytes(),
    ] {
        let answer = both(&servers, |server| get(server, "/guarded", &[&credential]));
        assert_eq!((answer.status, answer.body.as_str()), (200, "alice"), "{credential:?}");
    }
    let any = both(&servers, |server| get(server, "/any", &[&bearer(&poor)]));
    assert_eq!(any.status, 200, "a live token is enough where no scope is required");

    rejected(&servers, &[], 401, "authentication_required", REALM);
    for other in ["Basic cm9vdA==", "Token x", "pat_x", "Bearerpat_x"] {
        rejected(&servers, &[other.as_bytes()], 401, "authentication_required", REALM);
    }
    let two_words = format!("Bearer {good} {good}");
    let listed = format!("Bearer {good}, Bearer {good}");
    for credentials in [
        &[&*bearer(&good), &bearer(&good)][..],
        &[&bearer(&good), b"Basic cm9vdA=="],
        &[b"Bearer"],
        &[two_words.as_bytes()],
        &[listed.as_bytes()],
    ] {
        rejected(&servers, credentials, 400, "invalid_request", MALFORMED);
    }
    let mut wrong = good.clone();
    wrong.replace_range(good.len() - 1.., if good.ends_with('a') { "b" } else { "a" });
    let longest = |length: usize| format!("Bearer{}{good}", " ".repeat(length - 6 - good.len()));
    assert_eq!(both(&servers, |server| get(server, "/guarded", &[longest(512).as_bytes()])).status, 200);
    for credential in [
        bearer("pat_nonsense"),
        bearer(&wrong),
        bearer(&good.to_uppercase()),
        bearer(&good[..good.len() - 1]),
        bearer(&"x".repeat(2000)),
        [b"Bearer ", &[0xff; 65][..]].concat(),
        longest(513).into_bytes(),
    ] {
        rejected(&servers, &[&credential], 401, "invalid_token", INVALID);
    }

    rejected(&servers, &[&bearer(&poor)], 403, "insufficient_scope", SCOPE);
    let (_, elsewhere) = servers.token(&alice, &["demo:read"], |new, _| {
        new.allowed_ips = Some(vec!["203.0.113.0/24".to_owned()]);
    });
    rejected(&servers, &[&bearer(&elsewhere)], 403, "ip_not_allowed", "");
    let (_, expired) = servers.token(&alice, &["demo:read"], |_, context| {
        // Made with the default lifetime of 90 days, long ago.
        context.now = context.now.saturating_sub(tokenry_tower::tokenry::Lifetime::days(100));
    });
    rejected(&servers, &[&bearer(&expired)], 401, "expired_token", INVALID);
    let (paused_token, paused) = token(&["demo:read"]);
    let mut pause = TokenChanges::default();
    pause.switch = Some(Activation::Inactive);
    servers.tokenry.update_token(&servers.operator(), paused_token.id, pause).unwrap();
    rejected(&servers, &[&bearer(&paused)], 401, "inactive_token", INVALID);
    servers.tokenry.revoke_token(&servers.operator(), good_token.id, None).unwrap();
    rejected(&servers, &[&bearer(&good)], 401, "revoked_token", INVALID);
    servers
        .tokenry
        .update_user(&servers.operator(), alice.id, UserChanges::default().with_disabled(true))
        .unwrap();
    rejected(&servers, &[&bearer(&wide)], 401, "user_disabled", INVALID);
});

each_backend!(both_adapters_find_the_same_source_behind_a_proxy, |db| {
    let proxies = TrustedProxies::new(IpList::parse(&["127.0.0.1"]).unwrap());
    let servers = Servers::with(db, crate::servers::settings(), &proxies);
    let alice = servers.user("alice");
    let (_, bound) = servers.token(&alice, &["demo:read"], |new, _| {
        new.allowed_ips = Some(vec!["203.0.113.7".to_owned(), "2001:db8::/64".to_owned()]);
    });
    let credential = [b"Authorization: ".to_vec(), bearer(&bound)].concat();
    for (headers, status) in [
        (&["X-Forwarded-For: 203.0.113.7"][..], 200),
        (&["X-Forwarded-For: 203.0.113.7:5123"], 200),
        (&["X-Forwarded-For: [2001:db8::9]:443"], 200),
        (&["X-Forwarded-For: 198.51.100.1, 203.0.113.7"], 200),
        (&["X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7"], 200),
        (&["X-Forwarded-For: 203.0.113.7, 198.51.100.1"], 403),
        (&["X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: unknown"], 403),
        (&["X-Forwarded-For: unknown"], 403),
        (&["X-Forwarded-For:"], 403),
        (&["X-Real-IP: 203.0.113.7"], 403),
        (&["Forwarded: for=203.0.113.7"], 403),
        (&[], 403),
    ] {
        let lines: Vec<_> =
            headers.iter().map(|line| line.as_bytes()).chain([credential.as_slice()]).collect();
        let answer = both(&servers, |server| send(server, "GET /guarded", &lines, ""));
        assert_eq!(answer.status, status, "{headers:?}");
    }
    let direct = Servers::start(db);
    let lines = [b"X-Forwarded-For: 203.0.113.7".as_slice(), &credential];
    let answer = both(&direct, |server| send(server, "GET /guarded", &lines, ""));
    assert_eq!(answer.status, 403, "without a trusted proxy the header is the client's own");
});

#[test]
fn both_adapters_answer_503_without_the_database() {
    let Some(db) = tokenry_testkit::TestDatabase::postgres() else { return };
    let servers = Servers::start(&db);
    let (_, good) = servers.token(&servers.user("alice"), &["demo:read"], |_, _| {});
    assert_eq!(get(servers.axum, "/guarded", &[&bearer(&good)]).status, 200);
    drop(db);
    // Until its lease ends a server decides by the row in memory.
    for server in [servers.axum, servers.actix] {
        while get(server, "/guarded", &[&bearer(&good)]).status == 200 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let answer = both(&servers, |server| get(server, "/guarded", &[&bearer(&good)]));
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("service_unavailable")));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(answer.header("www-authenticate"), "");
}

each_backend!(an_empty_list_of_scopes_admits_nobody, |db| {
    let servers = Servers::start(db);
    let (_, good) = servers.token(&servers.user("alice"), &["*"], |_, _| {});
    assert_eq!(get(servers.axum, "/no-scopes", &[&bearer(&good)]).status, 500);
    assert_eq!(get(servers.axum, "/any", &[&bearer(&good)]).status, 200);
});

each_backend!(a_route_outside_of_the_guard_admits_nobody, |db| {
    let servers = Servers::start(db);
    let (_, good) = servers.token(&servers.user("alice"), &["*"], |_, _| {});
    for path in ["/unauthenticated", "/unauthenticated-scope"] {
        for credentials in [&[][..], &[&*bearer(&good)]] {
            let answer = get(servers.axum, path, credentials);
            assert_eq!(
                (answer.status, answer.json()["code"].as_str()),
                (500, Some("internal_error")),
                "{path}"
            );
        }
    }
    assert_eq!(get(servers.axum, "/public", &[]).status, 200);
});

each_backend!(both_adapters_name_the_metadata_of_the_resource_in_each_challenge, |db| {
    let resource = ProtectedResource::new("https://mcp.test/mcp", ["https://id.test"], []).unwrap();
    let servers =
        Servers::guarding(db, crate::servers::settings(), &TrustedProxies::default(), Some(resource));
    let alice = servers.user("alice");
    let (_, good) = servers.token(&alice, &["demo:read"], |_, _| {});
    let (_, poor) = servers.token(&alice, &["other:read"], |_, _| {});
    let named = "resource_metadata=\"https://mcp.test/.well-known/oauth-protected-resource/mcp\"";
    let invalid = "error_description=\"The token is not valid.\"";
    let lacking = "error_description=\"The credential lacks a scope.\"";
    for (credentials, status, challenge) in [
        (vec![], 401, format!("{REALM}, {named}")),
        (vec![bearer("pat_x")], 401, format!("{INVALID}, {invalid}, {named}")),
        (vec![bearer(&poor)], 403, format!("{SCOPE}, {lacking}, {named}")),
        (vec![bearer(&good), bearer(&good)], 400, MALFORMED.to_owned()),
        (vec![bearer(&good)], 200, String::new()),
    ] {
        let credentials: Vec<&[u8]> = credentials.iter().map(Vec::as_slice).collect();
        let answer = both(&servers, |server| get(server, "/guarded", &credentials));
        assert_eq!((answer.status, answer.header("www-authenticate")), (status, challenge.as_str()));
    }
});
