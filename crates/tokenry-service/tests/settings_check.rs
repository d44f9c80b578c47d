//! Changed settings on existing rows: which tokens still work, and which problems are counted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::{at, issue, new, operator, settings, user, verify};
use tokenry_crypto::{Pepper, Prefixes};
use tokenry_service::{
    Catalog, ClientInfo, IssuerMapping, JwtVerifier, Lifetime, Limits, Policy, Prefix, Rejection, Rotation,
    Scheme, Settings, SettingsOutline, SettingsReport, SignIn, Tokenry, VerifyError,
    catalog::{Definition, RoleDefinition},
};
use tokenry_testkit::{TestDatabase, each_backend};

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

fn free() -> Settings {
    let limits = Limits::unlimited();
    settings(Policy::default().with_limits(limits))
}

/// A service with this prefix and these former prefixes.
fn service(db: &TestDatabase, present: &str, tombstone: &[&str]) -> Tokenry {
    Tokenry::new(db.store().clone(), with_prefixes(present, tombstone)).unwrap()
}

fn with_prefixes(present: &str, tombstone: &[&str]) -> Settings {
    let former_prefixes = tombstone.iter().map(|text| prefix(text)).collect();
    free().with_prefix(prefix(present)).with_former_prefixes(former_prefixes)
}

fn report(tokenry: &Tokenry, settings: &Settings) -> SettingsReport {
    tokenry.check_settings(&operator(5), &SettingsOutline::of(settings)).unwrap()
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

fn is_malformed(outcome: Result<tokenry_service::VerifiedToken, VerifyError>) -> bool {
    matches!(outcome, Err(VerifyError::Rejected(Rejection::Malformed(_))))
}

each_backend!(tokens_with_a_former_prefix_keep_working_and_rotate_to_the_current_one, |db| {
    let old = service(db, "pat_", &[]);
    let alice = user(&old, "alice", "user");
    let (token, text) = issue(&old, &alice, &["a:read"]);
    drop(old);
    assert!(is_malformed(verify(&service(db, "pat_x_", &[]), &text, 1)));

    // The former prefix is a prefix of the current one.
    let tokenry = service(db, "pat_x_", &["pat_"]);
    assert_eq!(verify(&tokenry, &text, 1).unwrap().token().public_id.as_str(), &text[..16]);
    assert!(is_malformed(verify(&tokenry, &text[..text.len() - 1], 1)));
    let identify_token = tokenry.identify_token(text.as_bytes(), at(1), None);
    let identify_token = std::pin::pin!(identify_token);
    assert_eq!(futures(identify_token).unwrap().unwrap().token_id, token.id);
    assert!(!tokenry.is_jwt(text.as_bytes()));
    let found = tokenry.find_token(&operator(1), token.id).unwrap().0;
    assert_eq!(found.public_id.as_str(), &text[..16]);

    let rotation = Rotation::default().with_grace(Lifetime::seconds(60));
    let rotated = tokenry.rotate_token(&operator(2), token.id, rotation).unwrap();
    let renewed = rotated.secret.reveal_once().to_string();
    assert!(renewed.starts_with("pat_x_") && rotated.token.public_id.as_str() == &renewed[..18]);
    assert!(verify(&tokenry, &renewed, 3).is_ok() && verify(&tokenry, &text, 3).unwrap().is_retired());
    let rejected = verify(&tokenry, &text, 70);
    assert!(matches!(rejected, Err(VerifyError::Rejected(Rejection::Rotated(id))) if id == token.id));

    // Secrets in their grace are counted separately.
    let without = report(&tokenry, &with_prefixes("pat_x_", &[]));
    assert_eq!((without.old_secrets, without.prefixes.len(), without.live), (1, 0, 1));
    let identified = std::pin::pin!(tokenry.identify_token(renewed.as_bytes(), at(4), None));
    let identified = futures(identified).unwrap().unwrap();
    assert!(tokenry.revoke_possessed(&identified, at(4), ClientInfo::default()).unwrap());
    assert!(matches!(verify(&tokenry, &renewed, 5), Err(VerifyError::Rejected(Rejection::Revoked))));
});

fn futures<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }
}

