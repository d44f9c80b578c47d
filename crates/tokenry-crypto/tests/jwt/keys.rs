//! Selection and validation of keys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokenry_crypto::{JwtError, JwtKeys, JwtKeysError};

use crate::{ISSUER, expect, hmac, payload, rsa, rules, sign, verifier, verifier_of, with, without};

fn set(keys: &[&Value]) -> String {
    json!({ "keys": keys }).to_string()
}

#[test]
fn the_key_id_selects_the_key() {
    let (one, two) = (rsa(), sign::new_rsa());
    let two_jwk = with(two.jwk.clone(), "kid", "two");
    let verifier = verifier(rules(one.algorithm), JwtKeys::Set(set(&[&one.jwk, &two_jwk])));
    let named = |id: &str| with(one.header(), "kid", id).to_string();
    let payload = payload().to_string();
    expect(&verifier, &one.raw(&named("rsa"), &payload), None);
    expect(&verifier, &two.raw(&named("two"), &payload), None);
    expect(&verifier, &one.raw(&named("two"), &payload), Some(JwtError::BadSignature));
    for id in ["", "RSA", "three", "../../etc/passwd", "' OR 1=1"] {
        expect(&verifier, &one.raw(&named(id), &payload), Some(JwtError::UnknownKey));
    }
    let unnamed = without(one.header(), "kid").to_string();
    expect(&verifier, &one.raw(&unnamed, &payload), Some(JwtError::UnknownKey));
}

#[test]
fn a_token_without_a_key_id_needs_a_set_with_one_usable_key() {
    let (signer, other) = (rsa(), sign::ec(Algorithm::ES256));
    let token = signer.encoded(&payload());
    let fits = |keys: &[&Value]| verifier(rules(signer.algorithm), JwtKeys::Set(set(keys)));
    expect(&fits(&[&signer.jwk]), &token, None);
    expect(&fits(&[&other.jwk, &signer.jwk, &hmac(1).jwk]), &token, None);
    let nameless = without(signer.jwk.clone(), "kid");
    expect(&fits(&[&nameless]), &token, None);
    expect(&fits(&[&nameless, &signer.jwk]), &token, Some(JwtError::UnknownKey));
    expect(&fits(&[&nameless]), &signer.signed(&payload()), Some(JwtError::UnknownKey));
}

#[test]
fn a_shared_secret_has_no_key_id() {
    let signer = hmac(1);
    let verifier = verifier(rules(signer.algorithm), JwtKeys::Secret(signer.secret.clone()));
    expect(&verifier, &signer.signed(&payload()), None);
    expect(&verifier, &signer.encoded(&payload()), None);
    expect(&verifier, &hmac(2).signed(&payload()), Some(JwtError::BadSignature));
}

#[test]
fn keys_for_another_algorithm_are_never_used() {
    let jwk = || rsa().jwk.clone();
    let short = |bytes: Vec<u8>| with(jwk(), "n", URL_SAFE_NO_PAD.encode(bytes));
    let padded = || [vec![0; 200], vec![0xff; 255]].concat();
    for (usable, key) in [
        (true, jwk()),
        (true, without(jwk(), "alg")),
        (true, with(jwk(), "use", "sig")),
        (true, with(jwk(), "key_ops", json!(["sign", "verify"]))),
        (false, with(jwk(), "alg", "RS384")),
        (false, with(jwk(), "alg", "PS256")),
        (false, with(jwk(), "alg", "RSA-OAEP")),
        (false, with(jwk(), "alg", 1)),
        (false, with(jwk(), "use", "enc")),
        (false, with(jwk(), "use", Value::Null)),
        (false, with(jwk(), "key_ops", json!(["encrypt"]))),
        (false, with(jwk(), "key_ops", json!("verify"))),
        (false, with(jwk(), "kid", 1)),
        (false, with(jwk(), "kty", "oct")),
        (false, with(jwk(), "kty", "rsa")),
        (false, without(jwk(), "kty")),
        (false, without(jwk(), "n")),
        (false, without(jwk(), "e")),
        (false, with(jwk(), "n", "not base64url!")),
        (false, with(jwk(), "n", "")),
        (true, short(vec![0x80; 256])),
        (false, short(vec![0x7f; 256])),
        (false, short(vec![0xff; 128])),
        (false, short(padded())),
        (false, sign::ec(Algorithm::ES256).jwk),
        (false, sign::ed().jwk),
        (false, without(hmac(1).jwk, "alg")),
        (false, with(hmac(1).jwk, "alg", "RS256")),
        (false, json!({})),
    ] {
        let expected = if usable { Ok(()) } else { Err(JwtKeysError::NoUsableKey) };
        assert_eq!(verifier_of(rsa()).replace_keys(ISSUER, &set(&[&key])), expected, "{key}");
    }
}

