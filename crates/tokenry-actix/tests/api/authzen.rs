//! The Authorization API 1.0 (OpenID AuthZEN).

use serde_json::{Value, json};
use tokenry_actix::tokenry::NewToken;
use tokenry_testkit::each_backend;

use crate::{
    api::{Api, request},
    forward,
};

const ONE: &str = "/access/v1/evaluation";
const MANY: &str = "/access/v1/evaluations";

fn question(token: &str, action: &str, kind: &str, id: &str) -> Value {
    json!({
        "subject": {"type": "token", "id": token},
        "action": {"name": action},
        "resource": {"type": kind, "id": id},
    })
}

fn ask(api: &Api, path: &str, body: &Value) -> Value {
    let response = api.json("POST", path, &api.root, body);
    assert_eq!((response.status, response.header("cache-control")), (200, "no-store"), "{}", response.body);
    response.json()
}

each_backend!(a_decision_has_the_owner_or_the_reason, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, text) = api.token_of(&alice, &["a:write"]);
    let permitted = ask(&api, ONE, &question(&text, "read", "a", "42"));
    let user = json!({"id": alice.id.to_string(), "subject": "alice", "role": "user"});
    assert_eq!(permitted, json!({"decision": true, "context": {"token_id": id, "user": user}}));
    for (kind, action, missing) in
        [("b", "read", "b:read"), ("a", "admin", "a:admin"), ("x", "read", "x:read")]
    {
        let denied = ask(&api, ONE, &question(&text, action, kind, "42"));
        let context = json!({"code": "insufficient_scope", "missing_scopes": [missing]});
        assert_eq!(denied, json!({"decision": false, "context": context}));
    }
    let unknown = ask(&api, ONE, &question("pat_x", "read", "a", "42"));
    assert_eq!(unknown, json!({"decision": false, "context": {"code": "invalid_token"}}));
    let with_properties = json!({
        "subject": {"type": "token", "id": text, "properties": {"department": "sales"}},
        "action": {"name": "read", "properties": {"method": "GET"}},
        "resource": {"type": "a", "id": "42", "properties": {"owner": "bob"}},
        "context": {"time": "1985-10-26T01:22-07:00"},
    });
    assert_eq!(ask(&api, ONE, &with_properties)["decision"], true);
});

each_backend!(a_token_for_some_addresses_needs_the_address_in_the_context, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let new = NewToken::new("bound")
        .with_scopes(vec!["a:read".to_owned()])
        .with_allowed_ips(vec!["192.0.2.0/24".to_owned()]);
    let issued = api.tokenry.issue_token(&api.operator(), alice.id, new).unwrap();
    let mut asked = question(&issued.secret.reveal_once(), "read", "a", "1");
    assert_eq!(ask(&api, ONE, &asked)["context"]["code"], "ip_not_allowed");
    for (ip, decision) in [("192.0.2.7", true), ("::ffff:192.0.2.7", true), ("198.51.100.1", false)] {
        asked["context"] = json!({"ip": ip});
        assert_eq!(ask(&api, ONE, &asked)["decision"], decision, "{ip}");
    }
    for ip in [json!("localhost"), json!(7), json!(null), json!(["192.0.2.7"])] {
        asked["context"] = json!({"ip": ip});
        api.json("POST", ONE, &api.root, &asked).is_problem(400, "invalid_request");
    }
});

each_backend!(the_routes_of_the_catalog_decide_about_a_route, |db| {
    let api =
        Api::with(db, |settings| settings.catalog = forward::routes("a"), forward::trusting("192.0.2.1"));
    let alice = api.user("alice");
    let (_, reader) = api.token_of(&alice, &["a:read"]);
    for (method, path, code) in [
        ("GET", "/demo/x", ""),
        ("GET", "/demo/x?a=b", ""),
        ("POST", "/demo/x", "insufficient_scope"),
        ("GET", "/elsewhere", "forbidden"),
    ] {
        let answer = ask(&api, ONE, &question(&reader, method, "route", path));
        assert_eq!(answer["decision"], code.is_empty(), "{method} {path}");
        assert_eq!(answer["context"]["code"].as_str().unwrap_or_default(), code, "{method} {path}");
    }
    for (method, path) in [("get", "/demo/x"), ("read", "/demo/x"), ("GET", "/demo/../x"), ("GET", "demo")] {
        let asked = question(&reader, method, "route", path);
        api.json("POST", ONE, &api.root, &asked).is_problem(400, "invalid_request");
    }
    // Its route never accepts a token, but only its holder hears that it exists.
    let unknown = ask(&api, ONE, &question("pat_x", "GET", "route", "/elsewhere"));
    assert_eq!(unknown["context"]["code"], "invalid_token");
});

