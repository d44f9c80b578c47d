//! The forms of the token API for clients of an existing product: path, names of fields, PUT, pages by number, named
//! scopes and identity headers.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokenry_actix::{
    FIELDS, FieldNames, HttpSettings, IdentityHeaders, TokensApi, TokensPath, openapi, openapi_of,
    tokenry::{
        Catalog, Settings, UserChanges,
        catalog::{Definition, NamedDefinition, RoleDefinition},
    },
};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{
    api::{Api, from_page, named, request},
    jwt,
};

fn at(path: &str) -> TokensApi {
    TokensApi { path: TokensPath::new(path, &[]).unwrap(), ..TokensApi::default() }
}

fn with(db: &TestDatabase, tokens_api: TokensApi) -> Api {
    Api::with(db, |_| {}, HttpSettings::default().with_tokens_api(tokens_api))
}

/// A product with its own words for name, secret and list, and scopes as one text.
fn worded() -> TokensApi {
    let pairs = [("name", "label"), ("token", "raw_token"), ("scopes", "scope"), ("data", "items")];
    let pairs = pairs.map(|(field, name)| (field.to_owned(), name.to_owned()));
    TokensApi { fields: FieldNames::new(&pairs, true).unwrap(), ..TokensApi::default() }
}

each_backend!(only_the_configured_path_answers, |db| {
    let api = with(db, at("/users/me/api-tokens"));
    let answer = api.json("POST", "/users/me/api-tokens", &api.root, &json!({"name": "ci"}));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/users/me/api-tokens/{id}");
    assert_eq!(answer.header("location"), path);
    assert_eq!(api.call("GET", &path, &api.root).json()["name"], "ci");
    assert_eq!(api.call("GET", "/users/me/api-tokens", &api.root).json()["total"], 2);
    assert_eq!(api.json("PATCH", &path, &api.root, &json!({"name": "cd"})).json()["name"], "cd");
    for below in ["usage", "usage/summary", "events"] {
        assert_eq!(api.call("GET", &format!("{path}/{below}"), &api.root).status, 200, "{below}");
    }
    assert_eq!(api.call("POST", &format!("{path}/rotate"), &api.root).status, 200);
    assert_eq!(api.call("DELETE", &path, &api.root).status, 204);
    for gone in ["/api/v1/tokens".to_owned(), format!("/api/v1/tokens/{id}")] {
        api.call("GET", &gone, &api.root).is_problem(404, "not_found");
    }
    // The rest of the API stays, and a credential is still required.
    assert_eq!(api.call("GET", "/api/v1/me", &api.root).status, 200);
    assert_eq!(api.call("GET", "/api/v1/token", &api.root).status, 200);
    api.call("GET", "/users/me/api-tokens", "").is_problem(401, "authentication_required");
    assert_eq!(api.call("PUT", &path, &api.root).header("allow"), "GET, HEAD, PATCH, DELETE");
    let document = api.call("GET", "/openapi.json", "").json();
    assert!(document["paths"]["/users/me/api-tokens/{id}"]["patch"].is_object());
    assert!(document["paths"]["/api/v1/tokens"].is_null());
});

each_backend!(a_token_that_may_only_read_cannot_change_tokens_at_the_configured_path, |db| {
    let api = with(db, at("/api/tokens"));
    let (_, reader) = api.token_of(&api.user("alice"), &["tokens:read"]);
    assert_eq!(api.call("GET", "/api/tokens", &reader).status, 200);
    api.json("POST", "/api/tokens", &reader, &json!({"name": "x"})).is_problem(403, "insufficient_scope");
});

