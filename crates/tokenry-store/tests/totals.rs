//! The stored totals always equal a count.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokenry_domain::{Actor, PageSize, Policy, Revocation, SecretHash, Sort, TokenFilter, TokenId, UserId};
use tokenry_store::{Store, StoreError, Tx, cleanup, token, user};
use tokenry_testkit::{at, each_backend};

/// The stored and the counted total in one snapshot. Every name contains the empty text, so a search for it counts all
/// tokens.
fn totals(store: &Store, user_id: Option<UserId>) -> (u64, u64) {
    let total = |tx: &mut Tx<'_>, search: Option<String>| {
        let filter = TokenFilter::default().with_user_id(user_id).with_search(search);
        let (size, cutoffs) = (PageSize::new(1).unwrap(), Policy::default().cutoffs(at(0)));
        token::list(tx, &filter, Sort::default(), size, None, &cutoffs).map(|page| page.total)
    };
    store.read(|tx| Ok::<_, StoreError>((total(tx, None)?, total(tx, Some(String::new()))?))).unwrap()
}

/// Decrements the number of running threads when dropped, even by a panic, so that the other threads end.
struct RunningGuard<'a>(&'a AtomicUsize);

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Deletes tokens that were revoked before `at(100)`, in small units.
fn purge(store: &Store) -> usize {
    let (mut purged, mut before) = (0, None);
    let cutoffs = Policy::default().cutoffs(at(100));
    while let Some(range) = store.read(|tx| cleanup::next_range(tx, before)).unwrap() {
        for ids in store.read(|tx| cleanup::find_dead(tx, &cutoffs, at(100), range)).unwrap().chunks(7) {
            let ids = ids.to_vec();
            purged += store.write(move |tx| cleanup::purge_tokens(tx, (&cutoffs, at(100)), &ids)).unwrap();
        }
        before = Some(range);
    }
    purged
}

each_backend!(stored_totals_equal_a_count_during_concurrent_changes, |db| {
    const ROUNDS: usize = 60;
    let owners: Vec<_> = (0..4).map(|n| db.user(&format!("user {n}"))).collect();
    // Each thread inserts tokens of all owners in turn; half of them are already revoked.
    let inserters: Vec<Vec<_>> = (0..3)
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
    let (stores, running) = ([db.second_store(), db.second_store()], AtomicUsize::new(inserters.len()));
    let deleted = owners[3].id;
    let mut purged = 0;
    std::thread::scope(|scope| {
        for (n, tokens) in inserters.into_iter().enumerate() {
            let (store, running) = (&stores[n % 2], &running);
            scope.spawn(move || {
                let _guard = RunningGuard(running);
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
                        assert!(store.write(move |tx| user::delete(tx, deleted)).unwrap());
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
                let (stored, counted) = totals(db.store(), owner);
                assert_eq!(stored, counted, "{owner:?}");
            }
        }
        purged = cleaners.into_iter().map(|cleaner| cleaner.join().unwrap()).sum();
    });
    purged += purge(db.store());
    assert!(purged > 0, "no token was deleted");
    let (stored, counted) = totals(db.store(), None);
    assert_eq!(stored, counted);
    assert!(stored > 0, "no token is left");
    assert_eq!(totals(db.store(), Some(deleted)), (0, 0));
});

each_backend!(stored_totals_are_correct_after_their_migration, |db| {
    let (alice, bob) = (db.user("alice"), db.user("bob"));
    let tokens = [&alice, &alice, &alice, &bob, &bob].map(|owner| db.token(owner).insert());
    let newest = "2026-11-21-210000_count_tokens";
    while db.store().revert_migration().unwrap().is_some_and(|name| name != newest) {}
    // By SQL, since the store only writes to the newest schema.
    let [.., last] = &tokens;
    db.execute(&format!("DELETE FROM personal_access_tokens WHERE lookup = '{}'", last.public_id));
    db.store().migrate().unwrap();
    let stored = [Some(alice.id), Some(bob.id), None].map(|owner| totals(db.store(), owner).0);
    assert_eq!(stored, [3, 1, 4]);
});

each_backend!(a_scan_finds_every_expired_token_and_reports_each_once, |db| {
    // More than two ranges of 10,000.
    const ROWS: usize = 20_500;
    let owner = db.user("alice");
    let rows: Vec<_> = (0..ROWS)
        .map(|n| token::ImportedToken {
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
    let scan = || {
        let (mut reported, mut before, mut ranges) = (Vec::new(), None, 0);
        while let Some(range) = db.store().read(|tx| cleanup::next_range(tx, before)).unwrap() {
            let found = db.store().read(|tx| cleanup::find_expired(tx, &cutoffs, range)).unwrap();
            // The second call stands for a concurrent cleanup, which finds the same tokens and reports none.
            for _ in 0..2 {
                let (found, cutoffs) = (found.clone(), cutoffs);
                let taken = db.store().write(move |tx| cleanup::record_expiry(tx, &cutoffs, &found));
                reported.extend(taken.unwrap());
            }
            (before, ranges) = (Some(range), ranges + 1);
        }
        assert_eq!(ranges, 3);
        reported
    };
    let reported = scan();
    assert_eq!(reported.len(), expired.len(), "each once");
    assert_eq!(reported.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>(), expired);
    assert!(reported.iter().all(|(_, user)| *user == owner.id));
    assert!(scan().is_empty());
});