each_backend!(many_questions_have_defaults_and_an_end, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (_, text) = api.token_of(&alice, &["a:read"]);
    let (_, other) = api.token_of(&alice, &["b:read"]);
    let all = json!({
        "subject": {"type": "token", "id": text},
        "action": {"name": "read"},
        "evaluations": [
            {"resource": {"type": "a", "id": "1"}},
            {"resource": {"type": "b", "id": "1"}},
            {"resource": {"type": "b", "id": "1"}, "subject": {"type": "token", "id": other}},
            {"resource": {"type": "a", "id": "1"}, "action": {"name": "write"}},
            {},
            {"resource": {"type": "a", "id": "1"}, "subject": {"type": "user", "id": "alice"}},
        ],
    });
    let decisions = |body: &Value| {
        let answers = ask(&api, MANY, body)["evaluations"].clone();
        answers.as_array().unwrap().iter().map(|answer| answer["decision"] == true).collect::<Vec<_>>()
    };
    assert_eq!(decisions(&all), [true, false, true, false, false, false]);
    let answers = ask(&api, MANY, &all);
    assert_eq!(
        answers["evaluations"][4],
        json!({"decision": false, "context": {"error": {"status": 400, "message": "resource: is missing."}}})
    );
    for (semantic, expected) in [
        ("execute_all", vec![true, false, true, false, false, false]),
        ("deny_on_first_deny", vec![true, false]),
        ("permit_on_first_permit", vec![true]),
    ] {
        let mut body = all.clone();
        body["options"] = json!({"evaluations_semantic": semantic});
        assert_eq!(decisions(&body), expected, "{semantic}");
    }
    // Without questions the request is one.
    let single = question(&text, "read", "a", "1");
    let mut empty = single.clone();
    empty["evaluations"] = json!([]);
    for body in [single, empty] {
        assert_eq!(ask(&api, MANY, &body)["decision"], true);
    }
    let mut most = json!({"subject": {"type": "token", "id": text}, "action": {"name": "read"}});
    most["evaluations"] = json!(vec![json!({"resource": {"type": "a", "id": "1"}}); 100]);
    assert_eq!(decisions(&most), vec![true; 100]);
    most["evaluations"].as_array_mut().unwrap().push(json!({"resource": {"type": "a", "id": "1"}}));
    api.json("POST", MANY, &api.root, &most).is_problem(400, "invalid_request");
});

each_backend!(a_request_that_is_no_question_is_invalid, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &["a:read"]);
    let good = question(&text, "read", "a", "1");
    let without = |name: &str| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for path in [ONE, MANY] {
        for body in [
            json!({}),
            json!([]),
            without("subject"),
            without("action"),
            without("resource"),
            with("subject", json!("alice")),
            with("subject", json!({"type": "token"})),
            with("subject", json!({"id": text})),
            with("subject", json!({"type": "user", "id": "alice"})),
            with("subject", json!({"type": "token", "id": 7})),
            with("action", json!({})),
            with("action", json!({"name": ""})),
            with("action", json!({"name": "can read"})),
            with("resource", json!({"type": "a"})),
            with("resource", json!({"type": "A", "id": "1"})),
            with("resource", json!({"type": "a:b", "id": "1"})),
            with("context", json!("x")),
            with("user_id", json!("x")),
        ] {
            let response = api.json("POST", path, &api.root, &body);
            response.is_problem(400, "invalid_request");
            assert!(!response.body.contains(&text), "{}", response.body);
        }
    }
    let semantic = with("options", json!({"evaluations_semantic": "any"}));
    api.json("POST", MANY, &api.root, &semantic).is_problem(400, "invalid_request");
    let form =
        request("POST", ONE, &api.root).insert_header(("content-type", "text/plain")).set_payload("{}");
    api.send(form).is_problem(415, "unsupported_media_type");
});

each_backend!(an_evaluation_counts_as_a_use_of_the_token, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, text) = api.token_of(&alice, &["a:read"]);
    for (kind, action) in [("a", "read"), ("b", "read")] {
        ask(&api, ONE, &question(&text, action, kind, "1"));
    }
    api.tokenry.flush().unwrap();
    let (path, reader) = (format!("/api/v1/tokens/{id}/usage"), api.token_of(&alice, &["tokens:read"]).1);
    let rows = api.call("GET", &path, &reader).json()["data"].clone();
    let mut seen: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["method"].as_str().unwrap(), row["route"].as_str().unwrap(), row["status"].clone()))
        .collect();
    seen.sort_by_key(|row| row.1);
    assert_eq!(seen, [("read", "a", json!(200)), ("read", "b", json!(403))]);
});

each_backend!(the_metadata_names_the_endpoints, |db| {
    let api = Api::new(db);
    let path = "/.well-known/authzen-configuration";
    let asked = || request("GET", path, "").insert_header(("host", "tokens.test:8443"));
    let base = "http://tokens.test:8443";
    assert_eq!(
        api.send(asked()).json(),
        json!({
            "policy_decision_point": base,
            "access_evaluation_endpoint": format!("{base}{ONE}"),
            "access_evaluations_endpoint": format!("{base}{MANY}"),
        })
    );
    api.send(asked().insert_header(("x-forwarded-proto", "https"))).is_problem(403, "forbidden");
});
