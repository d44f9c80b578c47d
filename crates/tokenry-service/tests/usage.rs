//! The usage log: exact counts, one row for each kind of use, asynchronous writes without loss.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, operator, settings, user, verify, with_token};
use tokenry_service::{
    Bucket, Denial, Lifetime, Policy, ReadError, TokenId, Tokenry, UnixMillis, UsageCount, UsageEvent,
    UsageKey, UsageLimit, UsagePage, UsageQuery, UsageSettings, UserError, VerifiedToken,
};
use tokenry_store::{
    tombstone,
    usage::{self, UsageFilter},
};
use tokenry_testkit::{TestDatabase, each_backend};

/// A separate node with this interval.
fn node(db: &TestDatabase, bucket_seconds: u32) -> Tokenry {
    let bucket = Bucket::new(Lifetime::seconds(bucket_seconds)).unwrap();
    let usage = UsageSettings::default().with_bucket(bucket);
    Tokenry::new(db.second_store(), settings(Policy::default()).with_usage(usage)).unwrap()
}

/// A new, verified token of a new user.
fn token(tokenry: &Tokenry, subject: &str) -> VerifiedToken {
    let (_, text) = issue(tokenry, &user(tokenry, subject, "user"), &["tokens:read"]);
    verify(tokenry, &text, 1).unwrap()
}

fn get(route: &str, at: UnixMillis) -> UsageEvent<'_> {
    UsageEvent::new(at, "192.0.2.7".parse().ok(), 200)
        .with_method("GET")
        .with_route(route)
        .with_user_agent("curl/8")
}

fn usage(tokenry: &Tokenry, id: TokenId) -> UsagePage {
    tokenry.usage(&operator(100 * 86_400), id, all()).unwrap()
}

fn all() -> UsageQuery {
    UsageQuery::default().with_from(UnixMillis::MIN)
}

fn counts(page: &UsagePage) -> Vec<u64> {
    page.uses.iter().map(|(_, tally)| tally.count).collect()
}

each_backend!(usage_counts_are_exact_with_many_threads_on_two_nodes, |db| {
    let nodes = [node(db, 60), node(db, 60)];
    let tokens: Vec<_> = (0..3).map(|number| token(&nodes[0], &format!("user{number}"))).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (nodes, tokens) = (&nodes, &tokens);
            scope.spawn(move || {
                for number in 0..3000 {
                    let route = ["/a", "/b", "/c/{id}"][number % 3];
                    nodes[thread % 2].record_use(&tokens[number % 2], &get(route, at(5)));
                    if number % 500 == thread * 10 {
                        nodes[thread % 2].flush().unwrap();
                    }
                }
            });
        }
    });
    nodes.iter().for_each(|node| node.flush().unwrap());
    for token in &tokens[..2] {
        let page = usage(&nodes[0], token.token().id);
        assert_eq!((page.total_count, counts(&page)), (12_000, vec![4000; 3]));
    }
    assert_eq!(usage(&nodes[0], tokens[2].token().id).total_count, 0);
});

each_backend!(a_usage_row_has_time_route_address_and_user_agent, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    for second in [130, 150, 121] {
        tokenry.record_use(&used, &get("/a/{id}", at(second)));
    }
    tokenry.record_use(&used, &UsageEvent::new(at(122), None, 200));
    tokenry.flush().unwrap();
    let combination = UsageKey {
        token_id: used.token().id,
        start: at(120),
        method: "GET".into(),
        route: "/a/{id}".into(),
        status: 200,
        ip: "192.0.2.7".parse().ok(),
        user_agent: "curl/8".into(),
        seq: 0,
    };
    let tally = UsageCount { count: 3, first: at(121), last: at(150) };
    let page = usage(&tokenry, used.token().id);
    assert_eq!((&page.uses[0], page.uses.len(), page.total_count), (&(combination, tally), 2, 4));
    assert_eq!((page.uses[1].0.ip, &*page.uses[1].0.user_agent), (None, ""));
});

each_backend!(each_minute_has_its_own_row_and_the_newest_comes_first, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    let milli = |millis| tokenry_testkit::at(millis);
    for (millis, times) in [(59_999, 1), (60_000, 2), (119_999, 1), (120_000, 5)] {
        for _ in 0..times {
            tokenry.record_use(&used, &get("/a", milli(millis)));
        }
    }
    tokenry.flush().unwrap();
    let id = used.token().id;
    let page = usage(&tokenry, id);
    let starts: Vec<_> = page.uses.iter().map(|(combination, _)| combination.start).collect();
    assert_eq!((starts, counts(&page)), (vec![at(120), at(60), at(0)], vec![5, 3, 1]));
    let ask = |from, to, limit| {
        let limit = UsageLimit::new(limit).unwrap();
        let page = tokenry
            .usage(&operator(3600), id, UsageQuery::default().with_from(from).with_to(to).with_limit(limit))
            .unwrap();
        (counts(&page), page.total_count)
    };
    assert_eq!(ask(Some(at(60)), Some(at(120)), 10), (vec![3], 3), "includes the start, excludes the end");
    assert_eq!(ask(None, None, 1), (vec![5], 9), "the newest row, and all uses");
    assert_eq!(ask(None, Some(at(30 * 86_400 + 60)), 10), (vec![5, 3], 8), "thirty days");
    assert_eq!(ask(Some(at(120)), Some(at(60)), 10), (vec![], 0));
});

