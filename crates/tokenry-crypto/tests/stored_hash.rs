//! Properties of stored hashes under every scheme.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use proptest::prelude::*;
use tokenry_crypto::{
    HashSettings, Hasher, HasherError, Match, Pepper, PlainToken, Prefix, Proof, Scheme, SecretRng,
    UnreadableHash,
};
use tokenry_domain::SecretHash;

const SCHEMES: [Scheme; 4] = [Scheme::Bcrypt, Scheme::Sha256, Scheme::HmacSha256, Scheme::Argon2id];

fn pepper(id: &str, byte: u8) -> Pepper {
    Pepper::new(id, vec![byte; 32]).unwrap()
}

fn hasher(scheme: Scheme) -> Hasher {
    Hasher::new(HashSettings::new(scheme).with_bcrypt_cost(4).with_peppers(vec![pepper("k1", 1)])).unwrap()
}

fn token() -> PlainToken {
    PlainToken::generate(&Prefix::default(), &mut SecretRng::os()).unwrap()
}

fn stored(text: impl Into<String>) -> SecretHash {
    SecretHash::from_stored(text.into())
}

#[test]
fn a_token_matches_its_own_hash_and_no_other() {
    for scheme in SCHEMES {
        let hasher = hasher(scheme);
        let (mine, other) = (token(), token());
        let hash = hasher.hash(&mine, &mut SecretRng::os()).unwrap();
        assert_eq!(hasher.matches(&mine, &hash), Match::Yes, "{scheme}");
        assert_eq!(hasher.matches(&other, &hash), Match::No, "{scheme}");
        assert!(hasher.is_current(&hash), "{scheme}");
        assert_eq!(hasher.is_slow(&hash), matches!(scheme, Scheme::Bcrypt | Scheme::Argon2id));
    }
}

#[test]
fn a_hash_of_every_scheme_is_verified_under_every_configured_scheme() {
    for written in SCHEMES {
        let mine = token();
        let hash = hasher(written).hash(&mine, &mut SecretRng::os()).unwrap();
        for configured in SCHEMES {
            let reader = hasher(configured);
            assert_eq!(reader.matches(&mine, &hash), Match::Yes, "{written} read by {configured}");
            assert_eq!(reader.is_current(&hash), written == configured);
        }
    }
}

#[test]
fn a_stored_hash_contains_no_part_of_the_secret() {
    for scheme in SCHEMES {
        let mine = token();
        let hash = hasher(scheme).hash(&mine, &mut SecretRng::os()).unwrap();
        let text = mine.reveal_once();
        let secret = &text[16..59];
        for start in 0..secret.len() - 8 {
            assert!(!hash.as_str().contains(&secret[start..start + 8]), "{scheme}");
        }
    }
}

#[test]
fn salted_schemes_produce_a_different_hash_each_time() {
    for scheme in [Scheme::Bcrypt, Scheme::Argon2id] {
        let (hasher, mine) = (hasher(scheme), token());
        let mut rng = SecretRng::os();
        let (one, two) = (hasher.hash(&mine, &mut rng).unwrap(), hasher.hash(&mine, &mut rng).unwrap());
        assert_ne!(one.as_str(), two.as_str());
    }
}

fn hmac_hasher(peppers: Vec<Pepper>) -> Hasher {
    Hasher::new(HashSettings::new(Scheme::HmacSha256).with_peppers(peppers)).unwrap()
}

#[test]
fn a_pepper_can_be_replaced_while_hashes_of_the_old_one_still_match() {
    let mine = token();
    let old = hmac_hasher(vec![pepper("k1", 1)]).hash(&mine, &mut SecretRng::os()).unwrap();
    let both = hmac_hasher(vec![pepper("k2", 2), pepper("k1", 1)]);
    assert_eq!(both.matches(&mine, &old), Match::Yes);
    assert!(!both.is_current(&old));
    let new = both.hash(&mine, &mut SecretRng::os()).unwrap();
    assert!(new.as_str().starts_with("$hmac-sha256$k2$") && both.is_current(&new));
    let only_new = hmac_hasher(vec![pepper("k2", 2)]);
    assert_eq!(only_new.matches(&mine, &old), Match::Unreadable(UnreadableHash::Pepper));
    let same_id = hmac_hasher(vec![pepper("k1", 9)]);
    assert_eq!(same_id.matches(&mine, &old), Match::No);
}

fn settings_error(scheme: Scheme, bcrypt_cost: u32, peppers: Vec<Pepper>) -> Option<HasherError> {
    Hasher::new(HashSettings::new(scheme).with_bcrypt_cost(bcrypt_cost).with_peppers(peppers)).err()
}

#[test]
fn invalid_hash_settings_are_rejected() {
    assert_eq!(settings_error(Scheme::Bcrypt, 3, vec![]), Some(HasherError::Cost));
    assert_eq!(settings_error(Scheme::Bcrypt, 15, vec![]), Some(HasherError::Cost));
    assert_eq!(settings_error(Scheme::HmacSha256, 6, vec![]), Some(HasherError::NoPepper));
    assert_eq!(
        settings_error(Scheme::Bcrypt, 6, vec![pepper("a", 1), pepper("a", 2)]),
        Some(HasherError::Peppers)
    );
    let three = vec![pepper("a", 1), pepper("b", 2), pepper("c", 3)];
    assert_eq!(settings_error(Scheme::Bcrypt, 6, three), Some(HasherError::Peppers));
}

