//! The cost of a presented token without the database: `cargo bench -p tokenry-crypto`.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up fails")]

use divan::{Bencher, black_box};
use tokenry_crypto::{
    HashSettings, Hasher, ParseError, Pepper, PlainToken, Prefix, Proof, Scheme, SecretRng, check_format,
};

fn main() {
    divan::main();
}

fn text() -> String {
    let token = PlainToken::generate(&Prefix::default(), &mut SecretRng::os()).unwrap();
    token.reveal_once().to_string()
}

fn token() -> PlainToken {
    PlainToken::parse(&Prefix::default(), text().as_bytes()).unwrap()
}

fn hasher(scheme: Scheme) -> Hasher {
    let peppers = vec![Pepper::new("k1", vec![1; 32]).unwrap()];
    Hasher::new(HashSettings::new(scheme).with_peppers(peppers)).unwrap()
}

#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let (prefix, text) = (Prefix::default(), text());
    bencher.bench(|| PlainToken::parse(&prefix, black_box(text.as_bytes())).is_ok());
}

#[divan::bench]
fn reject_a_wrong_checksum(bencher: Bencher<'_, '_>) {
    let (prefix, mut text) = (Prefix::default(), text());
    let last = text.pop();
    text.push(if last == Some('a') { 'b' } else { 'a' });
    assert_eq!(check_format(&prefix, &text), Err(ParseError::Checksum));
    bencher.bench(|| PlainToken::parse(&prefix, black_box(text.as_bytes())).is_err());
}

#[divan::bench]
fn compare_the_secret_check(bencher: Bencher<'_, '_>) {
    let token = token();
    let check = token.check();
    bencher.bench(|| token.check_matches(black_box(&check)));
}

#[divan::bench]
fn compare_the_stored_proof(bencher: Bencher<'_, '_>) {
    let (token, hasher) = (token(), hasher(Scheme::Bcrypt));
    let hash = hasher.hash(&token, &mut SecretRng::os()).unwrap();
    let stored = hasher.storable_proof(&token, &hash).unwrap();
    bencher.bench(|| Proof::new(&token, black_box(&hash)).matches(&stored));
}

#[divan::bench(args = ["sha256", "hmac-sha256", "bcrypt"])]
fn compare_with_a_stored_hash(bencher: Bencher<'_, '_>, scheme: &str) {
    let (token, hasher) = (token(), hasher(scheme.parse().unwrap()));
    let hash = hasher.hash(&token, &mut SecretRng::os()).unwrap();
    bencher.bench(|| hasher.matches(&token, black_box(&hash)));
}