each_backend!(fields_have_the_configured_names_in_requests_responses_and_errors, |db| {
    let api = with(db, worded());
    let body = json!({"label": "nightly build", "scope": "a:read tokens:read", "metadata": {"name": "kept"}});
    let created = api.json("POST", "/api/v1/tokens", &api.root, &body);
    assert_eq!(created.status, 201, "{}", created.body);
    let created = created.json();
    assert_eq!(
        (&created["label"], &created["scope"]),
        (&json!("nightly build"), &json!("a:read tokens:read"))
    );
    assert_eq!(created["metadata"], json!({"name": "kept"}));
    assert!(created["name"].is_null() && created["token"].is_null() && created["scopes"].is_null());
    let text = created["raw_token"].as_str().unwrap().to_owned();
    // The rest of the API has its own names.
    assert_eq!(api.call("GET", "/api/v1/token", &text).json()["name"], "nightly build");
    let list = api.call("GET", "/api/v1/tokens?search=nightly", &api.root).json();
    assert_eq!(list["items"][0]["label"], "nightly build");
    assert_eq!(list["total"], 1);
    let path = format!("/api/v1/tokens/{}", created["id"].as_str().unwrap());
    let changed = api.json("PATCH", &path, &api.root, &json!({"label": "cd", "scope": "a:read"})).json();
    assert_eq!((&changed["label"], &changed["scope"]), (&json!("cd"), &json!("a:read")));
    let rotated = api.call("POST", &format!("{path}/rotate"), &api.root).json();
    assert!(rotated["raw_token"].is_string() && rotated["label"] == "cd");

    for (body, pointer) in [
        (json!({"label": ""}), "/label"),
        (json!({}), "/label"),
        (json!({"label": 1}), "/label"),
        (json!({"label": "a", "scope": "a:own"}), "/scope"),
        (json!({"label": "a", "scope": ["a:read"]}), "/scope"),
        (json!({"label": "a", "expires_at": "soon"}), "/expires_at"),
        (json!({"label": "a", "raw_token": "x"}), "/raw_token"),
        (json!({"name": "a"}), ""),
        (json!({"label": "a", "name": "b"}), ""),
    ] {
        let problem =
            api.json("POST", "/api/v1/tokens", &api.root, &body).is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body} {problem}");
    }
    let problem = api.call("GET", "/api/v1/tokens?status=x", &api.root).is_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/status");
});

#[test]
fn the_fields_with_a_name_are_those_of_the_schemas() {
    let document: Value = serde_json::from_str(openapi()).unwrap();
    let mut fields = BTreeSet::new();
    for schema in ["Token", "CreatedToken", "CreateToken", "UpdateToken", "RotateToken", "TokenPage"] {
        let schema = &document["components"]["schemas"][schema];
        let parts = schema["allOf"].as_array().cloned().unwrap_or_default();
        for part in parts.iter().chain([schema]) {
            fields.extend(part["properties"].as_object().into_iter().flat_map(|all| all.keys().cloned()));
        }
    }
    assert_eq!(fields, FIELDS.iter().map(ToString::to_string).collect());
}

#[test]
fn the_openapi_document_has_the_configured_path_names_and_methods() {
    let api = TokensApi { put_updates: true, path: TokensPath::new("/pats", &[]).unwrap(), ..worded() };
    let document: Value = serde_json::from_str(&openapi_of(&api)).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.keys().all(|path| !path.starts_with("/api/v1/tokens")));
    assert_eq!(paths["/pats/{id}"]["put"]["requestBody"], paths["/pats/{id}"]["patch"]["requestBody"]);
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["CreateToken"]["required"], json!(["label"]));
    assert_eq!(schemas["CreateToken"]["properties"]["scope"]["type"], "string");
    assert!(schemas["TokenPage"]["properties"]["items"].is_object());
    assert!(!schemas["Token"].to_string().contains("\"name\""));
    assert!(schemas["User"]["properties"]["name"].is_object(), "users are no tokens");
    assert_eq!(openapi_of(&TokensApi::default()), openapi());
}

each_backend!(put_updates_a_token_only_where_it_is_configured, |db| {
    let api = with(db, TokensApi { put_updates: true, ..at("/api/tokens") });
    let answer = api.json("POST", "/api/tokens", &api.root, &json!({"name": "a"}));
    let path = format!("/api/tokens/{}", answer.json()["id"].as_str().unwrap());
    let body = json!({"name": "b", "status": "inactive"});
    let updated = api.json("PUT", &path, &api.root, &body).json();
    assert_eq!((&updated["name"], &updated["status"]), (&json!("b"), &json!("inactive")));
    let (_, reader) = api.token_of(&api.user("alice"), &["tokens:read"]);
    api.json("PUT", &path, &reader, &body).is_problem(403, "insufficient_scope");
    api.json("PUT", &path, "", &body).is_problem(401, "authentication_required");
    api.json("PUT", "/api/tokens", &api.root, &body).is_problem(405, "method_not_allowed");
});