#[test]
fn a_key_of_another_kind_or_curve_is_never_used() {
    let signers = sign::all();
    for signer in &signers {
        for other in &signers {
            let key = without(other.jwk.clone(), "alg");
            let kind = |jwk: &Value| (jwk["kty"].clone(), jwk["crv"].clone());
            let fits = kind(&key) == kind(&signer.jwk);
            let outcome = verifier_of(signer).replace_keys(ISSUER, &set(&[&key]));
            assert_eq!(outcome.is_ok(), fits, "{} under {}", other.algorithm, signer.algorithm);
        }
    }
    let (ec, ed) = (sign::ec(Algorithm::ES256), sign::ed());
    let x = |jwk: &Value, bytes| with(jwk.clone(), "x", URL_SAFE_NO_PAD.encode(vec![1; bytes]));
    for (signer, key) in [
        (&ec, x(&ec.jwk, 31)),
        (&ec, x(&ec.jwk, 33)),
        (&ec, without(ec.jwk.clone(), "y")),
        (&ec, with(ec.jwk.clone(), "crv", "P-384")),
        (&ed, x(&ed.jwk, 31)),
        (&ed, with(ed.jwk.clone(), "crv", "X25519")),
        (&hmac(1), with(hmac(1).jwk, "k", URL_SAFE_NO_PAD.encode([1; 31]))),
    ] {
        let outcome = verifier_of(signer).replace_keys(ISSUER, &set(&[&key]));
        assert_eq!(outcome, Err(JwtKeysError::NoUsableKey), "{key}");
    }
}

#[test]
fn a_point_off_the_curve_verifies_no_signature() {
    let signer = sign::ec(Algorithm::ES256);
    let off = with(signer.jwk.clone(), "x", URL_SAFE_NO_PAD.encode([1; 32]));
    let verifier = verifier(rules(signer.algorithm), JwtKeys::Set(set(&[&off])));
    expect(&verifier, &signer.signed(&payload()), Some(JwtError::BadSignature));
}

#[test]
fn an_invalid_or_oversized_key_set_is_rejected() {
    let verifier = verifier_of(rsa());
    let many = |count| set(&vec![&json!({ "kty": "x" }); count]);
    let one = set(&[&rsa().jwk]);
    let long = |len: usize| format!("{one}{}", " ".repeat(len - one.len()));
    let doubled = set(&[&rsa().jwk, &rsa().jwk]);
    let ambiguous = one.replacen('{', r#"{"keys":[],"#, 1);
    for (jwks, error) in [
        ("", JwtKeysError::Malformed),
        ("[]", JwtKeysError::Malformed),
        ("{}", JwtKeysError::Malformed),
        (r#"{"keys":{}}"#, JwtKeysError::Malformed),
        (r#"{"keys":["x"]}"#, JwtKeysError::Malformed),
        (ambiguous.as_str(), JwtKeysError::Malformed),
        ("<html></html>", JwtKeysError::Malformed),
        (r#"{"keys":[]}"#, JwtKeysError::NoUsableKey),
        (many(100).as_str(), JwtKeysError::NoUsableKey),
        (many(101).as_str(), JwtKeysError::TooMany),
        (long(256 * 1024 + 1).as_str(), JwtKeysError::TooLarge),
        (doubled.as_str(), JwtKeysError::Duplicate),
    ] {
        assert_eq!(verifier.replace_keys(ISSUER, jwks), Err(error), "{jwks:.80}");
        expect(&verifier, &rsa().signed(&payload()), None);
    }
    assert_eq!(verifier.replace_keys(ISSUER, &long(256 * 1024)), Ok(()));
    assert_eq!(verifier.replace_keys("x", &one), Err(JwtKeysError::UnknownIssuer));
}

#[test]
fn keys_can_be_added_and_replaced_at_run_time() {
    let (old, new) = (rsa(), sign::new_rsa());
    let verifier = verifier(rules(old.algorithm), JwtKeys::Pending);
    expect(&verifier, &old.signed(&payload()), Some(JwtError::KeysUnavailable));
    assert_eq!(verifier.replace_keys(ISSUER, "{}"), Err(JwtKeysError::Malformed));
    expect(&verifier, &old.signed(&payload()), Some(JwtError::KeysUnavailable));
    assert_eq!(verifier.replace_keys(ISSUER, &set(&[&old.jwk])), Ok(()));
    expect(&verifier, &old.signed(&payload()), None);
    assert_eq!(verifier.replace_keys(ISSUER, &set(&[&with(new.jwk.clone(), "kid", "new")])), Ok(()));
    expect(&verifier, &old.signed(&payload()), Some(JwtError::UnknownKey));
    expect(&verifier, &old.encoded(&payload()), Some(JwtError::BadSignature));
    expect(&verifier, &new.encoded(&payload()), None);
}
