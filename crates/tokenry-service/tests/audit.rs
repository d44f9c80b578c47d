//! Every change is recorded in the audit log, in one unbroken chain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{issue, operator, service, user, with_token};
use tokenry_service::{
    Activation, AuditCheck, AuditError, Catalog, ChainFault, ClientInfo, Policy, Reason, TokenChanges,
    Tokenry, UserChanges,
    catalog::{Definition, RoleDefinition},
};
use tokenry_store::{StoreError, audit};
use tokenry_testkit::{TestDatabase, each_backend};

fn chain(db: &TestDatabase) -> Vec<audit::AuditEntry> {
    db.store().read(|tx| audit::list(tx, 0, 1000)).unwrap()
}

fn assert_intact(entries: &[audit::AuditEntry]) {
    let mut before = tokenry_crypto::GENESIS;
    for (seq, entry) in (1..).zip(entries) {
        assert_eq!((entry.seq, entry.prev_hash), (seq, before));
        assert_eq!(entry.hash, tokenry_crypto::chain_digest(&before, &entry.event.canonical_bytes(seq)));
        before = entry.hash;
    }
}

each_backend!(every_change_is_recorded_with_actor_target_and_details, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (own, text) = issue(&tokenry, &alice, &["tokens:write"]);
    let mut context = with_token(&tokenry, &text, 1);
    context.client =
        ClientInfo::new(Some("192.0.2.1".parse().unwrap()), Some("curl/8"), Some("req-1".to_owned()));
    let (other, _) = issue(&tokenry, &alice, &["a:read"]);
    let pause = TokenChanges::default().with_switch(Activation::Inactive);
    tokenry.update_token(&context, other.id, pause.clone()).unwrap();
    tokenry.update_token(&context, other.id, pause).unwrap();
    tokenry.revoke_token(&context, other.id, Some(Reason::parse("lost").unwrap())).unwrap();
    tokenry.revoke_token(&context, other.id, None).unwrap();
    tokenry.update_user(&operator(2), alice.id, UserChanges::default().with_disabled(true)).unwrap();
    tokenry.update_user(&operator(2), alice.id, UserChanges::default().with_disabled(true)).unwrap();
    tokenry.update_user(&operator(2), alice.id, UserChanges::default().with_disabled(false)).unwrap();

    let entries = chain(db);
    assert_intact(&entries);
    let kinds: Vec<_> = entries.iter().map(|entry| entry.event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "auth.user.created",
            "auth.token.created",
            "auth.token.created",
            "auth.token.updated",
            "auth.token.revoked",
            "auth.user.disabled",
            "auth.user.enabled",
        ]
    );
    let revoked = &entries[4].event;
    assert_eq!(revoked.actor.to_string(), format!("token:{}", own.id));
    assert_eq!((revoked.user_id, revoked.token_id), (Some(alice.id), Some(other.id)));
    assert_eq!(revoked.client, context.client);
    assert_eq!(revoked.detail.get("reason").and_then(|reason| reason.as_str()), Some("lost"));
    assert_eq!(entries[5].event.actor.to_string(), "operator");
});

each_backend!(parallel_changes_from_two_nodes_form_one_chain_without_gaps, |db| {
    let nodes = [service(db), service(db)];
    let users: Vec<_> = (0..4).map(|n| user(&nodes[0], &format!("user {n}"), "user")).collect();
    std::thread::scope(|scope| {
        for (n, owner) in users.iter().enumerate() {
            let node = &nodes[n % 2];
            scope.spawn(move || {
                for _ in 0..10 {
                    let (token, _) = issue(node, owner, &[]);
                    node.revoke_token(&operator(1), token.id, None).unwrap();
                }
            });
        }
    });
    let entries = chain(db);
    assert_eq!(entries.len(), 4 + 80);
    assert_intact(&entries);
});

each_backend!(a_rejected_change_leaves_no_audit_entry, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let before = chain(db).len();
    assert!(tokenry.issue_token(&operator(0), alice.id, common::new("", &[])).is_err());
    assert!(tokenry.issue_token(&operator(0), alice.id, common::new("x", &["admin:read"])).is_err());
    assert_eq!(chain(db).len(), before);
});

