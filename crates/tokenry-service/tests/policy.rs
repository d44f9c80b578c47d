//! Which tokens may be created and changed, and by whom.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, limited, new, operator, service, settings, user, verify, with_token};
use tokenry_service::{
    Activation, Catalog, Denial, Expiry, FieldError, IssueError, Lifetime, Limits, NewToken, Policy,
    Rejection, RequestContext, Rotation, TokenChanges, Tokenry, UpdateError, UserChanges, VerifyError,
    catalog::{Definition, NamedDefinition, RoleDefinition},
};
use tokenry_testkit::each_backend;

fn scopes(entries: &[&str]) -> TokenChanges {
    TokenChanges::default().with_scopes(entries.iter().map(ToString::to_string).collect::<Vec<_>>())
}

each_backend!(a_hundred_parallel_creations_at_a_limit_of_ten_create_exactly_ten, |db| {
    let nodes = [limited(db, Some(10), None), limited(db, Some(10), None)];
    let alice = user(&nodes[0], "alice", "user");
    let made = std::thread::scope(|scope| {
        let creates: Vec<_> = (0..100)
            .map(|n| {
                let node = &nodes[n % 2];
                let owner = alice.id;
                scope.spawn(move || node.issue_token(&operator(0), owner, new("t", &[])))
            })
            .collect();
        creates
            .into_iter()
            .map(|create| create.join().unwrap())
            .filter(|outcome| match outcome {
                Ok(_) => true,
                Err(IssueError::TokenLimitReached { limit: 10 }) => false,
                Err(error) => panic!("{error}"),
            })
            .count()
    });
    assert_eq!(made, 10);
    assert_eq!(nodes[0].limit_status(&operator(0), &alice).unwrap().live_tokens, 10);
});

each_backend!(dead_tokens_do_not_count_against_the_limit, |db| {
    let tokenry = limited(db, Some(1), None);
    let alice = user(&tokenry, "alice", "user");
    let (first, _) = issue(&tokenry, &alice, &[]);
    let full = tokenry.issue_token(&operator(1), alice.id, new("second", &[]));
    assert!(matches!(full, Err(IssueError::TokenLimitReached { limit: 1 })));
    tokenry.revoke_token(&operator(1), first.id, None).unwrap();
    issue(&tokenry, &alice, &[]);
    let later = operator(0).with_now(at(90 * 86_400));
    assert!(tokenry.issue_token(&later, alice.id, new("third", &[])).is_ok());
});

each_backend!(the_creation_rate_limit_survives_restarts_and_counts_revoked_tokens, |db| {
    let alice = user(&service(db), "alice", "user");
    for n in 0..3 {
        let tokenry = limited(db, None, Some(3));
        let made = tokenry.issue_token(&operator(n * 10), alice.id, new("t", &[])).unwrap();
        tokenry.revoke_token(&operator(n * 10), made.token.id, None).unwrap();
    }
    let tokenry = limited(db, None, Some(3));
    match tokenry.issue_token(&operator(30), alice.id, new("t", &[])) {
        Err(IssueError::CreationRateReached { limit: 3, resets_at }) => assert_eq!(resets_at, at(3600)),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a fourth token within the hour"),
    }
    let allowance = tokenry.limit_status(&operator(30), &alice).unwrap();
    assert_eq!((allowance.creations_left, allowance.resets_at), (Some(0), Some(at(3600))));
    assert!(tokenry.issue_token(&operator(3600), alice.id, new("t", &[])).is_ok());
});

each_backend!(a_token_can_only_create_tokens_restricted_to_its_own_permissions, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let parent = new("parent", &["tokens:write", "a:write"])
        .with_expiry(Expiry::In(Lifetime::days(2)))
        .with_allowed_ips(vec!["10.0.0.0/8".to_owned()]);
    let text = tokenry.issue_token(&operator(0), alice.id, parent).unwrap().secret.reveal_once();
    let ip = Some("10.1.1.1".parse().unwrap());
    let context =
        RequestContext::new(tokenry.verify_blocking(text.as_bytes(), at(1), ip).unwrap().into(), at(1));

    let child = tokenry.issue_token(&context, alice.id, new("child", &["a:read"])).unwrap().token;
    assert_eq!(child.expires_at, Some(at(2 * 86_400)), "the default ends with the parent");
    assert_eq!(child.allowed_ips.to_texts(), ["10.0.0.0/8"]);

    for wide in [&["a:admin"][..], &["b:read"], &["*"], &["full_access"], &["a:read", "introspect"]] {
        let outcome = tokenry.issue_token(&context, alice.id, new("wide", wide));
        assert!(matches!(outcome, Err(IssueError::Denied(_))), "{wide:?}");
    }
    let longer = new("longer", &[]).with_expiry(Expiry::In(Lifetime::days(3)));
    assert!(matches!(
        tokenry.issue_token(&context, alice.id, longer),
        Err(IssueError::Denied(Denial::Beyond(_)))
    ));
    for ips in [&[][..], &["11.0.0.0/8"], &["0.0.0.0/0"]] {
        let ips = Some(ips.iter().map(ToString::to_string).collect());
        let outcome = tokenry.issue_token(&context, alice.id, new("anywhere", &[]).with_allowed_ips(ips));
        assert!(matches!(outcome, Err(IssueError::Denied(Denial::Beyond(_)))));
    }
    let bob = user(&tokenry, "bob", "user");
    assert!(matches!(
        tokenry.issue_token(&context, bob.id, new("for bob", &[])),
        Err(IssueError::NoSuchUser)
    ));
});

