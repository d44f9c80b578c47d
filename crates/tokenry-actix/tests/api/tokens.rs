//! Create, show, update and revoke tokens.

use serde_json::{Value, json};
use tokenry_actix::tokenry::Limits;
use tokenry_testkit::each_backend;

use crate::api::{Api, request};

each_backend!(a_token_is_created_used_and_revoked, |db| {
    let api = Api::new(db);
    let response = api.json(
        "POST",
        "/api/v1/tokens",
        &api.root,
        &json!({"name": "ci", "description": "the pipeline", "scopes": ["projects:read", "tokens:write"],
                "metadata": {"team": {"name": "core"}}, "allowed_ips": ["192.0.2.0/24"]}),
    );
    assert_eq!((response.status, response.header("cache-control")), (201, "no-store"));
    let created = response.json();
    let (id, text) = (created["id"].as_str().unwrap(), created["token"].as_str().unwrap());
    assert_eq!(response.header("location"), format!("/api/v1/tokens/{id}"));
    assert_eq!(text.len(), "pat_".len() + 61);
    assert_eq!(created["token_prefix"], text[..16]);
    assert_eq!(created["token_suffix"], text[text.len() - 4..]);

    let own = api.call("GET", "/api/v1/token", text).json();
    let mut expected = created.clone();
    expected.as_object_mut().unwrap().remove("token");
    assert_eq!(own, expected);
    assert_eq!(api.call("GET", &format!("/api/v1/tokens/{id}"), text).json(), expected);

    assert_eq!(
        api.call("DELETE", &format!("/api/v1/tokens/{id}?reason=lost%20laptop"), &api.root).status,
        204
    );
    assert_eq!(api.call("DELETE", &format!("/api/v1/tokens/{id}"), &api.root).status, 204);
    api.call("GET", "/api/v1/token", text).is_problem(401, "revoked_token");
    let shown = api.call("GET", &format!("/api/v1/tokens/{id}"), &api.root).json();
    assert_eq!((&shown["status"], &shown["revoked_reason"]), (&json!("revoked"), &json!("lost laptop")));
    assert!(shown["revoked_by"].as_str().unwrap().starts_with("token:"));
});

each_backend!(a_token_has_every_attribute_and_absent_ones_are_null, |db| {
    let api = Api::new(db);
    let (created, _) = api.create(&api.root, &json!({"name": "bare"}));
    let mut shown =
        api.call("GET", &format!("/api/v1/tokens/{}", created["id"].as_str().unwrap()), &api.root).json();
    for (name, length) in
        [("id", 36), ("user_id", 36), ("created_at", 24), ("updated_at", 24), ("expires_at", 24)]
    {
        assert_eq!(shown[name].as_str().unwrap().len(), length, "{name}");
        shown[name] = json!("…");
    }
    (shown["token_prefix"], shown["token_suffix"]) = (json!("…"), json!("…"));
    insta::assert_json_snapshot!(shown, @r#"
    {
      "allowed_ips": [],
      "created_at": "…",
      "description": null,
      "effective_scopes": [],
      "expires_at": "…",
      "id": "…",
      "last_used_at": null,
      "last_used_ip": null,
      "metadata": {},
      "name": "bare",
      "not_before": null,
      "revoked_at": null,
      "revoked_by": null,
      "revoked_reason": null,
      "scopes": [],
      "status": "active",
      "token_prefix": "…",
      "token_suffix": "…",
      "updated_at": "…",
      "user_id": "…",
      "version": 1
    }
    "#);
});

each_backend!(a_patch_changes_only_the_fields_it_contains, |db| {
    let api = Api::new(db);
    let (created, text) =
        api.create(&api.root, &json!({"name": "a", "description": "b", "scopes": ["x:write"]}));
    let path = format!("/api/v1/tokens/{}", created["id"].as_str().unwrap());
    let changed = api.json(
        "PATCH",
        &path,
        &api.root,
        &json!({"name": "c", "scopes": ["x:read"], "metadata": {"k": 1}}),
    );
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    let changed = changed.json();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("c"), &json!("b")));
    assert_eq!((&changed["scopes"], &changed["metadata"]), (&json!(["x:read"]), &json!({"k": 1})));
    let removed = api.json("PATCH", &path, &api.root, &json!({"description": null})).json();
    assert_eq!((&removed["description"], &removed["name"]), (&Value::Null, &json!("c")));

    let paused = api.json("PATCH", &path, &api.root, &json!({"status": "inactive"})).json();
    assert_eq!(paused["status"], "inactive");
    api.call("GET", "/api/v1/me", &text).is_problem(401, "inactive_token");
    assert_eq!(api.json("PATCH", &path, &api.root, &json!({"status": "active"})).json()["status"], "active");
    assert_eq!(api.call("GET", "/api/v1/me", &text).status, 200);

    assert_eq!(api.json("PATCH", &path, &api.root, &json!({})).json()["version"], 5);
    api.call("DELETE", &path, &api.root);
    api.json("PATCH", &path, &api.root, &json!({"name": "d"})).is_problem(409, "conflict");
});

