//! Administration of users and of all their tokens, and who is allowed to do it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, limited, new, operator, service, settings, user, verify, with_token};
use tokenry_service::{
    Denial, IssueError, NewUser, PageQuery, PageSize, Policy, Rejection, RequestContext, Risk, TokenFilter,
    Tokenry, User, UserChanges, UserError, VerifyError,
};
use tokenry_testkit::each_backend;

fn role(role: &str) -> UserChanges {
    UserChanges::default().with_role(role.parse::<tokenry_service::Role>().unwrap())
}

fn subject(subject: &str) -> UserChanges {
    UserChanges::default().with_subject(subject.to_owned())
}

fn named(role: &str) -> NewUser {
    NewUser::default().with_role(role.parse::<tokenry_service::Role>().unwrap())
}

fn person(tokenry: &Tokenry, user: &User, seconds: i64) -> RequestContext {
    RequestContext::new(tokenry.caller_for_user(user.clone()).unwrap(), at(seconds))
}

each_backend!(demoting_or_disabling_a_user_affects_the_next_request_of_every_token, |db| {
    let (tokenry, other_node) =
        (service(db), Tokenry::new(db.second_store(), settings(Policy::default())).unwrap());
    let root = user(&tokenry, "root", "admin");
    let texts: Vec<String> = (0..20).map(|_| issue(&tokenry, &root, &["*", "admin:write"]).1).collect();
    let admin = "admin:write".parse().unwrap();
    for round in 0..5 {
        for (name, granted) in [("user", false), ("admin", true)] {
            tokenry.update_user(&operator(round), root.id, role(name)).unwrap();
            for text in &texts {
                for node in [&tokenry, &other_node] {
                    assert_eq!(verify(node, text, round).unwrap().grants(&admin), granted);
                }
            }
        }
        for disabled in [true, false] {
            tokenry
                .update_user(&operator(round), root.id, UserChanges::default().with_disabled(disabled))
                .unwrap();
            for text in &texts {
                for node in [&tokenry, &other_node] {
                    assert_eq!(verify(node, text, round).is_err(), disabled);
                }
            }
        }
    }
});

each_backend!(a_caller_cannot_assign_a_role_beyond_their_own, |db| {
    let tokenry = service(db);
    let (root, bob) = (user(&tokenry, "root", "admin"), user(&tokenry, "bob", "user"));
    let as_bob = person(&tokenry, &bob, 1);
    let rejected = |outcome: Result<User, UserError>| matches!(outcome, Err(UserError::Denied(_)));
    assert!(rejected(tokenry.create_user(&as_bob, "eve", named("user"))));
    assert!(rejected(tokenry.update_user(&as_bob, bob.id, role("admin"))));
    assert!(rejected(tokenry.update_user(&as_bob, root.id, UserChanges::default().with_disabled(true))));
    let as_root = person(&tokenry, &root, 1);
    tokenry.create_user(&as_root, "eve", named("admin")).unwrap();
    tokenry.update_user(&as_root, bob.id, role("admin")).unwrap();
    let (_, full) = issue(&tokenry, &root, &["*"]);
    let full = with_token(&tokenry, &full, 2);
    assert!(
        rejected(tokenry.update_user(&full, root.id, role("user"))),
        "a token cannot change the role of its own owner"
    );
    assert!(rejected(tokenry.update_user(&full, root.id, subject("other"))));
    tokenry.update_user(&full, bob.id, role("user")).unwrap();
    tokenry.update_user(&full, bob.id, role("admin")).unwrap();
    tokenry.update_user(&full, bob.id, role("user")).unwrap();
    let (_, part) = issue(&tokenry, &root, &["admin:write"]);
    let part = with_token(&tokenry, &part, 3);
    assert!(
        rejected(tokenry.update_user(&part, bob.id, role("admin"))),
        "the caller lacks these rights itself"
    );
    assert!(rejected(tokenry.create_user(&part, "mallory", named("admin"))));
    assert!(rejected(tokenry.update_user(&part, bob.id, subject("bobby"))));
    tokenry.create_user(&part, "dave", named("user")).unwrap();
    tokenry.update_user(&part, bob.id, UserChanges::default().with_disabled(true)).unwrap();
    assert!(
        rejected(tokenry.update_user(&part, bob.id, UserChanges::default().with_disabled(false))),
        "nor re-enable a user whose role it could not assign"
    );
    tokenry.update_user(&full, bob.id, UserChanges::default().with_disabled(false)).unwrap();
    let unknown = tokenry.update_user(&as_root, bob.id, role("emperor"));
    assert!(matches!(unknown, Err(UserError::NoSuchRole { .. })));
});

each_backend!(a_demoted_admin_cannot_use_the_permissions_they_were_admitted_with, |db| {
    let tokenry = service(db);
    let (root, bob) = (user(&tokenry, "root", "admin"), user(&tokenry, "bob", "user"));
    let (_, text) = issue(&tokenry, &root, &["*"]);
    let calls = [person(&tokenry, &root, 1), with_token(&tokenry, &text, 1)];
    tokenry.update_user(&operator(2), root.id, role("user")).unwrap();
    for context in calls {
        let outcomes = [
            tokenry.create_user(&context, "eve", named("user")).map(|_| ()),
            tokenry.update_user(&context, bob.id, role("admin")).map(|_| ()),
            tokenry.revoke_user_tokens(&context, bob.id, None).map(|_| ()),
            tokenry.delete_user(&context, bob.id),
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(UserError::Denied(Denial::NoLongerEntitled))));
        }
    }
});

