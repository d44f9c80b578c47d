//! Verification on the live row.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, operator, service, user, verify};
use tokenry_service::{
    Activation, HashSettings, Pepper, Policy, Rejection, Scheme, Settings, TokenChanges, Tokenry, UsageEvent,
    UserChanges, VerifyError,
};
use tokenry_testkit::each_backend;

fn rejection(outcome: Result<tokenry_service::VerifiedToken, VerifyError>) -> Rejection {
    match outcome {
        Err(VerifyError::Rejected(rejection)) => rejection,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the token was accepted"),
    }
}

each_backend!(a_valid_token_identifies_itself_and_its_owner, |db| {
    let tokenry = service(db);
    let (alice, bob) = (user(&tokenry, "alice", "user"), user(&tokenry, "bob", "user"));
    let tokens: Vec<_> =
        [&alice, &bob, &alice].map(|owner| (owner, issue(&tokenry, owner, &["a:read"]))).into();
    for (owner, (token, text)) in &tokens {
        for _ in 0..2 {
            let verified = verify(&tokenry, text, 1).unwrap();
            assert_eq!(verified.token(), token);
            assert_eq!(verified.owner(), *owner);
        }
    }
});

each_backend!(a_revoked_token_is_rejected_on_every_node, |db| {
    let tokenry = service(db);
    let other_node = Tokenry::new(db.second_store(), common::settings(Policy::default())).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    let (_, neighbour) = issue(&tokenry, &alice, &[]);
    assert!(verify(&tokenry, &text, 1).is_ok() && verify(&other_node, &text, 1).is_ok());
    assert!(tokenry.revoke_token(&operator(2), token.id, None).unwrap());
    assert!(!tokenry.revoke_token(&operator(3), token.id, None).unwrap());
    for node in [&tokenry, &other_node, &service(db)] {
        assert_eq!(rejection(verify(node, &text, 2)), Rejection::Revoked);
        assert!(verify(node, &neighbour, 2).is_ok());
    }
});

each_backend!(pausing_expiry_not_before_and_a_disabled_owner_each_reject_the_next_request, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    let switch = |switch| {
        let changes = TokenChanges::default().with_switch(switch);
        tokenry.update_token(&operator(1), token.id, changes).unwrap();
    };
    switch(Activation::Inactive);
    assert_eq!(rejection(verify(&tokenry, &text, 1)), Rejection::Inactive);
    switch(Activation::Active);
    assert!(verify(&tokenry, &text, 1).is_ok());

    tokenry.update_user(&operator(1), alice.id, UserChanges::default().with_disabled(true)).unwrap();
    assert_eq!(rejection(verify(&tokenry, &text, 1)), Rejection::OwnerDisabled);
    tokenry.update_user(&operator(1), alice.id, UserChanges::default().with_disabled(false)).unwrap();
    assert!(verify(&tokenry, &text, 1).is_ok());

    let new = common::new("later", &[]).with_not_before(at(100));
    let later = tokenry.issue_token(&operator(0), alice.id, new).unwrap().secret.reveal_once();
    assert_eq!(rejection(verify(&tokenry, &later, 99)), Rejection::Pending);
    assert!(verify(&tokenry, &later, 100).is_ok());

    let end = 90 * 86_400;
    assert!(tokenry.verify_blocking(text.as_bytes(), tokenry_testkit::at(end * 1000 - 1), None).is_ok());
    assert_eq!(rejection(verify(&tokenry, &text, end)), Rejection::Expired);
    assert_eq!(rejection(verify(&tokenry, &text, end + 1)), Rejection::Expired);
});

each_backend!(a_wrong_secret_reveals_nothing_about_the_tokens_state, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let texts: Vec<String> = (0..4).map(|_| issue(&tokenry, &alice, &[]).1).collect();
    let ids: Vec<_> = texts.iter().map(|text| verify(&tokenry, text, 1).unwrap().token().id).collect();
    tokenry.revoke_token(&operator(1), ids[1], None).unwrap();
    let pause = TokenChanges::default().with_switch(Activation::Inactive);
    tokenry.update_token(&operator(1), ids[2], pause).unwrap();
    for (text, donor) in texts.iter().zip(texts.iter().cycle().skip(1)) {
        let wrong = common::with_secret_of(text, donor);
        for when in [1, 91 * 86_400] {
            assert_eq!(rejection(verify(&tokenry, &wrong, when)), Rejection::Unknown);
        }
    }
    let unknown =
        tokenry_service::PlainToken::generate(tokenry.prefix(), &mut tokenry_service::SecretRng::os())
            .unwrap();
    assert_eq!(rejection(verify(&tokenry, &unknown.reveal_once(), 1)), Rejection::Unknown);
    assert!(matches!(rejection(verify(&tokenry, "test_pat_short", 1)), Rejection::Malformed(_)));
});

