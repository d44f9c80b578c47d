//! Stored proofs: a new process admits a token by its proof without a slow hash, and admits no other secret.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{issue, operator, service, service_on, user, verify, with_secret_of};
use futures_executor::block_on;
use tokenry_crypto::{Hasher, Proof};
use tokenry_domain::SecretHash;
use tokenry_service::{
    HashSettings, Lifetime, PlainToken, Policy, Prefix, Rejection, Rotation, Scheme, SecretRng, SlowHash,
    Tokenry, User, VerifiedToken, VerifyError,
};
use tokenry_store::{StoredSecret, proof::ProvenSecret, token};
use tokenry_testkit::{TestDatabase, each_backend};

fn hasher() -> Arc<Hasher> {
    let settings = HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(4);
    Arc::new(Hasher::new(settings).unwrap())
}

fn hash(plain: &PlainToken) -> SecretHash {
    hasher().hash(plain, &mut SecretRng::os()).unwrap()
}

fn parsed(text: &str) -> PlainToken {
    PlainToken::parse(&Prefix::parse("test_pat_").unwrap(), text.as_bytes()).unwrap()
}

fn fresh() -> String {
    let prefix = Prefix::parse("test_pat_").unwrap();
    PlainToken::generate(&prefix, &mut SecretRng::os()).unwrap().reveal_once().to_string()
}

/// A process that has not verified any token yet.
fn restarted(db: &TestDatabase, slow_hash: SlowHash) -> Tokenry {
    let settings = common::settings(Policy::default()).with_slow_hash(slow_hash);
    Tokenry::new(db.second_store(), settings).unwrap()
}

fn store(db: &TestDatabase, owner: &User, text: &str, secret: StoredSecret) {
    let plain = parsed(text);
    let row =
        db.token(owner).with(|row| (row.public_id, row.suffix) = (plain.public_id(), plain.suffix())).build();
    db.store().write(move |tx| token::insert(tx, &row, &secret)).unwrap();
}

/// A row as older versions stored it, without a proof.
fn store_old(db: &TestDatabase, owner: &User, text: &str) {
    let plain = parsed(text);
    store(db, owner, text, StoredSecret { check: Some(plain.check()), ..hash(&plain).into() });
}

fn stored(db: &TestDatabase, text: &str) -> Option<StoredSecret> {
    let public_id = parsed(text).public_id();
    block_on(db.store().credential(&public_id)).unwrap().map(|row| row.secret)
}

fn stored_retired(db: &TestDatabase, text: &str) -> Option<StoredSecret> {
    let public_id = parsed(text).public_id();
    block_on(db.store().retired_credential(&public_id)).unwrap().map(|row| row.credential.secret)
}

/// Whether the row has a proof. Asserts that the proof is correct.
fn has_proof(secret: Option<StoredSecret>, text: &str) -> bool {
    let secret = secret.unwrap();
    let is_right = |proof| Proof::new(&parsed(text), &secret.hash).matches(proof);
    secret.proof.as_ref().inspect(|proof| assert!(is_right(proof))).is_some()
}

fn until(mut is_so: impl FnMut() -> bool) {
    let pause = |_: &_| std::thread::sleep(Duration::from_millis(10));
    assert!((0..2000).inspect(pause).any(|_| is_so()), "the condition did not hold within 20 seconds");
}

fn is_unknown(outcome: &Result<VerifiedToken, VerifyError>) -> bool {
    matches!(outcome, Err(VerifyError::Rejected(Rejection::Unknown)))
}

