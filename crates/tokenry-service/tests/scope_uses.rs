//! Scope uses are written asynchronously, never move back in time, and are bounded by the token's scopes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, operator, service, settings, user, verify};
use tokenry_service::{Policy, Scope, SummaryQuery, TokenChanges, TokenId, Tokenry, VerifiedToken};
use tokenry_store::usage::scopes;
use tokenry_testkit::{TestDatabase, each_backend};

fn needed(scopes: &[&str]) -> Vec<Scope> {
    scopes.iter().map(|scope| scope.parse().unwrap()).collect()
}

fn record(tokenry: &Tokenry, used: &VerifiedToken, scopes: &[&str], second: i64) {
    tokenry.record_scopes(used, &needed(scopes), at(second));
    tokenry.flush().unwrap();
}

/// The last use of each scope in the summary, in seconds; -1 for never.
fn last_uses(tokenry: &Tokenry, id: TokenId) -> Vec<(String, i64)> {
    let summary = tokenry.usage_summary(&operator(1000), id, SummaryQuery::default()).unwrap();
    let second = |it| (it - at(0).get()) / 1000;
    summary
        .scopes
        .into_iter()
        .map(|(s, last)| (s.to_string(), last.map_or(-1, |it| second(it.get()))))
        .collect()
}

fn scopes_of(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(scope, second)| ((*scope).to_owned(), *second)).collect()
}

fn rows(db: &TestDatabase, id: TokenId) -> usize {
    db.store().read(|tx| scopes::list(tx, id)).unwrap().len()
}

each_backend!(the_least_sufficient_scope_is_used_and_the_others_are_granted_but_unused, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &["*", "a:write", "b:read", "c:read"]);
    let (other, _) = issue(&tokenry, &alice, &["a:write"]);
    let used = verify(&tokenry, &text, 1).unwrap();
    assert_eq!(
        last_uses(&tokenry, token.id),
        scopes_of(&[("*", -1), ("a:write", -1), ("b:read", -1), ("c:read", -1)])
    );
    record(&tokenry, &used, &["a:read"], 10);
    record(&tokenry, &used, &["b:read", "d:admin"], 20);
    let expected = [("*", 20), ("a:write", 10), ("b:read", 20), ("c:read", -1)];
    assert_eq!(last_uses(&tokenry, token.id), scopes_of(&expected));
    assert_eq!(last_uses(&tokenry, other.id), scopes_of(&[("a:write", -1)]));
    let (_, narrow) = issue(&tokenry, &alice, &["a:read"]);
    let narrow = verify(&tokenry, &narrow, 1).unwrap();
    record(&tokenry, &narrow, &["a:write"], 30);
    assert_eq!(rows(db, narrow.token().id), 0, "scopes that the token does not hold are not recorded");
});

each_backend!(a_use_is_written_once_a_minute_and_never_goes_backward, |db| {
    let nodes = [service(db), Tokenry::new(db.second_store(), settings(Policy::default())).unwrap()];
    let (token, text) = issue(&nodes[0], &user(&nodes[0], "alice", "user"), &["a:read"]);
    let used = verify(&nodes[0], &text, 1).unwrap();
    for (node, second, last) in
        [(0, 100, 100), (0, 159, 100), (0, 160, 160), (1, 130, 160), (1, 400, 400), (0, 230, 400)]
    {
        record(&nodes[node], &used, &["a:read"], second);
        assert_eq!(last_uses(&nodes[0], token.id), scopes_of(&[("a:read", last)]), "{second}");
    }
});

each_backend!(uses_of_scopes_removed_from_a_token_are_deleted, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &["a:read", "b:read"]);
    record(&tokenry, &verify(&tokenry, &text, 1).unwrap(), &["a:read", "b:read"], 10);
    let change = |scopes: &[&str]| {
        let scopes = Some(scopes.iter().map(ToString::to_string).collect());
        tokenry.update_token(&operator(20), token.id, TokenChanges::default().with_scopes(scopes)).unwrap();
    };
    change(&["b:read"]);
    assert_eq!(rows(db, token.id), 1);
    change(&["a:read", "b:read"]);
    assert_eq!(last_uses(&tokenry, token.id), scopes_of(&[("a:read", -1), ("b:read", 10)]));
    change(&[]);
    assert_eq!(rows(db, token.id), 0);
    tokenry.delete_user(&operator(30), alice.id).unwrap();
    record(&tokenry, &verify_before(&tokenry), &["a:read"], 40);
});

/// This token is deleted before its use is written.
fn verify_before(tokenry: &Tokenry) -> VerifiedToken {
    let bob = user(tokenry, "bob", "user");
    let (_, text) = issue(tokenry, &bob, &["a:read"]);
    let used = verify(tokenry, &text, 1).unwrap();
    tokenry.delete_user(&operator(35), bob.id).unwrap();
    used
}

each_backend!(threads_and_nodes_write_the_same_scopes_concurrently, |db| {
    let nodes = [service(db), Tokenry::new(db.second_store(), settings(Policy::default())).unwrap()];
    let alice = user(&nodes[0], "alice", "user");
    let tokens: Vec<_> = (0..20)
        .map(|_| verify(&nodes[0], &issue(&nodes[0], &alice, &["a:read", "b:read"]).1, 1).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (nodes, tokens) = (&nodes, &tokens);
            scope.spawn(move || {
                for round in 1..=10 {
                    for token in tokens {
                        nodes[thread % 2].record_scopes(
                            token,
                            &needed(&["a:read", "b:read"]),
                            at(round * 61),
                        );
                    }
                    nodes[thread % 2].flush().unwrap();
                }
            });
        }
    });
    nodes.iter().for_each(|node| node.flush().unwrap());
    for token in &tokens {
        assert_eq!(last_uses(&nodes[0], token.token().id), scopes_of(&[("a:read", 610), ("b:read", 610)]));
    }
});