each_backend!(pages_by_number_partition_the_list, |db| {
    let api = Api::new(db);
    for number in 0..6 {
        api.create(&api.root, &json!({"name": format!("t{number}")}));
    }
    for path in ["/api/v1/tokens", "/api/v1/admin/tokens"] {
        assert_pages_by_number(&api, path);
    }
});

/// Asserts that the pages of a list of seven tokens partition it.
fn assert_pages_by_number(api: &Api, path: &str) {
    let page = |query: &str| api.call("GET", &format!("{path}?sort=name&{query}"), &api.root).json();
    let mut seen = Vec::new();
    for number in 1..=4 {
        let page = page(&format!("page={number}&page_size=2"));
        assert_eq!(
            (&page["page"], &page["page_size"], &page["total"]),
            (&json!(number), &json!(2), &json!(7))
        );
        let names = page["data"].as_array().unwrap().iter();
        seen.extend(names.map(|token| token["name"].as_str().unwrap().to_owned()));
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), sorted.len()), (7, 7), "{seen:?}");
    assert_eq!(page("page=5&page_size=2")["data"], json!([]));
    assert_eq!(page("page=4294967295&page_size=200")["total"], 7);
    // A page by number continues by cursor, too.
    let first = page("page=1&page_size=4");
    let next = page(&format!("limit=4&cursor={}", first["next_cursor"].as_str().unwrap()));
    assert_eq!(next["data"].as_array().unwrap().len(), 3);
    assert!(next["page"].is_null() && page("limit=2")["page"].is_null());
    for (query, pointer) in [
        ("page=0", "/page"),
        ("page=x", "/page"),
        ("page=-1", "/page"),
        ("page=1&page_size=0", "/page_size"),
        ("page=1&page_size=201", "/page_size"),
        ("page=1&cursor=x", "/page"),
        ("limit=1&page_size=1", "/page_size"),
    ] {
        let problem = api.call("GET", &format!("{path}?{query}"), &api.root);
        let problem = problem.is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
}

/// A product with a role scope for each role.
fn roles() -> Catalog {
    Catalog::define(&role_scopes()).unwrap()
}

fn role_scopes() -> Definition {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let named = |name: &str, scopes: &[&str]| NamedDefinition::new(name, texts(scopes));
    let role = |name: &str, scopes: &[&str]| RoleDefinition::new(name, texts(scopes));
    Definition::default()
        .with_named_scopes(vec![
            named("scope_user", &["chat:write", "tokens:write"]),
            named("scope_power", &["scope_user", "models:write"]),
        ])
        .with_roles(vec![
            role("user", &["scope_user"]),
            role("power", &["scope_power"]),
            role("admin", &["*"]),
        ])
        .with_default_scopes(texts(&["scope_user"]))
}