/// Verifies all of them concurrently, each on its own thread, as separate connections would.
fn verify_all(
    tokenry: &Tokenry,
    texts: &[String],
    threads: usize,
) -> Vec<Result<VerifiedToken, VerifyError>> {
    std::thread::scope(|scope| {
        let chunks = texts.chunks(texts.len().div_ceil(threads));
        let each =
            |texts: &'_ [String]| texts.iter().map(|text| verify(tokenry, text, 1)).collect::<Vec<_>>();
        let running: Vec<_> = chunks.map(|texts| scope.spawn(move || each(texts))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

each_backend!(a_secret_gets_its_proof_at_creation_and_at_rotation, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    assert!(has_proof(stored(db, &text), &text));
    let rotation = Rotation::default().with_grace(Lifetime::seconds(100));
    let new =
        tokenry.rotate_token(&operator(1), token.id, rotation).unwrap().secret.reveal_once().to_string();
    assert!(has_proof(stored(db, &new), &new) && has_proof(stored_retired(db, &text), &text));
    for node in [&tokenry, &restarted(db, SlowHash::Once), &restarted(db, SlowHash::Always)] {
        assert!(verify(node, &new, 2).is_ok() && verify(node, &text, 2).is_ok());
        assert!(is_unknown(&verify(node, &with_secret_of(&new, &text), 2)));
    }
});

each_backend!(fast_schemes_store_no_proof, |db| {
    let settings = common::settings(Policy::default()).with_hash(HashSettings::new(Scheme::Sha256));
    let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &[]);
    assert!(stored(db, &text).unwrap().proof.is_none());
    assert!(verify(&tokenry, &text, 1).is_ok() && verify(&service(db), &text, 1).is_ok());
    assert!(is_unknown(&verify(&tokenry, &with_secret_of(&text, &fresh()), 1)));
});

// The stored hash belongs to another secret, so computing it would reject the token.
each_backend!(a_restarted_process_admits_a_thousand_tokens_without_a_slow_hash, |db| {
    let alice = user(&service(db), "alice", "user");
    let stranger = hash(&parsed(&fresh()));
    let texts: Vec<String> = (0..1000).map(|_| fresh()).collect();
    let imports: Vec<_> = texts
        .iter()
        .map(|text| {
            let plain = parsed(text);
            let token = db
                .token(&alice)
                .with(|row| (row.public_id, row.suffix) = (plain.public_id(), plain.suffix()))
                .build();
            let proof = hasher().storable_proof(&plain, &stranger);
            let secret = StoredSecret { proof, ..stranger.clone().into() };
            token::ImportedToken { token, secret }
        })
        .collect();
    db.store().write(move |tx| token::insert_many(tx, &imports)).unwrap();
    let tokenry = restarted(db, SlowHash::Once);
    let rejected = verify_all(&tokenry, &texts, 64).into_iter().filter_map(Result::err).count();
    assert_eq!(rejected, 0);
    // With `SlowHash::Always` the hash is computed and rejects the token.
    assert!(is_unknown(&verify(&restarted(db, SlowHash::Always), &texts[0], 1)));
});

// The stored hash belongs to the wrong secret, so computing it would accept that secret.
each_backend!(a_wrong_secret_is_rejected_without_a_slow_hash, |db| {
    let alice = user(&service(db), "alice", "user");
    let (proven, checked, unproven) = (fresh(), fresh(), fresh());
    let wrong = |text: &str| with_secret_of(text, &fresh());
    let (at_proven, at_checked, at_unproven) = (wrong(&proven), wrong(&checked), wrong(&unproven));
    let hash_of = |text: &str| hash(&parsed(text));
    let hash = hash_of(&at_proven);
    let proof = hasher().storable_proof(&parsed(&proven), &hash);
    store(db, &alice, &proven, StoredSecret { proof, ..hash.into() });
    let check = Some(parsed(&checked).check());
    store(db, &alice, &checked, StoredSecret { check, ..hash_of(&at_checked).into() });
    store(db, &alice, &unproven, hash_of(&at_unproven).into());
    for slow_hash in [SlowHash::Once, SlowHash::Always] {
        let tokenry = restarted(db, slow_hash);
        assert!(is_unknown(&verify(&tokenry, &at_proven, 1)));
        assert!(is_unknown(&verify(&tokenry, &at_checked, 1)));
        // Control: without proof and check the hash decides.
        assert!(verify(&tokenry, &at_unproven, 1).is_ok());
    }
});

each_backend!(tokens_without_a_proof_are_hashed_once_and_have_a_proof_afterwards, |db| {
    let alice = user(&service(db), "alice", "user");
    let texts: Vec<String> = (0..160).map(|_| fresh()).collect();
    texts.iter().for_each(|text| store_old(db, &alice, text));
    let tokenry = restarted(db, SlowHash::Once);
    let rejected = verify_all(&tokenry, &texts, 160).into_iter().filter_map(Result::err).count();
    assert_eq!(rejected, 0);
    for text in &texts {
        until(|| has_proof(stored(db, text), text));
    }
    let next = restarted(db, SlowHash::Once);
    assert!(verify_all(&next, &texts, 8).into_iter().all(|outcome| outcome.is_ok()));
});

each_backend!(a_retired_secret_in_its_grace_gets_a_proof, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    db.execute("UPDATE personal_access_tokens SET secret_proof = NULL");
    let rotation = Rotation::default().with_grace(Lifetime::seconds(100));
    tokenry.rotate_token(&operator(1), token.id, rotation).unwrap();
    assert!(!has_proof(stored_retired(db, &text), &text));
    assert!(verify(&restarted(db, SlowHash::Once), &text, 2).is_ok());
    until(|| has_proof(stored_retired(db, &text), &text));
});

each_backend!(a_proof_is_stored_only_for_the_current_hash_of_a_live_token, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let issued = || {
        let (token, text) = issue(&tokenry, &alice, &[]);
        (token, text.clone(), stored(db, &text).unwrap())
    };
    let proven = |(token, text, secret): &(tokenry_service::Token, String, StoredSecret)| ProvenSecret {
        token_id: token.id,
        public_id: parsed(text).public_id(),
        hash: secret.hash.clone(),
        proof: secret.proof.clone().unwrap(),
    };
    let keep = |secrets: Vec<ProvenSecret>| {
        db.store().write(move |tx| tokenry_store::proof::insert_many(tx, &secrets)).unwrap()
    };
    let (live, rotated, revoked, changed) = (issued(), issued(), issued(), issued());
    assert_eq!(keep(vec![proven(&live)]), 0, "the row already has a proof");
    db.execute("UPDATE personal_access_tokens SET secret_proof = NULL");
    let grace = Rotation::default().with_grace(Lifetime::seconds(100));
    let new =
        tokenry.rotate_token(&operator(1), rotated.0.id, grace).unwrap().secret.reveal_once().to_string();
    tokenry.revoke_token(&operator(1), revoked.0.id, None).unwrap();
    let other = ProvenSecret { hash: hash(&parsed(&changed.1)), ..proven(&changed) };
    assert_eq!(keep(vec![proven(&live), proven(&rotated), proven(&revoked), other]), 2);
    assert!(has_proof(stored(db, &live.1), &live.1));
    assert!(has_proof(stored(db, &new), &new), "the proof belongs to the new secret");
    assert!(has_proof(stored_retired(db, &rotated.1), &rotated.1));
    assert!(stored(db, &revoked.1).unwrap().proof.is_none());
    assert!(stored(db, &changed.1).unwrap().proof.is_none());
});

