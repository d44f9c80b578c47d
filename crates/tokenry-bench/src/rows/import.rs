//! Import of tokens of other systems: rows per second, and whether the tokens verify afterwards.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    process::Stdio,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};
use tokenry_service::{HashSettings, Pepper, Scheme, Settings, Tokenry};

use crate::{
    bench::Bench,
    database::current_time,
    figure::{Figure, Outcome},
    server::tokenry,
};

/// Tokens of each scheme that are presented afterwards.
const SAMPLE: u64 = 100;
const KEY: [u8; 32] = [7; 32];

/// The tokens of one scheme.
struct Kind {
    name: &'static str,
    shape: &'static str,
    token: fn(u64) -> String,
    /// The hash and what belongs to it. A slow one is computed only for a token that is presented.
    hash: fn(&str, bool) -> Result<Value>,
}

const KINDS: [Kind; 8] = [
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

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let database = bench.own(&[])?;
    let count = bench.sizes.proofs;
    let step = (count / SAMPLE).max(1);
    let (mut rates, mut parts) = (Vec::new(), Vec::new());
    for kind in &KINDS {
        let path = bench.folder.join("import.jsonl");
        let mut file = BufWriter::new(File::create(&path)?);
        for number in 0..count {
            let token = (kind.token)(number);
            let mut row = (kind.hash)(&token, number % step == 0)?;
            let fields = row.as_object_mut().context("no object")?;
            fields.insert("id".to_owned(), number.into());
            fields.insert("owner".to_owned(), format!("import-{}", number % 100).into());
            fields.insert("name".to_owned(), format!("token {number}").into());
            fields.insert("scopes".to_owned(), json!(["projects:read"]));
            writeln!(file, "{row}")?;
        }
        file.into_inner()?.sync_all()?;
        let mut command = tokenry(&bench.tokenry, &database.url, &bench.folder);
        command.env("TOKENRY_TOKEN__PEPPER", format!("old:{}", STANDARD.encode(KEY)));
        command.arg("import").arg(&path).args([
            "--source",
            &kind.name.replace('|', "-"),
            "--shape",
            kind.shape,
        ]);
        command.args(["--create-users", "--quiet"]).stdin(Stdio::null());
        let begun = Instant::now();
        let status = command.status().context("cannot start the import")?;
        let took = begun.elapsed().as_secs_f64();
        ensure!(status.success(), "the import of {} failed: {status}", kind.name);
        #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = count as f64 / took;
        rates.push(rate);
        parts.push(format!("{} {rate:.0}", kind.name));
    }
    let peppers = vec![Pepper::new("old", KEY.to_vec())?];
    let hash = HashSettings::new(Scheme::Sha256).with_peppers(peppers);
    let service = Tokenry::new(database.store()?, Settings::default().with_hash(hash))?;
    let now = current_time()?;
    for kind in &KINDS {
        for number in (0..count).step_by(usize::try_from(step)?) {
            let text = (kind.token)(number);
            let verified = service.verify_blocking(text.as_bytes(), now, None);
            ensure!(verified.is_ok(), "an imported token of {} does not verify", kind.name);
        }
    }
    let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let detail =
        format!("{count} rows of each scheme, rows/s: {}; {SAMPLE} of each verified", parts.join(", "));
    Ok(Outcome::Measured(Figure::value(vec![slowest], "rows/s", detail)))
}

/// 64 hexadecimal digits that depend on the number.
fn noise(number: u64) -> String {
    hex(&Sha256::digest(format!("import {number}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
