//! The whole decision on SQLite with a thousand tokens, without HTTP: `cargo bench -p tokenry-service`.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be set up fails")]

use divan::{Bencher, black_box};
use tokenry_service::{
    HashSettings, Limits, NewToken, PlainToken, Policy, RequestContext, Scheme, SecretRng, Settings, Tokenry,
    unrestricted,
};
use tokenry_testkit::{TestDatabase, at};

const TOKENS: usize = 1000;

fn main() {
    divan::main();
}

/// A service and the texts of its tokens, each verified once.
fn service(db: &TestDatabase) -> (Tokenry, Vec<String>) {
    let limits = Limits::unlimited();
    let settings = Settings::default()
        .with_hash(HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(4))
        .with_policy(Policy::default().with_limits(limits));
    let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
    let context = RequestContext::new(unrestricted::operator(), at(0));
    let owner = tokenry.find_or_create_user(&context, "alice", None).unwrap();
    let issue = |number| {
        let scopes = Some(vec!["a:read".to_owned(), "b:write".to_owned()]);
        let new = NewToken::new(format!("token {number}")).with_scopes(scopes);
        tokenry.issue_token(&context, owner.id, new).unwrap().secret.reveal_once().to_string()
    };
    let texts: Vec<_> = (0..TOKENS).map(issue).collect();
    for text in &texts {
        tokenry.verify_blocking(text.as_bytes(), at(1), None).map(drop).unwrap();
    }
    (tokenry, texts)
}

#[divan::bench]
fn verify_a_known_token(bencher: Bencher<'_, '_>) {
    let db = TestDatabase::sqlite();
    let (tokenry, texts) = service(&db);
    let mut turn = texts.iter().cycle();
    bencher.bench_local(|| {
        let text = turn.next().unwrap();
        tokenry.verify_blocking(black_box(text.as_bytes()), at(1), None).is_ok()
    });
}

/// What it costs a request to record the scope of its token that was required, if it was recorded before.
#[divan::bench]
fn record_a_scope_that_was_recorded_before(bencher: Bencher<'_, '_>) {
    let db = TestDatabase::sqlite();
    let (tokenry, texts) = service(&db);
    let verified = tokenry.verify_blocking(texts.first().unwrap().as_bytes(), at(1), None).unwrap();
    let needed = verified.token().scopes.iter().next().unwrap().clone();
    bencher.bench_local(|| tokenry.record_scopes(black_box(&verified), [black_box(&needed)], at(1)));
}

#[divan::bench]
fn reject_an_unknown_token(bencher: Bencher<'_, '_>) {
    let db = TestDatabase::sqlite();
    let (tokenry, _) = service(&db);
    let text = PlainToken::generate(tokenry.prefix(), &mut SecretRng::os()).unwrap().reveal_once();
    bencher.bench_local(|| tokenry.verify_blocking(black_box(text.as_bytes()), at(1), None).is_err());
}

/// In a process that has never seen the token: its stored proof decides.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn verify_a_token_for_the_first_time(bencher: Bencher<'_, '_>) {
    let db = TestDatabase::sqlite();
    let (_, texts) = service(&db);
    let settings = || Settings::default().with_hash(HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(4));
    let text = texts.first().unwrap();
    bencher
        .with_inputs(|| Tokenry::new(db.store().clone(), settings()).unwrap())
        .bench_local_refs(|fresh| fresh.verify_blocking(text.as_bytes(), at(1), None).is_ok());
}