each_backend!(no_proof_survives_a_rotation_or_revocation_concurrent_with_the_first_use, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let other = service_on(db.second_store());
    for round in 0..20 {
        let text = fresh();
        store_old(db, &alice, &text);
        let public_id = parsed(&text).public_id();
        let id = block_on(db.store().credential(&public_id)).unwrap().unwrap().token.id;
        let new = std::thread::scope(|scope| {
            let first_use = scope.spawn(|| verify(&other, &text, 1).map(drop));
            let change = scope.spawn(|| {
                if round % 2 == 0 {
                    tokenry.revoke_token(&operator(1), id, None).unwrap();
                    return None;
                }
                let rotated = tokenry.rotate_token(&operator(1), id, Rotation::default()).unwrap();
                Some(rotated.secret.reveal_once().to_string())
            });
            let _ = first_use.join().unwrap();
            change.join().unwrap()
        });
        // The asynchronous write of the first use comes after this, or not at all.
        match &new {
            Some(new) => assert!(has_proof(stored(db, new), new) && verify(&other, new, 2).is_ok()),
            None => drop(has_proof(stored(db, &text), &text)),
        }
        assert!(verify(&other, &text, 2).is_err());
        assert!(verify(&restarted(db, SlowHash::Once), &text, 2).is_err());
    }
});