each_backend!(a_named_scope_is_shown_as_given_and_never_exceeds_the_role_of_the_owner, |db| {
    let api = Api::with(db, |settings: &mut Settings| settings.catalog = roles(), HttpSettings::default());
    let (user, power) = (api.user("una"), api.user("pia"));
    api.tokenry
        .update_user(
            &api.operator(),
            power.id,
            UserChanges::default().with_role("power".parse::<tokenry_actix::tokenry::Role>().unwrap()),
        )
        .unwrap();
    let (_, token) = api.token_of(&power, &["scope_power"]);
    let (created, child) = api.create(&token, &json!({"name": "child"}));
    assert_eq!(created["scopes"], json!(["scope_user"]));
    assert_eq!(created["effective_scopes"], json!(["scope_user", "chat:write", "tokens:write"]));
    // A token gives only names that it holds, and only what the role of its owner has.
    for (by, scopes) in [
        (&child, json!(["scope_power"])),
        (&child, json!(["models:read"])),
        (&child, json!(["full_access"])),
        (&token, json!(["*"])),
    ] {
        let refused = api.json("POST", "/api/v1/tokens", by, &json!({"name": "x", "scopes": scopes}));
        assert_eq!(refused.status, 403, "{}", refused.body);
    }
    let beyond = tokenry_actix::tokenry::NewToken::new("x").with_scopes(vec!["scope_power".to_owned()]);
    assert!(api.tokenry.issue_token(&api.operator(), user.id, beyond).is_err());
    let unknown = json!({"name": "x", "scopes": ["scope_root"]});
    let problem =
        api.json("POST", "/api/v1/tokens", &api.root, &unknown).is_problem(422, "validation_failed");
    assert_eq!(
        (&problem["errors"][0]["code"], &problem["errors"][0]["pointer"]),
        (&json!("unknown_scope"), &json!("/scopes/0"))
    );

    let headers = |text: &str| api.call("GET", "/auth/caddy?scope=models:read", text);
    assert_eq!(
        headers(&token).header("x-resource-scopes"),
        "scope_power scope_user chat:read chat:write models:read models:write tokens:read tokens:write"
    );
    assert_eq!(headers(&child).status, 403);
    assert_eq!(api.call("GET", "/auth/caddy?scope=scope_user", &token).status, 200);
    assert_eq!(api.call("GET", "/auth/caddy?scope=scope_power", &child).status, 403);
    api.call("GET", "/auth/caddy?scope=scope_root", &token).is_problem(400, "invalid_request");
    // The owner loses the role: the token has what the new role still allows.
    api.tokenry
        .update_user(
            &api.operator(),
            power.id,
            UserChanges::default().with_role("user".parse::<tokenry_actix::tokenry::Role>().unwrap()),
        )
        .unwrap();
    assert_eq!(headers(&token).status, 403);
    let chat = api.call("GET", "/auth/caddy?scope=chat:write", &token);
    assert_eq!(chat.header("x-resource-scopes"), "scope_user chat:read chat:write tokens:read tokens:write");
    let asked = json!({"token": token, "scopes": ["scope_power"]});
    let verdict = api.json("POST", "/api/v1/verify", &api.root, &asked).json();
    assert_eq!(
        (&verdict["valid"], &verdict["code"]),
        (&json!(false), &json!("insufficient_scope")),
        "{verdict}"
    );
    let listed = api.call("GET", "/api/v1/scopes", &child).json();
    let general: Vec<_> = listed["general"]
        .as_array()
        .unwrap()
        .iter()
        .map(|info| (info["scope"].as_str().unwrap(), info["grantable"].as_bool().unwrap()))
        .collect();
    assert_eq!(general, [("scope_user", true), ("scope_power", false), ("*", false), ("introspect", false)]);
});

