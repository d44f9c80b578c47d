//! A database that loses answered changes, as the failover to an asynchronous standby does: what was taken away is in
//! force again before any node that remembers it decides.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;
mod lost;

use std::collections::BTreeMap;

use common::{at, issue, operator, service_on, until, user, verify, with_token};
use lost::{assert_chain_is_intact, decide, lose, reapplied, rejection, save};
use tokenry_service::{
    Activation, CheckState, ClientInfo, Expiry, Lifetime, Rejection, Rotation, Scope, Store, StoreSettings,
    TokenChanges, Tokenry, UserChanges, VerifyError,
};
use tokenry_testkit::{Relay, TestDatabase};

fn nodes(db: &TestDatabase, count: usize) -> Vec<Tokenry> {
    (0..count).map(|_| service_on(db.second_store())).collect()
}

fn registered(node: &Tokenry) -> Vec<String> {
    let nodes = node.store().nodes().unwrap().unwrap().nodes;
    nodes.iter().map(|node| node.id.to_string()).collect()
}

/// Loses what was changed since the copy, and returns once every node has noticed it and decides again.
fn lose_and_wait(db: &TestDatabase, name: &str, nodes: &[Tokenry]) {
    // Events that change no row are heard of with the next renewal.
    until("every node knows every event", || {
        db.texts("SELECT count(*) FROM nodes, instance WHERE acked_seq < chain_seq") == ["0"]
    });
    let before = registered(&nodes[0]);
    lose(db, name);
    until("every node registers again", || {
        let now = registered(&nodes[0]);
        now.len() == nodes.len() && now.iter().all(|id| !before.contains(id))
    });
}

fn change(node: &Tokenry, id: tokenry_service::TokenId, changes: TokenChanges) {
    node.update_token(&operator(10), id, changes).unwrap();
}

fn rotate(node: &Tokenry, id: tokenry_service::TokenId, grace: u32, seconds: i64) -> String {
    let rotation = Rotation::default().with_grace(Lifetime::seconds(grace));
    node.rotate_token(&operator(seconds), id, rotation).unwrap().secret.reveal_once().to_string()
}

