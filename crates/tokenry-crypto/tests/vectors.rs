//! Test vectors from other programs (Python's hashlib, hmac and zlib; libxcrypt; the reference Argon2), so that the formats
//! of issued tokens and stored hashes never change.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tokenry_crypto::{
    GENESIS, HashSettings, Hasher, MacKey, Match, ParseError, PlainToken, Prefix, Scheme, chain_digest,
    check_format,
};
use tokenry_domain::SecretHash;

const FIXED: &str = "mcp_pat_Q7mZ0aKd93Xb4fTq8LmZx2VbN7cRkYw1HsJd9GuPa6Ee3XoQiBtCvWA1xkZwj";

fn prefix() -> Prefix {
    Prefix::parse("mcp_pat_").unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_token_is_parsed_as_it_was_shown() {
    let token = PlainToken::parse(&prefix(), FIXED.as_bytes()).unwrap();
    assert_eq!(token.public_id().as_str(), "mcp_pat_Q7mZ0aKd93Xb");
    assert_eq!(token.suffix(), "kZwj");
    assert_eq!(hex(token.check().as_bytes()), "a5d62ab568a9f0bb");
    assert_eq!(token.reveal_once().as_str(), FIXED);
}

#[test]
fn unkeyed_hashes_of_other_programs_match_only_their_token() {
    let hasher = Hasher::new(HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(4)).unwrap();
    let token = PlainToken::parse(&prefix(), FIXED.as_bytes()).unwrap();
    for text in [
        "$2b$06$abcdefghijklmnopqrstuuStVWD2bbg3tN2gkz6ORlYT3DSZ/Ndgq",
        "$sha256$3PbJxDsOaNi4d6JLLhUYlElq-qKDzeHcHoCY7hQhJm8",
    ] {
        assert_eq!(hasher.matches(&token, &SecretHash::from_stored(text.to_owned())), Match::Yes, "{text}");
    }
    let password = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    assert_eq!(hasher.matches(&token, &SecretHash::from_stored(password.to_owned())), Match::No);
}

#[test]
fn a_second_encoding_of_a_secret_is_rejected_despite_a_valid_checksum() {
    // The last of the 43 characters is B instead of A, which decodes to the same 32 bytes.
    let text = "mcp_pat_Q7mZ0aKd93Xb4fTq8LmZx2VbN7cRkYw1HsJd9GuPa6Ee3XoQiBtCvWB4QzZyJ";
    assert_eq!(check_format(&prefix(), text), Err(ParseError::Alphabet));
}

#[test]
fn the_audit_chain_and_authentication_tags_are_stable() {
    let first = chain_digest(&GENESIS, b"created");
    assert_eq!(hex(&first), "c47b60e1e00d2da5894270db41c621e917932aa46408b73c564f9b8ac1f1c781");
    assert_eq!(
        hex(&chain_digest(&first, b"revoked")),
        "bcd15205a08e16631caedc6d39155ae1dc9cae305def0c88bd07e303d9ec4340"
    );
    let tag = MacKey::from_bytes([7; 32]).tag(&[b"alice", b"", b"sort=name"]);
    assert_eq!(hex(&tag), "9d72e6758fee9c2fe7623a9db5629c0f");
}
