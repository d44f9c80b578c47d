//! Other systems: their shapes, tokens and rows.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};
use tokenry_service::ImportRow;

/// The tokens of one other system.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static str,
    /// The token with this number.
    pub(crate) token: fn(usize) -> String,
    /// Its row, with a hash that nothing matches where `is_sampled` is not set.
    pub(crate) row: fn(usize, &str, bool) -> ImportRow,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Some characters that depend on the number.
pub(crate) fn noise(number: usize) -> String {
    hex(&Sha256::digest(format!("import {number}")))
}

pub(crate) fn base(number: usize, scheme: &str, hash: String) -> ImportRow {
    ImportRow {
        line: number as u64 + 1,
        id: number.to_string(),
        owner: format!("owner-{}", number % 7),
        name: format!("token {number}"),
        scopes: vec!["projects:read".to_owned()],
        hash,
        scheme: Some(scheme.to_owned()),
        ..ImportRow::default()
    }
}

pub(crate) fn pbkdf2(text: &str, salt: &str, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    pbkdf2::pbkdf2_hmac::<Sha256>(text.as_bytes(), salt.as_bytes(), 100, &mut out);
    out
}

/// A hash that takes long is computed for tokens that are presented only.
pub(crate) fn slow(is_sampled: bool, other: &str, hash: impl FnOnce() -> String) -> String {
    if is_sampled { hash() } else { other.to_owned() }
}

pub(crate) const NO_BCRYPT: &str = "$2b$04$......................................................";
pub(crate) const NO_ARGON2: &str =
    "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(crate) fn systems() -> Vec<System> {
    vec![
        System {
            name: "requirements",
            shape: "prefix=mcp_pat_ lookup=first:12 length=52 alphabet=alphanumeric",
            token: |number| format!("mcp_pat_{}", &noise(number)[..44]),
            row: |number, token, is_sampled| ImportRow {
                lookup: Some(token[..20].to_owned()),
                ..base(
                    number,
                    "bcrypt",
                    slow(is_sampled, &NO_BCRYPT[..60], || bcrypt::hash(token, 4).unwrap()),
                )
            },
        },
        System {
            name: "notebook",
            shape: "prefix=nllm_ lookup=sha256 length=69 alphabet=hex",
            token: |number| format!("nllm_{}", noise(number)),
            row: |number, token, _| ImportRow {
                prefix: Some(token[..9].to_owned()),
                suffix: Some(token[65..].to_owned()),
                ..base(number, "sha256", hex(&Sha256::digest(token)).to_uppercase())
            },
        },
        System {
            name: "automation",
            shape: "prefix=hcpat_ lookup=sha256 length=46 alphabet=base64url",
            token: |number| format!("hcpat_{}", &noise(number)[..40]),
            row: |number, token, _| base(number, "sha256", URL_SAFE_NO_PAD.encode(Sha256::digest(token))),
        },
        System {
            name: "plane",
            shape: "prefix=fp_pat_ lookup=before:. hashed=secret length=30-90 alphabet=base64url",
            token: |number| format!("fp_pat_key{number}.{}", &noise(number)[..40]),
            row: |number, token, is_sampled| ImportRow {
                lookup: Some(format!("key{number}")),
                ..base(
                    number,
                    "argon2id",
                    slow(is_sampled, NO_ARGON2, || argon2id(token.split('.').nth(1).unwrap())),
                )
            },
        },
        System {
            name: "model",
            shape: "prefix=bodhiapp_ lookup=first:8 length=49 alphabet=base64url",
            token: |number| format!("bodhiapp_{}", &noise(number)[..40]),
            row: |number, token, _| ImportRow {
                lookup: Some(token[..17].to_owned()),
                ..base(number, "sha256", hex(&Sha256::digest(token)))
            },
        },
        System {
            name: "knox",
            shape: "knox",
            token: noise,
            row: |number, token, _| ImportRow {
                lookup: Some(token[..15].to_owned()),
                ..base(number, "sha512", hex(&Sha512::digest(token)))
            },
        },
        System {
            name: "keyed",
            shape: "prefix=keyed_ lookup=hmac-sha256:old length=46 alphabet=hex",
            token: |number| format!("keyed_{}", &noise(number)[..40]),
            row: |number, token, _| {
                let mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
                base(number, "hmac-sha256:old", hex(&mac.chain_update(token).finalize().into_bytes()))
            },
        },
        System {
            name: "gitea",
            shape: "gitea",
            token: |number| format!("{}{number:08x}", &noise(number)[..32]),
            row: |number, token, is_sampled| ImportRow {
                lookup: Some(token[32..].to_owned()),
                salt: Some("salt".to_owned()),
                iterations: Some(100),
                ..base(
                    number,
                    "pbkdf2-sha256",
                    slow(is_sampled, &"0".repeat(100), || hex(&pbkdf2(token, "salt", 50))),
                )
            },
        },
        System {
            name: "sanctum",
            shape: "sanctum",
            token: |number| format!("{number}|{}", &noise(number)[..48]),
            row: |number, token, _| {
                base(number, "sha256", hex(&Sha256::digest(token.split('|').nth(1).unwrap())))
            },
        },
    ]
}

/// An Argon2id hash of little work, by the library itself.
fn argon2id(text: &str) -> String {
    let params = argon2::Params::new(8, 1, 1, Some(32)).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut tag = [0; 32];
    argon2.hash_password_into(text.as_bytes(), &[9; 16], &mut tag).unwrap();
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    format!("$argon2id$v=19$m=8,t=1,p=1${}${}", encode(&[9; 16]), encode(&tag))
}
