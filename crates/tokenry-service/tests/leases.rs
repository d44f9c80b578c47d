//! Several nodes on one PostgreSQL: what each of them decides after a change was answered.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use common::{at, issue, operator, service_on, until, user};
use tokenry_service::{Rejection, Tokenry, UsageEvent, VerifiedToken, VerifyError};
use tokenry_testkit::TestDatabase;

/// A node that was registered by a process which no longer exists.
const DEAD_NODE: &str = "INSERT INTO nodes (id, acked_seq, lease_ms, version, address) \
                         VALUES (gen_random_uuid(), 0, 500, '0', 'gone')";

fn nodes(db: &TestDatabase, count: usize) -> Vec<Tokenry> {
    (0..count).map(|_| service_on(db.second_store())).collect()
}

/// What the node decides. Where the processor is busy for long, a node has no lease for a moment, and no answer.
fn verify(node: &Tokenry, text: &str, seconds: i64) -> Result<VerifiedToken, VerifyError> {
    let answers = std::iter::repeat_with(|| common::verify(node, text, seconds));
    let decided = answers.take(20).find(|answer| !matches!(answer, Err(VerifyError::Store(_))));
    decided.unwrap_or_else(|| panic!("no answer in 20 tries"))
}

/// Whether the node rejects the token as revoked; a node without a proof that it is current has no answer.
fn is_revoked(node: &Tokenry, text: &str) -> bool {
    match verify(node, text, 1) {
        Err(VerifyError::Rejected(Rejection::Revoked)) => true,
        Ok(_) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn no_node_accepts_a_token_after_its_revocation_was_answered() {
    const TOKENS: usize = 60;
    let Some(db) = TestDatabase::postgres() else { return };
    let nodes = nodes(&db, 3);
    let alice = user(&nodes[0], "alice", "user");
    let tokens: Vec<_> = (0..TOKENS).map(|_| issue(&nodes[0], &alice, &[])).collect();
    let revoked: Vec<_> = tokens.iter().map(|_| AtomicBool::new(false)).collect();
    let (is_over, accepted, rejected) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for node in &nodes {
            let (tokens, revoked) = (&tokens, &revoked);
            let (is_over, accepted, rejected) = (&is_over, &accepted, &rejected);
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    for ((_, text), revoked) in tokens.iter().zip(revoked) {
                        let was_revoked = revoked.load(Ordering::SeqCst);
                        match common::verify(node, text, 1) {
                            Ok(_) => {
                                assert!(!was_revoked, "accepted after its revocation was answered");
                                accepted.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(VerifyError::Rejected(_)) => {
                                rejected.fetch_add(1, Ordering::Relaxed);
                            }
                            // A node that gets no processor for long has no lease, and gives no answer.
                            Err(_) => {}
                        }
                    }
                    // Leaves the processor to the feeds.
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        for (n, ((token, _), revoked)) in tokens.iter().zip(&revoked).enumerate() {
            nodes[n % 3].revoke_token(&operator(1), token.id, None).unwrap();
            revoked.store(true, Ordering::SeqCst);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let (accepted, rejected) = (accepted.into_inner(), rejected.into_inner());
    assert!(accepted > 0 && rejected > 0);
    // Others decided by rows in memory.
    let reads: u64 = nodes.iter().map(Tokenry::row_reads).sum();
    assert!(reads < accepted + rejected, "{reads} of {}", accepted + rejected);
}

#[test]
fn a_node_that_is_gone_is_waited_for_until_its_lease_has_ended_and_is_removed() {
    let Some(db) = TestDatabase::postgres() else { return };
    let [node, other] = &nodes(&db, 2)[..] else { panic!() };
    let alice = user(node, "alice", "user");
    let [(first, text), (second, _)] = [issue(node, &alice, &[]), issue(node, &alice, &[])];
    verify(node, &text, 1).unwrap();
    verify(other, &text, 1).unwrap();
    db.run(DEAD_NODE);
    assert_eq!(node.store().nodes().unwrap().unwrap().nodes.len(), 3);
    #[allow(clippy::disallowed_methods, reason = "a lower bound only")]
    let begun = Instant::now();
    node.revoke_token(&operator(1), first.id, None).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(550));
    assert!(is_revoked(node, &text) && is_revoked(other, &text));
    assert_eq!(node.store().nodes().unwrap().unwrap().nodes.len(), 2);
    // An event that changes no row waits for nobody, and neither does a later change.
    db.run(DEAD_NODE);
    issue(node, &alice, &[]);
    assert_eq!(node.store().nodes().unwrap().unwrap().nodes.len(), 3);
    node.revoke_token(&operator(1), second.id, None).unwrap();
    assert_eq!(node.store().nodes().unwrap().unwrap().nodes.len(), 2);
}

#[test]
fn a_repeated_revocation_waits_for_the_nodes_too() {
    let Some(db) = TestDatabase::postgres() else { return };
    let node = &nodes(&db, 1)[0];
    let alice = user(node, "alice", "user");
    let (token, text) = issue(node, &alice, &[]);
    verify(node, &text, 1).unwrap();
    node.revoke_token(&operator(1), token.id, None).unwrap();
    // It acknowledged nothing, so it may not have heard of the revocation.
    db.run(DEAD_NODE);
    assert!(!node.revoke_token(&operator(1), token.id, None).unwrap());
    assert_eq!(node.store().nodes().unwrap().unwrap().nodes.len(), 1);
}

#[test]
fn a_node_that_was_declared_gone_registers_again_with_an_empty_memory() {
    let Some(db) = TestDatabase::postgres() else { return };
    let [node, other] = &nodes(&db, 2)[..] else { panic!() };
    let alice = user(other, "alice", "user");
    let (token, text) = issue(other, &alice, &[]);
    verify(node, &text, 1).unwrap();
    let before = node.store().nodes().unwrap().unwrap().nodes;
    let reads = node.row_reads();
    db.run("DELETE FROM nodes");
    until("it registers again", || {
        let now = node.store().nodes().unwrap().unwrap().nodes;
        now.len() == 1 && now[0].id != before[0].id
    });
    verify(node, &text, 1).unwrap();
    assert_eq!(node.row_reads(), reads + 1);
    other.revoke_token(&operator(1), token.id, None).unwrap();
    assert!(is_revoked(node, &text));
}

#[test]
fn a_feed_whose_connection_is_terminated_goes_on_with_another() {
    let Some(db) = TestDatabase::postgres() else { return };
    let [node, other] = &nodes(&db, 2)[..] else { panic!() };
    let alice = user(other, "alice", "user");
    for _ in 0..5 {
        let (token, text) = issue(other, &alice, &[]);
        verify(node, &text, 1).unwrap();
        db.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND query LIKE '%renewed%'",
        );
        // The lease goes on.
        verify(node, &text, 1).unwrap();
        other.revoke_token(&operator(1), token.id, None).unwrap();
        assert!(is_revoked(node, &text));
    }
    let names = db.texts("SELECT count(*) FROM nodes");
    assert_eq!(names, ["1"], "the same row goes on");
}

#[test]
fn a_process_that_ends_leaves_no_row_and_one_that_only_writes_has_none() {
    let Some(db) = TestDatabase::postgres() else { return };
    let [writer, node] = &mut nodes(&db, 2)[..] else { panic!() };
    let alice = user(writer, "alice", "user");
    let (_, text) = issue(writer, &alice, &[]);
    assert_eq!(db.texts("SELECT count(*) FROM nodes"), ["0"]);
    let verified = verify(node, &text, 1).unwrap();
    node.record_use(&verified, &UsageEvent::new(at(1), None, 200));
    assert_eq!(db.texts("SELECT count(*) FROM nodes"), ["1"]);
    drop(verified);
    *node = service_on(db.second_store());
    until("its row is removed", || db.texts("SELECT count(*) FROM nodes") == ["0"]);
}

#[test]
fn a_database_that_lost_a_revocation_is_noticed_and_the_revocation_is_in_force_again() {
    let Some(db) = TestDatabase::postgres() else { return };
    let node = &nodes(&db, 1)[0];
    let alice = user(node, "alice", "user");
    let (token, text) = issue(node, &alice, &[]);
    verify(node, &text, 1).unwrap();
    node.revoke_token(&operator(1), token.id, None).unwrap();
    assert!(is_revoked(node, &text));
    let before = node.store().nodes().unwrap().unwrap().nodes[0].id;
    // As in a backup from before the revocation, whose rows no notification names.
    db.run(
        "SET session_replication_role = replica; \
         UPDATE personal_access_tokens SET revoked_at = NULL, revoked_by = NULL, revoked_reason = NULL; \
         DELETE FROM audit_events WHERE kind = 'auth.token.revoked'; \
         UPDATE instance SET (chain_seq, chain_head, change_seq) = \
         (SELECT seq, hash, seq FROM audit_events ORDER BY seq DESC LIMIT 1)",
    );
    until("it registers again", || {
        let nodes = node.store().nodes().unwrap().unwrap().nodes;
        nodes.len() == 1 && nodes[0].id != before
    });
    assert!(is_revoked(node, &text));
}
