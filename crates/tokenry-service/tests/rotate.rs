//! Rotation replaces the secret and keeps everything else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, new, operator, service, settings, user, verify, with_token};
use tokenry_service::{
    Activation, Denial, Expiry, Lifetime, NewUser, Policy, Rejection, RequestContext, ReusePolicy,
    RotateError, Rotated, Rotation, Token, TokenChanges, TokenId, Tokenry, UserError, VerifyError,
};
use tokenry_store::audit::{self, AuditFilter};
use tokenry_testkit::{TestDatabase, each_backend};

fn rotate(
    tokenry: &Tokenry,
    context: &RequestContext,
    id: TokenId,
    rotation: Rotation,
) -> Result<(Token, String), RotateError> {
    let Rotated { token, secret, .. } = tokenry.rotate_token(context, id, rotation)?;
    Ok((token, secret.reveal_once().to_string()))
}

fn grace(seconds: u32) -> Rotation {
    Rotation::default().with_grace(Lifetime::seconds(seconds))
}

fn key(key: &str) -> Rotation {
    Rotation::default().with_idempotency_key(key.to_owned())
}

fn rejection(outcome: Result<tokenry_service::VerifiedToken, VerifyError>) -> Option<Rejection> {
    match outcome {
        Err(VerifyError::Rejected(rejection)) => Some(rejection),
        _ => None,
    }
}

each_backend!(a_rotated_token_keeps_everything_but_its_secret, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let full = new("full", &["a:read", "b:write"])
        .with_description("note".to_owned())
        .with_not_before(at(-10))
        .with_allowed_ips(vec!["10.0.0.0/8".to_owned()])
        .with_metadata(serde_json::json!({"a": 1}).as_object().unwrap().clone());
    let before = tokenry.issue_token(&operator(0), alice.id, full).unwrap();
    let (after, text) = rotate(&tokenry, &operator(10), before.token.id, Rotation::default()).unwrap();
    let unchanged = Token {
        public_id: after.public_id.clone(),
        suffix: after.suffix.clone(),
        secret_at: at(10),
        updated_at: at(10),
        version: 2,
        ..before.token.clone()
    };
    assert_eq!(after, unchanged);
    assert_eq!(tokenry.find_token(&operator(10), after.id).unwrap().0, after);
    let source = Some("10.1.1.1".parse().unwrap());
    assert!(tokenry.verify_blocking(text.as_bytes(), at(11), source).is_ok());
    let old = before.secret.reveal_once();
    let rejected = tokenry.verify_blocking(old.as_bytes(), at(11), source);
    assert_eq!(rejection(rejected), Some(Rejection::Rotated(after.id)));
});

each_backend!(a_retired_secret_works_until_its_grace_ends, |db| {
    let tokenry = service(db);
    let (token, old) = issue(&tokenry, &user(&tokenry, "alice", "user"), &["a:read"]);
    let (_, new) = rotate(&tokenry, &operator(10), token.id, grace(60)).unwrap();
    assert!(verify(&tokenry, &old, 69).unwrap().is_retired());
    assert!(!verify(&tokenry, &new, 69).unwrap().is_retired());
    assert_eq!(rejection(verify(&tokenry, &old, 70)), Some(Rejection::Rotated(token.id)));
    assert!(verify(&tokenry, &new, 70).is_ok());
});

each_backend!(a_grace_ends_with_the_policy_limit_and_with_the_old_expiry, |db| {
    let policy = Policy::default().with_max_grace(Lifetime::seconds(100));
    let tokenry = Tokenry::new(db.store().clone(), settings(policy)).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let (long, old) = issue(&tokenry, &alice, &[]);
    rotate(&tokenry, &operator(10), long.id, grace(3600)).unwrap();
    assert!(verify(&tokenry, &old, 109).is_ok() && verify(&tokenry, &old, 110).is_err());
    let soon = new("soon", &[]).with_expiry(Expiry::In(Lifetime::seconds(60)));
    let soon = tokenry.issue_token(&operator(0), alice.id, soon).unwrap();
    let longer = grace(90).with_expiry(Expiry::In(Lifetime::days(1)));
    let (token, new) = rotate(&tokenry, &operator(10), soon.token.id, longer).unwrap();
    assert_eq!(token.expires_at, at(10).checked_add(Lifetime::days(1)));
    let old = soon.secret.reveal_once();
    assert!(verify(&tokenry, &old, 59).is_ok() && verify(&tokenry, &old, 60).is_err());
    assert!(verify(&tokenry, &new, 60).is_ok());
});

