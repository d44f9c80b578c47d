//! Audience, times and subject.

use std::time::Duration;

use serde_json::{Value, json};
use tokenry_crypto::{JwtError, JwtKeys};
use tokenry_domain::UnixMillis;

use crate::{AUDIENCE, ISSUER, NOW, expect, hmac, now, payload, rules, verifier, verifier_of, with, without};

/// Asserts the error for valid claims with one of them replaced.
#[track_caller]
fn check(name: &str, value: impl Into<Value>, error: Option<JwtError>) {
    let signer = hmac(1);
    expect(&verifier_of(&signer), &signer.signed(&with(payload(), name, value)), error);
}

#[track_caller]
fn check_without(name: &str, error: Option<JwtError>) {
    let signer = hmac(1);
    expect(&verifier_of(&signer), &signer.signed(&without(payload(), name)), error);
}

#[test]
fn a_token_for_another_audience_is_rejected() {
    for aud in [json!(AUDIENCE), json!([AUDIENCE]), json!(["x", AUDIENCE]), json!("other")] {
        check("aud", aud, None);
    }
    for aud in [
        json!(""),
        json!("Tokenry"),
        json!("tokenry "),
        json!("tokenry,x"),
        json!([]),
        json!(["x"]),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, 1]),
        json!(null),
        json!(true),
        json!({ "tokenry": 1 }),
    ] {
        check("aud", aud, Some(JwtError::WrongAudience));
    }
    check_without("aud", Some(JwtError::WrongAudience));
}

#[test]
fn expiry_is_required_and_equality_counts_as_expired() {
    for exp in [
        json!(NOW - 29),
        json!(NOW as f64 + 0.5),
        json!(NOW as f64 - 29.999),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
    ] {
        check("exp", exp, None);
    }
    for exp in [
        json!(NOW - 30),
        json!(NOW - 31),
        json!(NOW as f64 - 30.0),
        json!(0),
        json!(-1),
        json!(-0.5),
        json!(i64::MIN),
        json!(-1e300),
        json!(1e-300),
    ] {
        check("exp", exp, Some(JwtError::Expired));
    }
    for exp in
        [json!((NOW + 60).to_string()), json!(null), json!(true), json!([NOW + 60]), json!({}), json!("")]
    {
        check("exp", exp, Some(JwtError::BadClaims("exp")));
    }
    check_without("exp", Some(JwtError::BadClaims("exp")));
}

#[test]
fn a_token_from_the_future_is_not_yet_valid() {
    for name in ["nbf", "iat"] {
        for value in
            [json!(NOW + 30), json!(NOW), json!(0), json!(-1), json!(i64::MIN), json!(NOW as f64 + 29.999)]
        {
            check(name, value, None);
        }
        for value in
            [json!(NOW + 31), json!(NOW as f64 + 30.5), json!(i64::MAX), json!(u64::MAX), json!(1e300)]
        {
            check(name, value, Some(JwtError::NotYetValid));
        }
    }
    for value in [json!(NOW.to_string()), json!(null), json!(false), json!([]), json!({})] {
        check("nbf", value.clone(), Some(JwtError::BadClaims("nbf")));
        check("iat", value, Some(JwtError::BadClaims("iat")));
    }
    check_without("iat", None);
}

#[test]
fn a_token_expires_at_its_maximum_age_at_the_latest() {
    let signer = hmac(1);
    let aged = |max_age: u64, leeway: u64| {
        let (max_age, leeway) = (Some(Duration::from_secs(max_age)), Duration::from_secs(leeway));
        let rules = rules(signer.algorithm).with_max_age(max_age).with_leeway(leeway);
        verifier(rules, JwtKeys::Secret(signer.secret.clone()))
    };
    let token = |iat: i64| signer.signed(&with(payload(), "iat", iat));
    for (max_age, leeway, iat, error) in [
        (100, 0, NOW - 99, None),
        (100, 0, NOW - 100, Some(JwtError::Expired)),
        (100, 30, NOW - 129, None),
        (100, 30, NOW - 130, Some(JwtError::Expired)),
        (100, 30, i64::MIN, Some(JwtError::Expired)),
        (u64::MAX, 30, 0, None),
        (0, 0, NOW, Some(JwtError::Expired)),
    ] {
        expect(&aged(max_age, leeway), &token(iat), error);
    }
    let end =
        |max_age| aged(max_age, 30).verify(token(NOW).as_bytes(), now()).ok().unwrap().expires_at().seconds();
    assert_eq!((end(10), end(1000)), (NOW + 10, NOW + 60));
    let error = Some(JwtError::BadClaims("iat"));
    expect(&aged(100, 30), &signer.signed(&without(payload(), "iat")), error);
}

