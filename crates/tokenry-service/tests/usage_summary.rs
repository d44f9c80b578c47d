//! Usage sums of the database: equal on both databases, complete and bounded.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;

use common::{at, issue, operator, service, user, verify, with_token};
use tokenry_service::{
    AddressCount, HourCount, RouteCount, SummaryError, SummaryQuery, TokenId, Tokenry, UnixMillis,
    UsageCount, UsageEvent, UsageKey, UsageSummary,
};
use tokenry_store::usage;
use tokenry_testkit::{TestDatabase, each_backend};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn span(from: i64, to: i64) -> SummaryQuery {
    SummaryQuery::default().with_from(at(from)).with_to(at(to))
}

fn summary(tokenry: &Tokenry, id: TokenId, query: SummaryQuery) -> UsageSummary {
    tokenry.usage_summary(&operator(100 * DAY), id, query).unwrap()
}

fn write(db: &TestDatabase, rows: &[(UsageKey, u64)]) {
    let mut rows = rows.to_vec();
    rows.sort();
    for batch in rows.chunks(1000) {
        let batch = batch.to_vec();
        let held = db.store().write(move |tx| {
            let tally = |it: &UsageKey, count| UsageCount { count, first: it.start, last: it.start };
            usage::add(tx, &batch.iter().map(|(it, count)| (it, tally(it, *count))).collect::<Vec<_>>())
        });
        assert!(held.unwrap().is_empty());
    }
}

fn row(token_id: TokenId, start: UnixMillis, status: u16) -> UsageKey {
    let (method, route, user_agent) = ("GET".into(), "/a".into(), "curl/8".into());
    UsageKey { token_id, start, method, route, status, ip: None, user_agent, seq: 0 }
}

fn hour(hour: i64, status: u16, count: u64) -> HourCount {
    HourCount::new(at(hour * HOUR), status, count)
}

fn route(method: &str, route: &str, count: u64, last: i64) -> RouteCount {
    RouteCount::new(method.to_owned(), route.to_owned(), count, at(last))
}

fn address(ip: &str, user_agent: &str, count: u64, last: i64) -> AddressCount {
    AddressCount::new(ip.parse().ok(), user_agent.to_owned(), count, at(last))
}

each_backend!(uses_are_summed_by_hour_and_status_route_and_address, |db| {
    let tokenry = service(db);
    let (token, text) = issue(&tokenry, &user(&tokenry, "alice", "user"), &["a:read"]);
    let used = verify(&tokenry, &text, 1).unwrap();
    let (_, other) = issue(&tokenry, &user(&tokenry, "bob", "user"), &[]);
    tokenry.record_use(&verify(&tokenry, &other, 1).unwrap(), &UsageEvent::new(at(HOUR), None, 200));
    let ip = "192.0.2.7".parse().ok();
    let of = |second, method, route, status| {
        UsageEvent::new(at(second), ip, status).with_method(method).with_route(route)
    };
    for it in [
        of(0, "GET", "/a", 200),
        of(HOUR - 1, "GET", "/a", 200),
        of(HOUR, "GET", "/a", 404),
        of(HOUR + 61, "POST", "/a", 200),
        of(HOUR + 62, "GET", "/b", 200).with_user_agent("curl/8"),
        UsageEvent::new(at(5 * HOUR), "2001:db8::1".parse().ok(), 200),
    ] {
        tokenry.record_use(&used, &it);
    }
    tokenry.flush().unwrap();
    let all = summary(&tokenry, token.id, span(0, 10 * HOUR));
    let hours = vec![hour(0, 200, 2), hour(1, 200, 2), hour(1, 404, 1), hour(5, 200, 1)];
    let routes = vec![
        route("GET", "/a", 3, HOUR),
        route("", "", 1, 5 * HOUR),
        route("GET", "/b", 1, HOUR + 62),
        route("POST", "/a", 1, HOUR + 61),
    ];
    let addresses = vec![
        address("192.0.2.7", "", 4, HOUR + 61),
        address("192.0.2.7", "curl/8", 1, HOUR + 62),
        address("2001:db8::1", "", 1, 5 * HOUR),
    ];
    assert_eq!((all.from, all.to, all.total_count), (at(0), at(10 * HOUR), 6));
    assert_eq!((all.hours, all.routes, all.addresses), (hours, routes, addresses));
    assert_eq!(all.scopes, [("a:read".parse().unwrap(), None)]);
    let part = summary(&tokenry, token.id, span(HOUR, 5 * HOUR));
    assert_eq!((part.total_count, part.hours), (3, vec![hour(1, 200, 2), hour(1, 404, 1)]));
    let none = summary(&tokenry, token.id, span(5 * HOUR, HOUR));
    assert_eq!((none.total_count, none.hours.len(), none.routes.len(), none.addresses.len()), (0, 0, 0, 0));
});