/// Asserts that a token has exactly one exclusive scope, in the list `scopes` or in the text of another field.
fn assert_exactly_one(db: &TestDatabase, field: &str, is_text: bool) {
    let one = ["scope_user", "scope_power"].map(str::to_owned).to_vec();
    let catalog = Catalog::define(&role_scopes().with_exclusive_scopes(one)).unwrap();
    let names = [("scopes".to_owned(), field.to_owned())];
    let fields = FieldNames::new(if is_text { &names } else { &[] }, is_text).unwrap();
    let tokens_api = TokensApi { fields, put_updates: true, ..TokensApi::default() };
    let http = HttpSettings::default().with_tokens_api(tokens_api);
    let api = Api::with(db, |settings: &mut Settings| settings.catalog = catalog, http);
    let value = |scopes: &[&str]| if is_text { json!(scopes.join(" ")) } else { json!(scopes) };
    let ada = jwt::of("ada", "user");
    let created = api.json("POST", "/api/v1/tokens", &ada, &json!({"name": "x"}));
    assert_eq!((created.status, &created.json()[field]), (201, &value(&["scope_user"])), "{}", created.body);
    let path = format!("/api/v1/tokens/{}", created.json()["id"].as_str().unwrap());
    for wrong in [&[][..], &["scope_user", "scope_power"], &["chat:read"], &["scope_user", "chat:read"]] {
        for (method, path) in [("POST", "/api/v1/tokens"), ("PATCH", &path), ("PUT", &path)] {
            let body = json!({"name": "x", field: value(wrong)});
            let problem = api.json(method, path, &ada, &body).is_problem(422, "validation_failed");
            let error = &problem["errors"][0];
            assert_eq!(error["pointer"], format!("/{field}"), "{method} {wrong:?}");
            assert_eq!(error["code"], "exclusive_scopes");
            assert_eq!(error["detail"], "must be exactly one of scope_power, scope_user");
        }
    }
    let shown = api.call("GET", "/api/v1/scopes", &ada).json();
    assert_eq!(shown["exclusive_scopes"], json!(["scope_power", "scope_user"]));
    let general = shown["general"].as_array().unwrap().iter();
    let grantable: Vec<_> =
        general.filter(|info| info["grantable"] == true).map(|info| &info["scope"]).collect();
    assert_eq!(grantable, ["scope_user"], "what the role and the rule allow");
}

each_backend!(another_number_of_exclusive_scopes_than_one_is_422, |db| {
    assert_exactly_one(db, "scopes", false);
});

each_backend!(another_number_of_exclusive_scopes_than_one_is_422_under_the_name_of_a_product, |db| {
    assert_exactly_one(db, "scope", true);
});

each_backend!(a_token_with_a_name_for_everything_is_found_by_its_risk, |db| {
    let api = Api::new(db);
    let (created, _) = api.create(&api.root, &json!({"name": "all", "scopes": ["full_access"]}));
    assert_eq!(created["scopes"], json!(["full_access"]));
    let found = api.call("GET", "/api/v1/admin/tokens?risk=full_access&sort=name", &api.root).json();
    let names: Vec<_> =
        found["data"].as_array().unwrap().iter().map(|token| token["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["all", "bootstrap"]);
    assert!(found["data"][0]["risks"].as_array().unwrap().contains(&json!("full_access")));
});

each_backend!(identity_headers_have_the_configured_names_in_every_response, |db| {
    let names = ["X-App-User", "X-App-Subject", "X-App-Role", "X-Resource-Scope", "X-Resource-Token"];
    let identity_headers = IdentityHeaders::new(names).unwrap();
    let api = Api::with(db, |_| {}, HttpSettings::default().with_identity_headers(identity_headers));
    let (id, token) = api.token_of(&api.user("alice"), &["a:read"]);
    for endpoint in crate::forward::BY_HEADERS {
        let answer = api.call("GET", &format!("{endpoint}?scope=a:read"), &token);
        let values = names.map(|name| answer.header(name).to_owned());
        assert_eq!(values[1..], ["alice".to_owned(), "user".to_owned(), "a:read".to_owned(), id.clone()]);
        let refused = api.call("GET", &format!("{endpoint}?scope=a:write"), &token);
        for name in names {
            assert_eq!(refused.headers.get(name).unwrap(), "", "{endpoint} {name}");
        }
        assert!(!answer.headers.contains_key("x-resource-user"));
    }
});

each_backend!(a_bearer_credential_takes_precedence_over_a_session_where_it_is_configured, |db| {
    let api = Api::with(db, |_| {}, HttpSettings::default().with_bearer_over_session(true));
    let (_, alice) = api.token_of(&api.user("alice"), &["tokens:read"]);
    let cookie = api.sign_in(&api.root);
    let both = |bearer: &str| {
        api.send(from_page(request("GET", "/api/v1/me", bearer)).insert_header(("cookie", named(&cookie))))
    };
    assert_eq!(both(&alice).json()["subject"], "alice");
    // An invalid credential never falls back to the session.
    both("pat_nonsense").is_problem(401, "invalid_token");
    assert_eq!(api.with_cookie("GET", "/api/v1/me", &cookie).json()["subject"], "admin");
});
