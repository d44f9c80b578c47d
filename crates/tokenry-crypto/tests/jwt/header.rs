//! Headers: a token does not choose how it is verified.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use tokenry_crypto::{JwtError, JwtKeys};

use crate::{expect, hmac, payload, rsa, rules, verifier, verifier_of, with, without};

#[test]
fn an_unsigned_token_is_rejected_whatever_its_alg() {
    let verifier = verifier_of(rsa());
    for none in ["none", "None", "NONE", "", "rs256", "RS256 ", "RS384", "PS256", "HS256"] {
        let header = with(rsa().header(), "alg", none).to_string();
        expect(&verifier, &rsa().raw(&header, &payload().to_string()), Some(JwtError::WrongAlgorithm));
    }
    let header = without(rsa().header(), "alg").to_string();
    expect(&verifier, &rsa().raw(&header, &payload().to_string()), Some(JwtError::WrongAlgorithm));
}

#[test]
fn a_public_key_is_never_used_as_a_shared_secret() {
    let (verifier, jwk) = (verifier_of(rsa()), &rsa().jwk);
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let set = json!({ "keys": [jwk] }).to_string();
    for secret in [modulus, jwk.to_string().into_bytes(), set.into_bytes(), jwk["n"].as_str().unwrap().into()]
    {
        let key = EncodingKey::from_secret(&secret);
        for (algorithm, error) in [("HS256", JwtError::WrongAlgorithm), ("RS256", JwtError::BadSignature)] {
            let header = with(rsa().header(), "alg", algorithm).to_string();
            let message = format!(
                "{}.{}",
                URL_SAFE_NO_PAD.encode(header),
                URL_SAFE_NO_PAD.encode(payload().to_string())
            );
            let signature =
                jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
            expect(&verifier, &format!("{message}.{signature}"), Some(error));
        }
    }
}

#[test]
fn a_token_cannot_supply_its_own_key_or_critical_headers() {
    let verifier = verifier_of(rsa());
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jwk", rsa().jwk.clone()),
        ("jku", json!("https://issuer.test/keys")),
        ("x5u", json!("https://issuer.test/keys")),
        ("x5c", json!(["AA"])),
    ] {
        let header = with(rsa().header(), name, value).to_string();
        expect(&verifier, &rsa().raw(&header, &payload().to_string()), Some(JwtError::Malformed));
    }
}

#[test]
fn a_duplicate_name_is_rejected() {
    let (verifier, signer) = (verifier_of(&hmac(1)), hmac(1));
    let (header, payload) = (signer.header().to_string(), payload().to_string());
    expect(&verifier, &signer.raw(&header, &payload), None);
    let doubled = |object: &str, again: &str| format!("{},{again}}}", object.trim_end_matches('}'));
    for again in [r#""alg":"HS256""#, r#""alg":"none""#, r#""kid":"hmac""#, r#""\u0061lg":"HS256""#] {
        expect(&verifier, &signer.raw(&doubled(&header, again), &payload), Some(JwtError::Malformed));
    }
    for again in [r#""sub":"root""#, r#""exp":9999999999"#, r#""iss":"x""#, r#""a":{"b":1,"b":2}"#] {
        expect(&verifier, &signer.raw(&header, &doubled(&payload, again)), Some(JwtError::Malformed));
    }
}

#[test]
fn only_listed_types_are_accepted() {
    let signer = hmac(1);
    let check = |types: &[&str], kind: Option<&str>, error| {
        let types = types.iter().map(|kind| (*kind).to_owned()).collect();
        let rules = rules(signer.algorithm).with_types(types);
        let header = kind.map_or(without(signer.header(), "typ"), |kind| with(signer.header(), "typ", kind));
        let verifier = verifier(rules, JwtKeys::Secret(signer.secret.clone()));
        expect(&verifier, &signer.raw(&header.to_string(), &payload().to_string()), error);
    };
    let default = ["JWT", "at+jwt"];
    for kind in ["JWT", "jwt", "application/jwt", "APPLICATION/JWT", "at+jwt", "AT+JWT", "application/at+jwt"]
    {
        check(&default, Some(kind), None);
    }
    for kind in [
        "",
        "id+jwt",
        "logout+jwt",
        "dpop+jwt",
        "JWT ",
        "text/jwt",
        "application/",
        "application/application/jwt",
    ] {
        check(&default, Some(kind), Some(JwtError::WrongType));
    }
    check(&default, None, Some(JwtError::WrongType));
    check(&["at+jwt", ""], None, None);
    check(&["at+jwt", ""], Some("JWT"), Some(JwtError::WrongType));
    check(&["application/at+JWT"], Some("at+jwt"), None);
}

#[test]
fn an_invalid_header_is_malformed() {
    let (verifier, signer) = (verifier_of(&hmac(1)), hmac(1));
    for (name, value) in
        [("alg", json!(["HS256"])), ("typ", json!(1)), ("kid", json!(1)), ("kid", Value::Null)]
    {
        let header = with(signer.header(), name, value).to_string();
        expect(&verifier, &signer.raw(&header, &payload().to_string()), Some(JwtError::Malformed));
    }
    for header in ["[]", "\"HS256\"", "{}x", "\u{feff}{}"] {
        expect(&verifier, &signer.raw(header, &payload().to_string()), Some(JwtError::Malformed));
    }
}
