use proptest::prelude::*;

use super::*;
use crate::{Match, Pepper, Prefix, Scheme, SecretRng, SourceHash, SourceHashError, hash::HashSettings};

fn hasher(scheme: Scheme) -> Hasher {
    let peppers = vec![Pepper::new("old", vec![7; 32]).unwrap()];
    Hasher::new(HashSettings { scheme, bcrypt_cost: 4, peppers }).unwrap()
}

fn shape(text: &str) -> Shape {
    text.parse().unwrap()
}

fn stored(scheme: &str, text: &str) -> SecretHash {
    SourceHash { scheme: Some(scheme), text, salt: None, iterations: None }.to_stored(60).ok().unwrap()
}

/// SHA-256 of `nllm_` and 32 times `a`, by `sha256sum`.
const NOTEBOOK: &str = "nllm_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_text_of_a_shape_is_canonical_and_its_keys_are_tagged() {
    let one = shape("alphabet=base64url length=37 lookup=sha256 prefix=nllm_");
    assert_eq!(one.to_string(), "prefix=nllm_ lookup=sha256 hashed=whole length=37 alphabet=base64url");
    assert_eq!(shape(one.as_str()), one);
    assert_eq!(one.tag.len(), 8);
    let other = shape("prefix=nllm_ lookup=sha256 length=37 alphabet=alphanumeric");
    let hash = stored("sha256", &sha256(NOTEBOOK));
    assert_ne!(one.public_id_of(&hash), other.public_id_of(&hash));
}

