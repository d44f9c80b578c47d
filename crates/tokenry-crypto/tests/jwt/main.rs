//! Which JWTs are accepted, and the error for each other one.
#![cfg(feature = "jwt")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod claims;
mod header;
mod keys;
mod noise;
mod settings;
mod sign;

use serde_json::{Value, json};
use tokenry_crypto::{JwtAlgorithm, JwtClaims, JwtError, JwtIssuer, JwtKeys, JwtVerifier};
use tokenry_domain::UnixMillis;

use crate::sign::{Signer, hmac, rsa};

const ISSUER: &str = "https://issuer.test/";
const AUDIENCE: &str = "tokenry";

/// The instant of every test, in seconds since the epoch.
const NOW: i64 = 1_800_000_000;

fn now() -> UnixMillis {
    UnixMillis::new(NOW * 1000).unwrap()
}

fn rules(algorithm: JwtAlgorithm) -> JwtIssuer {
    JwtIssuer::new(ISSUER.to_owned(), vec!["other".to_owned(), AUDIENCE.to_owned()], algorithm)
}

fn verifier(rules: JwtIssuer, keys: JwtKeys) -> JwtVerifier {
    JwtVerifier::new(vec![(rules, keys)]).unwrap()
}

/// A verifier for the tokens of the signer.
fn verifier_of(signer: &Signer) -> JwtVerifier {
    verifier(rules(signer.algorithm), JwtKeys::Set(json!({ "keys": [signer.jwk] }).to_string()))
}

/// Valid claims.
fn payload() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "exp": NOW + 60, "iat": NOW - 60 })
}

fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

fn verify(verifier: &JwtVerifier, token: &str) -> Result<JwtClaims, JwtError> {
    assert!(JwtVerifier::looks_like_jwt(token.as_bytes()), "{token}");
    verifier.verify(token.as_bytes(), now())
}

/// Asserts the error for a token; `None` means that it is accepted.
#[track_caller]
fn expect(verifier: &JwtVerifier, token: &str, error: Option<JwtError>) {
    assert_eq!(verify(verifier, token).err(), error, "{}", sign::shown(token));
}

#[test]
fn a_valid_token_is_accepted_only_under_its_own_algorithm() {
    let signers = sign::all();
    for signer in &signers {
        let verifier = verifier_of(signer);
        let claims = verify(&verifier, &signer.encoded(&payload())).ok().unwrap();
        assert_eq!((claims.issuer(), claims.subject().as_str()), (ISSUER, "user-1"));
        assert_eq!(claims.issued_at().map(UnixMillis::seconds), Some(NOW - 60));
        assert_eq!(claims.expires_at().seconds(), NOW + 60);
        for other in signers.iter().filter(|other| other.algorithm != signer.algorithm) {
            let error = Some(JwtError::WrongAlgorithm);
            expect(&verifier, &other.encoded(&payload()), error);
        }
    }
}

#[test]
fn only_configured_issuers_are_accepted_and_each_has_its_own_keys() {
    let (one, two) = (hmac(1), hmac(2));
    let named = |issuer: &str, signer: &Signer| {
        let mut rules = rules(signer.algorithm);
        rules.issuer = issuer.to_owned();
        (rules, JwtKeys::Secret(signer.secret.clone()))
    };
    let verifier = JwtVerifier::new(vec![named("one", &one), named("two", &two)]).unwrap();
    let from = |issuer: &str, signer: &Signer| signer.signed(&with(payload(), "iss", issuer));
    expect(&verifier, &from("one", &one), None);
    expect(&verifier, &from("two", &two), None);
    expect(&verifier, &from("one", &two), Some(JwtError::BadSignature));
    for issuer in ["", "One", "one/", "on", " one", "one\0"] {
        expect(&verifier, &from(issuer, &one), Some(JwtError::UnknownIssuer));
    }
    for issuer in [json!(1), json!(null), json!(["one"]), json!({ "one": 1 })] {
        expect(&verifier, &one.signed(&with(payload(), "iss", issuer)), Some(JwtError::UnknownIssuer));
    }
    expect(&verifier, &one.signed(&without(payload(), "iss")), Some(JwtError::UnknownIssuer));
    expect(&JwtVerifier::new(Vec::new()).unwrap(), &from("one", &one), Some(JwtError::UnknownIssuer));
}

#[test]
fn errors_follow_the_documented_order() {
    // Each step fixes the error of the previous step.
    let signer = rsa();
    let good = with(payload(), "exp", NOW - 60);
    let bad = with(with(with(good, "aud", "no"), "sub", ""), "iss", "no");
    let verifier = verifier_of(signer);
    let header = |algorithm, kind, key| json!({ "alg": algorithm, "typ": kind, "kid": key }).to_string();
    expect(&verifier, &signer.raw("{", &bad.to_string()), Some(JwtError::Malformed));
    expect(
        &verifier,
        &signer.raw(&header("no", "no", "no"), &bad.to_string()),
        Some(JwtError::UnknownIssuer),
    );
    let bad = with(bad, "iss", ISSUER);
    let text = bad.to_string();
    expect(&verifier, &signer.raw(&header("no", "no", "no"), &text), Some(JwtError::WrongAlgorithm));
    expect(&verifier, &signer.raw(&header("RS256", "no", "no"), &text), Some(JwtError::WrongType));
    expect(&verifier, &signer.raw(&header("RS256", "JWT", "no"), &text), Some(JwtError::UnknownKey));
    let header = header("RS256", "JWT", "rsa");
    expect(&verifier, &hmac(1).raw(&header, &text), Some(JwtError::BadSignature));
    let error = |payload: &Value| verify(&verifier, &signer.raw(&header, &payload.to_string())).err();
    assert_eq!(error(&bad), Some(JwtError::WrongAudience));
    let bad = with(bad, "aud", AUDIENCE);
    assert_eq!(error(&bad), Some(JwtError::Expired));
    let bad = with(bad, "exp", NOW + 60);
    assert_eq!(error(&bad), Some(JwtError::BadClaims("sub")));
    assert_eq!(error(&with(bad, "sub", "user-1")), None);
}