each_backend!(dropping_the_service_loses_no_use, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    (0..1000).for_each(|_| tokenry.record_use(&used, &get("/a", at(5))));
    drop(tokenry);
    assert_eq!(counts(&usage(&node(db, 60), used.token().id)), [1000]);
});

each_backend!(uses_recorded_while_the_database_is_locked_are_written_later_and_counted_once, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    let held = db.lock_writes();
    for second in 5..8 {
        tokenry.record_use(&used, &get("/a", at(second)));
        assert!(tokenry.flush().is_err());
    }
    drop(held);
    tokenry.flush().unwrap();
    let id = used.token().id;
    assert_eq!(counts(&usage(&tokenry, id)), [3]);
    assert_eq!(tokenry.find_token(&operator(10), id).unwrap().0.last_used_at, Some(at(7)));
});

/// The number of threads of this process whose names have this prefix.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|found| found.starts_with(name)).count()
}

each_backend!(a_service_dropped_while_the_database_is_locked_leaves_no_thread, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    let held = db.lock_writes();
    tokenry.record_use(&used, &get("/a", at(5)));
    tokenry.record_failure("invalid_token", None, at(5));
    let noting = || threads("tokenry-usage") + threads("tokenry-rejecti");
    assert_eq!(noting(), 2);
    drop(tokenry);
    // A thread that has reported its end may exist for a moment.
    assert!((0..100).any(|_| noting() == 0 || {
        std::thread::sleep(std::time::Duration::from_millis(10));
        false
    }));
    drop(held);
    assert!(counts(&usage(&node(db, 60), used.token().id)).is_empty());
});

each_backend!(with_an_interval_of_zero_every_use_has_a_row, |db| {
    let nodes = [node(db, 0), node(db, 0)];
    let used = token(&nodes[0], "alice");
    for number in 0..50 {
        nodes[number % 2].record_use(&used, &get("/a", at(5)));
    }
    nodes.iter().for_each(|node| node.flush().unwrap());
    nodes[0].record_use(&used, &get("/a", at(6)));
    nodes[0].flush().unwrap();
    let page = usage(&nodes[1], used.token().id);
    assert_eq!((counts(&page), page.total_count), (vec![1; 51], 51));
    assert_eq!(page.uses[0].0.start, at(6));
});

each_backend!(a_rejected_use_is_counted_but_is_not_the_last_use, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    tokenry.record_use(&used, &UsageEvent::new(at(5), None, 200));
    tokenry.record_use(&used, &UsageEvent::new(at(9), None, 403));
    tokenry.flush().unwrap();
    let id = used.token().id;
    assert_eq!(usage(&tokenry, id).total_count, 2);
    assert_eq!(tokenry.find_token(&operator(10), id).unwrap().0.last_used_at, Some(at(5)));
});

each_backend!(deleting_a_token_deletes_its_usage_and_no_other, |db| {
    let tokenry = node(db, 60);
    let tokens: Vec<_> = (0..3).map(|number| token(&tokenry, &format!("user{number}"))).collect();
    let note = || tokens.iter().for_each(|token| tokenry.record_use(token, &get("/a", at(5))));
    note();
    tokenry.flush().unwrap();
    note();
    tokenry.delete_user(&operator(6), tokens[1].owner().id).unwrap();
    tokenry.flush().unwrap();
    for kept in [&tokens[0], &tokens[2]] {
        assert_eq!(counts(&usage(&tokenry, kept.token().id)), [2]);
    }
    let gone = tokenry.usage(&operator(7), tokens[1].token().id, all());
    assert!(matches!(gone, Err(ReadError::NotFound)));
});

