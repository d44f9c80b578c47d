//! Which ID tokens are accepted.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use super::{
    alice, answer, api, begin, failed,
    fake::{CLIENT, FakeProvider, SECRET},
    session, sign_in, subjects,
};

each_backend!(every_invalid_id_token_is_rejected_and_creates_no_user, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let now = tokenry_actix::clock::now().seconds();
    let claims = [
        ("another client", json!({ "aud": "other" })),
        ("no audience", json!({ "aud": null })),
        ("several clients without azp", json!({ "aud": [CLIENT, "other"] })),
        ("several clients, for another", json!({ "aud": [CLIENT, "other"], "azp": "other" })),
        ("azp of another client", json!({ "azp": "other" })),
        ("azp of another type", json!({ "azp": 7 })),
        ("another issuer", json!({ "iss": "https://id.other.test" })),
        ("an issuer with a slash", json!({ "iss": "https://id.corp.test/" })),
        ("no issuer", json!({ "iss": null })),
        ("another nonce", json!({ "nonce": "x" })),
        ("no nonce", json!({ "nonce": null })),
        ("a list of nonces", json!({ "nonce": ["x"] })),
        ("expired", json!({ "exp": now - 60 })),
        ("no expiry", json!({ "exp": null })),
        ("expiry as text", json!({ "exp": (now + 300).to_string() })),
        ("issued in the future", json!({ "iat": now + 120 })),
        ("issued long ago", json!({ "iat": now - 3600 })),
        ("no issue time", json!({ "iat": null })),
        ("not valid yet", json!({ "nbf": now + 120 })),
        ("no subject", json!({ "sub": null })),
        ("an empty subject", json!({ "sub": "" })),
        ("a subject of another type", json!({ "sub": 7 })),
        ("unreadable roles", json!({ "groups": { "operators": true } })),
    ];
    for (what, change) in claims {
        provider.state().claims = change;
        let response = sign_in(&api, "corp", &provider, &json!({ "sub": "a1" }));
        let code = if what == "unreadable roles" { "no_account" } else { "bad_answer" };
        failed(&response, code);
        assert_eq!(subjects(&api), ["admin"], "{what}");
    }
    provider.state().claims = json!({});
    let headers = [
        ("an access token", json!({ "typ": "at+jwt" })),
        ("a logout token", json!({ "typ": "logout+jwt" })),
        ("alg none", json!({ "alg": "none" })),
        ("an algorithm of the client's choice", json!({ "alg": "RS256" })),
        ("an unknown key", json!({ "kid": "two" })),
        ("a key of its own", json!({ "jwk": {} })),
        ("a critical header", json!({ "crit": ["x"] })),
    ];
    for (what, change) in headers {
        provider.state().header = change;
        failed(&sign_in(&api, "corp", &provider, &json!({ "sub": "a1" })), "bad_answer");
        assert_eq!(subjects(&api), ["admin"], "{what}");
    }
    provider.state().header = json!({});
    session(&sign_in(&api, "corp", &provider, &json!({ "sub": "a1" })));
    assert_eq!(subjects(&api), ["admin", "corp:a1"], "the control");
});

each_backend!(an_id_token_that_another_key_or_nobody_signed_is_rejected, |db| {
    let (provider, forger) = (FakeProvider::new(), FakeProvider::new());
    let api = api(db, &[("corp", &provider)]);
    let now = tokenry_actix::clock::now().seconds();
    let sign = |make: &dyn Fn(&Value) -> String| {
        let begun = begin(&api, "corp");
        let claims = json!({
            "iss": "https://id.corp.test", "aud": CLIENT, "sub": "a1", "iat": now, "exp": now + 300,
            "nonce": begun.parameters()["nonce"],
        });
        provider.state().id_token = Some(make(&claims));
        let code = provider.authorize(&begun.url, &json!({}));
        answer(&api, "corp", &[("code", &code), ("state", &begun.state())], &begun.cookie)
    };
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "one" });
    let hs256 = |secret: &[u8], claims: &Value| {
        encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    type Forge<'f> = &'f dyn Fn(&Value) -> String;
    let forged: [(&str, Forge<'_>); 5] = [
        ("another key of the same id", &|claims| forger.state().signed(&header, claims)),
        ("no signature", &|claims| {
            let signed = forger.state().signed(&json!({ "alg": "none", "typ": "JWT" }), claims);
            format!("{}.", signed.rsplit_once('.').unwrap().0)
        }),
        ("HS256 with the client secret", &|claims| hs256(SECRET.as_bytes(), claims)),
        ("HS256 with the public key", &|claims| hs256(b"-----BEGIN PUBLIC KEY-----", claims)),
        ("no JWT", &|_| "x".to_owned()),
    ];
    for (what, make) in forged {
        failed(&sign(make), "bad_answer");
        assert_eq!(subjects(&api), ["admin"], "{what}");
    }
    let own = |claims: &Value| {
        // The guard of this call must be gone before the answer is stored.
        let provider = provider.clone();
        let signed = std::thread::spawn({
            let (header, claims) = (header.clone(), claims.clone());
            move || provider.state().signed(&header, &claims)
        });
        signed.join().unwrap()
    };
    let begun = begin(&api, "corp");
    let claims = json!({
        "iss": "https://id.corp.test", "aud": CLIENT, "sub": "a1", "iat": now, "exp": now + 300,
        "nonce": begun.parameters()["nonce"],
    });
    let id_token = own(&claims);
    provider.state().id_token = Some(id_token.clone());
    let code = provider.authorize(&begun.url, &json!({}));
    session(&answer(&api, "corp", &[("code", &code), ("state", &begun.state())], &begun.cookie));
    // It is no credential of the API.
    api.call("GET", "/api/v1/me", &id_token).is_problem(401, "invalid_token");
    // The ID token of one sign-in is not accepted for another.
    failed(&sign(&|_| id_token.clone()), "bad_answer");
});

each_backend!(valid_id_tokens_of_every_form_are_accepted_within_the_leeway, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let now = tokenry_actix::clock::now().seconds();
    for claims in [
        json!({ "aud": [CLIENT] }),
        json!({ "aud": [CLIENT, "other"], "azp": CLIENT }),
        json!({ "azp": CLIENT }),
        // Clocks that differ by less than 30 seconds.
        json!({ "iat": now - 320, "exp": now - 20 }),
        json!({ "iat": now + 20, "nbf": now + 20 }),
        json!({ "groups": null }),
    ] {
        provider.state().claims = claims;
        session(&sign_in(&api, "corp", &provider, &alice()));
    }
    provider.state().claims = json!({});
    for header in [json!({ "typ": null }), json!({ "kid": null }), json!({ "typ": "application/jwt" })] {
        provider.state().header = header;
        session(&sign_in(&api, "corp", &provider, &alice()));
    }
    // A new key is fetched when an ID token names it, and an old one is no longer accepted then.
    provider.state().header = json!({});
    provider.rotate_key("two");
    session(&sign_in(&api, "corp", &provider, &alice()));
    assert_eq!(subjects(&api), ["admin", "corp:a1"]);
});
