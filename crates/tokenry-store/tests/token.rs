//! Queries on tokens, with the same results on both databases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;

use futures_executor::block_on;
use tokenry_domain::{
    Actor, Description, ExpiryCutoffs, Lifetime, Metadata, PageSize, PageStart, Policy, Reason, Revocation,
    Risk, ScopeSet, SecretHash, SecretProof, Sort, Status, Token, TokenFilter, TokenId, TokenName,
    UnixMillis, query::Position,
};
use tokenry_store::{StoreError, cleanup, token};
use tokenry_testkit::{TestDatabase, at, each_backend};

fn find(db: &TestDatabase, token: &Token) -> Token {
    let id = token.id;
    db.store().read(|tx| token::find(tx, id)).unwrap().unwrap()
}

fn page(
    db: &TestDatabase,
    filter: &TokenFilter,
    sort: &str,
    size: u16,
    after: Option<&Position>,
) -> tokenry_domain::Page<Token> {
    let sort: Sort = sort.parse().unwrap();
    let cutoffs = Policy::default().cutoffs(at(1000));
    let start = after.cloned().map(PageStart::After);
    db.store()
        .read(|tx| token::list(tx, filter, sort, PageSize::new(size).unwrap(), start.as_ref(), &cutoffs))
        .unwrap()
}

fn names(db: &TestDatabase, filter: &TokenFilter) -> BTreeSet<String> {
    page(db, filter, "name", 200, None).items.iter().map(|token| token.name.to_string()).collect()
}

each_backend!(every_attribute_is_read_as_it_was_written, |db| {
    let owner = db.user("alice");
    let token = db
        .token(&owner)
        .with(|token| {
            token.description = Some(Description::parse("two\nlines — ünïcode").unwrap());
            token.scopes = ScopeSet::parse(&["*", "a:read"]).unwrap();
            token.inactive_at = Some(at(1));
            token.not_before = Some(at(-5));
            token.expires_at = Some(UnixMillis::MAX);
            token.last_used_at = Some(UnixMillis::MIN);
            token.last_used_ip = Some("2001:db8::1".parse().unwrap());
            token.allowed_ips = tokenry_domain::IpList::parse(&["10.0.0.0/8", "::1"]).unwrap();
            let metadata = r#"{"z":[1,2.5,null],"a":{"b":"\u00e9"}}"#;
            let serde_json::Value::Object(metadata) = serde_json::from_str(metadata).unwrap() else {
                panic!()
            };
            token.metadata = Metadata::parse(metadata).unwrap();
            token.revoked = Some(Revocation {
                at: at(9),
                by: Actor::Operator,
                reason: Some(Reason::parse("lost").unwrap()),
            });
        })
        .insert();
    assert_eq!(find(db, &token), token);
    let public_id = token.public_id.clone();
    let credential = block_on(db.store().credential(&public_id)).unwrap().unwrap();
    assert_eq!(credential.token, token);
    assert_eq!(credential.owner, owner);
    assert_eq!(credential.secret.hash.as_str(), "$none$");
    assert!(credential.secret.proof.is_none() && credential.secret.check.is_none());
});

each_backend!(a_public_id_is_unique, |db| {
    let owner = db.user("alice");
    let token = db.token(&owner).insert();
    let mut double = db.token(&owner).insert();
    double.id = tokenry_domain::TokenId::new(at(5), [9; 10]);
    double.public_id = token.public_id;
    let result = db
        .store()
        .write(move |tx| token::insert(tx, &double, &SecretHash::from_stored(String::new()).into()));
    assert!(matches!(result, Err(StoreError::Conflict(_))));
});

