//! A primary without its standbys, whose waiting commits somebody cancels: PostgreSQL answers them with success.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use common::{at, issue, new, operator, service_on, user, verify};
use tokenry_libpq::Connection;
use tokenry_service::{Rejection, Rotation, Token, TokenChanges, Tokenry, UsageEvent, VerifyError};
use tokenry_testkit::{Cluster, FloatingAddress, TestDatabase, create_database};

/// As long as a lease.
const LEASE: Duration = Duration::from_secs(2);
const MARK: &str = "SELECT pg_logical_emit_message(true, 'test', '')";

/// A server with a service on two nodes that verify and on one that only writes.
struct Installation {
    cluster: Cluster,
    db: TestDatabase,
    services: [Tokenry; 3],
}

impl Installation {
    fn on(cluster: Cluster) -> Self {
        let url = create_database(&cluster.url("postgres"), "tokens").unwrap();
        let db = TestDatabase::at(url);
        let services = [0; 3].map(|_| service_on(db.second_store()));
        Self { cluster, db, services }
    }

    fn nodes(&self) -> &[Tokenry] {
        &self.services[..2]
    }

    /// Runs `work` while each commit waits in vain, and is canceled after at most 100 ms.
    fn cut_off(&self, work: impl FnOnce()) {
        cut_off(&self.cluster, work);
        wait_for_standbys(&self.cluster, "");
    }
}

/// Sets the standbys that each commit waits for.
fn wait_for_standbys(cluster: &Cluster, names: &str) {
    cluster.execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"), "tokens");
    cluster.execute("SELECT pg_reload_conf()", "tokens");
}

/// Makes each commit wait for a standby that does not exist, and cancels those that wait while `work` runs.
fn cut_off(cluster: &Cluster, work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = Connection::open(&cluster.url("postgres")).unwrap();
            let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            // Until the end, or until `work` stops the server.
            while !is_over.load(Ordering::SeqCst) && connection.execute(cancel, &[]).is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        // Also if an assertion fails, since the thread would go on for ever.
        let _end = EndOfWork(&is_over);
        wait_for_standbys(cluster, "nobody");
        let mut connection = Connection::open(&cluster.url("tokens")).unwrap();
        let is_cut_off = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            connection.execute(MARK, &[]).unwrap();
            let warnings = connection.take_warnings();
            warnings.iter().any(|warning| warning.sqlstate.as_deref() == Some("01000"))
        });
        assert!(is_cut_off, "the server waits for no standby");
        work();
    });
}

struct EndOfWork<'a>(&'a AtomicBool);