each_backend!(a_role_limits_the_tokens_that_an_operator_issues, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    for beyond in ["admin:read", "introspect"] {
        let outcome = tokenry.issue_token(&operator(0), alice.id, new("beyond", &[beyond]));
        assert!(matches!(outcome, Err(IssueError::Denied(Denial::Beyond(_)))), "{beyond}");
    }
    let (_, text) = issue(&tokenry, &alice, &["*"]);
    let verified = verify(&tokenry, &text, 1).unwrap();
    assert!(verified.grants(&"a:admin".parse().unwrap()));
    assert!(!verified.grants(&"admin:read".parse().unwrap()));
});

each_backend!(demoting_an_owner_reduces_the_permissions_of_every_token, |db| {
    let tokenry = service(db);
    let root = user(&tokenry, "root", "admin");
    let (_, text) = issue(&tokenry, &root, &["admin:write", "a:read"]);
    assert!(verify(&tokenry, &text, 1).unwrap().grants(&"admin:read".parse().unwrap()));
    tokenry
        .update_user(
            &operator(1),
            root.id,
            UserChanges::default().with_role("user".parse::<tokenry_service::Role>().unwrap()),
        )
        .unwrap();
    let verified = verify(&tokenry, &text, 1).unwrap();
    assert!(!verified.grants(&"admin:read".parse().unwrap()));
    assert!(verified.grants(&"a:read".parse().unwrap()));
});

each_backend!(a_token_cannot_widen_any_token_or_itself, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (own, text) = issue(&tokenry, &alice, &["*"]);
    let context = with_token(&tokenry, &text, 1);
    let target = new("target", &["a:write"])
        .with_expiry(Expiry::In(Lifetime::days(5)))
        .with_allowed_ips(vec!["10.0.0.0/8".to_owned()]);
    let target = tokenry.issue_token(&operator(0), alice.id, target).unwrap().token;
    let no = TokenChanges::default;
    for (changes, what) in [
        (scopes(&["a:write", "b:read"]), "scopes"),
        (scopes(&["a:admin"]), "level"),
        (scopes(&["*"]), "all"),
        (no().with_expiry(Expiry::In(Lifetime::days(6))), "expiry"),
        (no().with_allowed_ips(vec![]), "addresses"),
        (no().with_allowed_ips(vec!["10.0.0.0/7".to_owned()]), "networks"),
    ] {
        let outcome = tokenry.update_token(&context, target.id, changes.clone());
        assert!(matches!(outcome, Err(UpdateError::Denied(_))), "{what}");
        assert_eq!(tokenry.find_token(&operator(1), target.id).unwrap().0, target, "{what}");
    }
    let longer = no().with_expiry(Expiry::In(Lifetime::days(200)));
    assert!(matches!(tokenry.update_token(&context, own.id, longer), Err(UpdateError::Denied(_))));
    // A signed-in user may.
    let session = RequestContext::new(tokenry.caller_for_user(alice.clone()).unwrap(), at(1));
    let (wider, _) = tokenry.update_token(&session, target.id, scopes(&["a:write", "b:read"])).unwrap();
    assert_eq!(wider.scopes.to_texts(), ["a:write", "b:read"]);
    assert!(matches!(
        tokenry.update_token(&session, target.id, scopes(&["admin:read"])),
        Err(UpdateError::Denied(_))
    ));
});