each_backend!(a_bulk_insert_stores_all_tokens_or_none, |db| {
    let owner = db.user("alice");
    let import = |token: Token| token::ImportedToken {
        token,
        secret: SecretHash::from_stored("$none$".to_owned()).into(),
    };
    let noted = |token: &mut Token| token.expiry_noted_at = Some(at(5));
    let tokens: Vec<_> = (0..1500).map(|_| db.token(&owner).with(noted).build()).collect();
    let rows: Vec<_> = tokens.iter().cloned().map(import).collect();
    let duplicates = [rows.clone(), rows.iter().take(1).cloned().collect()].concat();
    let result = db.store().write(move |tx| token::insert_many(tx, &duplicates));
    assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}");
    let [first, .., last] = tokens.as_slice() else { panic!("no tokens") };
    assert!(db.store().read(|tx| token::find(tx, first.id)).unwrap().is_none());
    db.store().write(move |tx| token::insert_many(tx, &rows)).unwrap();
    assert_eq!((&find(db, first), &find(db, last)), (first, last));
});

each_backend!(a_revoked_token_stays_revoked, |db| {
    let token = db.token(&db.user("alice")).insert();
    let revoke = |at, by| {
        db.store().write(move |tx| token::mark_revoked(tx, token.id, &Revocation { at, by, reason: None }))
    };
    assert!(revoke(at(10), Actor::Operator).unwrap());
    assert!(!revoke(at(20), Actor::System).unwrap());
    let mut stored = find(db, &token);
    assert_eq!(stored.revoked, Some(Revocation { at: at(10), by: Actor::Operator, reason: None }));
    assert_eq!(stored.version, 2);
    stored.version += 1;
    stored.name = TokenName::parse("renamed").unwrap();
    assert!(!db.store().write(move |tx| token::update(tx, &stored)).unwrap());
    assert!(
        !db.store()
            .write(move |tx| {
                let old = SecretHash::from_stored("$none$".to_owned());
                token::replace_hash(tx, token.id, &old, &old, Some(&SecretProof::new([0; 32])))
            })
            .unwrap()
    );
});

each_backend!(an_update_of_an_outdated_version_changes_nothing, |db| {
    let token = db.token(&db.user("alice")).insert();
    let rename = |name: &str, version| {
        let mut changed = find(db, &token);
        changed.name = TokenName::parse(name).unwrap();
        changed.version = version;
        db.store().write(move |tx| token::update(tx, &changed)).unwrap()
    };
    assert!(rename("first", 2));
    assert!(!rename("late", 2));
    assert_eq!(find(db, &token).name.as_str(), "first");
});