each_backend!(an_address_list_is_kept, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let new = common::new("inside", &[]).with_allowed_ips(vec!["10.0.0.0/8".to_owned()]);
    let text = tokenry.issue_token(&operator(0), alice.id, new).unwrap().secret.reveal_once();
    let from =
        |ip: Option<&str>| tokenry.verify_blocking(text.as_bytes(), at(1), ip.map(|ip| ip.parse().unwrap()));
    assert!(from(Some("10.1.2.3")).is_ok() && from(Some("::ffff:10.1.2.3")).is_ok());
    assert_eq!(rejection(from(Some("11.1.2.3"))), Rejection::AddressNotAllowed);
    assert_eq!(rejection(from(None)), Rejection::AddressNotAllowed);
});

each_backend!(a_changed_scheme_upgrades_a_hash_at_its_next_use_and_both_schemes_keep_working, |db| {
    let alice = user(&service(db), "alice", "user");
    let (token, text) = issue(&service(db), &alice, &[]);
    let stored = |public_id: &str| {
        let public_id = tokenry_service::PublicId::from_stored(public_id.to_owned());
        let row = futures_executor::block_on(db.store().credential(&public_id)).unwrap().unwrap();
        row.secret.hash.as_str().to_owned()
    };
    assert!(stored(token.public_id.as_str()).starts_with("$2b$04$"));
    let pepper = Pepper::new("k1", vec![7; 32]).unwrap();
    for (scheme, begins) in [
        (Scheme::Sha256, "$sha256$"),
        (Scheme::HmacSha256, "$hmac-sha256$k1$"),
        (Scheme::Argon2id, "$argon2id$"),
    ] {
        let hash = HashSettings::new(scheme).with_bcrypt_cost(4).with_peppers(vec![pepper.clone()]);
        let changed = common::settings(Policy::default()).with_hash(hash);
        let tokenry = Tokenry::new(db.store().clone(), changed).unwrap();
        assert!(verify(&tokenry, &text, 1).is_ok());
        // The upgrade is asynchronous; dropping the service does not wait for it.
        let is_upgraded = |_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            stored(token.public_id.as_str()).starts_with(begins)
        };
        assert!((0..1000).any(is_upgraded), "{begins}");
        assert!(verify(&tokenry, &text, 1).is_ok());
    }
});

each_backend!(a_wrong_pepper_prevents_the_start, |db| {
    let open = |byte| {
        let hash = HashSettings::new(Scheme::HmacSha256)
            .with_bcrypt_cost(4)
            .with_peppers(vec![Pepper::new("k1", vec![byte; 32]).unwrap()]);
        Tokenry::new(db.store().clone(), Settings::default().with_hash(hash))
    };
    assert!(open(1).is_ok() && open(1).is_ok());
    assert!(matches!(open(2), Err(tokenry_service::OpenError::WrongPepper)));
});

each_backend!(a_use_is_recorded_with_its_time_and_address_and_survives_a_clean_stop, |db| {
    let alice = user(&service(db), "alice", "user");
    let tokenry = service(db);
    let (token, text) = issue(&tokenry, &alice, &[]);
    let ip = Some("192.0.2.7".parse().unwrap());
    let verified = tokenry.verify_blocking(text.as_bytes(), at(5), ip).unwrap();
    tokenry.record_use(&verified, &UsageEvent::new(at(5), ip, 200));
    drop(tokenry);
    let (stored, _) = service(db).find_token(&operator(6), token.id).unwrap();
    assert_eq!((stored.last_used_at, stored.last_used_ip), (Some(at(5)), ip));
});

#[test]
fn a_database_that_is_gone_is_unavailable_and_never_a_wrong_token() {
    let Some(db) = tokenry_testkit::TestDatabase::postgres() else { return };
    let tokenry = service(&db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &[]);
    let unknown = issue(&tokenry, &alice, &[]).1;
    drop(db);
    for text in [&text, &unknown] {
        let outcome = verify(&tokenry, text, 1);
        assert!(matches!(outcome, Err(VerifyError::Store(tokenry_service::StoreError::Unavailable(_)))));
    }
}

each_backend!(a_missing_pepper_is_an_error_and_does_not_reject_a_valid_token, |db| {
    let alice = user(&service(db), "alice", "user");
    let open = |scheme, peppers| {
        let hash = HashSettings::new(scheme).with_bcrypt_cost(4).with_peppers(peppers);
        Tokenry::new(db.store().clone(), common::settings(Policy::default()).with_hash(hash)).unwrap()
    };
    let with = open(Scheme::HmacSha256, vec![Pepper::new("k1", vec![7; 32]).unwrap()]);
    let (_, text) = issue(&with, &alice, &[]);
    assert!(verify(&with, &text, 1).is_ok());
    let outcome = verify(&open(Scheme::Bcrypt, Vec::new()), &text, 1);
    assert!(matches!(outcome, Err(VerifyError::Unreadable(_))));
});
