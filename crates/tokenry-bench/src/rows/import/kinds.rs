//! The tokens and rows of the other systems: one kind for each scheme.

use anyhow::{Context, Result};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

/// The key of the other system.
pub(super) const KEY: [u8; 32] = [7; 32];

/// The tokens of one scheme.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) shape: &'static str,
    pub(super) token: fn(u64) -> String,
    /// The hash and what belongs to it. A slow one is computed only for a token that is presented.
    pub(super) hash: fn(&str, bool) -> Result<Value>,
}

pub(super) const KINDS: [Kind; 8] = [
    Kind {
        name: "sha256",
        shape: "prefix=nllm_ lookup=sha256 length=69 alphabet=hex",
        token: |number| format!("nllm_{}", noise(number)),
        hash: |token, _| Ok(json!({"scheme": "sha256", "hash": hex(&Sha256::digest(token))})),
    },
    Kind {
        name: "sha256-base64",
        shape: "prefix=hcpat_ lookup=sha256 length=70 alphabet=hex",
        token: |number| format!("hcpat_{}", noise(number)),
        hash: |token, _| {
            Ok(json!({"scheme": "sha256", "hash": URL_SAFE_NO_PAD.encode(Sha256::digest(token))}))
        },
    },
    Kind {
        name: "sha512",
        shape: "knox",
        token: noise,
        hash: |token, _| {
            let hash = hex(&Sha512::digest(token));
            Ok(json!({"scheme": "sha512", "hash": hash, "lookup": token.get(..15)}))
        },
    },
    Kind {
        name: "hmac-sha256",
        shape: "prefix=keyed_ lookup=hmac-sha256:old length=70 alphabet=hex",
        token: |number| format!("keyed_{}", noise(number)),
        hash: |token, _| {
            let mac = Hmac::<Sha256>::new_from_slice(&KEY)?.chain_update(token).finalize();
            Ok(json!({"scheme": "hmac-sha256:old", "hash": hex(&mac.into_bytes())}))
        },
    },
    Kind {
        name: "bcrypt",
        shape: "prefix=mcp_pat_ lookup=first:12 length=72 alphabet=hex",
        token: |number| format!("mcp_pat_{}", noise(number)),
        hash: |token, is_presented| {
            let none = format!("$2y$06${}", ".".repeat(53));
            let hash = if is_presented { bcrypt::hash(token, 6)? } else { none };
            Ok(json!({"hash": hash, "lookup": token.get(8..20)}))
        },
    },
    Kind {
        name: "argon2id",
        shape: "prefix=fp_pat_ lookup=before:. hashed=secret length=70-100 alphabet=hex",
        token: |number| format!("fp_pat_{number}.{}", noise(number)),
        hash: |token, is_presented| {
            let secret = token.split('.').nth(1).context("no secret")?;
            let mut tag = [0; 32];
            if is_presented {
                let costs =
                    argon2::Params::new(1024, 1, 1, Some(32)).map_err(|error| anyhow::anyhow!("{error}"))?;
                argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, costs)
                    .hash_password_into(secret.as_bytes(), &[9; 16], &mut tag)
                    .map_err(|error| anyhow::anyhow!("{error}"))?;
            }
            let (salt, tag) = (STANDARD_NO_PAD.encode([9; 16]), STANDARD_NO_PAD.encode(tag));
            Ok(json!({"hash": format!("$argon2id$v=19$m=1024,t=1,p=1${salt}${tag}")}))
        },
    },
    Kind {
        name: "pbkdf2-sha256",
        shape: "lookup=last:8 length=40 alphabet=hex",
        token: |number| format!("{}{number:08x}", noise(number).get(..32).unwrap_or_default()),
        hash: |token, is_presented| {
            let mut hash = [0; 50];
            if is_presented {
                pbkdf2::pbkdf2_hmac::<Sha256>(token.as_bytes(), b"salt", 10_000, &mut hash);
            }
            let hash = hex(&hash);
            let lookup = token.get(32..);
            Ok(
                json!({"scheme": "pbkdf2-sha256", "hash": hash, "salt": "salt", "iterations": 10_000, "lookup": lookup}),
            )
        },
    },
    Kind {
        name: "id|secret",
        shape: "sanctum",
        token: |number| format!("{number}|{}", noise(number).get(..48).unwrap_or_default()),
        hash: |token, _| {
            let secret = token.split('|').nth(1).context("no secret")?;
            Ok(json!({"scheme": "sha256", "hash": hex(&Sha256::digest(secret))}))
        },
    },
];

/// 64 hexadecimal digits that depend on the number.
fn noise(number: u64) -> String {
    hex(&Sha256::digest(format!("import {number}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