each_backend!(the_last_use_moves_only_forward, |db| {
    let token = db.token(&db.user("alice")).insert();
    for (when, ip) in [(at(50), "10.0.0.1"), (at(20), "10.0.0.2")] {
        let ip = Some(ip.parse().unwrap());
        db.store().write(move |tx| token::mark_used(tx, token.id, when, ip)).unwrap();
    }
    let stored = find(db, &token);
    assert_eq!(stored.last_used_at, Some(at(50)));
    assert_eq!(stored.last_used_ip, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(stored.version, 1);
});

each_backend!(live_tokens_are_those_neither_revoked_nor_expired, |db| {
    let owner = db.user("alice");
    db.token(&owner).insert();
    db.token(&owner).with(|token| token.inactive_at = Some(at(0))).insert();
    db.token(&owner).with(|token| token.expires_at = Some(at(1001))).insert();
    db.token(&owner).with(|token| token.expires_at = Some(at(1000))).insert();
    db.token(&owner)
        .with(|token| token.revoked = Some(Revocation { at: at(0), by: Actor::System, reason: None }))
        .insert();
    db.token(&db.user("bob")).insert();
    let cutoffs = Policy::default().cutoffs(at(1000));
    assert_eq!(db.store().read(|tx| token::count_live(tx, owner.id, &cutoffs)).unwrap(), 3);
});

each_backend!(creations_are_counted_in_a_sliding_window, |db| {
    let owner = db.user("alice");
    for made in [100, 200, 300, 400] {
        db.token(&owner)
            .with(|token| (token.created_at, token.created_by) = (at(made), Actor::Operator))
            .insert();
    }
    db.token(&owner).with(|token| token.created_at = at(350)).insert();
    let since =
        |since, limit| db.store().read(|tx| token::creations_since(tx, owner.id, at(since), limit)).unwrap();
    assert_eq!(since(100, 10), [at(200), at(300), at(400)]);
    assert_eq!(since(0, 2), [at(300), at(400)]);
});

/// Policies that cover every reason for an expiry.
fn policies() -> Vec<Policy> {
    let seconds = |seconds| Some(Lifetime::seconds(seconds));
    let endless = Policy::default().with_allow_never(true).with_max_lifetime(None);
    vec![
        Policy::default(),
        endless.clone(),
        endless.clone().with_allow_never(false).with_default_lifetime(seconds(1)),
        endless.clone().with_allow_never(false).with_default_lifetime(None),
        endless.clone().with_max_lifetime(seconds(1)),
        endless.with_idle_lifetime(seconds(1)),
    ]
}

each_backend!(filters_by_status_and_risk_agree_with_each_row_under_every_policy, |db| {
    let enabled = db.user("alice");
    let disabled = db.user("bob");
    let mut changed = disabled.clone();
    changed.disabled_at = Some(at(0));
    db.store()
        .write({
            let changed = changed.clone();
            move |tx| tokenry_store::user::update(tx, &changed)
        })
        .unwrap();
    let revocation = Revocation { at: at(0), by: Actor::System, reason: None };
    let mut number = 0;
    for revoked in [None, Some(revocation)] {
        for not_before in [None, Some(at(0)), Some(at(1000)), Some(at(1001))] {
            for expires_at in [None, Some(at(1000)), Some(at(1001))] {
                for last_used_at in [None, Some(at(0)), Some(at(1))] {
                    for secret_at in [at(0), at(1)] {
                        number += 1;
                        let owner = if number % 3 == 0 { &changed } else { &enabled };
                        let revoked = revoked.clone();
                        db.token(owner)
                            .with(|token| {
                                (token.revoked, token.not_before) = (revoked, not_before);
                                (token.expires_at, token.last_used_at) = (expires_at, last_used_at);
                                token.secret_at = secret_at;
                                // Also in the future, as after a clock was set back.
                                token.expiry_noted_at =
                                    [None, Some(at(1)), Some(at(1001)), Some(at(1002))][number / 5 % 4];
                                token.inactive_at = (number % 7 == 0).then_some(at(0));
                                token.scopes = ScopeSet::parse(&[["*", "a:read"][number % 2]]).unwrap();
                            })
                            .insert();
                    }
                }
            }
        }
    }
    let all = page(db, &TokenFilter::default(), "name", 200, None).items;
    assert_eq!(all.len(), number);
    // The second instant is late enough for unexpired tokens to be idle.
    for now in [at(1000), at(90 * 86_400_000)] {
        for policy in policies() {
            let cutoffs = policy.cutoffs(now);
            let listed = |filter: TokenFilter| -> BTreeSet<TokenId> {
                let size = PageSize::new(200).unwrap();
                let page =
                    db.store().read(|tx| token::list(tx, &filter, Sort::default(), size, None, &cutoffs));
                page.unwrap().items.into_iter().map(|token| token.id).collect()
            };
            for &status in Status::ALL {
                let expected =
                    all.iter().filter(|token| token.status(&cutoffs) == status).map(|token| token.id);
                let filter = TokenFilter::default().with_status(Some(status));
                assert_eq!(listed(filter), expected.collect(), "{status} {policy:?}");
            }
            let full_access = ScopeSet::parse(&["*", "full_access", "root"]).unwrap();
            for &risk in Risk::ALL {
                let owner = |token: &Token| if token.user_id == changed.id { &changed } else { &enabled };
                let has =
                    |token: &&Token| Risk::of(token, owner(token), &cutoffs, &full_access).contains(&risk);
                let expected = all.iter().filter(has).map(|token| token.id).collect();
                let filter =
                    TokenFilter::default().with_risk(Some(risk)).with_full_access(full_access.clone());
                assert_eq!(listed(filter), expected, "{risk} {policy:?}");
            }
            for cutoff in [at(1000), at(1002), now] {
                let dead = |token: &&Token| match &token.revoked {
                    Some(revoked) => revoked.at < cutoff,
                    None => cutoffs.expired_before(token, cutoff),
                };
                let expected: BTreeSet<_> = all.iter().filter(dead).map(|token| token.id).collect();
                let found = db.store().read(|tx| {
                    let range = cleanup::next_range(tx, None)?.unwrap();
                    cleanup::find_dead(tx, &cutoffs, cutoff, range)
                });
                assert_eq!(BTreeSet::from_iter(found.unwrap()), expected, "{cutoff} {policy:?}");
            }
            for user in [&enabled, &changed] {
                let live =
                    all.iter().filter(|token| token.user_id == user.id && token.is_live(&cutoffs)).count();
                let counted = db.store().read(|tx| token::count_live(tx, user.id, &cutoffs)).unwrap();
                assert_eq!(counted, live as u64, "{policy:?}");
            }
        }
    }
});

each_backend!(a_search_escapes_wildcards_and_ignores_the_case_of_ascii_only, |db| {
    let owner = db.user("alice");
    for name in ["100% sure", "100 sure", "snake_case", "snakeXcase", r"back\slash", "ÄRGER", "Deploy"] {
        db.token(&owner).with(|token| token.name = TokenName::parse(name).unwrap()).insert();
    }
    let odd = db.token(&owner).with(|token| token.suffix = "Zq9w".to_owned()).insert();
    let found = |text: &str| names(db, &TokenFilter::default().with_search(Some(text.to_owned())));
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(found("0%"), set(&["100% sure"]));
    assert_eq!(found("snake_"), set(&["snake_case"]));
    assert_eq!(found(r"k\s"), set(&[r"back\slash"]));
    assert_eq!(found("ärger"), set(&[]));
    assert_eq!(found("ÄrGER"), set(&["ÄRGER"]));
    assert_eq!(found("DEPLOY"), set(&["Deploy"]));
    assert_eq!(found(odd.public_id.as_str()), set(&[odd.name.as_str()]));
    assert_eq!(found("q9w"), set(&[odd.name.as_str()]));
    assert_eq!(found("' OR 1=1 --"), set(&[]));
});

each_backend!(filters_combine, |db| {
    let (alice, bob) = (db.user("alice"), db.user("bob"));
    let scopes = |texts: &[&str]| ScopeSet::parse(texts).unwrap();
    let name = |text: &str| TokenName::parse(text).unwrap();
    db.token(&alice).with(|t| (t.name, t.scopes) = (name("reader"), scopes(&["a:read"]))).insert();
    db.token(&alice)
        .with(|t| {
            (t.name, t.scopes, t.last_used_at) =
                (name("writer"), scopes(&["a:write", "b:read"]), Some(at(500)))
        })
        .insert();
    db.token(&bob).with(|t| (t.name, t.expires_at) = (name("ends"), Some(at(2000)))).insert();
    let filter = TokenFilter::default;
    assert_eq!(names(db, &filter()).len(), 3);
    assert_eq!(names(db, &filter().with_user_id(Some(bob.id))), BTreeSet::from(["ends".to_owned()]));
    let reads = filter().with_scope(Some("a:read".parse().unwrap()));
    assert_eq!(names(db, &reads), BTreeSet::from(["reader".to_owned()]));
    let unused = filter().with_unused_since(Some(at(500))).with_user_id(Some(alice.id));
    assert_eq!(names(db, &unused), BTreeSet::from(["reader".to_owned()]));
    let ending = filter().with_expires_before(Some(at(2001)));
    assert_eq!(names(db, &ending), BTreeSet::from(["ends".to_owned()]));
    assert!(names(db, &filter().with_expires_before(Some(at(2000)))).is_empty());
});

each_backend!(pages_in_every_order_contain_every_row_once, |db| {
    let owner = db.user("alice");
    for n in 0..23_i64 {
        db.token(&owner)
            .with(|token| {
                token.created_at = at(n / 4);
                token.name = TokenName::parse(format!("name {}", n % 5)).unwrap();
                token.expires_at = (n % 3 != 0).then(|| at(5000 + n % 4));
                token.last_used_at = (n % 2 != 0).then(|| at(n % 7));
            })
            .insert();
    }
    for key in ["created_at", "name", "expires_at", "last_used_at"] {
        let ascending = walk(db, key);
        let mut descending = walk(db, &format!("-{key}"));
        assert_eq!(ascending.iter().collect::<BTreeSet<_>>().len(), 23, "{key}");
        descending.reverse();
        assert_eq!(ascending, descending, "{key}");
    }
    let ends = page(db, &TokenFilter::default(), "expires_at", 200, None).items;
    assert!(ends.last().unwrap().expires_at.is_none() && ends[0].expires_at.is_some());
    let used = page(db, &TokenFilter::default(), "last_used_at", 200, None).items;
    assert!(used[0].last_used_at.is_none() && used.last().unwrap().last_used_at.is_some());
});

fn walk(db: &TestDatabase, sort: &str) -> Vec<tokenry_domain::TokenId> {
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = page(db, &TokenFilter::default(), sort, 4, after.as_ref());
        assert_eq!(page.total, 23);
        assert!(!page.items.is_empty() && page.items.len() <= 4);
        seen.extend(page.items.iter().map(|token| token.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return seen,
        }
    }
}

each_backend!(metadata_at_its_limit_is_read_whatever_number_format_the_database_uses, |db| {
    let owner = db.user("alice");
    let numbers = vec![serde_json::json!(1e16); 500];
    let object = serde_json::json!({ "a": numbers });
    let serde_json::Value::Object(object) = object else { panic!("an object") };
    let token = db.token(&owner).with(|token| token.metadata = Metadata::parse(object).unwrap()).insert();
    let stored = find(db, &token).metadata.to_value();
    assert_eq!(stored["a"][499].as_f64(), Some(1e16));
    assert_eq!(page(db, &TokenFilter::default(), "name", 10, None).total, 1);
});

each_backend!(a_recorded_expiry_holds_for_earlier_clocks_under_the_current_policy, |db| {
    let owner = db.user("alice");
    let ended = db.token(&owner).with(|token| token.expires_at = Some(at(1000))).insert();
    let idle = db.token(&owner).with(|token| token.expires_at = Some(at(5000))).insert();
    let strict = Policy::default().with_idle_lifetime(Some(Lifetime::seconds(1)));
    let note = |cutoffs: ExpiryCutoffs| {
        db.store().write(move |tx| cleanup::record_expiry(tx, &cutoffs, &[ended.id, idle.id])).unwrap().len()
    };
    assert_eq!((note(strict.cutoffs(at(2000))), note(strict.cutoffs(at(2000)))), (2, 0));
    for now in [at(0), at(999), at(1000), at(3000)] {
        for (policy, token, is_expired) in
            [(&strict, &ended, true), (&strict, &idle, true), (&Policy::default(), &idle, false)]
        {
            let cutoffs = policy.cutoffs(now);
            let status = if is_expired { Status::Expired } else { Status::Active };
            assert_eq!(find(db, token).status(&cutoffs), status, "{now}");
        }
        assert_eq!(find(db, &ended).status(&Policy::default().cutoffs(now)), Status::Expired);
    }
    // Its own expiry is recorded, but not reported a second time.
    assert_eq!(note(Policy::default().cutoffs(at(5000))), 0);
    assert_eq!(find(db, &idle).expiry_noted_at, Some(at(5000)));
    assert_eq!(find(db, &idle).status(&Policy::default().cutoffs(at(0))), Status::Expired);
});