each_backend!(a_hostile_user_agent_is_truncated_and_cannot_forge_a_line, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    let agents =
        ["\0\r\n\u{1b}[2J\u{85}x".to_owned(), "é".repeat(5000), "\u{10ffff}".repeat(300), "'; --".to_owned()];
    for agent in &agents {
        let (route, method) = ("/".repeat(5000), "M".repeat(5000));
        let event = get(&route, at(5)).with_user_agent(agent.as_str()).with_method(&method);
        tokenry.record_use(&used, &event);
    }
    tokenry.flush().unwrap();
    let page = usage(&tokenry, used.token().id);
    assert_eq!(counts(&page), [1; 4]);
    let mut written: Vec<_> = page.uses.iter().map(|(c, _)| c.user_agent.to_string()).collect();
    written.sort();
    let mut expected = vec!["'; --".to_owned(), "[2Jx".to_owned(), "é".repeat(256), "\u{10ffff}".repeat(256)];
    expected.sort();
    assert_eq!(written, expected);
    assert!(page.uses.iter().all(|(c, _)| c.route.len() == 256 && c.method.len() == 32));
});

each_backend!(uses_are_kept_while_the_database_rejects_them, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    let id = used.token().id;
    for _ in 0..3 {
        tokenry.record_use(&used, &get("/a", at(5)));
    }
    while !db.store().revert_migration().unwrap().unwrap().ends_with("add_usage_log") {}
    assert!(
        tokenry.flush().is_err() && tokenry.flush().is_err(),
        "the table does not have the expected columns"
    );
    tokenry.record_use(&used, &get("/a", at(6)));
    db.store().migrate().unwrap();
    tokenry.flush().unwrap();
    assert_eq!(counts(&usage(&tokenry, id)), [4]);
});

each_backend!(a_cleanup_removes_rows_older_than_their_retention, |db| {
    let open = |retention| {
        let usage = UsageSettings::default().with_retention(retention);
        Tokenry::new(db.second_store(), settings(Policy::default()).with_usage(usage)).unwrap()
    };
    let (tokenry, forever) = (open(Some(Lifetime::days(2))), open(None));
    let used = token(&tokenry, "alice");
    for minute in 0..500 {
        tokenry.record_use(&used, &get("/a", at(minute * 60)));
    }
    tokenry.flush().unwrap();
    let now = operator(2 * 86_400 + 450 * 60);
    assert_eq!(forever.cleanup(&now).unwrap().purged_uses, 0);
    assert_eq!(tokenry.cleanup(&now).unwrap().purged_uses, 450);
    assert_eq!(usage(&tokenry, used.token().id).total_count, 50);
});

each_backend!(uses_are_shown_to_the_owner_only_and_also_after_revocation, |db| {
    let tokenry = node(db, 60);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    tokenry.record_use(&verify(&tokenry, &text, 1).unwrap(), &get("/a", at(5)));
    tokenry.flush().unwrap();
    tokenry.revoke_token(&operator(6), token.id, None).unwrap();
    let ask = |owner: &str, role: &str, scopes: &[&str]| {
        let owner = user(&tokenry, owner, role);
        let (_, text) = issue(&tokenry, &owner, scopes);
        tokenry.usage(&with_token(&tokenry, &text, 7), token.id, UsageQuery::default())
    };
    assert_eq!(ask("alice", "user", &["tokens:read"]).unwrap().total_count, 1);
    assert!(matches!(ask("alice", "user", &["projects:read"]), Err(ReadError::Denied(_))));
    for role in ["user", "admin"] {
        assert!(matches!(ask(&format!("a {role}"), role, &["*"]), Err(ReadError::NotFound)));
    }
});

each_backend!(with_usage_disabled_only_the_last_use_is_recorded, |db| {
    let usage_off = UsageSettings::default().with_is_enabled(false);
    let off = settings(Policy::default()).with_usage(usage_off);
    let tokenry = Tokenry::new(db.second_store(), off).unwrap();
    let used = token(&tokenry, "alice");
    tokenry.record_use(&used, &get("/a", at(5)));
    tokenry.flush().unwrap();
    assert_eq!(usage(&tokenry, used.token().id).total_count, 0);
    assert_eq!(tokenry.find_token(&operator(6), used.token().id).unwrap().0.last_used_at, Some(at(5)));
    assert!(!tokenry.counts_uses());
});

/// Inserts many uses of one user's tokens, enough for several units of work of 5000 rows each.
fn flood(db: &TestDatabase, tokens: &[TokenId]) -> u64 {
    const ROWS: i64 = 30_000;
    let tally = UsageCount { count: 1, first: at(0), last: at(0) };
    let of_first = UsageKey {
        token_id: tokens[0],
        start: at(0),
        method: "GET".into(),
        route: "/a".into(),
        status: 200,
        ip: None,
        user_agent: "curl/8".into(),
        seq: 0,
    };
    for token_id in tokens {
        for from in (0..ROWS).step_by(1000) {
            let rows: Vec<UsageKey> = (from..from + 1000)
                .map(|seq| UsageKey { token_id: *token_id, seq, ..of_first.clone() })
                .collect();
            let held = db
                .store()
                .write(move |tx| usage::add(tx, &rows.iter().map(|row| (row, tally)).collect::<Vec<_>>()));
            assert!(held.unwrap().is_empty());
        }
    }
    u64::try_from(tokens.len()).unwrap() * u64::try_from(ROWS).unwrap() / 5000
}