each_backend!(a_second_rotation_ends_the_grace_of_the_first, |db| {
    let tokenry = service(db);
    let (token, first) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let (_, second) = rotate(&tokenry, &operator(10), token.id, grace(3600)).unwrap();
    let (_, third) = rotate(&tokenry, &operator(20), token.id, grace(3600)).unwrap();
    assert!(verify(&tokenry, &first, 20).is_err());
    assert!(verify(&tokenry, &second, 20).is_ok() && verify(&tokenry, &third, 20).is_ok());
});

each_backend!(ending_or_pausing_a_token_also_rejects_its_retired_secret, |db| {
    let tokenry = service(db);
    let (token, old) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    rotate(&tokenry, &operator(10), token.id, grace(3600)).unwrap();
    let pause = TokenChanges::default().with_switch(Activation::Inactive);
    tokenry.update_token(&operator(11), token.id, pause).unwrap();
    assert_eq!(rejection(verify(&tokenry, &old, 12)), Some(Rejection::Inactive));
    tokenry.revoke_token(&operator(12), token.id, None).unwrap();
    assert_eq!(rejection(verify(&tokenry, &old, 13)), Some(Rejection::Revoked));
    assert!(matches!(rotate(&tokenry, &operator(14), token.id, grace(1)), Err(RotateError::Revoked)));
});

each_backend!(one_of_fifty_parallel_rotations_succeeds_and_its_secret_works, |db| {
    let tokenry = service(db);
    let other_node = Tokenry::new(db.second_store(), settings(Policy::default())).unwrap();
    let (token, old) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let rotated: Vec<String> = std::thread::scope(|scope| {
        let rotate_on = |node: &'_ Tokenry| rotate(node, &operator(10), token.id, grace(0));
        let threads: Vec<_> = (0..50)
            .map(|number| {
                let node = if number % 2 == 0 { &tokenry } else { &other_node };
                scope.spawn(move || rotate_on(node))
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        outcomes
            .filter_map(|outcome| match outcome {
                Ok((_, text)) => Some(text),
                Err(RotateError::Rotated) => None,
                Err(error) => panic!("{error}"),
            })
            .collect()
    });
    assert_eq!(rotated.len(), 1);
    assert!(verify(&tokenry, &rotated[0], 11).is_ok() && verify(&tokenry, &old, 11).is_err());
});

each_backend!(a_rotation_right_after_another_is_treated_as_parallel, |db| {
    let tokenry = service(db);
    let (token, _) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let context = |millis: i64| {
        RequestContext::new(tokenry_service::unrestricted::operator(), tokenry_testkit::at(millis))
    };
    rotate(&tokenry, &context(1000), token.id, grace(0)).unwrap();
    let outcome = rotate(&tokenry, &context(1499), token.id, grace(0));
    assert!(matches!(outcome, Err(RotateError::Rotated)));
    rotate(&tokenry, &context(1500), token.id, grace(0)).unwrap();
});

each_backend!(a_repeated_request_is_answered_that_its_secret_was_delivered, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, _) = issue(&tokenry, &alice, &[]);
    let (other, _) = issue(&tokenry, &alice, &[]);
    let (_, text) = rotate(&tokenry, &operator(10), token.id, key("k1")).unwrap();
    for seconds in [10, 11, 10_000] {
        let again = rotate(&tokenry, &operator(seconds), token.id, key("k1"));
        assert!(matches!(again, Err(RotateError::Delivered)), "{seconds}");
    }
    assert!(verify(&tokenry, &text, 10_000).is_ok());
    rotate(&tokenry, &operator(20), other.id, key("k1")).unwrap();
    rotate(&tokenry, &operator(20), token.id, key("k2")).unwrap();
    let keyed: Vec<_> = std::thread::scope(|scope| {
        let once = || rotate(&tokenry, &operator(30), token.id, key("k3")).is_ok();
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(once)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(keyed.into_iter().filter(|done| *done).count(), 1);
});

each_backend!(a_token_can_rotate_itself_and_narrower_tokens_but_no_wider_one, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "admin");
    let (own, own_text) = issue(&tokenry, &alice, &["tokens:write", "a:read"]);
    let (lesser, _) = issue(&tokenry, &alice, &["a:read"]);
    let (greater, _) = issue(&tokenry, &alice, &["a:write"]);
    let (all, _) = issue(&tokenry, &alice, &["*"]);
    let context = with_token(&tokenry, &own_text, 10);
    for id in [greater.id, all.id] {
        let outcome = rotate(&tokenry, &context, id, grace(0));
        assert!(matches!(outcome, Err(RotateError::Denied(Denial::MissingScopes(_)))));
    }
    rotate(&tokenry, &context, lesser.id, grace(0)).unwrap();
    let (_, renewed) = rotate(&tokenry, &context, own.id, grace(60)).unwrap();
    let longer = grace(0).with_expiry(Expiry::In(Lifetime::days(364)));
    let outcome = rotate(&tokenry, &with_token(&tokenry, &renewed, 20), own.id, longer);
    assert!(matches!(outcome, Err(RotateError::Denied(Denial::Beyond(_)))));
    let retired = with_token(&tokenry, &own_text, 20);
    let outcome = rotate(&tokenry, &retired, own.id, grace(60));
    assert!(matches!(outcome, Err(RotateError::Denied(Denial::Retired))));
    assert!(tokenry.issue_token(&retired, alice.id, new("child", &[])).is_err());
    assert!(tokenry.revoke_token(&retired, own.id, None).unwrap());
});