#[test]
fn malformed_and_too_costly_hashes_match_nothing_and_are_reported() {
    let mine = token();
    let bcrypt = hasher(Scheme::Bcrypt).hash(&mine, &mut SecretRng::os()).unwrap();
    let bcrypt = bcrypt.as_str();
    let argon2 = hasher(Scheme::Argon2id).hash(&mine, &mut SecretRng::os()).unwrap();
    let argon2 = argon2.as_str();
    use UnreadableHash::{Cost, Form, Pepper, Scheme as Unknown};
    for (text, why) in [
        (String::new(), Unknown),
        ("plain".to_owned(), Unknown),
        ("$md5$x".to_owned(), Unknown),
        ("$2x$04$".to_owned(), Unknown),
        (bcrypt.replace("$04$", "$15$"), Cost),
        (bcrypt.replace("$04$", "$31$"), Cost),
        (bcrypt.replace("$04$", "$03$"), Cost),
        (bcrypt.replace("$04$", "$+4$"), Form),
        (bcrypt[..59].to_owned(), Form),
        (format!("{bcrypt}x"), Form),
        (format!("{}ä", &bcrypt[..58]), Form),
        ("$sha256$".to_owned(), Form),
        (format!("$sha256${}", "A".repeat(42)), Form),
        (format!("$sha256${}", "!".repeat(43)), Form),
        (format!("$hmac-sha256$other${}", "A".repeat(43)), Pepper),
        (format!("$hmac-sha256$k1$x${}", "A".repeat(43)), Form),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA".to_owned(), Form),
        (argon2.replace("m=19456", "m=4194304"), Cost),
        (argon2.replace("t=2", "t=4294967295"), Cost),
        (argon2.replace("p=1", "p=255"), Cost),
        (argon2.replace("m=19456", "m=99999999999"), Form),
        (argon2.replace("v=19", "v=16"), Form),
        (argon2.replace("t=2", "t=+2"), Form),
        (argon2.replace("t=2", "t=02"), Form),
        (format!("$sha256${}", "A".repeat(100_000)), Form),
        (format!("$argon2id{}", "$".repeat(100_000)), Form),
    ] {
        for scheme in SCHEMES {
            assert_eq!(
                hasher(scheme).matches(&mine, &stored(text.clone())),
                Match::Unreadable(why),
                "{text}"
            );
        }
    }
}

#[test]
fn a_proof_is_stored_for_slow_hashes_only() {
    for scheme in SCHEMES {
        let hasher = hasher(scheme);
        let (mine, other) = (token(), token());
        let hash = hasher.hash(&mine, &mut SecretRng::os()).unwrap();
        let proof = hasher.storable_proof(&mine, &hash);
        assert_eq!(proof.is_some(), hasher.is_slow(&hash), "{scheme}");
        if let Some(proof) = proof {
            assert!(Proof::new(&mine, &hash).matches(&proof));
            assert!(!Proof::new(&other, &hash).matches(&proof));
            let rehashed = hasher.hash(&mine, &mut SecretRng::os()).unwrap();
            assert!(!Proof::new(&mine, &rehashed).matches(&proof), "{scheme}: another text, another proof");
        }
    }
}

fn hasher_with(scheme: Scheme, bcrypt_cost: u32, pepper_id: &str) -> Hasher {
    let peppers = vec![pepper(pepper_id, 7)];
    Hasher::new(HashSettings::new(scheme).with_bcrypt_cost(bcrypt_cost).with_peppers(peppers)).unwrap()
}

#[test]
fn a_hash_with_another_cost_or_pepper_is_not_current() {
    let mine = token();
    for scheme in SCHEMES {
        let hash = hasher_with(scheme, 4, "k1").hash(&mine, &mut SecretRng::os()).unwrap();
        assert!(hasher_with(scheme, 4, "k1").is_current(&hash));
        assert_eq!(hasher_with(scheme, 5, "k1").is_current(&hash), scheme != Scheme::Bcrypt);
        for other in ["k2", "k", "k10"] {
            assert_eq!(hasher_with(scheme, 4, other).is_current(&hash), scheme != Scheme::HmacSha256);
        }
    }
}

#[test]
fn the_dummy_hash_matches_no_token() {
    for scheme in SCHEMES {
        let hasher = hasher(scheme);
        let hash = hasher.dummy();
        let mine = token();
        assert_eq!(hasher.matches(&mine, hash), Match::No);
        assert!(hasher.is_current(hash), "the dummy costs what a {scheme} hash costs");
    }
}

proptest! {
    #[test]
    fn no_stored_text_panics_or_matches(
        text in prop_oneof!["\\PC{0,100}", "\\$(2b|sha256|hmac-sha256|argon2id)\\$[ -~]{0,90}", "\\$2b\\$0[0-4]\\$[./A-Za-z0-9]{53}"]
    ) {
        prop_assert_ne!(hasher(Scheme::Sha256).matches(&token(), &stored(text)), Match::Yes);
    }
}