each_backend!(the_summary_covers_30_days_by_default_and_90_at_most, |db| {
    let tokenry = service(db);
    let (token, _) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let ask = |from: Option<i64>, to: Option<i64>| {
        let query = SummaryQuery::default().with_from(from.map(at)).with_to(to.map(at));
        tokenry.usage_summary(&operator(200 * DAY), token.id, query).map(|it| (it.from, it.to))
    };
    assert_eq!(ask(None, None).unwrap(), (at(170 * DAY), at(200 * DAY)));
    assert_eq!(ask(None, Some(100 * DAY)).unwrap(), (at(70 * DAY), at(100 * DAY)));
    assert_eq!(ask(Some(110 * DAY), None).unwrap(), (at(110 * DAY), at(200 * DAY)));
    for (from, to) in [(110 * DAY - 1, None), (0, Some(90 * DAY + 1)), (0, Some(100_000 * DAY))] {
        assert!(matches!(ask(Some(from), to), Err(SummaryError::TooLong)), "{from}");
    }
});

each_backend!(only_the_owner_can_read_the_usage_summary, |db| {
    let tokenry = service(db);
    let (alice, root) = (user(&tokenry, "alice", "user"), user(&tokenry, "root", "admin"));
    let (token, _) = issue(&tokenry, &alice, &["tokens:read"]);
    tokenry.revoke_token(&operator(1), token.id, None).unwrap();
    let ask = |owner, scopes: &[&str]| {
        let (_, text) = issue(&tokenry, owner, scopes);
        tokenry.usage_summary(&with_token(&tokenry, &text, 2), token.id, span(0, 1))
    };
    assert!(ask(&alice, &["tokens:read"]).is_ok(), "also for a revoked token");
    assert!(matches!(ask(&alice, &["a:read"]), Err(SummaryError::Denied(_))));
    assert!(matches!(ask(&root, &["*"]), Err(SummaryError::NotFound)));
});

each_backend!(a_usage_summary_is_complete_and_bounded, |db| {
    let tokenry = service(db);
    let (token, _) = issue(&tokenry, &user(&tokenry, "alice", "user"), &[]);
    let statuses = [200, 201, 204, 301, 304, 400, 403, 404, 500, 503];
    let hours = 0..90 * 24;
    let rows: Vec<_> = hours
        .flat_map(|hour| statuses.map(|status| (row(token.id, at(hour * HOUR), status), u64::from(status))))
        .collect();
    write(db, &rows);
    let more: Vec<_> = (0..70)
        .map(|n| {
            let it = row(token.id, at(0), 200);
            let route = format!("/route/{n:02}").into();
            (UsageKey { route, user_agent: format!("agent {n:02}").into(), ..it }, n + 1)
        })
        .collect();
    write(db, &more);
    let total: u64 = rows.iter().chain(&more).map(|(_, count)| count).sum();
    let all = summary(&tokenry, token.id, span(0, 90 * DAY));
    assert_eq!((all.total_count, all.routes.len(), all.addresses.len()), (total, 50, 50));
    assert_eq!((all.routes[1].route.as_str(), all.routes[49].route.as_str()), ("/route/69", "/route/21"));
    assert_eq!(all.hours.len(), 90 * 24 * 4, "by status class, because single statuses exceed 20000 rows");
    let mut classes: BTreeMap<u16, u64> = BTreeMap::new();
    for hour in &all.hours {
        *classes.entry(hour.status).or_default() += hour.count;
    }
    assert_eq!(classes.keys().copied().collect::<Vec<_>>(), [200, 300, 400, 500]);
    assert_eq!(classes[&500], 90 * 24 * 1003);
    let fewer = summary(&tokenry, token.id, span(DAY, 80 * DAY));
    assert_eq!(fewer.hours.len(), 79 * 24 * 10, "one row for each status");
});