#[test]
fn what_describes_no_shape_is_refused_with_a_reason() {
    for (text, reason) in [
        ("", "lookup is missing"),
        ("lookup=first:8", "length must be"),
        ("lookup=first:5 length=40 alphabet=hex", "lookup must be"),
        ("lookup=before:_ length=40 alphabet=hex", "lookup must be"),
        ("lookup=md5 length=40 alphabet=hex", "lookup must be"),
        ("lookup=first:8 hashed=secret length=40 alphabet=hex", "hashed must be"),
        ("lookup=first:8 length=40 alphabet=any", "alphabet must be"),
        ("lookup=first:8 length=23 alphabet=hex", "at least 16 characters"),
        ("lookup=first:8 length=40-30 alphabet=hex", "length must be"),
        ("lookup=first:8 length=40-400 alphabet=hex", "length must be"),
        ("lookup=first:8 lookup=last:8 length=40 alphabet=hex", "given twice"),
        ("lookup=first:8 length=40 alphabet=hex case=any", "is not prefix"),
        ("prefix=a.b lookup=first:8 length=40 alphabet=hex", "prefix must be"),
        ("prefix=a$ lookup=first:8 length=40 alphabet=hex", "prefix must be"),
        ("nobody", "has a word that is not name=value"),
    ] {
        let error = text.parse::<Shape>().unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn a_row_and_a_presented_text_lead_to_the_same_key() {
    let hasher = hasher(Scheme::Bcrypt);
    let secret = "0123456789abcdef0123456789abcdef";
    for (text, presented, keys) in [
        (
            "prefix=bodhiapp_ lookup=first:8 length=49 alphabet=base64url",
            format!("bodhiapp_Ab-d1_34{secret}"),
            &["Ab-d1_34", "bodhiapp_Ab-d1_34"][..],
        ),
        ("gitea", format!("{secret}89abcdef"), &["89abcdef"]),
        ("knox", format!("{secret}{secret}"), &["0123456789abcde"]),
        ("sanctum", format!("42|{secret}01234567"), &["42", "42|"]),
        ("drf-api-key", format!("Ab3dEf7h.{secret}"), &["Ab3dEf7h", "Ab3dEf7h."]),
        (
            "prefix=fp_pat_ lookup=before:. hashed=secret length=76 alphabet=base64url",
            format!("fp_pat_0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e.{secret}"),
            &["0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e", "fp_pat_0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e"],
        ),
    ] {
        let shape = shape(text);
        let token = shape.read(presented.as_bytes(), &hasher).unwrap().unwrap();
        for key in keys {
            assert_eq!(shape.public_id(key).unwrap(), token.public_id(), "{text} {key}");
        }
        assert!(token.is_imported() && token.suffix().is_empty());
        for end in 0..presented.len() {
            let cut = shape.read(&presented.as_bytes()[..end], &hasher).unwrap();
            assert!(cut.is_none_or(|cut| cut.as_bytes().len() == end && shape.length.contains(&end)));
        }
    }
}

#[test]
fn each_scheme_matches_its_token_and_no_other() {
    let hasher = hasher(Scheme::Bcrypt);
    let text = NOTEBOOK;
    let mac = hmac_hex(text);
    let phc = {
        let token = imported(text);
        let own = Hasher::new(HashSettings { scheme: Scheme::Argon2id, bcrypt_cost: 4, peppers: Vec::new() });
        own.unwrap().hash(&token, &mut SecretRng::os()).unwrap().as_str().to_owned()
    };
    let bcrypt_text = |version: &str| {
        let parts = bcrypt::hash_with_salt(text, 4, [3; 16]).unwrap();
        parts.to_string().replacen("$2b$", version, 1)
    };
    let digested = bcrypt::hash_with_salt(sha256(text), 4, [3; 16]).unwrap().to_string();
    let sha512: String = sha2::Sha512::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    let django = {
        let mut out = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(text.as_bytes(), b"salt", 1000, &mut out);
        format!("pbkdf2_sha256$1000$salt${}", base64::engine::general_purpose::STANDARD.encode(out))
    };
    for (scheme, stored_text) in [
        (Some("sha256"), sha256(text)),
        (Some("sha256"), sha256(text).to_uppercase()),
        (Some("sha256"), base64.clone()),
        (Some("sha256"), format!("{}=", base64.replace('-', "+").replace('_', "/"))),
        (Some("sha512"), sha512.clone()),
        (None, format!("sha512$${sha512}")),
        (Some("hmac-sha256:old"), mac),
        (None, bcrypt_text("$2y$")),
        (Some("bcrypt"), bcrypt_text("$2b$")),
        (None, format!("bcrypt${}", bcrypt_text("$2a$"))),
        (None, format!("bcrypt_sha256${digested}")),
        (None, phc.clone()),
        (Some("argon2id"), format!("argon2{phc}")),
        (Some("pbkdf2-sha256"), django.clone()),
        (None, django),
    ] {
        let source = SourceHash { scheme, text: &stored_text, salt: None, iterations: None };
        let stored = source.to_stored(60).unwrap_or_else(|error| panic!("{stored_text}: {error}"));
        assert!(Hasher::is_imported(&stored), "{}", stored.as_str());
        assert_eq!(hasher.matches(&imported(text), &stored), Match::Yes, "{stored_text}");
        assert_eq!(hasher.matches(&imported(&text.replace('a', "b")), &stored), Match::No, "{stored_text}");
        let is_slow = ["$2", "argon2", "pbkdf2"].iter().any(|slow| stored_text.contains(slow));
        assert_eq!(hasher.is_slow(&stored), is_slow, "{stored_text}");
        assert!(!hasher.is_current(&stored));
        assert!(hasher.storable_proof(&imported(text), &stored).is_none());
    }
}

fn imported(text: &str) -> PlainToken {
    PlainToken::imported(text, PublicId::from_stored("~key".to_owned()), 0..text.len())
}

fn hmac_hex(text: &str) -> String {
    let mac = Pepper::new("old", vec![7; 32]).unwrap().mac(text.as_bytes());
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_hash_out_of_bounds_is_refused_before_any_work() {
    let salt = "c2FsdHNhbHRzYWx0c2FsdA";
    let tag = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let bcrypt_at = |cost: &str| format!("$2y${cost}${}", "a".repeat(53));
    let cases = [
        (bcrypt_at("15"), SourceHashError::Cost),
        (bcrypt_at("31"), SourceHashError::Cost),
        (bcrypt_at("03"), SourceHashError::Cost),
        (bcrypt_at("1x"), SourceHashError::Form),
        (format!("$argon2id$v=19$m=4194304,t=2,p=1${salt}${tag}"), SourceHashError::Cost),
        (format!("$argon2id$v=19$m=65536,t=100000,p=1${salt}${tag}"), SourceHashError::Cost),
        (format!("$argon2id$v=19$m=65536,t=2,p=64${salt}${tag}"), SourceHashError::Cost),
        (format!("$argon2id$v=19$m=65536,t=0,p=1${salt}${tag}"), SourceHashError::Cost),
        (format!("pbkdf2_sha256$2000001$salt${tag}"), SourceHashError::Cost),
        (format!("pbkdf2_sha256$0$salt${tag}"), SourceHashError::Form),
        (format!("pbkdf2_sha256$1000$${tag}"), SourceHashError::Form),
        ("pbkdf2_sha256$1000$salt$AAAA".to_owned(), SourceHashError::Form),
        ("md5$salt$00".to_owned(), SourceHashError::Scheme),
        ("plain".to_owned(), SourceHashError::Scheme),
    ];
    for (text, why) in cases {
        let source = SourceHash { scheme: None, text: &text, salt: None, iterations: None };
        assert_eq!(source.to_stored(60).err(), Some(why), "{text}");
    }
    let source = SourceHash { scheme: Some("sha256"), text: "abc", salt: None, iterations: None };
    assert_eq!(source.to_stored(60).err(), Some(SourceHashError::Form));
    // The row says one scheme, the text another.
    let text = bcrypt_at("10");
    let source = SourceHash { scheme: Some("argon2id"), text: &text, salt: None, iterations: None };
    assert_eq!(source.to_stored(60).err(), Some(SourceHashError::Scheme));
}

#[test]
fn a_token_that_bcrypt_would_truncate_is_refused() {
    let parts = bcrypt::hash_with_salt("x".repeat(80), 4, [3; 16]).unwrap().to_string();
    let source = SourceHash { scheme: None, text: &parts, salt: None, iterations: None };
    assert_eq!(source.to_stored(73).err(), Some(SourceHashError::Truncated));
    let stored = source.to_stored(72).ok().unwrap();
    let hasher = hasher(Scheme::Bcrypt);
    // bcrypt alone would accept any end after 72 bytes.
    assert_eq!(hasher.matches(&imported(&"x".repeat(80)), &stored), Match::No);
    let exact = bcrypt::hash_with_salt("x".repeat(72), 4, [3; 16]).unwrap().to_string();
    let exact = SourceHash { text: &exact, ..source }.to_stored(72).ok().unwrap();
    assert_eq!(hasher.matches(&imported(&"x".repeat(72)), &exact), Match::Yes);
    assert_eq!(hasher.matches(&imported(&"x".repeat(71)), &exact), Match::No);
}

#[test]
fn a_fast_hash_never_replaces_a_slow_one_of_an_imported_secret() {
    let slow = stored("bcrypt", &bcrypt::hash_with_salt(NOTEBOOK, 4, [3; 16]).unwrap().to_string());
    let fast = stored("sha256", &sha256(NOTEBOOK));
    assert!(!hasher(Scheme::Sha256).may_replace(&slow) && hasher(Scheme::Sha256).may_replace(&fast));
    assert!(hasher(Scheme::Bcrypt).may_replace(&slow) && hasher(Scheme::Bcrypt).may_replace(&fast));
}

#[test]
fn an_hmac_without_its_key_is_unreadable_and_not_unknown() {
    let shape = shape("prefix=nllm_ lookup=hmac-sha256:gone length=37 alphabet=alphanumeric");
    let read = shape.read(NOTEBOOK.as_bytes(), &hasher(Scheme::Bcrypt));
    assert!(matches!(read, Err(UnreadableHash::Pepper)));
    let shape = super::Shape::from_str(&shape.as_str().replace("gone", "old")).unwrap();
    let token = shape.read(NOTEBOOK.as_bytes(), &hasher(Scheme::Bcrypt)).unwrap().unwrap();
    let row = stored("hmac-sha256:old", &hmac_hex(NOTEBOOK));
    assert_eq!(shape.public_id_of(&row).unwrap(), token.public_id());
    assert_eq!(shape.public_id_of(&stored("sha256", &sha256(NOTEBOOK))), Err(LookupError::Digest));
}

proptest! {
    #[test]
    fn no_text_is_both_a_token_of_a_shape_and_of_tokenry_or_a_jwt(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        words in "[A-Za-z0-9_|.:-]{20,130}",
        seed in 0..500_u64,
    ) {
        let hasher = hasher(Scheme::Bcrypt);
        let own = PlainToken::generate(&Prefix::default(), &mut SecretRng::seeded(seed)).unwrap().reveal_once();
        let shapes: Vec<Shape> = Shape::presets().map(shape).collect();
        for shape in &shapes {
            // Own tokens are 65 characters long.
            prop_assert!(!shape.fits(own.as_bytes()) || shape.as_str().contains("before:|"));
            for text in [bytes.as_slice(), words.as_bytes()] {
                let read = shape.read(text, &hasher).unwrap();
                prop_assert_eq!(read.is_some(), shape.fits(text));
                if let Some(token) = read {
                    prop_assert!(text.iter().filter(|b| **b == b'.').count() < 2);
                    prop_assert!(token.public_id().as_str().starts_with('~'));
                }
            }
        }
    }
}