each_backend!(a_subject_belongs_to_one_user, |db| {
    let tokenry = service(db);
    let made = std::thread::scope(|scope| {
        let make = || tokenry.create_user(&operator(0), "alice", named("user"));
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(Result::is_ok).count()
    });
    assert_eq!(made, 1);
    let bob = user(&tokenry, "bob", "user");
    let taken = UserChanges::default().with_subject("alice".to_owned());
    assert!(matches!(tokenry.update_user(&operator(1), bob.id, taken), Err(UserError::SubjectTaken)));
});

each_backend!(revoking_all_tokens_prevails_over_concurrent_creations, |db| {
    let tokenry = limited(db, None, None);
    for round in 0..10 {
        let alice = user(&tokenry, &format!("alice{round}"), "user");
        let (_, first) = issue(&tokenry, &alice, &["tokens:write"]);
        let calls = [person(&tokenry, &alice, 10), with_token(&tokenry, &first, 10)];
        let texts: Vec<String> = std::thread::scope(|scope| {
            let make = |context: &RequestContext| tokenry.issue_token(context, alice.id, new("t", &[])).ok();
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let context = &calls[n % 2];
                    scope.spawn(move || make(context))
                })
                .collect();
            let revoked = tokenry.revoke_user_tokens(&operator(10), alice.id, None).unwrap();
            assert!(revoked >= 1);
            threads
                .into_iter()
                .filter_map(|t| Some(t.join().unwrap()?.secret.reveal_once().to_string()))
                .collect()
        });
        for text in texts.iter().chain([&first]) {
            let outcome = verify(&tokenry, text, 11);
            assert!(matches!(outcome, Err(VerifyError::Rejected(Rejection::Revoked))), "round {round}");
        }
        for ahead in [10, 1000] {
            let late = calls[0].clone().with_now(at(ahead));
            let late = tokenry.issue_token(&late, alice.id, new("late", &[]));
            assert!(
                matches!(late, Err(IssueError::RevokedMeanwhile)),
                "admitted before the revocation, whatever the clock says"
            );
        }
        let alice = tokenry.find_user(&operator(11), alice.id).unwrap();
        tokenry.issue_token(&person(&tokenry, &alice, 11), alice.id, new("after", &[])).unwrap();
    }
});

each_backend!(a_deleted_user_has_no_token_left_and_gets_no_new_one, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    let made = std::thread::scope(|scope| {
        let make =
            || tokenry.issue_token(&operator(1), alice.id, new("t", &[])).map(|issued| issued.token.id);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        tokenry.delete_user(&operator(1), alice.id).unwrap();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).collect::<Vec<_>>()
    });
    for id in made.into_iter().chain([token.id]) {
        assert!(tokenry.find_token(&operator(2), id).is_err());
    }
    assert!(matches!(verify(&tokenry, &text, 2), Err(VerifyError::Rejected(Rejection::Unknown))));
    assert!(matches!(tokenry.delete_user(&operator(2), alice.id), Err(UserError::NotFound)));
});

each_backend!(administrators_who_change_each_other_do_not_deadlock, |db| {
    let tokenry = service(db);
    let (a, b) = (user(&tokenry, "a", "admin"), user(&tokenry, "b", "admin"));
    for round in 0..20 {
        let text = |owner: &User| {
            let issued = tokenry.issue_token(&operator(2 * round + 1), owner.id, new("t", &["*"])).unwrap();
            issued.secret.reveal_once().to_string()
        };
        let (of_a, of_b) = (text(&a), text(&b));
        let with = |text: &str| with_token(&tokenry, text, 2 * round + 2);
        let calls = [(with(&of_a), b.id), (with(&of_b), a.id)];
        std::thread::scope(|scope| {
            let threads = calls
                .each_ref()
                .map(|(context, id)| scope.spawn(|| tokenry.revoke_user_tokens(context, *id, None)));
            for thread in threads {
                match thread.join().unwrap() {
                    Ok(_) | Err(UserError::Denied(Denial::NoLongerEntitled)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
});

each_backend!(the_inventory_shows_every_users_tokens_to_administrators_only, |db| {
    let tokenry = service(db);
    let (root, alice) = (user(&tokenry, "root", "admin"), user(&tokenry, "alice", "user"));
    issue(&tokenry, &root, &["*"]);
    let (of_alice, _) = issue(&tokenry, &alice, &["a:read"]);
    let all = TokenFilter::default();
    let page = tokenry.inventory(&person(&tokenry, &root, 1), &all, &PageQuery::default()).unwrap();
    assert_eq!(page.total, 2);
    assert!(tokenry.inventory(&person(&tokenry, &alice, 1), &all, &PageQuery::default()).is_err());
    let only = TokenFilter::default().with_user_id(Some(alice.id)).with_risk(Some(Risk::NeverUsed));
    let page = tokenry.inventory(&operator(1), &only, &PageQuery::default()).unwrap();
    assert_eq!(page.items.iter().map(|(token, _)| token.id).collect::<Vec<_>>(), [of_alice.id]);
});

each_backend!(users_are_listed_page_by_page_with_cursors_of_their_own, |db| {
    let tokenry = service(db);
    for number in 0..7 {
        user(&tokenry, &format!("user-{number}"), "user");
    }
    let size = PageSize::new(3).unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = tokenry.list_users(&operator(1), Some("USER-"), size, cursor.as_deref()).unwrap();
        assert_eq!(page.total, 7);
        seen.extend(page.items.iter().map(|user| user.subject.to_string()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        let foreign = tokenry.list_users(&operator(1), Some("other"), size, cursor.as_deref());
        assert!(matches!(foreign, Err(UserError::BadCursor)));
    }
    seen.sort();
    assert_eq!(seen, (0..7).map(|number| format!("user-{number}")).collect::<Vec<_>>());
});
