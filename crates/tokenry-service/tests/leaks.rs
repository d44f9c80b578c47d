//! Reports of leaked tokens: what they cost and what they leave alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::collections::HashMap;

use common::{at, issue, operator, service, user, verify, with_secret_of};
use futures_executor::block_on;
use tokenry_domain::ClientInfo;
use tokenry_service::{
    ImportRow, ImportSettings, LeakReport, LeakReporter, LeakVerdict, Lifetime, Rotation, SecretState,
    Tokenry, VerifyError,
};
use tokenry_store::audit::{self, AuditFilter};
use tokenry_testkit::{TestDatabase, each_backend};
use zeroize::Zeroizing;

fn reports<T: ToString>(texts: impl IntoIterator<Item = T>) -> Vec<LeakReport> {
    texts.into_iter().map(|text| LeakReport::new(Zeroizing::new(text.to_string()), None)).collect()
}

/// Reports these texts; how many tokens it revoked, and the failure.
fn report<T: ToString>(
    tokenry: &Tokenry,
    reporter: LeakReporter,
    texts: impl IntoIterator<Item = T>,
) -> (usize, Vec<LeakVerdict>, Option<VerifyError>) {
    let leaks = block_on(tokenry.find_leaks(&reports(texts), reporter, at(20)));
    let revoked = tokenry.revoke_leaks(&leaks, reporter, at(20), &ClientInfo::default()).unwrap();
    (revoked, leaks.verdicts().to_vec(), leaks.into_failure())
}

/// How many of the verdicts are this one.
fn count(verdicts: &[LeakVerdict], wanted: LeakVerdict) -> usize {
    verdicts.iter().filter(|verdict| **verdict == wanted).count()
}

const KEY: &str = "0123456789abcdef";

/// A token of another system whose row is found by its first eight characters.
fn imported(number: usize, secret: usize) -> String {
    format!("old_{number:08}{secret:04}{KEY}{KEY}")
}

/// Imports tokens whose slow hashes are computed at their first use.
fn import(tokenry: &Tokenry, count: usize) {
    let rows = (0..count).map(|number| {
        let hash = bcrypt::hash(imported(number, 0), 4).unwrap();
        Ok(ImportRow {
            id: number.to_string(),
            owner: "alice".to_owned(),
            name: format!("token {number}"),
            hash,
            lookup: Some(format!("{number:08}")),
            ..ImportRow::default()
        })
    });
    let shape = "prefix=old_ lookup=first:8 length=48 alphabet=alphanumeric";
    let settings = ImportSettings {
        source: "old".to_owned(),
        shape: Some(shape.parse().unwrap()),
        create_users: true,
        scope_map: HashMap::new(),
    };
    let plan = tokenry.plan_import(&operator(10), &settings, rows).unwrap();
    assert_eq!(plan.refused(), []);
    tokenry.run_import(&operator(10), plan, &mut |_| {}).unwrap();
}

each_backend!(a_report_computes_a_bounded_number_of_slow_hashes_and_goes_on_when_repeated, |db| {
    let tokenry = service(db);
    import(&tokenry, 80);
    let wrong: Vec<String> = (1..=80).map(|secret| imported(7, secret)).collect();
    for (reporter, decided) in
        [(LeakReporter::Holder, 2), (LeakReporter::Holder, 4), (LeakReporter::GitHub, 36)]
    {
        let (revoked, verdicts, failure) = report(&tokenry, reporter, &wrong);
        assert_eq!((revoked, verdicts.len()), (0, 80));
        assert_eq!(count(&verdicts, LeakVerdict::Unknown), decided, "whatever the number of entries");
        assert_eq!(count(&verdicts, LeakVerdict::Undecided), 80 - decided);
        assert!(matches!(failure, Some(VerifyError::Busy)));
    }
    // What was compared is remembered, so each repetition gets further.
    let right: Vec<String> = (0..80).map(|number| imported(number, 0)).collect();
    let mut total = 0;
    for expected in [32, 32, 16] {
        let (revoked, _, failure) = report(&tokenry, LeakReporter::GitHub, &right);
        assert_eq!((revoked, failure.is_some()), (expected, expected == 32));
        total += revoked;
    }
    assert_eq!(total, 80);
    assert!(right.iter().all(|text| verify(&tokenry, text, 30).is_err()));
});

each_backend!(an_undecided_text_hides_no_token_behind_it, |db| {
    let tokenry = service(db);
    import(&tokenry, 8);
    let (_, own) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let mut texts: Vec<String> = (1..=33).map(|secret| imported(7, secret)).collect();
    texts.extend([own.clone(), imported(3, 0)]);
    let (revoked, verdicts, failure) = report(&tokenry, LeakReporter::GitHub, &texts);
    assert_eq!((revoked, verdicts.len()), (1, 35), "the own token needs no hash");
    assert!(matches!(failure, Some(VerifyError::Busy)));
    assert_eq!(verdicts[31..], {
        use LeakVerdict::{Known, Undecided, Unknown};
        [Unknown, Undecided, Known, Undecided]
    });
    assert!(verify(&tokenry, &own, 21).is_err());
    // The wrong secrets cost nothing any more.
    let (revoked, verdicts, failure) = report(&tokenry, LeakReporter::GitHub, &texts);
    assert_eq!((revoked, failure.is_none(), verdicts[34]), (1, true, LeakVerdict::Known));
    assert!(verify(&tokenry, &imported(3, 0), 21).is_err());
    assert!(verify(&tokenry, &imported(7, 0), 21).is_ok(), "a wrong secret revokes nothing");
});

