//! The activation of all tokens of a run by one change.

use tokenry_service::{
    Activation, Lifetime, Rejection, Rotation, Scheme, Status, TokenChanges, TokenFilter, Tokenry,
};
use tokenry_store::import;
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{
    common::{at, operator, verify},
    interrupt, of, plan, rejection, rows, run, staged,
    systems::systems,
    with_key,
};

/// Rows that one transaction stores.
const STORED: usize = 500;

/// Stores the first rows of an import, and finishes its run without anything else, as a process that is killed then.
fn store_and_finish(tokenry: &Tokenry, db: &TestDatabase) {
    let system = &systems()[1];
    interrupt(tokenry, &of("notebook", system.shape), rows(system, 0..STORED));
    let run = db.store().read(|tx| import::unfinished(tx, "notebook")).unwrap().unwrap();
    assert!(db.store().write(move |tx| import::finish(tx, &run, at(12))).unwrap());
}

/// How many tokens of imports have a column `inactive_at` that is to be cleared.
fn uncleared(db: &TestDatabase) -> usize {
    // Counts them: the value stays the same.
    db.execute(
        "UPDATE personal_access_tokens SET inactive_at = inactive_at WHERE version = 1 AND inactive_at IS NOT NULL",
    )
}

fn with_status(tokenry: &Tokenry, status: Status) -> u64 {
    let filter = TokenFilter::default().with_status(Some(status));
    tokenry.list_tokens(&operator(20), filter, Default::default()).unwrap().total
}

each_backend!(a_finished_run_activates_all_its_tokens_before_any_of_them_is_changed, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    store_and_finish(&tokenry, db);
    let system = &systems()[1];
    assert_eq!(uncleared(db), STORED);
    for tokenry in [&tokenry, &with_key(db, Scheme::Bcrypt, false)] {
        assert_eq!((with_status(tokenry, Status::Active), with_status(tokenry, Status::Inactive)), (500, 0));
    }
    let other = with_key(db, Scheme::Bcrypt, false);
    for number in 0..STORED {
        let verified = verify(&other, &(system.token)(number), 20).unwrap();
        assert_eq!(verified.token().inactive_at, None);
    }
    // The same rows, and the cleanup, complete what was interrupted.
    other.cleanup(&operator(30)).unwrap();
    assert_eq!(uncleared(db), 0);
    assert!(db.store().read(import::unapplied).unwrap().is_empty());
    assert!((0..STORED).all(|number| verify(&other, &(system.token)(number), 40).is_ok()));
});

each_backend!(a_token_that_is_changed_before_its_column_is_cleared_keeps_the_change, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    store_and_finish(&tokenry, db);
    let system = &systems()[1];
    let row = |number: usize| (system.row)(number, &(system.token)(number), true);
    let [paused, revoked, renamed, rotated] = [0, 1, 2, 3].map(|number| staged(&tokenry, &row(number)));
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let pause = TokenChanges::default().with_switch(Activation::Inactive);
    tokenry.update_token(&operator(13), paused, pause).unwrap();
    tokenry.revoke_token(&operator(13), revoked, None).unwrap();
    tokenry
        .update_token(&operator(13), renamed, TokenChanges::default().with_name("other".to_owned()))
        .unwrap();
    let grace = Rotation::default().with_grace(Lifetime::seconds(60));
    let new = tokenry.rotate_token(&operator(13), rotated, grace).unwrap().secret.reveal_once();
    for _ in 0..2 {
        assert!(matches!(rejection(&tokenry, &(system.token)(0)), Rejection::Inactive));
        assert!(matches!(rejection(&tokenry, &(system.token)(1)), Rejection::Revoked));
        assert!(verify(&tokenry, &(system.token)(2), 20).is_ok());
        assert!(verify(&tokenry, &new, 20).is_ok());
        assert!(verify(&tokenry, &(system.token)(3), 20).unwrap().is_retired());
        assert!(verify(&tokenry, &(system.token)(4), 20).is_ok());
        // The second turn is after the columns were cleared.
        tokenry.cleanup(&operator(21)).unwrap();
        assert_eq!(uncleared(db), 0);
    }
});

// The pause reads the token as inactive, and then asks this.
each_backend!(a_pause_that_began_before_the_end_of_the_import_is_not_lost, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    store_and_finish(&tokenry, db);
    let system = &systems()[1];
    let id = staged(&tokenry, &(system.row)(0, &(system.token)(0), true));
    assert!(db.store().write(move |tx| import::is_staged(tx, id)).unwrap());
    tokenry.cleanup(&operator(13)).unwrap();
    assert!(!db.store().write(move |tx| import::is_staged(tx, id)).unwrap());
    assert_eq!(uncleared(db), 0);
});

each_backend!(a_run_that_is_being_discarded_is_neither_continued_nor_finished, |db| {
    let tokenry = with_key(db, Scheme::Bcrypt, false);
    let system = &systems()[1];
    let settings = of("notebook", system.shape);
    let all = || rows(system, 0..STORED);
    interrupt(&tokenry, &settings, all());
    let old = db.store().read(|tx| import::unfinished(tx, "notebook")).unwrap().unwrap();
    assert!(db.store().write(move |tx| import::begin_discard(tx, old.id)).unwrap());
    assert!(!db.store().write(move |tx| import::lock_unfinished(tx, &old)).unwrap());
    assert!(!db.store().write(move |tx| import::finish(tx, &old, at(12))).unwrap());
    let other = with_key(db, Scheme::Bcrypt, false);
    assert!(matches!(rejection(&other, &(system.token)(0)), Rejection::Inactive));
    // The process that began to discard it was killed: the same rows are imported anew.
    assert_eq!(plan(&tokenry, &settings, all()).tokens(), STORED as u64);
    assert_eq!(run(&tokenry, &settings, all()).imported, STORED as u64);
    assert!(verify(&tokenry, &(system.token)(0), 20).is_ok());
    assert!(db.store().read(|tx| import::unfinished(tx, "notebook")).unwrap().is_none());
});
