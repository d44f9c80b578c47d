//! Queries on sessions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use tokenry_domain::{Role, Session, SessionDigest, SessionId, SessionProof, User};
use tokenry_store::{StoreError, Tx, session, sign_in, token, user};
use tokenry_testkit::{TestDatabase, at, each_backend};

fn session(owner: &User, number: u8, proof: SessionProof) -> Session {
    Session {
        id: SessionId::new(at(number.into()), [number; 10]),
        user_id: owner.id,
        proof,
        max_role: None,
        created_at: at(number.into()),
        seen_at: at(number.into()),
        expires_at: at(1000),
        ip: None,
        user_agent: None,
    }
}

fn digest(number: u8) -> SessionDigest {
    SessionDigest::from_stored([number; 32])
}

fn write<T: Send + 'static>(
    db: &TestDatabase,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    db.store().write(work).unwrap()
}

fn insert(db: &TestDatabase, session: &Session, number: u8) -> Result<(), StoreError> {
    let row = session.clone();
    db.store().write(move |tx| session::insert(tx, &row, &digest(number)))
}

fn found(db: &TestDatabase, number: u8) -> Option<Session> {
    db.store().read(|tx| session::find(tx, &digest(number))).unwrap()
}

each_backend!(every_session_is_read_as_it_was_written, |db| {
    let alice = db.user("alice");
    let token = db.token(&alice).insert();
    let of_token =
        session(&alice, 1, SessionProof::Token { id: token.id, public_id: token.public_id.clone() });
    let of_jwt = Session {
        max_role: Some(Role::admin()),
        ip: Some("2001:db8::1".parse().unwrap()),
        user_agent: Some("Firefox".to_owned()),
        ..session(&alice, 2, SessionProof::Jwt)
    };
    let of_proxy = session(&alice, 3, SessionProof::Proxy);
    let of_provider = session(&alice, 4, SessionProof::Provider { id: "corp".to_owned() });
    for (number, session) in [(1, &of_token), (2, &of_jwt), (3, &of_proxy), (4, &of_provider)] {
        insert(db, session, number).unwrap();
        assert_eq!(found(db, number).as_ref(), Some(session));
    }
    assert_eq!(found(db, 6), None);
    assert_eq!(db.store().read(|tx| session::of_user(tx, alice.id)).unwrap().len(), 4);
    assert_eq!(
        db.store().read(|tx| session::of_token(tx, token.id)).unwrap(),
        std::slice::from_ref(&of_token)
    );
    assert_eq!(db.store().read(|tx| session::page(tx, Some(of_token.id), 1)).unwrap(), [of_jwt]);
    let again = session(&alice, 5, SessionProof::Jwt);
    assert!(matches!(insert(db, &again, 1), Err(StoreError::Conflict(_))), "a digest is unique");
});

each_backend!(a_session_is_deleted_once_and_an_older_use_changes_nothing, |db| {
    let alice = db.user("alice");
    let kept = session(&alice, 1, SessionProof::Jwt);
    insert(db, &kept, 1).unwrap();
    let id = kept.id;
    assert!(write(db, move |tx| session::mark_seen(tx, id, at(50))));
    assert!(!write(db, move |tx| session::mark_seen(tx, id, at(40))));
    assert_eq!(found(db, 1).unwrap().seen_at, at(50));
    let taken: Vec<_> = std::thread::scope(|scope| {
        let take = || db.store().write(move |tx| session::take(tx, &[id])).unwrap();
        let units: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        units.into_iter().flat_map(|unit| unit.join().unwrap()).collect()
    });
    assert_eq!(taken, [id]);
    assert_eq!(found(db, 1), None);
});

each_backend!(a_session_is_deleted_with_its_user, |db| {
    let (alice, bob) = (db.user("alice"), db.user("bob"));
    let token = db.token(&alice).insert();
    let proof = SessionProof::Token { id: token.id, public_id: token.public_id.clone() };
    insert(db, &session(&alice, 1, proof), 1).unwrap();
    insert(db, &session(&bob, 2, SessionProof::Jwt), 2).unwrap();
    let id = alice.id;
    assert!(write(db, move |tx| user::delete(tx, id)));
    assert_eq!((found(db, 1), found(db, 2).is_some()), (None, true));
    assert_eq!(db.store().read(|tx| token::find(tx, token.id)).unwrap(), None);
});

each_backend!(a_sign_in_is_used_once_until_it_is_forgotten, |db| {
    let mark =
        |number: u8, millis| db.store().write(move |tx| sign_in::mark_used(tx, &[number; 32], at(millis)));
    mark(1, 10).unwrap();
    assert!(matches!(mark(1, 20), Err(StoreError::Conflict(_))));
    mark(2, 20).unwrap();
    let has_used = |before| db.store().read(|tx| sign_in::has_used(tx, at(before))).unwrap();
    assert!(!has_used(10) && has_used(11));
    assert_eq!(write(db, |tx| sign_in::forget_used(tx, at(20))), 1);
    assert!(matches!(mark(2, 30), Err(StoreError::Conflict(_))));
    mark(1, 30).unwrap();
});