each_backend!(a_patch_of_another_version_is_a_conflict, |db| {
    let api = Api::new(db);
    let (created, _) = api.create(&api.root, &json!({"name": "a"}));
    let path = format!("/api/v1/tokens/{}", created["id"].as_str().unwrap());
    let patch = |if_match: &[&str]| {
        let mut patch =
            request("PATCH", &path, &api.root).insert_header(("content-type", "application/json"));
        for value in if_match {
            patch = patch.append_header(("if-match", *value));
        }
        api.send(patch.set_payload(r#"{"metadata":{}}"#))
    };
    for current in [
        &["\"1\""][..],
        &["*"],
        &[],
        &["\"1\","],
        &["\"7\", \"1\""],
        &["\"1\"", "\"1\""],
        &["W/\"2\"", "\"1\""],
    ] {
        assert_eq!(patch(current).status, 200, "{current:?}");
    }
    for other in [
        "\"2\"",
        "\"0\"",
        "\"01\"",
        "\"+1\"",
        "W/\"1\"",
        "\"2\", \"3\"",
        "\"x\"",
        "\"\"",
        "\"99999999999999999999\"",
    ] {
        patch(&[other]).is_problem(409, "conflict");
    }
    for broken in [&["1"][..], &["\"1"], &["\"1\" \"2\""], &["*", "\"1\""], &[""]] {
        patch(broken).is_problem(400, "invalid_request");
    }
});

each_backend!(malformed_bodies_are_rejected_with_their_own_code_and_change_nothing, |db| {
    let api = Api::new(db);
    let total = || api.call("GET", "/api/v1/tokens", &api.root).json()["total"].clone();
    let before = total();
    let many: Vec<_> = (0..33).map(|n| format!("r{n}:read")).collect();
    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "x".repeat(101)}), "/name"),
        (json!({"name": "a\nb"}), "/name"),
        (json!({"name": "a\u{0}"}), "/name"),
        (json!({"name": 5}), "/name"),
        (json!({"name": null}), "/name"),
        (json!({"name": "a", "user_id": "x"}), "/user_id"),
        (json!({"name": "a", "id": "x"}), "/id"),
        (json!({"name": "a", "last_used_at": null}), "/last_used_at"),
        (json!({"name": "a", "description": "x".repeat(501)}), "/description"),
        (json!({"name": "a", "scopes": "x:read"}), "/scopes"),
        (json!({"name": "a", "scopes": ["x:read", 5]}), "/scopes/1"),
        (json!({"name": "a", "scopes": ["x:read", "x:owner"]}), "/scopes/1"),
        (json!({"name": "a", "scopes": ["nonsense"]}), "/scopes/0"),
        (json!({"name": "a", "scopes": many}), "/scopes"),
        (json!({"name": "a", "expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"name": "a", "expires_at": "tomorrow"}), "/expires_at"),
        (json!({"name": "a", "expires_at": null}), "/expires_at"),
        (json!({"name": "a", "expires_in_days": 0}), "/expires_at"),
        (json!({"name": "a", "expires_in_days": 366}), "/expires_at"),
        (json!({"name": "a", "expires_in_days": 4_294_967_295_u32}), "/expires_at"),
        (json!({"name": "a", "expires_in_days": -1}), "/expires_in_days"),
        (
            json!({"name": "a", "expires_in_days": 1, "expires_at": "2030-01-01T00:00:00Z"}),
            "/expires_in_days",
        ),
        (json!({"name": "a", "not_before": "x"}), "/not_before"),
        (json!({"name": "a", "not_before": "9999-01-01T00:00:00Z"}), "/not_before"),
        (json!({"name": "a", "allowed_ips": ["1.2.3.4", "x"]}), "/allowed_ips/1"),
        (json!({"name": "a", "allowed_ips": vec!["::1"; 33]}), "/allowed_ips"),
        (json!({"name": "a", "metadata": []}), "/metadata"),
        (json!({"name": "a", "metadata": {"k": "x".repeat(4096)}}), "/metadata"),
        (json!({"name": "a", "metadata": {"k": "\u{0}"}}), "/metadata"),
        (json!([]), ""),
    ] {
        let problem =
            api.json("POST", "/api/v1/tokens", &api.root, &body).is_problem(422, "validation_failed");
        let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| &e["pointer"]).collect();
        assert_eq!(pointers, [pointer], "{body}");
    }
    for body in [
        "",
        "{",
        "{\"name\":\"a\"",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"name\":\"a\"} x",
        "nul",
        "{\"name\":\"a\",\"metadata\":{\"x\":{\"k\":1,\"\\u006b\":2}}}",
    ] {
        api.raw("POST", "/api/v1/tokens", &api.root, body).is_problem(400, "malformed_json");
    }
    let deep = format!("{{\"name\":\"a\",\"metadata\":{}1{}}}", "{\"a\":".repeat(60), "}".repeat(60));
    api.raw("POST", "/api/v1/tokens", &api.root, deep).is_problem(400, "malformed_json");
    api.raw("POST", "/api/v1/tokens", &api.root, "[".repeat(16_000)).is_problem(400, "malformed_json");
    api.raw("POST", "/api/v1/tokens", &api.root, b"{\"name\":\"\xff\"}".to_vec())
        .is_problem(400, "malformed_json");
    api.raw("POST", "/api/v1/tokens", &api.root, " ".repeat(16_385)).is_problem(413, "payload_too_large");
    let typeless = request("POST", "/api/v1/tokens", &api.root).set_payload("{\"name\":\"a\"}");
    api.send(typeless).is_problem(415, "unsupported_media_type");
    assert_eq!(total(), before);
});

