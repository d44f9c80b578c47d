//! Rejected requests are recorded in the audit log.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, new, operator, service, user, verify, with_token};
use tokenry_service::EventKind;
use tokenry_store::audit::{self, AuditEntry, AuditFilter};
use tokenry_testkit::{TestDatabase, each_backend};

fn entries_of_kind(db: &TestDatabase, kind: &str) -> Vec<AuditEntry> {
    let filter = AuditFilter::default().kind(kind.parse::<EventKind>().unwrap());
    db.store().read(|tx| audit::search(tx, &filter, None, 500)).unwrap()
}

each_backend!(rejections_are_aggregated_and_written_before_the_service_stops, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    let caller = with_token(&tokenry, &text, 1).caller;
    let source = |text: &str| Some(text.parse().unwrap());
    for seconds in 1..=10 {
        tokenry.record_failure("invalid_token", source("192.0.2.1"), at(seconds));
        tokenry.record_forbidden(&caller, "insufficient_scope", source("192.0.2.2"), at(seconds));
    }
    tokenry.record_failure("expired_token", source("192.0.2.1"), at(1));
    drop((tokenry, caller));
    let failed = entries_of_kind(db, "auth.request.failed");
    assert_eq!(failed.len(), 2);
    let counts = failed.iter().map(|entry| entry.event.detail["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 11);
    let forbidden = entries_of_kind(db, "auth.request.forbidden");
    assert_eq!(forbidden.len(), 1);
    let event = &forbidden[0].event;
    assert_eq!((event.user_id, event.token_id), (Some(alice.id), Some(token.id)));
    assert_eq!((event.at, event.detail["count"].as_u64()), (at(10), Some(10)));
});

each_backend!(a_flood_from_many_sources_is_recorded_in_few_entries, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &[]);
    let caller = with_token(&tokenry, &text, 1).caller;
    for number in 0..2500_u32 {
        let source = std::net::Ipv4Addr::from(number).into();
        tokenry.record_failure("invalid_token", Some(source), at(1));
        let neighbour = std::net::Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number)).into();
        tokenry.record_failure("revoked_token", Some(neighbour), at(1));
    }
    tokenry.record_forbidden(&caller, "forbidden", None, at(1));
    drop((tokenry, caller));
    let forbidden = entries_of_kind(db, "auth.request.forbidden");
    assert_eq!(forbidden[0].event.user_id, Some(alice.id), "a flood does not hide a user's own entry");
    let failed = entries_of_kind(db, "auth.request.failed");
    assert!(failed.len() <= 258, "{}", failed.len());
    let counts = failed.iter().map(|entry| entry.event.detail["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 5000);
});

each_backend!(a_rejected_but_correct_secret_is_recorded_with_its_token, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let bound = new("bound", &[]).with_allowed_ips(vec!["10.0.0.1".to_owned()]);
    let bound = tokenry.issue_token(&operator(0), alice.id, bound).unwrap();
    let (revoked, text) = issue(&tokenry, &alice, &[]);
    tokenry.revoke_token(&operator(1), revoked.id, None).unwrap();
    assert!(verify(&tokenry, bound.secret.reveal_once().as_str(), 2).is_err());
    assert!(verify(&tokenry, &text, 2).is_err());
    drop(tokenry);
    let failed = entries_of_kind(db, "auth.request.failed");
    let of = |id| {
        failed.iter().find(|entry| entry.event.token_id == Some(id)).unwrap().event.detail["reason"].clone()
    };
    assert_eq!((of(bound.token.id), of(revoked.id)), ("ip_not_allowed".into(), "revoked_token".into()));
});