each_backend!(live_tokens_with_a_rejected_prefix_are_counted_and_dead_ones_are_not, |db| {
    let old = service(db, "old_", &[]);
    let alice = user(&old, "alice", "user");
    for _ in 0..3 {
        issue(&old, &alice, &[]);
    }
    let (revoked, _) = issue(&old, &alice, &[]);
    old.revoke_token(&operator(1), revoked.id, None).unwrap();
    let soon = new("soon", &[]).with_expiry(tokenry_service::Expiry::In(Lifetime::seconds(60)));
    old.issue_token(&operator(-60), alice.id, soon).unwrap();
    let proposed = with_prefixes("pat_", &[]);
    let counted = report(&old, &proposed);
    assert_eq!((counted.live, &counted.prefixes), (3, &counts([("old_", 3)])));
    assert!(counted.rejects_all() && !counted.is_clean());
    assert!(counted.to_string().contains("3 of 3 live tokens have a prefix that is rejected (old_: 3)"));

    let both = service(db, "pat_", &["old_"]);
    issue(&both, &alice, &[]);
    let counted = report(&both, &proposed);
    assert_eq!((counted.live, counted.rejects_all()), (4, false));
    assert_eq!(counted.prefixes, counts([("old_", 3)]));
    assert!(report(&both, &with_prefixes("pat_", &["other_", "old_"])).is_clean());
    assert!(report(&both, &with_prefixes("new_", &["pat_", "old_"])).is_clean());
});

each_backend!(secrets_that_are_rejected_anyway_are_not_counted, |db| {
    let old = service(db, "old_", &[]);
    let (alice, bob) = (user(&old, "alice", "user"), user(&old, "bob", "user"));
    let rotate = |owner, grace: u32| {
        let (token, _) = issue(&old, owner, &[]);
        let rotation = Rotation::default().with_grace(Lifetime::seconds(grace));
        old.rotate_token(&operator(1), token.id, rotation).unwrap().token
    };
    rotate(&alice, 3600);
    rotate(&bob, 3600);
    rotate(&alice, 0);
    // The row of its first secret still has a grace, which the second rotation ended.
    let twice = rotate(&alice, 3600);
    let again = Rotation::default().with_grace(Lifetime::seconds(3600));
    old.rotate_token(&operator(2), twice.id, again).unwrap();
    let proposed = with_prefixes("pat_", &[]);
    let counted = report(&old, &proposed);
    assert_eq!((counted.live, counted.old_secrets), (4, 3));
    let changes = tokenry_service::UserChanges::default().with_disabled(true);
    old.update_user(&operator(3), bob.id, changes).unwrap();
    let counted = report(&old, &proposed);
    assert_eq!((counted.live, counted.old_secrets), (3, 2));
    let impact = old.check_policy(&operator(5), old.policy(), &Catalog::open()).unwrap();
    assert_eq!(impact.live, 3);
    // The current policy limits the grace.
    let strict = free().policy.with_max_grace(Lifetime::seconds(4));
    let strict = Tokenry::new(db.store().clone(), free().with_policy(strict)).unwrap();
    assert_eq!(report(&strict, &proposed).old_secrets, 1);
});

each_backend!(tokens_with_a_removed_pepper_are_counted, |db| {
    let pepper = |id: &str, byte| Pepper::new(id, vec![byte; 32]).unwrap();
    let with = |peppers: Vec<Pepper>| {
        let mut settings = free();
        settings.hash.scheme = if peppers.is_empty() { Scheme::Sha256 } else { Scheme::HmacSha256 };
        settings.hash.peppers = peppers;
        settings
    };
    let (k0, k1) = (pepper("k0", 1), pepper("k1", 2));
    let first = Tokenry::new(db.store().clone(), with(vec![k0.clone()])).unwrap();
    let alice = user(&first, "alice", "user");
    issue(&first, &alice, &[]);
    issue(&first, &alice, &[]);
    let second = Tokenry::new(db.store().clone(), with(vec![k1.clone(), k0.clone()])).unwrap();
    issue(&second, &alice, &[]);
    assert!(report(&second, &with(vec![k1.clone(), k0])).is_clean());
    let counted = report(&second, &with(vec![k1]));
    assert_eq!((counted.peppers, counted.live), (counts([("k0", 2)]), 3));
    assert_eq!(report(&second, &with(Vec::new())).peppers, counts([("k0", 2), ("k1", 1)]));
});