each_backend!(a_token_can_narrow_tokens_and_change_attributes_that_grant_nothing, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &["tokens:write"]);
    let context = with_token(&tokenry, &text, 1);
    let (target, _) = issue(&tokenry, &alice, &["a:write", "b:write"]);
    let changes = scopes(&["a:read", "b:write"])
        .with_name("narrow".to_owned())
        .with_description(Some("note".to_owned()))
        .with_expiry(Expiry::In(Lifetime::days(1)))
        .with_allowed_ips(vec!["10.0.0.1".to_owned()])
        .with_switch(Activation::Inactive);
    let (changed, _) = tokenry.update_token(&context, target.id, changes).unwrap();
    assert_eq!(changed.scopes.to_texts(), ["a:read", "b:write"]);
    assert_eq!((changed.version, changed.inactive_at), (2, Some(at(1))));
    let resume = TokenChanges::default().with_switch(Activation::Active);
    let outcome = tokenry.update_token(&context, target.id, resume);
    assert!(matches!(outcome, Err(UpdateError::Denied(_))), "reactivating a wider token is a grant");
});

each_backend!(invalid_fields_change_nothing_and_all_are_reported, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let broken = new("", &["a:read", "a:owner"])
        .with_description("x".repeat(501))
        .with_expiry(Expiry::In(Lifetime::days(366)))
        .with_allowed_ips(vec!["::1".to_owned(), "nowhere".to_owned()]);
    let Err(IssueError::Invalid(errors)) = tokenry.issue_token(&operator(0), alice.id, broken) else {
        panic!("accepted")
    };
    let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/name", "/description", "/scopes/1", "/expires_at", "/allowed_ips/1"]);
    let (token, _) = issue(&tokenry, &alice, &["a:read"]);
    let half = scopes(&["nonsense"]).with_name("new".to_owned());
    assert!(matches!(tokenry.update_token(&operator(1), token.id, half), Err(UpdateError::Invalid(_))));
    assert_eq!(tokenry.find_token(&operator(1), token.id).unwrap().0, token);
});

each_backend!(another_users_token_is_reported_as_not_found, |db| {
    let tokenry = service(db);
    let (alice, bob) = (user(&tokenry, "alice", "user"), user(&tokenry, "bob", "user"));
    let (_, text) = issue(&tokenry, &alice, &["*"]);
    let context = with_token(&tokenry, &text, 1);
    let (theirs, their_text) = issue(&tokenry, &bob, &[]);
    assert!(matches!(tokenry.find_token(&context, theirs.id), Err(tokenry_service::ReadError::NotFound)));
    assert!(matches!(tokenry.update_token(&context, theirs.id, scopes(&[])), Err(UpdateError::NotFound)));
    assert!(matches!(
        tokenry.revoke_token(&context, theirs.id, None),
        Err(tokenry_service::RevokeError::NotFound)
    ));
    assert!(verify(&tokenry, &their_text, 1).is_ok());
});

each_backend!(a_token_without_the_scope_can_only_revoke_itself, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (own, text) = issue(&tokenry, &alice, &["a:admin"]);
    let (other, _) = issue(&tokenry, &alice, &[]);
    let context = with_token(&tokenry, &text, 1);
    assert!(matches!(tokenry.find_token(&context, other.id), Err(tokenry_service::ReadError::Denied(_))));
    assert!(matches!(tokenry.update_token(&context, own.id, scopes(&[])), Err(UpdateError::Denied(_))));
    assert!(matches!(tokenry.issue_token(&context, alice.id, new("x", &[])), Err(IssueError::Denied(_))));
    assert!(matches!(
        tokenry.revoke_token(&context, other.id, None),
        Err(tokenry_service::RevokeError::Denied(_))
    ));
    assert!(tokenry.revoke_token(&context, own.id, None).unwrap());
});

each_backend!(a_caller_who_lost_the_permission_concurrently_is_rejected, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (own, text) = issue(&tokenry, &alice, &["*"]);
    let context = with_token(&tokenry, &text, 1);
    tokenry.revoke_token(&operator(1), own.id, None).unwrap();
    let outcome = tokenry.issue_token(&context, alice.id, new("heir", &[]));
    assert!(matches!(outcome, Err(IssueError::Denied(Denial::NoLongerEntitled))));
    tokenry.update_user(&operator(2), alice.id, UserChanges::default().with_disabled(true)).unwrap();
    let outcome = tokenry.issue_token(&operator(2), alice.id, new("heir", &[]));
    assert!(matches!(outcome, Err(IssueError::OwnerDisabled)));
});

