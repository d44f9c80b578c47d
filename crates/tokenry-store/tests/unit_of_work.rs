//! The guarantees of a unit of work on both databases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use tokenry_store::{StoreError, Tx, user};
use tokenry_testkit::{each_backend, user as new_user};

fn insert(tx: &mut Tx<'_>, subject: &str) -> Result<(), StoreError> {
    user::insert(tx, &new_user(subject))
}

fn subjects(db: &tokenry_testkit::TestDatabase) -> Vec<String> {
    let (mut users, _) = db.store().read(|tx| user::list(tx, None, None, 200)).unwrap();
    users.sort_by(|a, b| a.subject.cmp(&b.subject));
    users.iter().map(|user| user.subject.to_string()).collect()
}

each_backend!(a_failed_unit_is_rolled_back, |db| {
    let failed: Result<(), StoreError> = db.store().write(|tx| {
        insert(tx, "rolled back")?;
        Err(StoreError::Bug("an error after the insert".to_owned()))
    });
    assert!(matches!(failed, Err(StoreError::Bug(_))));
    assert!(subjects(db).is_empty());
});

each_backend!(a_panic_is_rolled_back_and_the_next_unit_works, |db| {
    let panicked: Result<(), StoreError> = db.store().write(|tx| {
        insert(tx, "rolled back")?;
        panic!("a defect in a unit of work");
    });
    assert!(matches!(panicked, Err(StoreError::Bug(_))));
    db.store().write(|tx| insert(tx, "committed")).unwrap();
    assert_eq!(subjects(db), ["committed"]);
});

each_backend!(a_conflict_fails_one_unit_and_not_its_neighbours, |db| {
    db.store().write(|tx| insert(tx, "taken")).unwrap();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let units: Vec<_> = (0..40)
            .map(|n| {
                let subject = if n % 2 == 0 { "taken".to_owned() } else { format!("free {n:02}") };
                scope.spawn(move || db.store().write(move |tx| insert(tx, &subject)))
            })
            .collect();
        units.into_iter().map(|unit| unit.join().unwrap()).collect()
    });
    for (n, outcome) in outcomes.iter().enumerate() {
        match n % 2 {
            0 => assert!(matches!(outcome, Err(StoreError::Conflict(_))), "{outcome:?}"),
            _ => assert!(outcome.is_ok(), "{outcome:?}"),
        }
    }
    assert_eq!(subjects(db).len(), 21);
});

each_backend!(check_then_act_under_the_lock_of_the_owner_is_exact, |db| {
    let owner = db.user("alice").id;
    let created = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..60)
            .map(|n| {
                scope.spawn(move || {
                    db.store().write(move |tx| {
                        user::lock(tx, owner)?;
                        if user::list(tx, None, None, 200)?.0.len() > 10 {
                            return Err(StoreError::Conflict("limit".to_owned()));
                        }
                        insert(tx, &format!("user {n}"))
                    })
                })
            })
            .collect();
        tries.into_iter().map(|t| t.join().unwrap()).filter(Result::is_ok).count()
    });
    assert_eq!(created, 10);
});

each_backend!(an_acknowledged_change_is_visible_to_another_process, |db| {
    let second = db.second_store();
    db.store().write(|tx| insert(tx, "alice")).unwrap();
    assert_eq!(second.read(|tx| user::list(tx, None, None, 10)).unwrap().0.len(), 1);
    second.write(|tx| insert(tx, "bob")).unwrap();
    assert_eq!(subjects(db), ["alice", "bob"]);
});

each_backend!(a_reading_unit_cannot_write, |db| {
    let result = db.store().read(|tx| insert(tx, "alice"));
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    assert!(subjects(db).is_empty());
});

each_backend!(two_stores_writing_at_once_lose_nothing, |db| {
    let second = db.second_store();
    std::thread::scope(|scope| {
        for (name, store) in [("first", db.store()), ("second", &second)] {
            scope.spawn(move || {
                for n in 0..50 {
                    let subject = format!("{name} {n:02}");
                    store.write(move |tx| insert(tx, &subject)).unwrap();
                }
            });
        }
    });
    assert_eq!(subjects(db).len(), 100);
});
