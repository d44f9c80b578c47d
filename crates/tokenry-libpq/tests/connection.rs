//! Statements, warnings and notifications on a real server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tokenry_libpq::{Connection, Error, Wake};
use tokenry_testkit::postgres_server;

/// Longer than any test waits unless it fails.
const LONG: Duration = Duration::from_secs(60);

assert_impl_all!(Connection: Send);
assert_not_impl_any!(Connection: Sync);
assert_impl_all!(Wake: Send, Sync);

fn connect(server: &str) -> Connection {
    Connection::open(server).unwrap()
}

fn texts(
    connection: &mut Connection,
    statement: &str,
    parameters: &[Option<&str>],
) -> Vec<Vec<Option<String>>> {
    connection.execute(statement, parameters).unwrap()
}

#[test]
fn parameters_and_rows_are_texts() {
    let Some(server) = postgres_server() else { return };
    let mut connection = connect(&server);
    let query = "SELECT n, CAST($1 AS text), CAST($2 AS text), '' FROM generate_series(1, 2) AS n";
    let rows = texts(&mut connection, query, &[Some("it's é \\ \"quoted\""), None]);
    let row = |n: &str| {
        vec![Some(n.to_owned()), Some("it's é \\ \"quoted\"".to_owned()), None, Some(String::new())]
    };
    assert_eq!(rows, [row("1"), row("2")]);
    assert!(texts(&mut connection, "SELECT 1 WHERE false", &[]).is_empty());
    let large = "x".repeat(3_000_000);
    assert_eq!(texts(&mut connection, "SELECT CAST($1 AS text)", &[Some(&large)]), [[Some(large.clone())]]);
}

#[test]
fn an_error_has_its_code_and_the_connection_goes_on() {
    let Some(server) = postgres_server() else { return };
    let mut connection = connect(&server);
    let error = connection.execute("SELECT 1 / 0", &[]).unwrap_err();
    assert_eq!((error.sqlstate(), error.to_string().as_str()), (Some("22012"), "division by zero"));
    let error = connection.execute_all("SELECT 1; SELECT * FROM missing; SELECT 2").unwrap_err();
    assert_eq!(error.sqlstate(), Some("42P01"));
    // The error of a deferred constraint comes with the commit, after the rows of the statement.
    connection
        .execute_all(
            "CREATE TEMP TABLE parts (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO parts VALUES (1)",
        )
        .unwrap();
    let error = connection.execute("INSERT INTO parts VALUES (1) RETURNING id", &[]).unwrap_err();
    assert_eq!(error.sqlstate(), Some("23505"));
    assert!(matches!(connection.execute("COPY parts TO STDOUT", &[]), Err(Error::Unsupported)));
    assert_eq!(texts(&mut connection, "SELECT id FROM parts", &[]), [[Some("1".to_owned())]]);
}

#[test]
fn a_zero_byte_is_rejected_and_a_text_that_is_not_utf_8_too() {
    let Some(server) = postgres_server() else { return };
    let mut connection = connect(&server);
    assert!(matches!(connection.execute("SELECT CAST($1 AS text)", &[Some("a\0b")]), Err(Error::Nul)));
    assert!(matches!(connection.execute("SELECT 'a\0b'", &[]), Err(Error::Nul)));
    assert!(matches!(connection.execute_all("SELECT 1\0"), Err(Error::Nul)));
    assert!(matches!(Connection::open("host=a\0b"), Err(Error::Nul)));
    connection.execute_all("SET client_encoding = LATIN1").unwrap();
    assert!(matches!(connection.execute("SELECT chr(233)", &[]), Err(Error::NotUtf8)));
}

#[test]
fn a_server_that_cannot_be_reached_is_an_error() {
    let error = Connection::open("host=127.0.0.1 port=1 dbname=none connect_timeout=2").err().unwrap();
    assert!(error.sqlstate().is_none() && error.to_string().contains("127.0.0.1"), "{error}");
    assert!(Connection::open("no_such_keyword=1").is_err());
}