each_backend!(a_caller_narrowed_concurrently_cannot_delegate_its_former_scopes, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let no = TokenChanges::default;
    for narrowing in [
        scopes(&["tokens:write"]),
        no().with_expiry(Expiry::In(Lifetime::days(1))),
        no().with_allowed_ips(vec!["10.0.0.1".to_owned()]),
    ] {
        let (own, text) = issue(&tokenry, &alice, &["*"]);
        let context = with_token(&tokenry, &text, 1);
        tokenry.update_token(&operator(1), own.id, narrowing).unwrap();
        let outcome = tokenry.issue_token(&context, alice.id, new("heir", &["a:read"]));
        assert!(matches!(outcome, Err(IssueError::Denied(Denial::NoLongerEntitled))));
    }
});

each_backend!(an_update_rejects_every_scope_that_a_creation_rejects, |db| {
    let tokenry = service(db);
    let (token, _) = issue(&tokenry, &user(&tokenry, "alice", "user"), &["*"]);
    for beyond in ["admin:write", "introspect"] {
        let outcome = tokenry.update_token(&operator(1), token.id, scopes(&[beyond]));
        assert!(matches!(outcome, Err(UpdateError::Denied(Denial::Beyond(_)))), "{beyond}");
    }
});

each_backend!(a_revoked_or_expired_token_is_never_reactivated, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    let later = operator(0).with_now(at(90 * 86_400));
    let more = TokenChanges::default().with_expiry(Expiry::In(Lifetime::days(9)));
    assert!(matches!(tokenry.update_token(&later, token.id, more), Err(UpdateError::Expired)));
    tokenry.revoke_token(&operator(1), token.id, None).unwrap();
    let resume = TokenChanges::default().with_switch(Activation::Active);
    assert!(matches!(tokenry.update_token(&operator(2), token.id, resume), Err(UpdateError::Revoked)));
    assert!(matches!(verify(&tokenry, &text, 2), Err(VerifyError::Rejected(Rejection::Revoked))));
});

each_backend!(an_update_for_another_version_is_rejected, |db| {
    let tokenry = service(db);
    let (token, _) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let rename = |name: &str, version| {
        TokenChanges::default().with_name(name.to_owned()).with_if_version(vec![version])
    };
    tokenry.update_token(&operator(1), token.id, rename("first", 1)).unwrap();
    let late = tokenry.update_token(&operator(1), token.id, rename("late", 1));
    assert!(matches!(late, Err(UpdateError::VersionMismatch { version: 2 })));
    let same = tokenry.update_token(&operator(1), token.id, rename("first", 2)).unwrap().0;
    assert_eq!(same.version, 2, "an update without a change keeps the version");
});

/// A catalog with two role scopes, of which each token has one.
fn exclusive() -> Catalog {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let definition = Definition::default()
        .with_named_scopes(vec![
            NamedDefinition::new("guest", texts(&["projects:read", "tokens:write"])),
            NamedDefinition::new("writer", texts(&["guest", "projects:write"])),
        ])
        .with_exclusive_scopes(texts(&["guest", "writer"]));
    Catalog::define(&definition).unwrap()
}

each_backend!(a_token_has_exactly_one_exclusive_scope_at_each_creation_and_change, |db| {
    let before = service(db);
    let alice = user(&before, "alice", "user");
    let (earlier, earlier_text) = issue(&before, &alice, &["guest2:read"]);
    let settings = settings(Policy::default().with_limits(Limits::unlimited())).with_catalog(exclusive());
    let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
    let errors = |fields: Vec<FieldError>| {
        let [FieldError { pointer, code, detail, .. }] = &fields[..] else { panic!("{fields:?}") };
        (pointer.clone(), *code, detail.clone())
    };
    let expected =
        ("/scopes".to_owned(), "exclusive_scopes", "must be exactly one of guest, writer".to_owned());
    let (token, text) = issue(&tokenry, &alice, &["writer"]);
    let contexts = [operator(1), with_token(&tokenry, &text, 1)];
    for context in &contexts {
        for wrong in [&[][..], &["guest", "writer"], &["projects:read"], &["guest", "projects:read"], &["*"]]
        {
            match tokenry.issue_token(context, alice.id, new("x", wrong)) {
                Err(IssueError::Invalid(fields)) => assert_eq!(errors(fields), expected, "{wrong:?}"),
                other => panic!("{wrong:?} {:?}", other.err()),
            }
            match tokenry.update_token(context, token.id, scopes(wrong)) {
                Err(UpdateError::Invalid(fields)) => assert_eq!(errors(fields), expected, "{wrong:?}"),
                other => panic!("{wrong:?} {:?}", other.err()),
            }
        }
        // There is no default here, so that leaving the scopes out is no way around the rule.
        let unnamed = tokenry.issue_token(context, alice.id, NewToken::new("x"));
        assert!(matches!(unnamed, Err(IssueError::Invalid(fields)) if errors(fields.clone()) == expected));
        assert!(tokenry.issue_token(context, alice.id, new("x", &["guest"])).is_ok());
    }
    // Another one replaces it, and a rotation keeps it.
    let narrowed = tokenry.update_token(&contexts[1], token.id, scopes(&["guest"])).unwrap().0;
    assert_eq!(narrowed.scopes.to_texts(), ["guest"]);
    let widened = tokenry.update_token(&operator(2), token.id, scopes(&["writer"])).unwrap().0;
    assert_eq!(widened.scopes.to_texts(), ["writer"]);
    let rotated = tokenry.rotate_token(&operator(3), token.id, Rotation::default()).unwrap().token;
    assert_eq!(rotated.scopes.to_texts(), ["writer"]);
    // A token from before the rule keeps its scopes until they are changed.
    let renamed = TokenChanges::default().with_name("renamed".to_owned());
    assert_eq!(
        tokenry.update_token(&operator(4), earlier.id, renamed).unwrap().0.scopes.to_texts(),
        ["guest2:read"]
    );
    assert!(verify(&tokenry, &earlier_text, 5).is_ok());
    let can = |scope: &str| tokenry.can_grant(&operator(5).caller, &scope.parse().unwrap());
    assert_eq!(
        ["guest", "writer", "projects:read", "*", "introspect"].map(can),
        [true, true, false, false, false]
    );
});

