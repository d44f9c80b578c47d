//! The numbers that the database keeps: the same as a count, at every moment.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokenry_domain::{Actor, PageSize, Policy, Revocation, SecretHash, Sort, TokenFilter, TokenId, UserId};
use tokenry_store::{Store, StoreError, Tx, cleanup, token, user};
use tokenry_testkit::{at, each_backend};

/// What a list says of itself without other conditions, and what a count finds, in one snapshot. Every name contains the
/// empty text, so a search for it is counted and finds everything.
fn totals(store: &Store, user_id: Option<UserId>) -> (u64, u64) {
    let total = |tx: &mut Tx<'_>, search: Option<String>| {
        let filter = TokenFilter { user_id, search, ..TokenFilter::default() };
        let (size, cutoffs) = (PageSize::new(1).unwrap(), Policy::default().cutoffs(at(0)));
        token::list(tx, &filter, Sort::default(), size, None, &cutoffs).map(|page| page.total)
    };
    store.read(|tx| Ok::<_, StoreError>((total(tx, None)?, total(tx, Some(String::new()))?))).unwrap()
}

/// Somebody who is at work until this is dropped, also by a panic: the others must not wait for them for ever.
struct AtWork<'a>(&'a AtomicUsize);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Removes what was revoked before `at(100)`, in small units.
fn purge(store: &Store) -> usize {
    let (mut purged, mut before) = (0, None);
    let cutoffs = Policy::default().cutoffs(at(100));
    while let Some(span) = store.read(|tx| cleanup::next_range(tx, before)).unwrap() {
        for ids in store.read(|tx| cleanup::find_dead(tx, &cutoffs, at(100), span)).unwrap().chunks(7) {
            let ids = ids.to_vec();
            purged += store.write(move |tx| cleanup::purge_tokens(tx, (&cutoffs, at(100)), &ids)).unwrap();
        }
        before = Some(span);
    }
    purged
}

each_backend!(totals_agree_with_a_count_while_everything_changes_at_once, |db| {
    const ROUNDS: usize = 60;
    let owners: Vec<_> = (0..4).map(|n| db.user(&format!("user {n}"))).collect();
    // Each maker makes tokens of all owners in turn; half of them are dead from the beginning.
    let makers: Vec<Vec<_>> = (0..3)
        .map(|_| {
            let revoked = Some(Revocation { at: at(0), by: Actor::System, reason: None });
            (0..ROUNDS)
                .map(|n| {
                    db.token(&owners[n % 4])
                        .with(|t| t.revoked = revoked.clone().filter(|_| n % 8 < 4))
                        .build()
                })
                .collect()
        })
        .collect();
    let (stores, running) = ([db.second_store(), db.second_store()], AtomicUsize::new(makers.len()));
    let gone = owners[3].id;
    let mut purged = 0;
    std::thread::scope(|scope| {
        for (n, tokens) in makers.into_iter().enumerate() {
            let (store, running) = (&stores[n % 2], &running);
            scope.spawn(move || {
                let _at_work = AtWork(running);
                for (round, token) in tokens.into_iter().enumerate() {
                    let (id, revoke) = (token.id, round % 3 == 0);
                    store
                        .write(move |tx| {
                            let secret = SecretHash::from_stored("$none$".to_owned()).into();
                            match user::lock(tx, token.user_id)? {
                                Some(_) => token::insert(tx, &token, &secret),
                                None => Ok(()),
                            }
                        })
                        .unwrap();
                    if revoke {
                        let revocation = Revocation { at: at(0), by: Actor::System, reason: None };
                        store.write(move |tx| token::mark_revoked(tx, id, &revocation)).unwrap();
                    }
                    if n == 0 && round == ROUNDS / 2 {
                        assert!(store.write(move |tx| user::delete(tx, gone)).unwrap());
                    }
                }
            });
        }
        let cleaners = stores.each_ref().map(|store| {
            let running = &running;
            scope.spawn(move || {
                let mut purged = 0;
                while running.load(Ordering::SeqCst) > 0 {
                    purged += purge(store);
                }
                purged
            })
        });
        while running.load(Ordering::SeqCst) > 0 {
            for owner in owners.iter().map(|owner| Some(owner.id)).chain([None]) {
                let (kept, counted) = totals(db.store(), owner);
                assert_eq!(kept, counted, "{owner:?}");
            }
        }
        purged = cleaners.into_iter().map(|cleaner| cleaner.join().unwrap()).sum();
    });
    purged += purge(db.store());
    assert!(purged > 0, "nothing was removed");
    let (kept, counted) = totals(db.store(), None);
    assert_eq!(kept, counted);
    assert!(kept > 0, "nothing was left");
    assert_eq!(totals(db.store(), Some(gone)), (0, 0));
});

each_backend!(totals_survive_their_migration, |db| {
    let (alice, bob) = (db.user("alice"), db.user("bob"));
    let tokens = [&alice, &alice, &alice, &bob, &bob].map(|owner| db.token(owner).insert());
    let newest = "2026-11-21-210000_count_tokens";
    while db.store().revert_migration().unwrap().is_some_and(|name| name != newest) {}
    // By SQL, since this program writes to its own schema alone.
    let [.., last] = &tokens;
    db.execute(&format!("DELETE FROM personal_access_tokens WHERE lookup = '{}'", last.public_id));
    db.store().migrate().unwrap();
    let kept = [Some(alice.id), Some(bob.id), None].map(|owner| totals(db.store(), owner).0);
    assert_eq!(kept, [3, 1, 4]);
});

each_backend!(a_walk_meets_every_expired_token_and_each_is_told_once, |db| {
    // More than one span of 10,000.
    const ROWS: usize = 20_500;
    let owner = db.user("alice");
    let rows: Vec<_> = (0..ROWS)
        .map(|n| token::Import {
            token: db
                .token(&owner)
                .with(|token| token.expires_at = Some(at(10)).filter(|_| n % 41 == 0))
                .build(),
            secret: SecretHash::from_stored("$none$".to_owned()).into(),
        })
        .collect();
    let expired: BTreeSet<TokenId> =
        rows.iter().filter(|row| row.token.expires_at.is_some()).map(|row| row.token.id).collect();
    db.store().write(move |tx| token::insert_many(tx, &rows)).unwrap();
    let cutoffs = Policy::default().cutoffs(at(20));
    let tell = || {
        let (mut told, mut before, mut spans) = (Vec::new(), None, 0);
        while let Some(span) = db.store().read(|tx| cleanup::next_range(tx, before)).unwrap() {
            let found = db.store().read(|tx| cleanup::find_expired(tx, &cutoffs, span)).unwrap();
            // Somebody who searched at the same moment finds the same and tells of none of it.
            for _ in 0..2 {
                let (found, cutoffs) = (found.clone(), cutoffs);
                told.extend(db.store().write(move |tx| cleanup::take_expired(tx, &cutoffs, &found)).unwrap());
            }
            (before, spans) = (Some(span), spans + 1);
        }
        assert_eq!(spans, 3);
        told
    };
    let told = tell();
    assert_eq!(told.len(), expired.len(), "each once");
    assert_eq!(told.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>(), expired);
    assert!(told.iter().all(|(_, user)| *user == owner.id));
    assert!(tell().is_empty());
});
