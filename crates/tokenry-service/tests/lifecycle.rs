//! Lifetimes follow the current policy, also for tokens created under another policy.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, new, operator, service, settings, user, verify};
use tokenry_service::{
    Catalog, CleanupReport, Expiry, Lifetime, PageQuery, Policy, Rejection, RequestContext, RotateError,
    Rotation, Status, Token, TokenChanges, TokenFilter, Tokenry, UpdateError, UsageEvent, VerifyError,
    catalog::{Definition, RoleDefinition},
};
use tokenry_store::{
    audit::{self, AuditFilter},
    token,
};
use tokenry_testkit::{TestDatabase, each_backend};

const DAY: i64 = 86_400;

/// Another process on the same database, with another policy.
fn under(db: &TestDatabase, policy: Policy) -> Tokenry {
    Tokenry::new(db.second_store(), settings(policy)).unwrap()
}

fn is_expired(tokenry: &Tokenry, text: &str, seconds: i64) -> bool {
    match verify(tokenry, text, seconds) {
        Ok(_) => false,
        Err(VerifyError::Rejected(Rejection::Expired)) => true,
        Err(error) => panic!("{error}"),
    }
}

fn rejection(outcome: Result<tokenry_service::VerifiedToken, VerifyError>) -> Option<Rejection> {
    match outcome {
        Err(VerifyError::Rejected(rejection)) => Some(rejection),
        _ => None,
    }
}

fn free() -> Policy {
    Policy::default().with_allow_never(true).with_max_lifetime(None).with_default_lifetime(None)
}

fn listed(tokenry: &Tokenry, status: Status, seconds: i64) -> Vec<Token> {
    let filter = TokenFilter::default().with_status(Some(status));
    let page = tokenry.list_tokens(&operator(seconds), filter, PageQuery::default()).unwrap();
    page.items.into_iter().map(|(token, _)| token).collect()
}

each_backend!(a_tightened_policy_expires_tokens_created_before_it, |db| {
    let generous = under(db, free());
    let alice = user(&generous, "alice", "user");
    let (endless, endless_text) = issue(&generous, &alice, &[]);
    let year = new("year", &[]).with_expiry(Expiry::In(Lifetime::days(365)));
    let year = generous.issue_token(&operator(0), alice.id, year).unwrap();
    let year_text = year.secret.reveal_once();
    let tight = under(db, Policy::default().with_max_lifetime(Some(Lifetime::days(30))));
    for text in [endless_text.as_str(), &year_text] {
        assert!(!is_expired(&generous, text, 30 * DAY) && !is_expired(&tight, text, 30 * DAY - 1));
        assert!(is_expired(&tight, text, 30 * DAY));
    }
    assert_eq!(listed(&tight, Status::Expired, 30 * DAY).len(), 2);
    assert_eq!(listed(&generous, Status::Active, 30 * DAY).len(), 2);
    assert_eq!(tight.policy().effective_expiry(&endless), Some(at(30 * DAY)));
    let more = TokenChanges::default().with_expiry(Expiry::In(Lifetime::days(5)));
    assert!(matches!(tight.update_token(&operator(31 * DAY), endless.id, more), Err(UpdateError::Expired)));
});

each_backend!(a_token_without_expiry_expires_when_the_policy_no_longer_allows_it, |db| {
    let generous = under(db, free());
    let (_, text) = issue(&generous, &user(&generous, "alice", "user"), &[]);
    let with_default = free().with_allow_never(false).with_default_lifetime(Some(Lifetime::days(7)));
    let tight = under(db, with_default);
    assert!(!is_expired(&tight, &text, 7 * DAY - 1) && is_expired(&tight, &text, 7 * DAY));
});

each_backend!(an_unused_token_expires_if_the_policy_has_an_idle_expiry, |db| {
    let usual = service(db);
    let alice = user(&usual, "alice", "user");
    let (idle, idle_text) = issue(&usual, &alice, &[]);
    let (_, used_text) = issue(&usual, &alice, &[]);
    let later = new("later", &[]).with_not_before(at(10 * DAY));
    let later_text = usual.issue_token(&operator(0), alice.id, later).unwrap().secret.reveal_once();
    let tight = under(db, Policy::default().with_idle_lifetime(Some(Lifetime::days(7))));
    let used = verify(&tight, &used_text, 6 * DAY).unwrap();
    tight.record_use(&used, &UsageEvent::new(at(6 * DAY), None, 200));
    drop(tight);
    let tight = under(db, Policy::default().with_idle_lifetime(Some(Lifetime::days(7))));
    assert!(!is_expired(&tight, &idle_text, 7 * DAY - 1) && is_expired(&tight, &idle_text, 7 * DAY));
    assert!(!is_expired(&tight, &used_text, 13 * DAY - 1) && is_expired(&tight, &used_text, 13 * DAY));
    assert!(!is_expired(&tight, &later_text, 17 * DAY - 1) && is_expired(&tight, &later_text, 17 * DAY));
    assert!(!is_expired(&usual, &idle_text, 30 * DAY), "off by default");
    assert_eq!(tight.find_token(&operator(8 * DAY), idle.id).unwrap().0.expires_at, idle.expires_at);
});