each_backend!(
    a_token_that_replaces_a_name_by_what_it_stands_for_gains_nothing_and_keeps_that_meaning,
    |db| {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let with = |power: &[&str], denied: &[&str]| {
            let definition = Definition::default()
                .with_named_scopes(vec![NamedDefinition::new("power", texts(power))])
                .with_denied_scopes(texts(denied))
                .with_roles(vec![
                    RoleDefinition::new("guest", texts(&["a:read", "tokens:write"])),
                    RoleDefinition::new("user", texts(&["a:write", "b:write", "c:write", "tokens:write"])),
                    RoleDefinition::new("admin", texts(&["*"])),
                ]);
            let catalog = Catalog::define(&definition).unwrap();
            let settings = settings(Policy::default().with_limits(Limits::unlimited())).with_catalog(catalog);
            Tokenry::new(db.store().clone(), settings).unwrap()
        };
        let today = with(&["a:write", "b:write"], &[]);
        let alice = user(&today, "alice", "user");
        let (_, named) = issue(&today, &alice, &["power", "tokens:write"]);
        let (replaced, text) = issue(&today, &alice, &["power", "tokens:write"]);
        let context = with_token(&today, &text, 1);
        let members = ["a:write", "b:write", "tokens:write"];
        for beyond in [&["power", "c:read"][..], &["a:write", "c:write"], &["a:admin"], &["*"]] {
            assert!(today.update_token(&context, replaced.id, scopes(beyond)).is_err(), "{beyond:?}");
        }
        today.update_token(&context, replaced.id, scopes(&members)).unwrap();
        let back = today.update_token(&with_token(&today, &text, 2), replaced.id, scopes(&["power"]));
        assert!(back.is_err(), "the name is not included in what it stands for");
        let probes = ["a:read", "a:write", "b:write", "c:write", "power"];
        let granted = |tokenry: &Tokenry, text: &str| {
            let verified = verify(tokenry, text, 3).unwrap();
            probes.map(|scope| verified.grants(&scope.parse().unwrap()))
        };
        // At that moment it has what it had before, except the name.
        assert_eq!(granted(&today, &named), [true, true, true, false, true]);
        assert_eq!(granted(&today, &text), [true, true, true, false, false]);
        // A name that grows or shrinks later changes only the tokens that hold it.
        let grown = with(&["a:write", "b:write", "c:write"], &[]);
        assert_eq!(granted(&grown, &named), [true, true, true, true, true]);
        assert_eq!(granted(&grown, &text), [true, true, true, false, false]);
        let shrunk = with(&["a:read"], &[]);
        assert_eq!(granted(&shrunk, &named), [true, false, false, false, true]);
        assert_eq!(granted(&shrunk, &text), [true, true, true, false, false]);
        // What takes a scope from every token takes it from both.
        let denied = with(&["a:write", "b:write"], &["a:write", "b:write"]);
        let role = "guest".parse::<tokenry_service::Role>().unwrap();
        for text in [&named, &text] {
            assert_eq!(granted(&denied, text)[1..], [false; 4], "{text}");
        }
        today.update_user(&operator(4), alice.id, UserChanges::default().with_role(role)).unwrap();
        for text in [&named, &text] {
            assert_eq!(granted(&today, text), [true, false, false, false, false], "{text}");
        }
    }
);
