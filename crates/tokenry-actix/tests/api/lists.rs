//! Lists of the caller's tokens.

use serde_json::json;
use tokenry_testkit::each_backend;

use crate::api::Api;

each_backend!(a_list_is_complete_newest_first_and_paged_by_cursor, |db| {
    let api = Api::new(db);
    let names: Vec<_> = (0..7).map(|n| format!("token {n}")).collect();
    for name in &names {
        api.create(&api.root, &json!({"name": name}));
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/tokens?limit=3".to_owned());
    loop {
        let page = api.call("GET", &path, &api.root).json();
        assert_eq!(page["total"], 8);
        seen.extend(page["data"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/tokens?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    let expected: Vec<_> = names.iter().rev().cloned().chain(["bootstrap".to_owned()]).collect();
    assert_eq!(seen, expected);
    assert!(!api.call("GET", "/api/v1/tokens", &api.root).body.contains(&api.root));
});

each_backend!(a_cursor_is_valid_only_for_its_caller_and_its_query, |db| {
    let api = Api::new(db);
    for n in 0..3 {
        api.create(&api.root, &json!({"name": format!("t{n}")}));
    }
    let page = api.call("GET", "/api/v1/tokens?limit=1", &api.root).json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, other) = api.token_of(&api.user("alice"), &["*"]);
    let mut flipped = cursor.to_owned();
    flipped.replace_range(30..31, if &cursor[30..31] == "A" { "B" } else { "A" });
    for (query, token) in [
        (format!("limit=1&cursor={cursor}&sort=name"), &api.root),
        (format!("limit=1&cursor={cursor}&status=active"), &api.root),
        (format!("limit=1&cursor={cursor}"), &other),
        (format!("cursor={flipped}"), &api.root),
        ("cursor=x".to_owned(), &api.root),
        ("cursor=".to_owned(), &api.root),
        (format!("cursor={}", "A".repeat(1025)), &api.root),
    ] {
        let problem =
            api.call("GET", &format!("/api/v1/tokens?{query}"), token).is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/cursor", "{query}");
    }
    assert_eq!(api.call("GET", &format!("/api/v1/tokens?limit=2&cursor={cursor}"), &api.root).status, 200);
});

each_backend!(filters_and_orders_are_parsed_strictly, |db| {
    let api = Api::new(db);
    api.create(&api.root, &json!({"name": "b_100%", "scopes": ["x:read"]}));
    api.create(&api.root, &json!({"name": "a"}));
    let names = |query: &str| {
        let page = api.call("GET", &format!("/api/v1/tokens?{query}"), &api.root).json();
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("sort=name"), ["a", "b_100%", "bootstrap"]);
    assert_eq!(names("sort=-name&limit=1"), ["bootstrap"]);
    assert_eq!(names("search=0%25"), ["b_100%"]);
    assert_eq!(names("scope=x:read"), ["b_100%"]);
    assert!(names("status=revoked").is_empty());
    assert_eq!(names("unused_since=2030-01-01T00:00:00Z").len(), 3);
    assert!(names("expires_before=2020-01-01T00:00:00Z").is_empty());
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "status=dead",
        "status=",
        "sort=secret_hash",
        "sort=",
        "unused_since=yesterday",
        "scope=X",
        "unknown=1",
        "limit=1&limit=2",
        "secret_hash=x",
    ] {
        api.call("GET", &format!("/api/v1/tokens?{query}"), &api.root).is_problem(422, "validation_failed");
    }
    let two =
        api.call("GET", "/api/v1/tokens?limit=0&sort=x", &api.root).is_problem(422, "validation_failed");
    assert_eq!(two["errors"].as_array().unwrap().len(), 2);
});

each_backend!(a_token_is_found_by_its_shown_parts_and_by_its_complete_text, |db| {
    let api = Api::new(db);
    for name in ["a", "b"] {
        api.create(&api.root, &json!({"name": name}));
    }
    let (created, text) = api.create(&api.root, &json!({"name": "wanted"}));
    let shown = |name: &str| created[name].as_str().unwrap();
    let (prefix, suffix) = (shown("token_prefix"), shown("token_suffix"));
    let found = |path: &str, search: &str| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("search", search).finish();
        let page = api.call("GET", &format!("{path}?{query}"), &api.root).json();
        let names = page["data"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let wrong_end = format!("{prefix}\u{2026}{}", if suffix == "0000" { "1111" } else { "0000" });
    for path in ["/api/v1/tokens", "/api/v1/admin/tokens"] {
        for search in [
            prefix,
            &prefix[..prefix.len() - 2],
            suffix,
            &format!("{prefix}\u{2026}{suffix}"),
            &format!("{prefix}...{suffix}"),
            &format!("{prefix}\u{2026}"),
            &format!("\u{2026}{suffix}"),
            &text,
            &format!("Bearer {text}"),
            &text[..60],
        ] {
            assert!(found(path, search).contains(&"wanted".to_owned()), "{search}");
        }
        assert_eq!(found(path, &text), ["wanted"]);
        assert!(found(path, &wrong_end).is_empty());
        assert_eq!(found(path, "\u{2026}").len(), 0, "a name without it");
    }
    // The cursor contains the search in sealed form and continues with the same text.
    let first = api.call("GET", &format!("/api/v1/tokens?limit=1&search={}", &prefix[..4]), &api.root).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = format!("/api/v1/tokens?limit=1&search={}&cursor={cursor}", &prefix[..4]);
    assert_eq!(api.call("GET", &next, &api.root).status, 200);
});

each_backend!(a_user_cannot_read_or_change_the_tokens_of_another_user, |db| {
    let api = Api::new(db);
    let (_, alice) = api.token_of(&api.user("alice"), &["*"]);
    let (theirs, their_text) = api.token_of(&api.user("bob"), &["*"]);
    assert_eq!(api.call("GET", "/api/v1/tokens", &alice).json()["total"], 1);
    let random = "01900000-0000-7000-8000-000000000000";
    for (method, body) in [("GET", None), ("PATCH", Some(json!({"name": "mine"}))), ("DELETE", None)] {
        let ask = |id: &str| {
            let path = format!("/api/v1/tokens/{id}");
            let mut request =
                crate::api::request(method, &path, &alice).insert_header(("x-request-id", "same"));
            if let Some(body) = &body {
                request =
                    request.insert_header(("content-type", "application/json")).set_payload(body.to_string());
            }
            let response = api.send(request);
            response.is_problem(404, "not_found");
            response.body
        };
        assert_eq!(ask(&theirs), ask(random), "{method}");
        assert_eq!(ask("not-an-id"), ask(random), "{method}");
    }
    assert_eq!(api.call("GET", "/api/v1/me", &their_text).status, 200);
});