each_backend!(several_errors_are_reported_together, |db| {
    let api = Api::new(db);
    let body = json!({"name": "", "scopes": ["a:read", "x"], "allowed_ips": ["y"], "expires_in_days": 999});
    let problem = api.json("POST", "/api/v1/tokens", &api.root, &body).is_problem(422, "validation_failed");
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/name", "/scopes/1", "/expires_at", "/allowed_ips/0"]);
});

each_backend!(each_limit_has_its_own_error_code, |db| {
    let api = Api::with_limits(
        db,
        Limits::default().with_max_live_tokens(Some(2)).with_creations_per_hour(Some(2)),
    );
    let create = || api.json("POST", "/api/v1/tokens", &api.root, &json!({"name": "n"}));
    let first = create();
    assert_eq!(first.status, 201);
    create().is_problem(409, "token_limit_reached");
    api.call("DELETE", first.header("location"), &api.root);
    let second = create();
    assert_eq!(second.status, 201);
    api.call("DELETE", second.header("location"), &api.root);
    // The seeded token is not counted.
    let rejected = create();
    rejected.is_problem(429, "rate_limited");
    let seconds: u64 = rejected.header("retry-after").parse().unwrap();
    assert!((3590..=3601).contains(&seconds), "{seconds}");
    assert_eq!(rejected.header("ratelimit-policy"), "\"creations\";q=2;w=3600");
    let limits = &api.call("GET", "/api/v1/me", &api.root).json()["limits"];
    assert_eq!(
        (&limits["max_tokens"], &limits["live_tokens"], &limits["creations_left"]),
        (&json!(2), &json!(1), &json!(0))
    );
});

each_backend!(a_token_cannot_grant_scopes_that_it_lacks, |db| {
    let api = Api::new(db);
    let (_, weak) = api.create(&api.root, &json!({"name": "weak", "scopes": ["tokens:write", "a:read"]}));
    let create = |body: Value| api.json("POST", "/api/v1/tokens", &weak, &body);
    assert_eq!(create(json!({"name": "same", "scopes": ["a:read"]})).status, 201);
    let rejected = create(json!({"name": "more", "scopes": ["a:write"]}));
    rejected.is_problem(403, "insufficient_scope");
    let challenge = rejected.header("www-authenticate");
    assert!(challenge.starts_with("Bearer error=\"insufficient_scope\", scope=\"a:write\", "), "{challenge}");
    let later = create(json!({"name": "longer", "expires_in_days": 30}));
    assert_eq!(later.is_problem(403, "forbidden")["errors"][0]["pointer"], "/expires_at");
});