each_backend!(nodes_started_together_create_one_bootstrap_token, |db| {
    let nodes: Vec<_> = (0..4).map(|_| service(db)).collect();
    let seeded: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> =
            nodes.iter().map(|node| scope.spawn(|| node.bootstrap(common::at(0)).unwrap())).collect();
        starts.into_iter().filter_map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(seeded.len(), 1);
    assert!(service(db).bootstrap(common::at(9)).unwrap().is_none());
    let issued = seeded.into_iter().next().unwrap();
    assert_eq!(issued.owner.subject.as_str(), "admin");
    assert_eq!(issued.token.expires_at, Some(common::at(86_400)));
    let kinds: Vec<_> = chain(db).iter().map(|entry| entry.event.kind.as_str()).collect();
    assert_eq!(kinds, ["auth.user.created", "auth.token.seeded"]);
    let verified = common::verify(&nodes[0], &issued.secret.reveal_once(), 1).unwrap();
    assert!(verified.grants(&"admin:write".parse().unwrap()));
});

each_backend!(the_bootstrap_token_gets_the_highest_role_whatever_its_name, |db| {
    let role = |name: &str, scopes: &[&str]| {
        RoleDefinition::new(name.to_owned(), scopes.iter().map(ToString::to_string).collect())
    };
    let definition = |withheld: &[&str]| {
        Definition::default()
            .with_roles(vec![
                role("guest", &["a:read"]),
                role("chief", &["a:write", "admin:write", "tokens:write"]),
            ])
            .with_denied_scopes(withheld.iter().map(ToString::to_string).collect())
    };
    for (number, withheld) in [&[][..], &["*"]].into_iter().enumerate() {
        if number > 0 {
            while db.store().revert_migration().unwrap().is_some() {}
            db.store().migrate().unwrap();
        }
        let catalog = Catalog::define(&definition(withheld)).unwrap();
        let settings = common::settings(Policy::default()).with_catalog(catalog);
        let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
        let first = tokenry.bootstrap(common::at(0)).unwrap().unwrap();
        assert_eq!(first.owner.role.as_str(), "chief");
        let text = first.secret.reveal_once();
        let verified = common::verify(&tokenry, &text, 1).unwrap();
        assert!(verified.grants(&"admin:write".parse().unwrap()), "{withheld:?}");
    }
});

fn outcome(check: AuditCheck) -> (i64, Option<(i64, ChainFault)>) {
    (check.entries, check.broken)
}

each_backend!(a_log_longer_than_a_page_is_checked_completely, |db| {
    let tokenry = service(db);
    let check = || outcome(tokenry.check_audit_log(&operator(5)).unwrap());
    assert_eq!(check(), (0, None));
    let alice = user(&tokenry, "alice", "user");
    let (token, _) = issue(&tokenry, &alice, &[]);
    for number in 0..600 {
        let switch = if number % 2 == 0 { Activation::Inactive } else { Activation::Active };
        let changes = TokenChanges::default().with_switch(switch);
        tokenry.update_token(&operator(1), token.id, changes).unwrap();
    }
    assert_eq!(check(), (602, None));
});

each_backend!(an_entry_with_a_wrong_digest_is_reported_with_its_position, |db| {
    let tokenry = service(db);
    user(&tokenry, "alice", "user");
    let forged: Result<(), StoreError> = db.store().write(|tx| {
        let event = audit::list(tx, 0, 1)?.remove(0).event;
        audit::append(tx, &event, |_, _| [7; 32])
    });
    forged.unwrap();
    user(&tokenry, "bob", "user");
    let found = tokenry.check_audit_log(&operator(1)).unwrap();
    assert_eq!(outcome(found), (3, Some((2, ChainFault::Changed))));
});

each_backend!(a_check_concurrent_with_changes_finds_the_log_intact_and_terminates, |db| {
    let (tokenry, node) = (service(db), service(db));
    let alice = user(&tokenry, "alice", "user");
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for _ in 0..60 {
                let (token, _) = issue(&node, &alice, &[]);
                node.revoke_token(&operator(1), token.id, None).unwrap();
            }
        });
        while !changes.is_finished() {
            assert_eq!(tokenry.check_audit_log(&operator(1)).unwrap().broken, None);
        }
    });
    assert_eq!(outcome(tokenry.check_audit_log(&operator(1)).unwrap()), (121, None));
});

each_backend!(checking_the_log_requires_the_right_to_read_it, |db| {
    let tokenry = service(db);
    let (alice, root) = (user(&tokenry, "alice", "user"), user(&tokenry, "root", "admin"));
    let check = |owner, scopes: &[&str]| {
        let (_, text) = issue(&tokenry, owner, scopes);
        tokenry.check_audit_log(&with_token(&tokenry, &text, 1))
    };
    assert!(check(&root, &["admin:read"]).is_ok());
    for rejected in [check(&root, &["tokens:admin"]), check(&alice, &["*"])] {
        assert!(matches!(rejected, Err(AuditError::Denied(_))));
    }
});