impl Drop for EndOfWork<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Tries until it succeeds.
fn until<T, E: std::fmt::Display>(mut work: impl FnMut() -> Result<T, E>) -> T {
    for _ in 0..300 {
        if let Ok(value) = work() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    work().unwrap_or_else(|error| panic!("{error}"))
}

fn renamed(name: &str) -> TokenChanges {
    TokenChanges::default().with_name(name.to_owned())
}

#[test]
fn no_change_is_answered_and_no_lease_goes_on_where_commits_are_canceled() {
    let Some(cluster) = Cluster::start() else { return };
    let installation = Installation::on(cluster);
    let [first, ..] = &installation.services;
    let alice = user(first, "alice", "user");
    let (kept, kept_text) = issue(first, &alice, &[]);
    let revoked: [Token; 3] = [0; 3].map(|_| issue(first, &alice, &[]).0);
    for node in installation.nodes() {
        until(|| verify(node, &kept_text, 1));
    }
    installation.cut_off(|| {
        std::thread::scope(|scope| {
            for (service, token) in installation.services.iter().zip(&revoked) {
                scope.spawn(|| {
                    service.revoke_token(&operator(1), token.id, None).unwrap_err();
                    // It is revoked here; to be told so would be as wrong.
                    service.revoke_token(&operator(1), token.id, None).unwrap_err();
                });
            }
        });
        std::thread::scope(|scope| {
            for service in &installation.services {
                scope.spawn(|| {
                    service.issue_token(&operator(1), alice.id, new("n", &[])).map(drop).unwrap_err()
                });
                scope.spawn(|| {
                    service.update_token(&operator(1), kept.id, renamed("a")).map(drop).unwrap_err()
                });
            }
        });
        std::thread::sleep(LEASE);
        for node in installation.nodes() {
            for _ in 0..3 {
                let decided = verify(node, &kept_text, 1);
                assert!(matches!(decided, Err(VerifyError::Store(_))), "it decides without a lease");
            }
        }
    });
    // The canceled commits were made nevertheless.
    let revoked = "SELECT DISTINCT 'yes' FROM personal_access_tokens WHERE revoked_at IS NOT NULL";
    assert_eq!(installation.db.texts(revoked), ["yes"]);
    for service in &installation.services {
        until(|| service.update_token(&operator(2), kept.id, renamed("b")));
    }
    for node in installation.nodes() {
        until(|| verify(node, &kept_text, 3));
    }
    until(|| installation.services[2].revoke_token(&operator(4), kept.id, None));
    for node in installation.nodes() {
        let decided = verify(node, &kept_text, 5);
        assert!(matches!(decided, Err(VerifyError::Rejected(Rejection::Revoked))), "accepted");
    }
}

#[test]
fn a_server_that_waits_for_a_standby_is_used_as_any_other() {
    let Some(cluster) = Cluster::start() else { return };
    let installation = Installation::on(cluster);
    let standby = installation.cluster.standby();
    // It has no name of its own.
    wait_for_standbys(&installation.cluster, "*");
    let mut connection = Connection::open(&installation.cluster.url("tokens")).unwrap();
    for _ in 0..10 {
        connection.execute(MARK, &[]).unwrap();
    }
    assert!(connection.take_warnings().is_empty(), "the standby does not follow");
    let [first, second, writer] = &installation.services;
    let alice = user(writer, "alice", "user");
    for service in [writer, first] {
        let (token, text) = issue(service, &alice, &[]);
        let verified = until(|| verify(second, &text, 1));
        second.record_use(&verified, &UsageEvent::new(at(1), None, 200));
        drop(verified);
        assert!(service.revoke_token(&operator(1), token.id, None).unwrap());
        assert!(!service.revoke_token(&operator(1), token.id, None).unwrap());
        let decided = until(|| match verify(second, &text, 2) {
            Err(VerifyError::Store(error)) => Err(error),
            decided => Ok(decided),
        });
        assert!(matches!(decided, Err(VerifyError::Rejected(Rejection::Revoked))), "accepted");
    }
    // Otherwise the last commits would wait for it.
    wait_for_standbys(&installation.cluster, "");
    drop(standby);
}

/// A lost rotation would revoke the token, and nobody was told that it was rotated.
#[test]
fn a_change_whose_commit_was_canceled_is_not_applied_again_after_a_failover() {
    let Some(cluster) = Cluster::start() else { return };
    create_database(&cluster.url("postgres"), "tokens").unwrap();
    let address = FloatingAddress::to(cluster.port());
    let db = TestDatabase::at(format!("postgres://tokenry@127.0.0.1:{}/tokens", address.port()));
    let node = service_on(db.second_store());
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &[]);
    until(|| verify(&node, &text, 1));
    let standby = cluster.standby();
    standby.stop();
    cut_off(&cluster, || {
        node.rotate_token(&operator(1), token.id, Rotation::default()).map(drop).unwrap_err();
        let kinds = "SELECT kind FROM audit_events ORDER BY seq DESC LIMIT 1";
        assert_eq!(db.texts(kinds), ["auth.token.rotated"]);
        cluster.stop();
    });
    standby.launch();
    standby.promote();
    address.redirect_to(standby.port());
    let verified = until(|| match verify(&node, &text, 2) {
        Err(VerifyError::Store(error)) => Err(error),
        decided => Ok(decided),
    });
    verified.unwrap();
    until(|| node.revoke_token(&operator(3), token.id, None));
    let decided = until(|| match verify(&node, &text, 4) {
        Err(VerifyError::Store(error)) => Err(error),
        decided => Ok(decided),
    });
    assert!(matches!(decided, Err(VerifyError::Rejected(Rejection::Revoked))), "accepted");
}
