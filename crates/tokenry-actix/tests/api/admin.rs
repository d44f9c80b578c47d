//! Users, inventory, audit log and the scope catalog.

use serde_json::{Value, json};
use tokenry_actix::{
    HttpSettings,
    tokenry::{
        Catalog,
        catalog::{Definition, GroupDefinition, ResourceDefinition, RoleDefinition},
    },
};
use tokenry_testkit::each_backend;

use crate::{api::Api, jwt};

each_backend!(a_user_is_created_shown_updated_and_deleted, |db| {
    let api = Api::new(db);
    let body = json!({"subject": "carol", "name": "Carol", "role": "user"});
    let response = api.json("POST", "/api/v1/users", &api.root, &body);
    assert_eq!(response.status, 201, "{}", response.body);
    let user = response.json();
    let path = response.header("location").to_owned();
    assert_eq!(path, format!("/api/v1/users/{}", user["id"].as_str().unwrap()));
    for (name, value) in
        [("subject", json!("carol")), ("disabled", json!(false)), ("disabled_at", Value::Null)]
    {
        assert_eq!(user[name], value);
    }
    api.json("POST", "/api/v1/users", &api.root, &body).is_problem(409, "conflict");
    assert_eq!(api.call("GET", &path, &api.root).json(), user);
    let changed = api.json("PATCH", &path, &api.root, &json!({"role": "admin", "disabled": true})).json();
    assert_eq!((&changed["role"], &changed["disabled"]), (&json!("admin"), &json!(true)));
    assert!(changed["disabled_at"].is_string());
    for (body, pointer) in [
        (json!({"role": "emperor"}), "/role"),
        (json!({"name": ""}), "/name"),
        (json!({"subject": ""}), "/subject"),
        (json!({"disabled": null}), "/disabled"),
        (json!({"id": "x"}), "/id"),
    ] {
        let problem = api.json("PATCH", &path, &api.root, &body).is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let listed = api.call("GET", "/api/v1/users?search=CAR&limit=1", &api.root).json();
    assert_eq!((&listed["total"], &listed["data"][0]["subject"]), (&json!(1), &json!("carol")));
    assert_eq!(api.call("DELETE", &path, &api.root).status, 204);
    api.call("GET", &path, &api.root).is_problem(404, "not_found");
});

each_backend!(all_tokens_of_a_user_are_listed_and_revoked_together, |db| {
    let api = Api::new(db);
    let carol = api.user("carol");
    let texts: Vec<_> = (0..3).map(|_| api.token_of(&carol, &["a:read"]).1).collect();
    let path = format!("/api/v1/users/{}", carol.id);
    assert_eq!(api.call("GET", &format!("{path}/tokens"), &api.root).json()["total"], 3);
    let body = json!({"reason": "left the company"});
    let response = api.json("POST", &format!("{path}/revoke-tokens"), &api.root, &body);
    assert_eq!(response.json(), json!({"revoked": 3}));
    for text in texts {
        api.call("GET", "/api/v1/token", &text).is_problem(401, "revoked_token");
    }
    let revoked = api.call("GET", &format!("{path}/tokens?status=revoked"), &api.root).json();
    assert_eq!(revoked["data"][0]["revoked_reason"], "left the company");
    assert_eq!(api.call("POST", &format!("{path}/revoke-tokens"), &api.root).json(), json!({"revoked": 0}));
});

each_backend!(the_inventory_shows_the_risks_of_each_token, |db| {
    let api = Api::new(db);
    let carol = api.user("carol");
    api.token_of(&carol, &["*"]);
    let (_, used) = api.token_of(&carol, &["a:read"]);
    let all = api.call("GET", "/api/v1/admin/tokens?sort=created_at", &api.root).json();
    assert_eq!(all["total"], 3);
    let of = |page: &Value, index: usize| {
        (page["data"][index]["subject"].clone(), page["data"][index]["risks"].clone())
    };
    assert_eq!(of(&all, 1), (json!("carol"), json!(["never_used", "full_access"])));
    let path = format!("/api/v1/admin/tokens?risk=full_access&user_id={}", carol.id);
    assert_eq!(api.call("GET", &path, &api.root).json()["total"], 1);
    api.call("GET", "/api/v1/admin/tokens?risk=evil", &api.root).is_problem(422, "validation_failed");
    api.call("GET", "/api/v1/admin/tokens?user_id=x", &api.root).is_problem(422, "validation_failed");
    let nobody = "/api/v1/admin/tokens?user_id=01900000-0000-7000-8000-000000000000";
    api.call("GET", nobody, &api.root).is_problem(422, "validation_failed");
    let _ = used;
});

each_backend!(the_audit_log_is_listed_newest_first_in_pages, |db| {
    let api = Api::new(db);
    let carol = api.user("carol");
    for _ in 0..5 {
        api.token_of(&carol, &[]);
    }
    let mut seqs = Vec::new();
    let mut path = format!("/api/v1/audit?user_id={}&limit=2", carol.id);
    loop {
        let page = api.call("GET", &path, &api.root).json();
        let entries = page["data"].as_array().unwrap();
        seqs.extend(entries.iter().map(|entry| entry["seq"].as_i64().unwrap()));
        assert!(entries.iter().all(|entry| entry["hash"].as_str().unwrap().len() == 64));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/audit?user_id={}&limit=2&cursor={cursor}", carol.id),
            None => break,
        }
    }
    assert_eq!(seqs.len(), 6);
    assert!(seqs.windows(2).all(|pair| pair[0] > pair[1]));
    let created = api.call("GET", "/api/v1/audit?kind=auth.token.created", &api.root).json();
    assert_eq!(created["data"].as_array().unwrap().len(), 5);
    assert_eq!(created["data"][0]["actor"], "operator");
    api.call("GET", "/api/v1/audit?kind=nothing", &api.root).is_problem(422, "validation_failed");
    api.call("GET", "/api/v1/audit?cursor=x", &api.root).is_problem(422, "validation_failed");
});