#[test]
fn the_leeway_is_the_configured_one() {
    let signer = hmac(1);
    for (leeway, exp, error) in
        [(0, NOW + 1, None), (0, NOW, Some(JwtError::Expired)), (300, NOW - 299, None)]
    {
        let rules = rules(signer.algorithm).with_leeway(Duration::from_secs(leeway));
        let verifier = verifier(rules, JwtKeys::Secret(signer.secret.clone()));
        expect(&verifier, &signer.signed(&with(payload(), "exp", exp)), error);
    }
}

#[test]
fn times_at_the_limits_of_the_calendar_are_handled() {
    let (signer, token) = (hmac(1), hmac(1).signed(&with(payload(), "exp", 1e300)));
    let verifier = verifier_of(&signer);
    let claims = verifier.verify(token.as_bytes(), UnixMillis::MAX).ok().unwrap();
    assert_eq!(claims.expires_at(), UnixMillis::MAX);
    let early = verifier.verify(token.as_bytes(), UnixMillis::MIN).err();
    assert_eq!(early, Some(JwtError::NotYetValid), "issued in the future");
    let token = signer.signed(&without(with(payload(), "exp", -10), "iat"));
    let claims = verifier.verify(token.as_bytes(), UnixMillis::MIN).ok().unwrap();
    assert_eq!((claims.expires_at(), claims.issued_at()), (UnixMillis::MIN, None));
}

#[test]
fn a_subject_is_a_short_text_without_control_characters() {
    for sub in ["u", "user@example.com", "auth0|123", "ü", &"x".repeat(255)] {
        check("sub", sub, None);
    }
    for sub in ["", "  ", "a\nb", "a\0", "\u{1b}[2J", "a\u{85}b", &"x".repeat(256), &"ü".repeat(128)] {
        check("sub", sub, Some(JwtError::BadClaims("sub")));
    }
    for sub in [json!(1), json!(null), json!(["user-1"]), json!({ "id": 1 })] {
        check("sub", sub, Some(JwtError::BadClaims("sub")));
    }
    check_without("sub", Some(JwtError::BadClaims("sub")));
}

#[test]
fn claims_are_found_by_name_or_path() {
    let signer = hmac(1);
    let mut payload = payload();
    payload["email"] = json!("a@example.com");
    payload["roles"] = json!(["one", 2, "three", null]);
    payload["realm_access"] = json!({ "roles": ["admin"], "deep": { "er": "x" } });
    payload["https://example.com/roles"] = json!(["named"]);
    payload["a"] = json!({ "b": "path" });
    payload["a.b"] = json!("name");
    let claims = verifier_of(&signer).verify(signer.signed(&payload).as_bytes(), now()).ok().unwrap();
    for (claim, texts) in [
        ("email", vec!["a@example.com"]),
        ("roles", vec!["one", "three"]),
        ("realm_access.roles", vec!["admin"]),
        ("realm_access.deep.er", vec!["x"]),
        ("https://example.com/roles", vec!["named"]),
        ("a.b", vec!["path"]),
        ("realm_access", vec![]),
        ("realm_access.", vec![]),
        ("realm_access..roles", vec![]),
        (".realm_access", vec![]),
        ("roles.0", vec![]),
        ("exp", vec![]),
        ("", vec![]),
        (".", vec![]),
    ] {
        assert_eq!(claims.texts(claim), texts, "{claim}");
    }
    assert_eq!(claims.text("email"), Some("a@example.com"));
    assert_eq!(claims.text("iss"), Some(ISSUER));
    assert_eq!((claims.text("roles"), claims.text("exp"), claims.text("gone")), (None, None, None));
}
