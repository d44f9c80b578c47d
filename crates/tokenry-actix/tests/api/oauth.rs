//! What libraries for OAuth 2.0 send and read: client authentication, scopes, errors and metadata.

use actix_web::{
    App,
    rt::System,
    test::{TestRequest, call_and_read_body_json, init_service},
    web,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokenry_actix::{
    HttpSettings, configure,
    tokenry::{
        Catalog,
        catalog::{Definition, ResourceDefinition},
    },
};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{
    api::{Api, Response, request},
    forward, jwt,
};

const FORM: &str = "application/x-www-form-urlencoded";
const REALMS: [&str; 2] = ["Bearer realm=\"tokenry\"", "Basic realm=\"tokenry\""];

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

/// A request for introspection with these `Authorization` headers.
fn introspect(api: &Api, authorization: &[&str], form: &str) -> Response {
    let mut ask = request("POST", "/oauth/introspect", "").insert_header(("content-type", FORM));
    for value in authorization {
        ask = ask.append_header(("authorization", *value));
    }
    api.send(ask.set_payload(form.to_owned()))
}

/// An API with a closed vocabulary.
fn with_catalog(db: &TestDatabase) -> Api {
    let resource = ResourceDefinition::new("reports".to_owned());
    let definition = Definition::default().with_resources(vec![resource]);
    let catalog = Catalog::define(&definition).unwrap();
    Api::with(db, |settings| settings.catalog = catalog, HttpSettings::default())
}

each_backend!(a_client_of_introspection_authenticates_in_three_ways, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &["a:read"]);
    let (_, powerless) = api.token_of(&api.user("alice"), &["a:read"]);
    let (bearer, token) = (format!("Bearer {}", api.root), format!("token={text}"));
    let encoded: String = api.root.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for (authorization, form) in [
        (&[bearer.as_str()][..], token.clone()),
        (&[&basic("any", &api.root)], token.clone()),
        (&[&basic("", &api.root)], token.clone()),
        (&[&basic(&text, &api.root)], token.clone()),
        (&[&basic("my%20client%3A1", &encoded)], token.clone()),
        (&[&basic("any", &api.root)], format!("client_id=any&{token}")),
        (&[], format!("client_id=any&client_secret={}&{token}", api.root)),
        (&[], format!("{token}&client_secret={encoded}")),
    ] {
        let response = introspect(&api, authorization, &form);
        assert_eq!((response.status, &response.json()["active"]), (200, &json!(true)), "{form}");
        assert_eq!(response.header("cache-control"), "no-store");
    }
    for (authorization, form) in [
        (&[bearer.as_str(), &basic("any", &api.root)][..], token.clone()),
        (&[&bearer], format!("client_secret={}&{token}", api.root)),
        (&[&basic("any", &api.root)], format!("client_secret={}&{token}", api.root)),
        (&["Basic"], token.clone()),
        (&["Basic ???"], token.clone()),
        (&[&basic("any", "a%4")], token.clone()),
        (&[], format!("client_secret=a&client_secret=b&{token}")),
        (&[&bearer], "token=%4".to_owned()),
    ] {
        introspect(&api, authorization, &form).is_oauth_error(400, "invalid_request");
    }
    let last = if api.root.ends_with('a') { 'b' } else { 'a' };
    let wrong = format!("{}{last}", &api.root[..api.root.len() - 1]);
    let jwt = jwt::of("admin", "admin");
    for (authorization, form, description) in [
        (&[][..], token.clone(), "Send a token: Authorization: Bearer <token>."),
        (&["Digest x"], token.clone(), "Send a token: Authorization: Bearer <token>."),
        (
            &["Digest x"],
            format!("client_secret={}&{token}", api.root),
            "Send a token: Authorization: Bearer <token>.",
        ),
        (&[], format!("client_id=any&{token}"), "Send a token: Authorization: Bearer <token>."),
        (&[&basic("any", &wrong)], token.clone(), "The token is not valid."),
        (&[&basic(&api.root, "")], token.clone(), "The token is not valid."),
        (&[&basic("any", &jwt)], token.clone(), "The token is not valid."),
        (&[&format!("Bearer {jwt}")], token.clone(), "The token is not valid."),
        (&[], format!("client_secret={jwt}&{token}"), "The token is not valid."),
        (&[], format!("client_secret={wrong}&{token}"), "The token is not valid."),
        (&[], format!("client_secret=&{token}"), "The token is not valid."),
    ] {
        let response = introspect(&api, authorization, &form);
        assert_eq!(response.is_oauth_error(401, "invalid_client"), description, "{form}");
        let challenges = response.values("www-authenticate");
        assert!(challenges[0].starts_with(REALMS[0]) && challenges[1] == REALMS[1], "{challenges:?}");
    }
    for (authorization, form) in [
        (&[basic("any", &powerless).as_str()][..], token.clone()),
        (&[], format!("client_secret={powerless}&{token}")),
    ] {
        introspect(&api, authorization, &form).is_oauth_error(403, "insufficient_scope");
    }
    let json = request("POST", "/oauth/introspect", "").insert_header(("content-type", "application/json"));
    api.send(json.set_payload("{}")).is_oauth_error(401, "invalid_client");
    api.call("GET", "/oauth/introspect", "").is_oauth_error(405, "invalid_request");
});