#[test]
fn everything_that_was_taken_away_and_lost_is_taken_away_again_once() {
    let Some(db) = TestDatabase::postgres() else { return };
    let nodes = nodes(&db, 3);
    let [a, b, c] = &nodes[..] else { panic!() };
    let alice = user(a, "alice", "user");
    let [bob, carol, dave, erin, frank] =
        ["bob", "carol", "dave", "erin", "frank"].map(|name| user(a, name, "admin"));
    let unchanged = issue(a, &alice, &["tokens:read"]);
    let [revoked, paused, resumed, rotated, graced] = [(); 5].map(|()| issue(a, &alice, &["a:read"]));
    let narrowed = issue(a, &alice, &["a:read", "b:write"]);
    let [shortened, bound, widened] = [(); 3].map(|()| issue(a, &alice, &["a:read"]));
    let retired = widened.1.clone();
    let current = rotate(a, widened.0.id, 3600, 1);
    let of_users = [&bob, &carol, &dave, &erin, &frank].map(|owner| issue(a, owner, &["admin:read"]).1);
    let web = with_token(a, &unchanged.1, 2);
    let cookie = a.start_session(&web, None).unwrap().secret.reveal_once().to_string();
    for node in &nodes {
        for text in [&revoked.1, &retired, &current, &of_users[0]] {
            decide(node, text, None).unwrap();
        }
    }
    save(&db, "saved");

    assert!(b.revoke_token(&operator(10), revoked.0.id, None).unwrap());
    let pause = || TokenChanges::default().with_switch(Activation::Inactive);
    change(c, paused.0.id, pause());
    change(a, resumed.0.id, pause());
    change(b, resumed.0.id, TokenChanges::default().with_switch(Activation::Active));
    change(c, narrowed.0.id, TokenChanges::default().with_scopes(vec!["b:write".to_owned()]));
    change(a, shortened.0.id, TokenChanges::default().with_expiry(Expiry::At(at(100))));
    change(b, bound.0.id, TokenChanges::default().with_allowed_ips(vec!["10.0.0.0/8".to_owned()]));
    change(
        c,
        widened.0.id,
        TokenChanges::default().with_scopes(vec!["a:read".to_owned(), "b:read".to_owned()]),
    );
    let lost_secrets = [rotate(a, rotated.0.id, 0, 10), rotate(b, graced.0.id, 3600, 10)];
    let disable = |is: bool| UserChanges::default().with_disabled(is);
    c.update_user(&operator(10), bob.id, disable(true)).unwrap();
    let lower = UserChanges::default().with_role("user".parse::<tokenry_service::Role>().unwrap());
    a.update_user(&operator(10), carol.id, lower).unwrap();
    b.delete_user(&operator(10), dave.id).unwrap();
    c.update_user(&operator(10), erin.id, disable(true)).unwrap();
    a.update_user(&operator(11), erin.id, disable(false)).unwrap();
    b.update_user(&operator(10), frank.id, UserChanges::default().with_subject("franklin".to_owned()))
        .unwrap();
    assert!(c.end_session(cookie.as_bytes(), at(10), ClientInfo::default()).unwrap());
    // Created and revoked since, so the database knows neither.
    let gone = issue(a, &alice, &[]);
    assert!(a.revoke_token(&operator(10), gone.0.id, None).unwrap());

    lose_and_wait(&db, "saved", &nodes);
    for node in &nodes {
        assert_eq!(rejection(node, &revoked.1), Some(Rejection::Revoked));
        assert_eq!(rejection(node, &paused.1), Some(Rejection::Inactive));
        assert_eq!(rejection(node, &resumed.1), None);
        assert_eq!(rejection(node, &unchanged.1), None);
        let verified = decide(node, &narrowed.1, None).unwrap();
        let may = |scope: &str| verified.grants(&scope.parse::<Scope>().unwrap());
        assert!(may("b:write") && !may("a:read"));
        assert_eq!(rejection(node, &shortened.1), Some(Rejection::Expired));
        assert_eq!(rejection(node, &bound.1), Some(Rejection::AddressNotAllowed));
        assert!(decide(node, &bound.1, Some("10.1.1.1")).is_ok());
        // The wider scopes are not given again; the retired secret stays ended.
        assert!(!decide(node, &current, None).unwrap().grants(&"b:read".parse().unwrap()));
        assert_eq!(rejection(node, &retired), Some(Rejection::Rotated(widened.0.id)));
        for text in [&rotated.1, &graced.1] {
            assert_eq!(rejection(node, text), Some(Rejection::Revoked));
        }
        for text in &lost_secrets {
            assert_eq!(rejection(node, text), Some(Rejection::Unknown));
        }
        assert_eq!(rejection(node, &gone.1), Some(Rejection::Unknown));
        assert_eq!(rejection(node, &of_users[0]), Some(Rejection::OwnerDisabled));
        assert!(!decide(node, &of_users[1], None).unwrap().grants(&"admin:read".parse().unwrap()));
        assert_eq!(rejection(node, &of_users[2]), Some(Rejection::OwnerDisabled), "deleted");
        assert!(decide(node, &of_users[3], None).unwrap().grants(&"admin:read".parse().unwrap()));
        assert!(node.session(cookie.as_bytes(), at(20), &ClientInfo::default()).is_err());
    }
    assert_eq!(db.texts("SELECT subject FROM users WHERE subject LIKE 'frank%'"), ["franklin"]);
    let once = [
        ("auth.session.ended", 1),
        ("auth.token.revoked", 3),
        // Paused, narrowed, shortened, bound, and the retired secret that ended.
        ("auth.token.updated", 5),
        ("auth.user.disabled", 2),
        ("auth.user.updated", 2),
    ];
    assert_eq!(reapplied(&db), once.map(|(kind, count)| (kind.to_owned(), count)).into());
    assert_chain_is_intact(a);

    // What was applied again is remembered like every other change.
    lose_and_wait(&db, "saved", &nodes);
    for node in &nodes {
        assert_eq!(rejection(node, &revoked.1), Some(Rejection::Revoked));
        assert_eq!(rejection(node, &of_users[0]), Some(Rejection::OwnerDisabled));
    }
    assert_eq!(reapplied(&db), once.map(|(kind, count)| (kind.to_owned(), count)).into());
    assert_chain_is_intact(b);
}

/// Appends an event of a kind that this release does not know, about a token or a user.
fn append_unknown(db: &TestDatabase, column: &str, id: impl std::fmt::Display) {
    db.run(&format!(
        "INSERT INTO audit_events (seq, at, kind, actor, {column}, detail, prev_hash, hash) \
         SELECT chain_seq + 1, now(), 'auth.thing.frozen', 'system', '{id}', '{{}}', chain_head, sha256('{id}') FROM instance; \
         UPDATE instance SET chain_seq = chain_seq + 1, chain_head = sha256('{id}'), change_seq = chain_seq + 1"
    ));
}