each_backend!(a_rotation_starts_a_new_lifetime, |db| {
    let tokenry = service(db);
    let (token, _) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let longest = || Some(Expiry::In(Lifetime::days(365)));
    let rotation = Rotation::default().with_expiry(longest());
    let rotated = tokenry.rotate_token(&operator(80 * DAY), token.id, rotation).unwrap().token;
    assert_eq!(rotated.expires_at, Some(at((80 + 365) * DAY)));
});

each_backend!(a_policy_can_be_tried_on_existing_tokens_before_it_is_applied, |db| {
    let tokenry = service(db);
    let (alice, root) = (user(&tokenry, "alice", "user"), user(&tokenry, "root", "admin"));
    let short = |name: &str| new(name, &["a:read"]).with_expiry(Expiry::In(Lifetime::days(5)));
    tokenry.issue_token(&operator(0), alice.id, short("short")).unwrap();
    let (long, _) = issue(&tokenry, &alice, &["a:write"]);
    issue(&tokenry, &root, &["admin:write"]);
    let (dead, _) = issue(&tokenry, &root, &["*"]);
    tokenry.revoke_token(&operator(1), dead.id, None).unwrap();
    let context = operator(20);
    let same = tokenry.check_policy(&context, tokenry.policy(), tokenry.catalog()).unwrap();
    assert_eq!((same.live, same.touched), (3, 0));
    let short = Policy::default().with_max_lifetime(Some(Lifetime::days(30)));
    let impact = tokenry.check_policy(&context, &short, tokenry.catalog()).unwrap();
    assert_eq!((impact.live, impact.touched, impact.ending_sooner, impact.ending_now), (3, 2, 2, 0));
    assert_eq!((impact.losing_scopes, impact.gaining_scopes), (0, 0));
    let at_once = Policy::default().with_max_lifetime(Some(Lifetime::seconds(10)));
    let impact = tokenry.check_policy(&context, &at_once, tokenry.catalog()).unwrap();
    assert_eq!((impact.touched, impact.ending_now), (3, 3));
    let role = |name: &str, scopes: &[&str]| {
        RoleDefinition::new(name.to_owned(), scopes.iter().map(ToString::to_string).collect())
    };
    let definition = Definition::default().with_roles(vec![role("user", &["a:read"]), role("admin", &["*"])]);
    let catalog = Catalog::define(&definition).unwrap();
    let impact = tokenry.check_policy(&context, tokenry.policy(), &catalog).unwrap();
    assert_eq!((impact.touched, impact.losing_scopes, impact.gaining_scopes), (1, 1, 0));
    assert!(tokenry.find_token(&context, long.id).unwrap().0 == long, "the token is unchanged");
});

each_backend!(a_cleanup_records_each_expiry_once_and_removes_long_dead_tokens, |db| {
    let retention = Some(Lifetime::days(30));
    let open =
        || Tokenry::new(db.second_store(), settings(Policy::default()).with_retention(retention)).unwrap();
    let (tokenry, other_node) = (open(), open());
    let alice = user(&tokenry, "alice", "user");
    let soon = new("soon", &[]).with_expiry(Expiry::In(Lifetime::days(1)));
    let soon = tokenry.issue_token(&operator(0), alice.id, soon).unwrap().token;
    let (revoked, _) = issue(&tokenry, &alice, &[]);
    tokenry.revoke_token(&operator(1), revoked.id, None).unwrap();
    let (live, live_text) = issue(&tokenry, &alice, &[]);
    tokenry.rotate_token(&operator(2), live.id, Rotation::default()).unwrap();
    assert_eq!(tokenry.cleanup(&operator(10)).unwrap(), CleanupReport::default());
    let recorded: usize = std::thread::scope(|scope| {
        let nodes =
            [&tokenry, &other_node].map(|node| scope.spawn(|| node.cleanup(&operator(DAY)).unwrap().expired));
        nodes.into_iter().map(|node| node.join().unwrap()).sum()
    });
    assert_eq!(recorded, 1);
    assert_eq!(tokenry.cleanup(&operator(2 * DAY)).unwrap(), CleanupReport::default());
    assert!(tokenry.find_token(&operator(29 * DAY), soon.id).is_ok(), "expired tokens stay listed");
    let cleaned = tokenry.cleanup(&operator(31 * DAY + 10)).unwrap();
    let CleanupReport { expired, ended_sessions, purged_tokens, purged_uses, .. } = cleaned;
    assert_eq!((expired, ended_sessions, purged_tokens, purged_uses), (0, 0, 2, 0));
    assert!(
        tokenry.find_token(&operator(31 * DAY), soon.id).is_err()
            && tokenry.find_token(&operator(31 * DAY), live.id).is_ok()
    );
    let stolen = rejection(verify(&tokenry, &live_text, 31 * DAY));
    assert!(matches!(stolen, Some(Rejection::Rotated(_))), "the retired secret of a live token is kept");
});

