//! What tokens were used for: counted exactly, kept apart, written behind, lost never.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, operator, settings, user, verify, with_token};
use tokenry_service::{
    Bucket, Combination, FindError, Lifetime, Policy, Settings, Tally, TokenId, Tokenry, UnixMillis,
    UsageLimit, UsagePage, UsageQuery, UsageSettings, Use, VerifiedToken,
};
use tokenry_testkit::{TestDatabase, each_backend};

/// A node of its own, with this span.
fn node(db: &TestDatabase, bucket_seconds: u32) -> Tokenry {
    let bucket = Bucket::new(Lifetime::seconds(bucket_seconds)).unwrap();
    let usage = UsageSettings { bucket, ..UsageSettings::default() };
    Tokenry::new(db.second_store(), Settings { usage, ..settings(Policy::default()) }).unwrap()
}

/// A new token of a new user, verified.
fn token(tokenry: &Tokenry, subject: &str) -> VerifiedToken {
    let (_, text) = issue(tokenry, &user(tokenry, subject, "user"), &["tokens:read"]);
    verify(tokenry, &text, 1).unwrap()
}

fn get(route: &str, at: UnixMillis) -> Use<'_> {
    Use { method: "GET", route, user_agent: Some("curl/8"), ..Use::new(at, "192.0.2.7".parse().ok(), 200) }
}

fn usage(tokenry: &Tokenry, id: TokenId) -> UsagePage {
    tokenry.usage(&operator(100 * 86_400), id, all()).unwrap()
}

fn all() -> UsageQuery {
    UsageQuery { from: Some(UnixMillis::MIN), ..UsageQuery::default() }
}

fn counts(page: &UsagePage) -> Vec<u64> {
    page.uses.iter().map(|(_, tally)| tally.count).collect()
}

each_backend!(counts_are_exact_under_threads_on_two_nodes, |db| {
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

each_backend!(a_row_tells_when_how_from_where_and_with_what, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    for second in [130, 150, 121] {
        tokenry.record_use(&used, &get("/a/{id}", at(second)));
    }
    tokenry.record_use(&used, &Use::new(at(122), None, 200));
    tokenry.flush().unwrap();
    let combination = Combination {
        token_id: used.token().id,
        start: at(120),
        method: "GET".into(),
        route: "/a/{id}".into(),
        status: 200,
        ip: "192.0.2.7".parse().ok(),
        user_agent: "curl/8".into(),
        seq: 0,
    };
    let tally = Tally { count: 3, first: at(121), last: at(150) };
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
        let page = tokenry.usage(&operator(3600), id, UsageQuery { from, to, limit }).unwrap();
        (counts(&page), page.total_count)
    };
    assert_eq!(ask(Some(at(60)), Some(at(120)), 10), (vec![3], 3), "with the first, without the last");
    assert_eq!(ask(None, None, 1), (vec![5], 9), "the newest row, and all uses");
    assert_eq!(ask(None, Some(at(30 * 86_400 + 60)), 10), (vec![5, 3], 8), "thirty days");
    assert_eq!(ask(Some(at(120)), Some(at(60)), 10), (vec![], 0));
});

each_backend!(nothing_is_lost_when_the_service_is_dropped, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    (0..1000).for_each(|_| tokenry.record_use(&used, &get("/a", at(5))));
    drop(tokenry);
    assert_eq!(counts(&usage(&node(db, 60), used.token().id)), [1000]);
});

each_backend!(with_a_span_of_zero_every_use_has_a_row, |db| {
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

each_backend!(a_refused_use_is_counted_but_is_not_the_last_use, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    tokenry.record_use(&used, &Use::new(at(5), None, 200));
    tokenry.record_use(&used, &Use::new(at(9), None, 403));
    tokenry.flush().unwrap();
    let id = used.token().id;
    assert_eq!(usage(&tokenry, id).total_count, 2);
    assert_eq!(tokenry.find(&operator(10), id).unwrap().0.last_used_at, Some(at(5)));
});

each_backend!(a_deleted_token_takes_its_uses_along_and_nobody_elses, |db| {
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
    assert!(matches!(gone, Err(FindError::NotFound)));
});

each_backend!(a_hostile_user_agent_is_cut_and_cannot_forge_a_line, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    let agents =
        ["\0\r\n\u{1b}[2J\u{85}x".to_owned(), "é".repeat(5000), "\u{10ffff}".repeat(300), "'; --".to_owned()];
    for agent in &agents {
        let longest = "/".repeat(5000);
        let of = Use { user_agent: Some(agent), method: &"M".repeat(5000), ..get(&longest, at(5)) };
        tokenry.record_use(&used, &of);
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

each_backend!(what_the_database_does_not_take_waits_for_it, |db| {
    let tokenry = node(db, 60);
    let used = token(&tokenry, "alice");
    let id = used.token().id;
    for _ in 0..3 {
        tokenry.record_use(&used, &get("/a", at(5)));
    }
    while !db.store().revert_migration().unwrap().unwrap().ends_with("add_usage_log") {}
    assert!(tokenry.flush().is_err() && tokenry.flush().is_err(), "the table is not as it is written to");
    tokenry.record_use(&used, &get("/a", at(6)));
    db.store().migrate().unwrap();
    tokenry.flush().unwrap();
    assert_eq!(counts(&usage(&tokenry, id)), [4]);
});

each_backend!(a_cleanup_removes_what_is_older_than_it_is_kept, |db| {
    let open = |retention| {
        let usage = UsageSettings { retention, ..UsageSettings::default() };
        Tokenry::new(db.second_store(), Settings { usage, ..settings(Policy::default()) }).unwrap()
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

each_backend!(uses_are_shown_to_the_owner_alone_and_after_the_end_too, |db| {
    let tokenry = node(db, 60);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    tokenry.record_use(&verify(&tokenry, &text, 1).unwrap(), &get("/a", at(5)));
    tokenry.flush().unwrap();
    tokenry.revoke(&operator(6), token.id, None).unwrap();
    let ask = |owner: &str, role: &str, scopes: &[&str]| {
        let owner = user(&tokenry, owner, role);
        let (_, text) = issue(&tokenry, &owner, scopes);
        tokenry.usage(&with_token(&tokenry, &text, 7), token.id, UsageQuery::default())
    };
    assert_eq!(ask("alice", "user", &["tokens:read"]).unwrap().total_count, 1);
    assert!(matches!(ask("alice", "user", &["projects:read"]), Err(FindError::Denied(_))));
    for role in ["user", "admin"] {
        assert!(matches!(ask(&format!("a {role}"), role, &["*"]), Err(FindError::NotFound)));
    }
});

each_backend!(switched_off_nothing_is_counted_but_the_last_use_is_known, |db| {
    let usage_off = UsageSettings { is_enabled: false, ..UsageSettings::default() };
    let off = Settings { usage: usage_off, ..settings(Policy::default()) };
    let tokenry = Tokenry::new(db.second_store(), off).unwrap();
    let used = token(&tokenry, "alice");
    tokenry.record_use(&used, &get("/a", at(5)));
    tokenry.flush().unwrap();
    assert_eq!(usage(&tokenry, used.token().id).total_count, 0);
    assert_eq!(tokenry.find(&operator(6), used.token().id).unwrap().0.last_used_at, Some(at(5)));
    assert!(!tokenry.counts_uses());
});