#[test]
fn warnings_are_kept_until_they_are_taken_and_notices_are_not() {
    let Some(server) = postgres_server() else { return };
    let mut connection = connect(&server);
    connection.execute_all("DO $$ BEGIN RAISE NOTICE 'n'; RAISE INFO 'i'; RAISE LOG 'l'; END $$").unwrap();
    assert!(connection.take_warnings().is_empty());
    connection.execute("DO $$ BEGIN RAISE WARNING 'x'; END $$", &[]).unwrap();
    // The connection may move to another thread, and its warnings with it.
    let mut connection = std::thread::spawn(move || {
        connection.execute_all("DO $$ BEGIN RAISE WARNING 'y' USING ERRCODE = '01007'; END $$").unwrap();
        connection
    })
    .join()
    .unwrap();
    let warnings = connection.take_warnings();
    let found: Vec<_> =
        warnings.iter().map(|warning| (warning.sqlstate.as_deref(), warning.message.as_str())).collect();
    assert_eq!(found, [(Some("01000"), "x"), (Some("01007"), "y")]);
    assert!(connection.take_warnings().is_empty());
    // However many there are, they take little memory.
    connection.execute_all("DO $$ BEGIN FOR n IN 1..1000 LOOP RAISE WARNING 'x'; END LOOP; END $$").unwrap();
    assert_eq!(connection.take_warnings().len(), 16);
}

#[test]
fn a_connection_that_the_server_ended_fails_and_ends_a_wait() {
    let Some(server) = postgres_server() else { return };
    let (mut connection, mut other) = (connect(&server), connect(&server));
    let process = texts(&mut connection, "SELECT pg_backend_pid()", &[])[0][0].clone();
    texts(&mut other, "SELECT pg_terminate_backend(CAST($1 AS int), 60000)", &[process.as_deref()]);
    let wake = Wake::new().unwrap();
    let error = loop {
        match connection.notifications() {
            Ok(notifications) => assert!(notifications.is_empty()),
            Err(error) => break error,
        }
        connection.wait(LONG, &wake).unwrap();
    };
    assert!(!error.to_string().is_empty());
    assert!(connection.execute("SELECT 1", &[]).is_err());
    assert!(connection.execute_all("SELECT 1").is_err());
    assert!(matches!(connection.wait(LONG, &wake), Err(Error::Closed)));
    // While a statement runs.
    let mut connection = connect(&server);
    connection.execute("SELECT pg_terminate_backend(pg_backend_pid())", &[]).unwrap_err();
}

#[test]
fn a_notification_ends_a_wait() {
    let Some(server) = postgres_server() else { return };
    let (mut connection, mut other) = (connect(&server), connect(&server));
    connection.execute_all("LISTEN first; LISTEN second").unwrap();
    let process = texts(&mut other, "SELECT pg_backend_pid()", &[])[0][0].clone().unwrap();
    let wake = Wake::new().unwrap();
    let sender = std::thread::spawn(move || {
        other
            .execute_all("BEGIN; NOTIFY first; NOTIFY third; SELECT pg_notify('second', 'é'); COMMIT")
            .unwrap();
        other
    });
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(connection.notifications().unwrap());
        if heard.len() < 2 {
            connection.wait(LONG, &wake).unwrap();
        }
    }
    let found: Vec<_> = heard.iter().map(|one| (one.channel.as_str(), one.payload.as_str())).collect();
    assert_eq!(found, [("first", ""), ("second", "é")]);
    assert!(heard.iter().all(|one| one.process_id.to_string() == process));
    // One that arrives during a statement is kept.
    let mut other = sender.join().unwrap();
    other.execute_all("NOTIFY first").unwrap();
    texts(&mut connection, "SELECT 1", &[]);
    assert_eq!(connection.notifications().unwrap().len(), 1);
}

#[test]
fn another_thread_ends_a_wait_also_before_it_begins() {
    let Some(server) = postgres_server() else { return };
    let mut connection = connect(&server);
    let wake = Wake::new().unwrap();
    for _ in 0..100_000 {
        wake.wake();
    }
    connection.wait(LONG, &wake).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| wake.wake());
        connection.wait(LONG, &wake).unwrap();
    });
    // Nothing is left: it ends by its time.
    connection.wait(Duration::from_millis(1), &wake).unwrap();
}