each_backend!(a_client_of_verification_authenticates_by_bearer_or_basic, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &["a:read"]);
    let ask = |authorization: &str| {
        let ask: TestRequest =
            request("POST", "/api/v1/verify", "").insert_header(("authorization", authorization));
        api.send(ask.set_json(json!({ "token": text })))
    };
    let valid = ask(&basic("any", &api.root));
    assert_eq!((valid.status, &valid.json()["valid"]), (200, &json!(true)));
    let rejected = ask(&basic("any", "pat_x"));
    rejected.is_problem(401, "invalid_token");
    assert_eq!(rejected.values("www-authenticate")[1..], REALMS[1..]);
    // No other route of the API accepts Basic.
    let me = request("GET", "/api/v1/me", "").insert_header(("authorization", basic("any", &api.root)));
    api.send(me).is_problem(401, "authentication_required");
});

each_backend!(a_browser_of_another_origin_cannot_use_a_stored_password, |db| {
    let api = Api::new(db);
    let ask = |headers: &[(&'static str, &str)]| {
        let mut ask = request("POST", "/oauth/introspect", "")
            .insert_header(("content-type", FORM))
            .insert_header(("host", "tokens.test"))
            .insert_header(("authorization", basic("any", &api.root)));
        for header in headers {
            ask = ask.insert_header(*header);
        }
        api.send(ask.set_payload("token=x")).status
    };
    for (headers, status) in [
        (&[][..], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("origin", "http://tokens.test")], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("origin", "https://evil.test")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "https://evil.test"), ("sec-fetch-site", "none")], 403),
    ] {
        assert_eq!(ask(headers), status, "{headers:?}");
    }
});

/// `scope` of the introspection of a token of an administrator.
fn listed(api: &Api, held: &[&str], asked: &str) -> String {
    let body = json!({ "name": "t", "scopes": held });
    let (_, text) = api.create(&api.root, &body);
    let bearer = format!("Bearer {}", api.root);
    let response = introspect(api, &[&bearer], &format!("token={text}&scope={asked}"));
    response.json()["scope"].as_str().unwrap().to_owned()
}

each_backend!(introspection_lists_the_scopes_that_a_caller_asks_about, |db| {
    let api = Api::new(db);
    for (held, asked, expected) in [
        (&["a:write"][..], "", "a:read a:write"),
        (&["*"], "", "*"),
        (&["*"], "a:read%20b:write+b:odd", "* a:read b:write"),
        (&["a:write"], "a:read%20b:read", "a:read a:write"),
    ] {
        assert_eq!(listed(&api, held, asked), expected, "{held:?} {asked}");
    }
    let rejected = introspect(&api, &[&format!("Bearer {}", api.root)], "token=x&scope=A");
    assert!(rejected.is_oauth_error(400, "invalid_request").starts_with("scope: "));
});