each_backend!(a_token_cannot_extend_its_lifetime_by_rotating_itself, |db| {
    let ten_days = Policy::default().with_allow_never(true).with_max_lifetime(Some(Lifetime::days(10)));
    let generous = under(db, free());
    let alice = user(&generous, "alice", "user");
    let (endless, mut text) = issue(&generous, &alice, &["tokens:write"]);
    let tight = under(db, ten_days);
    for day in [3, 6, 9] {
        let context = common::with_token(&tight, &text, day * DAY);
        let rotated = tight.rotate_token(&context, endless.id, Rotation::default()).unwrap();
        assert_eq!(tight.policy().effective_expiry(&rotated.token), Some(at(10 * DAY)), "day {day}");
        text = rotated.secret.reveal_once().to_string();
    }
    let longer = Rotation::default().with_expiry(Expiry::In(Lifetime::days(10)));
    let outcome = tight.rotate_token(&common::with_token(&tight, &text, 9 * DAY), endless.id, longer.clone());
    assert!(outcome.is_err(), "not even when the token requests an expiry");
    assert!(is_expired(&tight, &text, 10 * DAY));
    let person = RequestContext::new(tight.caller_for_user(alice).unwrap(), at(9 * DAY + 1));
    let renewed = tight.rotate_token(&person, endless.id, longer).unwrap();
    assert_eq!(renewed.token.expires_at, Some(at(19 * DAY + 1)), "a user renews it");
});

each_backend!(a_recorded_expiry_is_final_whatever_the_clock_says, |db| {
    let (tokenry, behind) = (service(db), common::service_on(db.second_store()));
    let alice = user(&tokenry, "alice", "user");
    let short = new("short", &[]).with_expiry(Expiry::In(Lifetime::days(1)));
    let issued = tokenry.issue_token(&operator(0), alice.id, short).unwrap();
    let (id, text) = (issued.token.id, issued.secret.reveal_once());
    assert_eq!(tokenry.cleanup(&operator(DAY)).unwrap().expired, 1);
    for node in [&tokenry, &behind] {
        for seconds in [DAY - 1, 10] {
            assert!(is_expired(node, &text, seconds), "{seconds}");
            let token = node.find_token(&operator(seconds), id).unwrap().0;
            assert_eq!(token.status(&node.policy().cutoffs(at(seconds))), Status::Expired);
            let more = TokenChanges::default().with_expiry(Expiry::In(Lifetime::days(5)));
            assert!(matches!(node.update_token(&operator(seconds), id, more), Err(UpdateError::Expired)));
            let outcome = node.rotate_token(&operator(seconds), id, Rotation::default());
            assert!(matches!(outcome, Err(RotateError::Expired)));
        }
    }
    assert_eq!(
        tokenry.cleanup(&operator(10)).unwrap(),
        CleanupReport::default(),
        "each expiry is recorded once"
    );
    assert_eq!(tokenry.cleanup(&operator(2 * DAY)).unwrap(), CleanupReport::default());
});

each_backend!(a_token_revived_by_another_policy_is_recorded_again_when_it_expires, |db| {
    let usual = service(db);
    let (token, text) = issue(&usual, &user(&usual, "alice", "user"), &[]);
    let tight = under(db, Policy::default().with_idle_lifetime(Some(Lifetime::days(7))));
    assert_eq!(tight.cleanup(&operator(8 * DAY)).unwrap().expired, 1);
    assert!(is_expired(&tight, &text, 6 * DAY), "it stays expired under this policy");
    assert!(!is_expired(&usual, &text, 9 * DAY), "the current policy decides");
    assert_eq!(usual.cleanup(&operator(9 * DAY)).unwrap().expired, 0);
    assert_eq!(usual.cleanup(&operator(90 * DAY)).unwrap().expired, 1);
    assert!(is_expired(&usual, &text, 10 * DAY));
    assert_eq!(usual.find_token(&operator(10 * DAY), token.id).unwrap().0.expires_at, token.expires_at);
});

