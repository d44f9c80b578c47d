//! The journal of a node: what was taken away and lost is in force again also after the node was restarted in between.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;
mod lost;

use std::{fs, path::Path};

use common::{at, issue, operator, service_on, until, user};
use lost::{assert_chain_is_intact, lose, reapplied, rejection, save};
use tokenry_service::{CheckState, JournalState, Limits, OpenError, Policy, Rejection, StoreError, Tokenry};
use tokenry_testkit::TestDatabase;

fn open(db: &TestDatabase, journal: &Path) -> Result<Tokenry, OpenError> {
    let settings = common::settings(Policy::default().with_limits(Limits::unlimited()));
    Tokenry::new(db.second_store(), settings.with_journal(journal.to_owned()))
}

fn state(node: &Tokenry) -> JournalState {
    node.store().losses().journal
}

/// A database that has lost the revocation of this token, of which only the journal knows: its node has ended.
fn lost_revocation(db: &TestDatabase, journal: &Path) -> String {
    let node = open(db, journal).unwrap();
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &[]);
    let (other, _) = issue(&node, &alice, &[]);
    assert_eq!(rejection(&node, &text), None);
    node.revoke_token(&operator(10), other.id, None).unwrap();
    save(db, "saved");
    node.revoke_token(&operator(10), token.id, None).unwrap();
    drop(node);
    until("its row is removed", || db.texts("SELECT count(*) FROM nodes") == ["0"]);
    lose(db, "saved");
    assert_eq!(db.texts("SELECT count(*) FROM personal_access_tokens WHERE revoked_at IS NULL"), ["1"]);
    text
}

#[test]
fn a_node_that_was_restarted_between_a_loss_and_its_repair_knows_what_was_lost() {
    let Some(db) = TestDatabase::postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let text = lost_revocation(&db, &path);
    let content = fs::read_to_string(&path).unwrap();
    assert!(content.contains("auth.token.revoked") && !content.contains(&text[21..]), "no secret");
    // A crash leaves a part of a line.
    fs::write(&path, format!("{content}{{\"seq\":9")).unwrap();
    let nodes = [open(&db, &path).unwrap(), open(&db, &folder.path().join("other")).unwrap()];
    assert_eq!(rejection(&nodes[0], &text), Some(Rejection::Revoked));
    assert_eq!(rejection(&nodes[1], &text), Some(Rejection::Revoked));
    assert_eq!(reapplied(&db), [("auth.token.revoked".to_owned(), 1)].into());
    assert_chain_is_intact(&nodes[0]);
    // What is repaired is not repaired again by the next process.
    drop(nodes);
    let node = open(&db, &path).unwrap();
    assert_eq!(rejection(&node, &text), Some(Rejection::Revoked));
    assert_eq!(node.store().losses().losses, 0);
    assert_eq!(reapplied(&db), [("auth.token.revoked".to_owned(), 1)].into());
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_a_journal() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(db) = TestDatabase::postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let node = open(&db, &path).unwrap();
    until("it is written", || path.exists() && state(&node) == JournalState::Written);
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn a_file_that_is_damaged_or_no_journal_is_refused() {
    let Some(db) = TestDatabase::postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    lost_revocation(&db, &path);
    let content = fs::read_to_string(&path).unwrap();
    for damaged in
        [content.replacen("\"hash\":\"", "\"hash\":\"x", 1), "[settings]\nno = \"journal\"\n".to_owned()]
    {
        fs::write(&path, &damaged).unwrap();
        let refused = open(&db, &path).map(drop).unwrap_err();
        let OpenError::Store(StoreError::Unusable(why)) = refused else { panic!("{refused}") };
        assert!(why.contains(path.to_str().unwrap()) && why.contains("move this one away"), "{why}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged, "it is left alone");
    }
}

#[test]
fn a_journal_that_cannot_be_written_is_a_warning_and_stops_nothing() {
    let Some(db) = TestDatabase::postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let node = open(&db, &folder.path().join("missing/journal")).unwrap();
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &[]);
    assert_eq!(rejection(&node, &text), None);
    until("it fails", || state(&node) == JournalState::Failed);
    let readiness = futures_executor::block_on(node.readiness(at(20)));
    let history = readiness.checks.iter().find(|check| check.name == "history").unwrap();
    assert_eq!((readiness.is_ready, history.state), (true, CheckState::Warning));
    assert!(history.detail.as_ref().unwrap().contains("the journal cannot be written"));
    node.revoke_token(&operator(10), token.id, None).unwrap();
    assert_eq!(rejection(&node, &text), Some(Rejection::Revoked));
    // With the folder there is everything that the node remembers.
    fs::create_dir(folder.path().join("missing")).unwrap();
    until("it is written", || state(&node) == JournalState::Written);
    let content = fs::read_to_string(folder.path().join("missing/journal")).unwrap();
    assert!(content.contains("auth.token.revoked"), "{content}");
}

#[test]
fn of_two_processes_with_one_journal_the_second_waits_for_the_first() {
    let Some(db) = TestDatabase::postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let first = open(&db, &path).unwrap();
    until("it is written", || path.exists());
    let second = open(&db, &path).unwrap();
    until("it waits", || state(&second) == JournalState::Locked);
    let alice = user(&first, "alice", "user");
    let (token, text) = issue(&first, &alice, &[]);
    assert_eq!(rejection(&second, &text), None);
    first.revoke_token(&operator(10), token.id, None).unwrap();
    drop(first);
    until("it goes on", || state(&second) == JournalState::Written);
    assert!(fs::read_to_string(&path).unwrap().contains("auth.token.revoked"));
    drop(service_on(db.second_store()));
}