each_backend!(the_chain_of_the_audit_log_is_checked_for_administrators, |db| {
    let api = Api::new(db);
    api.user("carol");
    let check = || {
        let mut shown = api.call("GET", "/api/v1/audit/chain", &api.root).json();
        assert!(shown["checked_at"].take().as_str().unwrap().ends_with('Z'));
        shown
    };
    let whole = json!({"intact": true, "events": 3, "broken_at": null, "reason": null, "checked_at": null});
    assert_eq!(check(), whole);
    db.store()
        .write(|tx| {
            let mut event = tokenry_store::audit::list(tx, 0, 1)?.remove(0).event;
            event.detail.clear();
            tokenry_store::audit::append(tx, &event, |_, _| [7; 32])
        })
        .unwrap();
    api.user("dave");
    insta::assert_json_snapshot!(check(), @r#"
    {
      "broken_at": 4,
      "checked_at": null,
      "events": 5,
      "intact": false,
      "reason": "the entry or the one before it was changed"
    }
    "#);
    api.call("GET", "/api/v1/audit/chain?from=1", &api.root).is_problem(422, "validation_failed");
});

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

each_backend!(the_catalog_shows_what_the_caller_can_grant, |db| {
    let definition = Definition::default()
        .with_resources(vec![
            ResourceDefinition::new("repos")
                .with_description("<b>Repositories</b>".to_owned())
                .with_levels(texts(&["read", "write"])),
        ])
        .with_groups(vec![
            GroupDefinition::new("Code")
                .with_description("What is written".to_owned())
                .with_resources(texts(&["repos"])),
        ])
        .with_roles(vec![
            RoleDefinition::new("user", texts(&["repos:write", "tokens:write"])),
            RoleDefinition::new("admin", texts(&["*"])),
        ])
        .with_default_scopes(texts(&["repos:read"]));
    let catalog = Catalog::define(&definition).unwrap();
    let api = Api::with(db, |settings| settings.catalog = catalog, HttpSettings::default());
    let grantable = |credential: &str| -> Vec<String> {
        let shown = api.call("GET", "/api/v1/scopes", credential).json();
        let resources = shown["groups"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|group| group["resources"].as_array().unwrap());
        let levels: Vec<Value> =
            resources.flat_map(|resource| resource["levels"].as_array().unwrap().clone()).collect();
        let all = levels.iter().chain(shown["general"].as_array().unwrap());
        let mut granted: Vec<String> = all
            .filter(|scope| scope["grantable"] == true)
            .map(|scope| scope["scope"].as_str().unwrap().to_owned())
            .collect();
        granted.sort();
        granted
    };
    let user = ["*", "repos:read", "repos:write", "tokens:read", "tokens:write"];
    assert_eq!(grantable(&jwt::of("alice", "user")), user);
    assert_eq!(grantable(&jwt::of("root", "admin")).len(), 10);
    let (_, reader) = api.token_of(&api.user("alice"), &["repos:read", "tokens:write"]);
    assert_eq!(grantable(&reader), ["repos:read", "tokens:read", "tokens:write"]);
    let shown = api.call("GET", "/api/v1/scopes", &reader).json();
    assert_eq!((&shown["open"], &shown["default_scopes"]), (&json!(false), &json!(["repos:read"])));
    assert_eq!(shown["groups"][0]["name"], "Code");
    let (created, _) = api.create(&reader, &json!({"name": "default"}));
    assert_eq!(created["scopes"], json!(["repos:read"]));
    let (created, _) = api.create(&reader, &json!({"name": "none", "scopes": []}));
    assert_eq!(created["effective_scopes"], json!([]));
    let unknown = json!({"name": "x", "scopes": ["wiki:read"]});
    api.json("POST", "/api/v1/tokens", &reader, &unknown).is_problem(422, "validation_failed");
});

each_backend!(a_jwt_manages_tokens_but_is_not_a_token, |db| {
    let api = Api::new(db);
    let alice = jwt::of("alice", "user");
    let me = api.call("GET", "/api/v1/me", &alice).json();
    assert_eq!(
        (&me["credential"], &me["subject"], &me["role"]),
        (&json!("jwt"), &json!("alice"), &json!("user"))
    );
    let (_, text) = api.create(&alice, &json!({"name": "ci", "scopes": ["*"]}));
    assert_eq!(api.call("GET", "/api/v1/token", &text).status, 200);
    api.call("GET", "/api/v1/token", &alice).is_problem(403, "forbidden");
    let mut claims = jwt::claims("alice", "user");
    claims["exp"] = json!(1);
    api.call("GET", "/api/v1/me", &jwt::signed(&claims)).is_problem(401, "expired_token");
    claims["aud"] = json!("other");
    api.call("GET", "/api/v1/me", &jwt::signed(&claims)).is_problem(401, "invalid_token");
    api.call("GET", "/api/v1/me", &format!("{alice}x")).is_problem(401, "invalid_token");
    let mut long = jwt::claims("alice", "user");
    long["padding"] = json!("x".repeat(3000));
    assert_eq!(api.call("GET", "/api/v1/me", &jwt::signed(&long)).status, 200);
});