/// The number of usage rows of a token, which may be deleted.
fn rows_of(db: &TestDatabase, token_id: TokenId) -> u64 {
    let filter = UsageFilter { token_id, from: UnixMillis::MIN, to: None };
    db.store().read(|tx| usage::total(tx, filter)).unwrap()
}

each_backend!(uses_are_deleted_in_batches_before_their_user_without_blocking_revocations, |db| {
    let tokenry = Tokenry::new(db.store().clone(), settings(Policy::default())).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let issued = [issue(&tokenry, &alice, &[]), issue(&tokenry, &alice, &[])];
    let ids = issued.each_ref().map(|(token, _)| token.id);
    let others: Vec<_> =
        (0..4).map(|n| issue(&tokenry, &user(&tokenry, &format!("bob{n}"), "user"), &[])).collect();
    let units = flood(db, &ids);
    let before = db.store().writes();
    std::thread::scope(|scope| {
        let deletion = scope.spawn(|| tokenry.delete_user(&operator(10), alice.id));
        // The first unit disables the user; the deletion continues after it.
        while db.store().writes() == before {
            std::thread::yield_now();
        }
        assert!(issued.iter().all(|(_, text)| verify(&tokenry, text, 11).is_err()));
        for (token, _) in &others {
            assert!(tokenry.revoke_token(&operator(11), token.id, None).unwrap());
        }
        deletion.join().unwrap().unwrap();
    });
    let most = u64::try_from(others.len()).unwrap();
    assert!(
        db.store().writes() - before >= units + 2,
        "disabled, deleted in batches of at most 5000 rows, removed"
    );
    assert!(db.store().writes() - before <= units + 4 + most);
    assert_eq!(ids.map(|id| rows_of(db, id)), [0, 0]);
    assert!(matches!(tokenry.delete_user(&operator(12), alice.id), Err(UserError::NotFound)));
});

each_backend!(uses_are_deleted_in_batches_before_dead_tokens_are_purged, |db| {
    let retention = Some(Lifetime::days(30));
    let settings = settings(Policy::default()).with_retention(retention);
    let tokenry = Tokenry::new(db.store().clone(), settings).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let ids = [0; 2].map(|_| issue(&tokenry, &alice, &[]).0.id);
    let live = issue(&tokenry, &alice, &[]).0.id;
    ids.iter().for_each(|id| assert!(tokenry.revoke_token(&operator(1), *id, None).unwrap()));
    let units = flood(db, &ids);
    flood(db, &[live]);
    let before = db.store().writes();
    assert_eq!(tokenry.cleanup(&operator(31 * 86_400)).unwrap().purged_tokens, 2);
    assert!(db.store().writes() - before > units + 2, "deleted in batches of at most 5000 rows, purged");
    assert_eq!(ids.map(|id| rows_of(db, id)), [0, 0]);
    assert_eq!(rows_of(db, live), 30_000, "only rows of dead tokens");
});

each_backend!(delete_in_batches_deletes_a_bounded_number_of_rows_of_its_own_tokens, |db| {
    let tokenry = node(db, 60);
    let ids = ["alice", "bob", "carol"].map(|name| token(&tokenry, name).token().id);
    flood(db, &ids);
    let delete_in_batches =
        |limit| db.store().write(move |tx| usage::delete_in_batches(tx, &ids[..2], limit)).unwrap();
    assert_eq!(
        [delete_in_batches(5000), delete_in_batches(40_000), delete_in_batches(40_000), delete_in_batches(5)],
        [5000, 40_000, 15_000, 0]
    );
    assert_eq!(ids.map(|id| rows_of(db, id)), [0, 0, 30_000]);
});

each_backend!(a_user_who_deletes_themselves_is_removed_and_not_marked_disabled, |db| {
    let tokenry = node(db, 60);
    let (root, boss) = (user(&tokenry, "root", "admin"), user(&tokenry, "boss", "admin"));
    let (_, text) = issue(&tokenry, &root, &["*"]);
    let context = with_token(&tokenry, &text, 1);
    tokenry.delete_user(&context, root.id).unwrap();
    let again = tokenry.delete_user(&context, boss.id);
    assert!(matches!(again, Err(UserError::Denied(Denial::NoLongerEntitled))));
    let gone = db.store().read(|tx| tombstone::find(tx, &root.subject)).unwrap().unwrap();
    assert!(!gone.was_disabled, "the deletion's own disabling is not recorded as a decision");
});