#[test]
fn what_cannot_be_taken_away_exactly_pauses_the_token_or_disables_the_user() {
    let Some(db) = TestDatabase::postgres() else { return };
    let nodes = nodes(&db, 2);
    let [alice, bob] = ["alice", "bob"].map(|name| user(&nodes[0], name, "user"));
    let [unknown, moved] = [(); 2].map(|()| issue(&nodes[0], &alice, &["a:read"]));
    let (_, of_bob) = issue(&nodes[0], &bob, &["a:read"]);
    nodes.iter().for_each(|node| drop(decide(node, &of_bob, None).unwrap()));
    save(&db, "saved");
    append_unknown(&db, "token_id", unknown.0.id.uuid());
    append_unknown(&db, "user_id", bob.id.uuid());
    // The token had a scope and got another one: nothing is left of both.
    change(&nodes[1], moved.0.id, TokenChanges::default().with_scopes(vec!["b:read".to_owned()]));
    lose_and_wait(&db, "saved", &nodes);
    for node in &nodes {
        assert_eq!(rejection(node, &unknown.1), Some(Rejection::Inactive));
        assert_eq!(rejection(node, &moved.1), Some(Rejection::Inactive));
        assert_eq!(rejection(node, &of_bob), Some(Rejection::OwnerDisabled));
    }
    let expected = [("auth.token.updated".to_owned(), 2), ("auth.user.disabled".to_owned(), 1)];
    assert_eq!(reapplied(&db), expected.into());
    assert_chain_is_intact(&nodes[0]);
}

#[test]
fn a_loss_is_noticed_when_the_database_has_as_many_other_events() {
    let Some(db) = TestDatabase::postgres() else { return };
    let nodes = nodes(&db, 3);
    let alice = user(&nodes[0], "alice", "user");
    let (token, text) = issue(&nodes[0], &alice, &[]);
    nodes.iter().for_each(|node| drop(verify(node, &text, 1).unwrap()));
    save(&db, "base");
    (0..6).for_each(|_| drop(issue(&nodes[1], &alice, &[])));
    save(&db, "other");
    lose_and_wait(&db, "base", &nodes);
    assert_eq!(reapplied(&db), BTreeMap::new(), "nothing was taken away");
    assert!(nodes[2].revoke_token(&operator(10), token.id, None).unwrap());
    issue(&nodes[1], &alice, &[]);
    // The event with the number of the revocation is another one, and there are newer ones.
    lose_and_wait(&db, "other", &nodes);
    for node in &nodes {
        assert_eq!(rejection(node, &text), Some(Rejection::Revoked));
    }
    assert_eq!(reapplied(&db), BTreeMap::from([("auth.token.revoked".to_owned(), 1)]));
    assert_chain_is_intact(&nodes[0]);
}

#[test]
fn a_node_decides_nothing_until_what_was_lost_is_in_force_again() {
    let Some(db) = TestDatabase::postgres() else { return };
    let node = &nodes(&db, 1)[0];
    let alice = user(node, "alice", "user");
    let (token, text) = issue(node, &alice, &[]);
    decide(node, &text, None).unwrap();
    save(&db, "saved");
    node.revoke_token(&operator(10), token.id, None).unwrap();
    db.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE ON personal_access_tokens FOR EACH ROW \
         WHEN (NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION refuse()",
    );
    lose(&db, "saved");
    until("its row is removed", || registered(node).is_empty());
    let history = || {
        let found = futures_executor::block_on(node.readiness(at(20)));
        found.checks.into_iter().find(|check| check.name == "history").unwrap()
    };
    assert_eq!(history().state, CheckState::Failed);
    for _ in 0..3 {
        assert!(matches!(verify(node, &text, 20), Err(VerifyError::Store(_))));
    }
    db.run("DROP TRIGGER refuse ON personal_access_tokens");
    until("it registers again", || !registered(node).is_empty());
    assert_eq!(rejection(node, &text), Some(Rejection::Revoked));
    let found = history();
    assert_eq!(found.state, CheckState::Warning);
    assert!(found.detail.unwrap().contains("1 events in all; this process has applied 1 changes again"));
    let report = node.store().losses();
    assert_eq!((report.losses, report.lost_events, report.reapplied), (1, 1, 1));
}

#[test]
fn a_node_that_comes_late_undoes_nothing_that_was_decided_since() {
    let Some(db) = TestDatabase::postgres() else { return };
    let node = &nodes(&db, 1)[0];
    let (relay, url) = Relay::to_database(db.url());
    let late = service_on(Store::open(&url.parse().unwrap(), StoreSettings::default()).unwrap());
    let alice = user(node, "alice", "user");
    let [(token, text), (other, other_text)] = [(); 2].map(|()| issue(node, &alice, &[]));
    decide(node, &text, None).unwrap();
    decide(&late, &text, None).unwrap();
    save(&db, "saved");
    for id in [token.id, other.id] {
        change(node, id, TokenChanges::default().with_switch(Activation::Inactive));
    }
    relay.set_silent(true);
    lose(&db, "saved");
    until("it is paused again", || reapplied(&db).values().sum::<usize>() == 2);
    change(node, token.id, TokenChanges::default().with_switch(Activation::Active));
    relay.set_silent(false);
    until("it has an answer", || late.verify_blocking(text.as_bytes(), at(20), None).is_ok());
    assert_eq!(rejection(&late, &other_text), Some(Rejection::Inactive));
    assert_eq!(rejection(node, &text), None);
    assert_eq!(reapplied(&db), BTreeMap::from([("auth.token.updated".to_owned(), 2)]));
}