each_backend!(a_role_missing_from_the_catalog_grants_nothing_and_is_counted, |db| {
    let role = |name: &str, scopes: &[&str]| {
        RoleDefinition::new(name.to_owned(), scopes.iter().map(ToString::to_string).collect())
    };
    let of = |roles: Vec<RoleDefinition>, defaults: &[&str]| {
        free().with_catalog(
            Catalog::define(
                &Definition::default()
                    .with_roles(roles)
                    .with_default_scopes(defaults.iter().map(ToString::to_string).collect()),
            )
            .unwrap(),
        )
    };
    let before = || vec![role("guest", &["a:read"]), role("staff", &["*"])];
    let old = Tokenry::new(db.store().clone(), of(before(), &[])).unwrap();
    let (alice, bob) = (user(&old, "alice", "staff"), user(&old, "bob", "staff"));
    let (_, text) = issue(&old, &alice, &["a:write"]);
    issue(&old, &alice, &["*"]);
    assert!(verify(&old, &text, 1).unwrap().grants(&"a:write".parse().unwrap()));

    let after = of(vec![role("guest", &["a:read"])], &["b:read"]);
    let counted = report(&old, &after);
    assert_eq!(counted.user_roles, counts([("staff", 2)]));
    assert_eq!(counted.token_roles, counts([("staff", 2)]));
    assert_eq!(counted.default_scopes, ["b:read"]);
    let unchanged = report(&old, &of(before(), &["a:read"]));
    assert!(unchanged.is_clean() && unchanged.live == 2, "{unchanged:?}");
    let changes = tokenry_service::UserChanges::default().with_disabled(true);
    old.update_user(&operator(2), bob.id, changes).unwrap();
    assert_eq!(report(&old, &after).user_roles, counts([("staff", 1)]));

    let tokenry = Tokenry::new(db.store().clone(), after).unwrap();
    let verified = verify(&tokenry, &text, 3).unwrap();
    for scope in ["a:read", "a:write", "*", "introspect"] {
        assert!(!verified.grants(&scope.parse().unwrap()), "{scope}");
    }
});

each_backend!(users_that_no_issuer_can_sign_in_are_counted, |db| {
    let of = |prefixes: &[&str]| {
        let mapping = |(index, prefix): (usize, &&str)| {
            IssuerMapping::new(format!("https://{index}.example")).with_subject_prefix((*prefix).to_owned())
        };
        let verifier = Arc::new(JwtVerifier::new(Vec::new()).unwrap());
        let issuers = prefixes.iter().enumerate().map(mapping).collect();
        free().with_sign_in(SignIn::new(verifier, issuers))
    };
    let tokenry = service(db, "pat_", &[]);
    for (subject, came) in
        [("id|alice", true), ("id|bob", true), ("i%|carol", true), ("é|dave", true), ("root", false)]
    {
        let mut user = user(&tokenry, subject, "user");
        user.claims_at = came.then_some(at(1));
        db.store().write(move |tx| tokenry_store::user::update(tx, &user)).unwrap();
    }
    for (prefixes, count) in [
        (&["id|"][..], 2),
        (&["id|", "i%|", "é|"], 0),
        (&["i"], 1),
        (&[""], 0),
        (&["i_|"], 4),
        (&["ID|"], 4),
        (&[], 4),
    ] {
        assert_eq!(report(&tokenry, &of(prefixes)).subjects, count, "{prefixes:?}");
    }
    assert_eq!(report(&tokenry, &free()).subjects, 4);
});

#[test]
fn only_configured_prefixes_are_accepted() {
    let all = Prefixes::new(prefix("new_"), vec![prefix("old_")]);
    assert!(
        all.contains("new_")
            && all.contains("old_")
            && !all.contains("")
            && !all.contains("ol")
            && !all.contains("old_x_")
    );
}
