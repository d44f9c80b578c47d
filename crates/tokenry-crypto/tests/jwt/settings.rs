//! Invalid settings.

use std::time::Duration;

use serde_json::json;
use tokenry_crypto::{JwtAlgorithm, JwtIssuer, JwtKeys, JwtKeysError, JwtSettingsError, JwtVerifier};
use zeroize::Zeroizing;

use crate::{AUDIENCE, ISSUER, hmac, rsa, rules};

fn issuer_with(name: &str, audiences: &[&str]) -> JwtIssuer {
    let audiences = audiences.iter().map(ToString::to_string).collect();
    JwtIssuer::new(name.to_owned(), audiences, JwtAlgorithm::Hs256)
}

fn secret(len: usize) -> JwtKeys {
    JwtKeys::Secret(Zeroizing::new(vec![1; len]))
}

#[test]
fn settings_that_accept_too_much_or_nothing_are_rejected() {
    let issuer = || ISSUER.to_owned();
    let good = || rules(JwtAlgorithm::Hs256);
    for (rules, error) in [
        (good(), None),
        (issuer_with("", &[AUDIENCE]), Some(JwtSettingsError::NoIssuer)),
        (issuer_with(ISSUER, &[]), Some(JwtSettingsError::Audience(issuer()))),
        (issuer_with(ISSUER, &[AUDIENCE, ""]), Some(JwtSettingsError::Audience(issuer()))),
        (good().with_types(vec![]), Some(JwtSettingsError::NoType(issuer()))),
        (good().with_leeway(Duration::from_secs(300)), None),
        (good().with_leeway(Duration::from_millis(300_001)), Some(JwtSettingsError::Leeway(issuer()))),
        (good().with_leeway(Duration::MAX), Some(JwtSettingsError::Leeway(issuer()))),
    ] {
        assert_eq!(JwtVerifier::new(vec![(rules, secret(32))]).err(), error);
    }
}

#[test]
fn keys_must_match_the_algorithm() {
    let issuer = || ISSUER.to_owned();
    let set = |jwk: &serde_json::Value| JwtKeys::Set(json!({ "keys": [jwk] }).to_string());
    let unusable = || JwtSettingsError::Keys(issuer(), JwtKeysError::NoUsableKey);
    for (algorithm, keys, error) in [
        (JwtAlgorithm::Hs256, secret(31), Some(JwtSettingsError::ShortSecret(issuer()))),
        (JwtAlgorithm::Hs256, secret(0), Some(JwtSettingsError::ShortSecret(issuer()))),
        (JwtAlgorithm::Rs256, secret(64), Some(JwtSettingsError::Secret(issuer()))),
        (JwtAlgorithm::EdDsa, secret(32), Some(JwtSettingsError::Secret(issuer()))),
        (JwtAlgorithm::Hs256, set(&hmac(1).jwk), None),
        (JwtAlgorithm::Hs256, set(&rsa().jwk), Some(unusable())),
        (JwtAlgorithm::Rs256, set(&hmac(1).jwk), Some(unusable())),
        (JwtAlgorithm::Rs256, set(&rsa().jwk), None),
        (JwtAlgorithm::Rs256, JwtKeys::Pending, None),
    ] {
        assert_eq!(JwtVerifier::new(vec![(rules(algorithm), keys)]).err(), error, "{algorithm}");
    }
}

#[test]
fn an_issuer_must_not_be_configured_twice() {
    let both = vec![(rules(JwtAlgorithm::Hs256), secret(32)), (rules(JwtAlgorithm::Rs256), JwtKeys::Pending)];
    assert_eq!(JwtVerifier::new(both).err(), Some(JwtSettingsError::Duplicate(ISSUER.to_owned())));
    assert!(JwtVerifier::new(Vec::new()).unwrap().is_empty());
    assert!(!JwtVerifier::new(vec![(rules(JwtAlgorithm::Hs256), secret(32))]).unwrap().is_empty());
}
