//! Property tests: only unmodified tokens verify, and verification never panics.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use tokenry_crypto::{JwtError, JwtVerifier};

use crate::{
    hmac, now, payload,
    sign::{self, Signer},
    verifier_of,
};

/// A verifier and a good token for each kind of key.
fn subjects() -> &'static [(JwtVerifier, String)] {
    static SUBJECTS: LazyLock<Vec<(JwtVerifier, String)>> = LazyLock::new(|| {
        let subject = |signer: &Signer| (verifier_of(signer), signer.signed(&payload()));
        sign::all().iter().map(subject).collect()
    });
    &SUBJECTS
}

#[test]
fn every_truncated_or_extended_token_is_rejected() {
    for (verifier, token) in subjects() {
        for end in 0..token.len() {
            assert!(verifier.verify(&token.as_bytes()[..end], now()).is_err());
            assert!(verifier.verify(&token.as_bytes()[token.len() - end..], now()).is_err());
        }
        for longer in [format!("{token}A"), format!("{token}."), format!(" {token}"), format!("{token}\n")] {
            assert!(verifier.verify(longer.as_bytes(), now()).is_err());
        }
    }
}

#[test]
fn a_token_over_8_kib_is_malformed() {
    let (signer, mut payload) = (hmac(1), payload());
    payload["x"] = "x".repeat(5900).into();
    let good = signer.signed(&payload);
    assert!(good.len() <= 8192 && verifier_of(&signer).verify(good.as_bytes(), now()).is_ok());
    payload["x"] = "x".repeat(6100).into();
    let long = signer.signed(&payload);
    assert!(long.len() > 8192);
    assert_eq!(verifier_of(&signer).verify(long.as_bytes(), now()).err(), Some(JwtError::Malformed));
}

proptest! {
    #[test]
    fn a_modified_token_is_rejected(
        subject in 0..12_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (verifier, token) = &subjects()[subject];
        let mut bytes = token.clone().into_bytes();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        prop_assert_eq!(verifier.verify(&bytes, now()).is_ok(), bytes == token.as_bytes());
    }

    #[test]
    fn a_modified_header_or_payload_is_rejected(
        subject in 0..12_usize, part in 0..2_usize, at: prop::sample::Index, byte: u8,
    ) {
        let (verifier, token) = &subjects()[subject];
        let mut parts: Vec<_> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let at = at.index(parts[part].len());
        parts[part][at] = byte;
        let changed = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".");
        prop_assert_eq!(verifier.verify(changed.as_bytes(), now()).is_ok(), changed == *token);
    }

    #[test]
    fn no_bytes_verify_or_panic(
        subject in 0..12_usize,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        shaped in "[A-Za-z0-9_-]{1,80}\\.[A-Za-z0-9_-]{1,80}\\.[A-Za-z0-9_-]{1,80}",
        parts in prop::array::uniform3(prop::collection::vec(any::<u8>(), 1..80)),
        header in "\\{(\"(alg|typ|kid)\":(\"(HS256|none|JWT)\"|-?[0-9e.]{1,9}|null|\\[\\]),?){0,3}\\}",
        claims in "\\{(\"(iss|aud|exp|sub)\":(\"x\"|-?[0-9e.]{1,9}|null|\\[\\]),?){0,4}\\}",
    ) {
        let (verifier, _) = &subjects()[subject];
        let encoded = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let json = format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        for presented in [bytes, shaped.into_bytes(), encoded.into_bytes(), json.into_bytes()] {
            prop_assert!(verifier.verify(&presented, now()).is_err());
        }
    }

    #[test]
    fn checking_signed_claims_never_panics(
        exp: f64, nbf: i64, iat: u64, claims in "\\{(\"(aud|exp|nbf|iat|sub)\":(\"x\"|-?[0-9]{1,30}|null|\\[\\]),?){0,5}\\}",
    ) {
        let signer = hmac(1);
        let mut payload = payload();
        payload["exp"] = exp.into();
        payload["nbf"] = nbf.into();
        payload["iat"] = iat.into();
        let header = signer.header().to_string();
        for claims in [claims, payload.to_string()] {
            let _ = verifier_of(&signer).verify(signer.raw(&header, &claims).as_bytes(), now());
        }
    }
}
