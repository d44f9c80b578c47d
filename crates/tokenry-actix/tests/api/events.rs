//! The history of a token over HTTP.

use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use crate::api::{Api, request};

/// Replaces the values that differ between runs.
fn settled(page: &Value, names: &[(&str, &str)]) -> Value {
    let mut page = page.clone();
    for event in page["data"].as_array_mut().unwrap() {
        assert!(event["seq"].as_i64().is_some() && event["at"].as_str().unwrap().ends_with('Z'));
        (event["seq"], event["at"]) = (json!(0), json!("<at>"));
    }
    let mut text = page.to_string();
    for (id, name) in names {
        text = text.replace(id, name);
    }
    serde_json::from_str(&text).unwrap()
}

each_backend!(a_token_has_a_history_without_the_address_of_other_actors, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (own, text) = api.token_of(&alice, &["*"]);
    let (created, _) = api.create(&text, &json!({"name": "ci", "expires_in_days": 3}));
    let id = created["id"].as_str().unwrap();
    let path = format!("/api/v1/tokens/{id}");
    let renamed = request("PATCH", &path, &text)
        .insert_header(("content-type", "application/json"))
        .insert_header(("user-agent", "curl/8"))
        .insert_header(("x-request-id", "mine"));
    assert_eq!(api.send(renamed.set_payload(r#"{"name": "ci 2"}"#)).status, 200);
    let revoked = request("POST", &format!("/api/v1/users/{}/revoke-tokens", alice.id), &api.root)
        .insert_header(("user-agent", "the admin's own"))
        .insert_header(("x-request-id", "theirs"));
    assert_eq!(api.send(revoked).json(), json!({"revoked": 2}));
    let (_, reader) = api.token_of(&alice, &["tokens:read"]);
    let response = api.call("GET", &format!("{path}/events"), &reader);
    assert!(!response.body.contains("admin's own") && !response.body.contains("theirs"), "{}", response.body);
    let root = api.call("GET", "/api/v1/token", &api.root).json()["id"].as_str().unwrap().to_owned();
    let alice_id = alice.id.to_string();
    let names = [(id, "<token>"), (&own, "<own>"), (&alice_id, "<alice>"), (&root, "<root>")];
    let mut shown = settled(&response.json(), &names);
    // The creation has a random request id.
    assert_eq!(shown["data"][2]["request_id"].take().as_str().unwrap().len(), 32);
    shown["data"][2]["detail"] = Value::Null;
    insta::assert_json_snapshot!(shown, @r#"
    {
      "data": [
        {
          "actor": "token:<root>",
          "at": "<at>",
          "detail": {
            "all": true,
            "reason": null
          },
          "ip": null,
          "kind": "auth.token.revoked",
          "request_id": null,
          "seq": 0,
          "token_id": "<token>",
          "user_agent": null,
          "user_id": "<alice>"
        },
        {
          "actor": "token:<own>",
          "at": "<at>",
          "detail": {
            "changed": [
              "name"
            ]
          },
          "ip": "192.0.2.1",
          "kind": "auth.token.updated",
          "request_id": "mine",
          "seq": 0,
          "token_id": "<token>",
          "user_agent": "curl/8",
          "user_id": "<alice>"
        },
        {
          "actor": "token:<own>",
          "at": "<at>",
          "detail": null,
          "ip": "192.0.2.1",
          "kind": "auth.token.created",
          "request_id": null,
          "seq": 0,
          "token_id": "<token>",
          "user_agent": null,
          "user_id": "<alice>"
        }
      ],
      "next_cursor": null
    }
    "#);
});

each_backend!(a_history_is_paged_by_a_cursor_that_is_valid_only_for_its_token_and_caller, |db| {
    let api = Api::new(db);
    let (alice, bob) = (api.user("alice"), api.user("bob"));
    let (id, text) = api.token_of(&alice, &["*"]);
    let (other, _) = api.token_of(&alice, &["*"]);
    let (_, bobs) = api.token_of(&bob, &["*"]);
    for name in ["a", "b", "c"] {
        let response = api.json("PATCH", &format!("/api/v1/tokens/{id}"), &text, &json!({"name": name}));
        assert_eq!(response.status, 200);
    }
    let path = format!("/api/v1/tokens/{id}/events?limit=3");
    let first = api.call("GET", &path, &text).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = api.call("GET", &format!("{path}&cursor={cursor}"), &text).json();
    let seqs: Vec<_> = [&first, &rest]
        .iter()
        .flat_map(|page| page["data"].as_array().unwrap().iter().map(|event| event["seq"].as_i64().unwrap()))
        .collect();
    assert!(seqs.len() == 4 && seqs.windows(2).all(|pair| pair[0] > pair[1]), "{seqs:?}");
    assert_eq!(
        (&rest["data"][0]["kind"], &rest["next_cursor"]),
        (&json!("auth.token.created"), &Value::Null)
    );
    for (path, token) in [
        (format!("/api/v1/tokens/{other}/events?cursor={cursor}"), &text),
        (format!("/api/v1/tokens/{id}/events?cursor=x"), &text),
        (format!("/api/v1/audit?cursor={cursor}"), &api.root),
        (format!("/api/v1/tokens/{id}/events?limit=201"), &text),
        (format!("/api/v1/tokens/{id}/events?kind=x"), &text),
    ] {
        api.call("GET", &path, token).is_problem(422, "validation_failed");
    }
    // A cursor does not reveal the existence of the token to another user.
    for token in [&bobs, &api.root] {
        api.call("GET", &format!("{path}&cursor={cursor}"), token).is_problem(422, "validation_failed");
        api.call("GET", &path, token).is_problem(404, "not_found");
    }
});
