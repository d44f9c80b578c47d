//! The example of a service without a web framework, on both databases.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::SystemTime,
};

use tokenry_service::{NewToken, RequestContext, Settings, Tokenry, UnixMillis, unrestricted};
use tokenry_testkit::each_backend;

#[path = "../examples/line_server.rs"]
#[allow(dead_code, reason = "the test has its own main")]
mod line_server;

/// Sends lines on one connection and returns the answer to each that has one.
fn converse(server: SocketAddr, lines: &[&str], answers: usize) -> Vec<String> {
    let mut connection = TcpStream::connect(server).unwrap();
    connection.write_all(lines.concat().as_bytes()).unwrap();
    BufReader::new(connection).lines().take(answers).map(Result::unwrap).collect()
}

each_backend!(a_service_without_a_web_framework_admits_only_live_tokens_with_the_scope, |db| {
    let tokenry = Tokenry::new(db.store().clone(), Settings::default()).unwrap();
    #[allow(clippy::disallowed_methods, reason = "the server reads the same clock")]
    let context = RequestContext::new(unrestricted::operator(), UnixMillis::from_clock(SystemTime::now()));
    let owner = tokenry.find_or_create_user(&context, "alice", None).unwrap();
    let mut new = NewToken::default();
    new.name = "reader".to_owned();
    new.scopes = Some(vec!["counter:read".to_owned()]);
    let reader = tokenry.issue_token(&context, owner.id, new.clone()).unwrap();
    new.scopes = Some(vec!["counter:write".to_owned()]);
    let writer = tokenry.issue_token(&context, owner.id, new).unwrap();
    let auth = |secret: &str| format!("AUTH {secret}\n");
    let (reader_line, id) = (auth(&reader.secret.reveal_once()), reader.token.id);
    let writer_line = auth(&writer.secret.reveal_once());

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let service = tokenry.clone();
    std::thread::spawn(move || line_server::serve(&listener, &service));

    assert_eq!(converse(server, &["GET\n"], 1), ["ERR invalid_token"]);
    assert_eq!(converse(server, &["AUTH pat_x\n", "GET\n"], 1), ["ERR invalid_token"]);
    assert_eq!(converse(server, &[&writer_line, "ADD\n", "GET\n"], 2), ["OK 1", "OK 1"]);
    let answers = converse(server, &[&reader_line, "GET\n", "ADD\n", "GET\n"], 3);
    assert_eq!(answers, ["OK 1", "ERR insufficient_scope", "OK 1"]);

    // A revocation takes effect within an open connection.
    let mut connection = TcpStream::connect(server).unwrap();
    let mut answers = BufReader::new(connection.try_clone().unwrap()).lines();
    connection.write_all([reader_line.as_bytes(), b"GET\n"].concat().as_slice()).unwrap();
    assert_eq!(answers.next().unwrap().unwrap(), "OK 1");
    tokenry.revoke_token(&context, id, None).unwrap();
    connection.write_all(b"GET\n").unwrap();
    assert_eq!(answers.next().unwrap().unwrap(), "ERR revoked_token");

    // A line without an end is not read further than any token is long.
    let endless = "x".repeat(100_000);
    let mut connection = TcpStream::connect(server).unwrap();
    let _ = connection.write_all(endless.as_bytes());
    assert_eq!(BufReader::new(connection).lines().map_while(Result::ok).count(), 0);
});