each_backend!(
    what_a_stolen_old_secret_could_do_is_told_once_an_hour_and_revokes_if_the_policy_says_so,
    |db| {
        let events = |db: &TestDatabase| {
            // Recorded asynchronously, on a separate thread.
            for _ in 0..200 {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            let all = db.store().read(|tx| audit::search(tx, &AuditFilter::default(), None, 100)).unwrap();
            let kinds = |kind: &str| all.iter().filter(|entry| entry.event.kind.as_str() == kind).count();
            (kinds("auth.request.failed"), kinds("auth.token.revoked"))
        };
        let tokenry = service(db);
        let (token, old) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
        let (_, new) = rotate(&tokenry, &operator(10), token.id, grace(60)).unwrap();
        verify(&tokenry, &old, 20).unwrap();
        assert!(verify(&tokenry, &old, 70).is_err());
        assert_eq!(events(db), (0, 0), "the answer to the rotation may have been lost");
        for seconds in [100, 101, 3000] {
            assert_eq!(rejection(verify(&tokenry, &old, seconds)), Some(Rejection::Rotated(token.id)));
        }
        assert_eq!(events(db), (1, 0));
        let strict = Policy::default().with_on_reuse(ReusePolicy::Revoke);
        let strict = Tokenry::new(db.second_store(), settings(strict)).unwrap();
        assert!(verify(&strict, &new, 3600).is_ok());
        assert!(verify(&strict, &old, 3600).is_err());
        assert_eq!(events(db), (1, 1));
        assert_eq!(rejection(verify(&tokenry, &new, 3700)), Some(Rejection::Revoked));
    }
);

each_backend!(a_grace_is_bounded_by_the_current_policy_and_ends_when_the_token_is_widened, |db| {
    let tokenry = service(db);
    let (token, old) = issue(&tokenry, &user(&tokenry, "alice", "user"), &["a:read"]);
    rotate(&tokenry, &operator(10), token.id, grace(3600)).unwrap();
    let strict = Policy::default().with_max_grace(Lifetime::seconds(60));
    let strict = Tokenry::new(db.second_store(), settings(strict)).unwrap();
    assert!(verify(&strict, &old, 69).is_ok() && verify(&strict, &old, 70).is_err());
    let changes = |scopes: &[&str]| {
        TokenChanges::default().with_scopes(scopes.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    tokenry.update_token(&operator(20), token.id, changes(&[])).unwrap();
    assert!(verify(&tokenry, &old, 21).is_ok());
    tokenry.update_token(&operator(30), token.id, changes(&["a:read"])).unwrap();
    assert!(verify(&tokenry, &old, 31).is_err(), "the holder of the old secret must not get the new one");
});

each_backend!(a_retired_secret_cannot_administer_anything, |db| {
    let tokenry = service(db);
    let (root, bob) = (user(&tokenry, "root", "admin"), user(&tokenry, "bob", "user"));
    let (token, old) = issue(&tokenry, &root, &["*"]);
    let (other, _) = issue(&tokenry, &root, &[]);
    rotate(&tokenry, &operator(10), token.id, grace(3600)).unwrap();
    let context = with_token(&tokenry, &old, 20);
    let role =
        tokenry_service::UserChanges::default().with_role("admin".parse::<tokenry_service::Role>().unwrap());
    let retired = |outcome: Result<(), UserError>| matches!(outcome, Err(UserError::Denied(Denial::Retired)));
    assert!(retired(tokenry.create_user(&context, "eve", NewUser::default()).map(|_| ())));
    assert!(retired(tokenry.update_user(&context, bob.id, role).map(|_| ())));
    assert!(retired(tokenry.revoke_user_tokens(&context, bob.id, None).map(|_| ())));
    assert!(retired(tokenry.delete_user(&context, bob.id)));
    assert!(tokenry.cleanup(&context).is_err() && tokenry.revoke_token(&context, other.id, None).is_err());
    assert!(
        tokenry.revoke_token(&context, token.id, None).unwrap(),
        "possession of the secret is enough to revoke the token"
    );
});

each_backend!(a_secret_retired_without_grace_stays_rejected_when_a_clock_goes_back, |db| {
    let (tokenry, behind) = (service(db), common::service_on(db.second_store()));
    let alice = user(&tokenry, "alice", "user");
    let (token, old) = issue(&tokenry, &alice, &["a:read"]);
    let (_, new) = rotate(&tokenry, &operator(100), token.id, grace(0)).unwrap();
    for seconds in [101, 100, 99, 0] {
        for node in [&tokenry, &behind] {
            assert_eq!(
                rejection(verify(node, &old, seconds)),
                Some(Rejection::Rotated(token.id)),
                "{seconds}"
            );
            assert!(verify(node, &new, seconds).is_ok(), "{seconds}");
        }
    }
});

each_backend!(a_grace_ended_early_stays_ended_when_a_clock_goes_back, |db| {
    let (tokenry, behind) = (service(db), common::service_on(db.second_store()));
    let alice = user(&tokenry, "alice", "user");
    let (twice, first) = issue(&tokenry, &alice, &[]);
    rotate(&tokenry, &operator(10), twice.id, grace(3600)).unwrap();
    let (_, third) = rotate(&tokenry, &operator(100), twice.id, grace(3600)).unwrap();
    let (widened, old) = issue(&tokenry, &alice, &[]);
    rotate(&tokenry, &operator(10), widened.id, grace(3600)).unwrap();
    let more = TokenChanges::default().with_scopes(vec!["a:read".to_owned()]);
    tokenry.update_token(&operator(100), widened.id, more).unwrap();
    for node in [&tokenry, &behind] {
        for text in [&first, &old] {
            assert!(matches!(rejection(verify(node, text, 50)), Some(Rejection::Rotated(_))));
        }
        assert!(verify(node, &third, 50).is_ok());
    }
});

each_backend!(a_clock_that_was_behind_at_the_rotation_does_not_extend_the_grace, |db| {
    let tokenry = service(db);
    let (token, first) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    rotate(&tokenry, &operator(5000), token.id, grace(10)).unwrap();
    // This node's clock is behind the one that set the grace, so it would not see the end of the grace.
    let (_, third) = rotate(&tokenry, &operator(6000), token.id, grace(0)).unwrap();
    assert!(verify(&tokenry, &first, 5005).is_err() && verify(&tokenry, &third, 5005).is_ok());
});

each_backend!(a_retired_secret_stays_rejected_with_its_token_when_a_clock_goes_back, |db| {
    let tokenry = service(db);
    let (token, old) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let shorter = grace(3600).with_expiry(Expiry::In(Lifetime::seconds(60)));
    let (_, new) = rotate(&tokenry, &operator(10), token.id, shorter).unwrap();
    assert!(verify(&tokenry, &old, 69).is_ok() && verify(&tokenry, &new, 69).is_ok());
    assert_eq!(rejection(verify(&tokenry, &new, 70)), Some(Rejection::Expired));
    // At once, before the row is updated.
    for text in [&old, &new] {
        assert_eq!(rejection(verify(&tokenry, text, 50)), Some(Rejection::Expired));
    }
});

each_backend!(a_grace_rejected_as_ended_is_ended_on_every_node, |db| {
    let (tokenry, behind) = (service(db), common::service_on(db.second_store()));
    let (token, old) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    rotate(&tokenry, &operator(10), token.id, grace(60)).unwrap();
    assert!(verify(&tokenry, &old, 69).is_ok() && verify(&behind, &old, 69).is_ok());
    assert!(verify(&tokenry, &old, 70).is_err() && verify(&tokenry, &old, 69).is_err());
    let is_expired = || verify(&behind, &old, 69).is_err();
    let is_soon = || {
        std::thread::sleep(std::time::Duration::from_millis(25));
        is_expired()
    };
    assert!((0..400).any(|_| is_soon()), "the other node sees the end of the grace");
});