each_backend!(introspection_lists_all_scopes_of_a_catalog_for_the_scope_all, |db| {
    let api = with_catalog(db);
    assert_eq!(listed(&api, &["reports:write"], ""), "reports:read reports:write");
    let all = listed(&api, &["*"], "other:read");
    let all: Vec<&str> = all.split(' ').collect();
    for scope in ["reports:read", "reports:admin", "tokens:read", "admin:admin", "introspect"] {
        assert!(all.contains(&scope), "{scope} {all:?}");
    }
    assert!(!all.contains(&"*") && !all.contains(&"other:read"), "{all:?}");
});

each_backend!(a_form_is_accepted_in_every_charset, |db| {
    let api = Api::new(db);
    for (content_type, status) in [
        (FORM.to_owned(), 200),
        (format!("{FORM}; charset=utf-8"), 200),
        (format!("{FORM};charset=\"UTF-8\""), 200),
        (format!("{FORM}; charset=ISO-8859-1"), 200),
        (format!("{FORM}; Charset=us-ascii"), 200),
        (format!("{FORM}; boundary=x"), 415),
        ("text/plain".to_owned(), 415),
    ] {
        for path in ["/oauth/introspect", "/oauth/revoke"] {
            let ask = request("POST", path, &api.root).insert_header(("content-type", content_type.as_str()));
            assert_eq!(api.send(ask.set_payload("token=x")).status, status, "{content_type}");
        }
    }
});

each_backend!(the_metadata_names_the_endpoints_under_the_origin_of_the_request, |db| {
    let path = "/.well-known/oauth-authorization-server";
    let ask = |api: &Api| api.send(request("GET", path, "").insert_header(("host", "tokens.test:8443")));
    let api = Api::new(db);
    let metadata = ask(&api).json();
    let issuer = "http://tokens.test:8443";
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["introspection_endpoint"], format!("{issuer}/oauth/introspect"));
    assert_eq!(metadata["revocation_endpoint"], format!("{issuer}/oauth/revoke"));
    assert_eq!(
        metadata["introspection_endpoint_auth_methods_supported"],
        json!(["client_secret_basic", "client_secret_post", "Bearer"])
    );
    assert_eq!(metadata["response_types_supported"], json!([]));
    assert_eq!(metadata.get("scopes_supported"), None, "only a caller may see the catalog");
    let odd = request("GET", path, "").insert_header(("host", "a b"));
    api.send(odd).is_problem(403, "forbidden");
    // A proxy that is not trusted: the origin that the client sees is unknown.
    for header in ["x-forwarded-proto", "x-forwarded-for", "x-forwarded-host", "forwarded", "via"] {
        let proxied =
            request("GET", path, "").insert_header(("host", "tokens.test")).insert_header((header, "https"));
        api.send(proxied).is_problem(403, "forbidden");
    }
});

each_backend!(the_metadata_behind_a_trusted_proxy_has_the_scheme_that_the_proxy_states, |db| {
    let api = Api::with(db, |_| {}, forward::trusting("192.0.2.1"));
    let path = "/.well-known/oauth-authorization-server";
    let ask = || request("GET", path, "").insert_header(("host", "tokens.test"));
    let metadata = api.send(ask().insert_header(("x-forwarded-proto", "https"))).json();
    assert_eq!(metadata["issuer"], "https://tokens.test");
    // Without the header the client may have been asked over TLS, and would be sent to `http://`.
    api.send(ask()).is_problem(403, "forbidden");
});

each_backend!(the_metadata_names_the_path_below_which_an_app_mounts_the_api, |db| {
    let api = Api::new(db);
    let metadata: Value = System::new().block_on(async {
        let mounted =
            web::scope("/mounted").configure(configure(api.tokenry.clone(), HttpSettings::default()));
        let app = init_service(App::new().service(mounted)).await;
        let path = "/mounted/.well-known/oauth-authorization-server";
        let ask = request("GET", path, "").insert_header(("host", "tokens.test")).to_request();
        call_and_read_body_json(&app, ask).await
    });
    assert_eq!(metadata["issuer"], "http://tokens.test/mounted");
    assert_eq!(metadata["introspection_endpoint"], "http://tokens.test/mounted/oauth/introspect");
});