each_backend!(a_token_expired_by_policy_is_removed_after_retention_since_its_recorded_expiry, |db| {
    let retention = Some(Lifetime::days(30));
    let idle = Policy::default().with_idle_lifetime(Some(Lifetime::days(7)));
    let open = |policy| Tokenry::new(db.second_store(), settings(policy).with_retention(retention)).unwrap();
    let usual = open(Policy::default());
    let alice = user(&usual, "alice", "user");
    let year = || new("year", &[]).with_expiry(Expiry::In(Lifetime::days(365)));
    let make = || usual.issue_token(&operator(0), alice.id, year()).unwrap().token.id;
    let (idle_id, used_id) = (make(), make());
    assert_eq!(usual.cleanup(&operator(60 * DAY)).unwrap(), CleanupReport::default());
    let tight = open(idle);
    let used = move |tx: &mut tokenry_store::Tx<'_>| token::mark_used(tx, used_id, at(59 * DAY), None);
    db.store().write(used).unwrap();
    let first = tight.cleanup(&operator(60 * DAY)).unwrap();
    assert_eq!((first.expired, first.purged_tokens), (1, 0), "a policy change removes nothing at once");
    assert_eq!(tight.cleanup(&operator(89 * DAY)).unwrap().purged_tokens, 0);
    assert_eq!(tight.cleanup(&operator(90 * DAY + 1)).unwrap().purged_tokens, 1);
    assert!(
        tight.find_token(&operator(90 * DAY), idle_id).is_err()
            && tight.find_token(&operator(90 * DAY), used_id).is_ok()
    );
});

/// The number of expiry events in the audit log.
fn expiry_events(db: &TestDatabase) -> usize {
    let all = db.store().read(|tx| audit::search(tx, &AuditFilter::default(), None, 100)).unwrap();
    all.iter().filter(|entry| entry.event.kind.as_str() == "auth.token.expired").count()
}

/// Waits for asynchronous writes.
fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is_there() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!("{what}: not within ten seconds");
}

each_backend!(a_rejected_expiry_is_final_at_once_on_this_node_and_soon_on_every_node, |db| {
    let (tokenry, behind) = (service(db), common::service_on(db.second_store()));
    let alice = user(&tokenry, "alice", "user");
    let short = || new("short", &[]).with_expiry(Expiry::In(Lifetime::days(1)));
    let make = || tokenry.issue_token(&operator(0), alice.id, short()).unwrap().secret.reveal_once();
    let (text, other) = (make(), make());
    assert!(!is_expired(&tokenry, &text, DAY - 1) && is_expired(&tokenry, &text, DAY));
    for seconds in [DAY - 1, 0, DAY + 1] {
        assert!(is_expired(&tokenry, &text, seconds), "{seconds}");
    }
    assert!(!is_expired(&tokenry, &other, DAY - 1), "other tokens are not affected");
    wait_for("the record of the expiry", || is_expired(&behind, &text, 10));
    assert_eq!(expiry_events(db), 1);
    for _ in 0..3 {
        assert!(is_expired(&tokenry, &text, 2 * DAY) && is_expired(&behind, &text, 2 * DAY));
    }
    assert_eq!(tokenry.cleanup(&operator(DAY - 1)).unwrap().expired, 0);
    drop((tokenry, behind));
    assert_eq!(expiry_events(db), 1, "the expiry is recorded once, however often the token is rejected");
});

each_backend!(a_token_expired_by_policy_stays_expired_when_the_clock_goes_back, |db| {
    let usual = service(db);
    let (_, text) = issue(&usual, &user(&usual, "alice", "user"), &[]);
    let idle = || under(db, Policy::default().with_idle_lifetime(Some(Lifetime::days(7))));
    let (tight, behind) = (idle(), idle());
    assert!(is_expired(&tight, &text, 7 * DAY) && is_expired(&tight, &text, 6 * DAY));
    wait_for("the record of the end", || is_expired(&behind, &text, 6 * DAY));
    assert!(!is_expired(&usual, &text, 8 * DAY), "another policy decides independently");
});