each_backend!(a_secret_that_a_rotation_ends_after_it_was_found_revokes_nothing, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let graced = Rotation::default().with_grace(Lifetime::seconds(100));
    // With a grace period the found secret still works, so that it still revokes.
    for (rotation, is_revoked) in [(Rotation::default(), false), (graced, true)] {
        for way in ["report", "possession", "operator"] {
            let (token, old) = issue(&tokenry, &alice, &[]);
            let found = block_on(tokenry.find_leaks(&reports([&old]), LeakReporter::Holder, at(10)));
            let identified = block_on(tokenry.identify_token(old.as_bytes(), at(10), None)).unwrap().unwrap();
            let rotated = tokenry.rotate_token(&operator(15), token.id, rotation.clone()).unwrap();
            let (now, client) = (at(20), ClientInfo::default());
            let done = match way {
                "report" => tokenry.revoke_leaks(&found, LeakReporter::Holder, now, &client).unwrap() == 1,
                "possession" => tokenry.revoke_possessed(&identified, now, client).unwrap(),
                _ => tokenry.revoke_found(&operator(20), &identified, None).unwrap(),
            };
            assert_eq!(done, is_revoked, "{way}");
            assert_eq!(verify(&tokenry, &rotated.secret.reveal_once(), 21).is_err(), is_revoked);
        }
    }
    // A grace period that ends in between, by the clock or by a second rotation.
    for is_rotated_again in [false, true] {
        let (token, old) = issue(&tokenry, &alice, &[]);
        let graced = Rotation::default().with_grace(Lifetime::seconds(100));
        let mut new = tokenry.rotate_token(&operator(1), token.id, graced).unwrap();
        let found = block_on(tokenry.find_leaks(&reports([&old]), LeakReporter::Holder, at(100)));
        let mut now = at(101);
        if is_rotated_again {
            new = tokenry.rotate_token(&operator(100), token.id, Rotation::default()).unwrap();
            now = at(100);
        }
        let client = ClientInfo::default();
        assert_eq!(tokenry.revoke_leaks(&found, LeakReporter::Holder, now, &client).unwrap(), 0);
        assert!(verify(&tokenry, &new.secret.reveal_once(), 102).is_ok());
    }
});

each_backend!(own_tokens_cost_no_slow_hash_and_are_revoked_all_at_once, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let texts: Vec<String> = (0..200).map(|_| issue(&tokenry, &alice, &[]).1).collect();
    let (kept, _) = (issue(&tokenry, &alice, &[]).1, ());
    let wrong = with_secret_of(&kept, &texts[0]);
    let (revoked, verdicts, failure) =
        report(&tokenry, LeakReporter::Holder, texts.iter().chain(&texts).chain([&wrong]));
    assert!(failure.is_none());
    assert_eq!((revoked, verdicts.len()), (200, 401));
    assert!(verdicts[..400].iter().all(|verdict| *verdict == LeakVerdict::Known));
    assert_eq!(verdicts[400], LeakVerdict::Unknown);
    assert!(verify(&tokenry, &kept, 21).is_ok());
    assert_eq!(tokenry.waiting_verifications(), 0);
});

/// The number of audit events.
fn events(db: &TestDatabase) -> usize {
    db.store().read(|tx| audit::search(tx, &AuditFilter::default(), None, 1000)).unwrap().len()
}

each_backend!(finding_the_token_of_an_ended_secret_records_no_use_of_it, |db| {
    let tokenry = service(db);
    let (token, old) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let graced = Rotation::default().with_grace(Lifetime::seconds(100));
    let rotated = tokenry.rotate_token(&operator(1), token.id, graced).unwrap().secret.reveal_once();
    let secret = |text: &str, seconds| {
        block_on(tokenry.find_by_secret(text.as_bytes(), at(seconds))).unwrap().map(|found| {
            assert_eq!((found.token_id, found.owner_id), (token.id, token.user_id));
            found.secret
        })
    };
    assert_eq!(secret(&rotated, 50), Some(SecretState::Current));
    assert_eq!(secret(&old, 50), Some(SecretState::Retired { until: at(101) }));
    let before = events(db);
    assert_eq!(secret(&old, 1000), Some(SecretState::Ended));
    assert_eq!(secret(&with_secret_of(&old, &rotated), 50), None);
    assert_eq!(secret("test_pat_x", 50), None);
    assert_eq!(events(db), before);
    // Presenting it is a use, which is recorded.
    assert!(verify(&tokenry, &old, 1000).is_err());
    let waited = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        events(db) > before
    });
    assert!(waited, "the control records an event");
});