each_backend!(a_proof_copied_to_another_row_admits_no_secret, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (mine, theirs) = (issue(&tokenry, &alice, &[]), issue(&tokenry, &alice, &[]));
    let copy = |column: &str| {
        let (from, to) = (mine.0.public_id.as_str(), theirs.0.public_id.as_str());
        let statement = format!(
            "UPDATE personal_access_tokens SET {column} = \
             (SELECT {column} FROM personal_access_tokens WHERE lookup = '{from}') WHERE lookup = '{to}'"
        );
        assert_eq!(db.execute(&statement), 1);
    };
    let as_them = with_secret_of(&theirs.1, &mine.1);
    copy("secret_proof");
    for node in [&tokenry, &restarted(db, SlowHash::Once), &restarted(db, SlowHash::Always)] {
        assert!(is_unknown(&verify(node, &as_them, 1)));
        assert_eq!(verify(node, &mine.1, 1).unwrap().token().id, mine.0.id);
    }
    copy("secret_hash");
    copy("secret_proof");
    for node in [&tokenry, &restarted(db, SlowHash::Once), &restarted(db, SlowHash::Always)] {
        assert!(is_unknown(&verify(node, &as_them, 1)) && is_unknown(&verify(node, &theirs.1, 1)));
    }
});

each_backend!(a_proof_of_another_length_matches_nothing, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &[]);
    let (_, neighbour) = issue(&tokenry, &alice, &[]);
    let public_id = parsed(&text).public_id();
    for length in [31, 8, 0] {
        let statement = format!(
            "UPDATE personal_access_tokens SET secret_proof = substr(secret_proof, 1, {length}) \
             WHERE lookup = '{public_id}'"
        );
        assert_eq!(db.execute(&statement), 1);
        for node in [&tokenry, &restarted(db, SlowHash::Once), &restarted(db, SlowHash::Always)] {
            assert!(is_unknown(&verify(node, &text, 1)), "{length}");
            assert!(verify(node, &neighbour, 1).is_ok());
        }
    }
});

// This is what an older version of the program does on the same database: it does not know proofs.
each_backend!(replacing_a_hash_without_its_proof_removes_the_proof, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, old) = issue(&tokenry, &alice, &[]);
    let new = fresh();
    let (public_id, hash) = (parsed(&new).public_id(), hash(&parsed(&new)));
    let statement = format!(
        "UPDATE personal_access_tokens SET lookup = '{public_id}', secret_hash = '{}' WHERE lookup = '{}'",
        hash.as_str(),
        token.public_id,
    );
    assert_eq!(db.execute(&statement), 1);
    assert!(stored(db, &new).unwrap().proof.is_none());
    assert!(is_unknown(&verify(&tokenry, &old, 1)));
    assert!(verify(&tokenry, &new, 1).is_ok());
    until(|| has_proof(stored(db, &new), &new));
    // Any other change keeps the proof.
    db.execute("UPDATE personal_access_tokens SET secret_hash = secret_hash, suffix = 'abcd'");
    assert!(has_proof(stored(db, &new), &new));
});

each_backend!(a_token_admitted_by_its_proof_is_upgraded_to_the_current_hash_settings, |db| {
    let alice = user(&service(db), "alice", "user");
    let (_, text) = issue(&service(db), &alice, &[]);
    let dearer = |bcrypt_cost| {
        let mut settings = common::settings(Policy::default());
        settings.hash = settings.hash.with_bcrypt_cost(bcrypt_cost);
        Tokenry::new(db.store().clone(), settings).unwrap()
    };
    let tokenry = dearer(5);
    assert!(verify(&tokenry, &text, 1).is_ok());
    until(|| stored(db, &text).unwrap().hash.as_str().starts_with("$2b$05$"));
    assert!(has_proof(stored(db, &text), &text));
    assert!(verify(&restarted(db, SlowHash::Once), &text, 1).is_ok());
});
